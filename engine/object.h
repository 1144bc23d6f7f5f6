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

        pthread_mutex_t registry_lock; /* guards the maps; after a container's lock in the order */
        Map by_id;                     /* hold the one reference of the registry */
        Map by_name;
};

struct Container {
        atomic_uint refs;
        Engine *engine;
        char id[ID_HEX_SIZE + 1];
        Arena arena; /* owns config */
        SelkieStateContainer config;

        pthread_mutex_t lock; /* operation lock: held across every change of state */
        bool needs_repair;    /* guarded by lock: engine/recover.c runs before anything else */
        bool is_gone;         /* guarded by lock: removed, or on the way */

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

/**
 * container_lock() - take the operation lock, repair first if needed; ERR_CONTAINER_NOT_FOUND once
 * removed
 */
int container_lock(Container *container, Error *err);
static inline void container_unlock(Container *container) {
        pthread_mutex_unlock(&container->lock);
}

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
/**
 * container_delete_locked() - delete everything of a hidden container; the next start finishes a
 * failure
 */
int container_delete_locked(Container *container, Error *err);
/** container_remove_locked() - both */
int container_remove_locked(Container *container, Error *err);

/** container_end_locked() - record an end that just became known, answer waiters, clean up */
void container_end_locked(Container *container, int exit_code, int64_t finished_ns);

/**
 * container_undo_start_locked() - kill and forget what a start left
 * @before: how it was; one that was created is exited afterwards, and its waiters are told
 */
void container_undo_start_locked(Container *container, const ContainerRun *before);

/**
 * container_stop_then() - stop it, paused or not, then run @then on a worker; @done hears of both
 */
void container_stop_then(Container *container, int64_t timeout_s,
                         int (*then)(Container *container, Error *err), ContainerDone done,
                         void *userdata);

/**
 * container_await_monitor_locked() - wait until conmon of a killed container has ended, or end it
 *
 * A late one would write its exit file when the next run has begun.
 */
void container_await_monitor_locked(const ContainerRun *run);

/** container_signal_locked() - send a signal to the init process of a living container */
int container_signal_locked(Container *container, int signal, Error *err);

/** registry_add() - reserve id and name, not visible yet; ERR_EXISTS */
int registry_add(Engine *engine, Container *container, Error *err);
/** registry_publish() - clients find it from now on */
void registry_publish(Container *container);
/** registry_remove() - forget it and free its name; fine if it is not there */
void registry_remove(Engine *engine, Container *container);

/** engine_on_exit() - ExitWatch callback: hand the end to a worker; loop thread */
void engine_on_exit(const ExitEvent *event, void *userdata);
