/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What goes into the Authorization header for a registry: nothing, a password, or a token that its
 * token server gave for a scope.
 *
 * Tokens are kept by scope and renewed shortly before they end, so that a transfer is seldom
 * refused in its middle. The password goes to the registry (Basic) and to the token server that the
 * registry names, never over plain http from one that is reached by https.
 *
 * Source: distribution's docs/spec/auth/{token,oauth}.md.
 */

#include <pthread.h>

#include "helper/challenge.h"
#include "helper/http.h"
#include "image/auth.h"

#define TOKEN_ANSWER_MAX (256 * 1024) /* bytes of a token server's answer */
#define TOKEN_SIZE_MAX   (64 * 1024)  /* bytes of a token: a header of each request */
#define TOKEN_LIFE_S     60           /* where the server says nothing, or less */
#define TOKEN_LIFE_MAX_S 86400
#define TOKEN_MARGIN_S   10 /* renewed so long before its end */
#define TOKEN_CACHE_MAX  64 /* scopes */

typedef struct Token {
        char *scope;  /* scopes, separated by spaces */
        char *header; /* `Bearer ...` */
        int64_t end_ns;
} Token;

typedef struct RegistryAuth {
        HttpClient *http;        /* borrowed */
        Credentials credentials; /* never changed */
        pthread_mutex_t mutex; /* guards what follows; held while a token is fetched, since all who
                                  wait for it want that token */
        Challenge challenge;   /* the registry's last one */
        bool is_https;         /* it came by https */
        Token *tokens;
        size_t tokens_count, tokens_capacity;
} RegistryAuth;

/** registry_auth_init() - @credentials are copied; NULL: nobody in particular */
void registry_auth_init(RegistryAuth *auth, HttpClient *http, const Credentials *credentials);
void registry_auth_done(RegistryAuth *auth);

/**
 * registry_auth_challenge() - remember what a 401 asks for
 * @response: the registry's own, not that of a server to which it redirects
 *
 * Any thread. Errors: those of challenge_read().
 */
int registry_auth_challenge(RegistryAuth *auth, const HttpResponse *response, Error *err);

/**
 * registry_auth_header() - the header's value for a request, as the last challenge wants it
 * @scope: what the request is about: `repository:a/b:pull`; several are separated by spaces
 * @stale: a value that was refused, and is not given again; or NULL
 * @ret:   heap; NULL: send none
 *
 * Any thread. Errors: ERR_INVALID (denied, or a realm that is no good), ERR_IO, ERR_LIMIT, ...
 */
int registry_auth_header(RegistryAuth *auth, const char *scope, const char *stale,
                         const TransferControl *control, char **ret, Error *err);
