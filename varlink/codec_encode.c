/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Typed structs to JSON text, straight into the output buffer: no document is built on the way.
 *
 * Most of what is written is plain text, so strings are scanned eight bytes at a time for the first
 * byte that needs care (a quote, a backslash, a control byte, anything outside ASCII) and what
 * stands before it is copied in one piece. Failure is sticky in the buffer; nothing here asks for
 * it.
 */

#include "varlink/codec.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void encode_value(const VlType *type, const void *slot, Buffer *buffer);

#define APPEND_LITERAL(buffer, literal) buffer_append((buffer), (literal), sizeof(literal) - 1)

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

/* Bytes of the well-formed UTF-8 sequence at @s (RFC 3629), or 0. */
static size_t sequence_length(const char *s, size_t size) {
        const unsigned char *p = (const unsigned char *)s;
        unsigned char low = 0x80, high = 0xbf;
        size_t n;

        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                n = 2;
        else if (p[0] >= 0xe0 && p[0] <= 0xef)
                n = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                n = 4;
        else
                return 0;
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

static void append_escape(unsigned char c, Buffer *buffer) {
        static const char digits[] = "0123456789abcdef";
        static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* byte and letter, in pairs */

        for (const char *p = short_forms; *p; p += 2)
                if ((unsigned char)p[0] == c) {
                        char escape[2] = { '\\', p[1] };
                        buffer_append(buffer, escape, sizeof(escape));
                        return;
                }
        char escape[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 0xf] };
        buffer_append(buffer, escape, sizeof(escape));
}

/* Escapes, non-ASCII text and bad bytes, from the first byte that is not plain. */
static void append_careful(const char *s, size_t size, Buffer *buffer) {
        while (size > 0) {
                size_t n = plain_length(s, size);
                if (n == 0 && (unsigned char)*s >= 0x80)
                        n = sequence_length(s, size);
                if (n > 0) {
                        buffer_append(buffer, s, n);
                } else {
                        n = 1;
                        if ((unsigned char)*s >= 0x80)
                                APPEND_LITERAL(buffer, "\xef\xbf\xbd");
                        else
                                append_escape((unsigned char)*s, buffer);
                }
                s += n;
                size -= n;
        }
}

void codec_encode_string(const char *s, size_t size, Buffer *buffer) {
        size_t plain = plain_length(s, size);
        char *p = buffer_reserve(buffer, plain + 2);

        if (!p)
                return;
        *p++ = '"';
        memcpy(p, s, plain);
        p[plain] = '"';
        buffer->size += 1 + plain;
        if (plain < size) {
                append_careful(s + plain, size - plain, buffer);
                buffer_append_byte(buffer, '"');
        } else {
                buffer->size++;
        }
}

static void append_string(const char *s, Buffer *buffer) {
        codec_encode_string(s ? s : "", s ? strlen(s) : 0, buffer);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void append_int(int64_t value, Buffer *buffer) {
        char text[24], *p = text + sizeof(text);
        uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

        do
                *--p = (char)('0' + rest % 10);
        while (rest /= 10);
        if (value < 0)
                *--p = '-';
        buffer_append(buffer, p, (size_t)(text + sizeof(text) - p));
}

/*
 * The shortest of 15, 16 and 17 digits that reads back to the same bits. Text and reading back are
 * of one locale; whatever its decimal point is then becomes a dot.
 */
static void append_float(double value, Buffer *buffer) {
        char text[64], clean[64];
        size_t size = 0;
        bool is_float = false;

        if (!isfinite(value)) {
                APPEND_LITERAL(buffer, "null");
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
                        is_float = true;
                } else if (size > 0 && clean[size - 1] != '.') {
                        clean[size++] = '.';
                        is_float = true;
                }
        }
        buffer_append(buffer, clean, size);
        if (!is_float)
                APPEND_LITERAL(buffer, ".0");
}

/* --- JSON values of `object` members ---------------------------------------------------------- */

static void append_json(const json_t *value, Buffer *buffer);

static void append_json_object(const json_t *object, Buffer *buffer) {
        json_t *mutable = (json_t *)(uintptr_t)object; /* iterating needs it, and changes nothing */
        char separator = '{';

        for (void *it = json_object_iter(mutable); it; it = json_object_iter_next(mutable, it)) {
                buffer_append_byte(buffer, separator);
                codec_encode_string(json_object_iter_key(it), json_object_iter_key_len(it), buffer);
                buffer_append_byte(buffer, ':');
                append_json(json_object_iter_value(it), buffer);
                separator = ',';
        }
        if (separator == '{')
                buffer_append_byte(buffer, '{');
        buffer_append_byte(buffer, '}');
}

static void append_json_array(const json_t *array, Buffer *buffer) {
        size_t count = json_array_size(array);

        buffer_append_byte(buffer, '[');
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        buffer_append_byte(buffer, ',');
                append_json(json_array_get(array, i), buffer);
        }
        buffer_append_byte(buffer, ']');
}

static void append_json(const json_t *value, Buffer *buffer) {
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                append_json_object(value, buffer);
                return;
        case JSON_ARRAY:
                append_json_array(value, buffer);
                return;
        case JSON_STRING:
                codec_encode_string(json_string_value(value), json_string_length(value), buffer);
                return;
        case JSON_INTEGER:
                append_int(json_integer_value(value), buffer);
                return;
        case JSON_REAL:
                append_float(json_real_value(value), buffer);
                return;
        case JSON_TRUE:
                APPEND_LITERAL(buffer, "true");
                return;
        case JSON_FALSE:
                APPEND_LITERAL(buffer, "false");
                return;
        case JSON_NULL:
                break;
        }
        APPEND_LITERAL(buffer, "null");
}

/* --- typed values ----------------------------------------------------------------------------- */

static bool is_null(const VlType *type, const void *slot) {
        if (!type->is_nullable)
                return false;
        if (type->kind == VL_ARRAY)
                return !((const VlArray *)slot)->items;
        if (type->kind == VL_MAP)
                return !((const VlMap *)slot)->keys;
        return !*(void *const *)slot;
}

/* "name":  - names are words of the IDL and need no escape */
static void append_name(char separator, const char *name, Buffer *buffer) {
        size_t size = strlen(name);
        char *p = buffer_reserve(buffer, size + 4);

        if (!p)
                return;
        *p++ = separator;
        *p++ = '"';
        p = mempcpy(p, name, size);
        *p++ = '"';
        *p = ':';
        buffer->size += size + 4;
}

static void encode_struct(const VlType *type, const void *in, Buffer *buffer) {
        char separator = '{';

        for (size_t i = 0; i < type->fields_count; i++) {
                const VlField *field = &type->fields[i];
                const void *slot = (const char *)in + field->offset;
                if (is_null(field->type, slot))
                        continue;
                append_name(separator, field->name, buffer);
                encode_value(field->type, slot, buffer);
                separator = ',';
        }
        if (separator == '{')
                buffer_append_byte(buffer, '{');
        buffer_append_byte(buffer, '}');
}

static void encode_array(const VlType *type, const VlArray *array, Buffer *buffer) {
        size_t stride = vl_type_slot_size(type->element);

        buffer_append_byte(buffer, '[');
        for (size_t i = 0; i < array->count; i++) {
                if (i > 0)
                        buffer_append_byte(buffer, ',');
                encode_value(type->element, (const char *)array->items + i * stride, buffer);
        }
        buffer_append_byte(buffer, ']');
}

static void encode_map(const VlType *type, const VlMap *map, Buffer *buffer) {
        size_t stride = type->element ? vl_type_slot_size(type->element) : 0;

        buffer_append_byte(buffer, '{');
        for (size_t i = 0; i < map->count; i++) {
                if (i > 0)
                        buffer_append_byte(buffer, ',');
                append_string(map->keys[i], buffer);
                buffer_append_byte(buffer, ':');
                if (type->element)
                        encode_value(type->element, (const char *)map->values + i * stride, buffer);
                else
                        APPEND_LITERAL(buffer, "{}");
        }
        buffer_append_byte(buffer, '}');
}

static void encode_enum(const VlType *type, int value, Buffer *buffer) {
        assert(value >= 0 && (size_t)value < type->values_count);
        append_string(type->values[value], buffer);
}

static void encode_value(const VlType *type, const void *slot, Buffer *buffer) {
        if (is_null(type, slot)) {
                APPEND_LITERAL(buffer, "null");
                return;
        }
        if (vl_type_is_pointer(type))
                slot = *(const void *const *)slot;
        switch (type->kind) {
        case VL_BOOL:
                if (*(const bool *)slot)
                        APPEND_LITERAL(buffer, "true");
                else
                        APPEND_LITERAL(buffer, "false");
                return;
        case VL_INT:
                append_int(*(const int64_t *)slot, buffer);
                return;
        case VL_FLOAT:
                append_float(*(const double *)slot, buffer);
                return;
        case VL_STRING:
                append_string(*(const char *const *)slot, buffer);
                return;
        case VL_OBJECT:
                if (*(json_t *const *)slot)
                        append_json(*(json_t *const *)slot, buffer);
                else
                        APPEND_LITERAL(buffer, "{}");
                return;
        case VL_ENUM:
                encode_enum(type, *(const int *)slot, buffer);
                return;
        case VL_STRUCT:
                encode_struct(type, slot, buffer);
                return;
        case VL_ARRAY:
                encode_array(type, slot, buffer);
                return;
        case VL_MAP:
                encode_map(type, slot, buffer);
                return;
        case _VL_KIND_MAX:
                break;
        }
        assert(false && "a type table of a known kind");
}

void codec_encode(const VlType *type, const void *struct_in, Buffer *buffer) {
        assert(type->kind == VL_STRUCT);
        encode_struct(type, struct_in, buffer);
}
