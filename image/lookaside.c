/* SPDX-License-Identifier: Apache-2.0 */
#include "image/lookaside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fd.h"
#include "base/text.h"
#include "image/scope.h"

#define SYSTEM_FOLDER  "/etc/containers/registries.d"
#define USER_FOLDER    "containers/registries.d"
#define DEFAULT_FOLDER "/var/lib/containers/sigstore"
#define HOME_FOLDER    ".local/share/containers/sigstore"

void lookaside_done(Lookaside *lookaside) {
        for (size_t i = 0; i < lookaside->count; i++) {
                free(lookaside->scopes[i].scope);
                free(lookaside->scopes[i].url);
        }
        free(lookaside->scopes);
        *lookaside = (Lookaside)LOOKASIDE_INIT;
}

/* --- the files --- */

static int load_file(Lookaside *lookaside, const char *path, Error *err) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        int r = file_read_at(AT_FDCWD, path, LOOKASIDE_FILE_MAX, &text, &size);
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path, "%s has more than %d bytes", path,
                                 LOOKASIDE_FILE_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, path, "cannot read %s", path);
        return lookaside_parse(lookaside, path, text, size, err);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_suffix(const char *name, const char *suffix) {
        size_t length = strlen(name), tail = strlen(suffix);

        return length > tail && text_equal(name + length - tail, suffix);
}

static int load_folder(Lookaside *lookaside, DIR *folder, const char *path, Error *err) {
        _cleanup_strings_ Strings files = STRINGS_INIT;

        for (struct dirent *entry; (entry = readdir(folder));)
                if (has_suffix(entry->d_name, ".yaml"))
                        strings_printf(&files, "%s/%s", path, entry->d_name);
        if (files.count > 0)
                qsort(files.items, files.count, sizeof(*files.items), compare_names);
        for (size_t i = 0; i < files.count; i++)
                if (load_file(lookaside, files.items[i], err) < 0)
                        return -1;
        return 0;
}

int lookaside_load(Lookaside *ret, Error *err) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        _cleanup_free_ char *user = config_home_path(USER_FOLDER);
        _cleanup_free_ char *system = config_system_path(SYSTEM_FOLDER);
        const char *path = user && access(user, F_OK) == 0 ? user : system;

        DIR *folder = opendir(path);
        if (!folder && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, path, "cannot read the folder %s", path);
        int r = folder ? load_folder(&lookaside, folder, path, err) : 0;
        if (folder)
                (void)closedir(folder);
        if (r < 0)
                return -1;
        *ret = lookaside;
        lookaside = (Lookaside)LOOKASIDE_INIT;
        return 0;
}

/* --- the place --- */

static const char *find(const Lookaside *lookaside, const char *scope) {
        for (size_t i = 0; i < lookaside->count; i++)
                if (text_equal(lookaside->scopes[i].scope, scope) && *lookaside->scopes[i].url)
                        return lookaside->scopes[i].url;
        return NULL;
}

static char *default_url(void) {
        const char *home = geteuid() == 0 ? NULL : config_from_environment("HOME");

        if (home)
                return xasprintf("file://%s/" HOME_FOLDER, home);
        _cleanup_free_ char *path = config_system_path(DEFAULT_FOLDER);
        return xasprintf("file://%s", path);
}

static char *base_url(const Lookaside *lookaside, const Reference *image) {
        _cleanup_strings_ Strings scopes = STRINGS_INIT;
        char text[REFERENCE_TEXT_MAX];

        scope_list("docker", reference_format(image, text), &scopes);
        strings_add(&scopes, ""); /* default-docker */
        for (size_t i = 0; i < scopes.count; i++) {
                const char *url = find(lookaside, scopes.items[i]);
                if (url)
                        return xstrdup(url);
        }
        return default_url();
}

char *lookaside_url(const Lookaside *lookaside, const Reference *image, const char *digest,
                    size_t number) {
        _cleanup_free_ char *base = base_url(lookaside, image);
        size_t length = strlen(base);

        while (length > 0 && base[length - 1] == '/')
                length--;
        return xasprintf("%.*s/%s@sha256=%s/signature-%zu", (int)length, base, image->path,
                         digest_hex(digest), number);
}

/* --- reading --- */

static int read_path(const char *path, Buffer *ret, Error *err) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = file_read_at(AT_FDCWD, path, LOOKASIDE_SIGNATURE_SIZE, &data, &size);
        if (r == -ENOENT)
                return 0;
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path, "the signature %s has more than %d bytes",
                                 path, LOOKASIDE_SIGNATURE_SIZE);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, path, "cannot read the signature %s", path);
        buffer_append(ret, data, size);
        return 1;
}

static int read_one(const char *url, LookasideFetch fetch, void *userdata, Buffer *ret,
                    Error *err) {
        const char *path = text_starts_with(url, "file://");

        if (path)
                return read_path(path, ret, err);
        if (text_starts_with(url, "http://") || text_starts_with(url, "https://"))
                return fetch(userdata, url, ret, err);
        return error_set(err, ERR_UNSUPPORTED, url,
                         "signatures at %.200s cannot be read: file, http and https are known",
                         url);
}

int lookaside_read(const Lookaside *lookaside, const Reference *image, const char *digest,
                   LookasideFetch fetch, void *userdata, Buffer **ret, size_t *ret_count,
                   Error *err) {
        for (size_t i = 1; i <= LOOKASIDE_SIGNATURES_MAX; i++) {
                _cleanup_free_ char *url = lookaside_url(lookaside, image, digest, i);
                Buffer signature = BUFFER_INIT;
                int r = read_one(url, fetch, userdata, &signature, err);
                if (r <= 0) {
                        buffer_done(&signature);
                        return r;
                }
                *ret = xrealloc(*ret, *ret_count + 1, sizeof(**ret));
                (*ret)[(*ret_count)++] = signature;
        }
        return error_set(err, ERR_LIMIT, digest, "more than %d signatures for %s",
                         LOOKASIDE_SIGNATURES_MAX, digest);
}
