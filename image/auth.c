/* SPDX-License-Identifier: Apache-2.0 */
#include "image/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/fd.h"
#include "image/auth_helper.h"
#include "oci/document.h"

#define DOCKER_HUB_KEY    "index.docker.io"             /* what all its names stand for */
#define DOCKER_HUB_SERVER "https://index.docker.io/v1/" /* as docker login stores it */
#define FILES_WORD        "containers-auth.json"

/* One file, in one of two forms. */
typedef struct AuthFile {
        char *path;
        bool is_old; /* .dockercfg: the entries alone, without `auths` around them */
} AuthFile;

#define AUTH_FILES_MAX 4

typedef struct AuthFiles {
        AuthFile items[AUTH_FILES_MAX];
        size_t count;
        bool is_named; /* by the caller or the environment: it must be there */
} AuthFiles;

static void auth_files_done(AuthFiles *files) {
        for (size_t i = 0; i < files->count; i++)
                free(files->items[i].path);
}

static void secret_freep(char **secret) {
        if (*secret)
                explicit_bzero(*secret, strlen(*secret));
        free(*secret);
        *secret = NULL;
}
#define _cleanup_secret_ _cleanup_(secret_freep)

void credentials_done(Credentials *credentials) {
        free(credentials->user);
        secret_freep(&credentials->password);
        secret_freep(&credentials->identity_token);
        *credentials = (Credentials)CREDENTIALS_INIT;
}

int credentials_parse(const char *text, Credentials *ret, Error *err) {
        const char *colon = strchr(text, ':');

        if (!colon || colon == text)
                return error_set(err, ERR_INVALID, "credentials",
                                 "the credentials are not of the form user:password");
        ret->user = xstrndup(text, (size_t)(colon - text));
        ret->password = xstrdup(colon + 1);
        ret->identity_token = NULL;
        return 0;
}

/* --- where the files are --------------------------------------------------------------------- */

static void add_file(AuthFiles *files, char *take_path, bool is_old) {
        if (take_path)
                files->items[files->count++] = (AuthFile){ take_path, is_old };
}

static char *home_file(const char *name) {
        const char *home = config_from_environment("HOME");

        return home ? xasprintf("%s/%s", home, name) : NULL;
}

static char *runtime_file(void) {
        const char *folder = config_from_environment("XDG_RUNTIME_DIR");

        if (folder)
                return xasprintf("%s/containers/auth.json", folder);
        _cleanup_free_ char *path = xasprintf("/run/containers/%u/auth.json", (unsigned)geteuid());
        return config_system_path(path);
}

static void list_files(const char *auth_file, AuthFiles *files) {
        const char *named = text_is_empty(auth_file) ? config_from_environment("REGISTRY_AUTH_FILE")
                                                     : auth_file;
        const char *docker = config_from_environment("DOCKER_CONFIG");

        if (named) {
                files->is_named = true;
                add_file(files, xstrdup(named), false);
                return;
        }
        add_file(files, runtime_file(), false);
        add_file(files, config_user_path("containers/auth.json"), false);
        add_file(files,
                 docker ? xasprintf("%s/config.json", docker) : home_file(".docker/config.json"),
                 false);
        add_file(files, home_file(".dockercfg"), true);
}

/* --- one entry ------------------------------------------------------------------------------- */

/* @auth is base64 of `user:password`; some writers pad the password with NUL bytes. */
static int decode_pair(const char *where, const char *auth, Credentials *ret, Error *err) {
        void *data = NULL;
        size_t size = 0;

        int r = base64_decode(auth, strlen(auth), &data, &size);
        _cleanup_secret_ char *pair = data;
        if (r == 0 && pair && strchr(pair, ':')) {
                char *colon = strchr(pair, ':');
                ret->user = xstrndup(pair, (size_t)(colon - pair));
                ret->password = xstrdup(colon + 1);
                return 1;
        }
        return error_set(err, ERR_INVALID, where, "%s: `auth` is not base64 of user:password",
                         where);
}

/* 1: it says who, 0: it is empty, as those are whose secret a helper keeps. */
static int read_entry(const json_t *entry, const char *where, Credentials *ret, Error *err) {
        _cleanup_secret_ char *auth = NULL, *token = NULL;
        int r = 0;

        if (document_text(entry, "", "auth", &auth, err) < 0 ||
            document_text(entry, "", "identitytoken", &token, err) < 0)
                return -1;
        if (*auth)
                r = decode_pair(where, auth, ret, err);
        if (r >= 0 && *token) {
                ret->identity_token = TAKE_PTR(token);
                r = 1;
        }
        return r;
}

static const char *normalize_host(const char *host) {
        return text_equal(host, "docker.io") || text_equal(host, "registry-1.docker.io")
                       ? DOCKER_HUB_KEY
                       : host;
}

/* Whether a key, perhaps a URL as docker's older versions wrote it, is about a registry. */
static bool key_is_about(const char *key, const char *host, bool is_old) {
        const char *rest = text_starts_with(key, "https://");

        if (!rest)
                rest = text_starts_with(key, "http://");
        bool is_url = rest != NULL;
        _cleanup_free_ char *text = xstrdup(rest ? rest : key);
        if (is_url || is_old)
                text[strcspn(text, "/")] = '\0';
        return text_equal(normalize_host(text), normalize_host(host));
}

static int read_key(const json_t *auths, const char *key, const AuthFile *file, Credentials *ret,
                    Error *err) {
        const json_t *entry = json_object_get(auths, key);

        if (!entry || json_is_null(entry))
                return 0;
        if (!json_is_object(entry))
                return error_set(err, ERR_INVALID, file->path, "the entry \"%.100s\" is no object",
                                 key);
        _cleanup_free_ char *where = xasprintf("entry \"%.100s\"", key);
        return read_entry(entry, where, ret, err);
}

/* From `host/a/b` over `host/a` to `host`, then whatever else means the host. */
static int search_auths(const json_t *auths, const AuthFile *file, const char *host,
                        const char *repository, Credentials *ret, Error *err) {
        _cleanup_free_ char *key = *repository ? xasprintf("%s/%s", host, repository)
                                               : xstrdup(host);
        int r = 0;

        while (!file->is_old) {
                r = read_key(auths, key, file, ret, err);
                char *slash = strrchr(key, '/');
                if (r != 0 || !slash)
                        break;
                *slash = '\0';
        }
        const char *other;
        json_t *entry;
        json_object_foreach((json_t *)auths, other, entry) {
                if (r != 0)
                        break;
                if (key_is_about(other, host, file->is_old))
                        r = read_key(auths, other, file, ret, err);
        }
        return r;
}

/* --- one file -------------------------------------------------------------------------------- */

static const char *server_name(const char *host) {
        return text_equal(normalize_host(host), DOCKER_HUB_KEY) ? DOCKER_HUB_SERVER : host;
}

/* The helper that a file names for one registry alone. */
static int ask_own_helper(const json_t *root, const char *host, Credentials *ret, Error *err) {
        _cleanup_free_ char *name = NULL;
        json_t *helpers = NULL;

        if (document_object(root, "", "credHelpers", &helpers, err) < 0)
                return -1;
        if (!helpers || document_text(helpers, "credHelpers.", host, &name, err) < 0)
                return helpers ? -1 : 0;
        return *name ? auth_helper_get(name, host, ret, err) : 0;
}

/* The helper that a file names for all registries. */
static int ask_store(const json_t *root, const char *host, Credentials *ret, Error *err) {
        _cleanup_free_ char *name = NULL;

        if (document_text(root, "", "credsStore", &name, err) < 0)
                return -1;
        return *name ? auth_helper_get(name, server_name(host), ret, err) : 0;
}

static int search_root(const json_t *root, const AuthFile *file, const char *host,
                       const char *repository, Credentials *ret, Error *err) {
        json_t *auths = NULL;

        if (file->is_old)
                return search_auths(root, file, host, repository, ret, err);
        int r = ask_own_helper(root, host, ret, err);
        if (r == 0)
                r = document_object(root, "", "auths", &auths, err);
        if (r == 0 && auths)
                r = search_auths(auths, file, host, repository, ret, err);
        return r == 0 ? ask_store(root, host, ret, err) : r;
}

static int search_file(const AuthFile *file, bool is_named, const char *host,
                       const char *repository, Credentials *ret, Error *err) {
        _cleanup_secret_ char *text = NULL;
        json_t *root = NULL;
        size_t size = 0;

        int r = file_read_at(AT_FDCWD, file->path, AUTH_FILE_SIZE_MAX, &text, &size);
        if (!is_named && (r == -ENOENT || r == -ENOTDIR || r == -EACCES))
                return 0;
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, file->path, "%s has more than %d bytes",
                                 file->path, AUTH_FILE_SIZE_MAX);
        if (r < 0)
                return error_errno(err, r == -ENOENT ? ERR_NOT_FOUND : ERR_IO, -r, file->path,
                                   "cannot read the credentials in %s", file->path);
        if (size == 0)
                return 0;
        r = document_parse(text, size, AUTH_FILE_SIZE_MAX, "file", &root, err);
        if (r == 0)
                r = search_root(root, file, host, repository, ret, err);
        if (root)
                json_decref(root);
        return r < 0 ? error_prefix(err, "%s", file->path) : r;
}

static int search_files(const AuthFiles *files, const char *host, const char *repository,
                        Credentials *ret, Error *err) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < files->count; i++)
                r = search_file(&files->items[i], files->is_named, host, repository, ret, err);
        return r;
}

int auth_lookup(const char *auth_file, const Strings *helpers, const char *host,
                const char *repository, Credentials *ret, Error *err) {
        _cleanup_(auth_files_done)
        AuthFiles files = { .count = 0 };
        _cleanup_credentials_ Credentials found = CREDENTIALS_INIT;
        int r = 0;

        list_files(auth_file, &files);
        if (!helpers || helpers->count == 0)
                r = search_files(&files, host, repository, &found, err);
        for (size_t i = 0; r == 0 && helpers && i < helpers->count; i++)
                r = text_equal(helpers->items[i], FILES_WORD)
                            ? search_files(&files, host, repository, &found, err)
                            : auth_helper_get(helpers->items[i], host, &found, err);
        if (r < 0)
                return r;
        *ret = found;
        found = (Credentials)CREDENTIALS_INIT;
        return r;
}
