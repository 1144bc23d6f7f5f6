/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a registry says when it does not do what it was asked for. */

#include "helper/http.h"

#define REGISTRY_WORDS_MAX 300 /* bytes of its own words in an error */

/**
 * registry_error_set() - from an answer that is no success: `404 manifest unknown`
 *
 * Its own words, cleaned and cut, or else the status's. Kinds: ERR_NOT_FOUND (404), ERR_INVALID
 * (denied, and what else is a fault of the request), ERR_UNSUPPORTED (405, 501), ERR_LIMIT (413,
 * 431), ERR_IO. Returns -1.
 */
int registry_error_set(const HttpResponse *response, Error *err);
