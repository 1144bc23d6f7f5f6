/* SPDX-License-Identifier: Apache-2.0 */

/* Changes to an image, one on each line: whatever is accepted must make a config that can be read
 * again. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "image/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT, again = IMAGE_CONFIG_INIT;
        _cleanup_free_ char *text = xstrndup((const char *)data, size), *formatted = NULL;
        size_t formatted_size;
        Error err = ERROR_INIT;

        image_config_init(&config);
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
                const char *change = line;
                if (image_settings_apply(&config.settings, &change, 1, &err) < 0)
                        assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
        }
        formatted = image_config_format(&config, &formatted_size);
        if (image_config_parse(formatted, formatted_size, &again, &err) < 0)
                assert(err.kind == ERR_LIMIT);
        return 0;
}
