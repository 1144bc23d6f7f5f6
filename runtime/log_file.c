/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A reader holds the file that it reads open, so that conmon's replacing it loses nothing: the old
 * file is read to its end, and only then the new one is opened. Bytes behind the last newline wait
 * in the file, not here: the position is moved back to the beginning of the unfinished record.
 */

#include "runtime/log_file.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/fd.h"

#define READ_SIZE ((size_t)LOG_BATCH_MAX) /* each finds the end of a record, or cuts it */

struct LogFile {
        char *path;
        int fd; /* -EBADF: there was no file yet */
        off_t position;
        dev_t device;
        ino_t inode;

        /* loop thread only */
        sd_event_source *folder_source, *file_source;
        void (*on_change)(LogFile *log, void *userdata);
        void *userdata;
        Loop *loop;
};

static_assert(READ_SIZE > LOG_RECORD_MAX, "a read must find the end of any record");

static int open_file(LogFile *log, Error *err) {
        _cleanup_close_ int fd = open(log->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, ERR_IO, errno, log->path, "cannot open %s", log->path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, ERR_CORRUPT, log->path, "%s is no regular file", log->path);
        log->fd = TAKE_FD(fd);
        log->position = 0;
        log->device = st.st_dev;
        log->inode = st.st_ino;
        return 0;
}

int log_file_open(LogFile **ret, const char *path, Error *err) {
        _cleanup_(log_file_closep)
        LogFile *log = xnew(LogFile, 1);

        *log = (LogFile){ .path = xstrdup(path), .fd = -EBADF };
        if (open_file(log, err) < 0)
                return -1;
        *ret = TAKE_PTR(log);
        return 0;
}

LogFile *log_file_close(LogFile *log) {
        if (!log)
                return NULL;
        sd_event_source_disable_unref(log->folder_source);
        sd_event_source_disable_unref(log->file_source);
        (void)fd_close(log->fd);
        free(log->path);
        free(log);
        return NULL;
}

/* Whether another file has taken the name of the one that is open. */
static bool was_replaced(const LogFile *log) {
        struct stat st;

        return stat(log->path, &st) == 0 && (st.st_ino != log->inode || st.st_dev != log->device);
}

/* How much there is to read now, at most READ_SIZE; 0: nothing. */
static ssize_t size_to_read(LogFile *log, Error *err) {
        struct stat st;

        if (fstat(log->fd, &st) < 0)
                return error_errno(err, ERR_IO, errno, log->path, "cannot read %s", log->path);
        if (st.st_size < log->position)
                log->position = 0; /* somebody emptied it */
        off_t size = st.st_size - log->position;
        return size < (off_t)READ_SIZE ? (ssize_t)size : (ssize_t)READ_SIZE;
}

/* The whole records of the open file from the position on; 0: nothing new that is whole. */
static ssize_t read_records(LogFile *log, Buffer *records, Error *err) {
        ssize_t size = size_to_read(log, err);
        if (size <= 0)
                return size;
        char *p = buffer_reserve(records, (size_t)size + 1);

        if (!p)
                return error_set(err, ERR_LIMIT, log->path, "out of memory");
        ssize_t n = pread(log->fd, p, (size_t)size, log->position);
        if (n < 0)
                return error_errno(err, ERR_IO, errno, log->path, "cannot read %s", log->path);
        if (n == 0)
                return 0;
        const char *newline = memrchr(p, '\n', (size_t)n);
        if (newline) {
                n = newline - p + 1;
                log->position += n;
        } else if (n > LOG_RECORD_MAX) {
                /* conmon writes no such record; whoever did gets it in pieces. */
                n = LOG_RECORD_MAX;
                log->position += n;
                p[n++] = '\n';
        } else {
                return 0;
        }
        records->size += (size_t)n;
        return n;
}

ssize_t log_file_read(LogFile *log, Buffer *records, Error *err) {
        for (;;) {
                if (log->fd < 0 && open_file(log, err) < 0)
                        return -1;
                if (log->fd < 0)
                        return 0;
                /* Asked before reading: what a replaced file lacks now it will never get. */
                bool is_replaced = was_replaced(log);
                ssize_t n = read_records(log, records, err);
                if (n != 0 || !is_replaced)
                        return n;
                log->fd = fd_close(log->fd);
        }
}

static int on_file(_unused_ sd_event_source *source, _unused_ const struct inotify_event *event,
                   void *userdata) {
        LogFile *log = userdata;

        log->on_change(log, log->userdata);
        return 0;
}

/* 0 or -errno; that there is no file yet is fine. */
static int watch_file(LogFile *log) {
        log->file_source = sd_event_source_disable_unref(log->file_source);
        int r = sd_event_add_inotify(loop_event(log->loop), &log->file_source, log->path, IN_MODIFY,
                                     on_file, log);
        return r == -ENOENT ? 0 : r;
}

/* The file was made or replaced: watch the one that has the name now. */
static int on_folder(_unused_ sd_event_source *source, const struct inotify_event *event,
                     void *userdata) {
        LogFile *log = userdata;
        const char *name = strrchr(log->path, '/') + 1;

        if (event->len > 0 && strcmp(event->name, name) != 0)
                return 0;
        (void)watch_file(log);
        log->on_change(log, log->userdata);
        return 0;
}

int log_file_watch(LogFile *log, Loop *loop, void (*on_change)(LogFile *log, void *userdata),
                   void *userdata, Error *err) {
        const char *slash = strrchr(log->path, '/');
        _cleanup_free_ char *folder = xstrndup(log->path, (size_t)(slash - log->path));

        log->loop = loop;
        log->on_change = on_change;
        log->userdata = userdata;
        int r = sd_event_add_inotify(loop_event(loop), &log->folder_source, folder,
                                     IN_CREATE | IN_MOVED_TO | IN_Q_OVERFLOW, on_folder, log);
        if (r >= 0)
                r = watch_file(log);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, log->path, "cannot watch %s", log->path);
        return 0;
}
