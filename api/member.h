/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Members of a JSON document, appended to its text in order.
 *
 * For documents that are made once and sent: no tree of values is built, nothing can fail but
 * memory, and bytes that are no UTF-8 (a folder's name, say) become U+FFFD instead of costing the
 * document. The comma is written where the text before does not end in an opening bracket.
 */

#include <stdint.h>

#include "base/buffer.h"

/** member_open() - begin an object ('{') or a list ('['); @key is NULL for a list's element */
void member_open(Buffer *out, const char *key, char bracket);
/** member_close() - end it: '}' or ']' */
void member_close(Buffer *out, char bracket);

/** member_text() - a string; @value NULL is "", @key NULL is a list's element */
void member_text(Buffer *out, const char *key, const char *value);
void member_integer(Buffer *out, const char *key, int64_t value);
void member_boolean(Buffer *out, const char *key, bool value);
/** member_time() - RFC 3339; TIMESTAMP_ZERO is 0001-01-01T00:00:00Z */
void member_time(Buffer *out, const char *key, int64_t time_ns);
/** member_texts() - a list of strings */
void member_texts(Buffer *out, const char *key, const char *const *items, size_t count);
/** member_array() - the same, from a NULL-terminated array or NULL */
void member_array(Buffer *out, const char *key, const char *const *items);

/* A member whose value never differs: the JSON text that is nothing in the member's type. */
typedef struct MemberBlank {
        const char *key;
        const char *json;
} MemberBlank;

#define BLANK_TEXT    "\"\""
#define BLANK_NUMBER  "0"
#define BLANK_BOOLEAN "false"
#define BLANK_LIST    "[]"
#define BLANK_MAP     "{}"
#define BLANK_TIME    "\"0001-01-01T00:00:00Z\""

void member_blanks(Buffer *out, const MemberBlank *blanks, size_t count);
