/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One lock file for each blob, below the run root as the other tools have it. Whoever waits asks
 * again and again, more slowly each time: it must hear when nobody wants the blob any more, and a
 * fetch takes longer than that.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/digest.h"
#include "storage/layers.h"

#define WAIT_FIRST_MS 2
#define WAIT_LAST_MS  100

struct StoreBlobLock {
        int fd;
};

/* A lock belongs to the open file, so it excludes other threads as well. */
static bool try_lock(int fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static int wait_for(int fd, const char *path, bool (*is_cancelled)(void *userdata), void *userdata,
                    Error *err) {
        for (long ms = WAIT_FIRST_MS; !try_lock(fd);) {
                if (errno != EAGAIN && errno != EACCES && errno != EINTR)
                        return error_errno(err, ERR_IO, errno, path, "cannot lock %s", path);
                if (is_cancelled && is_cancelled(userdata))
                        return error_set(err, ERR_CANCELLED, path, "cancelled");
                (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
                ms = ms * 2 < WAIT_LAST_MS ? ms * 2 : WAIT_LAST_MS;
        }
        return 0;
}

int store_blob_lock(Store *store, const char *digest, bool (*is_cancelled)(void *userdata),
                    void *userdata, StoreBlobLock **ret, Error *err) {
        _cleanup_free_ char *folder =
                xasprintf("%s/%s-locks", store_run_root(store), store_driver(store));
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, digest);

        if (!digest_is_valid(digest))
                return error_set(err, ERR_INVALID, digest, "\"%.100s\" is no digest", digest);
        int r = path_make_dirs(folder, 0700);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, folder, "cannot make %s", folder);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open %s", path);
        if (wait_for(fd, path, is_cancelled, userdata, err) < 0)
                return -1;
        StoreBlobLock *lock = xnew(StoreBlobLock, 1);
        lock->fd = TAKE_FD(fd);
        *ret = lock;
        return 0;
}

StoreBlobLock *store_blob_unlock(StoreBlobLock *lock) {
        if (!lock)
                return NULL;
        (void)fd_close(lock->fd);
        free(lock);
        return NULL;
}
