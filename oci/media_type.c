/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/media_type.h"

#include <string.h>

#include "base/text.h"

bool media_type_is_manifest(const char *media_type) {
        return text_equal(media_type, MEDIA_TYPE_OCI_MANIFEST) ||
               text_equal(media_type, MEDIA_TYPE_DOCKER_MANIFEST);
}

bool media_type_is_index(const char *media_type) {
        return text_equal(media_type, MEDIA_TYPE_OCI_INDEX) ||
               text_equal(media_type, MEDIA_TYPE_DOCKER_LIST);
}

static bool is_foreign(const char *media_type) {
        return text_starts_with(media_type, "application/vnd.docker.image.rootfs.foreign.diff.") ||
               text_starts_with(media_type, "application/vnd.oci.image.layer.nondistributable.");
}

int layer_type_parse(const char *media_type, const char *subject, Compression *ret, Error *err) {
        static const struct {
                const char *media_type;
                Compression compression;
        } rows[] = {
                { MEDIA_TYPE_OCI_LAYER_GZIP, COMPRESSION_GZIP },
                { MEDIA_TYPE_DOCKER_LAYER_GZIP, COMPRESSION_GZIP },
                { MEDIA_TYPE_OCI_LAYER, COMPRESSION_NONE },
                { MEDIA_TYPE_DOCKER_LAYER, COMPRESSION_NONE },
                { MEDIA_TYPE_OCI_LAYER_ZSTD, COMPRESSION_ZSTD },
                { MEDIA_TYPE_DOCKER_LAYER ".zstd", COMPRESSION_ZSTD }, /* of BuildKit */
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (text_equal(media_type, rows[i].media_type)) {
                        *ret = rows[i].compression;
                        return 0;
                }
        if (is_foreign(media_type))
                return error_set(err, ERR_UNSUPPORTED, subject,
                                 "layer %s is foreign, only to be had from its maker (%.100s), "
                                 "which is not supported",
                                 subject, media_type);
        return error_set(err, ERR_UNSUPPORTED, subject,
                         "layer %s has the media type \"%.100s\", which is none of an image's "
                         "layer",
                         subject, media_type);
}
