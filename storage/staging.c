/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/staging.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"
#include "base/text.h"

#define PREFIX "selkie-"

static int open_locked(int tmp_fd, const char *name) {
        _cleanup_close_ int fd =
                openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int staging_open(Staging *staging, int tmp_fd, Error *err) {
        for (;;) {
                struct stat st;
                char random[17];
                random_hex(random, sizeof(random) - 1);
                snprintf(staging->name, sizeof(staging->name), PREFIX "%s", random);
                if (mkdirat(tmp_fd, staging->name, 0700) < 0)
                        return error_errno(err, ERR_IO, errno, staging->name,
                                           "cannot create staging folder %s", staging->name);
                int fd = open_locked(tmp_fd, staging->name);
                /*
                 * A sweep may have come between mkdir and flock: then this one is as good as gone.
                 */
                if (fd == -ENOENT || fd == -EWOULDBLOCK)
                        continue;
                if (fd < 0)
                        return error_errno(err, ERR_IO, -fd, staging->name,
                                           "cannot open staging folder %s", staging->name);
                if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
                        staging->fd = fd;
                        staging->tmp_fd = tmp_fd;
                        return 0;
                }
                (void)fd_close(fd);
        }
}

void staging_close(Staging *staging) {
        if (staging->fd < 0)
                return;
        /* What cannot be removed now, the next sweep removes. */
        (void)path_remove_tree(staging->tmp_fd, staging->name);
        staging->fd = fd_close(staging->fd);
}

int staging_sweep(int tmp_fd, Error *err) {
        int fd = openat(tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        if (!folder) {
                int errnum = errno;
                (void)fd_close(fd);
                return error_errno(err, ERR_IO, errnum, "tmp", "cannot read the staging folders");
        }
        int r = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(folder));) {
                if (!text_starts_with(entry->d_name, PREFIX))
                        continue;
                _cleanup_close_ int owned = open_locked(tmp_fd, entry->d_name);
                if (owned >= 0)
                        r = path_remove_tree(tmp_fd, entry->d_name);
        }
        closedir(folder);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, "tmp", "cannot remove a staging folder");
        return 0;
}
