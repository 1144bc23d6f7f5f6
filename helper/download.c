/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "helper/blob_io.h"
#include "helper/retry.h"
#include "helper/stream.h"

/* libcurl hands out pieces of 16 KiB: to wake the reader for each of them takes longer than to copy
 * them. */
#define WRITE_SIZE (256 * 1024)

typedef struct State {
        const Download *download;
        int64_t done;   /* bytes that came */
        int64_t offset; /* of the next byte of this answer */
        char *etag;     /* strong; NULL: none */
        bool has_begun; /* the first byte of this answer was seen */
        bool is_plain;  /* the server's ranges are of no use */
        bool was_there; /* the server has answered before */
        Buffer waiting; /* the last of what came, not written yet */
} State;

static void state_done(State *state) {
        free(state->etag);
        buffer_done(&state->waiting);
}

static int parse_number(const char **text, int64_t *ret) {
        char *end;

        if (**text < '0' || **text > '9')
                return -EINVAL;
        errno = 0;
        *ret = strtoll(*text, &end, 10);
        if (errno != 0)
                return -ERANGE;
        *text = end;
        return 0;
}

/* `bytes 10-19/20`, `bytes 10-19/ *` */
static int parse_content_range(const char *value, int64_t *ret_begin, int64_t *ret_total) {
        int64_t last;

        const char *p = value ? text_starts_with(value, "bytes ") : NULL;
        if (!p || parse_number(&p, ret_begin) < 0 || *p++ != '-' || parse_number(&p, &last) < 0 ||
            *p++ != '/')
                return -EINVAL;
        if (*p == '*') {
                *ret_total = -1;
                return 0;
        }
        return parse_number(&p, ret_total);
}

static int wrong_length(const Download *download, int64_t length, Error *err) {
        return error_set(err, ERR_CORRUPT, download->subject,
                         "the server has %" PRId64 " bytes, and %" PRId64 " were announced", length,
                         download->size);
}

/* What the first byte of an answer stands for, before it is passed on. */
static int begin_answer(State *state, const HttpResponse *response, Error *err) {
        const Download *download = state->download;
        int64_t total = -1;

        state->has_begun = true;
        if (response->status == 206) {
                const char *range = http_response_header(response, "Content-Range", 0);
                if (state->done == 0 || parse_content_range(range, &state->offset, &total) < 0 ||
                    state->offset != state->done)
                        return error_set(err, ERR_CORRUPT, download->subject,
                                         "the server sends a range that nobody asked for");
        } else {
                const char *length = http_response_header(response, "Content-Length", 0);
                if (length && parse_number(&length, &total) < 0)
                        total = -1;
        }
        if (total >= 0 && download->size >= 0 && total != download->size)
                return wrong_length(download, total, err);
        const char *etag = http_response_header(response, "ETag", 0);
        free(state->etag);
        state->etag = etag && *etag == '"' ? xstrdup(etag) : NULL;
        return 0;
}

static int flush(State *state, Error *err) {
        const Download *download = state->download;
        Buffer *waiting = &state->waiting;
        size_t size = waiting->size;

        if (size == 0)
                return 0;
        waiting->size = 0;
        if (stream_write(download->fd, waiting->data, size, download->control, err) < 0)
                return -1;
        control_report(download->control, (int64_t)size);
        return 0;
}

static int pass_on(State *state, const char *data, size_t size, Error *err) {
        Buffer *waiting = &state->waiting;

        while (size > 0) {
                size_t room = WRITE_SIZE - waiting->size;
                size_t n = size < room ? size : room;
                if (waiting->size == 0 && !buffer_reserve(waiting, WRITE_SIZE))
                        return error_set(err, ERR_LIMIT, NULL, "out of memory");
                buffer_append(waiting, data, n);
                data += n;
                size -= n;
                if (waiting->size == WRITE_SIZE && flush(state, err) < 0)
                        return -1;
        }
        return 0;
}

static int on_body(void *userdata, const HttpResponse *response, const void *data, size_t size,
                   Error *err) {
        State *state = userdata;
        const Download *download = state->download;
        const char *p = data;

        if (!state->has_begun && begin_answer(state, response, err) < 0)
                return -1;
        if (state->offset < state->done) { /* again what was passed on before */
                int64_t again = state->done - state->offset;
                size_t skip = again < (int64_t)size ? (size_t)again : size;
                state->offset += (int64_t)skip;
                p += skip;
                size -= skip;
        }
        if (size == 0)
                return 0;
        if (download->size >= 0 && (int64_t)size > download->size - state->done)
                return error_set(err, ERR_CORRUPT, download->subject,
                                 "the server sends more than the %" PRId64
                                 " bytes that were announced",
                                 download->size);
        if (download->size < 0 && download->size_max >= 0 &&
            (int64_t)size > download->size_max - state->done)
                return error_set(err, ERR_LIMIT, download->subject,
                                 "the server sends more than %" PRId64 " bytes",
                                 download->size_max);
        state->offset += (int64_t)size;
        state->done += (int64_t)size;
        return pass_on(state, p, size, err);
}

static int perform(State *state, HttpResponse *response, Error *err) {
        const Download *download = state->download;
        _cleanup_strings_ Strings headers = STRINGS_INIT;
        HttpRequest request = { .method = "GET",
                                .url = download->url,
                                .headers = &headers,
                                .on_body = on_body,
                                .userdata = state,
                                .is_bulk = download->size < 0 || download->size >= HTTP_BULK_MIN,
                                .control = download->control };

        state->has_begun = false;
        state->offset = 0;
        if (state->done > 0 && !state->is_plain) {
                strings_printf(&headers, "Range: bytes=%" PRId64 "-", state->done);
                if (state->etag)
                        strings_printf(&headers, "If-Range: %s", state->etag);
        }
        int r = download->perform ? download->perform(download->userdata, &request, response, err)
                                  : http_perform(download->userdata, &request, response, err);
        if (response->failure != HTTP_FAILURE_LOCAL && flush(state, r < 0 ? NULL : err) < 0) {
                response->failure = HTTP_FAILURE_LOCAL;
                return -1;
        }
        return r;
}

/* 1: there is more to fetch, 0: done, negative: this is what it is. */
static int check_end(State *state, const HttpResponse *response, Error *err) {
        const Download *download = state->download;

        if (download->size < 0 || state->done == download->size)
                return 0;
        if (response->status != 206 && http_response_header(response, "Content-Length", 0))
                return wrong_length(download, state->offset, err);
        (void)error_set(err, ERR_CORRUPT, download->subject,
                        "the server has sent %" PRId64 " bytes, and %" PRId64 " were announced",
                        state->done, download->size);
        return 1; /* a part of what was asked for; without a length, also a broken connection */
}

/* 1: try again, 0: done, negative: failed. */
static int attempt(State *state, HttpResponse *response, Error *err) {
        int r = perform(state, response, err);
        if (r < 0 && response->failure == HTTP_FAILURE_CONNECT && !state->was_there)
                return -1; /* down, not broken */
        if (r < 0)
                return retry_is_transient(response) ? 1 : -1;
        state->was_there = true;
        if (http_response_is_success(response)) {
                r = check_end(state, response, err);
                if (r > 0)
                        response->failure = HTTP_FAILURE_BROKEN;
                return r;
        }
        if (retry_is_transient(response))
                return 1;
        if (response->status == 416 && !state->is_plain) {
                state->is_plain = true;
                return 1;
        }
        return -1;
}

int download_run(const Download *download, HttpResponse *response, int64_t *ret_size, Error *err) {
        _cleanup_(state_done)
        State state = { .download = download, .was_there = download->perform };
        Retry retry = RETRY_INIT;
        int64_t counted = 0;

        stream_prepare_write(download->fd);
        for (;;) {
                Error failure = ERROR_INIT;
                int r = attempt(&state, response, &failure);
                if (r == 0)
                        break;
                if (state.done - counted >= DOWNLOAD_PROGRESS_MIN) {
                        counted = state.done;
                        retry = (Retry)RETRY_INIT;
                }
                if (r < 0 || retry.count == RETRY_MAX) {
                        if (failure.kind == ERR_NONE && state.done == 0)
                                return 1;
                        if (failure.kind == ERR_NONE)
                                return error_set(err, ERR_IO, download->subject,
                                                 "the server answers with status %d after %" PRId64
                                                 " bytes",
                                                 response->status, state.done);
                        return error_copy(err, &failure);
                }
                if (retry_wait(&retry, response, download->control, err) < 0)
                        return -1;
        }
        if (ret_size)
                *ret_size = state.done;
        return 0;
}
