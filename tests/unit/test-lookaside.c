/* SPDX-License-Identifier: Apache-2.0 */

/* registries.d: where the signatures of an image are, what the files may hold, what is read. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/lookaside.h"
#include "tests/unit/config-fixture.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define SYSTEM "/etc/containers/registries.d/"
#define USERS  "/home/.config/containers/registries.d/"

static void load(Lookaside *ret) {
        Error err = ERROR_INIT;

        int r = lookaside_load(ret, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(r, 0);
}

static Reference reference(const char *name) {
        Reference made = REFERENCE_INIT;

        assert_int_equal(reference_parse(name, &made, NULL), 0);
        assert_int_equal(reference_normalize(&made, NULL), 0);
        return made;
}

static void expect_url(const Lookaside *lookaside, const char *name, const char *expected) {
        const Reference image = reference(name);

        _cleanup_free_ char *url = lookaside_url(lookaside, &image, DIGEST, 3);
        _cleanup_free_ char *full = xasprintf("%s@sha256=" HEX "/signature-3", expected);
        assert_string_equal(url, full);
}

static void the_nearest_section_holds(void **state _unused_) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;

        (void)config_put(SYSTEM "a.yaml", "# a comment\n"
                                          "default-docker:\n"
                                          "  lookaside: https://default.example/top/\n"
                                          "  lookaside-staging: file:///staging\n"
                                          "docker:\n"
                                          "    quay.io:\n"
                                          "        sigstore: file:///quay\n"
                                          "    quay.io/a/b:tag:\n"
                                          "        lookaside: \"http://x.example:81\"\n"
                                          "        sigstore: http://not.this\n"
                                          "        use-sigstore-attachments: true\n"
                                          "    quay.io/nothing:\n"
                                          "        future: [ { a: b }, c ]\n");
        (void)config_put(SYSTEM "b.yaml", "docker: { \"*.wild.example\": {lookaside: file:///w} }");
        (void)config_put(SYSTEM "c.yml", "not: [ read");
        (void)config_put(SYSTEM "d.yaml", "# nothing\n");
        (void)config_put(SYSTEM "e.yaml", "docker:\ndefault-other:\n");
        load(&lookaside);
        expect_url(&lookaside, "quay.io/a/b:tag", "http://x.example:81/a/b");
        expect_url(&lookaside, "quay.io/a/b:other", "file:///quay/a/b");
        expect_url(&lookaside, "quay.io/nothing:1", "file:///quay/nothing");
        expect_url(&lookaside, "h.wild.example:5000/x:1", "file:///w/x");
        expect_url(&lookaside, "busybox", "https://default.example/top/library/busybox");
}

static void without_files_there_is_a_folder(void **state _unused_) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        const Reference image = reference("quay.io/a");
        Buffer *signatures = NULL;
        size_t count = 0;
        Error err = ERROR_INIT;

        load(&lookaside);
        _cleanup_free_ char *url = lookaside_url(&lookaside, &image, DIGEST, 1);
        assert_non_null(text_starts_with(url, "file://"));
        assert_int_equal(lookaside_read(&lookaside, &image, DIGEST, NULL, NULL, &signatures, &count,
                                        &err),
                         0);
        assert_int_equal(count, 0);
}

static void a_folder_of_the_user_replaces_the_systems(void **state _unused_) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;

        (void)config_put(SYSTEM "a.yaml", "docker: {quay.io: {lookaside: file:///system}}");
        (void)config_put(USERS "a.yaml", "docker: {quay.io: {lookaside: file:///user}}");
        load(&lookaside);
        expect_url(&lookaside, "quay.io/a:1", "file:///user/a");
}

static void what_is_wrong_is_told_with_its_line(void **state _unused_) {
        static const struct {
                const char *text, *reason;
        } rows[] = {
                { "a: b: c", "f.yaml:1: " },
                { "docker:\n  x: {lookaside: file:///a}\n  x: {lookaside: file:///b}",
                  "f.yaml:3: " },
                { "docker: 7", "f.yaml:1: expected a mapping" },
                { "- a", "expected a mapping" },
                { "docker:\n  x: y", "f.yaml:2: expected a mapping" },
                { "docker:\n  x: {lookaside: [a]}", "expected a URL" },
                { "default-docker: &a {lookaside: file:///x}\ndocker: {q: *a}", "aliases" },
                { "docker: {}\n---\ndocker: {}\n", "more than one document" },
                { "docker: {x: {[a]: b}}", "expected a key" },
                { "docker: {x", "f.yaml:2: " },
                { "\x01", "f.yaml:1: " },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
                Error err = ERROR_INIT;
                assert_int_equal(lookaside_parse(&lookaside, "f.yaml", rows[i].text,
                                                 strlen(rows[i].text), &err),
                                 -1);
                assert_int_equal(err.kind, ERR_INVALID);
                if (!strstr(err.text, rows[i].reason))
                        fail_msg("\"%s\" does not say \"%s\"", err.text, rows[i].reason);
        }
}

static void nothing_is_said_twice(void **state _unused_) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        Error err = ERROR_INIT;

        (void)config_put(SYSTEM "a.yaml", "docker: {quay.io: {lookaside: file:///a}}");
        (void)config_put(SYSTEM "b.yaml", "docker: {quay.io: {lookaside-staging: file:///b}}");
        assert_int_equal(lookaside_load(&lookaside, &err), -1);
        assert_non_null(strstr(err.text, "\"quay.io\" was configured before"));
}

static void limits_hold(void **state _unused_) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        Buffer text = BUFFER_INIT;
        Error err = ERROR_INIT;

        _cleanup_free_ char *large = xcalloc(1, LOOKASIDE_FILE_MAX + 1);
        assert_int_equal(lookaside_parse(&lookaside, "f", large, LOOKASIDE_FILE_MAX + 1, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);

        buffer_append_string(&text, "docker:\n");
        for (int i = 0; i <= LOOKASIDE_SCOPES_MAX; i++)
                buffer_printf(&text, "  r%d: {lookaside: a}\n", i);
        assert_int_equal(lookaside_parse(&lookaside, "f", text.data, text.size, &err), -1);
        assert_non_null(strstr(err.text, "too many keys"));

        buffer_consume(&text, text.size);
        buffer_append_string(&text, "x: ");
        for (int i = 0; i <= LOOKASIDE_DEPTH_MAX; i++)
                buffer_append_byte(&text, '[');
        assert_int_equal(lookaside_parse(&lookaside, "f", text.data, text.size, &err), -1);
        assert_non_null(strstr(err.text, "nested"));
        buffer_done(&text);
}

typedef struct Server {
        size_t count; /* signatures that it has */
        size_t asked;
} Server;

static int fetch(void *userdata, const char *url, Buffer *ret, Error *err) {
        Server *server = userdata;
        size_t number;

        const char *rest = text_starts_with(url, "https://s.example/x@sha256=" HEX "/signature-");
        assert_non_null(rest);
        number = strtoul(rest, NULL, 10);
        assert_int_equal(number, ++server->asked);
        if (server->count == 7 && number == 7)
                return error_set(err, ERR_TIMEOUT, url, "no answer");
        if (number > server->count)
                return 0;
        buffer_printf(ret, "%zu", number);
        return 1;
}

static int read_from(Server *server, size_t *ret_count, Error *err) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        static const char text[] = "default-docker: {lookaside: \"https://s.example\"}";
        const Reference image = reference("quay.io/x:1");
        Buffer *signatures = NULL;

        *ret_count = 0;
        assert_int_equal(lookaside_parse(&lookaside, "f", text, strlen(text), err), 0);
        int r = lookaside_read(&lookaside, &image, DIGEST, fetch, server, &signatures, ret_count,
                               err);
        for (size_t i = 0; i < *ret_count; i++)
                buffer_done(&signatures[i]);
        free(signatures);
        return r;
}

static void signatures_are_read_until_one_is_missing(void **state _unused_) {
        Server server = { .count = 2 }, broken = { .count = 7 }, endless = { .count = SIZE_MAX };
        Error err = ERROR_INIT;
        size_t count;

        assert_int_equal(read_from(&server, &count, &err), 0);
        assert_int_equal(count, 2);
        assert_int_equal(server.asked, 3);
        assert_int_equal(read_from(&broken, &count, &err), -1);
        assert_int_equal(err.kind, ERR_TIMEOUT);
        assert_int_equal(read_from(&endless, &count, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(endless.asked, LOOKASIDE_SIGNATURES_MAX);
}

static void files_are_read_here(void **state _unused_) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT, other = LOOKASIDE_INIT;
        const Reference image = reference("quay.io/x:1");
        static const char ftp[] = "default-docker: {lookaside: \"ftp://s.example\"}";
        Buffer *signatures = NULL;
        size_t count = 0;
        Error err = ERROR_INIT;

        (void)config_put("/sigs/x@sha256=" HEX "/signature-1", "one");
        (void)config_put("/sigs/x@sha256=" HEX "/signature-3", "not reached");
        _cleanup_free_ char *text =
                xasprintf("default-docker: {lookaside: \"file://%s/sigs\"}", config_root());
        assert_int_equal(lookaside_parse(&lookaside, "f", text, strlen(text), &err), 0);
        assert_int_equal(lookaside_read(&lookaside, &image, DIGEST, fetch, NULL, &signatures,
                                        &count, &err),
                         0);
        assert_int_equal(count, 1);
        assert_int_equal(signatures[0].size, 3);
        buffer_done(&signatures[0]);
        free(signatures);

        assert_int_equal(lookaside_parse(&other, "f", ftp, strlen(ftp), &err), 0);
        signatures = NULL;
        count = 0;
        assert_int_equal(
                lookaside_read(&other, &image, DIGEST, fetch, NULL, &signatures, &count, &err), -1);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, config_setup, config_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                IN_ROOT(the_nearest_section_holds),
                IN_ROOT(without_files_there_is_a_folder),
                IN_ROOT(a_folder_of_the_user_replaces_the_systems),
                cmocka_unit_test(what_is_wrong_is_told_with_its_line),
                IN_ROOT(nothing_is_said_twice),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(signatures_are_read_until_one_is_missing),
                IN_ROOT(files_are_read_here),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
