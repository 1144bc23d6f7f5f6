/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any JSON is decoded into types of every shape, or refused with a path; what was decoded is
 * written as JSON that decodes to the same and is then written the same.
 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/json_text.h"
#include "base/text.h"
#include "idl/io.podman.h"
#include "tests/certification/org.varlink.certification.h"
#include "tests/golden/varlinkgen/small-circles.h"
#include "tests/golden/varlinkgen/small-shapes.h"
#include "varlink/codec.h"

#define MEMORY_MAX (8 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns whether @document was decoded and has been written to @out. */
static bool translate(const VlType *type, json_t *document, unsigned flags, Buffer *out) {
        Arena arena = { .limit = MEMORY_MAX };
        char path[CODEC_PATH_MAX];
        void *value = arena_alloc(&arena, type->size);

        int r = codec_decode(type, document, flags, &arena, value, path);
        assert(r == 0 || r == -EINVAL || r == -E2BIG);
        assert(arena.used <= MEMORY_MAX + type->size + 4096);
        if (r < 0)
                assert(*path && strlen(path) < sizeof(path) && text_is_utf8(path, strlen(path)));
        else
                codec_encode(type, value, out);
        arena_done(&arena);
        return r == 0;
}

static json_t *parse(const char *text, size_t size) {
        return json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
}

static void check(const VlType *type, json_t *document, unsigned flags) {
        Buffer once = BUFFER_INIT, twice = BUFFER_INIT;

        if (translate(type, document, flags, &once)) {
                json_t *again = parse(once.data, once.size);
                assert(again);
                if (translate(type, again, CODEC_STRICT, &twice))
                        assert(once.size == twice.size &&
                               memcmp(once.data, twice.data, once.size) == 0);
                json_decref(again);
        }
        buffer_done(&once);
        buffer_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const VlType *const types[] = {
                io_podman_interface.methods[IO_PODMAN_METHOD_CreateContainer].in,
                &org_varlink_certification_type_MyType,
                &org_example_shapes_type_Nested,
                &org_example_shapes_type_Nullable,
                &org_example_circles_type_Tree,
        };
        const char *text = (const char *)data;
        json_t *document = parse(text, size);
        json_t *reals = json_loadb(text, size, JSON_DECODE_INT_AS_REAL, NULL);

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                if (document)
                        check(types[i], document, CODEC_LENIENT_BOOL);
                if (reals)
                        check(types[i], reals, CODEC_INTS_AS_REALS);
        }
        Buffer literal = BUFFER_INIT;
        json_append_string(&literal, text, size);
        json_t *string =
                json_loadb(literal.data, literal.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert(json_is_string(string));
        if (text_is_utf8(text, size))
                assert(json_string_length(string) == size &&
                       memcmp(json_string_value(string), text, size) == 0);
        buffer_done(&literal);
        json_decref(string);
        json_decref(document);
        json_decref(reals);
        return 0;
}
