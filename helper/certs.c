/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/certs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/config.h"
#include "base/fd.h"
#include "base/text.h"

void certs_done(Certs *certs) {
        buffer_done(&certs->authorities);
        free(certs->certificate);
        free(certs->key);
        *certs = (Certs)CERTS_INIT;
}

/* The length of @name without @suffix, or 0. */
static size_t stem_length(const char *name, const char *suffix) {
        size_t length = strlen(name), tail = strlen(suffix);

        return length > tail && text_equal(name + length - tail, suffix) ? length - tail : 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(DIR *dir, const char *folder, Strings *names, Error *err) {
        errno = 0;
        for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
                if (entry->d_name[0] == '.')
                        continue;
                if (names->count == CERTS_FILES_MAX)
                        return error_set(err, ERR_LIMIT, folder,
                                         "the folder %s has more than %d files", folder,
                                         CERTS_FILES_MAX);
                strings_add(names, entry->d_name);
        }
        if (errno != 0)
                return error_errno(err, ERR_IO, errno, folder, "cannot read the folder %s", folder);
        if (names->count > 0)
                qsort(names->items, names->count, sizeof(char *), compare_names);
        return 0;
}

static int add_authority(Certs *certs, const char *path, Error *err) {
        size_t room = CERTS_AUTHORITIES_MAX - certs->authorities.size;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        int r = file_read_at(AT_FDCWD, path, room, &text, &size);
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path,
                                 "the authorities up to %s have more than %d bytes", path,
                                 CERTS_AUTHORITIES_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, path, "cannot read %s", path);
        buffer_append(&certs->authorities, text, size);
        if (certs->authorities.size < CERTS_AUTHORITIES_MAX)
                buffer_append_byte(&certs->authorities, '\n');
        return 0;
}

static int add_pair(Certs *certs, const char *folder, const Strings *names, const char *name,
                    size_t stem, Error *err) {
        _cleanup_free_ char *key = xasprintf("%.*s.key", (int)stem, name);

        if (!strings_contains(names, key))
                return error_set(err, ERR_INVALID, folder,
                                 "%s/%s: the key %s is missing (an authority ends in .crt)", folder,
                                 name, key);
        if (certs->certificate) /* the first by name is shown */
                return 0;
        certs->certificate = xasprintf("%s/%s", folder, name);
        certs->key = xasprintf("%s/%s", folder, key);
        return 0;
}

static int add_name(Certs *certs, const char *folder, const Strings *names, const char *name,
                    Error *err) {
        size_t stem = stem_length(name, ".cert");

        if (stem > 0)
                return add_pair(certs, folder, names, name, stem, err);
        if (stem_length(name, ".crt") > 0) {
                _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
                return add_authority(certs, path, err);
        }
        stem = stem_length(name, ".key");
        if (stem > 0) {
                _cleanup_free_ char *certificate = xasprintf("%.*s.cert", (int)stem, name);
                if (!strings_contains(names, certificate))
                        return error_set(err, ERR_INVALID, folder,
                                         "%s/%s: the certificate %s is missing", folder, name,
                                         certificate);
        }
        return 0;
}

/* 1: there is such a folder, 0: there is none. */
static int load_folder(const char *folder, Certs *certs, Error *err) {
        _cleanup_strings_ Strings names = STRINGS_INIT;
        DIR *dir = opendir(folder);

        if (!dir && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
                return 0;
        if (!dir)
                return error_errno(err, ERR_IO, errno, folder, "cannot read the folder %s", folder);
        int r = list_names(dir, folder, &names, err);
        (void)closedir(dir);
        for (size_t i = 0; r == 0 && i < names.count; i++)
                r = add_name(certs, folder, &names, names.items[i], err);
        return r < 0 ? r : 1;
}

static int search(const char *host, Certs *certs, Error *err) {
        _cleanup_strings_ Strings folders = STRINGS_INIT;

        if (strchr(host, '/') || host[0] == '.')
                return error_set(err, ERR_INVALID, host, "\"%s\" is no registry's host", host);
        _cleanup_free_ char *home = config_home_path("containers/certs.d");
        _cleanup_free_ char *system = config_system_path("/etc/containers/certs.d");
        _cleanup_free_ char *docker = config_system_path("/etc/docker/certs.d");
        if (home)
                strings_printf(&folders, "%s/%s", home, host);
        strings_printf(&folders, "%s/%s", system, host);
        strings_printf(&folders, "%s/%s", docker, host);
        int r = 0;
        for (size_t i = 0; r == 0 && i < folders.count; i++)
                r = load_folder(folders.items[i], certs, err);
        return r < 0 ? r : 0;
}

int certs_load(const char *host, const char *folder, Certs *ret, Error *err) {
        _cleanup_certs_ Certs certs = CERTS_INIT;

        int r = folder ? load_folder(folder, &certs, err) : search(host, &certs, err);
        if (r < 0)
                return r;
        if (r == 0 && folder)
                return error_set(err, ERR_NOT_FOUND, folder,
                                 "the folder of certificates %s cannot be read", folder);
        *ret = certs;
        certs = (Certs)CERTS_INIT;
        return 0;
}
