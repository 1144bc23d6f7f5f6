/* SPDX-License-Identifier: Apache-2.0 */

/*
 * base/toml: every file of tests/golden/toml. A good-*.toml has beside it, in .expected, one line
 * for each value: its path, its kind, itself. A bad-*.toml has there its one error.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/toml.h"

static void dump(Buffer *out, const TomlValue *value, const char *path) {
        size_t index = 0;

        buffer_printf(out, "%s", *path ? path : ".");
        switch (value->kind) {
        case TOML_STRING:
                buffer_append_string(out, " string <");
                for (const char *p = value->text; *p; p++) {
                        if ((unsigned char)*p < ' ' || *p == 0x7f)
                                buffer_printf(out, "\\x%02x", (unsigned)*p);
                        else
                                buffer_append_byte(out, *p);
                }
                buffer_append_string(out, ">\n");
                return;
        case TOML_INTEGER:
                buffer_printf(out, " integer %" PRId64 "\n", value->integer);
                return;
        case TOML_FLOAT:
                buffer_printf(out, " float %.17g\n", value->real);
                return;
        case TOML_BOOLEAN:
                buffer_printf(out, " boolean %s\n", value->boolean ? "true" : "false");
                return;
        case TOML_DATE:
                buffer_printf(out, " date %s\n", value->text);
                return;
        case TOML_ARRAY:
                buffer_append_string(out, " array\n");
                TOML_FOREACH(child, value) {
                        _cleanup_free_ char *name = xasprintf("%s[%zu]", path, index++);
                        dump(out, child, name);
                }
                return;
        case TOML_TABLE:
                buffer_append_string(out, " table\n");
                TOML_FOREACH(child, value) {
                        _cleanup_free_ char *name =
                                xasprintf("%s%s%s", path, *path ? "." : "", child->key);
                        dump(out, child, name);
                }
                return;
        case _TOML_KIND_MAX:
        default:
                fail();
        }
}

/* What the file turned out to be, in the words of its .expected. */
static char *describe(const char *name, const char *text, size_t size, bool *ret_is_good) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;
        _cleanup_buffer_ Buffer out = BUFFER_INIT;
        Error err = ERROR_INIT;

        *ret_is_good = toml_parse(&toml, name, text, size, &err) >= 0;
        if (*ret_is_good)
                dump(&out, toml_root(toml), "");
        else
                buffer_printf(&out, "%s\n", err.text);
        return buffer_take_string(&out);
}

static void every_file_is_as_expected(void **state) {
        _cleanup_free_ char *path = xasprintf("%s/tests/golden/toml", getenv("SOURCE_ROOT"));
        DIR *folder = opendir(path);
        unsigned files = 0, failures = 0;

        (void)state;
        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
                const char *dot = strrchr(entry->d_name, '.');
                _cleanup_free_ char *text = NULL, *expected = NULL;
                size_t size;
                bool is_good;

                if (!dot || strcmp(dot, ".toml") != 0)
                        continue;
                _cleanup_free_ char *other =
                        xasprintf("%.*s.expected", (int)(dot - entry->d_name), entry->d_name);
                assert_int_equal(file_read_at(dirfd(folder), entry->d_name, 1 << 20, &text, &size),
                                 0);
                if (file_read_at(dirfd(folder), other, 1 << 20, &expected, NULL) < 0)
                        fail_msg("%s has no %s", entry->d_name, other);
                _cleanup_free_ char *got = describe(entry->d_name, text, size, &is_good);
                if (strcmp(got, expected) != 0 ||
                    is_good != (strncmp(entry->d_name, "good-", 5) == 0)) {
                        print_error("%s: expected:\n%sgot:\n%s", entry->d_name, expected, got);
                        failures++;
                }
                files++;
        }
        closedir(folder);
        assert_int_equal(failures, 0);
        assert_true(files > 20);
}

static Toml *parse(const char *text) {
        Toml *toml = NULL;
        Error err = ERROR_INIT;

        if (toml_parse(&toml, "test", text, strlen(text), &err) < 0)
                fail_msg("%s", err.text);
        return toml;
}

static void getters_find_by_path_and_check_kinds(void **state) {
        _cleanup_(toml_freep)
        Toml *toml = parse("[a]\nb.s = 'x'\nb.i = 7\nb.t = true\n"
                           "l = ['p', 'q']\nm = ['p', 1]\n");
        const TomlValue *root = toml_root(toml), *table, *value;
        _cleanup_strings_ Strings list = STRINGS_INIT;
        const char *s = "kept";
        bool b = false;
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(toml_get_string(root, "a.b.none", &s, &err), 0);
        assert_int_equal(toml_get_string(root, "none.b", &s, &err), 0);
        assert_int_equal(toml_get_string(root, "a.b.sx", &s, &err), 0);
        assert_string_equal(s, "kept");
        assert_int_equal(toml_get_string(root, "a.b.s", &s, &err), 1);
        assert_string_equal(s, "x");
        assert_int_equal(toml_get(root, "a.b", TOML_TABLE, &table, &err), 1);
        assert_int_equal(toml_get(table, "i", TOML_INTEGER, &value, &err), 1);
        assert_int_equal(value->integer, 7);
        assert_int_equal(toml_get_boolean(table, "t", &b, &err), 1);
        assert_true(b);
        strings_add(&list, "old");
        assert_int_equal(toml_get_strings(root, "a.none", &list, &err), 0);
        assert_int_equal(list.count, 1);
        assert_int_equal(toml_get_strings(root, "a.m", &list, &err), -1);
        assert_string_equal(err.text, "test:6:11: a.m: expected a string, found an integer");
        assert_int_equal(list.count, 1);
        assert_int_equal(toml_get_strings(root, "a.l", &list, &err), 1);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[1], "q");

        assert_int_equal(toml_get_string(root, "a.b.i", &s, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.subject, "test");
        assert_string_equal(err.text, "test:3:7: a.b.i: expected a string, found an integer");
        assert_int_equal(toml_get(root, "a.b.s.x", TOML_INTEGER, &value, &err), -1);
        assert_string_equal(err.text, "test:2:7: a.b.s: expected a table, found a string");
}

static int parse_kind(const char *text, size_t size) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;
        Error err = ERROR_INIT;

        return toml_parse(&toml, "limit", text, size, &err) < 0 ? (int)err.kind : ERR_NONE;
}

/* "x = " and then @n times @open and @n times @close. */
static int parse_nested(const char *open, const char *close, int n) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        buffer_append_string(&text, "x = ");
        for (int i = 0; i < n; i++)
                buffer_append_string(&text, open);
        buffer_append_string(&text, "1");
        for (int i = 0; i < n; i++)
                buffer_append_string(&text, close);
        return parse_kind(text.data, text.size);
}

static int parse_repeated(const char *first, const char *again, int n, const char *last) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        buffer_append_string(&text, first);
        for (int i = 0; i < n; i++)
                buffer_append_string(&text, again);
        buffer_append_string(&text, last);
        return parse_kind(text.data, text.size);
}

static void limits_hold(void **state) {
        (void)state;
        assert_int_equal(parse_nested("[", "]", TOML_DEPTH_MAX), ERR_NONE);
        assert_int_equal(parse_nested("[", "]", TOML_DEPTH_MAX + 1), ERR_LIMIT);
        assert_int_equal(parse_nested("{a=", "}", TOML_DEPTH_MAX), ERR_NONE);
        assert_int_equal(parse_nested("{a=", "}", TOML_DEPTH_MAX + 1), ERR_LIMIT);
        assert_int_equal(parse_repeated("[a", ".a", TOML_DEPTH_MAX - 1, "]"), ERR_NONE);
        assert_int_equal(parse_repeated("[a", ".a", TOML_DEPTH_MAX, "]"), ERR_LIMIT);
        /* The root and the array count as well. */
        assert_int_equal(parse_repeated("x = [", "1,", TOML_VALUES_MAX - 2, "]"), ERR_NONE);
        assert_int_equal(parse_repeated("x = [", "1,", TOML_VALUES_MAX - 1, "]"), ERR_LIMIT);
        assert_int_equal(parse_repeated("x = 0.", "1", TOML_NUMBER_MAX - 2, ""), ERR_NONE);
        assert_int_equal(parse_repeated("x = 0.", "1", TOML_NUMBER_MAX - 1, ""), ERR_LIMIT);
        assert_int_equal(parse_repeated("#", "x", TOML_SIZE_MAX - 1, ""), ERR_NONE);
        assert_int_equal(parse_repeated("#", "x", TOML_SIZE_MAX, ""), ERR_LIMIT);
        assert_int_equal(parse_kind("a=1\0b", 5), ERR_INVALID);
}

static void a_missing_file_is_none(void **state) {
        Toml *toml = NULL;
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(toml_load(&toml, "/nonexistent/x.toml", &err), 0);
        assert_int_equal(toml_load(&toml, "/dev/null/x.toml", &err), 0);
        assert_int_equal(toml_load(&toml, "/tmp", &err), -1);
        assert_int_equal(err.kind, ERR_IO);
        assert_null(toml);
        assert_int_equal(toml_load(&toml, "/dev/null", &err), 1);
        assert_null(toml_root(toml)->children.first);
        toml_free(toml);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_file_is_as_expected),
                cmocka_unit_test(getters_find_by_path_and_check_kinds),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(a_missing_file_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
