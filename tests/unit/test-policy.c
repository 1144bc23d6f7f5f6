/* SPDX-License-Identifier: Apache-2.0 */

/* policy.json, scopes, identities and claims: what is read, what holds for which image. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "image/policy.h"
#include "image/scope.h"
#include "image/signed_claim.h"
#include "oci/document.h"
#include "tests/unit/config-fixture.h"

#define ACCEPT "[{\"type\":\"insecureAcceptAnything\"}]"
#define REJECT "[{\"type\":\"reject\"}]"

static void parse(const char *text, Policy *ret) {
        Error err = ERROR_INIT;

        int r = policy_parse("p.json", text, strlen(text), ret, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(r, 0);
}

static void expect_refusal(const char *text, ErrorKind kind, const char *reason) {
        _cleanup_policy_ Policy policy = POLICY_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(policy_parse("p.json", text, strlen(text), &policy, &err), -1);
        assert_int_equal(err.kind, kind);
        if (!strstr(err.text, reason))
                fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
        assert_non_null(text_starts_with(err.text, "p.json: "));
}

static void expect_scopes(const char *transport, const char *scope, const char *expected) {
        _cleanup_strings_ Strings scopes = STRINGS_INIT;
        char text[1024] = "";

        scope_list(transport, scope, &scopes);
        for (size_t i = 0; i < scopes.count; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? " " : "",
                         scopes.items[i]);
        assert_string_equal(text, expected);
}

static void scopes_lie_in_each_other(void **state _unused_) {
        expect_scopes("docker", "quay.io/a/b:c",
                      "quay.io/a/b:c quay.io/a/b quay.io/a quay.io *.io");
        expect_scopes("docker", "r.example.com:5000/a@sha256:0",
                      "r.example.com:5000/a@sha256:0 r.example.com:5000/a r.example.com:5000 "
                      "*.example.com *.com");
        expect_scopes("docker", "localhost:5000/a:1",
                      "localhost:5000/a:1 localhost:5000/a localhost:5000");
        expect_scopes("dir", "/a/b/c", "/a/b/c /a/b /a");
        expect_scopes("dir", "/a", "/a");
        expect_scopes("oci", "/a/b", "/a/b /a");
        expect_scopes("oci-archive", "/a/b.tar", "/a/b.tar /a");
        expect_scopes("docker-archive", "", "");
}

static PolicyKind kind_for(const Policy *policy, const char *transport, const char *scope) {
        const PolicyRequirements *found = policy_find(policy, transport, scope);

        assert_int_equal(found->count, 1);
        return found->items[0].kind;
}

static void the_nearest_scope_holds(void **state _unused_) {
        _cleanup_policy_ Policy policy = POLICY_INIT;

        parse("{\"default\":" REJECT ",\"transports\":{\"docker\":{"
              "\"quay.io/a\":" ACCEPT ",\"quay.io/a/b:bad\":" REJECT ",\"*.example.com\":" ACCEPT
              ",\"h.example.com/x\":" REJECT "},\"dir\":{\"\":" ACCEPT ",\"/no\":" REJECT
              "},\"oci\":{\"/images/good\":" ACCEPT "},\"future\":{\"x y\":" ACCEPT "}}}",
              &policy);
        assert_int_equal(kind_for(&policy, "docker", "quay.io/a/b:c"), POLICY_ACCEPT);
        assert_int_equal(kind_for(&policy, "docker", "quay.io/a/b:bad"), POLICY_REJECT);
        assert_int_equal(kind_for(&policy, "docker", "quay.io/ab:c"), POLICY_REJECT);
        assert_int_equal(kind_for(&policy, "docker", "h.example.com:5/y:1"), POLICY_ACCEPT);
        assert_int_equal(kind_for(&policy, "docker", "h.example.com/x:1"), POLICY_REJECT);
        assert_int_equal(kind_for(&policy, "docker", "example.com/x:1"), POLICY_REJECT);
        assert_int_equal(kind_for(&policy, "dir", "/yes/a"), POLICY_ACCEPT);
        assert_int_equal(kind_for(&policy, "dir", "/no/a"), POLICY_REJECT);
        assert_int_equal(kind_for(&policy, "oci", "/images/good"), POLICY_ACCEPT);
        assert_int_equal(kind_for(&policy, "oci", "/images/bad"), POLICY_REJECT);
        assert_int_equal(kind_for(&policy, "docker-archive", ""), POLICY_REJECT);
}

#define SIGNED(more) "{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\"" more "}]}"

static void all_of_signed_by_is_read(void **state _unused_) {
        _cleanup_policy_ Policy policy = POLICY_INIT, data = POLICY_INIT;

        parse(SIGNED(",\"keyPaths\":[\"/a\",\"/b\"],\"signedIdentity\":{\"type\":\"remapIdentity\","
                     "\"prefix\":\"mirror.example.com:5000\",\"signedPrefix\":\"quay.io/a\"}"),
              &policy);
        const PolicyRequirement *signed_by = &policy_find(&policy, "docker", "x/y:1")->items[0];
        assert_int_equal(signed_by->kind, POLICY_SIGNED_BY);
        assert_int_equal(signed_by->key_paths.count, 2);
        assert_int_equal(signed_by->identity.kind, IDENTITY_REMAP);
        assert_string_equal(signed_by->identity.name, "mirror.example.com:5000");
        assert_string_equal(signed_by->identity.signed_prefix, "quay.io/a");

        parse(SIGNED(",\"keyData\":\"aGVsbG8=\""), &data);
        signed_by = &policy_find(&data, "docker", "x/y:1")->items[0];
        assert_int_equal(signed_by->key_size, 5);
        assert_memory_equal(signed_by->key_data, "hello", 5);
        assert_int_equal(signed_by->identity.kind, IDENTITY_REPO_DIGEST_OR_EXACT);
}

#define IDENTITY(text) SIGNED(",\"keyPath\":\"/a\",\"signedIdentity\":" text)
#define SCOPE(transport, scope) \
        "{\"default\":" REJECT ",\"transports\":{\"" transport "\":{\"" scope "\":" ACCEPT "}}}"

static void what_is_wrong_is_refused(void **state _unused_) {
        static const struct {
                const char *text, *reason;
        } rows[] = {
                { "", "well-formed" },
                { "[]", "not a JSON object" },
                { "{}", "default is not a list" },
                { "{\"default\":[]}", "default is not a list" },
                { "{\"default\":[7]}", "default[0] is not an object" },
                { "{\"default\":[{}]}", "unknown requirement \"\"" },
                { "{\"default\":[{\"type\":\"x\"}]}", "default[0].type: unknown" },
                { "{\"default\":[{\"type\":\"reject\",\"x\":1}]}", "default[0].x is not known" },
                { "{\"default\":" REJECT ",\"defualt\":1}", "defualt is not known" },
                { "{\"default\":" REJECT ",\"default\":" ACCEPT "}", "duplicate" },
                { "{\"default\":" REJECT ",\"transports\":[]}", "transports is not an object" },
                { "{\"default\":" REJECT ",\"transports\":{\"dir\":7}}", "dir is not an object" },
                { "{\"default\":" REJECT ",\"transports\":{\"dir\":{\"/a\":[]}}}",
                  "transports.dir.\"/a\" is not a list" },
                { SCOPE("dir", "/"), "forbidden" },
                { SCOPE("dir", "a"), "no absolute path" },
                { SCOPE("dir", "/a/"), "no absolute path" },
                { SCOPE("dir", "/a//b"), "no absolute path" },
                { SCOPE("oci", "/a/../b:t"), "no absolute path" },
                { SCOPE("docker-archive", "/a"), "no scopes" },
                { SIGNED(""), "exactly one" },
                { SIGNED(",\"keyPath\":\"/a\",\"keyData\":\"\""), "exactly one" },
                { SIGNED(",\"keyPath\":7"), "keyPath is not a string" },
                { SIGNED(",\"keyPaths\":\"/a\""), "keyPaths is not a list" },
                { SIGNED(",\"keyData\":\"*\""), "no base64" },
                { SIGNED(",\"keyPath\":\"/a\",\"keypath\":\"/b\""), "keypath is not known" },
                { "{\"default\":[{\"type\":\"signedBy\",\"keyPath\":\"/a\"}]}", "keyType is \"\"" },
                { "{\"default\":[{\"type\":\"signedBy\",\"keyType\":\"X509\",\"keyPath\":\"/"
                  "a\"}]}",
                  "keyType is \"X509\"" },
                { IDENTITY("7"), "signedIdentity is not an object" },
                { IDENTITY("{}"), "unknown type \"\"" },
                { IDENTITY("{\"type\":\"matchExact\",\"x\":1}"), "x is not known" },
                { IDENTITY("{\"type\":\"exactReference\"}"), "dockerReference" },
                { IDENTITY("{\"type\":\"exactReference\",\"dockerReference\":\"quay.io/a\"}"),
                  "neither a tag nor a digest" },
                { IDENTITY("{\"type\":\"exactRepository\",\"dockerRepository\":\"quay.io/a:1\"}"),
                  "has a tag" },
                { IDENTITY("{\"type\":\"remapIdentity\",\"prefix\":\"quay.io/a:1\","
                           "\"signedPrefix\":\"quay.io\"}"),
                  "neither a host" },
                { IDENTITY("{\"type\":\"remapIdentity\",\"prefix\":\"quay.io\"}"), "neither a" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                expect_refusal(rows[i].text, ERR_INVALID, rows[i].reason);
        _cleanup_free_ char *large = xcalloc(1, POLICY_SIZE_MAX + 2);
        memset(large, ' ', POLICY_SIZE_MAX + 1);
        expect_refusal(large, ERR_LIMIT, "more than");
}

static void what_is_not_met_here_is_read(void **state _unused_) {
        _cleanup_policy_ Policy policy = POLICY_INIT;

        parse("{\"default\":" ACCEPT ",\"transports\":{\"docker\":{\"a.b\":[{\"type\":"
              "\"sigstoreSigned\",\"keyPath\":\"/x\",\"signedIdentity\":{\"type\":"
              "\"matchRepository\"}}]}}}",
              &policy);
        assert_int_equal(kind_for(&policy, "docker", "a.b/c:1"), POLICY_UNSUPPORTED);
        assert_int_equal(kind_for(&policy, "docker", "a.c/c:1"), POLICY_ACCEPT);
}

#define D "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void identities_match(void **state _unused_) {
        static const struct {
                const char *identity, *image, *signed_name;
                bool matches;
        } rows[] = {
                { NULL, "quay.io/a:1", "quay.io/a:1", true },
                { NULL, "quay.io/a:1", "quay.io/a:2", false },
                { NULL, "quay.io/a:1", "quay.io/a", false },
                { NULL, "quay.io/a:1", "quay.io/b:1", false },
                { NULL, "quay.io/a@" D, "quay.io/a:7", true },
                { NULL, "quay.io/a@" D, "quay.io/b:7", false },
                { NULL, "quay.io/a:1@" D, "quay.io/a:1", false },
                { NULL, "docker.io/library/busybox:1", "busybox:1", true },
                { NULL, NULL, "quay.io/a:1", false },
                { NULL, "quay.io/a:1", "UPPER:1", false },
                { "{\"type\":\"matchExact\"}", "quay.io/a:1", "quay.io/a:1", true },
                { "{\"type\":\"matchExact\"}", "quay.io/a@" D, "quay.io/a:1", false },
                { "{\"type\":\"matchExact\"}", "quay.io/a@" D, "quay.io/a@" D, true },
                { "{\"type\":\"matchRepository\"}", "quay.io/a:1", "quay.io/a:2", true },
                { "{\"type\":\"matchRepository\"}", "quay.io/a:1", "quay.io/a", true },
                { "{\"type\":\"matchRepository\"}", "quay.io/a:1", "quay.io/b:1", false },
                { "{\"type\":\"exactReference\",\"dockerReference\":\"busybox:2\"}", NULL,
                  "docker.io/library/busybox:2", true },
                { "{\"type\":\"exactReference\",\"dockerReference\":\"busybox:2\"}",
                  "docker.io/library/busybox:1", "docker.io/library/busybox:1", false },
                { "{\"type\":\"exactRepository\",\"dockerRepository\":\"busybox\"}", NULL,
                  "docker.io/library/busybox:2", true },
                { "{\"type\":\"exactRepository\",\"dockerRepository\":\"busybox\"}", NULL,
                  "quay.io/busybox:2", false },
                { "{\"type\":\"remapIdentity\",\"prefix\":\"m:5000/x\",\"signedPrefix\":\"quay.io\""
                  "}",
                  "m:5000/x/a:1", "quay.io/a:1", true },
                { "{\"type\":\"remapIdentity\",\"prefix\":\"m:5000/x\",\"signedPrefix\":\"quay.io\""
                  "}",
                  "m:5000/xa:1", "quay.io/a:1", false },
                { "{\"type\":\"remapIdentity\",\"prefix\":\"m:5000/x\",\"signedPrefix\":\"quay.io\""
                  "}",
                  "n:5000/a:1", "n:5000/a:1", true },
                { "{\"type\":\"remapIdentity\",\"prefix\":\"m:5000/x\",\"signedPrefix\":\"quay.io\""
                  "}",
                  "m:5000/x/a@" D, "quay.io/a:9", true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                SignedIdentity identity = SIGNED_IDENTITY_INIT;
                Error err = ERROR_INIT;
                json_auto_t *json = rows[i].identity ? json_loads(rows[i].identity, 0, NULL) : NULL;
                assert_int_equal(signed_identity_parse(json, "i.", &identity, &err), 0);
                if (signed_identity_matches(&identity, rows[i].image, rows[i].signed_name) !=
                    rows[i].matches)
                        fail_msg("row %zu", i);
                signed_identity_done(&identity);
        }
}

#define CRITICAL(type, image, identity) \
        "\"critical\":{\"type\":\"" type "\",\"image\":{" image "},\"identity\":{" identity "}}"
#define TYPE  "atomic container signature"
#define IMAGE "\"docker-manifest-digest\":\"" D "\""
#define NAME  "\"docker-reference\":\"quay.io/a:1\""
#define GOOD  CRITICAL(TYPE, IMAGE, NAME)

static void claims_are_read_strictly(void **state _unused_) {
        static const struct {
                const char *text, *subject; /* NULL: it is fine */
        } rows[] = {
                { "{" GOOD ",\"optional\":{}}", NULL },
                { "{" GOOD ",\"optional\":{\"creator\":\"x\",\"timestamp\":1483228800,\"y\":[]}}",
                  NULL },
                { "{" GOOD ",\"optional\":{\"timestamp\":1.4832288e9}}", NULL },
                { "{" GOOD ",\"optional\":{\"timestamp\":1.5}}", "optional.timestamp" },
                { "{" GOOD ",\"optional\":{\"creator\":7}}", "optional.creator" },
                { "{" GOOD "}", "optional" },
                { "{" GOOD ",\"optional\":{},\"more\":1}", "more" },
                { "{\"optional\":{}}", "critical." },
                { "{" CRITICAL("x", IMAGE, NAME) ",\"optional\":{}}", "critical.type" },
                { "{" CRITICAL(TYPE, IMAGE ",\"x\":1", NAME) ",\"optional\":{}}",
                  "critical.image.x" },
                { "{" CRITICAL(TYPE, IMAGE, NAME ",\"x\":1") ",\"optional\":{}}",
                  "critical.identity.x" },
                { "{" CRITICAL(TYPE, "", NAME) ",\"optional\":{}}",
                  "critical.image.docker-manifest-digest" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_signed_claim_ SignedClaim claim = SIGNED_CLAIM_INIT;
                Error err = ERROR_INIT;
                int r = signed_claim_parse(rows[i].text, strlen(rows[i].text), &claim, &err);
                assert_int_equal(r, rows[i].subject ? -1 : 0);
                assert_string_equal(err.subject, rows[i].subject ? rows[i].subject : "");
                if (r == 0) {
                        assert_string_equal(claim.manifest_digest, D);
                        assert_string_equal(claim.reference, "quay.io/a:1");
                }
        }
}

static void the_users_file_comes_first(void **state _unused_) {
        _cleanup_policy_ Policy none = POLICY_INIT, system = POLICY_INIT, user = POLICY_INIT,
                                named = POLICY_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(policy_load(NULL, &none, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        (void)config_put("/etc/containers/policy.json", "{\"default\":" REJECT "}");
        assert_int_equal(policy_load(NULL, &system, &err), 0);
        assert_int_equal(kind_for(&system, "docker", "a.b/c:1"), POLICY_REJECT);
        (void)config_put("/home/.config/containers/policy.json", "{\"default\":" ACCEPT "}");
        assert_int_equal(policy_load(NULL, &user, &err), 0);
        assert_int_equal(kind_for(&user, "docker", "a.b/c:1"), POLICY_ACCEPT);
        assert_int_equal(policy_load("/nowhere/policy.json", &named, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        (void)config_put("/home/.config/containers/policy.json", "{");
        assert_int_equal(policy_load(NULL, &named, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(scopes_lie_in_each_other),
                cmocka_unit_test(the_nearest_scope_holds),
                cmocka_unit_test(all_of_signed_by_is_read),
                cmocka_unit_test(what_is_wrong_is_refused),
                cmocka_unit_test(what_is_not_met_here_is_read),
                cmocka_unit_test(identities_match),
                cmocka_unit_test(claims_are_read_strictly),
                cmocka_unit_test_setup_teardown(the_users_file_comes_first, config_setup,
                                                config_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
