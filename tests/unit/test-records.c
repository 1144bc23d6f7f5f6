/* SPDX-License-Identifier: Apache-2.0 */

/* The store's files as records: what is written, what of other tools survives, what is corrupt. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/timestamp.h"
#include "storage/json_scan.h"
#include "storage/records.h"
#include "tests/unit/store-fixture.h"

#define TEN "0123456789"

static void finds_values_in_text(void **state) {
        static const struct {
                const char *array;
                int count; /* -1: malformed */
        } cases[] = {
                { "[]", 0 },       { " [ ] ", 0 },
                { "[{}]", 1 },     { "[{\"a\":\"]}\\\"\"}, 5 ,null,[[]]]", 4 },
                { "[1,]", -1 },    { "[,1]", -1 },
                { "[1 2]", -1 },   { "[1", -1 },
                { "[\"abc]", -1 }, { "[\"abc\\", -1 },
                { "[1]x", -1 },    { "[[]", -1 },
                { "[}]", -1 },     { "{}", -1 },
                { "", -1 },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                JsonCursor cursor;
                JsonSpan key, value;
                int count = 0;
                int r = json_cursor_open(&cursor, cases[i].array, strlen(cases[i].array), false);
                while (r == 0 && (r = json_cursor_next(&cursor, &key, &value)) > 0) {
                        count++;
                        r = 0;
                        continue;
                }
                assert_int_equal(r < 0 ? -1 : count, cases[i].count);
        }
}

static void replaces_members_as_text(void **state) {
        static const struct {
                const char *object, *key, *value, *result;
        } cases[] = {
                { "{}", "a", "1", "{\"a\":1}" },
                { "{\"a\":1}", "a", NULL, "{}" },
                { "{\"a\" : 1.50, \"b\":[ 2 ]}", "b", "3", "{\"a\" : 1.50,\"b\":3}" },
                { "{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, "{\"a\":1,\"c\":3}" },
                { "{\"a\":1,\"b\":2}", "a", NULL, "{\"b\":2}" },
                { "{\"\\u0061\":1}", "a", "2", "{\"\\u0061\":2}" },
                { "{\"a\":\"}\"}", "b", "\"x\"", "{\"a\":\"}\",\"b\":\"x\"}" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Buffer out = BUFFER_INIT;
                JsonSpan object = { cases[i].object, strlen(cases[i].object) };
                assert_int_equal(json_replace_member(object, cases[i].key, cases[i].value, &out),
                                 0);
                _cleanup_free_ char *text = buffer_take_string(&out);
                assert_string_equal(text, cases[i].result);
        }
}

/* Fields, numbers and escapes that this program does not know stay as they are, byte for byte. */
static void keeps_what_it_does_not_know(void **state) {
        Fixture *f = *state;
        char id[65];
        static const char foreign[] =
                "{\"id\":\"abc\",\"names\":[\"n:1\",\"n:2\"],\"future\":{\"x\":1.50e+3,\"y\":"
                "\"\\u003c\"},"
                "\"big\":123456789012345678901234567890.5,\"created\":\"2020-01-01T00:00:00Z\"}";
        static const char untouched[] = "{ \"id\" : \"other\" , \"z\":  [1 ,2] }";
        _cleanup_free_ char *file = xasprintf("[%s,\n %s]", foreign, untouched);
        const char *const names[] = { "n:2" };

        fixture_write(f, "graph/overlay-images/images.json", file);
        fixture_image(f, "config", NULL, names, 1, id);
        _cleanup_free_ char *text = fixture_read(f, "graph/overlay-images/images.json");
        assert_non_null(strstr(text, untouched));
        assert_non_null(strstr(text, "\"future\":{\"x\":1.50e+3,\"y\":\"\\u003c\"},"
                                     "\"big\":123456789012345678901234567890.5,"));
        assert_non_null(strstr(text, "\"names\":[\"n:1\"]"));
        assert_ptr_equal(strstr(text, "[{\"id\":\"abc\""), text); /* order is kept */
        json_t *parsed = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_int_equal(json_array_size(parsed), 3);
        json_decref(parsed);
}

/* A file that nobody can have meant is not read into memory. */
static void refuses_huge_files(void **state) {
        Fixture *f = *state;
        Error err = ERROR_INIT;
        StoreImages images;
        StoreImage *image;
        char id[65], path[160];

        fixture_image(f, "config", NULL, NULL, 0, id);
        assert_int_equal(store_image_get(f->store, id, &image, &err), 0);
        snprintf(path, sizeof(path), "%s/overlay-images/%s/manifest", f->graph, id);
        assert_int_equal(truncate(path, STORE_BIG_DATA_MAX + 1), 0);
        _cleanup_free_ char *data = NULL;
        assert_int_equal(store_image_read(f->store, image, "manifest", &data, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        store_image_unref(image);

        snprintf(path, sizeof(path), "%s/overlay-images/images.json", f->graph);
        assert_int_equal(truncate(path, STORE_JSON_MAX + 1), 0);
        err = (Error)ERROR_INIT;
        assert_int_equal(store_images(f->store, &images, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
}

static void reports_corrupt_files(void **state) {
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "{}", "byte 0: no JSON array" },
                { "[{\"id\":\"a\"},", "byte 12" },
                { "[{\"id\":\"a\"},{\"id\":}]", "byte " },
                { "[{\"id\":\"a\"},{\"id\":\"a\"}]", "byte 12: image a appears twice" },
                { "[{\"id\":\"../x\"}]", "usable id" },
                { "[{\"id\":\".x\"}]", "usable id" },
                { "[{\"id\":\"" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456789\"}]",
                  "usable id" },
                { "[{}]", "id is missing" },
                { "[[]]", "no JSON object" },
                { "[{\"id\":\"a\",\"id\":\"b\"}]", "duplicate" },
                { "[{\"id\":\"a\",\"names\":\"n\"}]", "names is no array" },
                { "[{\"id\":\"a\",\"names\":[1]}]", "no string" },
                { "[{\"id\":\"a\",\"created\":\"yesterday\"}]", "RFC 3339" },
                { "[{\"id\":\"a\",\"layer\":7}]", "layer is no string" },
                { "[{\"id\":\"a\",\"big-data-names\":[\"k\"],\"big-data-sizes\":{\"k\":\"1\"}}]",
                  "integer" },
        };
        Fixture *f = *state;
        char id[65];
        const char *const names[] = { "n:1" };
        StoreImage *image;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Error err = ERROR_INIT;
                fixture_write(f, "graph/overlay-images/images.json", cases[i].text);
                assert_int_equal(store_image_get(f->store, "a", &image, &err), -1);
                assert_int_equal(err.kind, ERR_CORRUPT);
                if (!strstr(err.text, cases[i].words) ||
                    !strstr(err.text, "/overlay-images/images.json"))
                        fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].words);
                assert_int_equal(store_image_set_names(f->store, "a", names, 1, &err), -1);
                _cleanup_free_ char *text = fixture_read(f, "graph/overlay-images/images.json");
                assert_string_equal(text, cases[i].text); /* nothing was changed */
        }
        fixture_write(f, "graph/overlay-images/images.json", "[]");
        fixture_image(f, "config", NULL, names, 1, id);
        assert_int_equal(store_image_get(f->store, id, &image, NULL), 0);
        store_image_unref(image);
}

/* The stamp of the last writer, as the format has it. */
static void leaves_stamps(void **state) {
        Fixture *f = *state;
        char id[65];
        struct stat st;
        uint64_t ns;
        uint32_t pid;

        fixture_image(f, "config", NULL, NULL, 0, id);
        _cleanup_free_ char *stamp = NULL;
        size_t size;
        assert_int_equal(file_read_at(f->scratch.fd, "graph/overlay-images/images.lock", 100,
                                      &stamp, &size),
                         0);
        assert_int_equal(size, LOCK_STAMP_SIZE);
        memcpy(&ns, stamp, 8);
        memcpy(&pid, stamp + 16, 4);
        assert_true(timestamp_now() - (int64_t)ns < 60 * NS_PER_SEC);
        assert_int_equal(pid, getpid());
        assert_int_equal(fstatat(f->scratch.fd, "graph/overlay-images/images.json", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(fstatat(f->scratch.fd, "graph/overlay-images/images.lock", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_values_in_text),
                cmocka_unit_test(replaces_members_as_text),
                TEST(keeps_what_it_does_not_know),
                TEST(refuses_huge_files),
                TEST(reports_corrupt_files),
                TEST(leaves_stamps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
