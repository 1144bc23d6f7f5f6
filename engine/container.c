/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The container object: identity, locks, the view that readers copy, and who waits for its end.
 */

#include "engine/container.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/object.h"
#include "engine/recover.h"
#include "runtime/monitor.h"
#include "varlink/codec.h"

int container_new(Container **ret, Engine *engine, const char *id, const char *config_json,
                  const ContainerRun *run, Error *err) {
        char path[CODEC_PATH_MAX];
        json_error_t json_error;

        _cleanup_(container_unrefp)
        Container *container = xnew(Container, 1);
        container->refs = 1;
        container->engine = engine;
        container->run = *run;
        list_init(&container->waiters);
        list_init(&container->retry.link);
        pthread_mutex_init(&container->lock, NULL);
        pthread_mutex_init(&container->hold_lock, NULL);
        pthread_mutex_init(&container->view_lock, NULL);
        snprintf(container->id, sizeof(container->id), "%s", id);

        json_t *document = json_loads(config_json, JSON_REJECT_DUPLICATES, &json_error);
        if (!document)
                return error_set(err, ERR_CORRUPT, id,
                                 "the stored configuration of container %s is not JSON: %s", id,
                                 json_error.text);
        arena_add_destructor(&container->arena, (void (*)(void *))json_decref, document);
        int r = codec_decode(&selkie_state_type_Container, document, CODEC_STRICT,
                             &container->arena, &container->config, path);
        if (r < 0)
                return error_set(err, ERR_CORRUPT, id,
                                 "the stored configuration of container %s has a wrong %s", id,
                                 path);
        *ret = TAKE_PTR(container);
        return 0;
}

Container *container_ref(Container *container) {
        atomic_fetch_add(&container->refs, 1);
        return container;
}

Container *container_unref(Container *container) {
        if (!container || atomic_fetch_sub(&container->refs, 1) != 1)
                return NULL;
        assert(list_is_empty(&container->waiters));
        arena_done(&container->arena);
        pthread_mutex_destroy(&container->lock);
        pthread_mutex_destroy(&container->hold_lock);
        pthread_mutex_destroy(&container->view_lock);
        free(container);
        return NULL;
}

const char *container_id(const Container *container) {
        return container->id;
}

Engine *container_engine(const Container *container) {
        return container->engine;
}

const SelkieStateContainer *container_config(const Container *container) {
        return &container->config;
}

ContainerRun container_run(Container *container) {
        pthread_mutex_lock(&container->view_lock);
        ContainerRun run = container->run;
        pthread_mutex_unlock(&container->view_lock);
        return run;
}

const char *container_status_name(ContainerStatus status) {
        static const char *const names[_CONTAINER_STATUS_MAX] = {
                [CONTAINER_CONFIGURED] = "configured", [CONTAINER_CREATED] = "created",
                [CONTAINER_RUNNING] = "running",       [CONTAINER_PAUSED] = "paused",
                [CONTAINER_STOPPED] = "stopped",       [CONTAINER_EXITED] = "exited",
        };

        return status < _CONTAINER_STATUS_MAX ? names[status] : "unknown";
}

char *container_bundle_dir(const Container *container) {
        return store_container_dir(container->engine->store, container->id);
}

char *container_run_dir(const Container *container) {
        return store_container_run_dir(container->engine->store, container->id);
}

char *container_log_path(const Container *container) {
        _cleanup_free_ char *bundle = container_bundle_dir(container);

        return xasprintf("%s/ctr.log", bundle);
}

int container_lock(Container *container, Error *err) {
        int r = 0;

        pthread_mutex_lock(&container->lock);
        if (container->needs_repair)
                r = container_repair_locked(container, err);
        if (container->is_gone)
                r = error_set(err, ERR_CONTAINER_NOT_FOUND, container->config.name,
                              "container %s is being removed", container->id);
        if (r < 0)
                pthread_mutex_unlock(&container->lock);
        return r;
}

int container_enter(Container *container, Error *err) {
        int r;

        if (atomic_fetch_add(&container->calls, 1) < CONTAINER_CALLS_MAX)
                r = container_lock(container, err);
        else
                r = error_set(err, ERR_LIMIT, container->id,
                              "more than %d calls wait for container %s already",
                              CONTAINER_CALLS_MAX, container->id);
        atomic_fetch_sub(&container->calls, 1);
        return r;
}

void container_show_run_locked(Container *container, const ContainerRun *run) {
        pthread_mutex_lock(&container->view_lock);
        if (container_status_is_alive(run->status))
                container->is_rw_size_known = false;
        container->run = *run;
        pthread_mutex_unlock(&container->view_lock);
}

int container_save_run_locked(Container *container, const ContainerRun *run, Error *err) {
        int r = state_container_update(container->engine->state, container->id, run, err);

        if (r < 0)
                return r;
        container_show_run_locked(container, run);
        return 0;
}

int64_t container_rw_size(Container *container) {
        int64_t size = 0;

        pthread_mutex_lock(&container->view_lock);
        bool is_known = container->is_rw_size_known;
        if (is_known)
                size = container->rw_size;
        bool may_keep = !container_status_is_alive(container->run.status);
        int64_t finished_ns = container->run.finished_ns;
        pthread_mutex_unlock(&container->view_lock);
        if (is_known)
                return size;

        /* A layer that is going away counts as empty: a list never fails for one object. */
        if (store_layer_disk_usage(container->engine->store, container->config.layer, &size, NULL) <
            0)
                return 0;

        pthread_mutex_lock(&container->view_lock);
        if (may_keep && !container_status_is_alive(container->run.status) &&
            container->run.finished_ns == finished_ns) {
                container->is_rw_size_known = true;
                container->rw_size = size;
        }
        pthread_mutex_unlock(&container->view_lock);
        return size;
}

static uint64_t namespace_inode(pid_t pid, const char *name) {
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
        return stat(path, &st) == 0 ? st.st_ino : 0;
}

ContainerNamespaces container_namespaces(Container *container) {
        ContainerNamespaces found = { 0 };

        pthread_mutex_lock(&container->view_lock);
        ContainerRun run = container->run;
        bool is_known = container->namespaces_pid == run.pid;
        if (is_known)
                found = container->namespaces;
        pthread_mutex_unlock(&container->view_lock);
        if (!container_status_is_alive(run.status) || run.pid == 0)
                return (ContainerNamespaces){ 0 };
        if (is_known)
                return found;

        found = (ContainerNamespaces){
                .user = namespace_inode(run.pid, "user"),
                .uts = namespace_inode(run.pid, "uts"),
                .pid = namespace_inode(run.pid, "pid"),
                .cgroup = namespace_inode(run.pid, "cgroup"),
                .net = namespace_inode(run.pid, "net"),
                .mnt = namespace_inode(run.pid, "mnt"),
                .ipc = namespace_inode(run.pid, "ipc"),
        };
        if (process_is_same(run.pid, run.pid_start) <= 0)
                return (ContainerNamespaces){ 0 };
        pthread_mutex_lock(&container->view_lock);
        if (container->run.pid == run.pid && container->run.pid_start == run.pid_start) {
                container->namespaces_pid = run.pid;
                container->namespaces = found;
        }
        pthread_mutex_unlock(&container->view_lock);
        return found;
}

ContainerWait container_wait_begin(Container *container, ContainerWaiter *waiter,
                                   int *ret_exit_code) {
        ContainerWait result = CONTAINER_WAIT_BEGUN;

        pthread_mutex_lock(&container->view_lock);
        ContainerStatus status = container->run.status;
        if (status == CONTAINER_EXITED || (status == CONTAINER_STOPPED && !waiter->wants_clean)) {
                result = CONTAINER_WAIT_ENDED;
                *ret_exit_code = container->run.exit_code;
        } else if (container->is_removed) {
                result = CONTAINER_WAIT_REMOVED;
        } else {
                list_append(&container->waiters, &waiter->link);
        }
        pthread_mutex_unlock(&container->view_lock);
        return result;
}

bool container_wait_cancel(Container *container, ContainerWaiter *waiter) {
        pthread_mutex_lock(&container->view_lock);
        bool was_waiting = !list_is_empty(&waiter->link);
        list_remove(&waiter->link);
        pthread_mutex_unlock(&container->view_lock);
        return was_waiting;
}

void container_notify_locked(Container *container, bool is_clean, bool is_removed) {
        for (;;) {
                ContainerWaiter *next = NULL;

                pthread_mutex_lock(&container->view_lock);
                container->is_removed = container->is_removed || is_removed;
                LIST_FOREACH (link, &container->waiters) {
                        ContainerWaiter *waiter = container_of(link, ContainerWaiter, link);
                        if (!waiter->wants_clean || is_clean || is_removed) {
                                next = waiter;
                                list_remove(&waiter->link);
                                break;
                        }
                }
                int exit_code = container->run.exit_code;
                pthread_mutex_unlock(&container->view_lock);
                if (!next)
                        return;
                next->done(next, is_removed, exit_code);
        }
}
