/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Starting conmon, in the order that loses nothing and waits little:
 *
 *   1. spawn conmon; its child daemonises and runs `RUNTIME create`
 *   2. the first process leaves the child's pid in a file and ends
 *   3. one JSON line comes on the sync pipe: the container's pid, or -1 and why
 *   4. reap the first process, move the child into the monitors' cgroup
 *
 * The first process is reaped after the line has come, when it has long ended: waiting for it
 * before would only be one more time to fall asleep. conmon offers a start pipe to be moved before
 * it goes on. That is not used: a write to cgroup.procs waits for an RCU grace period (10 to 25 ms
 * here) unless another such write was shortly before, and the runtime's own writes for the
 * container are just that. Until the line comes, conmon shares the fate of the engine's cgroup,
 * which the engine's recovery mends as it does a crash in the middle of a create.
 */

#include "runtime/monitor.h"

#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <time.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/spawn.h"
#include "runtime/message.h"

#define SYNC_LINE_MAX  (64 * 1024) /* conmon reports 8 kB of stderr at most, each byte as \u00XX */
#define MONITOR_END_MS (10 * 1000) /* for a conmon whose create failed to end */
#define CHILD_SYNC_FD  3
#define CHILD_START_FD 4

/* What a start in progress holds. */
typedef struct MonitorStart {
        pid_t pid; /* the first process; 0: not started, or reaped */
        int pidfd;
        int sync_fd;
        int stderr_fd;
        bool is_created;   /* the runtime said yes: conmon will not end by itself */
        char *pid_file;    /* of conmon */
        char *runtime_log; /* of the runtime's create */
} MonitorStart;

static void monitor_start_done(MonitorStart *start) {
        if (start->pid > 0)
                spawn_kill(start->pid, start->pidfd);
        (void)fd_close(start->pidfd);
        (void)fd_close(start->sync_fd);
        (void)fd_close(start->stderr_fd);
        free(start->pid_file);
        free(start->runtime_log);
}

static void fill_arguments(Strings *argv, const Runtime *runtime, const MonitorOptions *options,
                           const MonitorStart *start) {
        /* A log is not worth a wait for the disk before the end of the container becomes known. */
        static const char *const leading[] = { "--api-version", "1", "--full-attach",
                                               "--no-sync-log" };

        strings_add(argv, runtime->monitor_path);
        for (size_t i = 0; i < ARRAY_SIZE(leading); i++)
                strings_add(argv, leading[i]);
        strings_printf(argv, "--cid=%s", options->id);
        strings_printf(argv, "--cuuid=%s", options->id);
        if (options->name)
                strings_printf(argv, "--name=%s", options->name);
        strings_printf(argv, "--runtime=%s", runtime->program);
        strings_printf(argv, "--bundle=%s", options->bundle);
        strings_printf(argv, "--container-pidfile=%s/pidfile", options->run_dir);
        strings_printf(argv, "--conmon-pidfile=%s", start->pid_file);
        strings_printf(argv, "--exit-dir=%s", runtime->exits_dir);
        if (options->log_path)
                strings_printf(argv, "--log-path=k8s-file:%s", options->log_path);
        else
                strings_add(argv, "--log-path=none");
        if (options->log_path && options->log_size_max > 0)
                strings_printf(argv, "--log-size-max=%lld", (long long)options->log_size_max);
        strings_printf(argv, "--runtime-arg=--root=%s", runtime->state_dir);
        strings_add(argv, "--runtime-arg=--log-format=json");
        strings_printf(argv, "--runtime-arg=--log=%s", start->runtime_log);
        if (runtime->systemd_cgroup)
                strings_add(argv, "--systemd-cgroup");
        if (options->wants_terminal)
                strings_add(argv, "--terminal");
        if (options->wants_stdin)
                strings_add(argv, "--stdin");
        if (options->leaves_stdin_open)
                strings_add(argv, "--leave-stdin-open");
        for (size_t i = 0; options->exit_command && options->exit_command[i]; i++)
                strings_printf(argv, "--exit-command%s=%s", i ? "-arg" : "",
                               options->exit_command[i]);
}

static int make_pipe(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        *ret_read = fds[0];
        *ret_write = fds[1];
        return 0;
}

static int spawn_monitor(MonitorStart *start, const Runtime *runtime, const MonitorOptions *options,
                         Error *err) {
        _cleanup_close_ int child_sync = -EBADF, child_stderr = -EBADF;
        _cleanup_strings_ Strings argv = STRINGS_INIT, environment = STRINGS_INIT;

        int r = make_pipe(&start->sync_fd, &child_sync);
        if (r == 0)
                r = make_pipe(&start->stderr_fd, &child_stderr);
        if (r == 0)
                r = fd_set_nonblock(start->stderr_fd, true);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, options->id, "cannot make pipes for conmon");

        fill_arguments(&argv, runtime, options, start);
        spawn_environment(&environment);
        strings_printf(&environment, "_OCI_SYNCPIPE=%d", CHILD_SYNC_FD);
        const SpawnOptions spawn = {
                .argv = (const char *const *)argv.items,
                .environment = (const char *const *)environment.items,
                .directory = options->bundle,
                .stdin_fd = -EBADF,
                .stdout_fd = -EBADF,
                .stderr_fd = child_stderr,
                .pass_fds = &child_sync,
                .pass_fds_count = 1,
        };
        r = spawn_process(&spawn, &start->pid, &start->pidfd);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, options->id, "cannot run %s in %s",
                                   runtime->monitor_path, options->bundle);
        return 0;
}

static int64_t now_ms(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One line without its newline; empty when the pipe ended first. 0, -ETIMEDOUT or -errno. */
static int read_line(int fd, int timeout_ms, Buffer *line) {
        const int64_t deadline = now_ms() + timeout_ms;

        while (line->size < SYNC_LINE_MAX) {
                int64_t left = deadline - now_ms();
                struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
                int n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
                if (n == 0)
                        return -ETIMEDOUT;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n < 0)
                        continue;
                char *p = buffer_reserve(line, 4096);
                if (!p)
                        return -ENOMEM;
                ssize_t size = read(fd, p, 4096);
                if (size < 0 && errno != EINTR)
                        return -errno;
                if (size == 0) {
                        line->size = 0;
                        return 0;
                }
                char *newline = size > 0 ? memchr(p, '\n', (size_t)size) : NULL;
                if (newline) {
                        line->size += (size_t)(newline - p);
                        return 0;
                }
                line->size += size > 0 ? (size_t)size : 0;
        }
        return -EMSGSIZE;
}

/* The reason of a failed create: the runtime's log, else what conmon passed on of its stderr, else
 * what conmon itself wrote before it gave up. */
static int create_error(const MonitorStart *start, const Runtime *runtime, const char *id,
                        const char *message, Error *err) {
        _cleanup_free_ char *what = xasprintf("%s create", runtime->name);
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        _cleanup_free_ char *log = NULL;
        size_t size = 0;

        if (file_read_at(AT_FDCWD, start->runtime_log, RUNTIME_OUTPUT_MAX, &log, &size) == 0 &&
            size > 0)
                buffer_append(&text, log, size);
        else if (!text_is_empty(message))
                buffer_append_string(&text, message);
        if (text.size == 0) {
                char *p = buffer_reserve(&text, 4096);
                ssize_t n = p ? read(start->stderr_fd, p, 4096) : -1;
                text.size = n > 0 ? (size_t)n : 0;
        }
        return message_error(err, id, what, &text);
}

/* Waits for conmon's answer. Returns the container's pid, or < 0 with @err filled. */
static int await_container(MonitorStart *start, const Runtime *runtime,
                           const MonitorOptions *options, Error *err) {
        _cleanup_buffer_ Buffer line = BUFFER_INIT;

        int r = read_line(start->sync_fd, MONITOR_CREATE_TIMEOUT_MS, &line);
        if (r == -ETIMEDOUT)
                return error_set(err, ERR_TIMEOUT, options->id,
                                 "%s create did not end within %d seconds", runtime->name,
                                 MONITOR_CREATE_TIMEOUT_MS / 1000);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, options->id, "cannot read conmon's answer");
        if (line.size == 0)
                return create_error(start, runtime, options->id, NULL, err);

        message_clean(&line);
        json_auto_t *answer = json_loadb(line.data, line.size, 0, NULL);
        const json_t *data = json_object_get(answer, "data");
        if (!json_is_integer(data))
                return error_set(err, ERR_RUNTIME, options->id,
                                 "conmon answered what is no pid: %.*s", MESSAGE_MAX, line.data);
        json_int_t pid = json_integer_value(data);
        if (pid <= 0 || pid > INT_MAX)
                return create_error(start, runtime, options->id,
                                    json_string_value(json_object_get(answer, "message")), err);
        return (int)pid;
}

/* Whether it ended well or ill: the first process is gone after this. */
static int reap_first(MonitorStart *start, const char *id, Error *err) {
        int status;

        int r = spawn_wait(start->pid, start->pidfd, MONITOR_END_MS, &status);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "conmon's first process did not end");
        start->pid = 0;
        return 0;
}

static int read_result(const MonitorStart *start, const char *id, pid_t pid, MonitorResult *ret,
                       Error *err) {
        MonitorResult result = { .pid = pid };
        int64_t monitor_pid = 0;

        int r = file_read_int64(AT_FDCWD, start->pid_file, &monitor_pid);
        if (r < 0 || monitor_pid <= 0 || monitor_pid > INT_MAX)
                return error_errno(err, ERR_IO, r < 0 ? -r : EINVAL, id, "cannot read %s",
                                   start->pid_file);
        result.monitor_pid = (pid_t)monitor_pid;
        r = process_start_time(result.monitor_pid, &result.monitor_start);
        if (r == -ESRCH)
                return error_set(err, ERR_RUNTIME, id, "conmon ended right after the create");
        if (r == 0)
                r = process_start_time(pid, &result.pid_start);
        if (r == -ESRCH)
                return error_set(err, ERR_RUNTIME, id,
                                 "the container's process ended before it was started");
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot see the container's processes");
        *ret = result;
        return 0;
}

/* Waits until conmon has ended by itself, and kills it where it does not: nothing of it may write
 * to the bundle later. It takes the runtime with it (PDEATHSIG). */
static void end_monitor(const MonitorStart *start, bool is_stuck) {
        int64_t pid;

        if (file_read_int64(AT_FDCWD, start->pid_file, &pid) < 0 || pid <= 0 || pid > INT_MAX)
                return;
        _cleanup_close_ int pidfd = pidfd_open((pid_t)pid, 0);
        if (pidfd < 0)
                return;
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
        if (is_stuck || poll(&poll_fd, 1, MONITOR_END_MS) == 0) {
                (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
                (void)poll(&poll_fd, 1, MONITOR_END_MS);
        }
}

static int create_with(MonitorStart *start, const Runtime *runtime, const MonitorOptions *options,
                       MonitorResult *ret, Error *err) {
        if (spawn_monitor(start, runtime, options, err) < 0)
                return -1;

        int pid = await_container(start, runtime, options, err);
        if (pid < 0)
                return -1;
        start->is_created = true;
        if (reap_first(start, options->id, err) < 0)
                return -1;
        if (read_result(start, options->id, pid, ret, err) < 0)
                return -1;
        (void)cgroup_layout_move(&runtime->cgroups, CGROUP_PARENT, ret->monitor_pid);
        return 0;
}

int monitor_create(const Runtime *runtime, const MonitorOptions *options, MonitorResult *ret,
                   Error *err) {
        _cleanup_(monitor_start_done)
        MonitorStart start = {
                .pidfd = -EBADF,
                .sync_fd = -EBADF,
                .stderr_fd = -EBADF,
        };
        Error error = ERROR_INIT;

        start.pid_file = options->conmon_pidfile ? xstrdup(options->conmon_pidfile)
                                                 : xasprintf("%s/conmon.pid", options->run_dir);
        start.runtime_log = xasprintf("%s/oci-log", options->run_dir);
        monitor_clean(runtime, options->id, options->bundle, options->run_dir);
        if (options->conmon_pidfile)
                (void)unlink(options->conmon_pidfile);
        if (create_with(&start, runtime, options, ret, &error) == 0)
                return 0;

        if (start.pid > 0)
                (void)reap_first(&start, options->id, NULL);
        end_monitor(&start, start.is_created || error.kind != ERR_RUNTIME);
        (void)runtime_delete(runtime, options->id, true, NULL);
        monitor_clean(runtime, options->id, options->bundle, options->run_dir);
        if (options->conmon_pidfile)
                (void)unlink(options->conmon_pidfile);
        return error_copy(err, &error);
}

bool monitor_saw_oom(const char *bundle) {
        _cleanup_free_ char *path = xasprintf("%s/oom", bundle);

        return access(path, F_OK) == 0;
}

static void remove_files(const char *folder, const char *const *names, size_t count) {
        _cleanup_close_ int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (size_t i = 0; fd >= 0 && i < count; i++)
                (void)unlinkat(fd, names[i], 0);
}

/* Beside the folder of the exit files. */
static char *links_dir(const Runtime *runtime) {
        const char *slash = strrchr(runtime->exits_dir, '/');

        return xasprintf("%.*s/io", (int)(slash - runtime->exits_dir), runtime->exits_dir);
}

int monitor_link(const Runtime *runtime, const char *id, const char *bundle, char **ret,
                 Error *err) {
        _cleanup_free_ char *folder = links_dir(runtime);
        _cleanup_free_ char *link = xasprintf("%s/%s", folder, id);

        int r = path_make_dirs(folder, 0700);
        if (r == 0 && symlink(bundle, link) < 0 && errno != EEXIST)
                r = -errno;
        if (r < 0)
                return error_errno(err, ERR_IO, -r, link, "cannot make %s", link);
        *ret = TAKE_PTR(link);
        return 0;
}

void monitor_forget(const Runtime *runtime, const char *id) {
        _cleanup_free_ char *links = links_dir(runtime);

        remove_files(runtime->exits_dir, &id, 1);
        remove_files(links, &id, 1);
}

void monitor_clean(const Runtime *runtime, const char *id, const char *bundle,
                   const char *run_dir) {
        static const char *const bundle_files[] = { "attach", "ctl", "winsz", "oom" };
        /* .pidfile: what runc had begun to write when it was killed; it refuses to begin again */
        static const char *const run_files[] = { "pidfile", ".pidfile", "conmon.pid", "oci-log" };

        remove_files(bundle, bundle_files, ARRAY_SIZE(bundle_files));
        remove_files(run_dir, run_files, ARRAY_SIZE(run_files));
        monitor_forget(runtime, id);
}
