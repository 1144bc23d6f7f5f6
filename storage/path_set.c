/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/path_set.h"

#include <assert.h>

#include "base/memory.h"
#include "base/random.h"

#define PRIME ((UINT64_C(1) << 61) - 1)

static uint64_t multiply(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        uint64_t sum = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61);

        return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t hash_path(const PathSet *set, const char *path) {
        uint64_t hash = 1;

        for (const char *p = path; *p; p++)
                hash = multiply(hash, set->base) + (unsigned char)*p;
        hash = multiply(hash, set->base);
        return hash == 0 ? 1 : hash;
}

void path_set_done(PathSet *set) {
        free(set->slots);
        *set = (PathSet)PATH_SET_INIT;
}

static bool insert(PathSet *set, uint64_t hash) {
        for (size_t i = hash & (set->capacity - 1);; i = (i + 1) & (set->capacity - 1)) {
                if (set->slots[i] == hash)
                        return false;
                if (set->slots[i] == 0) {
                        set->slots[i] = hash;
                        set->count++;
                        return true;
                }
        }
}

static void grow(PathSet *set) {
        PathSet old = *set;

        assert(old.slots || old.capacity == 0);
        if (!old.slots)
                set->base = 256 + random_below(PRIME - 256);
        set->capacity = old.capacity ? old.capacity * 2 : 1024;
        set->count = 0;
        set->slots = xnew(uint64_t, set->capacity);
        for (size_t i = 0; i < old.capacity; i++)
                if (old.slots[i] != 0)
                        (void)insert(set, old.slots[i]);
        free(old.slots);
}

bool path_set_add(PathSet *set, const char *path) {
        if (!set->slots || set->count >= set->capacity / 2)
                grow(set);
        return insert(set, hash_path(set, path));
}
