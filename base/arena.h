/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory with the lifetime of one call: decoded arguments, a reply, strings on the way.
 *
 * A bump allocator over chunks, freed in one step. Not locked: one thread uses it at a time. An
 * arena may have a limit, because a peer can describe much memory in few bytes (an array of empty
 * structs): arena_try_alloc() then answers NULL, and only code that decodes a peer's data uses it.
 * arena_alloc() ignores the limit and aborts when memory is exhausted.
 */

#include <stdarg.h>
#include <stddef.h>

#include "base/memory.h"

typedef struct ArenaChunk ArenaChunk;
typedef struct ArenaDestructor ArenaDestructor;

typedef struct Arena {
        ArenaChunk *chunks;
        ArenaDestructor *destructors;
        size_t used;  /* bytes handed out, for the limit */
        size_t limit; /* 0: none */
} Arena;

#define ARENA_INIT \
        { .chunks = NULL }

/**
 * arena_done() - run destructors, newest first, and free everything; the arena can be used again
 */
void arena_done(Arena *arena);

/** arena_alloc() - @size zeroed bytes, aligned for any type; never NULL */
void *arena_alloc(Arena *arena, size_t size) __attribute__((returns_nonnull));

/** arena_try_alloc() - the same within the arena's limit; NULL when over it or out of memory */
void *arena_try_alloc(Arena *arena, size_t size);

/** arena_add_destructor() - call @destroy(@object) in arena_done() */
void arena_add_destructor(Arena *arena, void (*destroy)(void *object), void *object);

char *arena_strdup(Arena *arena, const char *s) __attribute__((returns_nonnull, nonnull));
char *arena_strndup(Arena *arena, const char *s, size_t n)
        __attribute__((returns_nonnull, nonnull));
char *arena_printf(Arena *arena, const char *fmt, ...) _printf_(2, 3)
        __attribute__((returns_nonnull));

#define arena_new(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (n)))
