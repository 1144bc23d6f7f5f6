/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/lock.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/path.h"

int engine_lock(const char *graph_root, int *ret_fd, Error *err) {
        _cleanup_free_ char *folder = xasprintf("%s/selkie", graph_root);
        _cleanup_free_ char *path = xasprintf("%s/lock", folder);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        int r = path_make_dirs(folder, 0700);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, folder, "cannot make %s", folder);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open %s", path);
        if (fcntl(fd, F_SETLK, &lock) < 0) {
                if (errno != EACCES && errno != EAGAIN)
                        return error_errno(err, ERR_IO, errno, path, "cannot lock %s", path);
                (void)fcntl(fd, F_GETLK, &lock); /* who holds it, for the sentence */
                return error_set(err, ERR_IN_USE, graph_root,
                                 "the store %s is served by another engine already (pid %d)",
                                 graph_root, (int)lock.l_pid);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}
