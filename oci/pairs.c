/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/pairs.h"

#include <string.h>

void pairs_done(Pairs *pairs) {
        for (size_t i = 0; i < pairs->count; i++) {
                free(pairs->items[i].key);
                free(pairs->items[i].value);
        }
        free(pairs->items);
        *pairs = (Pairs)PAIRS_INIT;
}

/* Index of the first pair whose key is not less than @key. */
static size_t lower_bound(const Pairs *pairs, const char *key) {
        size_t low = 0, high = pairs->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(pairs->items[middle].key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_at(const Pairs *pairs, size_t i, const char *key) {
        return i < pairs->count && strcmp(pairs->items[i].key, key) == 0;
}

void pairs_set(Pairs *pairs, const char *key, const char *value) {
        size_t i = lower_bound(pairs, key);

        if (is_at(pairs, i, key)) {
                char *copy = xstrdup(value); /* first: @value may be the old one */
                free(pairs->items[i].value);
                pairs->items[i].value = copy;
                return;
        }
        Pair pair = { .key = xstrdup(key), .value = xstrdup(value) };
        GROW(pairs->items, pairs->count, pairs->capacity);
        memmove(pairs->items + i + 1, pairs->items + i, (pairs->count - i) * sizeof(Pair));
        pairs->items[i] = pair;
        pairs->count++;
}

const char *pairs_get(const Pairs *pairs, const char *key) {
        size_t i = lower_bound(pairs, key);

        return is_at(pairs, i, key) ? pairs->items[i].value : NULL;
}

void pairs_copy(Pairs *to, const Pairs *from) {
        *to = (Pairs)PAIRS_INIT;
        if (!from->count)
                return;
        to->items = xnew(Pair, from->count);
        to->count = to->capacity = from->count;
        for (size_t i = 0; i < from->count; i++)
                to->items[i] = (Pair){
                        .key = xstrdup(from->items[i].key),
                        .value = xstrdup(from->items[i].value),
                };
}
