/* SPDX-License-Identifier: Apache-2.0 */

/* oci/reference, oci/digest, oci/signal_name: the small grammars, by tables. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "oci/digest.h"
#include "oci/reference.h"
#include "oci/signal_name.h"

#define HEX    "11beee1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62f5"
#define DIGEST "sha256:" HEX

static void references_are_taken_apart(void **state) {
        static const struct {
                const char *text, *domain, *path, *tag, *digest;
        } rows[] = {
                { "busybox", "", "busybox", "", "" },
                { "busybox:1.36", "", "busybox", "1.36", "" },
                { "library/busybox", "", "library/busybox", "", "" },
                { "localhost/x", "localhost", "x", "", "" },
                { "localhost:5077/x/y:t", "localhost:5077", "x/y", "t", "" },
                { "localhost:5000", "", "localhost", "5000", "" },
                { "quay.io/a/b@" DIGEST, "quay.io", "a/b", "", DIGEST },
                { "quay.io/a/b:1@" DIGEST, "quay.io", "a/b", "1", DIGEST },
                { "127.0.0.1:5077/test/c", "127.0.0.1:5077", "test/c", "", "" },
                { "[::1]:5000/x:v", "[::1]:5000", "x", "v", "" },
                { "[fe80::1]/x", "[fe80::1]", "x", "", "" },
                { "EXAMPLE.com/x", "EXAMPLE.com", "x", "", "" },
                { "a__b/c-d--e.f_g", "", "a__b/c-d--e.f_g", "", "" },
                { "x:_T.a-g", "", "x", "_T.a-g", "" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Reference reference;
                char text[REFERENCE_TEXT_MAX];
                Error err = ERROR_INIT;
                if (reference_parse(rows[i].text, &reference, &err) < 0)
                        fail_msg("%s", err.text);
                assert_string_equal(reference.domain, rows[i].domain);
                assert_string_equal(reference.path, rows[i].path);
                assert_string_equal(reference.tag, rows[i].tag);
                assert_string_equal(reference.digest, rows[i].digest);
                assert_string_equal(reference_format(&reference, text), rows[i].text);
        }
}

static void expect_no_reference(const char *text) {
        Reference reference;
        Error err = ERROR_INIT;

        if (reference_parse(text, &reference, &err) == 0)
                fail_msg("\"%s\" was accepted", text);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.subject, text);
        assert_non_null(strstr(err.text, text));
}

static void what_is_no_reference_is_refused(void **state) {
        static const char *const rows[] = {
                "",
                "/foo",
                "foo/",
                "foo//bar",
                "foo:",
                "a b",
                "Foo",
                "A/B:c:d",
                "docker://foo",
                "<none>",
                "UPPER/Case:::",
                "foo:-t",
                "foo:.t",
                "foo:a b",
                "foo@sha256:",
                "-foo",
                "foo-",
                "foo._bar",
                "foo___bar",
                ".foo",
                "foo..bar",
                "a.-b/c",
                "-a.b/c",
                "a.b:/c",
                "a.b:x/c",
                "a.b:123456/c",
                "[::1/c",
                "[]/c",
                "[::g]/c",
                "a.b/",
                "a..b/c",
                "foo@",
                ":tag",
                "f\xc3\xa9",
                "foo\n",
                "foo:t\x01",
                "foo@sha256:11BEEE1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62f5",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                expect_no_reference(rows[i]);
        expect_no_reference("@" DIGEST);
        expect_no_reference("foo@" HEX);
        expect_no_reference("foo@" DIGEST "0");
}

static void lengths_end_where_they_should(void **state) {
        char text[REFERENCE_TEXT_MAX + 8];
        Reference reference;

        (void)state;
        memset(text, 'a', sizeof(text));
        text[REFERENCE_NAME_MAX] = '\0';
        assert_int_equal(reference_parse(text, &reference, NULL), 0);
        assert_int_equal(reference_parse_local(text, &reference, NULL),
                         -1); /* localhost/ is too much */
        assert_int_equal(reference_normalize(&reference, NULL), -1);
        text[REFERENCE_NAME_MAX] = 'a';
        text[REFERENCE_NAME_MAX + 1] = '\0';
        assert_int_equal(reference_parse(text, &reference, NULL), -1);

        memset(text, 't', sizeof(text));
        memcpy(text, "x:", 2);
        text[2 + REFERENCE_TAG_MAX] = '\0';
        assert_int_equal(reference_parse(text, &reference, NULL), 0);
        text[2 + REFERENCE_TAG_MAX] = 't';
        text[3 + REFERENCE_TAG_MAX] = '\0';
        assert_int_equal(reference_parse(text, &reference, NULL), -1);

        /* The longest of all: every byte of the value in use, and formatted back whole. */
        memset(text, 'a', sizeof(text));
        text[1] = '.';
        text[4] = '/';
        text[REFERENCE_NAME_MAX] = ':';
        text[REFERENCE_NAME_MAX + 1 + REFERENCE_TAG_MAX] = '@';
        memcpy(text + REFERENCE_NAME_MAX + 2 + REFERENCE_TAG_MAX, DIGEST, sizeof(DIGEST));
        char again[REFERENCE_TEXT_MAX];
        assert_int_equal(reference_parse(text, &reference, NULL), 0);
        assert_string_equal(reference_format(&reference, again), text);
}

static void short_names_mean_what_the_asker_means(void **state) {
        static const struct {
                const char *text, *registry, *local; /* NULL: refused */
        } rows[] = {
                { "busybox", "docker.io/library/busybox:latest", "localhost/busybox:latest" },
                { "busybox:1", "docker.io/library/busybox:1", "localhost/busybox:1" },
                { "a/b", "docker.io/a/b:latest", "localhost/a/b:latest" },
                { "docker.io/x", "docker.io/library/x:latest", "docker.io/library/x:latest" },
                { "index.docker.io/a/x", "docker.io/a/x:latest", "docker.io/a/x:latest" },
                { "quay.io/a/b:1", "quay.io/a/b:1", "quay.io/a/b:1" },
                { "localhost/x", "localhost/x:latest", "localhost/x:latest" },
                { "localhost:5077/x/y", "localhost:5077/x/y:latest", "localhost:5077/x/y:latest" },
                { "x@" DIGEST, "docker.io/library/x@" DIGEST, NULL },
                { "quay.io/x:1@" DIGEST, "quay.io/x:1@" DIGEST, NULL },
                { HEX, NULL, NULL },
                { HEX ":1", NULL, NULL },
                { "localhost/" HEX, "localhost/" HEX ":latest", "localhost/" HEX ":latest" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Reference reference;
                char text[REFERENCE_TEXT_MAX];
                assert_int_equal(reference_parse(rows[i].text, &reference, NULL), 0);
                assert_int_equal(reference_normalize(&reference, NULL), rows[i].registry ? 0 : -1);
                if (rows[i].registry)
                        assert_string_equal(reference_format(&reference, text), rows[i].registry);
                assert_int_equal(reference_parse_local(rows[i].text, &reference, NULL),
                                 rows[i].local ? 0 : -1);
                if (rows[i].local)
                        assert_string_equal(reference_format(&reference, text), rows[i].local);
        }
}

static void digests_are_sha256_and_nothing_else(void **state) {
        static const char *const bad[] = {
                "",
                "sha256:",
                HEX,
                "sha512:" HEX,
                "SHA256:" HEX,
                DIGEST "0",
                " " DIGEST,
                "sha256:11beee1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62fG",
                "sha256:11beee1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62F5",
        };
        char text[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE + 1];
        Digest digest, again;

        (void)state;
        assert_true(digest_is_valid(DIGEST));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_false(digest_is_valid(bad[i]));

        /* FIPS 180-2, appendix B.1 */
        digest_compute("abc", 3, &digest);
        assert_string_equal(digest_format_hex(&digest, hex),
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_string_equal(digest_hex(digest_format(&digest, text)), hex);
        _cleanup_digest_stream_ DigestStream stream = DIGEST_STREAM_INIT;
        for (int round = 0; round < 2; round++) {
                digest_stream_begin(&stream);
                digest_stream_update(&stream, "a", 1);
                digest_stream_update(&stream, "", 0);
                digest_stream_update(&stream, "bc", 2);
                digest_stream_finish(&stream, &again);
                assert_true(digest_equal(&digest, &again));
        }
        again.bytes[DIGEST_SIZE - 1] ^= 1;
        assert_false(digest_equal(&digest, &again));
}

static void signals_have_many_spellings(void **state) {
        static const struct {
                const char *text;
                int number; /* 0: refused */
        } rows[] = {
                { "SIGTERM", SIGTERM },
                { "TERM", 15 },
                { "term", 15 },
                { "sigKill", 9 },
                { "15", 15 },
                { "1", 1 },
                { "64", 64 },
                { "07", 7 },
                { "RTMIN", 34 },
                { "SIGRTMIN+3", 37 },
                { "rtmin+30", 64 },
                { "RTMAX", 64 },
                { "SIGRTMAX-30", 34 },
                { "IOT", 6 },
                { "CHLD", 17 },
                { "CLD", 17 },
                { "IO", 29 },
                { "POLL", 29 },
                { "WINCH", 28 },
                { "SYS", 31 },
                { "", 0 },
                { "0", 0 },
                { "65", 0 },
                { "-1", 0 },
                { "+15", 0 },
                { "15 ", 0 },
                { "0x0f", 0 },
                { "SIG", 0 },
                { "SIG15", 0 },
                { "FOO", 0 },
                { "RTMIN+31", 0 },
                { "RTMAX-31", 0 },
                { "RTMIN-1", 0 },
                { "RTMIN+", 0 },
                { "RTMINX", 0 },
                { "999999999999", 0 },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Error err = ERROR_INIT;
                int number = 0, r = signal_name_parse(rows[i].text, &number, &err);
                if (number != rows[i].number || (r < 0) != (rows[i].number == 0))
                        fail_msg("\"%s\" is %d", rows[i].text, number);
                assert_int_equal(err.kind, r < 0 ? ERR_INVALID : ERR_NONE);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(references_are_taken_apart),
                cmocka_unit_test(what_is_no_reference_is_refused),
                cmocka_unit_test(lengths_end_where_they_should),
                cmocka_unit_test(short_names_mean_what_the_asker_means),
                cmocka_unit_test(digests_are_sha256_and_nothing_else),
                cmocka_unit_test(signals_have_many_spellings),
        };
        return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
