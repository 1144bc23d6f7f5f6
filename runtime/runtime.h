/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The OCI runtime (crun, runc) as a program: chosen once, then one short process per verb. Signals
 * need no verb: process_signal() sends them to the init process.
 *
 * Its own words reach the caller: on failure the message of its JSON log, else its stderr, becomes
 * the error's text (ERR_RUNTIME, subject = container id). Blocking; worker threads only.
 */

#include <sys/types.h>

#include "base/error.h"
#include "runtime/cgroup.h"

#define RUNTIME_VERB_TIMEOUT_MS (60 * 1000) /* start, pause, resume, delete, state */
#define RUNTIME_OUTPUT_MAX      (64 * 1024) /* bytes of a verb's output that are looked at */

typedef struct Runtime {
        char *path;         /* absolute, executable */
        char *program;      /* what is really executed, see runtime_open() */
        int program_fd;     /* the read-only mount that @program leads to, or -EBADF */
        char *name;         /* last component of the path: "crun", "runc" */
        char *state_dir;    /* where the runtime keeps its containers, its --root */
        char *monitor_path; /* conmon, absolute */
        char *exits_dir;    /* conmon writes <exits_dir>/<id> when a container ends */
        bool systemd_cgroup;
        CgroupLayout cgroups; /* as it was at runtime_open() */
} Runtime;

typedef struct RuntimeOptions {
        const char *path; /* what the user asked for, or NULL: choose */
        /* NULL-terminated paths to try, in order; NULL: crun then runc in the usual places */
        const char *const *candidates;
        const char *monitor_path; /* NULL: conmon in the usual places */
        const char *state_dir;    /* NULL: /run/<name>, for a user $XDG_RUNTIME_DIR/<name> */
        const char *exits_dir;
        bool systemd_cgroup;
} RuntimeOptions;

/**
 * runtime_open() - choose and check the runtime and the monitor; starts no process
 * @ret_notice: heap sentence when a candidate was passed over for a reason worth logging (crun on a
 *              hybrid cgroup layout with controllers on the v2 side), else NULL; may be NULL
 *
 * ERR_UNSUPPORTED when none is usable: the text says what was tried; ERR_IO. A runtime that the
 * user named is taken even where crun would refuse the layout: the notice then says so.
 *
 * A runtime protects its own executable from the container that it becomes part of: it mounts or
 * copies itself and starts anew, at each run, unless it finds itself on a read-only mount. So it is
 * executed from one: a detached read-only mount of the file, which is in no mount table and lives
 * as long as its descriptor. That halves the cost of every verb of crun. Where such a mount cannot
 * be had (before Linux 5.12, without CAP_SYS_ADMIN) the file is executed as it is.
 */
int runtime_open(Runtime **ret, const RuntimeOptions *options, char **ret_notice, Error *err);
Runtime *runtime_free(Runtime *runtime);
DEFINE_CLEANUP(Runtime, runtime_free);

/**
 * runtime_start() - run the user's process of a created container
 *
 * The process waits on a fifo that crun and runc have had in their state since their beginnings;
 * where it is as known, it is answered directly, which spares a run of the program (2 ms of crun, 5
 * of runc). In any doubt (another runtime, a hook to run after the start) the runtime is asked to
 * do it.
 */
int runtime_start(const Runtime *runtime, const char *id, Error *err);

/** runtime_pause(), runtime_resume() - ERR_NOT_RUNNING when it has ended, be it noticed or not */
int runtime_pause(const Runtime *runtime, const char *id, Error *err);
int runtime_resume(const Runtime *runtime, const char *id, Error *err);

/**
 * runtime_delete() - forget the container and remove its cgroup; one that is unknown is fine
 * @force: kill it first if it runs
 */
int runtime_delete(const Runtime *runtime, const char *id, bool force, Error *err);

typedef enum RuntimeStatus {
        RUNTIME_STATUS_UNKNOWN, /* the runtime does not know this id */
        RUNTIME_STATUS_CREATED,
        RUNTIME_STATUS_RUNNING,
        RUNTIME_STATUS_PAUSED,
        RUNTIME_STATUS_STOPPED,
} RuntimeStatus;

/**
 * runtime_state() - ask the runtime; for recovery and doubt, not for hot paths
 * @ret_pid: 0: none; may be NULL
 */
int runtime_state(const Runtime *runtime, const char *id, RuntimeStatus *ret, pid_t *ret_pid,
                  Error *err);

/**
 * runtime_release_cgroups() - remove the cgroups that all containers and monitors share, if empty
 *
 * They are kept while the engine runs, since making them anew for each container costs more than
 * all the rest of them. Call it when the last container is gone and at the engine's end.
 */
void runtime_release_cgroups(const Runtime *runtime);
