/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Typed structs to JSON text, straight into the output buffer: no document is built on the way.
 * Failure is sticky in the buffer; nothing here asks for it.
 */

#include "varlink/codec.h"

#include <assert.h>
#include <string.h>

#include "base/json_text.h"

static void encode_value(const VlType *type, const void *slot, Buffer *buffer);

static void append_string(const char *s, Buffer *buffer) {
        json_append_string(buffer, s ? s : "", s ? strlen(s) : 0);
}

/* --- JSON values of `object` members ---------------------------------------------------------- */

static void append_json(const json_t *value, Buffer *buffer);

static void append_json_object(const json_t *object, Buffer *buffer) {
        json_t *mutable = (json_t *)(uintptr_t)object; /* iterating needs it, and changes nothing */
        char separator = '{';

        for (void *it = json_object_iter(mutable); it; it = json_object_iter_next(mutable, it)) {
                buffer_append_byte(buffer, separator);
                json_append_string(buffer, json_object_iter_key(it), json_object_iter_key_len(it));
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
                json_append_string(buffer, json_string_value(value), json_string_length(value));
                return;
        case JSON_INTEGER:
                json_append_integer(buffer, json_integer_value(value));
                return;
        case JSON_REAL:
                json_append_real(buffer, json_real_value(value));
                return;
        case JSON_TRUE:
                buffer_append_string(buffer, "true");
                return;
        case JSON_FALSE:
                buffer_append_string(buffer, "false");
                return;
        case JSON_NULL:
                break;
        }
        buffer_append_string(buffer, "null");
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
                        buffer_append_string(buffer, "{}");
        }
        buffer_append_byte(buffer, '}');
}

static void encode_enum(const VlType *type, int value, Buffer *buffer) {
        assert(value >= 0 && (size_t)value < type->values_count);
        append_string(type->values[value], buffer);
}

static void encode_value(const VlType *type, const void *slot, Buffer *buffer) {
        if (is_null(type, slot)) {
                buffer_append_string(buffer, "null");
                return;
        }
        if (vl_type_is_pointer(type))
                slot = *(const void *const *)slot;
        switch (type->kind) {
        case VL_BOOL:
                if (*(const bool *)slot)
                        buffer_append_string(buffer, "true");
                else
                        buffer_append_string(buffer, "false");
                return;
        case VL_INT:
                json_append_integer(buffer, *(const int64_t *)slot);
                return;
        case VL_FLOAT:
                json_append_real(buffer, *(const double *)slot);
                return;
        case VL_STRING:
                append_string(*(const char *const *)slot, buffer);
                return;
        case VL_OBJECT:
                if (*(json_t *const *)slot)
                        append_json(*(json_t *const *)slot, buffer);
                else
                        buffer_append_string(buffer, "{}");
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
