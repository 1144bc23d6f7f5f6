/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text is parsed or refused with a place inside of it; what is parsed formats to a text that
 * means the same and formats to itself; and the generator finds names for it, or says which one it
 * cannot.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tests/unit/idl-equal.h"
#include "varlinkgen/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void generate(const Idl *idl, const char *text, size_t size, Arena *arena) {
        Buffer buffer = BUFFER_INIT;
        IdlError error;
        Model model;

        if (model_init(&model, idl, text, size, "fuzz.varlink", arena, &error) >= 0) {
                output_header(&model, &buffer);
                output_source(&model, &buffer);
                output_server(&model, &buffer);
                output_client(&model, &buffer);
                assert(!buffer_failed(&buffer));
                assert(!memchr(buffer.data, '\0', buffer.size));
        } else {
                assert(error.position.line > 0 && error.text[0]);
        }
        buffer_done(&buffer);
        model_done(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *)data;
        Buffer once = BUFFER_INIT, twice = BUFFER_INIT;
        Arena arena = ARENA_INIT;
        const Idl *first, *second;
        IdlError error;

        if (idl_parse(text, size, &arena, &first, &error) < 0) {
                assert(error.position.line >= 1 && error.position.column >= 1);
                assert(error.position.line <= size + 1 && error.position.column <= size + 1);
                assert(strlen(error.text) > 0 && text_is_utf8(error.text, strlen(error.text)));
        } else {
                idl_format(first, &once);
                int r = idl_parse(once.data, once.size, &arena, &second, &error);
                assert(r == 0);
                assert(!idl_difference(first, second, true));
                idl_format(second, &twice);
                assert(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
                if (size < 4096)
                        generate(first, text, size, &arena);
        }
        buffer_done(&once);
        buffer_done(&twice);
        arena_done(&arena);
        return 0;
}
