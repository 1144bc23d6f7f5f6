/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growing byte buffer with a sticky failure.
 *
 * Appends after a failed allocation do nothing, so a writer appends without branches and asks
 * buffer_failed() once at its end. Content is bytes, not a string, unless a NUL was appended.
 */

#include <stddef.h>
#include <string.h>

#include "base/memory.h"

typedef struct Buffer {
        char *data;
        size_t size;
        size_t capacity;
        bool failed;
} Buffer;

#define BUFFER_INIT \
        { .data = NULL }

/** buffer_done() - free and reset; safe on BUFFER_INIT and after itself */
void buffer_done(Buffer *buffer);
#define _cleanup_buffer_ _cleanup_(buffer_done)

/* The slow way of buffer_reserve(). */
bool buffer_grow(Buffer *buffer, size_t more);

/** buffer_reserve() - room for @more bytes past the content: where they go, or NULL if it failed */
static inline char *buffer_reserve(Buffer *buffer, size_t more) {
        if (buffer->failed ||
            (more > buffer->capacity - buffer->size && !buffer_grow(buffer, more)))
                return NULL;
        return buffer->data + buffer->size;
}

void buffer_append(Buffer *buffer, const void *data, size_t size);
void buffer_append_byte(Buffer *buffer, char byte);
/* Inline, since the compiler knows how long a literal is. */
static inline void buffer_append_string(Buffer *buffer, const char *s) {
        buffer_append(buffer, s, strlen(s));
}
void buffer_printf(Buffer *buffer, const char *fmt, ...) _printf_(2, 3);

/** buffer_consume() - drop @size bytes from the front */
void buffer_consume(Buffer *buffer, size_t size);

/**
 * buffer_take_string() - move the content out as a NUL-terminated heap string; NULL if it failed,
 * and then the buffer is still to be given to buffer_done()
 */
char *buffer_take_string(Buffer *buffer);

static inline bool buffer_failed(const Buffer *buffer) {
        return buffer->failed;
}
