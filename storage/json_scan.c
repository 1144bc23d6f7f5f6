/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/json_scan.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/json_text.h"
#include "base/text.h"

static const char *skip_space(const char *at, const char *end) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
                at++;
        return at;
}

/* Past the string that begins at @at, or NULL if it does not end. */
static const char *skip_string(const char *at, const char *end) {
        for (at++; at < end; at++) {
                if (*at == '"')
                        return at + 1;
                if (*at == '\\')
                        at++;
        }
        return NULL;
}

/* Past the value that begins at @at, or NULL. Counts brackets without telling their kinds apart. */
static const char *skip_value(const char *at, const char *end) {
        size_t depth = 0;

        if (at == end)
                return NULL;
        do {
                const char *next;
                if (*at == '"') {
                        next = skip_string(at, end);
                } else if (*at == '{' || *at == '[') {
                        next = at + 1;
                        depth++;
                } else if (*at == '}' || *at == ']') {
                        next = depth > 0 ? at + 1 : NULL;
                        depth--;
                } else if (depth > 0) {
                        next = at + 1;
                } else {
                        next = at;
                        while (next < end && !strchr(",]} \t\n\r", *next))
                                next++;
                        next = next > at ? next : NULL;
                }
                if (!next)
                        return NULL;
                at = next;
        } while (depth > 0 && at < end);
        return depth == 0 ? at : NULL;
}

int json_cursor_open(JsonCursor *cursor, const char *text, size_t size, bool is_object) {
        const char *end = text + size;
        const char *at = skip_space(text, end);

        *cursor = (JsonCursor){ .start = text, .at = at, .end = end, .is_object = is_object };
        if (at == end || *at != (is_object ? '{' : '['))
                return -EINVAL;
        cursor->at++;
        return 0;
}

/* After the closing bracket only white space may follow. */
static int finish(JsonCursor *cursor) {
        cursor->at = skip_space(cursor->at + 1, cursor->end);
        return cursor->at == cursor->end ? 0 : -EINVAL;
}

int json_cursor_next(JsonCursor *cursor, JsonSpan *ret_key, JsonSpan *ret_value) {
        char closing = cursor->is_object ? '}' : ']';
        JsonSpan key = { NULL, 0 };

        const char *at = cursor->at = skip_space(cursor->at, cursor->end);
        if (at < cursor->end && *at == closing)
                return finish(cursor);
        if (cursor->is_started) {
                if (at == cursor->end || *at != ',')
                        return -EINVAL;
                at = cursor->at = skip_space(at + 1, cursor->end);
        }
        cursor->is_started = true;
        if (cursor->is_object) {
                if (at == cursor->end || *at != '"')
                        return -EINVAL;
                const char *after = skip_string(at, cursor->end);
                if (!after)
                        return -EINVAL;
                key = (JsonSpan){ at + 1, (size_t)(after - at) - 2 };
                at = cursor->at = skip_space(after, cursor->end);
                if (at == cursor->end || *at != ':')
                        return -EINVAL;
                at = cursor->at = skip_space(at + 1, cursor->end);
        }
        const char *after = skip_value(at, cursor->end);
        if (!after)
                return -EINVAL;
        cursor->at = after;
        if (cursor->is_object)
                *ret_key = key;
        *ret_value = (JsonSpan){ at, (size_t)(after - at) };
        return 1;
}

/* Whether a key as written stands for @key; escapes are read only where there are any. */
static bool key_is(JsonSpan written, const char *key) {
        if (!memchr(written.data, '\\', written.size))
                return written.size == strlen(key) && memcmp(written.data, key, written.size) == 0;
        /* With the quotes around it, it is a JSON text of its own. */
        json_t *string = json_loadb(written.data - 1, written.size + 2, JSON_DECODE_ANY, NULL);
        bool is_it = json_is_string(string) && text_equal(json_string_value(string), key);
        json_decref(string);
        return is_it;
}

int json_replace_member(JsonSpan object, const char *key, const char *value, Buffer *out) {
        JsonCursor cursor;
        JsonSpan name, old;
        bool is_first = true, is_done = false;
        int r;

        if (json_cursor_open(&cursor, object.data, object.size, true) < 0)
                return -EINVAL;
        buffer_append_byte(out, '{');
        while ((r = json_cursor_next(&cursor, &name, &old)) > 0) {
                bool is_it = key_is(name, key);
                if (is_it && !value)
                        continue;
                if (!is_first)
                        buffer_append_byte(out, ',');
                is_first = false;
                /*
                 * From the opening quote of the key, with whatever stands between it and the value.
                 */
                buffer_append(out, name.data - 1, (size_t)(old.data - name.data) + 1);
                if (is_it)
                        buffer_append_string(out, value);
                else
                        buffer_append(out, old.data, old.size);
                is_done |= is_it;
        }
        if (r < 0)
                return -EINVAL;
        if (value && !is_done)
                member_verbatim(out, key, value);
        buffer_append_byte(out, '}');
        return 0;
}
