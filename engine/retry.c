/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What fails for a reason that passes (no descriptors, no space, a mount that is busy, a runtime
 * that is replaced right now) is tried again: after some seconds, then ever less often. Also
 * sooner, when a call wants the container: container_lock() repairs first.
 */

#include "engine/object.h"

#define RETRY_FIRST_S 2
#define RETRY_LAST_S  300

typedef struct RepairJob {
        PoolTask task;
        Container *container;
} RepairJob;

static void run_repair_job(PoolTask *task) {
        RepairJob *job = container_of(task, RepairJob, task);

        if (container_lock(job->container, NULL) == 0)
                container_unlock(job->container);
        container_unref(job->container);
        free(job);
}

void container_repair_soon(Container *container) {
        RepairJob *job = xnew(RepairJob, 1);

        *job = (RepairJob){ .task = { .run = run_repair_job },
                            .container = container_ref(container) };
        pool_submit(container->engine->pool, &job->task);
}

/* Loop thread. Drops the reference that waited. */
static void retry_end(Retry *retry) {
        Container *container = container_of(retry, Container, retry);

        retry->timer = sd_event_source_disable_unref(retry->timer);
        list_remove(&retry->link);
        atomic_store(&retry->is_waiting, false);
        container_unref(container);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Retry *retry = userdata;
        _cleanup_(container_unrefp)
        Container *container = container_ref(container_of(retry, Container, retry));

        (void)source;
        (void)usec;
        retry_end(retry); /* first: the repair may fail at once, and wants to wait again */
        container_repair_soon(container);
        return 0;
}

static void on_arm(LoopTask *task) {
        Retry *retry = container_of(task, Retry, arm);
        Engine *engine = container_of(retry, Container, retry)->engine;

        list_append(&engine->retries, &retry->link);
        /* Without a timer the next call that wants the container is the next try. */
        if (sd_event_add_time_relative(loop_event(engine->loop), &retry->timer, CLOCK_MONOTONIC,
                                       retry->delay_s * UINT64_C(1000000), 0, on_timer, retry) < 0)
                retry_end(retry);
}

void container_retry_later_locked(Container *container) {
        Retry *retry = &container->retry;

        container->needs_repair = true;
        if (atomic_exchange(&retry->is_waiting, true))
                return;
        retry->delay_s = retry->delay_s == 0                 ? RETRY_FIRST_S
                         : retry->delay_s * 2 < RETRY_LAST_S ? retry->delay_s * 2
                                                             : RETRY_LAST_S;
        retry->arm.run = on_arm;
        container_ref(container);
        loop_post(container->engine->loop, &retry->arm);
}

void engine_end_retries(Engine *engine) {
        LIST_FOREACH (link, &engine->retries)
                retry_end(container_of(link, Retry, link));
}
