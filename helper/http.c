/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/http.h"

#include <assert.h>
#include <strings.h>

#include "helper/authorities.h"
#include "helper/blob_io.h"
#include "helper/http_exchange.h"
#include "helper/url.h"

/* --- the answer ------------------------------------------------------------------------------ */

void http_response_done(HttpResponse *response) {
        free(response->url);
        strings_done(&response->headers);
        buffer_done(&response->body);
        *response = (HttpResponse)HTTP_RESPONSE_INIT;
}

const char *http_response_header(const HttpResponse *response, const char *name, size_t index) {
        size_t length = strlen(name);

        for (size_t i = 0; i < response->headers.count; i++) {
                const char *line = response->headers.items[i];
                if (strncasecmp(line, name, length) != 0 || line[length] != ':')
                        continue;
                if (index-- == 0)
                        return line + length + 1 + strspn(line + length + 1, " \t");
        }
        return NULL;
}

bool http_response_is_success(const HttpResponse *response) {
        return response->status >= 200 && response->status < 300;
}

/* --- redirects ------------------------------------------------------------------------------- */

static const char *redirect_target(const HttpRequest *request, const HttpResponse *response) {
        bool is_read = text_equal(request->method, "GET") || text_equal(request->method, "HEAD");

        switch (response->status) {
        case 301:
        case 302:
        case 303:
                if (!is_read)
                        return NULL;
                break;
        case 307:
        case 308:
                if (request->read_body)
                        return NULL;
                break;
        default:
                return NULL;
        }
        return http_response_header(response, "Location", 0);
}

/* @url becomes the next one; whether it is of another origin than before. */
static int follow(const char *target, char **url, bool *ret_is_other, Error *err) {
        _cleanup_free_ char *next = NULL, *origin = NULL, *next_origin = NULL;

        if (url_resolve(*url, target, &next, err) < 0 || url_origin(*url, &origin, err) < 0 ||
            url_origin(next, &next_origin, err) < 0)
                return -1;
        if (url_is_https(*url) && !url_is_https(next))
                return error_set(err, ERR_INVALID, next,
                                 "the server redirects from https to plain http, %.200s", next);
        *ret_is_other = !text_equal(origin, next_origin);
        free(*url);
        *url = TAKE_PTR(next);
        return 0;
}

static int check_url(const char *url, Error *err) {
        _cleanup_free_ char *origin = NULL;

        if (strlen(url) > HTTP_URL_MAX)
                return error_set(err, ERR_INVALID, "url", "the URL has more than %d bytes",
                                 HTTP_URL_MAX);
        return url_origin(url, &origin, err);
}

int http_perform(HttpClient *client, const HttpRequest *request, HttpResponse *response,
                 Error *err) {
        const char *authorization = request->authorization;

        response->failure = HTTP_FAILURE_FINAL;
        if (check_url(request->url, err) < 0)
                return -1;
        _cleanup_free_ char *url = xstrdup(request->url);

        for (unsigned hops = 0;; hops++) {
                bool is_other = false;
                if (control_check(request->control, err) < 0) {
                        response->failure = HTTP_FAILURE_LOCAL;
                        return -1;
                }
                if (http_exchange(client, request, url, authorization, response, err) < 0)
                        return -1;
                const char *target = redirect_target(request, response);
                if (!target)
                        return 0;
                response->failure = HTTP_FAILURE_FINAL;
                if (hops == HTTP_REDIRECTS_MAX)
                        return error_set(err, ERR_LIMIT, request->url,
                                         "the server redirects more than %d times",
                                         HTTP_REDIRECTS_MAX);
                if (follow(target, &url, &is_other, err) < 0)
                        return -1;
                if (is_other) /* for good, even if a later one leads back */
                        authorization = NULL;
        }
}

/* --- the client ------------------------------------------------------------------------------ */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_begin(void) {
        CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

        assert(code == CURLE_OK);
}

/* What libcurl is given takes the place of the bundle it knows, not of a folder. */
static int load_authorities(HttpClient *client, const Buffer *own, Error *err) {
        client->authorities_folder = authorities_folder();
        if (own->size == 0)
                return 0;
        if (!client->authorities_folder && authorities_bundle(&client->authorities, err) < 0)
                return -1;
        buffer_append(&client->authorities, own->data, own->size);
        return 0;
}

int http_client_new(HttpClient **ret, const HttpClientOptions *options, Error *err) {
        const Certs *certs = options->certs;

        (void)pthread_once(&curl_once, curl_begin);
        _cleanup_(http_client_freep)
        HttpClient *client = xnew(HttpClient, 1);
        int r = pthread_mutex_init(&client->mutex, NULL);
        assert(r == 0);
        client->is_unverified = options->is_unverified;
        client->stall_ms = options->stall_ms ? options->stall_ms : HTTP_STALL_MS;
        if (load_authorities(client, certs ? &certs->authorities : &(Buffer)BUFFER_INIT, err) < 0)
                return -1;
        if (certs && certs->certificate && options->certs_host) {
                client->certificate = xstrdup(certs->certificate);
                client->key = xstrdup(certs->key);
                client->certs_host = xstrdup(options->certs_host);
        }
        *ret = TAKE_PTR(client);
        return 0;
}

HttpClient *http_client_free(HttpClient *client) {
        if (!client)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(client->idle); i++)
                while (client->idle[i]) {
                        HttpHandle *handle = client->idle[i];
                        client->idle[i] = handle->next;
                        (void)http_handle_free(handle);
                }
        (void)pthread_mutex_destroy(&client->mutex);
        buffer_done(&client->authorities);
        free(client->authorities_folder);
        free(client->certificate);
        free(client->key);
        free(client->certs_host);
        free(client);
        return NULL;
}
