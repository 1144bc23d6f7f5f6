/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A loop that sleeps has to be woken, which on a virtual machine with idle processors costs more
 * than most calls: some 30 us. A client that calls again as soon as it has its answer would pay
 * that each time. So after an answer (loop_expect()) the loop looks again for a moment before it
 * sleeps, and gives its processor to whoever wants it while it does; but only if work came that
 * soon the last time, so that one look in vain is the last.
 */

#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define LOOK_NS (50 * 1000)  /* how long it looks before it sleeps */
#define SOON_NS (100 * 1000) /* work that came within this makes it look the next time */

struct Loop {
        sd_event *event;
        sd_event_source *wakeup_source;
        int wakeup_fd;
        pthread_t thread;
        bool expects;   /* loop_expect() was called in the last turn */
        bool came_soon; /* what it dispatched, it had not waited for long */

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

static int on_no_time(_unused_ sd_event_source *source, _unused_ uint64_t usec,
                      _unused_ void *userdata) {
        return 0;
}

/* sd-event makes its timer's descriptor for the first timer and keeps it. Later ones, which may be
 * there to wait until descriptors are free again, then need none. */
static int prepare_timers(sd_event *event) {
        sd_event_source *source = NULL;

        int r = sd_event_add_time(event, &source, CLOCK_MONOTONIC, UINT64_MAX, 0, on_no_time, NULL);
        sd_event_source_disable_unref(source);
        return r;
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
        r = prepare_timers(loop->event);
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

static int64_t monotonic_ns(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

/* Dispatches one event, waiting for it if there is none; 0 or -errno. */
static int run_turn(Loop *loop) {
        bool looks = loop->expects && loop->came_soon;
        int64_t begin = monotonic_ns(), waited = 0;
        int r = 0;

        loop->expects = false;
        while (looks && r == 0 && waited < LOOK_NS) {
                r = sd_event_run(loop->event, 0);
                if (r == 0)
                        (void)sched_yield();
                waited = monotonic_ns() - begin;
        }
        if (r == 0) {
                r = sd_event_run(loop->event, UINT64_MAX);
                waited = monotonic_ns() - begin;
        }
        loop->came_soon = waited < SOON_NS;
        return r < 0 ? r : 0;
}

int loop_run(Loop *loop) {
        int code = 0;

        while (sd_event_get_state(loop->event) != SD_EVENT_FINISHED) {
                int r = run_turn(loop);
                if (r < 0)
                        return r;
        }
        (void)sd_event_get_exit_code(loop->event, &code);
        return code;
}

void loop_expect(Loop *loop) {
        loop->expects = true;
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
