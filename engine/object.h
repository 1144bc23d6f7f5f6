/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of Engine and Container, for the files of this folder only.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/random.h"
#include "engine/container.h"
#include "image/catalog.h"
#include "oci/seccomp.h"
#include "runtime/exits.h"

/* A repair that is to be tried again; see retry.c. */
typedef struct Retry {
        LoopTask arm;
        List link;              /* in the engine's retries; loop thread only */
        sd_event_source *timer; /* loop thread only */
        unsigned delay_s;       /* guarded by the container's lock; 0: nothing failed lately */
        atomic_bool is_waiting;
} Retry;

struct Engine {
        Loop *loop;
        Pool *pool;
        Store *store;
        State *state;
        const Runtime *runtime;
        ExitWatch *exits;
        ImageCatalog *images;
        SeccompCache *seccomp;
        int default_stop_timeout_s;
        int64_t log_size_max;
        const char *const *exit_command;
        atomic_bool is_stopping;

        PoolTask load;
        LoopTask loaded;
        Error load_error; /* written by `load`, read by `loaded` and later */
        List retries;     /* loop thread only */
        const char *transfer_path;

        pthread_mutex_t registry_lock; /* guards what follows; after a container's lock */
        pthread_cond_t load_ended;
        bool is_loaded; /* the containers of state.db are in the maps */
        Map by_id;      /* holds the one reference of the registry */
        Map by_name;
        List transfers; /* that run now */
        Map leaving; /* by name: removed for clients, while the store still knows the name; refs */
};

struct Container {
        atomic_uint refs;
        Engine *engine;
        char id[ID_HEX_SIZE + 1];
        Arena arena; /* owns config */
        SelkieStateContainer config;

        pthread_mutex_t lock;   /* operation lock: held across every change of state */
        bool needs_repair;      /* guarded by lock: engine/recover.c runs before anything else */
        bool is_gone;           /* guarded by lock: removed, or on the way */
        atomic_bool is_leaving; /* is being stopped to be removed; starts no more */
        Retry retry;
        atomic_uint calls; /* of clients that wait for the lock */

        pthread_mutex_t hold_lock; /* guards what follows; before `lock`. See freeze.c */
        unsigned holds;            /* copies of its files that keep it paused */

        pthread_mutex_t view_lock; /* guards what follows; nothing is taken while it is held */
        ContainerRun run;
        bool is_visible; /* clients find it: created completely, not being removed */
        List waiters;
        bool is_removed; /* nobody is told anything any more: takes no waiters */
        bool is_rw_size_known;
        int64_t rw_size;
        pid_t namespaces_pid; /* whose namespaces these are, 0: nobody's */
        ContainerNamespaces namespaces;
};

/** container_new() - from a config document; not in the registry yet; ERR_CORRUPT */
int container_new(Container **ret, Engine *engine, const char *id, const char *config_json,
                  const ContainerRun *run, Error *err);

#define CONTAINER_CALLS_MAX 32 /* that wait for one container at a time, each on a worker */

/**
 * container_lock() - take the operation lock, repair first if needed
 *
 * For the engine's own work. ERR_CONTAINER_NOT_FOUND once removed; what the repair failed with.
 */
int container_lock(Container *container, Error *err);
static inline void container_unlock(Container *container) {
        pthread_mutex_unlock(&container->lock);
}

/**
 * container_enter() - the same for what a client wants; ERR_LIMIT when too many calls wait already
 *
 * So one container whose runtime hangs cannot keep all workers.
 */
int container_enter(Container *container, Error *err);

/** container_save_run_locked() - new run part: state.db first, then memory */
int container_save_run_locked(Container *container, const ContainerRun *run, Error *err);
/** container_show_run_locked() - memory only */
void container_show_run_locked(Container *container, const ContainerRun *run);

/**
 * container_notify_locked() - call the waiters that wait for this: the end, or the end and clean-up
 */
void container_notify_locked(Container *container, bool is_clean, bool is_removed);

/** container_clean_locked() - after the end: runtime state, mount, monitor files; status exited */
int container_clean_locked(Container *container, Error *err);

/**
 * container_hide_locked() - out of sight: intent to remove written, name free, no more operations
 */
int container_hide_locked(Container *container, Error *err);
/** container_delete_locked() - delete everything of a hidden container; a failure is retried */
int container_delete_locked(Container *container, Error *err);
/** container_remove_locked() - both */
int container_remove_locked(Container *container, Error *err);

/**
 * container_end_locked() - record an end that just became known, answer waiters, clean up; what
 * fails is retried
 */
void container_end_locked(Container *container, int exit_code, int64_t finished_ns);

/**
 * container_undo_start_locked() - kill and forget what a start left; what fails is retried
 * @before: how it was; one that was created is exited afterwards, and its waiters are told
 */
void container_undo_start_locked(Container *container, const ContainerRun *before);

typedef enum StopPurpose {
        STOP_ONLY,      /* not a configured or a paused one */
        STOP_TO_START,  /* not a paused one; a created one is as good as stopped */
        STOP_TO_REMOVE, /* any; from now on it does not start, unless this fails */
} StopPurpose;

/**
 * container_stop_then() - stop it if it runs, then run @then on a worker; @done hears of both
 */
void container_stop_then(Container *container, StopPurpose purpose, int64_t timeout_s,
                         int (*then)(Container *container, Error *err), ContainerDone done,
                         void *userdata);

/** container_repair_soon() - have a worker repair it, if that is needed */
void container_repair_soon(Container *container);
/** container_retry_later_locked() - it needs repair, but not at once: that has just failed */
void container_retry_later_locked(Container *container);
/** engine_cancel_transfers() - every pull and push that runs; any thread */
void engine_cancel_transfers(Engine *engine);

/** engine_end_retries() - forget what waits; loop thread, at the engine's end */
void engine_end_retries(Engine *engine);

/**
 * container_await_monitor_locked() - wait until conmon of a killed container has ended, or end it
 *
 * A late one would write its exit file when the next run has begun.
 */
void container_await_monitor_locked(const ContainerRun *run);

/** container_signal_locked() - send a signal to its init process; ERR_NOT_RUNNING */
int container_signal_locked(Container *container, int signal, Error *err);

/** engine_await_load() - wait until every container of state.db is known; not on the loop thread */
void engine_await_load(Engine *engine);

/** registry_add() - reserve id and name, not visible yet; ERR_EXISTS */
int registry_add(Engine *engine, Container *container, Error *err);
/** registry_publish() - clients find it from now on */
void registry_publish(Container *container);
/** registry_remove() - forget it and free its name; fine if it is not there */
void registry_remove(Engine *engine, Container *container);
/** registry_set_leaving() - the store still has its name: who takes that name next waits for it */
void registry_set_leaving(Engine *engine, Container *container);
/** registry_await_name() - wait until the last one of this name has left the store, or failed to */
void registry_await_name(Engine *engine, const char *name);
/** registry_gone() - its parts are deleted: nobody waits for it any more */
void registry_gone(Engine *engine, Container *container);

/** engine_on_exit() - ExitWatch callback: hand the end to a worker; loop thread */
void engine_on_exit(const char *id, void *userdata);
