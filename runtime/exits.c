/* SPDX-License-Identifier: Apache-2.0 */

/*
 * conmon renames the finished exit file into place, so its name appears with its whole content. The
 * pidfd of a monitor becomes readable when it ends, which is after it wrote the file: that end is
 * told too, so that neither a killed monitor nor an event that inotify dropped is missed.
 */

#include "runtime/exits.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/path.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "runtime/process.h"

#define EXIT_FILE_MAX 32 /* bytes: a decimal number */

struct ExitWatch {
        _Atomic unsigned
                references; /* the owner's, and one for each monitor on its way to the loop */
        bool is_closed;     /* the owner let go of it; loop thread only */
        Loop *loop;
        char *exits_dir;
        sd_event_source *inotify_source;
        void (*on_exit)(const char *id, void *userdata);
        void *userdata;
        List monitors; /* loop thread only */
};

/* One watched process; begun on any thread, from then on the loop's. */
typedef struct Monitor {
        List link;
        LoopTask add;
        ExitWatch *watch;
        char *id;
        int pidfd;
        sd_event_source *source;
} Monitor;

static void watch_unref(ExitWatch *watch) {
        if (--watch->references > 0)
                return;
        free(watch->exits_dir);
        free(watch);
}

static Monitor *monitor_free(Monitor *monitor) {
        list_remove(&monitor->link);
        sd_event_source_disable_unref(monitor->source);
        (void)fd_close(monitor->pidfd);
        free(monitor->id);
        free(monitor);
        return NULL;
}

int exit_read(const char *exits_dir, const char *id, int *ret_code, int64_t *ret_finished_ns,
              Error *err) {
        _cleanup_free_ char *path = xasprintf("%s/%s", exits_dir, id);
        char text[EXIT_FILE_MAX + 2], *end;
        struct stat st;

        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open %s", path);
        ssize_t n = fd_read_full(fd, text, EXIT_FILE_MAX + 1);
        if (n < 0)
                return error_errno(err, ERR_IO, (int)-n, path, "cannot read %s", path);
        text[n] = '\0';
        errno = 0;
        long code = strtol(text, &end, 10);
        if (n > EXIT_FILE_MAX || errno != 0 || end == text || *end != '\0' || code < INT_MIN ||
            code > INT_MAX)
                return error_set(err, ERR_CORRUPT, path, "%s holds no exit code", path);
        *ret_code = (int)code;
        *ret_finished_ns = st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec;
        return 1;
}

static int on_inotify(_unused_ sd_event_source *source, const struct inotify_event *event,
                      void *userdata) {
        ExitWatch *watch = userdata;

        if (event->mask & IN_Q_OVERFLOW)
                exit_watch_scan(watch);
        else if (event->len > 0 && text_is_hex(event->name))
                watch->on_exit(event->name, watch->userdata);
        return 0;
}

/* sd-event's own inotify sources read in a burst and keep their order. */
int exit_watch_new(ExitWatch **ret, Loop *loop, const char *exits_dir,
                   void (*on_exit)(const char *id, void *userdata), void *userdata, Error *err) {
        _cleanup_(exit_watch_freep)
        ExitWatch *watch = xnew(ExitWatch, 1);

        *watch = (ExitWatch){ .references = 1,
                              .loop = loop,
                              .exits_dir = xstrdup(exits_dir),
                              .on_exit = on_exit,
                              .userdata = userdata };
        list_init(&watch->monitors);
        int r = path_make_dirs(exits_dir, 0700);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, exits_dir, "cannot make %s", exits_dir);
        r = sd_event_add_inotify(loop_event(loop), &watch->inotify_source, exits_dir,
                                 IN_MOVED_TO | IN_ONLYDIR, on_inotify, watch);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, exits_dir, "cannot watch %s", exits_dir);
        *ret = TAKE_PTR(watch);
        return 0;
}

ExitWatch *exit_watch_free(ExitWatch *watch) {
        if (!watch)
                return NULL;
        LIST_FOREACH (link, &watch->monitors)
                monitor_free(container_of(link, Monitor, link));
        watch->inotify_source = sd_event_source_disable_unref(watch->inotify_source);
        watch->is_closed = true;
        watch_unref(watch);
        return NULL;
}

void exit_watch_scan(ExitWatch *watch) {
        DIR *folder = opendir(watch->exits_dir);

        if (!folder)
                return;
        for (struct dirent *entry; (entry = readdir(folder));)
                if (text_is_hex(entry->d_name))
                        watch->on_exit(entry->d_name, watch->userdata);
        closedir(folder);
}

static int on_monitor_end(_unused_ sd_event_source *source, _unused_ int fd,
                          _unused_ uint32_t revents, void *userdata) {
        Monitor *monitor = userdata;

        monitor->watch->on_exit(monitor->id, monitor->watch->userdata);
        monitor_free(monitor);
        return 0;
}

static void add_monitor(LoopTask *task) {
        Monitor *monitor = container_of(task, Monitor, add);
        ExitWatch *watch = monitor->watch;

        if (watch->is_closed) {
                monitor_free(monitor);
        } else {
                list_append(&watch->monitors, &monitor->link);
                if (sd_event_add_io(loop_event(watch->loop), &monitor->source, monitor->pidfd,
                                    EPOLLIN, on_monitor_end, monitor) < 0)
                        monitor_free(monitor); /* the exit file is still watched */
        }
        watch_unref(watch);
}

int exit_watch_add_monitor(ExitWatch *watch, const char *id, pid_t monitor_pid,
                           uint64_t monitor_start, Error *err) {
        _cleanup_close_ int pidfd = process_open(monitor_pid, monitor_start);

        if (pidfd < 0)
                return error_errno(err, ERR_IO, -pidfd, id,
                                   "cannot watch process %d of container %s", (int)monitor_pid, id);

        Monitor *monitor = xnew(Monitor, 1);
        *monitor = (Monitor){ .add = { .run = add_monitor },
                              .watch = watch,
                              .id = xstrdup(id),
                              .pidfd = TAKE_FD(pidfd) };
        list_init(&monitor->link);
        watch->references++;
        if (loop_is_current(watch->loop))
                add_monitor(&monitor->add);
        else
                loop_post(watch->loop, &monitor->add);
        return 0;
}
