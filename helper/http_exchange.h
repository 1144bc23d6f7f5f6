/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One request to one URL and its answer; what an HTTP client keeps for them. Private to http.c. */

#include <curl/curl.h>
#include <pthread.h>

#include "helper/http.h"

typedef struct HttpHandle HttpHandle;
struct HttpHandle {
        HttpHandle *next;
        CURL *easy;
        CURLM *multi;
        char error_text[CURL_ERROR_SIZE];
};

struct HttpClient {
        pthread_mutex_t mutex; /* guards idle */
        HttpHandle *idle[2];   /* for documents, for bulk */

        /* Never changed. */
        Buffer authorities;       /* PEM, beside the folder; the system's among them without one */
        char *authorities_folder; /* NULL: libcurl knows what the system has */
        char *certificate, *key, *certs_host;
        bool is_unverified;
        unsigned stall_ms;
};

/**
 * http_exchange() - send the request to @url, which redirects may have led to; see http_perform()
 * @authorization: the header's value for this URL, or NULL
 */
int http_exchange(HttpClient *client, const HttpRequest *request, const char *url,
                  const char *authorization, HttpResponse *response, Error *err);

/** http_handle_free() - with its connections; returns NULL */
HttpHandle *http_handle_free(HttpHandle *handle);
