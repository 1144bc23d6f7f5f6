/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a simple signature says, once it is known that somebody trusted says it: "the manifest of
 * this digest is the image of that name".
 *
 * Source: containers-signature(5) "JSON data format".
 */

#include "base/error.h"
#include "oci/digest.h"

#define SIGNED_CLAIM_SIZE_MAX (64 * 1024) /* bytes */

typedef struct SignedClaim {
        char manifest_digest[DIGEST_TEXT_SIZE];
        char *reference;
} SignedClaim;

#define SIGNED_CLAIM_INIT \
        { .reference = NULL }

void signed_claim_done(SignedClaim *claim);
#define _cleanup_signed_claim_ _cleanup_(signed_claim_done)

/** signed_claim_parse() - read one, strictly; ERR_INVALID (subject = the member), ERR_LIMIT */
int signed_claim_parse(const char *text, size_t size, SignedClaim *ret, Error *err);
