/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

size_t text_utf8_length(const char *s, size_t size) {
        const unsigned char *p = (const unsigned char *)s;
        unsigned char low = 0x80, high = 0xbf;

        if (size == 0 || p[0] < 0x80)
                return size > 0;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;
        size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
        /*
         * The second byte is what rules out overlong forms, surrogates and what is past U+10FFFF.
         */
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (size < n || p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < n; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return n;
}

bool text_is_utf8(const char *s, size_t size) {
        for (size_t i = 0; i < size;) {
                uint64_t word;
                /* Most text is ASCII: eight bytes at a time. */
                while (size - i >= 8 && (memcpy(&word, s + i, 8), !(word & 0x8080808080808080)))
                        i += 8;
                if (i == size)
                        break;
                size_t n = text_utf8_length(s + i, size - i);
                if (n == 0)
                        return false;
                i += n;
        }
        return true;
}

static bool is_control(char c) {
        return (unsigned char)c < ' ' || c == 0x7f;
}

bool text_is_line(const char *s) {
        for (const char *p = s; *p; p++)
                if (is_control(*p))
                        return false;
        return text_is_utf8(s, strlen(s));
}

void text_make_line(char *s, size_t size) {
        for (size_t i = 0, n; i<size; i += n> 0 ? n : 1) {
                n = text_utf8_length(s + i, size - i);
                if (n == 0)
                        s[i] = '?';
                else if (is_control(s[i]))
                        s[i] = ' ';
        }
}

bool text_is_hex(const char *s) {
        return *s && s[strspn(s, "0123456789abcdef")] == '\0';
}

void hex_encode(const void *data, size_t size, char *text) {
        static const char digits[] = "0123456789abcdef";
        const unsigned char *p = data;

        for (size_t i = 0; i < size; i++) {
                text[2 * i] = digits[p[i] >> 4];
                text[2 * i + 1] = digits[p[i] & 0xf];
        }
        text[2 * size] = '\0';
}

static const char base64_alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t size) {
        const unsigned char *p = data;
        char *text = xnew(char, (size + 2) / 3 * 4 + 1), *out = text;

        for (; size > 0; p += 3) {
                unsigned n = size < 3 ? (unsigned)size : 3;
                uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) |
                                (n > 2 ? p[2] : 0);
                *out++ = base64_alphabet[bits >> 18];
                *out++ = base64_alphabet[bits >> 12 & 0x3f];
                *out++ = n > 1 ? base64_alphabet[bits >> 6 & 0x3f] : '=';
                *out++ = n > 2 ? base64_alphabet[bits & 0x3f] : '=';
                size -= n;
        }
        return text;
}

static int base64_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t length, void **ret_data, size_t *ret_size) {
        if (length % 4 != 0)
                return -EINVAL;

        _cleanup_free_ unsigned char *data = malloc(length / 4 * 3 + 1);
        size_t size = 0;
        if (!data)
                return -ENOMEM;
        for (size_t i = 0; i < length; i += 4) {
                bool is_last = i + 4 == length;
                unsigned padding = !is_last             ? 0
                                   : text[i + 3] != '=' ? 0
                                   : text[i + 2] != '=' ? 1
                                                        : 2;
                uint32_t bits = 0;
                for (unsigned j = 0; j < 4; j++) {
                        int value = j >= 4 - padding ? 0 : base64_value(text[i + j]);
                        if (value < 0)
                                return -EINVAL;
                        bits = bits << 6 | (uint32_t)value;
                }
                if (bits & ((1u << (8 * padding)) - 1))
                        return -EINVAL; /* bits that no encoder writes */
                for (unsigned j = 0; j < 3 - padding; j++)
                        data[size++] = (unsigned char)(bits >> (16 - 8 * j));
        }
        data[size] = '\0';
        *ret_data = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

void strings_done(Strings *strings) {
        for (size_t i = 0; i < strings->count; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (Strings)STRINGS_INIT;
}

void strings_take(Strings *strings, char *take_s) {
        GROW(strings->items, strings->count + 1, strings->capacity);
        strings->items[strings->count++] = take_s;
        strings->items[strings->count] = NULL;
}

void strings_add(Strings *strings, const char *s) {
        strings_take(strings, xstrdup(s));
}

void strings_printf(Strings *strings, const char *fmt, ...) {
        char *text;
        va_list args;

        va_start(args, fmt);
        int n = vasprintf(&text, fmt, args);
        va_end(args);
        if (n < 0)
                abort();
        strings_take(strings, text);
}

bool strings_contains(const Strings *strings, const char *s) {
        for (size_t i = 0; i < strings->count; i++)
                if (text_equal(strings->items[i], s))
                        return true;
        return false;
}

void strings_copy(Strings *to, const Strings *from) {
        *to = (Strings)STRINGS_INIT;
        for (size_t i = 0; i < from->count; i++)
                strings_add(to, from->items[i]);
}
