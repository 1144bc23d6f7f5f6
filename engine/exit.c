/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a container: from conmon's exit file to the record, the answers, and the clean-up.
 *
 * The loop only hands the event to a worker. The worker looks again, under the container's lock,
 * since the same end may be reported more than once (file, scan, monitor's pidfd) and the container
 * may have been started again meanwhile: an end counts only if its file is there, or if the monitor
 * is dead.
 */

#include "base/log.h"
#include "base/timestamp.h"
#include "engine/recover.h"
#include "runtime/monitor.h"

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
        }

        /* One that removes itself is out of sight before anybody hears that it ended. */
        if (is_removed && container_hide_locked(container, &err) < 0) {
                log_error("cannot begin to remove container %s: %s", container->id, err.text);
                is_removed = false;
        }
        container_notify_locked(container, false, false);

        if (is_removed) {
                if (container_delete_locked(container, &err) < 0)
                        log_error("cannot remove container %s after its end: %s", container->id,
                                  err.text);
                return;
        }
        if (container_clean_locked(container, &err) < 0)
                log_error("cannot clean up after container %s: %s", container->id, err.text);
        container_notify_locked(container, true, false);
}

/* Under the lock: what the exit file says now, if this container has ended at all. */
void container_look_for_end_locked(Container *container) {
        Engine *engine = container->engine;
        Error err = ERROR_INIT;
        int64_t finished_ns;
        int exit_code;

        int r = exit_read(engine->runtime->exits_dir, container->id, &exit_code, &finished_ns,
                          &err);
        if (r < 0)
                log_error("cannot read how container %s ended: %s", container->id, err.text);

        if (!container_status_is_alive(container->run.status)) {
                /* The end of a start that was undone. */
                _cleanup_free_ char *bundle = container_bundle_dir(container);
                _cleanup_free_ char *run_dir = container_run_dir(container);
                if (r > 0 && container->run.status != CONTAINER_STOPPED)
                        monitor_clean(engine->runtime, container->id, bundle, run_dir);
                return;
        }
        if (r > 0) {
                container_end_locked(container, exit_code, finished_ns);
                return;
        }
        ContainerRun run = container->run;
        if (process_is_same(run.monitor_pid, run.monitor_start))
                return;
        if (process_is_same(run.pid, run.pid_start)) {
                /* Its output has no reader any more, but it is not ours to end: watch it
                 * instead. */
                log_warning("the monitor of container %s died; the container runs on without a log",
                            container->id);
                if (exit_watch_add_monitor(engine->exits, container->id, run.pid, run.pid_start,
                                           &err) == 0)
                        return;
                log_error("cannot watch container %s: %s", container->id, err.text);
        }
        log_warning("container %s ended and nobody saw its exit code", container->id);
        container_end_locked(container, EXIT_CODE_UNKNOWN, timestamp_now());
}

static void run_exit_job(PoolTask *task) {
        ExitJob *job = container_of(task, ExitJob, task);

        if (container_lock(job->container, NULL) == 0) {
                container_look_for_end_locked(job->container);
                container_unlock(job->container);
        }
        container_unref(job->container);
        free(job);
}

void engine_on_exit(const ExitEvent *event, void *userdata) {
        Engine *engine = userdata;

        pthread_mutex_lock(&engine->registry_lock);
        Container *container = map_get(&engine->by_id, event->id);
        if (container)
                container_ref(container);
        pthread_mutex_unlock(&engine->registry_lock);
        if (!container)
                return; /* removed: its files went with it */

        ExitJob *job = xnew(ExitJob, 1);
        *job = (ExitJob){ .task = { .run = run_exit_job }, .container = container };
        pool_submit(engine->pool, &job->task);
}
