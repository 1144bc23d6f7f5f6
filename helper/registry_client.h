/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One repository of one registry, talked to: where it is, who we are to it, and trying again.
 *
 * The first call finds out whether it speaks https or, if that will do, plain http, and whether it
 * wants a login. Thread-safe.
 */

#include <pthread.h>

#include "helper/http.h"
#include "helper/registry.h"
#include "helper/registry_auth.h"

#define REGISTRY_DOCUMENT_MAX (4 * 1024 * 1024) /* bytes of an answer without a limit of its own */

typedef struct RegistryClient {
        char *host;       /* as users say it, for errors */
        char *repository; /* "" for none */
        char *api_host;   /* who is asked */
        char *scope;      /* of the calls about the repository */
        bool is_insecure;
        const TransferControl *control; /* borrowed; or NULL */
        HttpClient *http;
        RegistryAuth auth;
        pthread_mutex_t mutex; /* guards what follows; held while it is found out; before the
                                  auth's */
        char *base;            /* `https://host`; NULL: not known yet; never changed again */
} RegistryClient;

/**
 * registry_client_new() - opens no connection
 * @scope: what tokens are asked for: `repository:a/b:pull`
 */
int registry_client_new(RegistryClient **ret, const RegistryOptions *options, const char *scope,
                        Error *err);
RegistryClient *registry_client_free(RegistryClient *client);
DEFINE_CLEANUP(RegistryClient, registry_client_free);

/** registry_client_url() - the URL of a path below `/v2/`, heap; connects if that was not done */
int registry_client_url(RegistryClient *client, char **ret, Error *err, const char *fmt, ...)
        _printf_(4, 5);

/**
 * registry_client_perform() - http_perform() with an authorization, renewed when it is refused
 *
 * A status that is not 401 is the caller's to judge. A body that comes in pieces is not sent again
 * once its first piece was taken. Errors: as http_perform(), ERR_INVALID (denied).
 */
int registry_client_perform(RegistryClient *client, HttpRequest *request, HttpResponse *response,
                            Error *err);

/**
 * registry_client_call() - the same, tried again where that may help; not for bodies in pieces
 *
 * 0 for every status that says more than that of the moment.
 */
int registry_client_call(RegistryClient *client, HttpRequest *request, HttpResponse *response,
                         Error *err);
