/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/registry_error.h"

#include <stdio.h>
#include <strings.h>

#include "oci/document.h"

#define ERRORS_SHOWN 3 /* of a list */

static ErrorKind kind_of(int status) {
        switch (status) {
        case 404:
        case 410:
                return ERR_NOT_FOUND;
        case 405:
        case 501:
                return ERR_UNSUPPORTED;
        case 413:
        case 431:
                return ERR_LIMIT;
        default:
                return status >= 400 && status < 500 && status != 408 && status != 429 ? ERR_INVALID
                                                                                       : ERR_IO;
        }
}

static const char *status_words(int status) {
        switch (status) {
        case 400:
                return "bad request";
        case 401:
                return "unauthorized";
        case 403:
                return "access denied";
        case 404:
                return "not found";
        case 405:
                return "method not allowed";
        case 429:
                return "too many requests";
        case 500:
                return "internal server error";
        case 502:
                return "bad gateway";
        case 503:
                return "service unavailable";
        case 504:
                return "gateway timeout";
        default:
                return "unexpected answer";
        }
}

static const char *text_of(const json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));

        return text_is_empty(text) ? NULL : text;
}

/* Whether a code only repeats the message: MANIFEST_UNKNOWN, "manifest unknown". */
static bool is_same(const char *code, const char *message) {
        for (; *code && *message; code++, message++) {
                char c = *code == '_' ? ' ' : *code;
                if (strncasecmp(&c, message, 1) != 0)
                        return false;
        }
        return *code == *message;
}

static void add_words(Buffer *words, const char *message, const char *code) {
        if (!message && !code)
                return;
        if (words->size > 0)
                buffer_append_string(words, "; ");
        buffer_append_string(words, message ? message : code);
        if (message && code && !is_same(code, message))
                buffer_printf(words, " (%s)", code);
}

/* The forms that registries, token servers and what stands before them use. */
static void read_words(const json_t *root, Buffer *words) {
        const json_t *errors = json_object_get(root, "errors");
        size_t count = json_array_size(errors);

        for (size_t i = 0; i < count && i < ERRORS_SHOWN; i++) {
                const json_t *error = json_array_get(errors, i);
                add_words(words, text_of(error, "message"), text_of(error, "code"));
        }
        if (words->size == 0)
                add_words(words, text_of(root, "details"), NULL);
        if (words->size == 0)
                add_words(words, text_of(root, "error_description"), text_of(root, "error"));
        if (words->size == 0)
                add_words(words, text_of(root, "message"), NULL);
}

int registry_error_set(const HttpResponse *response, Error *err) {
        _cleanup_buffer_ Buffer words = BUFFER_INIT;
        json_t *root = NULL;

        if (response->body.size > 0 &&
            document_parse(response->body.data, response->body.size, HTTP_ERROR_BODY_MAX, "answer",
                           &root, NULL) == 0) {
                read_words(root, &words);
                json_decref(root);
        }
        if (words.size > REGISTRY_WORDS_MAX)
                words.size = REGISTRY_WORDS_MAX;
        if (words.size == 0)
                buffer_append_string(&words, status_words(response->status));
        if (!buffer_failed(&words))
                text_make_line(words.data, words.size);
        return error_set(err, kind_of(response->status), NULL, "%d %.*s", response->status,
                         (int)words.size, words.data ? words.data : "");
}
