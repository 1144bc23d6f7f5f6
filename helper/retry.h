/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Trying again: what may be better next time, and how long to wait until then.
 *
 * The wait doubles with each try and is partly random, so that many clients of one server do not
 * come back together. What the server says with Retry-After counts, up to a bound.
 */

#include "base/error.h"
#include "helper/http.h"

#define RETRY_MAX         5   /* after the first try */
#define RETRY_DELAY_MS    200 /* before the first retry */
#define RETRY_DELAY_MAX_S 60  /* of what Retry-After may ask for */

typedef struct Retry {
        unsigned count;
} Retry;

#define RETRY_INIT \
        { .count = 0 }

/** retry_is_transient() - a broken connection, or a status that speaks of the moment */
bool retry_is_transient(const HttpResponse *response);

/** retry_may() - whether another try is worth it and left */
bool retry_may(const Retry *retry, const HttpResponse *response);

/** retry_wait() - wait before the next try, which is counted; ERR_CANCELLED */
int retry_wait(Retry *retry, const HttpResponse *response, const TransferControl *control,
               Error *err);

/** retry_delay_ms() - how long that will be */
unsigned retry_delay_ms(const Retry *retry, const HttpResponse *response);
