/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text: checks, encodings, and lists of strings. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

static inline bool text_equal(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline bool text_is_empty(const char *s) {
        return !s || !*s;
}

/** text_starts_with() - the rest of @s past @prefix, or NULL */
static inline const char *text_starts_with(const char *s, const char *prefix) {
        size_t n = strlen(prefix);
        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/**
 * text_is_utf8() - well-formed UTF-8 of @size bytes (RFC 3629: no surrogates, no overlong forms)
 */
bool text_is_utf8(const char *s, size_t size);

/** text_utf8_length() - bytes of the well-formed UTF-8 sequence that @s begins with, or 0 */
size_t text_utf8_length(const char *s, size_t size);

/** text_is_line() - well-formed UTF-8 without control characters: can be shown within one line */
bool text_is_line(const char *s);

/** text_make_line() - put a space for each control character, and ? for what is not UTF-8 */
void text_make_line(char *s, size_t size);

/** text_is_hex() - @s is one or more lower-case hex digits and nothing else */
bool text_is_hex(const char *s);

/** hex_encode() - @text holds 2 * @size + 1 bytes */
void hex_encode(const void *data, size_t size, char *text);

/** base64_encode() - standard alphabet with padding (RFC 4648 section 4); heap string */
char *base64_encode(const void *data, size_t size);

/** base64_decode() - strict; heap bytes, NUL-terminated one past the end; 0, -EINVAL, -ENOMEM */
int base64_decode(const char *text, size_t length, void **ret_data, size_t *ret_size);

/* A growing list of heap strings. Always NULL-terminated once non-empty, so `items` is an argv. */
typedef struct Strings {
        char **items;
        size_t count;
        size_t capacity;
} Strings;

#define STRINGS_INIT \
        { .items = NULL }

void strings_done(Strings *strings);
#define _cleanup_strings_ _cleanup_(strings_done)

void strings_add(Strings *strings, const char *s);
void strings_take(Strings *strings, char *take_s);
void strings_printf(Strings *strings, const char *fmt, ...) _printf_(2, 3);
bool strings_contains(const Strings *strings, const char *s);
/** strings_copy() - @to is initialised by this */
void strings_copy(Strings *to, const Strings *from);
