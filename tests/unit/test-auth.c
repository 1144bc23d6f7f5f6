/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Credentials: which file counts, which entry of it, what helpers are asked, and what is refused
 * without being shown.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/auth.h"
#include "tests/unit/config-fixture.h"

static int setup(void **state) {
        int r = config_setup(state);

        (void)unsetenv("REGISTRY_AUTH_FILE");
        (void)unsetenv("DOCKER_CONFIG");
        return r;
}

/* `user:password`, `token <token>`, "" for nobody, or `! <error>`; until the next call. */
static const char *lookup(const char *file, const Strings *helpers, const char *host,
                          const char *repository) {
        static char text[2048];
        _cleanup_credentials_ Credentials found = CREDENTIALS_INIT;
        Error err = ERROR_INIT;

        int r = auth_lookup(file, helpers, host, repository, &found, &err);
        if (r < 0)
                snprintf(text, sizeof(text), "! %s: %s", error_kind_name(err.kind), err.text);
        else if (r == 0)
                snprintf(text, sizeof(text), "%s", found.user ? "found?" : "");
        else if (found.identity_token)
                snprintf(text, sizeof(text), "token %s", found.identity_token);
        else
                snprintf(text, sizeof(text), "%s:%s", found.user, found.password);
        return text;
}

static const char *find(const char *host, const char *repository) {
        return lookup(NULL, NULL, host, repository);
}

#define AB "YTpi"         /* a:b */
#define CD "Yzpk"         /* c:d */
#define EF "ZTpmOmcAAA==" /* e:f:g and two NUL bytes */

static void the_first_file_with_an_entry_counts(void **state) {
        (void)state;
        assert_string_equal(find("r.example", "x/y"), "");
        (void)config_put("/home/.dockercfg", "{\"https://r.example/v1/\":{\"auth\":\"" AB "\"}}");
        assert_string_equal(find("r.example", "x/y"), "a:b");
        (void)config_put("/home/.docker/config.json",
                         "{\"auths\":{\"r.example\":{\"auth\":\"" CD "\"}}}");
        assert_string_equal(find("r.example", "x/y"), "c:d");
        (void)config_put("/home/.config/containers/auth.json",
                         "{\"auths\":{\"r.example\":{\"auth\":\"" EF "\"}}}");
        assert_string_equal(find("r.example", "x/y"), "e:f:g");

        char path[64];
        snprintf(path, sizeof(path), "/run/containers/%u/auth.json", (unsigned)geteuid());
        (void)config_put(path, "{\"auths\":{\"other.example\":{\"auth\":\"" AB "\"}}}");
        assert_string_equal(find("r.example", "x/y"), "e:f:g");
        assert_string_equal(find("other.example", ""), "a:b");

        const char *run = config_put("/xdg/containers/auth.json",
                                     "{\"auths\":{\"r.example\":{\"auth\":\"" CD "\"}}}");
        _cleanup_free_ char *folder = xstrndup(run, strlen(run) - strlen("/containers/auth.json"));
        setenv("XDG_RUNTIME_DIR", folder, 1);
        assert_string_equal(find("r.example", "x/y"), "c:d");
        assert_string_equal(find("other.example", ""), "");
}

static void a_file_that_is_named_counts_alone(void **state) {
        (void)state;
        (void)config_put("/home/.docker/config.json",
                         "{\"auths\":{\"r.example\":{\"auth\":\"" CD "\"}}}");
        _cleanup_free_ char *named = xstrdup(
                config_put("/named.json", "{\"auths\":{\"s.example\":{\"auth\":\"" AB "\"}}}"));
        assert_string_equal(lookup(named, NULL, "s.example", ""), "a:b");
        assert_string_equal(lookup(named, NULL, "r.example", ""), "");
        setenv("REGISTRY_AUTH_FILE", named, 1);
        assert_string_equal(lookup("", NULL, "s.example", ""), "a:b");
        assert_string_equal(find("r.example", ""), "");
        setenv("REGISTRY_AUTH_FILE", "/nowhere/auth.json", 1);
        assert_non_null(strstr(find("r.example", ""), "! not-found: "));
}

static void the_most_specific_entry_counts(void **state) {
        (void)state;
        (void)config_put("/home/.config/containers/auth.json",
                         "{\"auths\":{\"r.example:5000\":{\"auth\":\"" AB
                         "\"},\"r.example:5000/x/y\":{\"auth\":\"" CD
                         "\"},\"r.example:5000/x/y/z\":{}}}");
        assert_string_equal(find("r.example:5000", "x/y"), "c:d");
        assert_string_equal(find("r.example:5000", "x/y/z"), "c:d");
        assert_string_equal(find("r.example:5000", "x/yy"), "a:b");
        assert_string_equal(find("r.example:5000", ""), "a:b");
        assert_string_equal(find("r.example", "x/y"), "");
}

static void docker_hub_has_many_names(void **state) {
        (void)state;
        static const char *const keys[] = { "docker.io", "index.docker.io", "registry-1.docker.io",
                                            "https://index.docker.io/v1/" };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                char text[256];
                snprintf(text, sizeof(text), "{\"auths\":{\"%s\":{\"auth\":\"" AB "\"}}}", keys[i]);
                (void)config_put("/home/.docker/config.json", text);
                assert_string_equal(find("docker.io", "library/busybox"), "a:b");
                assert_string_equal(find("docker.example", "library/busybox"), "");
        }
}

static void an_identity_token_takes_the_passwords_place(void **state) {
        (void)state;
        (void)config_put("/home/.docker/config.json", "{\"auths\":{\"r.example\":{\"auth\":\"" AB
                                                      "\",\"identitytoken\":\"tok\"}}}");
        assert_string_equal(find("r.example", ""), "token tok");
}

static void broken_files_are_refused(void **state) {
        (void)state;
        static const char *const bad[] = {
                "{",
                "[]",
                "{\"auths\":[]}",
                "{\"auths\":{\"r.example\":7}}",
                "{\"auths\":{\"r.example\":{\"auth\":7}}}",
                "{\"auths\":{\"r.example\":{\"auth\":\"c2VjcmV0\"}}}", /* secret, without a colon */
                "{\"auths\":{\"r.example\":{\"auth\":\"c2Vj!mV0\"}}}",
                "{\"credsStore\":7}",
                "{\"credHelpers\":{\"r.example\":\"../evil\"}}",
                "{\"credHelpers\":{\"r.example\":\"\\u0001\"}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                const char *path = config_put("/home/.docker/config.json", bad[i]);
                const char *said = find("r.example", "");
                assert_non_null(strstr(said, "! invalid: "));
                assert_non_null(strstr(said, path));
                assert_null(strstr(said, "secret"));
                assert_null(strstr(said, "c2Vj"));
        }
        _cleanup_free_ char *large = xnew(char, AUTH_FILE_SIZE_MAX + 2);
        memset(large, ' ', AUTH_FILE_SIZE_MAX + 1);
        (void)config_put("/home/.docker/config.json", large);
        assert_non_null(strstr(find("r.example", ""), "! limit: "));
        (void)config_put("/home/.docker/config.json", "");
        assert_string_equal(find("r.example", ""), "");
}

static void put_helper(const char *name, const char *script) {
        char path[64], text[1024];

        snprintf(path, sizeof(path), "/bin/docker-credential-%s", name);
        snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
        const char *full = config_put(path, text);
        assert_int_equal(chmod(full, 0755), 0);
        _cleanup_free_ char *folder = xasprintf("%s/bin:/usr/bin:/bin", config_root());
        setenv("PATH", folder, 1);
}

#define SAY(user, secret)                                                      \
        "read server; echo '{\"ServerURL\":\"'$server'\",\"Username\":\"" user \
        "\",\"Secret\":\"" secret "\"}'"

static void helpers_are_asked(void **state) {
        (void)state;
        _cleanup_free_ char *path = xstrdup(getenv("PATH"));

        put_helper("own", SAY("o", "'$server'"));
        put_helper("store", SAY("s", "'$server'"));
        put_helper("ident", SAY("<token>", "it"));
        put_helper("none", "echo 'credentials not found in native keychain'; exit 1");
        put_helper("fails", "echo 'it is\t broken'; exit 3");
        put_helper("talks", "head -c 70000 /dev/zero | tr '\\0' x");
        put_helper("babbles", "echo babble");
        (void)config_put("/home/.docker/config.json",
                         "{\"auths\":{\"r.example\":{\"auth\":\"" AB
                         "\"},\"empty.example\":{}},\"credsStore\":\"store\",\"credHelpers\":{"
                         "\"own.example\":\"own\",\"id.example\":\"ident\",\"no.example\":\"none\","
                         "\"f.example\":\"fails\",\"t.example\":\"talks\",\"b.example\":"
                         "\"babbles\",\"x.example\":\"missing\"}}");
        assert_string_equal(find("own.example", "x"), "o:own.example");
        assert_string_equal(find("id.example", "x"), "token it");
        assert_string_equal(find("r.example", "x"), "a:b");
        assert_string_equal(find("empty.example", "x"), "s:empty.example");
        assert_string_equal(find("docker.io", "x"), "s:https://index.docker.io/v1/");
        assert_string_equal(find("no.example", "x"), "s:no.example");
        assert_non_null(strstr(find("f.example", "x"), "! io: "));
        assert_non_null(strstr(find("f.example", "x"), "failed with status 3: it is  broken"));
        assert_non_null(strstr(find("t.example", "x"), "! limit: "));
        assert_non_null(strstr(find("b.example", "x"), "! invalid: "));
        assert_non_null(strstr(find("x.example", "x"), "! not-found: "));

        _cleanup_strings_ Strings helpers = STRINGS_INIT;
        strings_add(&helpers, "none");
        strings_add(&helpers, "own");
        strings_add(&helpers, "containers-auth.json");
        assert_string_equal(lookup(NULL, &helpers, "r.example", "x"), "o:r.example");
        _cleanup_strings_ Strings files = STRINGS_INIT;
        strings_add(&files, "containers-auth.json");
        assert_string_equal(lookup(NULL, &files, "r.example", "x"), "a:b");
        setenv("PATH", path, 1);
}

static void credentials_are_of_one_form(void **state) {
        (void)state;
        _cleanup_credentials_ Credentials credentials = CREDENTIALS_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(credentials_parse("user:pass:word", &credentials, &err), 0);
        assert_string_equal(credentials.user, "user");
        assert_string_equal(credentials.password, "pass:word");
        credentials_done(&credentials);
        assert_int_equal(credentials_parse("secret", &credentials, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_null(strstr(err.text, "secret"));
        assert_int_equal(credentials_parse(":secret", &credentials, &err), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_first_file_with_an_entry_counts, setup,
                                                config_teardown),
                cmocka_unit_test_setup_teardown(a_file_that_is_named_counts_alone, setup,
                                                config_teardown),
                cmocka_unit_test_setup_teardown(the_most_specific_entry_counts, setup,
                                                config_teardown),
                cmocka_unit_test_setup_teardown(docker_hub_has_many_names, setup, config_teardown),
                cmocka_unit_test_setup_teardown(an_identity_token_takes_the_passwords_place, setup,
                                                config_teardown),
                cmocka_unit_test_setup_teardown(broken_files_are_refused, setup, config_teardown),
                cmocka_unit_test_setup_teardown(helpers_are_asked, setup, config_teardown),
                cmocka_unit_test(credentials_are_of_one_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
