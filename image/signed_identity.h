/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether the name that a signature is for is the name that an image was asked for by
 * (`signedIdentity` of policy.json).
 *
 * Source: containers-policy.json(5) "signedBy".
 */

#include <jansson.h>

#include "base/error.h"

typedef enum SignedIdentityKind {
        IDENTITY_REPO_DIGEST_OR_EXACT, /* the default */
        IDENTITY_EXACT,
        IDENTITY_REPOSITORY,
        IDENTITY_EXACT_REFERENCE,
        IDENTITY_EXACT_REPOSITORY,
        IDENTITY_REMAP,
        _IDENTITY_MAX,
} SignedIdentityKind;

typedef struct SignedIdentity {
        SignedIdentityKind kind;
        char *name;          /* full: of an exact reference or repository; the prefix of a remap */
        char *signed_prefix; /* of a remap */
} SignedIdentity;

#define SIGNED_IDENTITY_INIT \
        { .kind = IDENTITY_REPO_DIGEST_OR_EXACT }

void signed_identity_done(SignedIdentity *identity);

/**
 * signed_identity_parse() - read one, strictly
 * @json:  NULL: the default
 * @where: its path for errors, ending in a dot
 *
 * ERR_INVALID (subject = the member).
 */
int signed_identity_parse(const json_t *json, const char *where, SignedIdentity *ret, Error *err);

/**
 * signed_identity_matches() - compare
 * @image:  what the image was asked for by, full, with a tag or a digest; NULL: it has no such name
 * @signed_name: what the signature says, in any form that registries' users write
 */
bool signed_identity_matches(const SignedIdentity *identity, const char *image,
                             const char *signed_name);
