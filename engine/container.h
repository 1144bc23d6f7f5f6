/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One container.
 *
 * `config` is fixed at creation and read without a lock. `run` is what changes: whoever holds the
 * operation lock may change it, in state.db first, then here; everybody else reads a copy under the
 * view lock, so a list never waits for a start or a stop.
 *
 *   configured -> created -> running <-> paused
 *        ^           |          |           |
 *        |           v          v           v
 *        +---start-- exited <- stopped (ended, being cleaned up)
 */

#include "base/list.h"
#include "engine/engine.h"
#include "idl/selkie.state.h"

Container *container_ref(Container *container);
Container *container_unref(Container *container);
DEFINE_CLEANUP(Container, container_unref);

const char *container_id(const Container *container);
Engine *container_engine(const Container *container);
const SelkieStateContainer *container_config(const Container *container);

/** container_run() - a copy of what it is doing now; waits for nobody */
ContainerRun container_run(Container *container);

/**
 * container_status_name() - the word clients know: configured, created, running, paused, stopped,
 * exited
 */
const char *container_status_name(ContainerStatus status);

/** container_is_alive() - whether the status has a process: created, running, paused */
static inline bool container_status_is_alive(ContainerStatus status) {
        return status == CONTAINER_CREATED || status == CONTAINER_RUNNING ||
               status == CONTAINER_PAUSED;
}

/** container_bundle_dir(), container_run_dir(), container_log_path() - heap paths */
char *container_bundle_dir(const Container *container);
char *container_run_dir(const Container *container);
char *container_log_path(const Container *container);

/**
 * container_rw_size() - bytes in the read-write layer; kept while nothing runs that could change it
 */
int64_t container_rw_size(Container *container);

/* Inode numbers of the namespaces that the container's process is in; 0 where unknown. */
typedef struct ContainerNamespaces {
        uint64_t user, uts, pid, cgroup, net, mnt, ipc;
} ContainerNamespaces;

/** container_namespaces() - of the living process; all 0 when there is none */
ContainerNamespaces container_namespaces(Container *container);

/*
 * What the states do not allow is refused in the original's own words, since clients look for them
 * ("container state improper").
 */

/* --- what can be done with it ---------------------------------------------------------------- */

/**
 * container_init() - create it in the runtime, so that its sockets exist; no user code runs yet
 *
 * Fine when it is created, running or paused already. ERR_RUNTIME, ERR_IO, ERR_INVALID (the user or
 * folder does not exist in the image).
 */
int container_init(Container *container, Error *err);

/**
 * container_io_dir() - where the sockets of one that was initialised are: conmon's `attach`, `ctl`
 * @ret: heap path, short enough for the name of a socket where the roots are
 */
int container_io_dir(Container *container, char **ret, Error *err);

/** container_start() - from configured, created, stopped or exited; else ERR_STATE */
int container_start(Container *container, Error *err);

/**
 * container_kill() - signal the init process; -1: SIGTERM, 0: only check. ERR_STATE, ERR_INVALID
 */
int container_kill(Container *container, int64_t signal, Error *err);

int container_pause(Container *container, Error *err);
int container_unpause(Container *container, Error *err);

/* --- what takes as long as the container likes: no thread waits ------------------------------ */

/*
 * A waiter for the end of a container. Embedded in the caller's object, which stays alive until
 * `done` ran or container_wait_cancel() said true.
 */
typedef struct ContainerWaiter ContainerWaiter;
struct ContainerWaiter {
        List link;
        bool wants_clean; /* wait also until mounts and runtime state are gone */
        /* Once; any thread, with the operation lock of the container held: post or submit, no
         * more. */
        void (*done)(ContainerWaiter *waiter, bool is_removed, int exit_code);
};

typedef enum ContainerWait {
        CONTAINER_WAIT_BEGUN,
        CONTAINER_WAIT_ENDED,
        CONTAINER_WAIT_REMOVED,
} ContainerWait;

/**
 * container_wait_begin() - be told when the container ends
 *
 * CONTAINER_WAIT_ENDED, with the exit code, when it has ended already, CONTAINER_WAIT_REMOVED when
 * it is gone: @waiter is not used then. One that was never started waits for its first end.
 */
ContainerWait container_wait_begin(Container *container, ContainerWaiter *waiter,
                                   int *ret_exit_code);
/** container_wait_cancel() - true: `done` did not run and will not */
bool container_wait_cancel(Container *container, ContainerWaiter *waiter);

/**
 * What a long operation calls at its end: @err is NULL on success. Any thread, maybe before the
 * function that began it returns.
 */
typedef void (*ContainerDone)(Container *container, const Error *err, void *userdata);

/**
 * container_stop_begin() - stop signal, then SIGKILL after @timeout_s
 * @timeout_s: 0 kills at once; negative: never, wait until it ends by itself
 *
 * Stopped and exited succeed; ERR_STATE when configured or paused.
 */
void container_stop_begin(Container *container, int64_t timeout_s, ContainerDone done,
                          void *userdata);

/** container_restart_begin() - stop as above if it runs, then start; ERR_STATE when paused */
void container_restart_begin(Container *container, int64_t timeout_s, ContainerDone done,
                             void *userdata);

/**
 * container_remove_begin() - remove it and everything it owns
 * @force: end it first when it runs (stop signal, its stop timeout) or is paused (SIGKILL)
 *
 * ERR_STATE when alive and not forced.
 */
void container_remove_begin(Container *container, bool force, ContainerDone done, void *userdata);

/** container_remove() - the same for one that is not alive; blocks until it is gone */
int container_remove(Container *container, Error *err);
