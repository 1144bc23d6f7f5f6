/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/descriptor.h"

#include <stdio.h>
#include <string.h>

#include "oci/document.h"

int descriptor_parse(const json_t *json, const char *where, Descriptor *ret, Error *err) {
        _cleanup_free_ char *digest = NULL;
        char subject[64];

        *ret = (Descriptor){ .media_type = NULL };
        if (document_text(json, where, "mediaType", &ret->media_type, err) < 0 ||
            document_text(json, where, "digest", &digest, err) < 0 ||
            document_integer(json, where, "size", &ret->size, err) < 0)
                return -1;
        snprintf(subject, sizeof(subject), "%sdigest", where);
        if (!digest_is_valid(digest))
                return error_set(err, ERR_INVALID, subject, "%s is no sha256 digest: \"%.100s\"",
                                 subject, digest);
        snprintf(subject, sizeof(subject), "%ssize", where);
        if (ret->size < 0)
                return error_set(err, ERR_INVALID, subject, "%s is negative", subject);
        if (ret->size > BLOB_SIZE_MAX)
                return error_set(err, ERR_LIMIT, subject, "%s is larger than any blob can be",
                                 subject);
        memcpy(ret->digest, digest, DIGEST_TEXT_SIZE);
        return 0;
}

json_t *descriptor_format(const Descriptor *descriptor, bool is_docker) {
        json_t *json = json_object();

        document_put(json, "mediaType", json_string(descriptor->media_type));
        if (is_docker)
                document_put(json, "size", json_integer(descriptor->size));
        document_put(json, "digest", json_string(descriptor->digest));
        if (!is_docker)
                document_put(json, "size", json_integer(descriptor->size));
        return json;
}
