/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON as text, appended to a buffer in order: no tree of values is built on the way.
 *
 * Nothing here fails but the buffer, for want of memory. Text of any origin may be written: a byte
 * that belongs to no well-formed UTF-8 sequence (RFC 3629) becomes U+FFFD, so that a folder's name
 * or a line of a log never costs the document it stands in. Whoever must hand a text on unchanged
 * or not at all asks text_is_utf8() before.
 *
 * Only what RFC 8259 wants escaped is: quotes, backslashes and what is below U+0020, in the short
 * form where there is one. Go's encoding/json, whose files we share, also escapes <, >, &, U+2028
 * and U+2029, for documents inside of HTML; both sides read either.
 */

#include <stdint.h>

#include "base/buffer.h"

/* --- values: what is written is the value and nothing else ------------------------------------ */

/** json_append_string() - @size bytes, NUL bytes among them too, in quotes */
void json_append_string(Buffer *out, const char *s, size_t size);
void json_append_integer(Buffer *out, int64_t value);

/**
 * json_append_real() - the shortest of 15, 16 and 17 digits that reads back to the same bits
 *
 * Always looks like a real (1.0). NaN and infinities, which JSON lacks, become null. The decimal
 * point is a dot in every locale.
 */
void json_append_real(Buffer *out, double value);

/*
 * --- members of objects, elements of lists ------------------------------------------------------
 *
 * Each function writes the comma before it, where one is due: unless the text ends in an opening
 * bracket or is empty. @key is NULL for what has no name: an element, or the document itself.
 */

/** member_open() - begin an object ('{') or a list ('[') */
void member_open(Buffer *out, const char *key, char bracket);
/** member_close() - end it: '}' or ']' */
void member_close(Buffer *out, char bracket);

/** member_text() - a string; NULL is "" */
void member_text(Buffer *out, const char *key, const char *value);
/** member_text_given() - a string; nothing at all if it is NULL */
void member_text_given(Buffer *out, const char *key, const char *value);
void member_integer(Buffer *out, const char *key, int64_t value);
void member_unsigned(Buffer *out, const char *key, uint64_t value);
void member_boolean(Buffer *out, const char *key, bool value);
/** member_time() - RFC 3339; TIMESTAMP_ZERO is 0001-01-01T00:00:00Z */
void member_time(Buffer *out, const char *key, int64_t time_ns);
/** member_verbatim() - @json is JSON text already */
void member_verbatim(Buffer *out, const char *key, const char *json);
/** member_texts() - a list of strings */
void member_texts(Buffer *out, const char *key, const char *const *items, size_t count);
/** member_array() - the same, from a NULL-terminated array or NULL */
void member_array(Buffer *out, const char *key, const char *const *items);
