/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Most of what is written is plain text, so strings are scanned eight bytes at a time for the first
 * byte that needs care (a quote, a backslash, a control byte, anything outside ASCII) and what
 * stands before it is copied in one piece.
 */

#include "base/json_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/timestamp.h"

/* --- strings ---------------------------------------------------------------------------------- */

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * High bit of each byte of @word that is zero; exact up to the first such byte, which is what
 * counts.
 */
static inline uint64_t zero_bytes(uint64_t word) {
        return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

static inline bool needs_care(unsigned char c) {
        return c < 0x20 || c == '"' || c == '\\' || c >= 0x80;
}

/* The length of what can be copied as it is. */
static size_t plain_length(const char *s, size_t size) {
        size_t i = 0;

        for (; i + 8 <= size; i += 8) {
                uint64_t word;
                memcpy(&word, s + i, 8);
                uint64_t below_space = (word - EACH_BYTE(0x20)) & ~word;
                uint64_t special = below_space | word | zero_bytes(word ^ EACH_BYTE('"')) |
                                   zero_bytes(word ^ EACH_BYTE('\\'));
                if (special & EACH_BYTE(0x80))
                        break;
        }
        while (i < size && !needs_care((unsigned char)s[i]))
                i++;
        return i;
}

static void append_escape(Buffer *out, unsigned char c) {
        static const char digits[] = "0123456789abcdef";
        static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* byte and letter, in pairs */

        for (const char *p = short_forms; *p; p += 2)
                if ((unsigned char)p[0] == c) {
                        buffer_append(out, (const char[]){ '\\', p[1] }, 2);
                        return;
                }
        buffer_append(out, (const char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 0xf] },
                      6);
}

/* Escapes, non-ASCII text and bad bytes, from the first byte that is not plain. */
static void append_careful(Buffer *out, const char *s, size_t size) {
        while (size > 0) {
                bool is_ascii = (unsigned char)*s < 0x80;
                size_t n = is_ascii ? plain_length(s, size) : text_utf8_length(s, size);
                if (n > 0) {
                        buffer_append(out, s, n);
                } else {
                        n = 1;
                        if (is_ascii)
                                append_escape(out, (unsigned char)*s);
                        else
                                buffer_append_string(out, "\xef\xbf\xbd");
                }
                s += n;
                size -= n;
        }
}

void json_append_string(Buffer *out, const char *s, size_t size) {
        size_t plain = plain_length(s, size);
        char *p = buffer_reserve(out, plain + 2);

        if (!p)
                return;
        *p++ = '"';
        memcpy(p, s, plain);
        p[plain] = '"';
        out->size += 1 + plain;
        if (plain < size) {
                append_careful(out, s + plain, size - plain);
                buffer_append_byte(out, '"');
        } else {
                out->size++;
        }
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void append_digits(Buffer *out, bool is_negative, uint64_t rest) {
        char text[24], *p = text + sizeof(text);

        do
                *--p = (char)('0' + rest % 10);
        while (rest /= 10);
        if (is_negative)
                *--p = '-';
        buffer_append(out, p, (size_t)(text + sizeof(text) - p));
}

void json_append_integer(Buffer *out, int64_t value) {
        append_digits(out, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/*
 * Text and reading back are of one locale; whatever its decimal point is then becomes a dot.
 */
void json_append_real(Buffer *out, double value) {
        char text[64], clean[64];
        size_t size = 0;
        bool is_real = false;

        if (!isfinite(value)) {
                buffer_append_string(out, "null");
                return;
        }
        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        for (const char *p = text; *p; p++) {
                if ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+') {
                        clean[size++] = *p;
                } else if (*p == 'e') {
                        clean[size++] = *p;
                        is_real = true;
                } else if (size > 0 && clean[size - 1] != '.') {
                        clean[size++] = '.';
                        is_real = true;
                }
        }
        buffer_append(out, clean, size);
        if (!is_real)
                buffer_append_string(out, ".0");
}

/* --- members and elements --------------------------------------------------------------------- */

static void begin(Buffer *out, const char *key) {
        char last = out->size > 0 ? out->data[out->size - 1] : '[';

        if (last != '[' && last != '{')
                buffer_append_byte(out, ',');
        if (key) {
                json_append_string(out, key, strlen(key));
                buffer_append_byte(out, ':');
        }
}

void member_open(Buffer *out, const char *key, char bracket) {
        begin(out, key);
        buffer_append_byte(out, bracket);
}

void member_close(Buffer *out, char bracket) {
        buffer_append_byte(out, bracket);
}

void member_text(Buffer *out, const char *key, const char *value) {
        begin(out, key);
        json_append_string(out, value ? value : "", value ? strlen(value) : 0);
}

void member_text_given(Buffer *out, const char *key, const char *value) {
        if (value)
                member_text(out, key, value);
}

void member_integer(Buffer *out, const char *key, int64_t value) {
        begin(out, key);
        json_append_integer(out, value);
}

void member_unsigned(Buffer *out, const char *key, uint64_t value) {
        begin(out, key);
        append_digits(out, false, value);
}

void member_boolean(Buffer *out, const char *key, bool value) {
        member_verbatim(out, key, value ? "true" : "false");
}

void member_time(Buffer *out, const char *key, int64_t time_ns) {
        char text[TIMESTAMP_TEXT_MAX];

        member_text(out, key, timestamp_format_rfc3339(time_ns, text));
}

void member_verbatim(Buffer *out, const char *key, const char *json) {
        begin(out, key);
        buffer_append_string(out, json);
}

void member_texts(Buffer *out, const char *key, const char *const *items, size_t count) {
        member_open(out, key, '[');
        for (size_t i = 0; i < count; i++)
                member_text(out, NULL, items[i]);
        member_close(out, ']');
}

void member_array(Buffer *out, const char *key, const char *const *items) {
        size_t count = 0;

        while (items && items[count])
                count++;
        member_texts(out, key, items, count);
}
