/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Telling processes apart across restarts of the engine: a pid is used again, a pid with its start
 * time is not.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** process_start_time() - field 22 of /proc/PID/stat; 0 or -errno (-ESRCH: gone) */
int process_start_time(pid_t pid, uint64_t *ret);

/**
 * process_is_same() - whether @pid lives and began at @start; one that waits to be reaped does not
 * live
 */
bool process_is_same(pid_t pid, uint64_t start);

/**
 * process_open() - a pidfd (CLOEXEC) for the process that began at @start; -errno (-ESRCH: gone)
 *
 * The start time is checked after the pidfd is held, so that it cannot be another process.
 */
int process_open(pid_t pid, uint64_t start);
