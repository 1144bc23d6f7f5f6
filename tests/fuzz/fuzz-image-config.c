/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Configs and manifests. What parses must format to a text that parses, and formats to itself:
 * else an image made from a parsed config would get another id each time.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "oci/image_config.h"
#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_config(const char *text, size_t size) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT, again = IMAGE_CONFIG_INIT;
        _cleanup_free_ char *one = NULL, *two = NULL;
        _cleanup_pairs_ Pairs env = PAIRS_INIT;
        int signal;

        if (image_config_parse(text, size, &config, NULL) < 0)
                return;
        one = image_config_format(&config, &size);
        assert(image_config_parse(one, size, &again, NULL) == 0);
        two = image_config_format(&again, &size);
        assert(strcmp(one, two) == 0);
        (void)image_config_apply_env(&config, &env, NULL);
        (void)image_config_stop_signal(&config, &signal, NULL);
}

static void try_manifest(const char *text, size_t size) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT, again = MANIFEST_INIT;
        _cleanup_free_ char *formatted = NULL;

        if (manifest_parse(text, size, &manifest, NULL) < 0)
                return;
        formatted = manifest_format(&manifest, &size);
        assert(manifest_parse(formatted, size, &again, NULL) == 0);
        assert(again.layers_count == manifest.layers_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        try_config((const char *)data, size);
        try_manifest((const char *)data, size);
        return 0;
}
