/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON text written straight into a buffer: for documents of our own that are written often and
 * never looked at, where building a tree first would cost more than the writing.
 *
 * Commas come by themselves. Every value in an object is preceded by its key; the writer does not
 * check that. Text must be UTF-8: what is not makes the writer fail, and its caller asks once, at
 * the end.
 */

#include <stdint.h>

#include "base/buffer.h"

typedef struct JsonWriter {
        Buffer *out; /* borrowed; appended to */
        bool needs_comma;
        bool failed;     /* text that is not UTF-8 */
        const char *key; /* of the object member being written last; for the failure's message */
} JsonWriter;

void json_write_begin_object(JsonWriter *writer);
void json_write_end_object(JsonWriter *writer);
void json_write_begin_array(JsonWriter *writer);
void json_write_end_array(JsonWriter *writer);

/** json_write_key() - the name of the member that follows; a literal, since it is not escaped */
void json_write_key(JsonWriter *writer, const char *name);
/** json_write_key_text() - a name that is data */
void json_write_key_text(JsonWriter *writer, const char *name);

void json_write_text(JsonWriter *writer, const char *text);
void json_write_integer(JsonWriter *writer, int64_t value);
void json_write_unsigned(JsonWriter *writer, uint64_t value);
void json_write_boolean(JsonWriter *writer, bool value);
/** json_write_verbatim() - a value that is JSON text already */
void json_write_verbatim(JsonWriter *writer, const char *json);
