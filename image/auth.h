/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who a user is to a registry: auth.json and the credential helpers, as containers-auth.json(5) has
 * them and docker's config.json before.
 *
 * The files are those that `podman login` and `docker login` write. An entry may be about a
 * registry, or a part of it, `quay.io/user`; the most specific one of the first file that has any
 * counts.
 */

#include "base/error.h"
#include "base/text.h"

#define AUTH_FILE_SIZE_MAX (1024 * 1024) /* bytes of one file */
#define AUTH_HELPER_MS     60000         /* a credential helper may ask its user */
#define AUTH_ANSWER_MAX    (64 * 1024)   /* bytes that it answers */

/* All NULL: nobody in particular. */
typedef struct Credentials {
        char *user, *password;
        char *identity_token; /* to be exchanged for others; then the password does not count */
} Credentials;

#define CREDENTIALS_INIT \
        { .user = NULL }

/** credentials_done() - overwrite and free */
void credentials_done(Credentials *credentials);
#define _cleanup_credentials_ _cleanup_(credentials_done)

/** credentials_parse() - `user:password`; ERR_INVALID, which does not show it */
int credentials_parse(const char *text, Credentials *ret, Error *err);

/**
 * auth_lookup() - find the credentials for a repository
 * @auth_file:  this file alone; NULL or "": REGISTRY_AUTH_FILE alone if it is set, else all of
 *              $XDG_RUNTIME_DIR/containers/auth.json (/run/containers/UID/auth.json without it),
 *              containers/auth.json in the user's configuration, $DOCKER_CONFIG/config.json
 *              ($HOME/.docker/config.json without it), $HOME/.dockercfg
 * @helpers:    registries.conf's credential-helpers, asked in their order, `containers-auth.json`
 *              being the files; NULL or none: the files alone
 * @host:       `docker.io`, `127.0.0.1:5000`
 * @repository: `library/busybox`; "": the registry itself
 *
 * 1: found, 0: there are none (@ret is CREDENTIALS_INIT). May start programs, and wait for them.
 * Errors: ERR_INVALID, ERR_LIMIT, ERR_IO (subject = the file or helper), ERR_NOT_FOUND (the file
 * that was named, or a helper that is not installed).
 */
int auth_lookup(const char *auth_file, const Strings *helpers, const char *host,
                const char *repository, Credentials *ret, Error *err);
