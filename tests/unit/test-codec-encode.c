/* SPDX-License-Identifier: Apache-2.0 */

/* Encoding: what is written reads back as what it was, whatever bytes and numbers it is made of. */

#include "varlink/codec.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "tests/golden/varlinkgen/small-shapes.h"

typedef OrgExampleShapesBasic Basic;
typedef OrgExampleShapesNested Nested;

static const VlType *const basic_type = &org_example_shapes_type_Basic;
static const VlType *const nested_type = &org_example_shapes_type_Nested;

static char *encode(const VlType *type, const void *value) {
        Buffer buffer = BUFFER_INIT;

        codec_encode(type, value, &buffer);
        char *text = buffer_take_string(&buffer);
        assert_non_null(text);
        return text;
}

static void assert_encodes(const char *s, size_t size, const char *expected) {
        Buffer buffer = BUFFER_INIT;

        codec_encode_string(s, size, &buffer);
        _cleanup_free_ char *text = buffer_take_string(&buffer);
        assert_string_equal(text, expected);
}

static void strings_are_escaped(void **state) {
        (void)state;
        assert_encodes("", 0, "\"\"");
        assert_encodes("plain text / 'here'", 19, "\"plain text / 'here'\"");
        assert_encodes("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
        assert_encodes("a\0b\x1f\x7f", 5, "\"a\\u0000b\\u001f\x7f\"");
        assert_encodes("gr\xc3\xb6\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15,
                       "\"gr\xc3\xb6\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
#define BAD "\xef\xbf\xbd"
        assert_encodes("a\xff"
                       "b",
                       3, "\"a" BAD "b\"");
        assert_encodes("\xc3", 1, "\"" BAD "\"");
        assert_encodes("\xe2\x82", 2, "\"" BAD BAD "\"");
        assert_encodes("\xc0\xaf", 2, "\"" BAD BAD "\"");
        assert_encodes("\xed\xa0\x80", 3, "\"" BAD BAD BAD "\"");
        assert_encodes("\xf4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\"");
        assert_encodes("\xf0\x80\x80\x80", 4, "\"" BAD BAD BAD BAD "\"");
        assert_encodes("\xf5", 1, "\"" BAD "\"");
        assert_encodes("\xe2\x82\xc3\xa9", 4, "\"" BAD BAD "\xc3\xa9\"");
}

/* Every byte at every place of a string: what is read back is what went in, or replaced if bad. */
static void every_byte_survives_everywhere(void **state) {
        char s[24];

        (void)state;
        for (size_t size = 1; size <= sizeof(s); size++)
                for (size_t at = 0; at < size; at++)
                        for (unsigned byte = 0; byte < 256; byte++) {
                                Buffer buffer = BUFFER_INIT;
                                memset(s, 'x', sizeof(s));
                                s[at] = (char)byte;
                                codec_encode_string(s, size, &buffer);
                                json_t *back = json_loadb(buffer.data, buffer.size,
                                                          JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                                assert_non_null(back);
                                if (byte < 0x80) {
                                        assert_int_equal(json_string_length(back), size);
                                        assert_memory_equal(json_string_value(back), s, size);
                                } else {
                                        assert_int_equal(json_string_length(back), size + 2);
                                        assert_memory_equal(json_string_value(back) + at, BAD, 3);
                                }
                                json_decref(back);
                                buffer_done(&buffer);
                        }
}

static char *encode_float(double value) {
        Basic basic = { .share = value };
        _cleanup_free_ char *text = encode(basic_type, &basic);

        const char *begin = strstr(text, "\"share\":") + strlen("\"share\":");
        return xstrndup(begin, strcspn(begin, ","));
}

static void floats_are_short_and_exact(void **state) {
        static const struct {
                double value;
                const char *text;
        } cases[] = {
                { 0.0, "0.0" },
                { -0.0, "-0.0" },
                { 1.0, "1.0" },
                { 0.1, "0.1" },
                { 1.0 / 3, "0.3333333333333333" },
                { 0.1 + 0.2, "0.30000000000000004" },
                { 2.5e-8, "2.5e-08" },
                { 1e22, "1e+22" },
                { 123456789012345680.0, "1.2345678901234568e+17" },
                { 5e-324, "4.94065645841247e-324" },
                { DBL_MAX, "1.7976931348623157e+308" },
                { NAN, "null" },
                { INFINITY, "null" },
                { -INFINITY, "null" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *text = encode_float(cases[i].value);
                assert_string_equal(text, cases[i].text);
        }
        for (unsigned i = 0; i < 20000; i++) {
                double value;
                random_bytes(&value, sizeof(value));
                if (!isfinite(value))
                        continue;
                _cleanup_free_ char *text = encode_float(value);
                json_t *back = json_loads(text, JSON_DECODE_ANY, NULL);
                assert_true(json_is_real(back));
                assert_true(json_real_value(back) == value);
                json_decref(back);
        }
}

static void integers_print_all_digits(void **state) {
        static const struct {
                int64_t value;
                const char *text;
        } cases[] = {
                { 0, "\"count\":0," },
                { -1, "\"count\":-1," },
                { 10, "\"count\":10," },
                { INT64_MAX, "\"count\":9223372036854775807," },
                { INT64_MIN, "\"count\":-9223372036854775808," },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Basic basic = { .count = cases[i].value };
                _cleanup_free_ char *text = encode(basic_type, &basic);
                assert_non_null(strstr(text, cases[i].text));
        }
}

/* A struct that nobody filled is still a reply. */
static void zeroed_structs_encode(void **state) {
        Nested nested = { .basics = { .items = NULL } };
        _cleanup_free_ char *text = encode(nested_type, &nested);
        json_t *back = json_loads(text, 0, NULL);

        (void)state;
        assert_true(json_is_object(json_object_get(back, "nothing")));
        assert_true(json_is_array(json_object_get(back, "basics")));
        json_decref(back);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(strings_are_escaped),
                cmocka_unit_test(every_byte_survives_everywhere),
                cmocka_unit_test(floats_are_short_and_exact),
                cmocka_unit_test(integers_print_all_digits),
                cmocka_unit_test(zeroed_structs_encode),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
