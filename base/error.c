/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set_subject(Error *err, const char *subject) {
        snprintf(err->subject, sizeof(err->subject), "%s", subject ? subject : "");
}

int error_set(Error *err, ErrorKind kind, const char *subject, const char *fmt, ...) {
        va_list args;

        if (!err)
                return -1;

        err->kind = kind;
        err->errnum = 0;
        set_subject(err, subject);
        va_start(args, fmt);
        vsnprintf(err->text, sizeof(err->text), fmt, args);
        va_end(args);
        return -1;
}

int error_errno(Error *err, ErrorKind kind, int errnum, const char *subject, const char *fmt, ...) {
        char reason[128];
        va_list args;

        if (!err)
                return -1;

        if (errnum == ENOSPC || errnum == EDQUOT)
                kind = ERR_NO_SPACE;
        err->kind = kind;
        err->errnum = errnum;
        set_subject(err, subject);
        va_start(args, fmt);
        vsnprintf(err->text, sizeof(err->text), fmt, args);
        va_end(args);
        size_t length = strlen(err->text);
        snprintf(err->text + length, sizeof(err->text) - length, ": %s",
                 strerror_r(errnum, reason, sizeof(reason)));
        return -1;
}

int error_prefix(Error *err, const char *fmt, ...) {
        char text[ERROR_TEXT_MAX];
        va_list args;

        if (!err)
                return -1;

        va_start(args, fmt);
        int n = vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        if (n >= 0 && (size_t)n < sizeof(text))
                snprintf(text + n, sizeof(text) - (size_t)n, ": %s", err->text);
        memcpy(err->text, text, sizeof(text));
        return -1;
}

int error_copy(Error *err, const Error *failure) {
        if (err)
                *err = *failure;
        return -1;
}

const char *error_kind_name(ErrorKind kind) {
        static const char *const names[_ERR_MAX] = {
                [ERR_NONE] = "none",
                [ERR_INVALID] = "invalid",
                [ERR_CONTAINER_NOT_FOUND] = "container-not-found",
                [ERR_IMAGE_NOT_FOUND] = "image-not-found",
                [ERR_POD_NOT_FOUND] = "pod-not-found",
                [ERR_NOT_FOUND] = "not-found",
                [ERR_AMBIGUOUS] = "ambiguous",
                [ERR_EXISTS] = "exists",
                [ERR_STATE] = "state",
                [ERR_NOT_RUNNING] = "not-running",
                [ERR_IN_USE] = "in-use",
                [ERR_UNSUPPORTED] = "unsupported",
                [ERR_LIMIT] = "limit",
                [ERR_CORRUPT] = "corrupt",
                [ERR_LAYER_CORRUPT] = "layer-corrupt",
                [ERR_NO_SPACE] = "no-space",
                [ERR_RUNTIME] = "runtime",
                [ERR_TIMEOUT] = "timeout",
                [ERR_CANCELLED] = "cancelled",
                [ERR_IO] = "io",
        };

        return kind < _ERR_MAX ? names[kind] : "unknown";
}
