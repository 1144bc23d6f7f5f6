/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"

struct Loop {
        sd_event *event;
        sd_event_source *wakeup_source;
        int wakeup_fd;
        pthread_t thread;

        pthread_mutex_t lock; /* guards the queue; innermost of all locks */
        LoopTask *first, **last;
};

static void run_posted(Loop *loop) {
        pthread_mutex_lock(&loop->lock);
        LoopTask *task = loop->first;
        loop->first = NULL;
        loop->last = &loop->first;
        pthread_mutex_unlock(&loop->lock);

        /* A task may free itself, and may post: what it posts runs in the next turn. */
        for (LoopTask *next; task; task = next) {
                next = task->next;
                task->run(task);
        }
}

static int on_wakeup(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        uint64_t count;

        (void)source;
        (void)revents;
        if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
        run_posted(userdata);
        return 0;
}

int loop_new(Loop **ret) {
        _cleanup_(loop_freep)
        Loop *loop = xnew(Loop, 1);
        int r;

        loop->wakeup_fd = -EBADF;
        loop->last = &loop->first;
        loop->thread = pthread_self();
        pthread_mutex_init(&loop->lock, NULL);

        r = sd_event_new(&loop->event);
        if (r < 0)
                return r;
        loop->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (loop->wakeup_fd < 0)
                return -errno;
        r = sd_event_add_io(loop->event, &loop->wakeup_source, loop->wakeup_fd, EPOLLIN, on_wakeup,
                            loop);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loop);
        return 0;
}

Loop *loop_free(Loop *loop) {
        if (!loop)
                return NULL;
        loop_drain(loop);
        sd_event_source_unref(loop->wakeup_source);
        sd_event_unref(loop->event);
        loop->wakeup_fd = fd_close(loop->wakeup_fd);
        pthread_mutex_destroy(&loop->lock);
        free(loop);
        return NULL;
}

sd_event *loop_event(Loop *loop) {
        return loop->event;
}

int loop_run(Loop *loop) {
        return sd_event_loop(loop->event);
}

void loop_stop(Loop *loop, int code) {
        (void)sd_event_exit(loop->event, code);
}

void loop_post(Loop *loop, LoopTask *task) {
        static const uint64_t one = 1;

        task->next = NULL;
        pthread_mutex_lock(&loop->lock);
        bool was_empty = loop->first == NULL;
        *loop->last = task;
        loop->last = &task->next;
        pthread_mutex_unlock(&loop->lock);

        /* Only a full counter (2^64 - 2 wake-ups unread) could refuse this, and then it is
         * awake. */
        if (was_empty)
                (void)!write(loop->wakeup_fd, &one, sizeof(one));
}

void loop_drain(Loop *loop) {
        bool has_tasks = true;

        while (has_tasks) {
                run_posted(loop);
                pthread_mutex_lock(&loop->lock);
                has_tasks = loop->first != NULL;
                pthread_mutex_unlock(&loop->lock);
        }
}

bool loop_is_current(const Loop *loop) {
        return pthread_equal(loop->thread, pthread_self());
}
