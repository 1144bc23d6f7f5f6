/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stopping: a signal, patience, SIGKILL. No thread waits.
 *
 * A Stop object sits between three parties, and is done when the first of them says so: the
 * container's end (a waiter), the timer on the loop, and a failure to signal. Each party that may
 * still call holds a reference. The timer has two rounds: at the end of the first it has SIGKILL
 * sent, at the end of the second it gives up and says so.
 */

#include <signal.h>
#include <stdatomic.h>

#include "engine/object.h"

#define KILL_PATIENCE_S 20 /* how long a process may take to die of SIGKILL before we say so */

typedef struct Stop {
        atomic_uint refs;
        atomic_bool is_done;
        Container *container;
        uint64_t pid_start; /* the run that is being stopped, not a later one */
        int64_t timeout_s;
        ContainerDone done;
        void *userdata;
        ContainerWaiter waiter;
        LoopTask arm, disarm;
        sd_event_source *timer; /* loop thread only */
        bool is_killing;        /* loop thread only: the second round */
        PoolTask kill;
} Stop;

static void stop_unref(Stop *stop) {
        if (atomic_fetch_sub(&stop->refs, 1) != 1)
                return;
        container_unref(stop->container);
        free(stop);
}

static Stop *stop_ref(Stop *stop) {
        atomic_fetch_add(&stop->refs, 1);
        return stop;
}

static void on_disarm(LoopTask *task) {
        Stop *stop = container_of(task, Stop, disarm);

        if (stop->timer) {
                stop->timer = sd_event_source_disable_unref(stop->timer);
                stop_unref(stop);
        }
        stop_unref(stop);
}

/* The first to come answers; everybody else is too late. */
static void finish(Stop *stop, const Error *err) {
        if (atomic_exchange(&stop->is_done, true))
                return;
        stop->done(stop->container, err, stop->userdata);
        stop_ref(stop);
        loop_post(stop->container->engine->loop, &stop->disarm);
}

static void on_ended(ContainerWaiter *waiter, bool is_removed, int exit_code) {
        Stop *stop = container_of(waiter, Stop, waiter);

        Error err = ERROR_INIT;

        (void)is_removed;
        (void)exit_code;
        if (engine_is_stopping(stop->container->engine)) {
                error_set(&err, ERR_CANCELLED, stop->container->id,
                          "the engine ends before container %s does", stop->container->id);
                finish(stop, &err);
        } else {
                finish(stop, NULL);
        }
        stop_unref(stop);
}

/* Unless the end came first. */
static void give_up(Stop *stop, const Error *err) {
        if (container_wait_cancel(stop->container, &stop->waiter)) {
                finish(stop, err);
                stop_unref(stop); /* the waiter's */
        }
}

static void on_kill(PoolTask *task) {
        Stop *stop = container_of(task, Stop, kill);
        Container *container = stop->container;
        Error err = ERROR_INIT;

        if (container_lock(container, NULL) == 0) {
                int r = 0;
                if (container_status_is_alive(container->run.status) &&
                    container->run.pid_start == stop->pid_start)
                        r = container_signal_locked(container, SIGKILL, &err);
                container_unlock(container);
                /* One that has just ended by itself is no failure: the waiter hears of it. */
                if (r < 0 && err.kind != ERR_NOT_RUNNING)
                        give_up(stop, &err);
        }
        loop_post(container->engine->loop, &stop->arm);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Stop *stop = userdata;

        (void)source;
        (void)usec;
        stop->timer = sd_event_source_disable_unref(stop->timer);
        if (!stop->is_killing) {
                stop->is_killing = true;
                pool_submit(stop->container->engine->pool, &stop->kill); /* keeps the reference */
                return 0;
        }
        Error err = ERROR_INIT;
        error_set(&err, ERR_TIMEOUT, stop->container->id,
                  "container %s did not end %d seconds after SIGKILL", stop->container->id,
                  KILL_PATIENCE_S);
        give_up(stop, &err);
        stop_unref(stop);
        return 0;
}

/* Starts a round of the timer; comes with a reference, which the running timer keeps. */
static void on_arm(LoopTask *task) {
        Stop *stop = container_of(task, Stop, arm);
        int64_t seconds = stop->is_killing ? KILL_PATIENCE_S : stop->timeout_s;
        uint64_t usec = (uint64_t)seconds * 1000000;
        Error err = ERROR_INIT;

        if (!atomic_load(&stop->is_done)) {
                int r = sd_event_add_time_relative(loop_event(stop->container->engine->loop),
                                                   &stop->timer, CLOCK_MONOTONIC, usec, 0, on_timer,
                                                   stop);
                if (r >= 0)
                        return;
                error_errno(&err, ERR_IO, -r, stop->container->id,
                            "cannot time the stop of container %s", stop->container->id);
                give_up(stop, &err);
        }
        stop_unref(stop);
}

/* Sends the first signal and leaves the waiter behind; the lock is held. */
static int begin_locked(Stop *stop, int signal, Error *err) {
        Container *container = stop->container;
        int exit_code;

        stop->pid_start = container->run.pid_start;
        stop->is_killing = signal == SIGKILL;
        if (container_signal_locked(container, signal, err) < 0 && err->kind != ERR_NOT_RUNNING)
                return -1;
        if (container->run.status == CONTAINER_PAUSED) /* a frozen process dies when it thaws */
                (void)runtime_resume(container->engine->runtime, container->id, NULL);
        stop_ref(stop);
        if (container_wait_begin(container, &stop->waiter, &exit_code) != CONTAINER_WAIT_BEGUN) {
                finish(stop, NULL);
                stop_unref(stop);
        } else if (stop->timeout_s >= 0 || stop->is_killing) {
                stop_ref(stop);
                loop_post(container->engine->loop, &stop->arm);
        }
        return 0;
}

/* What there is to do: nothing (0), a stop (1), or to refuse (< 0). */
static int look(const Container *container, StopPurpose purpose, Error *err) {
        switch (container->run.status) {
        case CONTAINER_CONFIGURED:
                if (purpose != STOP_ONLY)
                        return 0;
                return error_set(err, ERR_STATE, container->id,
                                 "can only stop created, running, or stopped containers: container "
                                 "state improper");
        case CONTAINER_CREATED:
                return purpose != STOP_TO_START;
        case CONTAINER_RUNNING:
                return 1;
        case CONTAINER_PAUSED:
                if (purpose == STOP_TO_REMOVE)
                        return 1;
                return error_set(err, ERR_STATE, container->id, "%s: container state improper",
                                 purpose == STOP_TO_START
                                         ? "unable to restart a container in a paused or unknown "
                                           "state"
                                         : "can only stop created, running, or stopped containers");
        case CONTAINER_STOPPED:
        case CONTAINER_EXITED:
        case _CONTAINER_STATUS_MAX:
                break;
        }
        return 0;
}

/* 1: on the way, @done will be called; 0: there was nothing to stop; < 0: error. */
static int stop_begin(Container *container, StopPurpose purpose, int64_t timeout_s,
                      ContainerDone done, void *userdata, Error *err) {
        if (container_enter(container, err) < 0)
                return -1;

        int r = look(container, purpose, err);
        if (r >= 0 && purpose == STOP_TO_REMOVE)
                container->is_leaving = true;
        if (r <= 0) {
                container_unlock(container);
                return r;
        }
        Stop *stop = xnew(Stop, 1);
        *stop = (Stop){
                .refs = 1,
                .container = container_ref(container),
                .timeout_s = timeout_s > INT32_MAX ? INT32_MAX : timeout_s,
                .done = done,
                .userdata = userdata,
                .waiter = { .wants_clean = true, .done = on_ended },
                .arm = { .run = on_arm },
                .disarm = { .run = on_disarm },
                .kill = { .run = on_kill },
        };
        list_init(&stop->waiter.link);
        /* A created container runs no user code that could care about a gentle signal. */
        bool kills = timeout_s == 0 || container->run.status != CONTAINER_RUNNING;
        r = begin_locked(stop, kills ? SIGKILL : (int)container->config.stopSignal, err);
        container_unlock(container);
        stop_unref(stop);
        return r < 0 ? r : 1;
}

void container_stop_begin(Container *container, int64_t timeout_s, ContainerDone done,
                          void *userdata) {
        Error err = ERROR_INIT;

        int r = stop_begin(container, STOP_ONLY, timeout_s, done, userdata, &err);
        if (r <= 0)
                done(container, r < 0 ? &err : NULL, userdata);
}

/* --- what begins with a stop ----------------------------------------------------------------- */

/* A stop, and then something on a worker. */
typedef struct Sequel {
        PoolTask task;
        Container *container;
        int (*then)(Container *container, Error *err);
        ContainerDone done;
        void *userdata;
} Sequel;

/* Runs what follows, or with @err hears why it does not; says so, and is over. */
static void sequel_end(Sequel *sequel, const Error *err) {
        Error failure = ERROR_INIT;

        if (err)
                failure = *err;
        else
                (void)sequel->then(sequel->container, &failure);
        bool has_failed = failure.kind != ERR_NONE;
        if (has_failed)
                sequel->container->is_leaving = false;
        sequel->done(sequel->container, has_failed ? &failure : NULL, sequel->userdata);
        container_unref(sequel->container);
        free(sequel);
}

static void run_sequel(PoolTask *task) {
        sequel_end(container_of(task, Sequel, task), NULL);
}

static void on_stopped(Container *container, const Error *err, void *userdata) {
        Sequel *sequel = userdata;

        if (err)
                sequel_end(sequel, err);
        else
                pool_submit(container->engine->pool, &sequel->task);
}

void container_stop_then(Container *container, StopPurpose purpose, int64_t timeout_s,
                         int (*then)(Container *container, Error *err), ContainerDone done,
                         void *userdata) {
        Error err = ERROR_INIT;
        Sequel *sequel = xnew(Sequel, 1);

        *sequel = (Sequel){ .task = { .run = run_sequel },
                            .container = container_ref(container),
                            .then = then,
                            .done = done,
                            .userdata = userdata };
        int r = stop_begin(container, purpose, timeout_s, on_stopped, sequel, &err);
        if (r <= 0)
                sequel_end(sequel, r < 0 ? &err : NULL);
}

void container_restart_begin(Container *container, int64_t timeout_s, ContainerDone done,
                             void *userdata) {
        container_stop_then(container, STOP_TO_START, timeout_s, container_start, done, userdata);
}
