/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Recovery. Every container's row says what it was doing; this file compares that with what is
 * there.
 *
 *   intent create    the store's parts may exist: delete them and the row
 *   intent remove    the same, with whatever runs
 *   intent start     runs already: take it over. Ended already: record that. Else undo the start
 *   alive            conmon watches it: so do we. Ended meanwhile: its exit file says how
 *   stopped          ended but not cleaned up: do that
 *
 * Loading only sorts; the work is done under the container's lock by whoever takes it first: a
 * worker that is sent for that, or the first call that needs the container. So the engine answers
 * at once.
 */

#include "engine/recover.h"

#include <stdio.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "runtime/monitor.h"
#include "runtime/stray.h"

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

static void submit_repair(Container *container) {
        RepairJob *job = xnew(RepairJob, 1);

        *job = (RepairJob){ .task = { .run = run_repair_job },
                            .container = container_ref(container) };
        pool_submit(container->engine->pool, &job->task);
}

/* What loading gathers: nothing is repaired before everything could be read. */
typedef struct Loading {
        Engine *engine;
        Containers repairs;
        size_t capacity;
} Loading;

static void add_repair(Loading *loading, Container *container) {
        container->needs_repair = true;
        GROW(loading->repairs.items, loading->repairs.count, loading->capacity);
        loading->repairs.items[loading->repairs.count++] = container_ref(container);
}

static int load_row(const ContainerRow *row, void *userdata, Error *err) {
        Loading *loading = userdata;
        Engine *engine = loading->engine;
        _cleanup_(container_unrefp)
        Container *container = NULL;

        if (container_new(&container, engine, row->id, row->config, &row->run, err) < 0)
                return -1;
        bool is_whole = row->run.intent != CONTAINER_INTENT_CREATE &&
                        row->run.intent != CONTAINER_INTENT_REMOVE;
        if (is_whole) {
                if (registry_add(engine, container, err) < 0)
                        return -1;
                registry_publish(container);
        }
        bool is_alive = container_status_is_alive(row->run.status);
        if (row->run.intent == CONTAINER_INTENT_NONE && is_alive &&
            exit_watch_add_monitor(engine->exits, container->id, row->run.monitor_pid,
                                   row->run.monitor_start, NULL) == 0)
                return 0; /* whatever happened meanwhile, the watch will report it */
        if (row->run.intent != CONTAINER_INTENT_NONE || is_alive ||
            row->run.status == CONTAINER_STOPPED)
                add_repair(loading, container);
        return 0;
}

int recover_load(Engine *engine, Error *err) {
        Loading loading = { .engine = engine };

        int r = state_containers_load(engine->state, load_row, &loading, err);
        for (size_t i = 0; r == 0 && i < loading.repairs.count; i++)
                submit_repair(loading.repairs.items[i]);
        containers_done(&loading.repairs);
        return r;
}

static void kill_strays(Container *container) {
        _cleanup_free_ char *cgroup = xasprintf("/selkie/%s", container->id);

        (void)stray_kill_monitors(container->engine->runtime->monitor_path, container->id);
        (void)runtime_delete(container->engine->runtime, container->id, true, NULL);
        (void)stray_remove_cgroup(cgroup);
}

static void finish_removal_locked(Container *container) {
        Engine *engine = container->engine;
        Error err = ERROR_INIT;

        container->is_gone = true;
        kill_strays(container);
        if (store_container_delete(engine->store, container->id, container->config.layer, &err) <
                    0 ||
            state_container_delete(engine->state, container->id, &err) < 0) {
                log_error("cannot finish removing container %s: %s", container->id, err.text);
                return;
        }
        _cleanup_free_ char *exit_file =
                xasprintf("%s/%s", engine->runtime->exits_dir, container->id);
        (void)unlink(exit_file);
        log_info("recovery: container %s, half %s, is removed", container->id,
                 container->run.intent == CONTAINER_INTENT_CREATE ? "created" : "removed");
}

/* A pid that conmon or the runtime left in a file of the run dir; 0 if there is none that lives. */
static pid_t read_live_pid(const char *run_dir, const char *name, uint64_t *ret_start) {
        _cleanup_free_ char *path = xasprintf("%s/%s", run_dir, name);
        int64_t pid;

        if (file_read_int64(AT_FDCWD, path, &pid) < 0 || pid <= 0 || pid > INT32_MAX ||
            process_start_time((pid_t)pid, ret_start) < 0)
                return 0;
        return (pid_t)pid;
}

/* The runtime knows it as running: its pids are in the run dir. Returns whether it could be
 * taken over. */
static bool take_over_locked(Container *container, RuntimeStatus status, pid_t pid) {
        Engine *engine = container->engine;
        ContainerRun run = container->run;
        _cleanup_free_ char *run_dir = container_run_dir(container);

        run.monitor_pid = read_live_pid(run_dir, "conmon.pid", &run.monitor_start);
        if (run.monitor_pid == 0 || process_start_time(pid, &run.pid_start) < 0)
                return false;
        run.pid = pid;
        run.status = status == RUNTIME_STATUS_PAUSED ? CONTAINER_PAUSED : CONTAINER_RUNNING;
        run.intent = CONTAINER_INTENT_NONE;
        run.started_ns = timestamp_now();
        run.finished_ns = TIMESTAMP_ZERO;
        run.exit_code = 0;
        return container_save_run_locked(container, &run, NULL) == 0 &&
               exit_watch_add_monitor(engine->exits, container->id, run.monitor_pid,
                                      run.monitor_start, NULL) == 0;
}

static void repair_start_locked(Container *container) {
        Engine *engine = container->engine;
        RuntimeStatus status = RUNTIME_STATUS_UNKNOWN;
        const ContainerRun before = container->run;
        int64_t finished_ns;
        int exit_code;
        pid_t pid = 0;

        (void)runtime_state(engine->runtime, container->id, &status, &pid, NULL);
        if ((status == RUNTIME_STATUS_RUNNING || status == RUNTIME_STATUS_PAUSED) &&
            take_over_locked(container, status, pid)) {
                log_info("recovery: container %s had started; taken over", container->id);
                container_look_for_end_locked(container);
                return;
        }
        if (status == RUNTIME_STATUS_STOPPED && exit_read(engine->runtime->exits_dir, container->id,
                                                          &exit_code, &finished_ns, NULL) > 0) {
                log_info("recovery: container %s had started and ended with code %d", container->id,
                         exit_code);
                container_end_locked(container, exit_code, finished_ns);
                return;
        }
        kill_strays(container);
        container_undo_start_locked(container, &before);
        log_info("recovery: the start of container %s was undone", container->id);
}

void container_repair_locked(Container *container) {
        Error err = ERROR_INIT;

        switch (container->run.intent) {
        case CONTAINER_INTENT_CREATE:
        case CONTAINER_INTENT_REMOVE:
                finish_removal_locked(container);
                return;
        case CONTAINER_INTENT_START:
                repair_start_locked(container);
                return;
        case CONTAINER_INTENT_NONE:
        case _CONTAINER_INTENT_MAX:
                break;
        }
        if (container_status_is_alive(container->run.status)) {
                container_look_for_end_locked(container);
        } else if (container->run.status == CONTAINER_STOPPED) {
                int r = container->config.autoRemove ? container_remove_locked(container, &err)
                                                     : container_clean_locked(container, &err);
                if (r < 0)
                        log_error("cannot clean up after container %s: %s", container->id,
                                  err.text);
                else
                        log_info("recovery: cleaned up after container %s", container->id);
        }
}
