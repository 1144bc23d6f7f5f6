/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Recovery. Every container's row says what it was doing; this file compares that with what is
 * there.
 *
 *   intent create    the store's parts may exist: delete them and the row
 *   intent remove    the same, with whatever is left of its last run
 *   intent start     ended already: record that. Runs: take it over. Else undo the start
 *   intent freeze    see whether it is paused
 *   alive            conmon watches it: so do we. Ended meanwhile: its exit file says how
 *   stopped          ended but not cleaned up: do that
 *
 * Loading only sorts; the work is done under the container's lock by whoever takes it first: a
 * worker that is sent for that, or the first call that needs the container. The same repairs make
 * up for what failed while this engine runs (retry.c).
 */

#include "engine/recover.h"

#include <errno.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "runtime/monitor.h"
#include "runtime/stray.h"

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

/* It ended, and what removes it then had failed. */
static bool should_be_gone(const Container *container) {
        return container->config.autoRemove && container->run.status == CONTAINER_EXITED;
}

static int load_row(const ContainerRow *row, void *userdata, Error *err) {
        Loading *loading = userdata;
        Engine *engine = loading->engine;
        _cleanup_(container_unrefp)
        Container *container = NULL;

        if (container_new(&container, engine, row->id, row->config, &row->run, err) < 0)
                return -1;
        if (row->run.intent == CONTAINER_INTENT_CREATE ||
            row->run.intent == CONTAINER_INTENT_REMOVE) {
                registry_set_leaving(engine, container);
                add_repair(loading, container);
                return 0;
        }
        if (registry_add(engine, container, err) < 0)
                return -1;
        registry_publish(container);
        bool is_alive = container_status_is_alive(row->run.status);
        if (row->run.intent == CONTAINER_INTENT_NONE && is_alive &&
            exit_watch_add_monitor(engine->exits, container->id, row->run.monitor_pid,
                                   row->run.monitor_start, NULL) == 0)
                return 0; /* whatever happened meanwhile, the watch will report it */
        if (row->run.intent != CONTAINER_INTENT_NONE || is_alive ||
            row->run.status == CONTAINER_STOPPED || should_be_gone(container))
                add_repair(loading, container);
        return 0;
}

int recover_load(Engine *engine, Error *err) {
        Loading loading = { .engine = engine };

        int r = state_containers_load(engine->state, load_row, &loading, err);
        for (size_t i = 0; r == 0 && i < loading.repairs.count; i++)
                container_repair_soon(loading.repairs.items[i]);
        containers_done(&loading.repairs);
        return r;
}

static int kill_strays(Container *container, Error *err) {
        _cleanup_free_ char *cgroup = xasprintf(CGROUP_PARENT "/%s", container->id);

        int r = stray_kill_monitors(container->engine->runtime->monitor_path, container->id);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, container->id,
                                   "cannot look for processes of container %s", container->id);
        if (runtime_delete(container->engine->runtime, container->id, true, err) < 0)
                return -1;
        (void)stray_remove_cgroup(cgroup);
        return 0;
}

static int finish_removal_locked(Container *container, Error *err) {
        bool was_created = container->run.intent != CONTAINER_INTENT_CREATE;

        container->is_gone = true;
        if (container_delete_locked(container, err) < 0)
                return -1;
        log_info("container %s, half %s, is removed", container->id,
                 was_created ? "removed" : "created");
        return 0;
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

/*
 * The runtime knows it as running: its pids are in the run dir. 1: taken over; 0: its processes are
 * not there any more; < 0: error.
 */
static int take_over_locked(Container *container, RuntimeStatus status, pid_t pid, Error *err) {
        Engine *engine = container->engine;
        ContainerRun run = container->run;
        _cleanup_free_ char *run_dir = container_run_dir(container);
        Error failure = ERROR_INIT;

        run.monitor_pid = read_live_pid(run_dir, "conmon.pid", &run.monitor_start);
        if (run.monitor_pid == 0 || process_start_time(pid, &run.pid_start) < 0)
                return 0;
        if (exit_watch_add_monitor(engine->exits, container->id, run.monitor_pid, run.monitor_start,
                                   &failure) < 0)
                return failure.errnum == ESRCH ? 0 : error_copy(err, &failure);
        run.pid = pid;
        run.status = status == RUNTIME_STATUS_PAUSED ? CONTAINER_PAUSED : CONTAINER_RUNNING;
        run.intent = CONTAINER_INTENT_NONE;
        run.started_ns = timestamp_now();
        run.finished_ns = TIMESTAMP_ZERO;
        run.exit_code = 0;
        run.is_oom_killed = false;
        if (container_save_run_locked(container, &run, err) < 0)
                return -1;
        log_info("container %s had started; taken over", container->id);
        return 1;
}

/* 1: this start has come to its end, and that is recorded now; 0: nothing says so; < 0: error */
static int record_end_locked(Container *container, Error *err) {
        int64_t finished_ns;
        int exit_code;

        int r = exit_read(container->engine->runtime->exits_dir, container->id, &exit_code,
                          &finished_ns, err);
        if (r > 0) {
                log_info("container %s had started and ended with code %d", container->id,
                         exit_code);
                container_end_locked(container, exit_code, finished_ns);
        }
        return r;
}

/* conmon of a start whose record was not written. */
static void await_monitor(Container *container) {
        _cleanup_free_ char *run_dir = container_run_dir(container);
        ContainerRun run = { .pid = 0 };

        run.monitor_pid = read_live_pid(run_dir, "conmon.pid", &run.monitor_start);
        container_await_monitor_locked(&run);
}

static int repair_start_locked(Container *container, Error *err) {
        const ContainerRun before = container->run;
        RuntimeStatus status;
        pid_t pid;

        int r = record_end_locked(container, err);
        if (r == 0)
                r = runtime_state(container->engine->runtime, container->id, &status, &pid, err);
        if (r == 0 && (status == RUNTIME_STATUS_RUNNING || status == RUNTIME_STATUS_PAUSED))
                r = take_over_locked(container, status, pid, err);
        if (r == 0 && status != RUNTIME_STATUS_UNKNOWN && status != RUNTIME_STATUS_CREATED) {
                /* Its end is on the way to the file. */
                await_monitor(container);
                r = record_end_locked(container, err);
        }
        if (r != 0)
                return r < 0 ? r : 0;
        if (kill_strays(container, err) < 0)
                return -1;
        container_undo_start_locked(container, &before);
        if (!container->needs_repair)
                log_info("the start of container %s was undone", container->id);
        return 0;
}

/* Its monitor lives, or it has ended. */
static int watch_locked(Container *container, Error *err) {
        Error failure = ERROR_INIT;

        if (exit_watch_add_monitor(container->engine->exits, container->id,
                                   container->run.monitor_pid, container->run.monitor_start,
                                   &failure) == 0)
                return 0;
        if (failure.errnum != ESRCH)
                return error_copy(err, &failure);
        return container_look_for_end_locked(container, err);
}

static int repair_freeze_locked(Container *container, Error *err) {
        const Runtime *runtime = container->engine->runtime;
        ContainerRun run = container->run;
        RuntimeStatus status;

        if (runtime_state(runtime, container->id, &status, NULL, err) < 0)
                return -1;
        /* One that is half frozen counts as running to crun: let it really run. */
        if (status == RUNTIME_STATUS_RUNNING)
                (void)runtime_resume(runtime, container->id, NULL);
        run.status = status == RUNTIME_STATUS_PAUSED ? CONTAINER_PAUSED : CONTAINER_RUNNING;
        run.intent = CONTAINER_INTENT_NONE;
        if (container_save_run_locked(container, &run, err) < 0)
                return -1;
        log_info("container %s was being paused or resumed: it is %s", container->id,
                 container_status_name(run.status));
        return watch_locked(container, err);
}

static int repair_locked(Container *container, Error *err) {
        switch (container->run.intent) {
        case CONTAINER_INTENT_CREATE:
        case CONTAINER_INTENT_REMOVE:
                return finish_removal_locked(container, err);
        case CONTAINER_INTENT_START:
                return repair_start_locked(container, err);
        case CONTAINER_INTENT_FREEZE:
                return repair_freeze_locked(container, err);
        case CONTAINER_INTENT_NONE:
        case _CONTAINER_INTENT_MAX:
                break;
        }
        if (container_status_is_alive(container->run.status))
                return watch_locked(container, err);
        if (container->run.status != CONTAINER_STOPPED && !should_be_gone(container))
                return 0;
        int r = container->config.autoRemove ? container_remove_locked(container, err)
                                             : container_clean_locked(container, err);
        if (r == 0)
                log_info("cleaned up after container %s", container->id);
        return r;
}

int container_repair_locked(Container *container, Error *err) {
        Error failure = ERROR_INIT;

        container->needs_repair = false;
        if (repair_locked(container, &failure) < 0) {
                log_error("cannot repair container %s: %s", container->id, failure.text);
                container_retry_later_locked(container);
                return error_copy(err, &failure);
        }
        if (!container->needs_repair)
                container->retry.delay_s = 0;
        return 0;
}
