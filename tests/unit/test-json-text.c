/* SPDX-License-Identifier: Apache-2.0 */

/* What is written reads back as what it was, whatever bytes and numbers it is made of. */

#include "base/json_text.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "base/timestamp.h"

#define BAD "\xef\xbf\xbd"

static void assert_written(Buffer *out, const char *expected) {
        _cleanup_free_ char *text = buffer_take_string(out);

        assert_string_equal(text, expected);
}

static void assert_string(const char *s, size_t size, const char *expected) {
        Buffer out = BUFFER_INIT;

        json_append_string(&out, s, size);
        assert_written(&out, expected);
}

static void escapes_what_json_wants_escaped(_unused_ void **state) {
        assert_string("", 0, "\"\"");
        assert_string("plain text / 'here'", 19, "\"plain text / 'here'\"");
        assert_string("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
        assert_string("a\0b\x01\x1f\x7f", 6, "\"a\\u0000b\\u0001\\u001f\x7f\"");
        assert_string("gr\xc3\xb6\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15,
                      "\"gr\xc3\xb6\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
        /* What Go escapes for HTML's sake. */
        assert_string("<&>\xe2\x80\xa8\xe2\x80\xa9", 9, "\"<&>\xe2\x80\xa8\xe2\x80\xa9\"");
}

static void replaces_each_byte_that_is_no_utf8(_unused_ void **state) {
        assert_string("a\xff\"", 3, "\"a" BAD "\\\"\"");
        assert_string("\xc3", 1, "\"" BAD "\"");
        assert_string("\xe2\x82", 2, "\"" BAD BAD "\"");
        assert_string("\xc0\xaf", 2, "\"" BAD BAD "\"");
        assert_string("\xed\xa0\x80", 3, "\"" BAD BAD BAD "\"");
        assert_string("\xf4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\"");
        assert_string("\xf0\x80\x80\x80", 4, "\"" BAD BAD BAD BAD "\"");
        assert_string("\xf5", 1, "\"" BAD "\"");
        assert_string("\xe2\x82\xc3\xa9", 4, "\"" BAD BAD "\xc3\xa9\"");
}

/* Every byte at every place of a string: what is read back is what went in, or replaced if bad. */
static void every_byte_survives_everywhere(_unused_ void **state) {
        char s[24];

        for (size_t size = 1; size <= sizeof(s); size++)
                for (size_t at = 0; at < size; at++)
                        for (unsigned byte = 0; byte < 256; byte++) {
                                Buffer out = BUFFER_INIT;
                                memset(s, 'x', sizeof(s));
                                s[at] = (char)byte;
                                json_append_string(&out, s, size);
                                json_t *back = json_loadb(out.data, out.size,
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
                                buffer_done(&out);
                        }
}

static void integers_print_all_digits(_unused_ void **state) {
        Buffer out = BUFFER_INIT;

        member_open(&out, NULL, '[');
        member_integer(&out, NULL, 0);
        member_integer(&out, NULL, -1);
        member_integer(&out, NULL, 10);
        member_integer(&out, NULL, INT64_MAX);
        member_integer(&out, NULL, INT64_MIN);
        member_unsigned(&out, NULL, 0);
        member_unsigned(&out, NULL, UINT64_MAX);
        member_close(&out, ']');
        assert_written(&out, "[0,-1,10,9223372036854775807,-9223372036854775808,0,"
                             "18446744073709551615]");
}

static void reals_are_short_and_exact(_unused_ void **state) {
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
                { -DBL_MAX, "-1.7976931348623157e+308" },
                { NAN, "null" },
                { INFINITY, "null" },
                { -INFINITY, "null" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Buffer out = BUFFER_INIT;
                json_append_real(&out, cases[i].value);
                assert_written(&out, cases[i].text);
        }
        for (unsigned i = 0; i < 20000; i++) {
                Buffer out = BUFFER_INIT;
                double value;
                random_bytes(&value, sizeof(value));
                if (!isfinite(value))
                        continue;
                json_append_real(&out, value);
                json_t *back = json_loadb(out.data, out.size, JSON_DECODE_ANY, NULL);
                assert_true(json_is_real(back));
                assert_true(json_real_value(back) == value);
                json_decref(back);
                buffer_done(&out);
        }
}

static void members_of_every_kind(_unused_ void **state) {
        static const char *const words[] = { "a", "b", NULL };
        Buffer out = BUFFER_INIT;

        member_open(&out, NULL, '{');
        member_text(&out, "s\"", "x\n");
        member_text(&out, "null", NULL);
        member_text_given(&out, "absent", NULL);
        member_text_given(&out, "given", "");
        member_boolean(&out, "yes", true);
        member_boolean(&out, "no", false);
        member_time(&out, "never", TIMESTAMP_ZERO);
        member_verbatim(&out, "as it is", "{\"a\": [ ]}");
        member_texts(&out, "one", words, 1);
        member_array(&out, "two", words);
        member_array(&out, "none", NULL);
        member_text(&out, "k\xff", "\xc3(");
        member_close(&out, '}');
        assert_written(&out, "{\"s\\\"\":\"x\\n\",\"null\":\"\",\"given\":\"\",\"yes\":true,"
                             "\"no\":false,\"never\":\"0001-01-01T00:00:00Z\","
                             "\"as it is\":{\"a\": [ ]},\"one\":[\"a\"],\"two\":[\"a\",\"b\"],"
                             "\"none\":[],\"k" BAD "\":\"" BAD "(\"}");
}

/* Commas between elements, objects in lists, lists in lists, and after what ends in a bracket. */
static void commas_stand_where_they_are_due(_unused_ void **state) {
        Buffer out = BUFFER_INIT;

        member_open(&out, NULL, '[');
        for (int i = 0; i < 2; i++) {
                member_open(&out, NULL, '{');
                member_text(&out, "k[", "v{");
                member_open(&out, "l", '[');
                member_open(&out, NULL, '[');
                member_close(&out, ']');
                member_integer(&out, NULL, i);
                member_text(&out, NULL, "[");
                member_text(&out, NULL, "");
                member_close(&out, ']');
                member_open(&out, "o", '{');
                member_close(&out, '}');
                member_boolean(&out, "last", false);
                member_close(&out, '}');
        }
        member_close(&out, ']');
        assert_written(&out, "[{\"k[\":\"v{\",\"l\":[[],0,\"[\",\"\"],\"o\":{},\"last\":false},"
                             "{\"k[\":\"v{\",\"l\":[[],1,\"[\",\"\"],\"o\":{},\"last\":false}]");
}

/* A writer asks once, at its end; until then nothing is written past what there is room for. */
static void failure_is_the_buffers(_unused_ void **state) {
        Buffer out = { .failed = true };

        member_open(&out, NULL, '{');
        member_text(&out, "a", "b\n\xff");
        member_integer(&out, "c", 1);
        json_append_real(&out, 1.5);
        member_close(&out, '}');
        assert_true(buffer_failed(&out));
        assert_int_equal(out.size, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(escapes_what_json_wants_escaped),
                cmocka_unit_test(replaces_each_byte_that_is_no_utf8),
                cmocka_unit_test(every_byte_survives_everywhere),
                cmocka_unit_test(integers_print_all_digits),
                cmocka_unit_test(reals_are_short_and_exact),
                cmocka_unit_test(members_of_every_kind),
                cmocka_unit_test(commas_stand_where_they_are_due),
                cmocka_unit_test(failure_is_the_buffers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
