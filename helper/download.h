/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A GET whose body goes on to a descriptor, and that is taken up where it broke.
 *
 * What was passed on cannot be taken back, so a further try asks for the rest by Range; a server
 * that sends all of it again is listened to in silence until the rest comes.
 */

#include <stdint.h>

#include "helper/http.h"

/* A broken transfer that has brought so much has all its retries again. */
#define DOWNLOAD_PROGRESS_MIN (1024 * 1024)

typedef struct Download {
        const char *url;
        const char *subject; /* of errors: a digest, a URL */

        /* Sends a request, to a server that is known to be there; NULL: http_perform(). */
        int (*perform)(void *userdata, HttpRequest *request, HttpResponse *response, Error *err);
        void *userdata; /* for NULL: the HttpClient */

        int fd;           /* a pipe or a file; borrowed */
        int64_t size;     /* exactly; -1: not known */
        int64_t size_max; /* where it is not known; -1: the reader says when it is enough */
        const TransferControl *control;
} Download;

/**
 * download_run() - fetch all of it
 * @response: HTTP_RESPONSE_INIT; the last answer
 * @ret_size: bytes passed on; may be NULL
 *
 * 0: done. 1: the server refuses, with @response's status; nothing was passed on.
 * Errors: ERR_CORRUPT (longer or shorter than @size), ERR_LIMIT (size_max), ERR_CANCELLED (or the
 * reader is gone), ERR_IO, ERR_TIMEOUT.
 */
int download_run(const Download *download, HttpResponse *response, int64_t *ret_size, Error *err);
