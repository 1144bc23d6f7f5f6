/* SPDX-License-Identifier: Apache-2.0 */

/* What the writer of documents makes is JSON, whatever it is given: jansson reads it back. */

#include "api/member.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/timestamp.h"

static json_t *read_back(Buffer *out) {
        _cleanup_free_ char *text = buffer_take_string(out);
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

        assert_non_null(json);
        return json;
}

static void test_kinds(_unused_ void **state) {
        static const MemberBlank blanks[] = {
                { "text", BLANK_TEXT }, { "number", BLANK_NUMBER }, { "boolean", BLANK_BOOLEAN },
                { "list", BLANK_LIST }, { "map", BLANK_MAP },       { "time", BLANK_TIME },
        };
        static const char *const words[] = { "a", "b", NULL };
        Buffer out = BUFFER_INIT;

        member_open(&out, NULL, '{');
        member_text(&out, "s", "x\"\\\n\x01");
        member_text(&out, "null", NULL);
        member_integer(&out, "min", INT64_MIN);
        member_boolean(&out, "yes", true);
        member_time(&out, "never", TIMESTAMP_ZERO);
        member_texts(&out, "one", words, 1);
        member_array(&out, "two", words);
        member_array(&out, "none", NULL);
        member_open(&out, "blank", '{');
        member_blanks(&out, blanks, ARRAY_SIZE(blanks));
        member_close(&out, '}');
        member_close(&out, '}');

        json_t *json = read_back(&out);
        json_t *expected = json_pack("{s:s, s:s, s:I, s:b, s:s, s:[s], s:[ss], s:[], s:{s:s, s:i, "
                                     "s:b, s:[], s:{}, s:s}}",
                                     "s", "x\"\\\n\x01", "null", "", "min", (json_int_t)INT64_MIN,
                                     "yes", 1, "never", "0001-01-01T00:00:00Z", "one", "a", "two",
                                     "a", "b", "none", "blank", "text", "", "number", 0, "boolean",
                                     0, "list", "map", "time", "0001-01-01T00:00:00Z");
        assert_true(json_equal(json, expected));
        json_decref(json);
        json_decref(expected);
}

/* Commas between elements, objects in lists, lists in lists, and after what ends in a bracket. */
static void test_nesting(_unused_ void **state) {
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
                member_boolean(&out, "last", false);
                member_close(&out, '}');
        }
        member_close(&out, ']');

        json_t *json = read_back(&out);
        char *text = json_dumps(json, JSON_COMPACT);
        assert_string_equal(text, "[{\"k[\":\"v{\",\"l\":[[],0,\"[\",\"\"],\"last\":false},"
                                  "{\"k[\":\"v{\",\"l\":[[],1,\"[\",\"\"],\"last\":false}]");
        free(text);
        json_decref(json);
}

/* Keys (labels) and values that are no UTF-8 cost themselves, not the document. */
static void test_bad_utf8(_unused_ void **state) {
        Buffer out = BUFFER_INIT;

        member_open(&out, NULL, '{');
        member_text(&out, "k\xff", "a\xc3(\xed\xa0\x80\xf5z");
        member_text(&out, "good", "gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x90\xa7");
        member_close(&out, '}');

        json_t *json = read_back(&out);
        const char *bad = json_string_value(json_object_get(json, "k\xef\xbf\xbd"));
        assert_non_null(bad);
        assert_int_equal(bad[0], 'a');
        assert_int_equal(bad[strlen(bad) - 1], 'z');
        assert_string_equal(json_string_value(json_object_get(json, "good")),
                            "gr\xc3\xbc\xc3\x9f\x65 \xf0\x9f\x90\xa7");
        json_decref(json);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_nesting),
                cmocka_unit_test(test_bad_utf8),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
