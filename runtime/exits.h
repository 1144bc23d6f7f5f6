/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How the engine learns that a container ended: inotify on conmon's exit directory, and a pidfd on
 * each conmon for the case that it was killed and will never write a file. No polling.
 */

#include "base/error.h"
#include "base/loop.h"

typedef struct ExitWatch ExitWatch;

/**
 * exit_watch_new() - watch the directory (made when missing)
 * @on_exit: called on the loop thread when a container may have ended: its exit file appeared, or
 *           its monitor ended. So mostly twice for one end, and it may have been started anew by
 *           then: the receiver looks (exit_read()).
 */
int exit_watch_new(ExitWatch **ret, Loop *loop, const char *exits_dir,
                   void (*on_exit)(const char *id, void *userdata), void *userdata, Error *err);
ExitWatch *exit_watch_free(ExitWatch *watch);
DEFINE_CLEANUP(ExitWatch, exit_watch_free);

/**
 * exit_watch_scan() - report every file that is there already, through on_exit; loop thread; at
 * engine start
 */
void exit_watch_scan(ExitWatch *watch);

/**
 * exit_watch_add_monitor() - also watch a conmon process, until it ends; any thread
 *
 * ERR_IO; errnum ESRCH: it has ended already, and nothing will be told.
 */
int exit_watch_add_monitor(ExitWatch *watch, const char *id, pid_t monitor_pid,
                           uint64_t monitor_start, Error *err);

/**
 * exit_read() - the exit file of one container
 * @ret_code:        as conmon wrote it: 128 + N for a signal
 * @ret_finished_ns: mtime of the file
 *
 * 1: read, 0: there is none, < 0: ERR_CORRUPT (it holds no number, and never will), ERR_IO.
 */
int exit_read(const char *exits_dir, const char *id, int *ret_code, int64_t *ret_finished_ns,
              Error *err);
