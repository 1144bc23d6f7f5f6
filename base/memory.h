/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory and clean-up vocabulary.
 *
 * Small fixed-size allocations of the program abort on exhaustion (xnew and friends): state lives
 * in SQLite and containers in conmon, so dying is safe, and no caller carries a branch that never
 * runs. Sizes that a peer controls go through a named limit first, or through an allocator that can
 * fail.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define _cleanup_(func)     __attribute__((cleanup(func)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_            __attribute__((unused))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/** TAKE_PTR() - move a pointer out of its variable, which is left NULL */
#define TAKE_PTR(var)                               \
        ({                                          \
                __typeof__(var) *_take_p = &(var);  \
                __typeof__(var) _take_v = *_take_p; \
                *_take_p = NULL;                    \
                _take_v;                            \
        })

/**
 * DEFINE_CLEANUP() - make `_cleanup_(<func>p)` usable for a destructor that takes and returns a
 * pointer
 */
#define DEFINE_CLEANUP(type, func)             \
        static inline void func##p(type **p) { \
                if (*p)                        \
                        *p = func(*p);         \
        }                                      \
        struct func##_cleanup_needs_semicolon

static inline void freep(void *p) {
        free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)

/*
 * These never return NULL; they abort when memory is exhausted. xcalloc() gives zeroed memory; what
 * xrealloc() adds is not.
 */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, nonnull));
char *xasprintf(const char *fmt, ...) _printf_(1, 2) __attribute__((malloc, returns_nonnull));

#define xnew(type, n) ((type *)xcalloc((n), sizeof(type)))

/**
 * GROW() - make room for at least one more element in a growing array
 * @array:    pointer variable to the elements, heap owned
 * @count:    number of elements used
 * @capacity: number of elements allocated; doubled when full
 */
#define GROW(array, count, capacity)                                               \
        do {                                                                       \
                if ((count) >= (capacity)) {                                       \
                        (capacity) = (capacity) ? (capacity)*2 : 8;                \
                        (array) = xrealloc((array), (capacity), sizeof(*(array))); \
                }                                                                  \
        } while (0)
