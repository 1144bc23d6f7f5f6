/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Child processes: posix_spawn, pidfd, bounded output. No shell, no PATH search, an environment
 * that the caller names, every descriptor closed that was not asked for.
 *
 * A child begins with every signal at its default and none blocked, in a process group of its own,
 * so that a terminal's interrupt meant for this program does not reach it. Other threads may open
 * descriptors at any moment, also without CLOEXEC: the child closes all it does not know. Only this
 * program's own waiting reaps its children; nothing else may call wait() for "any child".
 */

#include <sys/types.h>

#include "base/buffer.h"
#include "base/text.h"

#define SPAWN_PASS_FDS_MAX 32

typedef struct SpawnOptions {
        const char *const *argv; /* argv[0] is the absolute path of the program */
        const char *const
                *environment;  /* NULL: only PATH, HOME, XDG_RUNTIME_DIR, and D-Bus's address */
        const char *directory; /* working directory, NULL: / */
        int stdin_fd, stdout_fd, stderr_fd; /* -EBADF: /dev/null; borrowed */
        const int *pass_fds;   /* become 3, 4, ... in the child, in this order; borrowed */
        size_t pass_fds_count; /* at most SPAWN_PASS_FDS_MAX */
} SpawnOptions;

#define SPAWN_OPTIONS_INIT \
        { .stdin_fd = -EBADF, .stdout_fd = -EBADF, .stderr_fd = -EBADF }

/**
 * spawn_process() - start it; returns 0 and the pid and a pidfd (CLOEXEC), or -errno
 *
 * That the program does not exist or may not be run is an error here, not of the child. Both
 * results are the caller's: spawn_wait() until it reaps, then close the pidfd.
 */
int spawn_process(const SpawnOptions *options, pid_t *ret_pid, int *ret_pidfd);

/** spawn_environment() - append what a child gets when its options name no environment */
void spawn_environment(Strings *environment);

/**
 * spawn_wait() - wait for the end of a child and reap it
 * @timeout_ms: -1: for ever
 *
 * 0 and the wait status; -ETIMEDOUT: it goes on; -errno.
 */
int spawn_wait(pid_t pid, int pidfd, int timeout_ms, int *ret_status);

/** spawn_kill() - SIGKILL to a child not reaped yet and its process group, then reap it */
void spawn_kill(pid_t pid, int pidfd);

/**
 * spawn_run() - start, collect its output, wait; kills it at the deadline
 * @timeout_ms: of the whole run; -1: none
 * @output: stdout and stderr together, at most @output_max bytes, the rest is read and dropped; may
 *         be NULL
 *
 * Output that was written before the program ended is complete; a grandchild that keeps the pipe
 * open is not waited for. Where @options names a stdout or stderr of its own, that one is not
 * collected. Returns the exit status (128 + N for a signal), or -errno (-ETIMEDOUT).
 */
int spawn_run(const SpawnOptions *options, int timeout_ms, size_t output_max, Buffer *output);
