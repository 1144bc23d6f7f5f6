/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What policy.json says of an image that is about to be pulled. */

#include "helper/pull.h"

/**
 * pull_check_policy() - whether the image may be had
 * @digest: of @manifest, computed
 *
 * Signatures are asked for only where the policy wants any. An image passes if each requirement is
 * met: a signature must be by the right key, for this manifest, and for the name that was asked
 * for.
 * Errors: ERR_INVALID (subject = the image): it does not pass, and why; ERR_UNSUPPORTED (sigstore),
 * those of the source and of keyring_open().
 */
int pull_check_policy(const PullRequest *request, const char *digest, Error *err);
