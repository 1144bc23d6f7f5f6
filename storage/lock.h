/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A lock file of the store: exclusion against other programs, and the stamp of the last writer.
 *
 * The other tools take POSIX record locks over the whole file. This takes an open-file-description
 * lock, which conflicts with theirs in the same way, but does not vanish when some other descriptor
 * of the file is closed in this process. It belongs to the descriptor and not to the thread, so a
 * mutex stands before it.
 *
 * Each file holds 64 bytes that its last writer left. A reader that finds other bytes than it
 * remembers reads the data file again. The size must stay 64: others reload for ever otherwise.
 */

#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#include "base/error.h"

#define LOCK_STAMP_SIZE 64

typedef struct LockStamp {
        uint8_t bytes[LOCK_STAMP_SIZE]; /* zero: never written */
} LockStamp;

typedef struct LockFile {
        pthread_mutex_t mutex;
        int fd;
        char *path; /* for error texts */
} LockFile;

#define LOCK_FILE_INIT \
        { .mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -EBADF }

/** lock_file_open() - open or create @name in @dir_fd; @path is copied; ERR_IO */
int lock_file_open(LockFile *lock, int dir_fd, const char *name, const char *path, Error *err);
void lock_file_close(LockFile *lock);

/** lock_file_acquire() - wait until this thread alone, of all programs, holds it: *ret; ERR_IO */
int lock_file_acquire(LockFile *lock, LockFile **ret, Error *err);
void lock_file_release(LockFile *lock);

/* For _cleanup_(): a variable that is NULL until the lock is held. */
static inline void lock_file_releasep(LockFile **lock) {
        if (*lock)
                lock_file_release(*lock);
}

/** lock_file_read_stamp() - what the last writer left; needs no lock: a torn read just differs */
int lock_file_read_stamp(const LockFile *lock, LockStamp *ret, Error *err);

/** lock_file_write_stamp() - leave a new stamp, and remember it in @ret; the lock is held */
int lock_file_write_stamp(const LockFile *lock, LockStamp *ret, Error *err);
