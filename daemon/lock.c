/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/lock.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"

#define PID_TEXT_MAX 32

/* Who holds it, for the error's sentence. */
static void read_holder(int fd, char text[static PID_TEXT_MAX]) {
        ssize_t n = pread(fd, text, PID_TEXT_MAX - 1, 0);

        text[n > 0 ? n : 0] = '\0';
}

int engine_lock(const char *graph_root, int *ret_fd, Error *err) {
        _cleanup_free_ char *folder = xasprintf("%s/selkie", graph_root);
        _cleanup_free_ char *path = xasprintf("%s/lock", folder);
        char holder[PID_TEXT_MAX];

        int r = path_make_dirs(folder, 0700);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, folder, "cannot make %s", folder);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return error_errno(err, ERR_IO, errno, path, "cannot lock %s", path);
                read_holder(fd, holder);
                return error_set(err, ERR_IN_USE, graph_root,
                                 "the store %s is served by another engine already (pid %s)",
                                 graph_root, *holder ? holder : "unknown");
        }
        int n = snprintf(holder, sizeof(holder), "%d", (int)getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, holder, (size_t)n, 0) != n)
                return error_errno(err, ERR_IO, errno, path, "cannot write %s", path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}
