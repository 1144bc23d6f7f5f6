/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a start leaves when the engine dies in its middle: a conmon nobody knows the pid of, a
 * runtime it had begun to run, processes in the container's cgroup that no runtime state tells of.
 */

#include <sys/types.h>

/**
 * stray_kill_monitors() - SIGKILL every conmon whose command line names this container; wait for
 * their end
 *
 * Reads all of /proc: for recovery only. Returns how many there were, or -errno.
 */
int stray_kill_monitors(const char *monitor_path, const char *id);

/**
 * stray_await_verb() - wait until no runtime does this to the container any more
 * @verb: "pause"
 *
 * What a dead engine had asked for may still be done, after whoever looked has seen that it was
 * not. Reads all of /proc: for recovery only.
 */
void stray_await_verb(const char *id, const char *verb);

/**
 * stray_remove_cgroup() - kill what is in a container's cgroup and remove it, in every hierarchy
 * @path: as in the OCI document, e.g. "/selkie/<id>"; below the hierarchies' roots
 *
 * Best effort; a cgroup that does not exist is fine. Returns how many processes were killed.
 */
int stray_remove_cgroup(const char *path);
