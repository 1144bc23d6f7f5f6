/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lock.h"

#include <assert.h>
#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/timestamp.h"

int lock_file_open(LockFile *lock, int dir_fd, const char *name, const char *path, Error *err) {
        int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open lock file %s", path);
        lock->fd = fd;
        lock->path = xstrdup(path);
        return 0;
}

void lock_file_close(LockFile *lock) {
        lock->fd = fd_close(lock->fd);
        free(lock->path);
        lock->path = NULL;
}

static int set_lock(int fd, short type) {
        struct flock range = { .l_type = type, .l_whence = SEEK_SET };
        int r;

        do
                r = fcntl(fd, F_OFD_SETLKW, &range);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

int lock_file_acquire(LockFile *lock, LockFile **ret, Error *err) {
        (void)pthread_mutex_lock(&lock->mutex);
        int r = set_lock(lock->fd, F_WRLCK);
        if (r < 0) {
                (void)pthread_mutex_unlock(&lock->mutex);
                return error_errno(err, ERR_IO, -r, lock->path, "cannot lock %s", lock->path);
        }
        *ret = lock;
        return 0;
}

void lock_file_release(LockFile *lock) {
        int r = set_lock(lock->fd, F_UNLCK);
        assert(r == 0); /* unlocking a whole file needs no memory and cannot wait */
        (void)pthread_mutex_unlock(&lock->mutex);
}

int lock_file_read_stamp(const LockFile *lock, LockStamp *ret, Error *err) {
        LockStamp stamp = { { 0 } };

        if (pread(lock->fd, &stamp, sizeof(stamp), 0) < 0)
                return error_errno(err, ERR_IO, errno, lock->path, "cannot read %s", lock->path);
        *ret = stamp;
        return 0;
}

int lock_file_write_stamp(const LockFile *lock, LockStamp *ret, Error *err) {
        static _Atomic uint64_t counter;
        uint64_t now = htole64((uint64_t)timestamp_now());
        uint64_t count = htole64(atomic_fetch_add(&counter, 1) + 1);
        uint32_t pid = htole32((uint32_t)getpid());
        LockStamp stamp;

        memcpy(stamp.bytes, &now, 8);
        memcpy(stamp.bytes + 8, &count, 8);
        memcpy(stamp.bytes + 16, &pid, 4);
        random_bytes(stamp.bytes + 20, sizeof(stamp.bytes) - 20);
        ssize_t n = pwrite(lock->fd, &stamp, sizeof(stamp), 0);
        if (n != (ssize_t)sizeof(stamp))
                return error_errno(err, ERR_IO, n < 0 ? errno : EIO, lock->path, "cannot write %s",
                                   lock->path);
        *ret = stamp;
        return 0;
}
