/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json_writer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

static void begin_value(JsonWriter *writer) {
        if (writer->needs_comma)
                buffer_append_byte(writer->out, ',');
        writer->needs_comma = true;
}

static void begin(JsonWriter *writer, char bracket) {
        begin_value(writer);
        buffer_append_byte(writer->out, bracket);
        writer->needs_comma = false;
}

static void end(JsonWriter *writer, char bracket) {
        buffer_append_byte(writer->out, bracket);
        writer->needs_comma = true;
}

void json_write_begin_object(JsonWriter *writer) {
        begin(writer, '{');
}

void json_write_end_object(JsonWriter *writer) {
        end(writer, '}');
}

void json_write_begin_array(JsonWriter *writer) {
        begin(writer, '[');
}

void json_write_end_array(JsonWriter *writer) {
        end(writer, ']');
}

/* What needs no escape is copied in runs. */
static void append_quoted(JsonWriter *writer, const char *text) {
        size_t size = strlen(text), done = 0;

        if (!text_is_utf8(text, size))
                writer->failed = true;
        buffer_append_byte(writer->out, '"');
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)text[i];
                if (c >= ' ' && c != '"' && c != '\\')
                        continue;
                buffer_append(writer->out, text + done, i - done);
                done = i + 1;
                if (c < ' ')
                        buffer_printf(writer->out, "\\u%04x", c);
                else
                        buffer_append(writer->out, c == '"' ? "\\\"" : "\\\\", 2);
        }
        buffer_append(writer->out, text + done, size - done);
        buffer_append_byte(writer->out, '"');
}

void json_write_key(JsonWriter *writer, const char *name) {
        begin_value(writer);
        buffer_append_byte(writer->out, '"');
        buffer_append_string(writer->out, name);
        buffer_append(writer->out, "\":", 2);
        writer->needs_comma = false;
        if (!writer->failed)
                writer->key = name;
}

void json_write_key_text(JsonWriter *writer, const char *name) {
        begin_value(writer);
        append_quoted(writer, name);
        buffer_append_byte(writer->out, ':');
        writer->needs_comma = false;
}

void json_write_text(JsonWriter *writer, const char *text) {
        begin_value(writer);
        append_quoted(writer, text);
}

static void append_number(JsonWriter *writer, const char *text) {
        begin_value(writer);
        buffer_append_string(writer->out, text);
}

void json_write_integer(JsonWriter *writer, int64_t value) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%" PRId64, value);
        append_number(writer, text);
}

void json_write_unsigned(JsonWriter *writer, uint64_t value) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%" PRIu64, value);
        append_number(writer, text);
}

void json_write_boolean(JsonWriter *writer, bool value) {
        append_number(writer, value ? "true" : "false");
}

void json_write_verbatim(JsonWriter *writer, const char *json) {
        begin_value(writer);
        buffer_append_string(writer->out, json);
}
