/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text by text (labels, annotations, an environment): sorted by key, one value for each. */

#include <stddef.h>

#include "base/memory.h"

typedef struct Pair {
        char *key;
        char *value;
} Pair;

typedef struct Pairs {
        Pair *items; /* sorted by key, as strcmp() has it */
        size_t count;
        size_t capacity;
} Pairs;

#define PAIRS_INIT \
        { .items = NULL }

void pairs_done(Pairs *pairs);
#define _cleanup_pairs_ _cleanup_(pairs_done)

/** pairs_set() - add, or replace the value */
void pairs_set(Pairs *pairs, const char *key, const char *value);

/** pairs_get() - borrowed value, or NULL */
const char *pairs_get(const Pairs *pairs, const char *key);

/** pairs_copy() - @to is initialised by this */
void pairs_copy(Pairs *to, const Pairs *from);
