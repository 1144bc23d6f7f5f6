/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/pull_policy.h"

#include "base/text.h"
#include "helper/signature.h"

typedef struct Signatures {
        Buffer *items;
        size_t count;
        bool is_read;
} Signatures;

static void signatures_done(Signatures *signatures) {
        for (size_t i = 0; i < signatures->count; i++)
                buffer_done(&signatures->items[i]);
        free(signatures->items);
}

static int read_signatures(const PullRequest *request, const char *digest, Signatures *signatures,
                           Error *err) {
        ImageSource *source = request->source;

        if (signatures->is_read || !source->class->read_signatures)
                return 0;
        signatures->is_read = true;
        return source->class->read_signatures(source, digest, &signatures->items,
                                              &signatures->count, err);
}

static int check_signature(const PullRequest *request, const char *digest,
                           const PolicyRequirement *requirement, Keyring *keyring,
                           const Buffer *signature, Error *err) {
        _cleanup_signed_claim_ SignedClaim claim = SIGNED_CLAIM_INIT;

        if (keyring_verify(keyring, signature->data, signature->size, &claim, err) < 0)
                return -1;
        if (!text_equal(claim.manifest_digest, digest))
                return error_set(err, ERR_INVALID, digest, "it is for another manifest, %s",
                                 claim.manifest_digest);
        if (!signed_identity_matches(&requirement->identity, request->reference, claim.reference))
                return error_set(err, ERR_INVALID, digest, "it is for the name %.200s",
                                 claim.reference);
        return 0;
}

/* One good signature is enough; if none is, the last one's fault is told. */
static int check_signed(const PullRequest *request, const char *digest,
                        const PolicyRequirement *requirement, Signatures *signatures, Error *err) {
        _cleanup_(keyring_closep)
        Keyring *keyring = NULL;
        Error failure = ERROR_INIT;

        if (read_signatures(request, digest, signatures, err) < 0)
                return -1;
        if (signatures->count == 0)
                return error_set(err, ERR_INVALID, digest,
                                 "a signature is required, and there is none");
        if (keyring_open(&keyring, requirement, err) < 0)
                return -1;
        for (size_t i = 0; i < signatures->count; i++) {
                failure = (Error)ERROR_INIT;
                if (check_signature(request, digest, requirement, keyring, &signatures->items[i],
                                    &failure) == 0)
                        return 0;
                if (failure.kind != ERR_INVALID)
                        return error_copy(err, &failure);
        }
        (void)error_copy(err, &failure);
        return signatures->count == 1
                       ? error_prefix(err, "its signature is not accepted")
                       : error_prefix(err, "none of its %zu signatures is accepted; of the last",
                                      signatures->count);
}

static int check_requirement(const PullRequest *request, const char *digest,
                             const PolicyRequirement *requirement, Signatures *signatures,
                             Error *err) {
        switch (requirement->kind) {
        case POLICY_ACCEPT:
                return 0;
        case POLICY_SIGNED_BY:
                return check_signed(request, digest, requirement, signatures, err);
        case POLICY_UNSUPPORTED:
                return error_set(err, ERR_UNSUPPORTED, digest,
                                 "the policy wants %s, which is not supported", requirement->type);
        case POLICY_REJECT:
        case _POLICY_KIND_MAX:
                break;
        }
        return error_set(err, ERR_INVALID, digest, "the policy rejects it");
}

int pull_check_policy(const PullRequest *request, const char *digest, Error *err) {
        const ImageSource *source = request->source;
        const PolicyRequirements *requirements =
                policy_find(request->policy, source->transport, source->scope);
        _cleanup_(signatures_done)
        Signatures signatures = { .items = NULL };

        for (size_t i = 0; i < requirements->count; i++)
                if (check_requirement(request, digest, &requirements->items[i], &signatures, err) <
                    0)
                        return error_prefix(err, "%s refuses %s:%s", request->policy->path,
                                            source->transport, source->scope);
        return 0;
}
