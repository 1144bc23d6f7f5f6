/* SPDX-License-Identifier: Apache-2.0 */

/*
 * registries.conf: its search order, how files come together, both formats, and what is refused,
 * and where.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/registries.h"
#include "tests/unit/config-fixture.h"

static Registries load_registries(void) {
        Registries registries;
        Error err = ERROR_INIT;

        if (registries_load(&registries, &err) < 0)
                fail_msg("%s", err.text);
        return registries;
}

static void registries_merge_by_prefix(void **state) {
        (void)state;
        _cleanup_registries_ Registries none = load_registries();
        assert_int_equal(none.count + none.search.count + none.insecure.count, 0);

        (void)config_put("/etc/containers/registries.conf",
                         "unqualified-search-registries = ['a.example', 'b.example:5000']\n"
                         "[[registry]]\nprefix = 'a.example/x/'\nlocation = 'm.example/y/'\n"
                         "insecure = true\n"
                         "[[registry]]\nlocation = 'b.example:5000'\ninsecure = true\n"
                         "[[registry.mirror]]\nlocation = 'mirror.example'\n"
                         "[[registry]]\nprefix = '*.wild.example'\nblocked = true\n");
        _cleanup_registries_ Registries main_file = load_registries();
        config_assert_list(&main_file.search, "a.example b.example:5000");
        config_assert_list(&main_file.insecure, "a.example/x b.example:5000");
        assert_int_equal(main_file.count, 3);
        assert_string_equal(main_file.items[0].prefix, "a.example/x");
        assert_string_equal(main_file.items[0].location, "m.example/y");
        assert_string_equal(main_file.items[1].prefix, "b.example:5000");
        assert_null(main_file.items[2].location);
        assert_true(main_file.items[2].is_blocked);

        (void)config_put("/etc/containers/registries.conf.d/10.conf",
                         "[[registry]]\nlocation = 'b.example:5000'\nblocked = true\n");
        (void)config_put(
                "/etc/containers/registries.conf.d/20.conf",
                "unqualified-search-registries = ['c.example']\n[aliases]\nx = 'y.example/z'\n");
        _cleanup_registries_ Registries merged = load_registries();
        config_assert_list(&merged.search, "c.example");
        config_assert_list(&merged.insecure, "a.example/x");
        assert_true(merged.items[1].is_blocked);
        assert_int_equal(merged.count, 3);
}

static void a_users_registries_conf_hides_the_systems(void **state) {
        (void)state;
        (void)config_put("/etc/containers/registries.conf",
                         "unqualified-search-registries = ['s']\n");
        (void)config_put("/etc/containers/registries.conf.d/a.conf",
                         "[[registry]]\nlocation = 'sd'\n");
        (void)config_put("/home/.config/containers/registries.conf.d/a.conf",
                         "[[registry]]\nlocation = 'ud'\n");
        _cleanup_registries_ Registries both = load_registries();
        config_assert_list(&both.search, "s");
        assert_int_equal(both.count, 2);
        assert_string_equal(both.items[1].prefix, "ud");

        (void)config_put("/home/.config/containers/registries.conf",
                         "unqualified-search-registries = ['u']\n");
        _cleanup_registries_ Registries users = load_registries();
        config_assert_list(&users.search, "u");
        assert_int_equal(users.count, 1);
        assert_string_equal(users.items[0].prefix, "ud");

        const char *path = config_put("/own.conf", "unqualified-search-registries = ['o']\n");
        assert_int_equal(setenv("CONTAINERS_REGISTRIES_CONF", path, 1), 0);
        _cleanup_registries_ Registries named = load_registries();
        config_assert_list(&named.search, "o");
        assert_int_equal(named.count, 2);
}

static void mirrors_modes_and_helpers_are_read(void **state) {
        (void)state;
        (void)config_put("/etc/containers/registries.conf",
                         "short-name-mode = 'enforcing'\ncredential-helpers = ['pass']\n"
                         "[[registry]]\nlocation = 'a.example'\nmirror-by-digest-only = true\n"
                         "[[registry.mirror]]\nlocation = 'm.example/a/'\ninsecure = true\n"
                         "[[registry]]\nlocation = 'b.example'\n"
                         "[[registry.mirror]]\nlocation = 'n.example'\n"
                         "[[registry.mirror]]\nlocation = 'o.example'\n"
                         "pull-from-mirror = 'tag-only'\n");
        (void)config_put("/etc/containers/registries.conf.d/1.conf",
                         "credential-helpers = ['containers-auth.json', 'secretservice']\n"
                         "short-name-mode = ''\n");
        _cleanup_registries_ Registries registries = load_registries();
        assert_int_equal(registries.short_name_mode, SHORT_NAME_ENFORCING);
        config_assert_list(&registries.credential_helpers, "containers-auth.json secretservice");
        assert_int_equal(registries.items[0].mirrors_count, 1);
        assert_string_equal(registries.items[0].mirrors[0].location, "m.example/a");
        assert_true(registries.items[0].mirrors[0].is_insecure);
        assert_int_equal(registries.items[0].mirrors[0].use, MIRROR_USE_DIGEST_ONLY);
        assert_int_equal(registries.items[1].mirrors_count, 2);
        assert_int_equal(registries.items[1].mirrors[0].use, MIRROR_USE_ALL);
        assert_int_equal(registries.items[1].mirrors[1].use, MIRROR_USE_TAG_ONLY);
}

static const char *alias_of(const Registries *registries, const char *name) {
        return pairs_get(&registries->aliases, name);
}

static void aliases_come_from_all_files_and_the_cache_is_last(void **state) {
        (void)state;
        (void)config_put("/etc/containers/registries.conf",
                         "[aliases]\na = 'main.example/a'\nb = 'main.example/b'\n"
                         "'c/d' = 'main.example:5000/c/d'\n");
        (void)config_put("/etc/containers/registries.conf.d/1.conf",
                         "[aliases]\na = 'drop.example/a'\nb = ''\ne = 'drop.example/e'\n");
        _cleanup_registries_ Registries files = load_registries();
        assert_string_equal(alias_of(&files, "a"), "drop.example/a");
        assert_string_equal(alias_of(&files, "b"), "");
        assert_string_equal(alias_of(&files, "c/d"), "main.example:5000/c/d");

        const char *cache = geteuid() == 0 ? "/var/cache/containers/short-name-aliases.conf"
                                           : "/home/.cache/containers/short-name-aliases.conf";
        (void)config_put(cache, "[aliases]\nb = 'cache.example/b'\ne = ''\n");
        _cleanup_registries_ Registries all = load_registries();
        assert_string_equal(alias_of(&all, "b"), "cache.example/b");
        assert_string_equal(alias_of(&all, "e"), "");
        assert_null(alias_of(&all, "f"));
}

static void the_old_format_is_read(void **state) {
        (void)state;
        (void)config_put("/etc/containers/registries.conf",
                         "[registries.search]\nregistries = ['a.example', 'b.example']\n"
                         "[registries.insecure]\nregistries = ['b.example', 'c.example/']\n"
                         "[registries.block]\nregistries = ['c.example']\n");
        _cleanup_registries_ Registries registries = load_registries();
        config_assert_list(&registries.search, "a.example b.example");
        config_assert_list(&registries.insecure, "b.example c.example");
        assert_int_equal(registries.count, 2);
        assert_true(registries.items[1].is_blocked);
        assert_string_equal(registries.items[1].location, "c.example");
}

static void a_bad_registries_conf_says_where(void **state) {
        static const struct {
                const char *path, *text, *error;
        } cases[] = {
                { "/etc/containers/registries.conf", "unqualified-search-registries = 'x'",
                  "1:33: unqualified-search-registries: expected an array, found a string" },
                { "/etc/containers/registries.conf", "[registry]\nlocation = 'x'",
                  "1:2: registry: expected an array, found a table" },
                { "/etc/containers/registries.conf", "registry = [1]",
                  "1:13: registry: expected tables, found an integer" },
                { "/etc/containers/registries.conf", "[[registry]]\ninsecure = 'true'\nprefix='x'",
                  "2:12: insecure: expected a boolean, found a string" },
                { "/etc/containers/registries.conf", "[[registry]]\ninsecure = true",
                  "1:3: a [[registry]] has neither a prefix nor a location" },
                { "/etc/containers/registries.conf", "[[registry]]\nprefix = 'a.example'",
                  "1:3: registry a.example has no location" },
                { "/etc/containers/registries.conf", "[[registry]]\nlocation = 'https://x'",
                  "2:12: \"https://x\" is a URL; expected host[:port] or a prefix of image names" },
                { "/etc/containers/registries.conf", "[[registry]]\nprefix = '*.x/y'",
                  "1:3: \"*.x/y\": a wildcard stands for subdomains of a host, as in "
                  "*.example.com" },
                { "/etc/containers/registries.conf",
                  "[[registry]]\nlocation = 'x'\n[[registry]]\nlocation = 'x'\ninsecure = true",
                  "3:3: registry x is defined twice, in different ways" },
                { "/etc/containers/registries.conf",
                  "unqualified-search-registries = []\n[registries.search]\nregistries = []",
                  "2:2: the old format, [registries], is mixed with the new one" },
                { "/etc/containers/registries.conf", "[registries]\nsearch.registries = [1]",
                  "2:22: registries.search.registries: expected a string, found an integer" },
                { "/etc/containers/registries.conf", "[[registry]]\nlocation = 'x'\nmirror = [1]",
                  "3:11: mirror: expected tables, found an integer" },
                { "/etc/containers/registries.conf",
                  "[[registry]]\nlocation = 'x'\n[[registry.mirror]]\ninsecure = true",
                  "3:12: a mirror has no location" },
                { "/etc/containers/registries.conf",
                  "[[registry]]\nlocation = 'x'\npull-from-mirror = 'all'",
                  "3:20: pull-from-mirror is for a mirror, not for a registry" },
                { "/etc/containers/registries.conf",
                  "[[registry]]\nlocation = 'x'\n[[registry.mirror]]\nlocation = 'y'\n"
                  "pull-from-mirror = 'digest'",
                  "5:20: pull-from-mirror: expected all, digest-only or tag-only, found "
                  "\"digest\"" },
                { "/etc/containers/registries.conf",
                  "[[registry]]\nlocation = 'x'\nmirror-by-digest-only = true\n"
                  "[[registry.mirror]]\nlocation = 'y'\npull-from-mirror = 'all'",
                  "6:20: pull-from-mirror cannot be set where the registry sets "
                  "mirror-by-digest-only" },
                { "/etc/containers/registries.conf", "short-name-mode = 'strict'",
                  "1:19: short-name-mode: expected enforcing, permissive or disabled, found "
                  "\"strict\"" },
                { "/etc/containers/registries.conf", "credential-helpers = 'pass'",
                  "1:22: credential-helpers: expected an array, found a string" },
                { "/etc/containers/registries.conf", "[aliases]\nx = 1",
                  "2:5: aliases.x: expected a string, found an integer" },
                { "/etc/containers/registries.conf", "[aliases]\n'X' = 'a.example/x'",
                  "2:7: alias: \"X\" is no valid image reference: the name must be in lower case" },
                { "/etc/containers/registries.conf", "[aliases]\n'x:1' = 'a.example/x'",
                  "2:9: alias \"x:1\": expected a name without registry, tag and digest" },
                { "/etc/containers/registries.conf", "[aliases]\n'localhost/x' = 'a.example/x'",
                  "2:17: alias \"localhost/x\": expected a name without registry, tag and digest" },
                { "/etc/containers/registries.conf", "[aliases]\nx = 'a/x'",
                  "2:5: alias \"x\": \"a/x\" is not a registry and a name without tag and digest" },
                { "/etc/containers/registries.conf.d/x.conf", "[aliases]\nx = 'a.example/x:1'",
                  "2:5: alias \"x\": \"a.example/x:1\" is not a registry and a name without tag "
                  "and digest" },
                { "/etc/containers/registries.conf.d/x.conf", "[registries.search]\nregistries=[]",
                  "1:2: the old format, [registries], cannot be used in drop-in files" },
        };
        Registries registries;
        Error err = ERROR_INIT;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                (void)config_put("/etc/containers/registries.conf", "");
                const char *path = config_put(cases[i].path, cases[i].text);
                assert_int_equal(registries_load(&registries, &err), -1);
                _cleanup_free_ char *text = xasprintf("%s:%s", path, cases[i].error);
                assert_int_equal(err.kind, ERR_INVALID);
                assert_string_equal(err.text, text);
        }
        assert_int_equal(setenv("CONTAINERS_REGISTRIES_CONF", "/nonexistent/r.conf", 1), 0);
        assert_int_equal(registries_load(&registries, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, config_setup, config_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                IN_ROOT(registries_merge_by_prefix),
                IN_ROOT(a_users_registries_conf_hides_the_systems),
                IN_ROOT(mirrors_modes_and_helpers_are_read),
                IN_ROOT(aliases_come_from_all_files_and_the_cache_is_last),
                IN_ROOT(the_old_format_is_read),
                IN_ROOT(a_bad_registries_conf_says_where),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
