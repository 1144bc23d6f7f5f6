/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/registry_client.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "helper/registry_error.h"
#include "helper/retry.h"
#include "helper/url.h"

/* docker.io is a name, not a host. */
static const char *api_host(const char *host) {
        return text_equal(host, "docker.io") || text_equal(host, "index.docker.io")
                       ? "registry-1.docker.io"
                       : host;
}

int registry_client_new(RegistryClient **ret, const RegistryOptions *options, const char *scope,
                        Error *err) {
        _cleanup_certs_ Certs certs = CERTS_INIT;
        HttpClient *http;

        if (certs_load(options->host, text_is_empty(options->cert_dir) ? NULL : options->cert_dir,
                       &certs, err) < 0)
                return error_prefix(err, "registry %s", options->host);
        const HttpClientOptions http_options = { .certs = &certs,
                                                 .certs_host = api_host(options->host),
                                                 .is_unverified = options->is_insecure,
                                                 .stall_ms = options->stall_ms };
        if (http_client_new(&http, &http_options, err) < 0)
                return error_prefix(err, "registry %s", options->host);

        RegistryClient *client = xnew(RegistryClient, 1);
        client->host = xstrdup(options->host);
        client->repository = xstrdup(options->repository ? options->repository : "");
        client->api_host = xstrdup(api_host(options->host));
        client->scope = xstrdup(scope);
        client->is_insecure = options->is_insecure;
        client->control = options->control;
        client->http = http;
        registry_auth_init(&client->auth, http, options->credentials);
        int r = pthread_mutex_init(&client->mutex, NULL);
        assert(r == 0);
        *ret = client;
        return 0;
}

RegistryClient *registry_client_free(RegistryClient *client) {
        if (!client)
                return NULL;
        registry_auth_done(&client->auth);
        (void)http_client_free(client->http);
        (void)pthread_mutex_destroy(&client->mutex);
        free(client->host);
        free(client->repository);
        free(client->api_host);
        free(client->scope);
        free(client->base);
        free(client);
        return NULL;
}

/* --- the first contact ----------------------------------------------------------------------- */

static int check_greeting(RegistryClient *client, const HttpResponse *response, Error *err) {
        switch (response->status) {
        case 200:
                return 0;
        case 401:
                return registry_auth_challenge(&client->auth, response, err);
        case 404:
                return error_set(err, ERR_UNSUPPORTED, client->host,
                                 "it is no registry of version 2: it has no /v2/");
        default:
                return registry_error_set(response, err);
        }
}

static int greet(RegistryClient *client, const char *base, HttpResponse *response, Error *err) {
        _cleanup_free_ char *url = xasprintf("%s/v2/", base);
        const HttpRequest request = { .method = "GET", .url = url, .control = client->control };
        Retry retry = RETRY_INIT;

        for (;;) {
                int r = http_perform(client->http, &request, response, err);
                if (r == 0 && !retry_is_transient(response))
                        return check_greeting(client, response, err);
                /* A broken connection may also be a server's way to say no to our certificate. */
                bool is_down = r < 0 &&
                               (response->failure == HTTP_FAILURE_CONNECT || retry.count > 0);
                if (is_down || !retry_may(&retry, response))
                        return r < 0 ? r : check_greeting(client, response, err);
                if (retry_wait(&retry, response, client->control, err) < 0)
                        return -1;
        }
}

static int connect_locked(RegistryClient *client, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *https = xasprintf("https://%s", client->api_host);
        _cleanup_free_ char *plain = xasprintf("http://%s", client->api_host);
        Error failure = ERROR_INIT, plain_failure = ERROR_INIT;

        if (greet(client, https, &response, &failure) == 0) {
                client->base = TAKE_PTR(https);
                return 0;
        }
        bool has_answered = response.failure == HTTP_FAILURE_NONE;
        bool is_gone = response.failure == HTTP_FAILURE_LOCAL;
        if (!client->is_insecure || has_answered || is_gone)
                return error_copy(err, &failure);
        if (greet(client, plain, &response, &plain_failure) == 0) {
                client->base = TAKE_PTR(plain);
                return 0;
        }
        if (response.failure == HTTP_FAILURE_CONNECT) /* both failed: https counts */
                return error_copy(err, &failure);
        return error_copy(err, &plain_failure);
}

static int connect_once(RegistryClient *client, Error *err) {
        int r = 0;

        pthread_mutex_lock(&client->mutex);
        if (!client->base)
                r = connect_locked(client, err);
        pthread_mutex_unlock(&client->mutex);
        return r;
}

int registry_client_url(RegistryClient *client, char **ret, Error *err, const char *fmt, ...) {
        char path[1024];
        va_list args;

        if (connect_once(client, err) < 0)
                return -1;
        va_start(args, fmt);
        int n = vsnprintf(path, sizeof(path), fmt, args);
        va_end(args);
        if (n < 0 || (size_t)n >= sizeof(path))
                return error_set(err, ERR_LIMIT, client->host, "the path is longer than %zu bytes",
                                 sizeof(path));
        *ret = xasprintf("%s/v2/%s", client->base, path);
        return 0;
}

/* --- calls ----------------------------------------------------------------------------------- */

/* Whether a URL is the registry's own: only there it is told who we are. */
static bool is_own_url(const RegistryClient *client, const char *url) {
        _cleanup_free_ char *own = NULL, *origin = NULL;

        return url_origin(client->base, &own, NULL) == 0 && url_origin(url, &origin, NULL) == 0 &&
               text_equal(own, origin);
}

/* Who watches the body in pieces, to know whether any was taken. */
typedef struct Pieces {
        const HttpRequest *request;
        bool has_begun;
} Pieces;

static ssize_t read_piece(void *userdata, void *data, size_t size, Error *err) {
        Pieces *pieces = userdata;

        pieces->has_begun = true;
        return pieces->request->read_body(pieces->request->userdata, data, size, err);
}

static int perform_pieces(RegistryClient *client, const HttpRequest *request, bool *ret_has_begun,
                          HttpResponse *response, Error *err) {
        Pieces pieces = { .request = request };
        HttpRequest watched = *request;

        if (request->read_body) {
                assert(!request->on_body);
                watched.read_body = read_piece;
                watched.userdata = &pieces;
        }
        int r = http_perform(client->http, &watched, response, err);
        *ret_has_begun = pieces.has_begun;
        return r;
}

int registry_client_perform(RegistryClient *client, HttpRequest *request, HttpResponse *response,
                            Error *err) {
        bool is_own = is_own_url(client, request->url);
        _cleanup_free_ char *header = NULL;
        bool has_begun = false;

        if (!request->control)
                request->control = client->control;
        for (bool is_again = false;; is_again = true) {
                _cleanup_free_ char *stale = TAKE_PTR(header);
                if (is_own && registry_auth_header(&client->auth, client->scope, stale,
                                                   request->control, &header, err) < 0) {
                        response->failure = HTTP_FAILURE_FINAL;
                        return -1;
                }
                bool is_refused = is_again && stale && header && text_equal(stale, header);
                if (!is_refused) {
                        request->authorization = header;
                        int r = perform_pieces(client, request, &has_begun, response, err);
                        if (r < 0 || response->status != 401)
                                return r;
                }
                response->failure = HTTP_FAILURE_FINAL;
                if (is_refused || is_again || has_begun || !is_own ||
                    !is_own_url(client, response->url))
                        return registry_error_set(response, err);
                if (registry_auth_challenge(&client->auth, response, err) < 0)
                        return -1;
        }
}

int registry_client_call(RegistryClient *client, HttpRequest *request, HttpResponse *response,
                         Error *err) {
        Retry retry = RETRY_INIT;

        assert(!request->read_body);
        for (;;) {
                int r = registry_client_perform(client, request, response, err);
                bool has_failed = r < 0 || retry_is_transient(response);
                if (!has_failed || !retry_may(&retry, response))
                        return r;
                if (retry_wait(&retry, response, request->control, err) < 0)
                        return -1;
        }
}
