/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/registry_auth.h"

#include <assert.h>
#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "base/timestamp.h"
#include "helper/registry_error.h"
#include "helper/retry.h"
#include "helper/url.h"
#include "oci/document.h"

#define SCOPES_MAX 32 /* of one token */

static int64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

static void token_done(Token *token) {
        free(token->scope);
        free(token->header);
}

void registry_auth_init(RegistryAuth *auth, HttpClient *http, const Credentials *credentials) {
        *auth = (RegistryAuth){ .http = http };
        int r = pthread_mutex_init(&auth->mutex, NULL);
        assert(r == 0);
        if (!credentials)
                return;
        Credentials *own = &auth->credentials;
        own->user = credentials->user ? xstrdup(credentials->user) : NULL;
        own->password = credentials->password ? xstrdup(credentials->password) : NULL;
        own->identity_token = credentials->identity_token ? xstrdup(credentials->identity_token)
                                                          : NULL;
}

void registry_auth_done(RegistryAuth *auth) {
        for (size_t i = 0; i < auth->tokens_count; i++)
                token_done(&auth->tokens[i]);
        free(auth->tokens);
        challenge_done(&auth->challenge);
        credentials_done(&auth->credentials);
        (void)pthread_mutex_destroy(&auth->mutex);
}

int registry_auth_challenge(RegistryAuth *auth, const HttpResponse *response, Error *err) {
        pthread_mutex_lock(&auth->mutex);
        auth->is_https = url_is_https(response->url);
        int r = challenge_read(response, &auth->challenge, err);
        pthread_mutex_unlock(&auth->mutex);
        return r;
}

static char *basic_header(const Credentials *credentials) {
        const char *user = credentials->user ? credentials->user : "";
        const char *password = credentials->password ? credentials->password : "";
        _cleanup_free_ char *pair = xasprintf("%s:%s", user, password);
        _cleanup_free_ char *encoded = base64_encode(pair, strlen(pair));

        return xasprintf("Basic %s", encoded);
}

/* --- asking for a token ---------------------------------------------------------------------- */

static void add_form(Buffer *form, const char *name, const char *value) {
        char *escaped = curl_easy_escape(NULL, value, 0);

        assert(escaped);
        buffer_printf(form, "%s%s=%s", form->size ? "&" : "", name, escaped);
        curl_free(escaped);
}

static void to_form(const RegistryAuth *auth, const char *scope, Buffer *form) {
        add_form(form, "grant_type", "refresh_token");
        add_form(form, "refresh_token", auth->credentials.identity_token);
        add_form(form, "client_id", "selkie");
        if (auth->challenge.service)
                add_form(form, "service", auth->challenge.service);
        add_form(form, "scope", scope);
}

static int to_url(const RegistryAuth *auth, const char *scope, char **url, Error *err) {
        const Challenge *challenge = &auth->challenge;

        if (challenge->service && url_add_query(url, "service", challenge->service, err) < 0)
                return -1;
        if (auth->credentials.user &&
            url_add_query(url, "account", auth->credentials.user, err) < 0)
                return -1;
        unsigned count = 0;
        for (const char *p = scope; *p;) {
                size_t length = strcspn(p, " ");
                _cleanup_free_ char *one = xstrndup(p, length);
                if (length > 0 && ++count > SCOPES_MAX)
                        return error_set(err, ERR_LIMIT, NULL, "more than %d scopes are wanted",
                                         SCOPES_MAX);
                if (length > 0 && url_add_query(url, "scope", one, err) < 0)
                        return -1;
                p += length + (p[length] != '\0');
        }
        return 0;
}

/* Sends the request until there is an answer that stays. */
static int ask(RegistryAuth *auth, const HttpRequest *request, HttpResponse *response, Error *err) {
        Retry retry = RETRY_INIT;

        for (;;) {
                int r = http_perform(auth->http, request, response, err);
                bool has_failed = r < 0 || retry_is_transient(response);
                if (!has_failed || !retry_may(&retry, response))
                        return r;
                if (retry_wait(&retry, response, request->control, err) < 0)
                        return -1;
        }
}

static int check_token(const char *text, Error *err) {
        size_t length = strlen(text);

        if (length == 0)
                return error_set(err, ERR_INVALID, NULL, "the answer has no token");
        if (length > TOKEN_SIZE_MAX)
                return error_set(err, ERR_LIMIT, NULL, "the token has more than %d bytes",
                                 TOKEN_SIZE_MAX);
        for (const char *p = text; *p; p++)
                if (*p <= ' ' || *p > '~')
                        return error_set(err, ERR_INVALID, NULL,
                                         "the token has a character that no header may have");
        return 0;
}

static int parse_token(const HttpResponse *response, Token *ret, Error *err) {
        _cleanup_free_ char *token = NULL, *access_token = NULL;
        int64_t life = 0;
        json_t *json = NULL;

        int r = document_parse(response->body.data, response->body.size, TOKEN_ANSWER_MAX, "answer",
                               &json, err);
        if (r == 0)
                r = document_text(json, "", "token", &token, err);
        if (r == 0)
                r = document_text(json, "", "access_token", &access_token, err);
        if (r == 0 && document_integer(json, "", "expires_in", &life, NULL) < 0)
                life = 0;
        if (json)
                json_decref(json);
        const char *text = r == 0 && *token ? token : access_token;
        if (r < 0 || check_token(text, err) < 0)
                return -1;
        life = life < TOKEN_LIFE_S ? TOKEN_LIFE_S : life;
        life = life > TOKEN_LIFE_MAX_S ? TOKEN_LIFE_MAX_S : life;
        ret->header = xasprintf("Bearer %s", text);
        ret->end_ns = now_ns() + (life - TOKEN_MARGIN_S) * NS_PER_SEC;
        return 0;
}

static int request_token(RegistryAuth *auth, const char *scope, const TransferControl *control,
                         Token *ret, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = xstrdup(auth->challenge.realm), *basic = NULL;
        _cleanup_strings_ Strings headers = STRINGS_INIT;
        _cleanup_buffer_ Buffer form = BUFFER_INIT;
        const Credentials *credentials = &auth->credentials;
        HttpRequest request = { .method = "GET",
                                .headers = &headers,
                                .body_max = TOKEN_ANSWER_MAX,
                                .control = control };

        if (credentials->identity_token) {
                to_form(auth, scope, &form);
                strings_add(&headers, "Content-Type: application/x-www-form-urlencoded");
                request.method = "POST";
                request.body = form.data;
                request.body_size = form.size;
        } else {
                if (to_url(auth, scope, &url, err) < 0)
                        return -1;
                basic = credentials->user ? basic_header(credentials) : NULL;
                request.authorization = basic;
        }
        request.url = url;
        if (ask(auth, &request, &response, err) < 0)
                return -1;
        if (!http_response_is_success(&response))
                return registry_error_set(&response, err);
        return parse_token(&response, ret, err);
}

/* --- the tokens that are there --------------------------------------------------------------- */

static Token *find_token(RegistryAuth *auth, const char *scope) {
        for (size_t i = 0; i < auth->tokens_count; i++)
                if (text_equal(auth->tokens[i].scope, scope))
                        return &auth->tokens[i];
        return NULL;
}

static void keep_token(RegistryAuth *auth, Token *token) {
        Token *place = find_token(auth, token->scope);

        if (!place && auth->tokens_count < TOKEN_CACHE_MAX) {
                GROW(auth->tokens, auth->tokens_count, auth->tokens_capacity);
                place = &auth->tokens[auth->tokens_count++];
                *place = (Token){ .scope = NULL };
        }
        if (!place) /* any will do: they can all be renewed */
                place = auth->tokens;
        token_done(place);
        *place = *token;
}

/* After a refusal, what it asked for counts beside what we know to need. */
static char *all_scopes(const RegistryAuth *auth, const char *scope, bool was_refused) {
        const char *asked = auth->challenge.scope;

        return !was_refused || text_is_empty(asked) || strstr(scope, asked)
                       ? xstrdup(scope)
                       : xasprintf("%s %s", scope, asked);
}

static int token_header_locked(RegistryAuth *auth, const char *scope, const char *stale,
                               const TransferControl *control, char **ret, Error *err) {
        const Token *known = find_token(auth, scope);
        Token token = { .scope = NULL };

        if (known && known->end_ns > now_ns() && !(stale && text_equal(stale, known->header))) {
                *ret = xstrdup(known->header);
                return 0;
        }
        _cleanup_free_ char *scopes = all_scopes(auth, scope, stale != NULL);
        if (request_token(auth, scopes, control, &token, err) < 0)
                return error_prefix(err, "cannot get a token from %.200s", auth->challenge.realm);
        token.scope = xstrdup(scope);
        *ret = xstrdup(token.header);
        keep_token(auth, &token);
        return 0;
}

static int check_realm(const RegistryAuth *auth, Error *err) {
        const char *realm = auth->challenge.realm;
        _cleanup_free_ char *origin = NULL;

        if (url_origin(realm, &origin, err) < 0)
                return error_prefix(err, "its token server is named wrongly");
        if (auth->is_https && !url_is_https(realm))
                return error_set(err, ERR_INVALID, realm,
                                 "its token server is reached by plain http only: %.200s", realm);
        return 0;
}

static int header_locked(RegistryAuth *auth, const char *scope, const char *stale,
                         const TransferControl *control, char **ret, Error *err) {
        const Challenge *challenge = &auth->challenge;

        *ret = NULL;
        if (challenge->realm)
                return check_realm(auth, err) < 0
                               ? -1
                               : token_header_locked(auth, scope, stale, control, ret, err);
        if (!challenge->has_basic)
                return 0;
        if (!auth->credentials.user)
                return error_set(err, ERR_INVALID, NULL,
                                 "it wants a user and a password, and none are known for it");
        *ret = basic_header(&auth->credentials);
        return 0;
}

int registry_auth_header(RegistryAuth *auth, const char *scope, const char *stale,
                         const TransferControl *control, char **ret, Error *err) {
        pthread_mutex_lock(&auth->mutex);
        int r = header_locked(auth, scope, stale, control, ret, err);
        pthread_mutex_unlock(&auth->mutex);
        return r;
}
