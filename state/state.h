/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * state.db: the only truth about containers (and later pods, volumes, networks, leases, events).
 *
 * SQLite in WAL mode, one connection behind one lock, the innermost of the engine's locks. This
 * folder is the only one with SQL. Every change is one transaction; a multi-step change of an
 * object writes its intent first, in the object's row, and clears it with the change that completes
 * it, so that the next start knows what was half done.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define STATE_CONFIG_MAX (16 * 1024 * 1024) /* bytes of one container's configuration */

typedef struct State State;

/**
 * state_open() - open or make the database and bring its schema up to date
 * @path: file; `-wal` and `-shm` stand beside it; its folder exists
 *
 * One engine per file: the caller holds the store's lock. Cost: under 1 ms; the log that is read
 * back has at most 1 MB. Errors: ERR_CORRUPT (not a database, or a schema newer than this program
 * knows: nothing is changed), ERR_IN_USE, ERR_NO_SPACE, ERR_UNSUPPORTED (a file system without
 * shared memory), ERR_IO.
 */
int state_open(State **ret, const char *path, Error *err);
State *state_close(State *state);
DEFINE_CLEANUP(State, state_close);

/* Words that clients see come from api/; the numbers are on disk: only append. */
typedef enum ContainerStatus {
        CONTAINER_CONFIGURED = 0, /* exists in the store and here */
        CONTAINER_CREATED = 1,    /* initialised in the runtime: a process waits for start */
        CONTAINER_RUNNING = 2,
        CONTAINER_PAUSED = 3,
        CONTAINER_STOPPED = 4, /* ended, not cleaned up */
        CONTAINER_EXITED = 5,  /* ended and cleaned up */
        _CONTAINER_STATUS_MAX,
} ContainerStatus;

typedef enum ContainerIntent {
        CONTAINER_INTENT_NONE = 0,
        CONTAINER_INTENT_CREATE = 1, /* store parts may exist in part: undo */
        CONTAINER_INTENT_START =
                2, /* mounts, conmon, runtime state may exist: look and take over or undo */
        CONTAINER_INTENT_REMOVE = 3, /* hidden from clients: finish */
        CONTAINER_INTENT_FREEZE = 4, /* paused or not: look */
        _CONTAINER_INTENT_MAX,
} ContainerIntent;

/* What changes while a container lives. */
typedef struct ContainerRun {
        ContainerStatus status;
        ContainerIntent intent;
        pid_t pid;          /* host pid of the last init process, 0 before the first start */
        uint64_t pid_start; /* process_start_time() of it: tells reuse */
        pid_t monitor_pid;  /* conmon */
        uint64_t monitor_start;
        int64_t started_ns;  /* TIMESTAMP_ZERO: never */
        int64_t finished_ns; /* same */
        int exit_code;
        bool is_oom_killed;
} ContainerRun;

/* One row, borrowed for the callback or call. */
typedef struct ContainerRow {
        const char *id;
        const char *name;
        const char *config; /* JSON document, opaque here */
        ContainerRun run;
} ContainerRow;

/**
 * state_containers_load() - call @func for every row, in order of id
 *
 * Stops and fails when @func returns < 0. @func runs under the lock: it must not call into state/.
 * Errors: ERR_CORRUPT (subject = the id), ERR_IO, and what @func sets.
 */
int state_containers_load(State *state,
                          int (*func)(const ContainerRow *row, void *userdata, Error *err),
                          void *userdata, Error *err);

/*
 * The changes below are each one transaction that a crash of the engine cannot take back once it
 * was answered. Any thread. All can fail with ERR_CORRUPT, ERR_IN_USE (somebody holds the file with
 * a shell) and ERR_IO, and then change nothing. Only an insert needs room on the disk: a full one
 * (ERR_NO_SPACE) keeps nobody from removing containers.
 */

/**
 * state_container_insert() - add; ERR_EXISTS (subject = the name or id that is taken), ERR_LIMIT
 */
int state_container_insert(State *state, const ContainerRow *row, Error *err);

/**
 * state_container_update() - replace all of a row's run part, but a hidden row's intent;
 * ERR_CONTAINER_NOT_FOUND
 */
int state_container_update(State *state, const char *id, const ContainerRun *run, Error *err);

/**
 * state_container_hide() - set the intent to remove, for good, and free the name;
 * ERR_CONTAINER_NOT_FOUND
 */
int state_container_hide(State *state, const char *id, Error *err);

/** state_container_delete() - remove the row; a missing one is fine */
int state_container_delete(State *state, const char *id, Error *err);
