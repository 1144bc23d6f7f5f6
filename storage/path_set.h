/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which paths were seen, in eight bytes each.
 *
 * Only hashes are kept: for a layer of a million files that is 16 MB instead of 100. Two paths with
 * one hash would look like one; the caller uses this where that costs a little space and nothing
 * else. The hash is a polynomial with a secret random base, so that no layer can be made to
 * collide.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct PathSet {
        uint64_t *slots; /* 0: empty */
        size_t capacity, count;
        uint64_t base;
} PathSet;

#define PATH_SET_INIT \
        { .slots = NULL }

void path_set_done(PathSet *set);

/** path_set_add() - true if it is new */
bool path_set_add(PathSet *set, const char *path);
