/* SPDX-License-Identifier: Apache-2.0 */

/* A profile is refused with a reason, or becomes a JSON object that names an action. */

#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "oci/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;
        Error err = ERROR_INIT;

        if (seccomp_translate((const char *)data, size, "profile", CAPABILITY_DEFAULT, &text,
                              &err) < 0) {
                assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
                assert(*err.text);
                return 0;
        }
        json_auto_t *filter = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert(json_is_string(json_object_get(filter, "defaultAction")));
        assert(json_is_array(json_object_get(filter, "syscalls")));
        return 0;
}
