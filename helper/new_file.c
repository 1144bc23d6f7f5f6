/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/new_file.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/random.h"

#define RANDOM_DIGITS 16

static char *hidden_name(void) {
        char random[RANDOM_DIGITS + 1];

        random_hex(random, RANDOM_DIGITS);
        return xasprintf(".tmp-%s", random);
}

int new_file_open(NewFile *ret, int dir_fd, mode_t mode, Error *err) {
        NewFile file = { .dir_fd = dir_fd };

        file.fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
        if (file.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
                file.hidden = hidden_name();
                file.fd = openat(dir_fd, file.hidden, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
        }
        if (file.fd < 0) {
                int errnum = errno;
                free(file.hidden);
                return error_errno(err, ERR_IO, errnum, NULL, "cannot create a file");
        }
        *ret = file;
        return 0;
}

/* Gives it a name that is not taken: 0 or -errno. */
static int link_as(const NewFile *file, const char *name) {
        char path[32];

        if (file->hidden)
                return linkat(file->dir_fd, file->hidden, file->dir_fd, name, 0) < 0 ? -errno : 0;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
        return linkat(AT_FDCWD, path, file->dir_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* Only a name can replace a name. */
static int replace_name(NewFile *file, const char *name) {
        if (!file->hidden) {
                char *hidden = hidden_name();
                int r = link_as(file, hidden);
                if (r < 0) {
                        free(hidden);
                        return r;
                }
                file->hidden = hidden;
        }
        if (renameat(file->dir_fd, file->hidden, file->dir_fd, name) < 0)
                return -errno;
        free(TAKE_PTR(file->hidden));
        return 0;
}

int new_file_publish(NewFile *file, const char *name, bool replace, Error *err) {
        int r = link_as(file, name);

        if (r == -EEXIST && replace)
                r = replace_name(file, name);
        if (r < 0)
                return error_errno(err, r == -EEXIST ? ERR_EXISTS : ERR_IO, -r, name,
                                   "cannot name a file %s", name);
        new_file_done(file);
        return 0;
}

void new_file_done(NewFile *file) {
        if (file->hidden)
                (void)unlinkat(file->dir_fd, file->hidden, 0);
        free(file->hidden);
        (void)fd_close(file->fd);
        *file = (NewFile)NEW_FILE_INIT;
}
