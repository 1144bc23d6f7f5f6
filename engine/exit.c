/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a container: from conmon's exit file to the record, the answers, and the clean-up.
 *
 * The loop only hands the event to a worker. The worker looks again, under the container's lock,
 * since the same end is reported more than once (file, scan, monitor's pidfd) and the container may
 * have been started again meanwhile: an end counts only if its file is there, or if the monitor is
 * dead. Where that cannot be told, for lack of descriptors say, it is looked at again later.
 */

#include <errno.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "engine/recover.h"
#include "runtime/monitor.h"
#include "runtime/process.h"

#define EXIT_CODE_UNKNOWN (-1) /* conmon was killed and nobody saw the status */

typedef struct ExitJob {
        PoolTask task;
        Container *container;
} ExitJob;

void container_end_locked(Container *container, int exit_code, int64_t finished_ns) {
        Error err = ERROR_INIT;
        ContainerRun run = container->run;
        bool is_removed = container->config.autoRemove;
        _cleanup_free_ char *bundle = container_bundle_dir(container);

        run.status = CONTAINER_STOPPED;
        run.intent = CONTAINER_INTENT_NONE;
        run.exit_code = exit_code;
        /* A file's time comes from a coarser clock: no run ends before it began. */
        run.finished_ns = finished_ns > run.started_ns ? finished_ns : run.started_ns;
        run.is_oom_killed = monitor_saw_oom(bundle);
        if (container_save_run_locked(container, &run, &err) < 0) {
                /* The exit file stays, so that the next start of the engine knows. */
                log_error("cannot record the end of container %s: %s", container->id, err.text);
                container_show_run_locked(container, &run);
                container_retry_later_locked(container);
        }

        /* One that removes itself is out of sight before anybody hears that it ended. */
        if (is_removed && container_hide_locked(container, &err) < 0) {
                log_error("cannot begin to remove container %s: %s", container->id, err.text);
                container_retry_later_locked(container);
                is_removed = false;
        }
        container_notify_locked(container, false, false);

        if (is_removed) {
                if (container_delete_locked(container, &err) < 0)
                        log_error("cannot remove container %s after its end: %s", container->id,
                                  err.text);
                return;
        }
        if (container_clean_locked(container, &err) < 0) {
                log_error("cannot clean up after container %s: %s", container->id, err.text);
                container_retry_later_locked(container);
        }
        container_notify_locked(container, true, false);
}

int container_look_for_end_locked(Container *container, Error *err) {
        Engine *engine = container->engine;
        const ContainerRun run = container->run;
        Error failure = ERROR_INIT;
        int64_t finished_ns;
        int exit_code;

        if (!container_status_is_alive(run.status))
                return 0;
        int r = exit_read(engine->runtime->exits_dir, container->id, &exit_code, &finished_ns,
                          &failure);
        if (r > 0) {
                container_end_locked(container, exit_code, finished_ns);
                return 0;
        }
        if (r < 0 && failure.kind != ERR_CORRUPT)
                return error_copy(err, &failure);
        if (r < 0)
                log_error("cannot read how container %s ended: %s", container->id, failure.text);
        int monitor_lives = process_is_same(run.monitor_pid, run.monitor_start);
        int lives = monitor_lives == 0 ? process_is_same(run.pid, run.pid_start) : 0;
        if (monitor_lives < 0 || lives < 0)
                return error_errno(err, ERR_IO, monitor_lives < 0 ? -monitor_lives : -lives,
                                   container->id, "cannot see whether container %s still runs",
                                   container->id);
        if (monitor_lives)
                return 0;
        if (lives) {
                /* Its output has no reader any more, but it is not ours to end: watch it
                 * instead. */
                log_warning("the monitor of container %s died; the container runs on without a log",
                            container->id);
                if (exit_watch_add_monitor(engine->exits, container->id, run.pid, run.pid_start,
                                           &failure) == 0)
                        return 0;
                if (failure.errnum != ESRCH)
                        return error_copy(err, &failure);
        }
        log_warning("container %s ended and nobody saw its exit code", container->id);
        container_end_locked(container, EXIT_CODE_UNKNOWN, timestamp_now());
        return 0;
}

static void run_exit_job(PoolTask *task) {
        ExitJob *job = container_of(task, ExitJob, task);
        Container *container = job->container;

        Error err = ERROR_INIT;

        if (container_lock(container, NULL) == 0) {
                if (container_look_for_end_locked(container, &err) < 0) {
                        log_error("%s", err.text);
                        container_retry_later_locked(container);
                }
                container_unlock(container);
        }
        container_unref(container);
        free(job);
}

/* Whether an end could be news: one that is being started may have ended already. */
static bool may_end(Container *container) {
        ContainerRun run = container_run(container);

        return container_status_is_alive(run.status) || run.intent == CONTAINER_INTENT_START;
}

void engine_on_exit(const char *id, void *userdata) {
        Engine *engine = userdata;

        pthread_mutex_lock(&engine->registry_lock);
        Container *container = map_get(&engine->by_id, id);
        if (container)
                container_ref(container);
        pthread_mutex_unlock(&engine->registry_lock);
        if (!container)
                return; /* removed: its files went with it; or not loaded yet: a scan follows */
        if (!may_end(container)) {
                container_unref(container);
                return;
        }
        ExitJob *job = xnew(ExitJob, 1);
        *job = (ExitJob){ .task = { .run = run_exit_job }, .container = container };
        pool_submit(engine->pool, &job->task);
}
