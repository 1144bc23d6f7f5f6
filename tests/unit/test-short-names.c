/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a name leads to: the references that it may mean, and the places where each may be fetched.
 * Cases are lines of text: what goes in, what comes out.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buffer.h"
#include "image/endpoints.h"
#include "image/short_names.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static Registries read_conf(const char *text) {
        Registries registries = REGISTRIES_INIT;
        Error err = ERROR_INIT;

        if (registries_parse(&registries, "test", text, strlen(text), false, &err) < 0)
                fail_msg("%s", err.text);
        return registries;
}

/* `reference (reason), ...`, or the error's kind and sentence. */
static char *show_candidates(const NameCandidates *candidates, int r, const Error *err) {
        _cleanup_buffer_ Buffer out = BUFFER_INIT;
        char text[REFERENCE_TEXT_MAX];

        if (r < 0)
                return xasprintf("%s: %s", error_kind_name(err->kind), err->text);
        for (size_t i = 0; i < candidates->count; i++)
                buffer_printf(&out, "%s%s (%s)", i ? ", " : "",
                              reference_format(&candidates->items[i].reference, text),
                              name_reason_text(candidates->items[i].reason));
        return buffer_take_string(&out);
}

static void assert_resolves(const char *conf, const char *name, const char *pulled,
                            const char *local) {
        _cleanup_registries_ Registries registries = read_conf(conf);
        _cleanup_name_candidates_ NameCandidates remote = NAME_CANDIDATES_INIT;
        _cleanup_name_candidates_ NameCandidates here = NAME_CANDIDATES_INIT;
        Error err = ERROR_INIT;

        int r = image_names_resolve(&registries, name, &remote, &err);
        _cleanup_free_ char *remote_text = show_candidates(&remote, r, &err);
        assert_string_equal(remote_text, pulled);
        r = image_names_local(&registries, name, &here, &err);
        _cleanup_free_ char *here_text = show_candidates(&here, r, &err);
        assert_string_equal(here_text, local);
}

#define SEARCH_TWO "unqualified-search-registries = ['docker.io', 'b.example:5000']\n"
#define ALIASES \
        "[aliases]\nx = 'a.example/library/x'\ny = 'docker.io/y'\nz = ''\n'p/q' = 'a.example/q'\n"

static void names_with_a_registry_are_what_they_say(void **state) {
        (void)state;
        assert_resolves(SEARCH_TWO ALIASES, "c.example/x", "c.example/x:latest (as given)",
                        "c.example/x:latest (as given)");
        assert_resolves("", "docker.io/x:1", "docker.io/library/x:1 (as given)",
                        "docker.io/library/x:1 (as given)");
        assert_resolves("", "index.docker.io/a/x@" DIGEST, "docker.io/a/x@" DIGEST " (as given)",
                        "docker.io/a/x@" DIGEST " (as given)");
        assert_resolves(SEARCH_TWO, "localhost/x", "localhost/x:latest (as given)",
                        "localhost/x:latest (as given)");
        assert_resolves("", "a.example/x:1@" DIGEST, "a.example/x:1@" DIGEST " (as given)",
                        "a.example/x:1@" DIGEST " (as given)");
}

static void an_alias_decides(void **state) {
        (void)state;
        assert_resolves(SEARCH_TWO ALIASES, "x", "a.example/library/x:latest (by an alias)",
                        "a.example/library/x:latest (by an alias), localhost/x:latest (as a local "
                        "name), docker.io/library/x:latest (by a search registry), "
                        "b.example:5000/x:latest (by a search registry)");
        assert_resolves(ALIASES, "x:2", "a.example/library/x:2 (by an alias)",
                        "a.example/library/x:2 (by an alias), localhost/x:2 (as a local name)");
        assert_resolves(ALIASES, "x@" DIGEST, "a.example/library/x@" DIGEST " (by an alias)",
                        "a.example/library/x@" DIGEST " (by an alias), localhost/x@" DIGEST
                        " (as a local name)");
        assert_resolves(ALIASES, "y", "docker.io/library/y:latest (by an alias)",
                        "docker.io/library/y:latest (by an alias), localhost/y:latest (as a local "
                        "name)");
        assert_resolves(ALIASES, "p/q", "a.example/q:latest (by an alias)",
                        "a.example/q:latest (by an alias), localhost/p/q:latest (as a local name)");
}

static void without_one_the_search_registries_do(void **state) {
        (void)state;
        assert_resolves(
                SEARCH_TWO ALIASES, "z",
                "docker.io/library/z:latest (by a search registry), b.example:5000/z:latest "
                "(by a search registry)",
                "localhost/z:latest (as a local name), docker.io/library/z:latest (by a "
                "search registry), b.example:5000/z:latest (by a search registry)");
        assert_resolves(
                "short-name-mode = 'disabled'\n" SEARCH_TWO, "r/z:1",
                "docker.io/r/z:1 (by a search registry), b.example:5000/r/z:1 (by a search "
                "registry)",
                "localhost/r/z:1 (as a local name), docker.io/r/z:1 (by a search registry), "
                "b.example:5000/r/z:1 (by a search registry)");
        assert_resolves("short-name-mode = 'enforcing'\n" SEARCH_TWO, "z",
                        "ambiguous: \"z\" may be an image of 2 registries (docker.io, "
                        "b.example:5000) and short-name-mode is enforcing: give its full name",
                        "localhost/z:latest (as a local name), docker.io/library/z:latest (by a "
                        "search registry), b.example:5000/z:latest (by a search registry)");
        assert_resolves("short-name-mode = 'enforcing'\nunqualified-search-registries = ['s']", "z",
                        "docker.io/s/z:latest (by a search registry)",
                        "localhost/z:latest (as a local name), docker.io/s/z:latest (by a search "
                        "registry)");
        assert_resolves("", "z",
                        "not-found: \"z\" names no registry, is no alias, and registries.conf has "
                        "no unqualified-search-registries",
                        "localhost/z:latest (as a local name)");
}

static void what_is_no_name_is_refused(void **state) {
        static const char *const bad[] = { "", "X", "a b", "x:", "x@sha256:1", ID };

        (void)state;
        _cleanup_registries_ Registries registries = read_conf(SEARCH_TWO);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                NameCandidates candidates;
                Error err = ERROR_INIT;
                assert_int_equal(image_names_resolve(&registries, bad[i], &candidates, &err), -1);
                assert_int_equal(err.kind, ERR_INVALID);
                assert_int_equal(image_names_local(&registries, bad[i], &candidates, &err), -1);
                assert_int_equal(err.kind, ERR_INVALID);
        }
        static const char wrong[] =
                "invalid: search registry https://r.example of registries.conf: "
                "\"https://r.example/x\" is no valid image reference: the registry's port is no "
                "number of up to five digits";
        assert_resolves("unqualified-search-registries = ['https://r.example']", "x", wrong,
                        "localhost/x:latest (as a local name)");
}

/* `reference`, with `!` behind an insecure one and `=` before a mirror. */
static char *show_endpoints(const Endpoints *endpoints, int r, const Error *err) {
        _cleanup_buffer_ Buffer out = BUFFER_INIT;
        char text[REFERENCE_TEXT_MAX];

        if (r < 0)
                return xasprintf("%s: %s", error_kind_name(err->kind), err->text);
        for (size_t i = 0; i < endpoints->count; i++) {
                const Endpoint *endpoint = &endpoints->items[i];
                buffer_printf(&out, "%s%s%s%s", i ? " " : "", endpoint->is_mirror ? "=" : "",
                              reference_format(&endpoint->reference, text),
                              endpoint->is_insecure ? "!" : "");
        }
        return buffer_take_string(&out);
}

static void assert_endpoints(const char *conf, const char *name, const char *expected) {
        _cleanup_registries_ Registries registries = read_conf(conf);
        _cleanup_endpoints_ Endpoints endpoints = ENDPOINTS_INIT;
        Reference reference = REFERENCE_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(reference_parse(name, &reference, NULL), 0);
        int r = registries_endpoints(&registries, &reference, &endpoints, &err);
        _cleanup_free_ char *text = show_endpoints(&endpoints, r, &err);
        assert_string_equal(text, expected);
}

#define MIRRORS                                                                             \
        "[[registry]]\nprefix = 'example.com/foo'\nlocation = 'internal.example.net/bar'\n" \
        "[[registry.mirror]]\nlocation = 'm0.local/mirror-for-foo'\n"                       \
        "[[registry.mirror]]\nlocation = 'm1.local:5000'\ninsecure = true\n"                \
        "pull-from-mirror = 'digest-only'\n"                                                \
        "[[registry.mirror]]\nlocation = 'm2.local'\npull-from-mirror = 'tag-only'\n"       \
        "[[registry]]\nlocation = 'registry.com'\ninsecure = true\n"                        \
        "mirror-by-digest-only = true\n"                                                    \
        "[[registry.mirror]]\nlocation = 'mirror.registry.com'\n"

static void mirrors_come_first_and_then_the_location(void **state) {
        (void)state;
        assert_endpoints(MIRRORS, "example.com/foo/image:latest",
                         "=m0.local/mirror-for-foo/image:latest =m2.local/image:latest "
                         "internal.example.net/bar/image:latest");
        assert_endpoints(MIRRORS, "example.com/foo/image@" DIGEST,
                         "=m0.local/mirror-for-foo/image@" DIGEST " =m1.local:5000/image@" DIGEST
                         "! internal.example.net/bar/image@" DIGEST);
        assert_endpoints(MIRRORS, "registry.com/image:latest", "registry.com/image:latest!");
        assert_endpoints(MIRRORS, "registry.com/image:1@" DIGEST,
                         "=mirror.registry.com/image:1@" DIGEST " registry.com/image:1@" DIGEST
                         "!");
        assert_endpoints(MIRRORS, "other.com/image:1", "other.com/image:1");
}

#define PREFIXES                                                                      \
        "[[registry]]\nprefix = 'r.example'\nlocation = 'host.example'\n"             \
        "[[registry]]\nprefix = 'r.example/a'\nlocation = 'a.example'\n"              \
        "[[registry]]\nprefix = 'r.example/a/b:1'\nlocation = 'tagged.example/b:2'\n" \
        "[[registry]]\nprefix = 'r.example:5000'\nlocation = 'port.example'\n"        \
        "[[registry]]\nprefix = '*.wild.example'\ninsecure = true\n"                  \
        "[[registry]]\nprefix = '*.sub.wild.example'\nlocation = 'sub.example'\n"

static void the_longest_prefix_decides_and_ends_where_a_part_does(void **state) {
        (void)state;
        assert_endpoints(PREFIXES, "r.example/x:1", "host.example/x:1");
        assert_endpoints(PREFIXES, "r.example/a/x:1", "a.example/x:1");
        assert_endpoints(PREFIXES, "r.example/ab/x:1", "host.example/ab/x:1");
        assert_endpoints(PREFIXES, "r.example/a/b:1", "tagged.example/b:2");
        assert_endpoints(PREFIXES, "r.example/a/b:12", "a.example/b:12");
        assert_endpoints(PREFIXES, "r.example:5000/x:1", "port.example/x:1");
        assert_endpoints(PREFIXES, "r.example:5001/x:1", "r.example:5001/x:1");
        assert_endpoints(PREFIXES, "r.example.com/x:1", "r.example.com/x:1");
        assert_endpoints(PREFIXES, "a.wild.example/x:1", "a.wild.example/x:1!");
        assert_endpoints(PREFIXES, "a.b.wild.example:80/x:1", "a.b.wild.example:80/x:1!");
        assert_endpoints(PREFIXES, "a.sub.wild.example/x:1", "sub.example/x:1");
        assert_endpoints(PREFIXES, "wild.example/x:1", "wild.example/x:1");
        assert_endpoints(PREFIXES, "awild.example/x:1", "awild.example/x:1");
}

static void a_blocked_or_impossible_place_is_told(void **state) {
        static const char conf[] = "[[registry]]\nlocation = 'bad.example'\nblocked = true\n"
                                   "[[registry.mirror]]\nlocation = 'm.example'\n"
                                   "[[registry]]\nprefix = 'r.example/x'\nlocation = 'host'\n"
                                   "[[registry]]\nlocation = 'open.example'\ninsecure = true\n";
        Reference reference = REFERENCE_INIT;
        Error err = ERROR_INIT;
        bool is_insecure = false;

        (void)state;
        assert_endpoints(conf, "bad.example/x:1",
                         "unsupported: bad.example/x:1 cannot be used: registry bad.example is "
                         "blocked in registries.conf");
        assert_endpoints(conf, "r.example/x:1",
                         "invalid: location host of registries.conf does not begin with a "
                         "registry");
        _cleanup_registries_ Registries registries = read_conf(conf);
        assert_int_equal(reference_parse("bad.example/x", &reference, NULL), 0);
        assert_int_equal(registries_destination(&registries, &reference, &is_insecure, &err), -1);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        assert_string_equal(err.subject, "bad.example");
        assert_int_equal(reference_parse("open.example/x", &reference, NULL), 0);
        assert_int_equal(registries_destination(&registries, &reference, &is_insecure, &err), 0);
        assert_true(is_insecure);
        assert_int_equal(reference_parse("r.example/x", &reference, NULL), 0);
        assert_int_equal(registries_destination(&registries, &reference, &is_insecure, &err), 0);
        assert_false(is_insecure);
        assert_string_equal(registries_find(&registries, "open.example")->prefix, "open.example");
        assert_null(registries_find(&registries, "open.example2"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_with_a_registry_are_what_they_say),
                cmocka_unit_test(an_alias_decides),
                cmocka_unit_test(without_one_the_search_registries_do),
                cmocka_unit_test(what_is_no_name_is_refused),
                cmocka_unit_test(mirrors_come_first_and_then_the_location),
                cmocka_unit_test(the_longest_prefix_decides_and_ends_where_a_part_does),
                cmocka_unit_test(a_blocked_or_impossible_place_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
