/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_SIZE_MIN 4096

struct ArenaChunk {
        ArenaChunk *next;
        size_t used;
        size_t capacity;
        alignas(max_align_t) unsigned char data[];
};

struct ArenaDestructor {
        ArenaDestructor *next;
        void (*destroy)(void *object);
        void *object;
};

void arena_done(Arena *arena) {
        for (ArenaDestructor *d = arena->destructors; d; d = d->next)
                d->destroy(d->object);
        for (ArenaChunk *chunk = arena->chunks, *next; chunk; chunk = next) {
                next = chunk->next;
                free(chunk);
        }
        *arena = (Arena){ .limit = arena->limit };
}

static size_t round_up(size_t size) {
        size_t unit = alignof(max_align_t);

        return (size + unit - 1) & ~(unit - 1);
}

/* The memory comes from calloc and is handed out once, so it is zeroed without a memset. */
static void *alloc_in_chunk(Arena *arena, size_t size) {
        ArenaChunk *chunk = arena->chunks;

        if (size > SIZE_MAX / 2)
                return NULL;
        size = round_up(size ? size : 1);
        if (!chunk || chunk->capacity - chunk->used < size) {
                size_t capacity = chunk ? chunk->capacity * 2 : CHUNK_SIZE_MIN - sizeof(ArenaChunk);
                if (capacity > 256 * 1024)
                        capacity = 256 * 1024;
                if (capacity < size)
                        capacity = size;
                chunk = calloc(1, sizeof(ArenaChunk) + capacity);
                if (!chunk)
                        return NULL;
                chunk->capacity = capacity;
                chunk->next = arena->chunks;
                arena->chunks = chunk;
        }
        void *p = chunk->data + chunk->used;
        chunk->used += size;
        arena->used += size;
        return p;
}

void *arena_alloc(Arena *arena, size_t size) {
        void *p = alloc_in_chunk(arena, size);

        if (!p)
                abort();
        return p;
}

void *arena_try_alloc(Arena *arena, size_t size) {
        if (arena->limit != 0 && (size > arena->limit || arena->used > arena->limit - size))
                return NULL;
        return alloc_in_chunk(arena, size);
}

void arena_add_destructor(Arena *arena, void (*destroy)(void *object), void *object) {
        ArenaDestructor *d = arena_alloc(arena, sizeof(*d));

        *d = (ArenaDestructor){ .next = arena->destructors, .destroy = destroy, .object = object };
        arena->destructors = d;
}

char *arena_strndup(Arena *arena, const char *s, size_t n) {
        size_t length = strnlen(s, n);
        char *copy = arena_alloc(arena, length + 1);

        memcpy(copy, s, length);
        return copy;
}

char *arena_strdup(Arena *arena, const char *s) {
        return arena_strndup(arena, s, SIZE_MAX);
}

char *arena_printf(Arena *arena, const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        int n = vsnprintf(NULL, 0, fmt, args);
        va_end(args);
        assert(n >= 0);
        char *text = arena_alloc(arena, (size_t)n + 1);
        va_start(args, fmt);
        vsnprintf(text, (size_t)n + 1, fmt, args);
        va_end(args);
        return text;
}
