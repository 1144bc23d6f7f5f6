/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static _Noreturn void out_of_memory(void) {
        fputs("out of memory\n", stderr);
        abort();
}

void *xcalloc(size_t n, size_t size) {
        void *p = calloc(n ? n : 1, size ? size : 1);
        if (!p)
                out_of_memory();
        return p;
}

void *xrealloc(void *p, size_t n, size_t size) {
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes))
                out_of_memory();
        p = realloc(p, bytes ? bytes : 1);
        if (!p)
                out_of_memory();
        return p;
}

char *xstrndup(const char *s, size_t n) {
        size_t length = strnlen(s, n);
        char *copy = xcalloc(length + 1, 1);

        memcpy(copy, s, length);
        return copy;
}

char *xstrdup(const char *s) {
        return xstrndup(s, SIZE_MAX);
}

char *xasprintf(const char *fmt, ...) {
        char *text;
        va_list args;

        va_start(args, fmt);
        int r = vasprintf(&text, fmt, args);
        va_end(args);
        if (r < 0)
                out_of_memory();
        return text;
}
