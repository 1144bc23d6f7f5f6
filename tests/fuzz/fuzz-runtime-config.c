/* SPDX-License-Identifier: Apache-2.0 */

/* Text goes through the runtime's document unchanged, or is refused because it is not UTF-8. */

#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "oci/runtime_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = xstrndup((const char *)data, size);
        const char *const args[] = { text, NULL };
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        _cleanup_buffer_ Buffer out = BUFFER_INIT;

        config.args = args;
        config.root_path = "/";
        runtime_config_set_annotation(&config, text, text);
        if (runtime_config_format(&config, &out, NULL) < 0) {
                assert(!text_is_utf8(text, strlen(text)));
                assert(out.size == 0);
                return 0;
        }
        json_auto_t *document = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
        assert(document);
        const json_t *process = json_object_get(document, "process");
        const json_t *first = json_array_get(json_object_get(process, "args"), 0);
        const json_t *annotations = json_object_get(document, "annotations");
        assert(strcmp(json_string_value(first), text) == 0);
        assert(strcmp(json_string_value(json_object_get(annotations, text)), text) == 0);
        return 0;
}
