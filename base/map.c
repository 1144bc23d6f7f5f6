/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <assert.h>
#include <string.h>

#include "base/random.h"

/* SipHash-1-3 (Aumasson, Bernstein): keyed, so that chosen names cannot be made to collide. */
#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIP_ROUND(v0, v1, v2, v3)                                             \
        do {                                                                  \
                v0 += v1, v1 = ROTATE(v1, 13), v1 ^= v0, v0 = ROTATE(v0, 32); \
                v2 += v3, v3 = ROTATE(v3, 16), v3 ^= v2;                      \
                v0 += v3, v3 = ROTATE(v3, 21), v3 ^= v0;                      \
                v2 += v1, v1 = ROTATE(v1, 17), v1 ^= v2, v2 = ROTATE(v2, 32); \
        } while (0)

static uint64_t sip_hash(const uint64_t seed[2], const char *data, size_t size) {
        uint64_t v0 = seed[0] ^ 0x736f6d6570736575, v1 = seed[1] ^ 0x646f72616e646f6d;
        uint64_t v2 = seed[0] ^ 0x6c7967656e657261, v3 = seed[1] ^ 0x7465646279746573;
        uint64_t word, last = (uint64_t)size << 56;
        size_t i;

        for (i = 0; i + 8 <= size; i += 8) {
                memcpy(&word, data + i, 8);
                v3 ^= word;
                SIP_ROUND(v0, v1, v2, v3);
                v0 ^= word;
        }
        for (size_t j = 0; i + j < size; j++)
                last |= (uint64_t)(unsigned char)data[i + j] << (8 * j);
        v3 ^= last;
        SIP_ROUND(v0, v1, v2, v3);
        v0 ^= last;
        v2 ^= 0xff;
        for (int round = 0; round < 3; round++)
                SIP_ROUND(v0, v1, v2, v3);
        return v0 ^ v1 ^ v2 ^ v3;
}

void map_done(Map *map) {
        for (size_t i = 0; i < map->capacity; i++)
                free(map->slots[i].key);
        free(map->slots);
        *map = (Map)MAP_INIT;
}

/* The slot that holds @key, or the empty slot where it would go. The table is never full. */
static MapSlot *find_slot(const Map *map, const char *key, uint64_t hash) {
        for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
                MapSlot *slot = &map->slots[i];
                if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0))
                        return slot;
        }
}

static void grow(Map *map) {
        Map old = *map;

        if (map->capacity == 0)
                random_bytes(map->seed, sizeof(map->seed));
        map->capacity = old.capacity ? old.capacity * 2 : 16;
        map->slots = xnew(MapSlot, map->capacity);
        for (size_t i = 0; i < old.capacity; i++)
                if (old.slots[i].key)
                        *find_slot(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
        free(old.slots);
}

void *map_put(Map *map, const char *key, void *value) {
        assert(value);
        if (map->count + 1 > map->capacity / 4 * 3)
                grow(map);

        uint64_t hash = sip_hash(map->seed, key, strlen(key));
        MapSlot *slot = find_slot(map, key, hash);
        void *replaced = slot->value;
        if (!slot->key) {
                *slot = (MapSlot){ .key = xstrdup(key), .hash = hash };
                map->count++;
        }
        slot->value = value;
        return replaced;
}

void *map_get(const Map *map, const char *key) {
        if (map->count == 0)
                return NULL;
        return find_slot(map, key, sip_hash(map->seed, key, strlen(key)))->value;
}

void *map_remove(Map *map, const char *key) {
        if (map->count == 0)
                return NULL;
        MapSlot *slot = find_slot(map, key, sip_hash(map->seed, key, strlen(key)));
        if (!slot->key)
                return NULL;

        void *value = slot->value;
        free(slot->key);
        map->count--;

        /* Close the gap: pull back each follower that may stand here, so that no search stops
         * early. */
        size_t mask = map->capacity - 1, gap = (size_t)(slot - map->slots);
        for (size_t i = (gap + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
                size_t home = map->slots[i].hash & mask;
                if (((i - home) & mask) >= ((i - gap) & mask)) {
                        map->slots[gap] = map->slots[i];
                        gap = i;
                }
        }
        map->slots[gap] = (MapSlot){ .key = NULL };
        return value;
}
