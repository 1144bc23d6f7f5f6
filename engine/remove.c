/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removal. First the container goes out of sight, in one transaction that also frees its name; from
 * then on there is no way back, and whatever is not deleted now is deleted by the next start.
 */

#include <unistd.h>

#include "engine/object.h"

int container_hide_locked(Container *container, Error *err) {
        if (state_container_hide(container->engine->state, container->id, err) < 0)
                return -1;
        container->is_gone = true;
        registry_remove(container->engine, container);
        return 0;
}

static int delete_parts_locked(Container *container, Error *err) {
        Engine *engine = container->engine;
        ContainerStatus status = container->run.status;
        _cleanup_free_ char *exit_file =
                xasprintf("%s/%s", engine->runtime->exits_dir, container->id);

        if ((container_status_is_alive(status) || status == CONTAINER_STOPPED) &&
            runtime_delete(engine->runtime, container->id, true, err) < 0)
                return -1;
        container_await_monitor_locked(&container->run);
        if (store_container_delete(engine->store, container->id, container->config.layer, err) < 0)
                return -1;
        (void)unlink(exit_file);
        return state_container_delete(engine->state, container->id, err);
}

int container_delete_locked(Container *container, Error *err) {
        int r = delete_parts_locked(container, err);

        container_notify_locked(container, true, true);
        return r;
}

int container_remove_locked(Container *container, Error *err) {
        if (container_hide_locked(container, err) < 0)
                return -1;
        return container_delete_locked(container, err);
}

int container_remove(Container *container, Error *err) {
        if (container_lock(container, err) < 0)
                return -1;

        int r;
        ContainerStatus status = container->run.status;
        if (status == CONTAINER_RUNNING)
                r = error_set(err, ERR_STATE, container->id,
                              "cannot remove container %s as it is running - running or paused "
                              "containers cannot be removed: container state improper",
                              container->id);
        else if (status == CONTAINER_PAUSED)
                r = error_set(
                        err, ERR_STATE, container->id,
                        "container %s is paused, cannot remove until unpaused: container state "
                        "improper",
                        container->id);
        else
                r = container_remove_locked(container, err);
        container_unlock(container);
        return r;
}

static int remove_after_end(Container *container, Error *err) {
        int r = container_remove(container, err);

        /* One that removes itself when it ends was quicker. */
        if (r < 0 && container->config.autoRemove && err->kind == ERR_CONTAINER_NOT_FOUND)
                return 0;
        return r;
}

void container_remove_begin(Container *container, bool force, ContainerDone done, void *userdata) {
        ContainerStatus status = container_run(container).status;
        Error err = ERROR_INIT;

        if (force && (status == CONTAINER_RUNNING || status == CONTAINER_PAUSED)) {
                container_stop_then(container,
                                    status == CONTAINER_PAUSED ? 0 : container->config.stopTimeout,
                                    remove_after_end, done, userdata);
                return;
        }
        int r = container_remove(container, &err);
        done(container, r < 0 ? &err : NULL, userdata);
}
