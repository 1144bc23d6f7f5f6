/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one event loop, and the door to it for other threads.
 *
 * Everything that waits (sockets, timers, signals, pidfds, inotify) is an sd-event source on the
 * loop's thread. sd-event itself is not thread-safe: worker threads reach the loop only by posting
 * a task, which then runs on the loop's thread. The queue costs one eventfd write per burst, not
 * per task.
 */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/memory.h"

typedef struct Loop Loop;

/* Embedded in whatever is posted; the poster keeps it alive until it ran. */
typedef struct LoopTask LoopTask;
struct LoopTask {
        LoopTask *next;
        void (*run)(LoopTask *task);
};

int loop_new(Loop **ret);
/** loop_free() - tasks that were posted and did not run yet are run first; returns NULL */
Loop *loop_free(Loop *loop);
DEFINE_CLEANUP(Loop, loop_free);

/** loop_event() - the sd-event object, for sources; loop thread only; borrowed */
sd_event *loop_event(Loop *loop);

/** loop_run() - dispatch until loop_stop(); returns the code given there, or -errno */
int loop_run(Loop *loop);

/** loop_expect() - say that work may come at once: somebody just got an answer; loop thread only */
void loop_expect(Loop *loop);

/** loop_stop() - end loop_run() after this turn; loop thread only */
void loop_stop(Loop *loop, int code);

/** loop_post() - run @task on the loop's thread, in the order of posting; any thread */
void loop_post(Loop *loop, LoopTask *task);

/**
 * loop_drain() - run what was posted, and what that posts, now; loop thread, when loop_run() has
 * ended
 */
void loop_drain(Loop *loop);

/** loop_is_current() - whether the caller is the loop's thread (the one that made it) */
bool loop_is_current(const Loop *loop);
