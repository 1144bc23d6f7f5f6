/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include <string.h>

#include "base/json_text.h"

#define INDENT 2

static void format_value(const json_t *value, int depth, Buffer *buffer);

static void begin_line(int depth, bool is_first, Buffer *buffer) {
        if (!is_first)
                buffer_append_byte(buffer, ',');
        buffer_append_byte(buffer, '\n');
        for (int i = 0; i < depth * INDENT; i++)
                buffer_append_byte(buffer, ' ');
}

static void format_object(const json_t *object, int depth, Buffer *buffer) {
        const char *key;
        json_t *member;
        bool is_first = true;

        buffer_append_byte(buffer, '{');
        json_object_foreach((json_t *)object, key, member) {
                begin_line(depth + 1, is_first, buffer);
                json_append_string(buffer, key, strlen(key));
                buffer_append_string(buffer, ": ");
                format_value(member, depth + 1, buffer);
                is_first = false;
        }
        if (!is_first)
                begin_line(depth, true, buffer);
        buffer_append_byte(buffer, '}');
}

static void format_array(const json_t *array, int depth, Buffer *buffer) {
        size_t i;
        json_t *item;

        buffer_append_byte(buffer, '[');
        json_array_foreach(array, i, item) {
                begin_line(depth + 1, i == 0, buffer);
                format_value(item, depth + 1, buffer);
        }
        if (json_array_size(array) > 0)
                begin_line(depth, true, buffer);
        buffer_append_byte(buffer, ']');
}

static void format_value(const json_t *value, int depth, Buffer *buffer) {
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                format_object(value, depth, buffer);
                break;
        case JSON_ARRAY:
                format_array(value, depth, buffer);
                break;
        case JSON_STRING:
                json_append_string(buffer, json_string_value(value), json_string_length(value));
                break;
        case JSON_INTEGER:
                json_append_integer(buffer, json_integer_value(value));
                break;
        case JSON_REAL:
                json_append_real(buffer, json_real_value(value));
                break;
        case JSON_TRUE:
                buffer_append_string(buffer, "true");
                break;
        case JSON_FALSE:
                buffer_append_string(buffer, "false");
                break;
        case JSON_NULL:
                buffer_append_string(buffer, "null");
                break;
        }
}

void json_format(const json_t *value, Buffer *buffer) {
        format_value(value, 0, buffer);
}
