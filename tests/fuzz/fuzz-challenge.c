/* SPDX-License-Identifier: Apache-2.0 */

/* A WWW-Authenticate header of any bytes: what it yields came out of it, and is no longer. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "helper/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_challenge_ Challenge challenge = CHALLENGE_INIT;
        _cleanup_free_ char *text = xstrndup((const char *)data, size);
        Error err = ERROR_INIT;

        if (challenge_parse(text, &challenge, &err) < 0)
                assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
        const char *const parts[] = { challenge.realm, challenge.service, challenge.scope };
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                assert(!parts[i] || strlen(parts[i]) <= strlen(text));
        assert(challenge.realm || (!challenge.service && !challenge.scope));
        return 0;
}
