/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The different user or group ids of a layer. Mostly a handful, and mostly the same as the last
 * time: so an unsorted list whose newest few are compared, sorted and freed of doubles when it
 * fills up.
 */

#include <stddef.h>
#include <stdint.h>

#define LAYER_IDS_MAX 65536 /* different user ids, or group ids, in one layer */

typedef struct IdSet {
        uint32_t *items;
        size_t count, capacity;
} IdSet;

void id_set_done(IdSet *set);

/** id_set_add() - 0, or -E2BIG far past LAYER_IDS_MAX; the exact count is that after a sort */
int id_set_add(IdSet *set, uint32_t id);

/** id_set_copy() - @to is initialised by this */
void id_set_copy(IdSet *to, const IdSet *from);

/** id_set_sort() - ascending, each once; before the items are read */
void id_set_sort(IdSet *set);
