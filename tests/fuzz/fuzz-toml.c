/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The TOML reader: any bytes are a document or an error with a position, and a document can be
 * walked.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const TomlValue *value) {
        size_t count = 1;

        assert(value->offset <= TOML_SIZE_MAX);
        switch (value->kind) {
        case TOML_STRING:
        case TOML_DATE:
                assert(text_is_utf8(value->text, strlen(value->text)));
                break;
        case TOML_ARRAY:
        case TOML_TABLE:
                TOML_FOREACH(child, value) {
                        assert((child->key != NULL) == (value->kind == TOML_TABLE));
                        count += walk(child);
                }
                break;
        case TOML_INTEGER:
        case TOML_FLOAT:
        case TOML_BOOLEAN:
        case _TOML_KIND_MAX:
        default:
                break;
        }
        return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;
        _cleanup_strings_ Strings list = STRINGS_INIT;
        Error err = ERROR_INIT;

        if (toml_parse(&toml, "fuzz", (const char *)data, size, &err) < 0) {
                assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
                assert(strncmp(err.text, "fuzz", 4) == 0);
                return 0;
        }
        assert(walk(toml_root(toml)) <= TOML_VALUES_MAX);
        (void)toml_get_strings(toml_root(toml), "a.b", &list, &err);
        return 0;
}
