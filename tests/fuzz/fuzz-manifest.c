/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Manifests and indexes. No text is both. What parses is written as a text that parses and is
 * written the same; a manifest survives being turned into the other kind and back.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "oci/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_conversion(Manifest *manifest) {
        _cleanup_free_ char *before = NULL, *after = NULL;

        if (manifest_convert(manifest, MEDIA_TYPE_DOCKER_MANIFEST, NULL) < 0)
                return;
        before = manifest_format(manifest, NULL);
        int r = manifest_convert(manifest, MEDIA_TYPE_OCI_MANIFEST, NULL);
        assert(r == 0);
        r = manifest_convert(manifest, MEDIA_TYPE_DOCKER_MANIFEST, NULL);
        assert(r == 0);
        after = manifest_format(manifest, NULL);
        assert(strcmp(before, after) == 0);
}

static bool try_manifest(const char *text, size_t size) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT, again = MANIFEST_INIT;
        _cleanup_free_ char *one = NULL, *two = NULL;

        if (manifest_parse(text, size, &manifest, NULL) < 0)
                return false;
        one = manifest_format(&manifest, &size);
        int r = manifest_parse(one, size, &again, NULL);
        assert(r == 0);
        two = manifest_format(&again, NULL);
        assert(strcmp(one, two) == 0);
        for (size_t i = 0; i < manifest.layers_count; i++)
                (void)manifest_check_layer(&manifest.layers[i], NULL);
        try_conversion(&manifest);
        return true;
}

static bool try_index(const char *text, size_t size) {
        static const Platform arm = { .os = "linux", .architecture = "arm", .variant = "v7" };
        _cleanup_index_ Index index = INDEX_INIT, again = INDEX_INIT;
        _cleanup_free_ char *formatted = NULL;
        Error err = ERROR_INIT;

        if (index_parse(text, size, &index, NULL) < 0)
                return false;
        (void)index_choose(&index, NULL, &err);
        (void)index_choose(&index, &arm, &err);
        (void)index_find(&index, NULL, &err);
        if (index.count > 0) {
                Descriptor first = index.entries[0].descriptor;
                first.media_type = xstrdup(first.media_type);
                if (index_put(&index, "name", &first, NULL) == 0)
                        assert(index_find(&index, "name", NULL));
                free(first.media_type);
        }
        formatted = index_format(&index, &size);
        /* One more name can make it too large, which whoever writes it checks. */
        if (size <= MANIFEST_SIZE_MAX) {
                int r = index_parse(formatted, size, &again, NULL);
                assert(r == 0);
                assert(again.count == index.count);
        }
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;

        bool is_manifest = try_manifest(text, size), is_index = try_index(text, size);
        assert(!is_manifest || !is_index);
        (void)index_is_index(text, size, NULL);
        return 0;
}
