/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * File descriptors and whole files.
 *
 * An unset descriptor is -EBADF. close() runs once and is never retried: after EINTR another thread
 * may own the number. Everything that can fail returns >= 0 or -errno; nothing logs.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/memory.h"

/** fd_close() - close if set; returns -EBADF, keeps errno */
int fd_close(int fd);

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}
#define _cleanup_close_ _cleanup_(fd_closep)

/** TAKE_FD() - move a descriptor out of its variable, which is left -EBADF */
#define TAKE_FD(var)                        \
        ({                                  \
                int *_take_fd = &(var);     \
                int _take_fd_v = *_take_fd; \
                *_take_fd = -EBADF;         \
                _take_fd_v;                 \
        })

/** fd_write_all() - write all of @size bytes, across short writes and EINTR; 0 or -errno */
int fd_write_all(int fd, const void *data, size_t size);

/** fd_read_full() - read until @size bytes or end of file; returns the count or -errno */
ssize_t fd_read_full(int fd, void *data, size_t size);

/** fd_set_nonblock() - O_NONBLOCK on or off; 0 or -errno */
int fd_set_nonblock(int fd, bool nonblock);

/**
 * file_read_at() - read a whole small file, relative to a directory
 * @dir_fd:   directory, or AT_FDCWD
 * @path:     relative or absolute path; symbolic links are followed, so trusted paths only
 * @max:      refuse files longer than this with -EFBIG
 * @ret_data: heap text, always NUL-terminated one past its end
 * @ret_size: length in bytes, may be NULL
 */
int file_read_at(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_size);

/**
 * file_write_atomic_at() - replace a file so that a reader sees the old or the new content, never
 * less
 * @mode: permission bits of the new file, exactly (umask does not apply)
 * @sync: also fdatasync before the rename, so that it is the old or the new content after a power
 *        cut, too
 *
 * Writes `.tmp-<name>-<random>` beside the target, then renames. On failure the temporary is gone.
 */
int file_write_atomic_at(int dir_fd, const char *path, const void *data, size_t size, mode_t mode,
                         bool sync);

/**
 * file_read_int64() - a decimal number and optional newline in a file; 0, or -errno (-EINVAL: no
 * number)
 */
int file_read_int64(int dir_fd, const char *path, int64_t *ret);
