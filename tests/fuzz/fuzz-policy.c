/* SPDX-License-Identifier: Apache-2.0 */

/*
 * policy.json, what signatures say, and registries.d. A policy that parses has an answer for every
 * image, and its own scopes are found.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "image/lookaside.h"
#include "image/policy.h"
#include "image/signed_claim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void try_policy(const char *text, size_t size) {
        static const char *const names[] = { NULL, "quay.io/a:1", "docker.io/library/x@" DIGEST };
        _cleanup_policy_ Policy policy = POLICY_INIT;

        if (policy_parse("p", text, size, &policy, NULL) < 0)
                return;
        for (size_t i = 0; i < policy.count; i++) {
                const PolicyScope *scope = &policy.scopes[i];
                const PolicyRequirements *found =
                        policy_find(&policy, scope->transport, scope->scope);
                assert(found && found->count > 0);
                for (size_t k = 0; k < scope->requirements.count; k++)
                        for (size_t n = 0; n < ARRAY_SIZE(names); n++)
                                (void)signed_identity_matches(
                                        &scope->requirements.items[k].identity, names[n],
                                        "quay.io/a:1");
        }
        assert(policy_find(&policy, "docker", "quay.io/a/b:c"));
}

static void try_claim(const char *text, size_t size) {
        const SignedIdentity identity = SIGNED_IDENTITY_INIT;
        _cleanup_signed_claim_ SignedClaim claim = SIGNED_CLAIM_INIT;

        if (signed_claim_parse(text, size, &claim, NULL) == 0)
                (void)signed_identity_matches(&identity, "quay.io/a:1", claim.reference);
}

static void try_lookaside(const char *text, size_t size) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        const Reference image = { .domain = "quay.io", .path = "a/b", .tag = "1" };

        (void)lookaside_parse(&lookaside, "f", text, size, NULL);
        _cleanup_free_ char *url = lookaside_url(&lookaside, &image, DIGEST, 1);
        assert(strstr(url, "/a/b@sha256="));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        try_policy((const char *)data, size);
        try_claim((const char *)data, size);
        try_lookaside((const char *)data, size);
        return 0;
}
