/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a server wants to see before it answers: the WWW-Authenticate headers of a 401.
 *
 * Source: RFC 9110 section 11.6.1; distribution's docs/spec/auth/token.md.
 */

#include "base/error.h"
#include "helper/http.h"

#define CHALLENGE_PARAMETERS_MAX 64 /* of one header */

typedef struct Challenge {
        bool has_basic;
        char *realm; /* of Bearer: a URL; NULL: no bearer */
        char *service, *scope;
} Challenge;

#define CHALLENGE_INIT \
        { .has_basic = false }

void challenge_done(Challenge *challenge);
#define _cleanup_challenge_ _cleanup_(challenge_done)

/**
 * challenge_parse() - add what one header's value offers; the first Bearer counts
 *
 * ERR_INVALID, ERR_LIMIT: what was read before it is kept.
 */
int challenge_parse(const char *value, Challenge *challenge, Error *err);

/** challenge_read() - all of an answer's headers; ERR_UNSUPPORTED: neither Basic nor Bearer */
int challenge_read(const HttpResponse *response, Challenge *ret, Error *err);
