/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Following a log without a thread of its own.
 *
 * Whoever sees a reason to read (the file changed, the container ended, the sink wants more) kicks
 * the follow. A kick sends a worker, unless one is reading already; then that one is told to look
 * once more. conmon writes the last line before it writes the exit file, so a read that begins
 * after the end was seen, and comes to the end of the file, has seen everything.
 */

#include "engine/logs.h"

#include <errno.h>
#include <stdatomic.h>

#include "engine/object.h"
#include "runtime/log_file.h"

struct LogFollow {
        atomic_uint refs; /* the caller, the waiter, the worker, the loop */
        Container *container;
        LogFile *log; /* read by the one worker, watched and closed on the loop */
        const LogFollowSink *sink;
        void *userdata;
        void (*released)(void *userdata);
        ContainerWaiter waiter;
        PoolTask read;
        LoopTask watch, release;

        pthread_mutex_t lock; /* guards what follows; nothing is taken inside */
        bool is_reading;      /* a worker is on its way or at work */
        bool is_dirty;        /* kicked while a worker was reading */
        bool is_paused;
        bool is_resumed; /* since the sink was last called */
        bool has_ended;  /* the container */
        bool is_over;    /* last call made, or cancelled */
        bool is_released;
};

LogFollow *log_follow_unref(LogFollow *follow) {
        if (!follow || atomic_fetch_sub(&follow->refs, 1) != 1)
                return NULL;
        container_unref(follow->container);
        pthread_mutex_destroy(&follow->lock);
        free(follow);
        return NULL;
}

static LogFollow *log_follow_ref(LogFollow *follow) {
        atomic_fetch_add(&follow->refs, 1);
        return follow;
}

/* Over, and no worker in it: let go of the file and the sink, once. */
static void release_locked(LogFollow *follow) {
        if (!follow->is_over || follow->is_reading || follow->is_released)
                return;
        follow->is_released = true;
        loop_post(follow->container->engine->loop, &follow->release);
}

static void on_release(LoopTask *task) {
        LogFollow *follow = container_of(task, LogFollow, release);

        follow->log = log_file_close(follow->log);
        if (container_wait_cancel(follow->container, &follow->waiter))
                log_follow_unref(follow);
        if (follow->released)
                follow->released(follow->userdata);
        log_follow_unref(follow); /* the loop's */
}

static void kick(LogFollow *follow) {
        bool starts = false;

        pthread_mutex_lock(&follow->lock);
        if (!follow->is_over && !follow->is_paused) {
                starts = !follow->is_reading;
                follow->is_dirty = !starts;
                follow->is_reading = true;
        }
        pthread_mutex_unlock(&follow->lock);
        if (starts) {
                log_follow_ref(follow);
                pool_submit(follow->container->engine->pool, &follow->read);
        }
}

/* Reads up to a batch. Returns whether the present end was reached, < 0 on error. */
static int read_batch(LogFile *log, Buffer *records, Error *err) {
        while (records->size < LOG_BATCH_MAX) {
                ssize_t n = log_file_read(log, records, err);
                if (n < 0)
                        return -1;
                if (n == 0)
                        return 1;
        }
        return 0;
}

/* One round: read and hand over. Returns whether the worker should go on. */
static bool read_round(LogFollow *follow) {
        Buffer records = BUFFER_INIT;
        Error err = ERROR_INIT;
        bool wants_more = true, is_over = false;

        pthread_mutex_lock(&follow->lock);
        follow->is_dirty = false;
        follow->is_resumed = false;
        bool had_ended = follow->has_ended;
        bool is_cancelled = follow->is_over;
        if (is_cancelled) {
                follow->is_reading = false;
                release_locked(follow);
        }
        pthread_mutex_unlock(&follow->lock);
        if (is_cancelled)
                return false;

        int r = read_batch(follow->log, &records, &err);
        bool is_last = r > 0 && had_ended;
        if (r < 0) {
                follow->sink->on_error(&err, follow->userdata);
                is_over = true;
        } else if (records.size > 0 || is_last) {
                wants_more = follow->sink->on_records(records.data, records.size, is_last,
                                                      follow->userdata);
                is_over = is_last;
        }
        buffer_done(&records);

        pthread_mutex_lock(&follow->lock);
        follow->is_over = follow->is_over || is_over;
        if (!wants_more && !follow->is_resumed)
                follow->is_paused = true;
        bool goes_on = !follow->is_over && !follow->is_paused && (follow->is_dirty || r == 0);
        if (!goes_on) {
                follow->is_reading = false;
                release_locked(follow);
        }
        pthread_mutex_unlock(&follow->lock);
        return goes_on;
}

static void on_read(PoolTask *task) {
        LogFollow *follow = container_of(task, LogFollow, read);

        while (read_round(follow))
                ;
        log_follow_unref(follow);
}

static void on_change(LogFile *log, void *userdata) {
        (void)log;
        kick(userdata);
}

static void on_end(ContainerWaiter *waiter, bool is_removed, int exit_code) {
        LogFollow *follow = container_of(waiter, LogFollow, waiter);

        (void)is_removed;
        (void)exit_code;
        pthread_mutex_lock(&follow->lock);
        follow->has_ended = true;
        pthread_mutex_unlock(&follow->lock);
        kick(follow);
        log_follow_unref(follow);
}

static void on_watch(LoopTask *task) {
        LogFollow *follow = container_of(task, LogFollow, watch);
        Error err = ERROR_INIT;

        /* Everything may be over before the loop came to this. */
        pthread_mutex_lock(&follow->lock);
        bool is_released = follow->is_released;
        pthread_mutex_unlock(&follow->lock);
        if (is_released) {
                log_follow_unref(follow);
                return;
        }
        if (log_file_watch(follow->log, follow->container->engine->loop, on_change, follow, &err) <
            0) {
                pthread_mutex_lock(&follow->lock);
                bool was_over = follow->is_over;
                follow->is_over = true;
                release_locked(follow);
                pthread_mutex_unlock(&follow->lock);
                if (!was_over)
                        follow->sink->on_error(&err, follow->userdata);
        } else {
                kick(follow);
        }
        log_follow_unref(follow);
}
void log_follow_begin(Container *container, const LogFollowSink *sink, void *userdata,
                      void (*released)(void *userdata), LogFollow **ret) {
        Loop *loop = container->engine->loop;
        _cleanup_free_ char *path = container_log_path(container);
        Error err = ERROR_INIT;
        int exit_code;

        LogFollow *follow = xnew(LogFollow, 1);
        *follow = (LogFollow){
                .refs = 2, /* the caller's, and the loop's until it released */
                .container = container_ref(container),
                .sink = sink,
                .userdata = userdata,
                .released = released,
                .waiter = { .done = on_end },
                .read = { .run = on_read },
                .watch = { .run = on_watch },
                .release = { .run = on_release },
        };
        list_init(&follow->waiter.link);
        pthread_mutex_init(&follow->lock, NULL);
        *ret = follow;

        if (log_file_open(&follow->log, path, &err) < 0) {
                sink->on_error(&err, userdata);
                pthread_mutex_lock(&follow->lock);
                follow->is_over = true;
                release_locked(follow);
                pthread_mutex_unlock(&follow->lock);
                return;
        }
        ContainerStatus status = container_run(container).status;
        bool is_idle = status == CONTAINER_CONFIGURED || status == CONTAINER_CREATED;
        log_follow_ref(follow); /* the waiter's */
        if (is_idle ||
            container_wait_begin(container, &follow->waiter, &exit_code) != CONTAINER_WAIT_BEGUN) {
                pthread_mutex_lock(&follow->lock);
                follow->has_ended = true;
                pthread_mutex_unlock(&follow->lock);
                log_follow_unref(follow);
                kick(follow); /* nothing comes any more: no watch */
                return;
        }
        log_follow_ref(follow); /* the watch task's */
        loop_post(loop, &follow->watch);
}

void log_follow_resume(LogFollow *follow) {
        pthread_mutex_lock(&follow->lock);
        follow->is_resumed = true;
        follow->is_paused = false;
        pthread_mutex_unlock(&follow->lock);
        kick(follow);
}

void log_follow_cancel(LogFollow *follow) {
        pthread_mutex_lock(&follow->lock);
        follow->is_over = true;
        release_locked(follow);
        pthread_mutex_unlock(&follow->lock);
}

int container_logs(Container *container, Buffer *records, Error *err) {
        _cleanup_free_ char *path = container_log_path(container);
        _cleanup_(log_file_closep)
        LogFile *log = NULL;
        ssize_t n;

        if (log_file_open(&log, path, err) < 0)
                return -1;
        while ((n = log_file_read(log, records, err)) > 0)
                if (records->size > LOG_WHOLE_MAX)
                        return error_set(err, ERR_LIMIT, container->id,
                                         "the log of container %s is longer than the %d MiB that "
                                         "one reply may hold: call with more",
                                         container->id, LOG_WHOLE_MAX / (1024 * 1024));
        return n < 0 ? -1 : 0;
}
