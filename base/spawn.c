/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/text.h"

#define STANDARD_FDS     3
#define OUTPUT_READ_SIZE (16 * 1024)

/* What a child gets when the caller names no environment: enough to find programs, its home, and
 * the user's runtime folder and bus. Nothing that was meant for this process alone, like
 * NOTIFY_SOCKET. */
static const char *const inherited_variables[] = { "PATH", "HOME", "XDG_RUNTIME_DIR",
                                                   "DBUS_SESSION_BUS_ADDRESS" };

void spawn_environment(Strings *environment) {
        for (size_t i = 0; i < ARRAY_SIZE(inherited_variables); i++) {
                const char *value = getenv(inherited_variables[i]);
                if (value)
                        strings_printf(environment, "%s=%s", inherited_variables[i], value);
        }
        if (!getenv("PATH"))
                strings_add(environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                         "/sbin:/bin");
}

/*
 * Descriptors of the child are set one after the other, so a source that is itself a target's
 * number could be overwritten before it was used: such a source is first copied out of the way. The
 * copies are closed by the caller of actions_prepare().
 */
typedef struct Sources {
        int fds[STANDARD_FDS + SPAWN_PASS_FDS_MAX];
        bool is_copy[STANDARD_FDS + SPAWN_PASS_FDS_MAX];
        int count;
} Sources;

static void sources_done(Sources *sources) {
        for (int i = 0; i < sources->count; i++)
                if (sources->is_copy[i])
                        (void)fd_close(sources->fds[i]);
}

static int sources_collect(const SpawnOptions *options, Sources *sources) {
        const int targets = STANDARD_FDS + (int)options->pass_fds_count;
        const int standard[STANDARD_FDS] = { options->stdin_fd, options->stdout_fd,
                                             options->stderr_fd };

        for (int i = 0; i < targets; i++) {
                int fd = i < STANDARD_FDS ? standard[i] : options->pass_fds[i - STANDARD_FDS];
                bool is_copy = fd >= 0 && fd < targets;
                if (is_copy) {
                        fd = fcntl(fd, F_DUPFD_CLOEXEC, targets);
                        if (fd < 0)
                                return -errno;
                }
                sources->fds[i] = fd;
                sources->is_copy[i] = is_copy;
                sources->count = i + 1;
        }
        return 0;
}

/* Returns a positive errno value, like the posix_spawn functions. */
static int actions_fill(posix_spawn_file_actions_t *actions, const SpawnOptions *options,
                        const Sources *sources) {
        int r = 0;

        for (int i = 0; i < sources->count && r == 0; i++) {
                if (sources->fds[i] >= 0)
                        r = posix_spawn_file_actions_adddup2(actions, sources->fds[i], i);
                else if (i < STANDARD_FDS)
                        r = posix_spawn_file_actions_addopen(actions, i, "/dev/null",
                                                             i == 0 ? O_RDONLY : O_WRONLY, 0);
                else
                        r = EBADF;
        }
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(actions, sources->count);
        if (r == 0)
                r = posix_spawn_file_actions_addchdir_np(
                        actions, options->directory ? options->directory : "/");
        return r;
}

static int attributes_fill(posix_spawnattr_t *attributes) {
        sigset_t none, all;

        (void)sigemptyset(&none);
        (void)sigfillset(&all);
        int r = posix_spawnattr_setflags(
                attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setpgroup(attributes, 0);
        return r;
}

static int spawn_with_actions(const SpawnOptions *options,
                              const posix_spawn_file_actions_t *actions, pid_t *ret_pid) {
        _cleanup_strings_ Strings inherited = STRINGS_INIT;
        const char *const *environment = options->environment;
        posix_spawnattr_t attributes;

        if (!environment) {
                spawn_environment(&inherited);
                environment = (const char *const *)inherited.items;
        }
        int r = posix_spawnattr_init(&attributes);
        if (r != 0)
                return r;
        r = attributes_fill(&attributes);
        if (r == 0)
                r = posix_spawn(ret_pid, options->argv[0], actions, &attributes,
                                (char *const *)options->argv, (char *const *)environment);
        (void)posix_spawnattr_destroy(&attributes);
        return r;
}

int spawn_process(const SpawnOptions *options, pid_t *ret_pid, int *ret_pidfd) {
        _cleanup_(sources_done)
        Sources sources = { .count = 0 };
        posix_spawn_file_actions_t actions;
        pid_t pid = 0;

        assert(options->argv[0] && options->argv[0][0] == '/');
        if (options->pass_fds_count > SPAWN_PASS_FDS_MAX)
                return -E2BIG;
        int r = sources_collect(options, &sources);
        if (r < 0)
                return r;
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = actions_fill(&actions, options, &sources);
        if (r == 0)
                r = spawn_with_actions(options, &actions, &pid);
        (void)posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;

        /* The child cannot have been reaped: the number is still its own. */
        int pidfd = pidfd_open(pid, 0);
        if (pidfd < 0) {
                r = -errno;
                spawn_kill(pid, -EBADF);
                return r;
        }
        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
}

static int64_t now_ms(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t deadline_of(int timeout_ms) {
        return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

static int remaining_ms(int64_t deadline) {
        if (deadline < 0)
                return -1;
        int64_t left = deadline - now_ms();
        return left > 0 ? (int)left : 0;
}

static int reap(pid_t pid, int *ret_status) {
        while (waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int spawn_wait(pid_t pid, int pidfd, int timeout_ms, int *ret_status) {
        const int64_t deadline = deadline_of(timeout_ms);

        for (;;) {
                struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
                int n = poll(&poll_fd, 1, remaining_ms(deadline));
                if (n > 0)
                        return reap(pid, ret_status);
                if (n == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

void spawn_kill(pid_t pid, int pidfd) {
        int status;

        /* Its group first, which a child may have left; both numbers are held by the unreaped
         * child. */
        (void)kill(-pid, SIGKILL);
        if (pidfd >= 0)
                (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        else
                (void)kill(pid, SIGKILL);
        (void)reap(pid, &status);
}

/* 0 to 255, 128 + N for a signal. */
static int status_code(int status) {
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reads once, at most @size bytes. Returns 1 when there may be more later, 0 at the end, -errno. */
static int output_read(int fd, size_t size, size_t output_max, Buffer *output) {
        char data[OUTPUT_READ_SIZE];

        ssize_t n = read(fd, data, size < sizeof(data) ? size : sizeof(data));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 1 : -errno;
        size_t room = output->size < output_max ? output_max - output->size : 0;
        buffer_append(output, data, (size_t)n < room ? (size_t)n : room);
        return n > 0;
}

/* What the process wrote before its end is in the pipe now; what others add later is not waited
 * for. */
static int output_read_rest(int fd, size_t output_max, Buffer *output) {
        int waiting = 0;

        if (ioctl(fd, FIONREAD, &waiting) < 0)
                return -errno;
        while (waiting > 0) {
                int r = output_read(fd, (size_t)waiting, output_max, output);
                if (r <= 0)
                        return r;
                waiting -= OUTPUT_READ_SIZE;
        }
        return 0;
}

/* Waits for the end of the process while its output is taken; the process is not reaped. */
static int output_collect(int pidfd, int fd, int64_t deadline, size_t output_max, Buffer *output) {
        struct pollfd fds[2] = {
                { .fd = pidfd, .events = POLLIN },
                { .fd = fd, .events = POLLIN },
        };

        for (;;) {
                int n = poll(fds, ARRAY_SIZE(fds), remaining_ms(deadline));
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return -ETIMEDOUT;
                if (n < 0)
                        continue;
                if (fds[0].revents != 0)
                        return output_read_rest(fd, output_max, output);
                int r = output_read(fd, SIZE_MAX, output_max, output);
                if (r < 0)
                        return r;
                if (r == 0)
                        fds[1].fd = -EBADF;
        }
}

int spawn_run(const SpawnOptions *options, int timeout_ms, size_t output_max, Buffer *output) {
        const int64_t deadline = deadline_of(timeout_ms);
        _cleanup_close_ int read_fd = -EBADF, write_fd = -EBADF, pidfd = -EBADF;
        SpawnOptions with_output = *options;
        int status = 0;
        pid_t pid = 0;

        if (output) {
                int fds[2];
                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                read_fd = fds[0];
                write_fd = fds[1];
                int r = fd_set_nonblock(read_fd, true);
                if (r < 0)
                        return r;
                if (with_output.stdout_fd < 0)
                        with_output.stdout_fd = write_fd;
                if (with_output.stderr_fd < 0)
                        with_output.stderr_fd = write_fd;
        }
        int r = spawn_process(&with_output, &pid, &pidfd);
        if (r < 0)
                return r;
        (void)fd_close(TAKE_FD(write_fd));

        if (output)
                r = output_collect(pidfd, read_fd, deadline, output_max, output);
        if (r == 0)
                r = spawn_wait(pid, pidfd, remaining_ms(deadline), &status);
        if (r < 0) {
                spawn_kill(pid, pidfd);
                return r;
        }
        return status_code(status);
}
