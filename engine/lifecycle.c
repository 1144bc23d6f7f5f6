/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Into the runtime and out of it again: init, start, pause, kill, and the clean-up after the end.
 *
 * A start writes its intent, mounts the root, writes the bundle, has conmon create the container,
 * and records the processes at once. Whatever fails on the way is undone to the state before. If
 * the engine dies in between, the intent tells the next one where to look (engine/recover.c).
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/timestamp.h"
#include "engine/object.h"
#include "engine/spec.h"
#include "runtime/monitor.h"

#define MONITOR_END_MS 5000 /* for a conmon whose container was killed */

static int write_bundle(Container *container, const char *bundle, const char *root, Error *err) {
        Buffer spec = BUFFER_INIT;
        _cleanup_free_ char *path = xasprintf("%s/config.json", bundle);

        int r = spec_build(container, root, &spec, err);
        if (r == 0) {
                int n = file_write_atomic_at(AT_FDCWD, path, spec.data, spec.size, 0600, false);
                if (n < 0)
                        r = error_errno(err, ERR_IO, -n, path, "cannot write %s", path);
        }
        buffer_done(&spec);
        return r;
}

/* What need not survive a reboot did not. */
static int make_run_dir(Container *container, Error *err) {
        _cleanup_free_ char *run_dir = container_run_dir(container);

        int r = path_make_dirs(run_dir, 0700);
        return r < 0 ? error_errno(err, ERR_IO, -r, run_dir, "cannot make %s", run_dir) : 0;
}

static int start_monitor(Container *container, const char *bundle, MonitorResult *ret, Error *err) {
        Engine *engine = container->engine;
        _cleanup_free_ char *run_dir = container_run_dir(container);
        _cleanup_free_ char *log_path = container_log_path(container);
        const MonitorOptions options = {
                .id = container->id,
                .name = container->config.name,
                .bundle = bundle,
                .run_dir = run_dir,
                .log_path = log_path,
                .log_size_max = engine->log_size_max,
                .wants_terminal = container->config.tty,
                .wants_stdin = container->config.interactive,
                .exit_command = engine->exit_command,
        };

        return monitor_create(engine->runtime, &options, ret, err);
}

void container_await_monitor_locked(const ContainerRun *run) {
        struct pollfd poll_fd = { .events = POLLIN };
        _cleanup_close_ int pidfd =
                run->monitor_pid > 0 ? process_open(run->monitor_pid, run->monitor_start) : -EBADF;

        if (pidfd < 0)
                return;
        poll_fd.fd = pidfd;
        if (poll(&poll_fd, 1, MONITOR_END_MS) == 0 &&
            pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0)
                (void)poll(&poll_fd, 1, MONITOR_END_MS);
}

static int undo_start(Container *container, const ContainerRun *run, Error *err) {
        Engine *engine = container->engine;
        _cleanup_free_ char *bundle = container_bundle_dir(container);
        _cleanup_free_ char *run_dir = container_run_dir(container);

        if (runtime_delete(engine->runtime, container->id, true, err) < 0)
                return -1;
        container_await_monitor_locked(&container->run);
        if (store_layer_unmount(engine->store, container->config.layer, false, NULL, err) < 0 ||
            container_save_run_locked(container, run, err) < 0)
                return -1;
        monitor_clean(engine->runtime, container->id, bundle, run_dir);
        return 0;
}

void container_undo_start_locked(Container *container, const ContainerRun *before) {
        ContainerRun run = *before;
        Error err = ERROR_INIT;

        run.intent = CONTAINER_INTENT_NONE;
        if (run.status != CONTAINER_CONFIGURED)
                run.status = CONTAINER_EXITED;
        if (undo_start(container, &run, &err) < 0) {
                log_error("cannot undo the start of container %s: %s", container->id, err.text);
                run.intent = CONTAINER_INTENT_START;
                container_show_run_locked(container, &run);
                container_retry_later_locked(container);
        }
        if (container_status_is_alive(before->status))
                container_notify_locked(container, true, false);
}

static int init_locked(Container *container, Error *err) {
        Engine *engine = container->engine;

        /* A clean-up that failed at the end is made up for first: its mount is still counted. */
        if (container->run.status == CONTAINER_STOPPED &&
            container_clean_locked(container, err) < 0)
                return -1;

        const ContainerRun before = container->run;
        ContainerRun run = before;
        _cleanup_free_ char *bundle = container_bundle_dir(container);
        _cleanup_free_ char *root = NULL;
        MonitorResult monitor;

        run.intent = CONTAINER_INTENT_START;
        if (container_save_run_locked(container, &run, err) < 0)
                return -1;
        if (store_layer_mount(engine->store, container->config.layer, &root, err) < 0) {
                if (container_save_run_locked(container, &before, NULL) < 0)
                        container_retry_later_locked(container);
                return -1;
        }
        if (make_run_dir(container, err) < 0 || write_bundle(container, bundle, root, err) < 0 ||
            start_monitor(container, bundle, &monitor, err) < 0) {
                container_undo_start_locked(container, &before);
                return -1;
        }

        run.status = CONTAINER_CREATED;
        run.pid = monitor.pid;
        run.pid_start = monitor.pid_start;
        run.monitor_pid = monitor.monitor_pid;
        run.monitor_start = monitor.monitor_start;
        run.exit_code = 0;
        run.is_oom_killed = false;
        run.finished_ns = TIMESTAMP_ZERO;
        container_show_run_locked(container, &run);
        if (exit_watch_add_monitor(engine->exits, container->id, run.monitor_pid, run.monitor_start,
                                   err) < 0) {
                container_undo_start_locked(container, &before);
                return -1;
        }
        return 0;
}

int container_init(Container *container, Error *err) {
        if (container_enter(container, err) < 0)
                return -1;

        int r = 0;
        if (!container_status_is_alive(container->run.status)) {
                const ContainerRun before = container->run;
                r = init_locked(container, err);
                if (r == 0) {
                        ContainerRun run = container->run;
                        run.intent = CONTAINER_INTENT_NONE;
                        r = container_save_run_locked(container, &run, err);
                        if (r < 0)
                                container_undo_start_locked(container, &before);
                }
        }
        container_unlock(container);
        return r;
}

int container_io_dir(Container *container, char **ret, Error *err) {
        _cleanup_free_ char *bundle = container_bundle_dir(container);

        if (container_enter(container, err) < 0)
                return -1;
        int r = monitor_link(container->engine->runtime, container->id, bundle, ret, err);
        container_unlock(container);
        return r;
}

/* One that is created already gets its intent too: it must not count as created once it runs. */
static int intend_start_locked(Container *container, Error *err) {
        ContainerRun run = container->run;

        run.intent = CONTAINER_INTENT_START;
        return container_save_run_locked(container, &run, err);
}

static int start_locked(Container *container, Error *err) {
        const ContainerRun before = container->run;

        if (container->is_leaving)
                return error_set(err, ERR_STATE, container->id,
                                 "container %s is being removed: container state improper",
                                 container->id);
        if (before.status == CONTAINER_RUNNING || before.status == CONTAINER_PAUSED)
                return error_set(err, ERR_STATE, container->id,
                                 "container is already running or paused");
        if ((before.status == CONTAINER_CREATED ? intend_start_locked(container, err)
                                                : init_locked(container, err)) < 0)
                return -1;

        ContainerRun run = container->run;
        run.status = CONTAINER_RUNNING;
        run.intent = CONTAINER_INTENT_NONE;
        run.started_ns = timestamp_now();
        if (runtime_start(container->engine->runtime, container->id, err) < 0 ||
            container_save_run_locked(container, &run, err) < 0) {
                container_undo_start_locked(container, &before);
                return -1;
        }
        return 0;
}

int container_start(Container *container, Error *err) {
        if (container_enter(container, err) < 0)
                return -1;
        int r = start_locked(container, err);
        container_unlock(container);
        return r;
}

int container_signal_locked(Container *container, int signal, Error *err) {
        int r = process_signal(container->run.pid, container->run.pid_start, signal);

        if (r == -ESRCH)
                return error_set(err, ERR_NOT_RUNNING, container->id, "container %s has ended",
                                 container->id);
        return r < 0 ? error_errno(err, ERR_IO, -r, container->id,
                                   "cannot send signal %d to container %s", signal, container->id)
                     : 0;
}

int container_kill(Container *container, int64_t signal, Error *err) {
        if (signal == -1)
                signal = SIGTERM;
        if (signal < 0 || signal > SIGRTMAX)
                return error_set(err, ERR_INVALID, "signal", "%lld is not a signal: 0 to %d are",
                                 (long long)signal, SIGRTMAX);
        if (container_enter(container, err) < 0)
                return -1;

        int r = 0;
        bool is_running = container->run.status == CONTAINER_RUNNING;
        if (is_running && signal != 0) {
                Error failure = ERROR_INIT;
                r = container_signal_locked(container, (int)signal, &failure);
                is_running = failure.kind != ERR_NOT_RUNNING; /* it has just ended */
                if (r < 0)
                        (void)error_copy(err, &failure);
        }
        if (!is_running)
                r = error_set(err, ERR_STATE, container->id,
                              "can only kill running containers: container state improper");
        container_unlock(container);
        return r;
}

/* With its own intent, since nobody but the kernel knows afterwards which of the two it was. */
static int freeze_locked(Container *container, bool freezes, Error *err) {
        const Runtime *runtime = container->engine->runtime;
        const ContainerRun before = container->run;
        ContainerRun run = before;

        run.intent = CONTAINER_INTENT_FREEZE;
        if (container_save_run_locked(container, &run, err) < 0)
                return -1;
        int r = freezes ? runtime_pause(runtime, container->id, err)
                        : runtime_resume(runtime, container->id, err);
        if (r == 0) {
                run.status = freezes ? CONTAINER_PAUSED : CONTAINER_RUNNING;
                run.intent = CONTAINER_INTENT_NONE;
                r = container_save_run_locked(container, &run, err);
                if (r == 0)
                        return 0;
        }
        /* As before, if that can be written; else the repair sees what it is and records that. */
        if (container_save_run_locked(container, &before, NULL) < 0)
                container_retry_later_locked(container);
        else if (run.intent == CONTAINER_INTENT_NONE)
                (void)(freezes ? runtime_resume(runtime, container->id, NULL)
                               : runtime_pause(runtime, container->id, NULL));
        return -1;
}

static int error_not_running(Container *container, ContainerStatus status, bool freezes,
                             Error *err) {
        return error_set(err, ERR_STATE, container->id,
                         "\"%s\" is not %s: container state improper",
                         container_status_name(status),
                         freezes ? "running, can't pause" : "paused, can't unpause");
}

/* One that has just ended is no failure of the runtime. */
static int try_to_freeze_locked(Container *container, bool freezes, Error *err) {
        Error failure = ERROR_INIT;

        int r = freeze_locked(container, freezes, &failure);
        if (r < 0 && failure.kind == ERR_NOT_RUNNING)
                return error_not_running(container, CONTAINER_STOPPED, freezes, err);
        return r < 0 ? error_copy(err, &failure) : 0;
}

int container_pause(Container *container, Error *err) {
        if (container_enter(container, err) < 0)
                return -1;

        ContainerStatus status = container->run.status;
        int r;
        if (status == CONTAINER_PAUSED)
                r = error_set(err, ERR_STATE, container->id,
                              "\"%s\" is already paused: container state improper", container->id);
        else if (status != CONTAINER_RUNNING)
                r = error_not_running(container, status, true, err);
        else
                r = try_to_freeze_locked(container, true, err);
        container_unlock(container);
        return r;
}

int container_unpause(Container *container, Error *err) {
        if (container_enter(container, err) < 0)
                return -1;

        int r = container->run.status == CONTAINER_PAUSED
                        ? try_to_freeze_locked(container, false, err)
                        : error_set(err, ERR_STATE, container->id,
                                    "\"%s\" is not paused, can't unpause: container state improper",
                                    container->id);
        container_unlock(container);
        return r;
}

int container_clean_locked(Container *container, Error *err) {
        Engine *engine = container->engine;
        _cleanup_free_ char *bundle = container_bundle_dir(container);
        _cleanup_free_ char *run_dir = container_run_dir(container);

        if (runtime_delete(engine->runtime, container->id, true, err) < 0)
                return -1;
        if (store_layer_unmount(engine->store, container->config.layer, false, NULL, err) < 0)
                return -1;

        ContainerRun run = container->run;
        run.status = CONTAINER_EXITED;
        if (container_save_run_locked(container, &run, err) < 0)
                return -1;
        /* The exit file goes last: until the end is in state.db, it is the only witness. */
        monitor_clean(engine->runtime, container->id, bundle, run_dir);
        return 0;
}
