/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The engine: the rules of containers over store, state and runtime. Knows no sockets.
 *
 * Functions here and in the other headers of this folder block and run on worker threads, unless
 * they say otherwise. Locks, outermost first: a container's operation lock, the registry, the
 * store's own, the state's own; a container's view lock is held for a few instructions and nothing
 * is taken inside.
 */

#include "base/error.h"
#include "base/loop.h"
#include "base/pool.h"
#include "image/registries.h"
#include "runtime/runtime.h"
#include "state/state.h"
#include "storage/store.h"

typedef struct Engine Engine;
typedef struct Container Container;

typedef struct EngineOptions {
        Loop *loop; /* all borrowed for the engine's life */
        Pool *pool;
        Store *store;
        const Registries *registries; /* what short names of images mean */
        State *state;
        const Runtime *runtime;
        int default_stop_timeout_s;
        int64_t log_size_max; /* bytes per container log, 0: no limit */
        const char *const
                *exit_command; /* NULL-terminated; run by conmon at a container's end, or NULL */
        const char *transfer_path; /* of the program selkie-transfer */
} EngineOptions;

#define ENGINE_LOAD_FAILED 1 /* what loop_run() returns when the containers cannot be loaded */

/**
 * engine_open() - begin to load every container, to see what the last engine left half done
 *
 * Loop thread. Returns before that is done: calls that need a container wait for it. Containers
 * that still run are taken over; what needs repair is repaired on workers, each container before
 * anything else can touch it (engine/recover.h). What cannot be read at all ends the loop.
 */
int engine_open(Engine **ret, const EngineOptions *options, Error *err);

/** engine_load_error() - why it cannot load, after ENGINE_LOAD_FAILED; returns -1 */
int engine_load_error(const Engine *engine, Error *err);

/**
 * engine_close() - forget; running containers stay. The pool has finished its tasks before; returns
 * NULL
 */
Engine *engine_close(Engine *engine);
DEFINE_CLEANUP(Engine, engine_close);

/**
 * engine_stop() - make long work (imports) end soon: what asks engine_is_stopping() gives up; any
 * thread
 */
void engine_stop(Engine *engine);

/**
 * engine_abandon() - end every stop, restart and removal that waits for a container, with
 * ERR_CANCELLED
 *
 * Loop thread, after loop_run() has ended and the workers are idle, before engine_close().
 */
void engine_abandon(Engine *engine);

bool engine_is_stopping(const Engine *engine);

Store *engine_store(Engine *engine);
const Runtime *engine_runtime(Engine *engine);

/** engine_log_size_max(), engine_exit_command() - as in the options */
int64_t engine_log_size_max(const Engine *engine);
const char *const *engine_exit_command(const Engine *engine);

/* A snapshot of containers: a heap array of references. */
typedef struct Containers {
        Container **items;
        size_t count;
} Containers;
void containers_done(Containers *containers);

/** engine_containers() - all that clients may see, ordered by id; waits for nobody */
void engine_containers(Engine *engine, Containers *ret);

/**
 * engine_find_container() - look a name up: full id, else exact name, else unambiguous id prefix
 *
 * ERR_CONTAINER_NOT_FOUND (subject = @name), ERR_AMBIGUOUS (text lists the matches).
 */
int engine_find_container(Engine *engine, const char *name, Container **ret, Error *err);
