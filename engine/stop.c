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

static void on_arm(LoopTask *task);

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
                if (r < 0 && err.kind != ERR_NOT_RUNNING &&
                    container_wait_cancel(container, &stop->waiter)) {
                        finish(stop, &err);
                        stop_unref(stop); /* the waiter's */
                }
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
        if (container_wait_cancel(stop->container, &stop->waiter)) {
                finish(stop, &err);
                stop_unref(stop); /* the waiter's */
        }
        stop_unref(stop);
        return 0;
}

/* Starts a round of the timer; comes with a reference, which the running timer keeps. */
static void on_arm(LoopTask *task) {
        Stop *stop = container_of(task, Stop, arm);
        int64_t seconds = stop->is_killing ? KILL_PATIENCE_S : stop->timeout_s;
        uint64_t usec = (uint64_t)seconds * 1000000;

        if (!atomic_load(&stop->is_done) &&
            sd_event_add_time_relative(loop_event(stop->container->engine->loop), &stop->timer,
                                       CLOCK_MONOTONIC, usec, 0, on_timer, stop) >= 0)
                return;
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

static void stop_begin(Container *container, int64_t timeout_s, bool may_be_paused,
                       ContainerDone done, void *userdata) {
        Error err = ERROR_INIT;
        int r = 0;

        if (container_lock(container, &err) < 0) {
                done(container, &err, userdata);
                return;
        }
        ContainerStatus status = container->run.status;
        bool has_ended = status == CONTAINER_STOPPED || status == CONTAINER_EXITED;
        if (status == CONTAINER_CONFIGURED || (status == CONTAINER_PAUSED && !may_be_paused))
                r = error_set(&err, ERR_STATE, container->id,
                              "can only stop created, running, or stopped containers: container "
                              "state improper");
        if (r < 0 || has_ended) {
                container_unlock(container);
                done(container, r < 0 ? &err : NULL, userdata);
                return;
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
        bool kills = timeout_s == 0 || status != CONTAINER_RUNNING;
        r = begin_locked(stop, kills ? SIGKILL : (int)container->config.stopSignal, &err);
        container_unlock(container);
        if (r < 0)
                done(container, &err, userdata);
        stop_unref(stop);
}

void container_stop_begin(Container *container, int64_t timeout_s, ContainerDone done,
                          void *userdata) {
        stop_begin(container, timeout_s, false, done, userdata);
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

static void run_sequel(PoolTask *task) {
        Sequel *sequel = container_of(task, Sequel, task);
        Error err = ERROR_INIT;

        int r = sequel->then(sequel->container, &err);
        sequel->done(sequel->container, r < 0 ? &err : NULL, sequel->userdata);
        container_unref(sequel->container);
        free(sequel);
}

static void on_stopped(Container *container, const Error *err, void *userdata) {
        Sequel *sequel = userdata;

        if (!err) {
                pool_submit(container->engine->pool, &sequel->task);
                return;
        }
        sequel->done(container, err, sequel->userdata);
        container_unref(sequel->container);
        free(sequel);
}

void container_stop_then(Container *container, int64_t timeout_s,
                         int (*then)(Container *container, Error *err), ContainerDone done,
                         void *userdata) {
        Sequel *sequel = xnew(Sequel, 1);

        *sequel = (Sequel){ .task = { .run = run_sequel },
                            .container = container_ref(container),
                            .then = then,
                            .done = done,
                            .userdata = userdata };
        stop_begin(container, timeout_s, true, on_stopped, sequel);
}

void container_restart_begin(Container *container, int64_t timeout_s, ContainerDone done,
                             void *userdata) {
        Error err = ERROR_INIT;
        ContainerStatus status = container_run(container).status;

        if (status == CONTAINER_RUNNING) {
                container_stop_then(container, timeout_s, container_start, done, userdata);
                return;
        }
        int r = status == CONTAINER_PAUSED
                        ? error_set(&err, ERR_STATE, container->id,
                                    "unable to restart a container in a paused or unknown state: "
                                    "container state improper")
                        : container_start(container, &err);
        done(container, r < 0 ? &err : NULL, userdata);
}
