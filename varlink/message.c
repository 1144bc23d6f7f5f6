/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "varlink/codec.h"
#include "varlink/server.h"

/* --- frames ---------------------------------------------------------------------------------- */

void frame_reader_done(FrameReader *reader) {
        buffer_done(&reader->kept);
        *reader = (FrameReader)FRAME_READER_INIT;
}

static bool is_kept(const FrameReader *reader) {
        return reader->kept.data && reader->data == reader->kept.data;
}

int frame_reader_feed(FrameReader *reader, const char *data, size_t size) {
        assert(reader->size == 0 || is_kept(reader));
        if (reader->size == 0) {
                reader->data = data;
                reader->size = size;
                reader->searched = 0;
                return 0;
        }
        buffer_append(&reader->kept, data, size);
        if (buffer_failed(&reader->kept))
                return -ENOMEM;
        reader->data = reader->kept.data;
        reader->size = reader->kept.size;
        return 0;
}

int frame_reader_next(FrameReader *reader, const char **ret_text, size_t *ret_size) {
        if (reader->size == 0)
                return 0;

        const char *text = reader->data;
        const char *end = memchr(text + reader->searched, '\0', reader->size - reader->searched);
        size_t size = end ? (size_t)(end - text) : reader->size;
        if (size > VARLINK_MESSAGE_MAX)
                return -EMSGSIZE;
        if (!end) {
                reader->searched = size;
                return 0;
        }
        reader->data += size + 1;
        reader->size -= size + 1;
        reader->searched = 0;
        *ret_text = text;
        *ret_size = size;
        return 1;
}

int frame_reader_keep(FrameReader *reader) {
        Buffer kept = BUFFER_INIT;

        if (reader->size > 0 && is_kept(reader))
                return 0;
        if (reader->size > 0)
                buffer_append(&kept, reader->data, reader->size);
        if (buffer_failed(&kept))
                return -ENOMEM;
        buffer_done(&reader->kept);
        reader->kept = kept;
        reader->data = kept.data;
        return 0;
}

int frame_reader_detach(FrameReader *reader, Buffer *ret) {
        Buffer owner = reader->kept;

        assert(owner.data);
        reader->kept = (Buffer)BUFFER_INIT;
        int r = frame_reader_keep(reader);
        if (r < 0) {
                buffer_done(&owner);
                return r;
        }
        *ret = owner;
        return 0;
}

/* --- requests -------------------------------------------------------------------------------- */

/*
 * How deep a text nests and how many values it may hold: an upper bound, before anything is
 * parsed.
 */
static int check_shape(const char *text, size_t size) {
        size_t openings = 0, marks = 0, depth = 0, values = 1;
        bool in_string = false;

        /*
         * Nearly every message passes this first, branchless count, brackets in strings and all.
         */
        for (size_t i = 0; i < size; i++) {
                bool opens = text[i] == '[' || text[i] == '{';
                openings += opens;
                marks += opens || text[i] == ',';
        }
        if (openings <= CODEC_DEPTH_MAX && marks < VARLINK_VALUES_MAX)
                return 0;

        for (size_t i = 0; i < size; i++) {
                char c = text[i];
                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                        continue;
                }
                if (c == '"')
                        in_string = true;
                else if (c == '[' || c == '{')
                        depth++, values++;
                else if (c == ',')
                        values++;
                else if ((c == ']' || c == '}') && depth > 0)
                        depth--;
                if (depth > CODEC_DEPTH_MAX || values > VARLINK_VALUES_MAX)
                        return -E2BIG;
        }
        return 0;
}

int message_parse(const char *text, size_t size, json_t **ret, unsigned *ret_codec_flags) {
        const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
        unsigned codec_flags = 0;
        json_error_t error;
        int r = check_shape(text, size);

        if (r < 0)
                return r;
        json_t *root = json_loadb(text, size, flags, &error);
        if (!root && json_error_code(&error) == json_error_numeric_overflow) {
                /*
                 * Perhaps an integer beyond 64 bits: then the decoder can say which member that
                 * is.
                 */
                root = json_loadb(text, size, flags | JSON_DECODE_INT_AS_REAL, &error);
                codec_flags = CODEC_INTS_AS_REALS;
        }
        if (!root)
                return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
        if (!json_is_object(root)) {
                json_decref(root);
                return -EBADMSG;
        }
        *ret = root;
        if (ret_codec_flags)
                *ret_codec_flags = codec_flags;
        return 0;
}

/*
 * INTERFACE.METHOD, where neither the method's own name nor a NUL inside is checked further here.
 */
static const char *get_method(const json_t *value) {
        const char *method = json_string_value(value);
        const char *dot = method ? strrchr(method, '.') : NULL;

        if (!dot || dot == method || strlen(method) != json_string_length(value))
                return NULL;
        return method;
}

static int get_flag(const json_t *value, bool *ret) {
        if (!json_is_boolean(value) && !json_is_null(value))
                return -EBADMSG;
        *ret = json_is_true(value);
        return 0;
}

void request_done(Request *request) {
        json_decref(request->root);
        *request = (Request)REQUEST_INIT;
}

int request_parse(Request *ret, const char *text, size_t size) {
        Request request = REQUEST_INIT;
        const char *key;
        json_t *value;
        int r = message_parse(text, size, &request.root, &request.codec_flags);

        if (r < 0)
                return r;
        json_object_foreach(request.root, key, value) {
                if (text_equal(key, "method"))
                        request.method = get_method(value);
                else if (text_equal(key, "parameters"))
                        request.parameters = value;
                else if (text_equal(key, "more"))
                        r = get_flag(value, &request.more);
                else if (text_equal(key, "oneway"))
                        r = get_flag(value, &request.oneway);
                else if (text_equal(key, "upgrade"))
                        r = get_flag(value, &request.upgrade);
                if (r < 0) {
                        request_done(&request);
                        return r;
                }
        }
        *ret = request;
        return 0;
}

/* --- replies --------------------------------------------------------------------------------- */

void reply_append(Buffer *buffer, const VlType *type, const void *parameters, bool continues,
                  const char *error) {
        buffer_append_string(buffer, "{\"parameters\":");
        codec_encode(type, parameters, buffer);
        if (continues)
                buffer_append_string(buffer, ",\"continues\":true");
        if (error) {
                buffer_append_string(buffer, ",\"error\":\"");
                buffer_append_string(buffer, error);
                buffer_append_string(buffer, "\"");
        }
        buffer_append(buffer, "}", 2);
}
