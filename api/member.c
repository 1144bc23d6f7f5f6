/* SPDX-License-Identifier: Apache-2.0 */
#include "api/member.h"

#include <inttypes.h>

#include "base/timestamp.h"
#include "storage/json_text.h"

static void begin(Buffer *out, const char *key) {
        if (key)
                json_append_key(out, key);
        else if (out->size > 0 && out->data[out->size - 1] != '[')
                buffer_append_byte(out, ',');
}

void member_open(Buffer *out, const char *key, char bracket) {
        begin(out, key);
        buffer_append_byte(out, bracket);
}

void member_close(Buffer *out, char bracket) {
        buffer_append_byte(out, bracket);
}

void member_text(Buffer *out, const char *key, const char *value) {
        begin(out, key);
        json_append_string(out, value ? value : "");
}

void member_integer(Buffer *out, const char *key, int64_t value) {
        begin(out, key);
        buffer_printf(out, "%" PRId64, value);
}

void member_boolean(Buffer *out, const char *key, bool value) {
        begin(out, key);
        buffer_append_string(out, value ? "true" : "false");
}

void member_time(Buffer *out, const char *key, int64_t time_ns) {
        char text[TIMESTAMP_TEXT_MAX];

        member_text(out, key, timestamp_format_rfc3339(time_ns, text));
}

void member_texts(Buffer *out, const char *key, const char *const *items, size_t count) {
        member_open(out, key, '[');
        for (size_t i = 0; i < count; i++)
                member_text(out, NULL, items[i]);
        member_close(out, ']');
}

void member_array(Buffer *out, const char *key, const char *const *items) {
        size_t count = 0;

        while (items && items[count])
                count++;
        member_texts(out, key, items, count);
}

void member_blanks(Buffer *out, const MemberBlank *blanks, size_t count) {
        for (size_t i = 0; i < count; i++) {
                begin(out, blanks[i].key);
                buffer_append_string(out, blanks[i].json);
        }
}
