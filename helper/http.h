/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * HTTP as the transfers need it: one request at a time for each thread, on connections that are
 * kept, every answer bounded, every wait short enough to notice a cancel.
 *
 * libcurl does the protocol (1.1, and 2 by ALPN), TLS and the proxies of the environment. Redirects
 * are followed here, since what is secret must not go along: the authorization is sent to the
 * origin of the first URL only, a client certificate to its registry only, and nothing ever goes
 * from https to http. A status is no failure at this level.
 *
 * The process ignores SIGPIPE.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "helper/certs.h"
#include "helper/source.h"

#define HTTP_REDIRECTS_MAX  10
#define HTTP_HEADERS_MAX    (256 * 1024) /* bytes of all header lines of one answer */
#define HTTP_ERROR_BODY_MAX (64 * 1024)  /* bytes that are read of an answer that nobody wants */
#define HTTP_URL_MAX        (64 * 1024)  /* bytes */
#define HTTP_CONNECT_MS     30000        /* for name, connection and TLS together */
#define HTTP_STALL_MS       60000        /* a peer that moves less than */
#define HTTP_STALL_BYTES    4096         /* in this time has stalled */
#define HTTP_BULK_MIN       (256 * 1024) /* bytes that are worth a connection of their own */

typedef struct HttpClient HttpClient;

typedef struct HttpClientOptions {
        const Certs *certs;     /* copied; NULL: the system's authorities */
        const char *certs_host; /* `host[:port]` that the client certificate is shown to */
        bool is_unverified;     /* take any certificate of a server */
        unsigned stall_ms;      /* 0: HTTP_STALL_MS */
} HttpClientOptions;

/* Why there is no answer. */
typedef enum HttpFailure {
        HTTP_FAILURE_NONE,
        HTTP_FAILURE_CONNECT, /* no connection was made, or no TLS session */
        HTTP_FAILURE_BROKEN,  /* it broke or stalled */
        HTTP_FAILURE_FINAL,   /* no HTTP, not trusted, too long: the same again next time */
        HTTP_FAILURE_LOCAL,   /* cancelled, or a callback of the request failed */
        _HTTP_FAILURE_MAX,
} HttpFailure;

typedef struct HttpResponse {
        HttpFailure failure;
        int status;
        char *url;       /* that answered, after all redirects */
        Strings headers; /* `name: value`, as they came */
        Buffer body;     /* without on_body; what is over HTTP_ERROR_BODY_MAX and not wanted: cut */
} HttpResponse;

#define HTTP_RESPONSE_INIT \
        { .failure = HTTP_FAILURE_NONE }

void http_response_done(HttpResponse *response);
#define _cleanup_http_response_ _cleanup_(http_response_done)

/** http_response_header() - the value of the @index-th header of a name, or NULL; borrowed */
const char *http_response_header(const HttpResponse *response, const char *name, size_t index);

/** http_response_is_success() - 200 to 299 */
bool http_response_is_success(const HttpResponse *response);

typedef struct HttpRequest {
        const char *method; /* GET, HEAD, POST, PUT, PATCH, DELETE */
        const char *url;
        const char *authorization; /* the header's value, for the URL's own origin; or NULL */
        const Strings *headers;    /* `Name: value`; or NULL */

        const void *body; /* sent again after a redirect; NULL: none */
        size_t body_size;

        /* A body that comes in pieces: the next one's size, 0 at the end, negative: stop. */
        ssize_t (*read_body)(void *userdata, void *data, size_t size, Error *err);
        int64_t read_size; /* of all pieces; -1: not known */

        /* The body of a success, as it comes; negative: stop. NULL: it is collected. */
        int (*on_body)(void *userdata, const HttpResponse *response, const void *data, size_t size,
                       Error *err);
        void *userdata;

        bool is_bulk; /* much is moved: on HTTP/1.1, which does that twice as fast as 2 */

        size_t body_max;                /* of a success's collected body; 0: it is not wanted */
        unsigned answer_ms;             /* patience once all is sent; 0: the client's stall_ms */
        const TransferControl *control; /* may be NULL */
} HttpRequest;

/** http_client_new() - @ret is used by any number of threads; connections are made as needed */
int http_client_new(HttpClient **ret, const HttpClientOptions *options, Error *err);

/** http_client_free() - nobody uses it any more; returns NULL */
HttpClient *http_client_free(HttpClient *client);
DEFINE_CLEANUP(HttpClient, http_client_free);

/**
 * http_perform() - send a request and wait for all of the answer
 * @response: HTTP_RESPONSE_INIT or any earlier answer, which is dropped; filled as far as it came,
 *            also in failure
 *
 * GET and HEAD follow redirects, other methods only 307 and 308, and only if their body can be sent
 * again. Errors: ERR_IO, ERR_TIMEOUT, ERR_LIMIT (redirects, header lines, body), ERR_INVALID (URL),
 * ERR_CANCELLED, those of the callbacks.
 */
int http_perform(HttpClient *client, const HttpRequest *request, HttpResponse *response,
                 Error *err);
