/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/authorities.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"

/* A name as OpenSSL's rehash makes them: eight hex digits, a dot, a number. */
static bool is_hash(const char *name) {
        return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
               name[9] <= '9';
}

char *authorities_folder(void) {
        const char *path = curl_version_info(CURLVERSION_NOW)->capath;
        DIR *dir = path ? opendir(path) : NULL;
        bool is_hashed = false;

        if (!dir)
                return NULL;
        for (struct dirent *entry; !is_hashed && (entry = readdir(dir));)
                is_hashed = is_hash(entry->d_name);
        (void)closedir(dir);
        return is_hashed ? xstrdup(path) : NULL;
}

int authorities_bundle(Buffer *ret, Error *err) {
        const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;
        _cleanup_free_ char *bundle = NULL;
        size_t size = 0;

        int r = path ? file_read_at(AT_FDCWD, path, AUTHORITIES_MAX, &bundle, &size) : -ENOENT;
        if (r == -ENOENT)
                return 0;
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path, "%s has more than %d bytes", path,
                                 AUTHORITIES_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, path, "cannot read %s", path);
        buffer_append(ret, bundle, size);
        buffer_append_byte(ret, '\n');
        return 0;
}
