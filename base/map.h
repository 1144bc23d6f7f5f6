/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * String-keyed hash map of borrowed pointers.
 *
 * Open addressing; the hash is keyed with random bytes per map, since names come from peers. Keys
 * are copied, values are the caller's. Not locked.
 */

#include <stdint.h>

#include "base/memory.h"

typedef struct MapSlot {
        char *key; /* NULL: empty */
        void *value;
        uint64_t hash;
} MapSlot;

typedef struct Map {
        MapSlot *slots;
        size_t capacity; /* power of two, or 0 */
        size_t count;
        uint64_t seed[2];
} Map;

#define MAP_INIT \
        { .slots = NULL }

void map_done(Map *map);

/**
 * map_put() - add or replace; returns the value that was replaced, or NULL. @value must not be NULL
 */
void *map_put(Map *map, const char *key, void *value);

/** map_get() - the value, or NULL */
void *map_get(const Map *map, const char *key);

/** map_remove() - take the value out, or NULL */
void *map_remove(Map *map, const char *key);

/* Visits every slot in use; the map must not change in the body. */
#define MAP_FOREACH(slot, map)                                                                    \
        for (MapSlot *slot = (map)->slots; slot && slot < (map)->slots + (map)->capacity; slot++) \
                if (slot->key)
