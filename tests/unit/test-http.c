/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the registry client decides without a server: challenges, URLs, waits, words of errors,
 * certificates.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "helper/certs.h"
#include "helper/challenge.h"
#include "helper/registry_error.h"
#include "helper/retry.h"
#include "helper/url.h"
#include "tests/unit/config-fixture.h"

/* --- challenges ------------------------------------------------------------------------------ */

/* `[basic ]realm|service|scope`, or `! <text>`; until the next call. */
static const char *challenge(const char *value) {
        static char text[1024];
        _cleanup_challenge_ Challenge found = CHALLENGE_INIT;
        Error err = ERROR_INIT;

        if (challenge_parse(value, &found, &err) < 0)
                snprintf(text, sizeof(text), "! %s", err.text);
        else
                snprintf(text, sizeof(text), "%s%s|%s|%s", found.has_basic ? "basic " : "",
                         found.realm ? found.realm : "", found.service ? found.service : "",
                         found.scope ? found.scope : "");
        return text;
}

static void challenges_are_read(void **state) {
        (void)state;
        static const char *const rows[][2] = {
                { "Bearer realm=\"https://a/t\",service=\"s\",scope=\"x:y:z\"",
                  "https://a/t|s|x:y:z" },
                { "bearer  REALM = \"r\" , service=s", "r|s|" },
                { "Basic realm=\"x\"", "basic ||" },
                { "Basic", "basic ||" },
                { "Basic realm=\"x\", Bearer realm=\"r\", service=\"s\"", "basic r|s|" },
                { "Bearer realm=\"r\", Basic realm=\"x\"", "basic r||" },
                { "Bearer realm=\"r\", Bearer realm=\"q\",service=\"s\"", "r||" },
                { "Negotiate, Digest realm=\"d\", Bearer realm=\"r\"", "r||" },
                { "Bearer realm=\"a\\\"b,c\"", "a\"b,c||" },
                { "Bearer scope=\"s\"", "||" },
                { "", "||" },
                { " , ,, ", "||" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                assert_string_equal(challenge(rows[i][0]), rows[i][1]);
        assert_non_null(strstr(challenge("Bearer realm=\"x"), "a quote is not closed"));
        assert_non_null(strstr(challenge("Bearer realm=\"x\\"), "a quote is not closed"));
        assert_non_null(strstr(challenge("Bearer (x)"), "not well-formed"));

        _cleanup_buffer_ Buffer many = BUFFER_INIT;
        for (int i = 0; i <= CHALLENGE_PARAMETERS_MAX; i++)
                buffer_append_string(&many, "a=b,");
        buffer_append_byte(&many, '\0');
        assert_non_null(strstr(challenge(many.data), "more than 64 parts"));
}

static HttpResponse response_with(int status, const char *header) {
        HttpResponse response = HTTP_RESPONSE_INIT;

        response.status = status;
        if (header)
                strings_add(&response.headers, header);
        return response;
}

static void headers_are_found_in_any_case(void **state) {
        (void)state;
        _cleanup_http_response_ HttpResponse response = response_with(200, "LOCATION:  x");
        strings_add(&response.headers, "location:y");
        strings_add(&response.headers, "locations: z");

        assert_string_equal(http_response_header(&response, "Location", 0), "x");
        assert_string_equal(http_response_header(&response, "Location", 1), "y");
        assert_null(http_response_header(&response, "Location", 2));
        assert_null(http_response_header(&response, "Loc", 0));
}

/* --- URLs ------------------------------------------------------------------------------------ */

static void origins_tell_servers_apart(void **state) {
        (void)state;
        static const char *const rows[][2] = {
                { "https://Host/a?b", "https://host:443" },
                { "http://host", "http://host:80" },
                { "http://host:443/", "http://host:443" },
                { "https://[::1]:5000/x", "https://[::1]:5000" },
        };
        Error err = ERROR_INIT;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_free_ char *origin = NULL;
                assert_int_equal(url_origin(rows[i][0], &origin, &err), 0);
                assert_string_equal(origin, rows[i][1]);
        }
        static const char *const bad[] = { "",
                                           "/a",
                                           "ftp://host/",
                                           "file:///etc/passwd",
                                           "http://u@host/",
                                           "http://u:p@host/",
                                           "http://a\nb/" };
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                char *origin = NULL;
                assert_int_equal(url_origin(bad[i], &origin, &err), -1);
                assert_int_equal(err.kind, ERR_INVALID);
        }
}

static void urls_are_put_together(void **state) {
        (void)state;
        _cleanup_free_ char *relative = NULL, *absolute = NULL, *host = NULL;

        assert_int_equal(url_resolve("https://h:5000/v2/a/", "/up?s=A%3D&x", &relative, NULL), 0);
        assert_string_equal(relative, "https://h:5000/up?s=A%3D&x");
        assert_int_equal(url_add_query(&relative, "digest", "sha256:ab", NULL), 0);
        assert_string_equal(relative, "https://h:5000/up?s=A%3D&x&digest=sha256%3aab");
        assert_int_equal(url_resolve("https://h/", "http://other/x", &absolute, NULL), 0);
        assert_string_equal(absolute, "http://other/x");
        assert_int_equal(url_add_query(&absolute, "q", "a b&c", NULL), 0);
        assert_string_equal(absolute, "http://other/x?q=a+b%26c");
        assert_int_equal(url_host("https://h:5000/x", &host, NULL), 0);
        assert_string_equal(host, "h:5000");
}

/* --- waiting --------------------------------------------------------------------------------- */

static void waits_double_and_have_a_bound(void **state) {
        (void)state;
        _cleanup_http_response_ HttpResponse response = response_with(500, NULL);

        for (unsigned i = 0; i < RETRY_MAX; i++) {
                const Retry retry = { .count = i };
                unsigned full = (unsigned)RETRY_DELAY_MS << i;
                for (int again = 0; again < 20; again++) {
                        unsigned delay = retry_delay_ms(&retry, &response);
                        assert_in_range(delay, full / 2, full);
                }
                assert_true(retry_may(&retry, &response));
        }
        assert_false(retry_may(&(Retry){ .count = RETRY_MAX }, &response));
}

static void retry_after_counts_up_to_a_bound(void **state) {
        (void)state;
        const Retry retry = RETRY_INIT;
        static const struct {
                const char *header;
                unsigned min_ms, max_ms;
        } rows[] = {
                { "Retry-After: 3", 3000, 3000 },
                { "Retry-After: 0", 100, 200 },
                { "Retry-After: 99999999999999999999999", 60000, 60000 },
                { "Retry-After: -7", 100, 200 },
                { "Retry-After: soon", 100, 200 },
                { "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", 100, 200 },
                { "Retry-After: Fri, 31 Dec 2100 23:59:59 GMT", 60000, 60000 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_http_response_ HttpResponse response = response_with(429, rows[i].header);
                assert_in_range(retry_delay_ms(&retry, &response), rows[i].min_ms, rows[i].max_ms);
        }
}

static void only_what_may_pass_is_tried_again(void **state) {
        (void)state;
        static const int passing[] = { 408, 429, 500, 502, 503, 504 };
        static const int lasting[] = { 200, 206, 301, 400, 401, 403, 404, 416, 501, 505 };

        for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
                assert_true(retry_is_transient(&(HttpResponse){ .status = passing[i] }));
        for (size_t i = 0; i < ARRAY_SIZE(lasting); i++)
                assert_false(retry_is_transient(&(HttpResponse){ .status = lasting[i] }));
        assert_true(retry_is_transient(&(HttpResponse){ .failure = HTTP_FAILURE_BROKEN }));
        assert_false(retry_is_transient(&(HttpResponse){ .failure = HTTP_FAILURE_FINAL }));
        assert_false(retry_is_transient(&(HttpResponse){ .failure = HTTP_FAILURE_LOCAL }));
}

/* --- errors ---------------------------------------------------------------------------------- */

static void errors_have_the_registrys_words(void **state) {
        (void)state;
        static const struct {
                int status;
                const char *body;
                ErrorKind kind;
                const char *text;
        } rows[] = {
                { 404,
                  "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest "
                  "unknown\"}]}",
                  ERR_NOT_FOUND, "404 manifest unknown" },
                { 401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"log in\"}]}",
                  ERR_INVALID, "401 log in (UNAUTHORIZED)" },
                { 400, "{\"errors\":[{\"code\":\"A\"},{\"message\":\"b\"},7,{\"code\":\"C\"}]}",
                  ERR_INVALID, "400 A; b" },
                { 401, "{\"details\":\"wrong password\"}", ERR_INVALID, "401 wrong password" },
                { 400, "{\"error\":\"invalid_grant\",\"error_description\":\"expired\"}",
                  ERR_INVALID, "400 expired (invalid_grant)" },
                { 405, "", ERR_UNSUPPORTED, "405 method not allowed" },
                { 413, "[]", ERR_LIMIT, "413 unexpected answer" },
                { 503, "<html>", ERR_IO, "503 service unavailable" },
                { 429, "{\"errors\":{}}", ERR_IO, "429 too many requests" },
                { 403, "{\"message\":\"a\\u001b[1mb\"}", ERR_INVALID, "403 a [1mb" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_http_response_ HttpResponse response = response_with(rows[i].status, NULL);
                Error err = ERROR_INIT;
                buffer_append_string(&response.body, rows[i].body);
                assert_int_equal(registry_error_set(&response, &err), -1);
                assert_string_equal(err.text, rows[i].text);
                assert_int_equal(err.kind, rows[i].kind);
        }
}

/* --- certificates ---------------------------------------------------------------------------- */

static void the_first_folder_of_certificates_counts(void **state) {
        (void)state;
        Error err = ERROR_INIT;
        _cleanup_certs_ Certs none = CERTS_INIT, docker = CERTS_INIT, home = CERTS_INIT;

        assert_int_equal(certs_load("h:5000", NULL, &none, &err), 0);
        assert_int_equal(none.authorities.size, 0);
        assert_null(none.certificate);

        (void)config_put("/etc/docker/certs.d/h:5000/b.crt", "B");
        (void)config_put("/etc/docker/certs.d/h:5000/a.crt", "A");
        (void)config_put("/etc/docker/certs.d/h:5000/.hidden.cert", "-");
        (void)config_put("/etc/docker/certs.d/h:5000/y.cert", "-");
        (void)config_put("/etc/docker/certs.d/h:5000/y.key", "-");
        (void)config_put("/etc/docker/certs.d/h:5000/x.cert", "-");
        (void)config_put("/etc/docker/certs.d/h:5000/x.key", "-");
        assert_int_equal(certs_load("h:5000", NULL, &docker, &err), 0);
        assert_int_equal(docker.authorities.size, 4);
        assert_memory_equal(docker.authorities.data, "A\nB\n", 4);
        assert_non_null(strstr(docker.certificate, "/x.cert"));
        assert_non_null(strstr(docker.key, "/x.key"));

        (void)config_put("/home/.config/containers/certs.d/h:5000/c.crt", "C");
        assert_int_equal(certs_load("h:5000", NULL, &home, &err), 0);
        assert_int_equal(home.authorities.size, 2);
        assert_null(home.certificate);
}

static void half_certificates_are_refused(void **state) {
        (void)state;
        _cleanup_certs_ Certs certs = CERTS_INIT;
        Error err = ERROR_INIT;

        (void)config_put("/etc/containers/certs.d/one/x.cert", "-");
        assert_int_equal(certs_load("one", NULL, &certs, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        (void)config_put("/etc/containers/certs.d/two/x.key", "-");
        assert_int_equal(certs_load("two", NULL, &certs, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(certs_load("..", NULL, &certs, &err), -1);
        assert_int_equal(certs_load("a/b", NULL, &certs, &err), -1);
        assert_int_equal(certs_load("one", "/nowhere/certs", &certs, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);

        _cleanup_free_ char *large = xnew(char, CERTS_AUTHORITIES_MAX + 2);
        memset(large, 'x', CERTS_AUTHORITIES_MAX + 1);
        (void)config_put("/etc/containers/certs.d/large/a.crt", large);
        assert_int_equal(certs_load("large", NULL, &certs, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        for (int i = 0; i <= CERTS_FILES_MAX; i++) {
                char path[64];
                snprintf(path, sizeof(path), "/etc/containers/certs.d/many/%d.crt", i);
                (void)config_put(path, "x");
        }
        assert_int_equal(certs_load("many", NULL, &certs, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(challenges_are_read),
                cmocka_unit_test(headers_are_found_in_any_case),
                cmocka_unit_test(origins_tell_servers_apart),
                cmocka_unit_test(urls_are_put_together),
                cmocka_unit_test(waits_double_and_have_a_bound),
                cmocka_unit_test(retry_after_counts_up_to_a_bound),
                cmocka_unit_test(only_what_may_pass_is_tried_again),
                cmocka_unit_test(errors_have_the_registrys_words),
                cmocka_unit_test_setup_teardown(the_first_folder_of_certificates_counts,
                                                config_setup, config_teardown),
                cmocka_unit_test_setup_teardown(half_certificates_are_refused, config_setup,
                                                config_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
