/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Child processes: posix_spawn, pidfd, bounded output. No shell, no PATH search, an environment that
 * the caller names, every descriptor closed that was not asked for.
 */

#include <sys/types.h>

#include "base/buffer.h"

typedef struct SpawnOptions {
        const char *const *argv; /* argv[0] is the absolute path of the program */
        const char *const
                *environment;  /* NULL: only PATH, HOME, XDG_RUNTIME_DIR, NOTIFY_SOCKET-free */
        const char *directory; /* working directory, NULL: / */
        int stdin_fd, stdout_fd, stderr_fd; /* -EBADF: /dev/null; borrowed */
        const int *pass_fds; /* become 3, 4, ... in the child, in this order; borrowed */
        size_t pass_fds_count;
} SpawnOptions;

/** spawn_process() - start it; returns 0 and the pid and a pidfd (CLOEXEC), or -errno */
int spawn_process(const SpawnOptions *options, pid_t *ret_pid, int *ret_pidfd);

/** spawn_wait() - wait up to @timeout_ms (-1: for ever); 0 and wait status, -ETIMEDOUT, -errno. Reaps */
int spawn_wait(pid_t pid, int pidfd, int timeout_ms, int *ret_status);

/**
 * spawn_run() - start, collect its output, wait; kills it at the deadline
 * @output: stdout and stderr together, at most @output_max bytes, the rest is read and dropped; may be NULL
 * Returns the exit status (128 + N for a signal), or -errno (-ETIMEDOUT).
 */
int spawn_run(const SpawnOptions *options, int timeout_ms, size_t output_max, Buffer *output);
