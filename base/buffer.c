/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

void buffer_done(Buffer *buffer) {
        free(buffer->data);
        *buffer = (Buffer)BUFFER_INIT;
}

bool buffer_grow(Buffer *buffer, size_t more) {
        size_t capacity = buffer->capacity ? buffer->capacity : 128;

        while (capacity <= SIZE_MAX / 2 && capacity - buffer->size < more)
                capacity *= 2;
        char *grown = capacity - buffer->size < more ? NULL : realloc(buffer->data, capacity);
        if (!grown) {
                buffer->failed = true;
                return false;
        }
        buffer->data = grown;
        buffer->capacity = capacity;
        return true;
}

void buffer_append(Buffer *buffer, const void *data, size_t size) {
        char *p = size > 0 ? buffer_reserve(buffer, size) : NULL;

        if (!p)
                return;
        memcpy(p, data, size);
        buffer->size += size;
}

void buffer_append_byte(Buffer *buffer, char byte) {
        char *p = buffer_reserve(buffer, 1);

        if (!p)
                return;
        *p = byte;
        buffer->size++;
}

void buffer_printf(Buffer *buffer, const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        int n = vsnprintf(NULL, 0, fmt, args);
        va_end(args);
        assert(n >= 0);
        char *p = buffer_reserve(buffer, (size_t)n + 1);
        if (!p)
                return;
        va_start(args, fmt);
        vsnprintf(p, (size_t)n + 1, fmt, args);
        va_end(args);
        buffer->size += (size_t)n;
}

void buffer_consume(Buffer *buffer, size_t size) {
        assert(size <= buffer->size);
        buffer->size -= size;
        if (buffer->size > 0 && size > 0)
                memmove(buffer->data, buffer->data + size, buffer->size);
}

char *buffer_take_string(Buffer *buffer) {
        buffer_append_byte(buffer, '\0');
        if (buffer->failed)
                return NULL;
        char *text = TAKE_PTR(buffer->data);
        *buffer = (Buffer)BUFFER_INIT;
        return text;
}
