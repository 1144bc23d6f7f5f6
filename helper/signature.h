/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Simple signatures: an OpenPGP message that holds a claim about an image.
 *
 * gpg does the cryptography (through gpgme), with nothing but the keys that policy.json names, in a
 * keyring that is made for this and removed after it. The user's own keyring has no say: what he
 * happens to have imported must not decide which images are trusted.
 *
 * Source: containers-signature(5).
 */

#include "base/error.h"
#include "image/policy.h"
#include "image/signed_claim.h"

#define SIGNATURE_SIZE_MAX  (64 * 1024)        /* bytes */
#define SIGNATURE_KEYS_SIZE (16 * 1024 * 1024) /* bytes of one file of keys */

typedef struct Keyring Keyring;

/**
 * keyring_open() - make one of the keys that a requirement names
 * Errors: ERR_NOT_FOUND (a file of keys), ERR_INVALID (no key in it), ERR_UNSUPPORTED (no gpg
 * here), ERR_LIMIT, ERR_IO.
 */
int keyring_open(Keyring **ret, const PolicyRequirement *requirement, Error *err);

/** keyring_close() - and remove it; returns NULL */
Keyring *keyring_close(Keyring *keyring);
DEFINE_CLEANUP(Keyring, keyring_close);

/**
 * keyring_verify() - what a signature claims
 * @ret: read only after the signature was found good, and made by a key of the ring
 *
 * Errors: ERR_INVALID (subject "signature"): not signed, not by these keys, expired, revoked,
 * altered, or no claim; ERR_LIMIT, ERR_IO.
 */
int keyring_verify(Keyring *keyring, const void *data, size_t size, SignedClaim *ret, Error *err);
