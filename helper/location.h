/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `path[:rest]`, as the transports of archives and layouts have it. */

#include "base/error.h"

typedef struct Location {
        char *path;
        char *rest;  /* NULL: none */
        char *scope; /* as policy.json calls it: the real path */
} Location;

#define LOCATION_INIT \
        { .path = NULL }

void location_done(Location *location);
#define _cleanup_location_ _cleanup_(location_done)

/**
 * location_parse() - take it apart
 * @has_rest: false: all of it is the path
 *
 * The path is made absolute; whether there is something, is not asked. ERR_INVALID (no path, or
 * not UTF-8).
 */
int location_parse(const char *where, bool has_rest, Location *ret, Error *err);
