/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON as it stands in a file: finding elements and members without building values.
 *
 * The store's files are arrays of objects that other tools extend with fields of their own. To keep
 * those byte for byte, a record is edited as text: one member's value is exchanged and all else is
 * copied. The scanner only finds where values end; whether they are well-formed is jansson's to
 * say, which reads every record that is new to us.
 */

#include "base/buffer.h"

typedef struct JsonSpan {
        const char *data;
        size_t size;
} JsonSpan;

/* Walks the elements of an array, or the members of an object. */
typedef struct JsonCursor {
        const char *start, *at, *end;
        bool is_object;
        bool is_started;
} JsonCursor;

/** json_cursor_open() - 0, or -EINVAL: @text is not an array (or object: @is_object) */
int json_cursor_open(JsonCursor *cursor, const char *text, size_t size, bool is_object);

/**
 * json_cursor_next() - the next element
 * @ret_key: of an object's member: the key without its quotes, escapes as written; else untouched
 *
 * Returns 1, or 0 at the end, or -EINVAL with cursor->at at the byte that makes no sense.
 */
int json_cursor_next(JsonCursor *cursor, JsonSpan *ret_key, JsonSpan *ret_value);

/** json_cursor_offset() - where the cursor stands, in bytes from the start of the text */
static inline size_t json_cursor_offset(const JsonCursor *cursor) {
        return (size_t)(cursor->at - cursor->start);
}

/**
 * json_replace_member() - copy an object with one member's value exchanged
 * @value: JSON text; NULL: the member goes. A member that is not there is added at the end
 *
 * Returns 0, or -EINVAL if @object is no object.
 */
int json_replace_member(JsonSpan object, const char *key, const char *value, Buffer *out);
