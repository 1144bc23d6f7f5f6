/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/id_set.h"

#include <errno.h>

#include "base/memory.h"

/* How many of the newest items are compared before one is added. */
#define RECENT 8

void id_set_done(IdSet *set) {
        free(set->items);
        *set = (IdSet){ .items = NULL };
}

void id_set_copy(IdSet *to, const IdSet *from) {
        *to = (IdSet){ .items = xnew(uint32_t, from->count),
                       .count = from->count,
                       .capacity = from->count };
        for (size_t i = 0; i < from->count; i++)
                to->items[i] = from->items[i];
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

void id_set_sort(IdSet *set) {
        size_t kept = 0;

        if (set->count == 0)
                return;
        qsort(set->items, set->count, sizeof(*set->items), compare);
        for (size_t i = 1; i < set->count; i++)
                if (set->items[i] != set->items[kept])
                        set->items[++kept] = set->items[i];
        set->count = kept + 1;
}

int id_set_add(IdSet *set, uint32_t id) {
        for (size_t i = set->count; i > 0 && i + RECENT > set->count; i--)
                if (set->items[i - 1] == id)
                        return 0;
        /* Twice the limit as room, so that sorting is rare even at the limit. */
        if (set->count == (size_t)2 * LAYER_IDS_MAX) {
                id_set_sort(set);
                if (set->count > LAYER_IDS_MAX)
                        return -E2BIG;
        }
        GROW(set->items, set->count, set->capacity);
        set->items[set->count++] = id;
        return 0;
}
