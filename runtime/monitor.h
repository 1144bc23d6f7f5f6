/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conmon: the small process that stays with a container, holds its terminal and pipes, writes its
 * log, and leaves the exit code in a file. It outlives the engine.
 */

#include <sys/types.h>

#include "runtime/process.h"
#include "runtime/runtime.h"

/* How long conmon and the runtime may take to create a container: an image on a slow disk, a host
 * under load. The same as the field's other engines use. */
#define MONITOR_CREATE_TIMEOUT_MS (240 * 1000)

typedef struct MonitorOptions {
        const char *id;
        const char *name;
        const char *bundle;   /* holds config.json; conmon makes attach, ctl, winsz here */
        const char *run_dir;  /* pidfile, conmon.pid, oci-log go here */
        const char *log_path; /* k8s-file; NULL: no log */
        int64_t log_size_max; /* bytes, 0: no limit */
        bool wants_terminal;
        bool wants_stdin;
        bool leaves_stdin_open;
        const char *conmon_pidfile; /* NULL: <run_dir>/conmon.pid */
        const char *const
                *exit_command; /* NULL-terminated argv run by conmon after the exit, or NULL */
} MonitorOptions;

typedef struct MonitorResult {
        pid_t pid;          /* the container's init, waiting for runtime_start() */
        uint64_t pid_start; /* process_start_time() of it */
        pid_t monitor_pid;
        uint64_t monitor_start;
} MonitorResult;

/**
 * monitor_create() - start conmon, which has the runtime create the container from the bundle
 *
 * When it fails nothing is left: no process, no runtime state. ERR_RUNTIME with the runtime's own
 * message (e.g. that the command does not exist in the image), ERR_TIMEOUT, ERR_IO.
 */
int monitor_create(const Runtime *runtime, const MonitorOptions *options, MonitorResult *ret,
                   Error *err);

/**
 * monitor_saw_oom() - whether the kernel killed a process of the container for memory; before
 * monitor_clean()
 */
bool monitor_saw_oom(const char *bundle);

/**
 * monitor_link() - a short way to a bundle's sockets
 * @ret: heap path, a symbolic link to @bundle that was made if it was not there
 *
 * The name of a socket has at most 107 bytes, which the path of a bundle alone often has. With the
 * default roots the sockets' names fit through this.
 */
int monitor_link(const Runtime *runtime, const char *id, const char *bundle, char **ret,
                 Error *err);

/** monitor_forget() - remove the exit file and the link; missing ones are fine */
void monitor_forget(const Runtime *runtime, const char *id);

/**
 * monitor_clean() - remove what conmon leaves in the bundle and run dir after the container ended
 *
 * Fifos, attach socket, pidfiles, runtime log, oom mark, link, exit file. Missing ones are fine.
 */
void monitor_clean(const Runtime *runtime, const char *id, const char *bundle, const char *run_dir);
