/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Telling processes apart across restarts of the engine: a pid is used again, a pid with its start
 * time is not.
 */

#include <stdint.h>
#include <sys/types.h>

/**
 * process_start_time() - a number for the moment when @pid began; 0 or -errno (-ESRCH: gone)
 *
 * Field 22 of /proc/PID/stat, mixed with the identity of this boot: the same pid that began as many
 * ticks after another boot has another number.
 */
int process_start_time(pid_t pid, uint64_t *ret);

/**
 * process_is_same() - whether @pid lives and began at @start
 *
 * 1: it does; 0: it is gone, waits to be reaped, or is another; -errno: that cannot be told now
 * (-EMFILE, -ENOMEM), so nobody may act as if it were gone.
 */
int process_is_same(pid_t pid, uint64_t start);

/**
 * process_open() - a pidfd (CLOEXEC) for the process that began at @start
 *
 * -ESRCH: it is gone; any other -errno: that cannot be told now.
 *
 * The start time is checked after the pidfd is held, so that it cannot be another process.
 */
int process_open(pid_t pid, uint64_t start);

/** process_signal() - signal the process that began at @start; errors as process_open() */
int process_signal(pid_t pid, uint64_t start, int signal);
