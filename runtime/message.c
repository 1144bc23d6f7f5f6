/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/message.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

void message_clean(Buffer *text) {
        text_make_line(text->data, text->size);
        buffer_append_byte(text, '\0');
        if (buffer_failed(text))
                return;
        text->size--;
}

/* The message of one line of a runtime's JSON log if it is an error; heap, or NULL. */
static char *line_error(const char *line, size_t size) {
        json_auto_t *entry = json_loadb(line, size, 0, NULL);
        const char *level = json_string_value(json_object_get(entry, "level"));
        const char *message = json_string_value(json_object_get(entry, "msg"));

        if (!level || text_is_empty(message))
                return NULL;
        if (!text_equal(level, "error") && !text_equal(level, "fatal"))
                return NULL;
        return xstrdup(message);
}

/* Log lines are looked at before control bytes are cleaned, so that newlines still part them. */
static char *last_error(const Buffer *log) {
        char *found = NULL;

        for (size_t at = 0; at < log->size;) {
                const char *line = log->data + at;
                const char *end = memchr(line, '\n', log->size - at);
                size_t n = end ? (size_t)(end - line) : log->size - at;
                _cleanup_buffer_ Buffer copy = BUFFER_INIT;
                buffer_append(&copy, line, n);
                message_clean(&copy);
                char *message = n > 0 && *line == '{' ? line_error(copy.data, copy.size) : NULL;
                if (message) {
                        free(found);
                        found = message;
                }
                at += n + 1;
        }
        return found;
}

/* Cut white space at both ends, and at MESSAGE_MAX bytes without splitting a character. */
static void trim(Buffer *text) {
        size_t start = 0;

        while (start < text->size && text->data[start] == ' ')
                start++;
        buffer_consume(text, start);
        if (text->size > MESSAGE_MAX) {
                text->size = MESSAGE_MAX;
                while (text->size > 0 && ((unsigned char)text->data[text->size] & 0xc0) == 0x80)
                        text->size--;
        }
        while (text->size > 0 && text->data[text->size - 1] == ' ')
                text->size--;
}

int message_error(Error *err, const char *id, const char *what, const Buffer *log) {
        _cleanup_free_ char *message = last_error(log);
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (message)
                buffer_append_string(&text, message);
        else
                buffer_append(&text, log->data, log->size);
        message_clean(&text);
        trim(&text);
        if (buffer_failed(&text) || text.size == 0)
                return error_set(err, ERR_RUNTIME, id, "%s failed without saying why", what);
        return error_set(err, ERR_RUNTIME, id, "%.*s", (int)text.size, text.data);
}
