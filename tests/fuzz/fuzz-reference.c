/* SPDX-License-Identifier: Apache-2.0 */

/* Whatever parses must format back to the same text, and stay valid when it is completed. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = xstrndup((const char *)data, size);
        char formatted[REFERENCE_TEXT_MAX];
        Reference reference, again;
        Error err = ERROR_INIT;

        if (reference_parse(text, &reference, &err) < 0)
                assert(err.kind == ERR_INVALID);
        else
                assert(strcmp(reference_format(&reference, formatted), text) == 0);
        if (reference_parse(text, &reference, NULL) == 0 &&
            reference_normalize(&reference, NULL) == 0) {
                reference_format(&reference, formatted);
                assert(reference_parse(formatted, &again, NULL) == 0);
                assert(reference_normalize(&again, NULL) == 0);
                assert(memcmp(again.domain, "", 1) != 0);
        }
        if (reference_parse_local(text, &reference, NULL) == 0) {
                reference_format(&reference, formatted);
                assert(*reference.domain && *reference.tag && !*reference.digest);
                assert(reference_parse_local(formatted, &again, NULL) == 0);
                assert(strcmp(again.path, reference.path) == 0);
        }
        return 0;
}
