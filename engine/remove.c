/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removal. First the container goes out of sight, in one transaction that also frees its name; from
 * then on there is no way back, and whatever cannot be deleted now is tried again later, by this
 * engine or the next.
 */

#include "engine/object.h"
#include "runtime/monitor.h"

int container_hide_locked(Container *container, Error *err) {
        if (state_container_hide(container->engine->state, container->id, err) < 0)
                return -1;
        ContainerRun run = container->run;
        run.intent = CONTAINER_INTENT_REMOVE;
        container_show_run_locked(container, &run);
        container->is_gone = true;
        registry_set_leaving(container->engine, container);
        return 0;
}

static int delete_parts_locked(Container *container, Error *err) {
        Engine *engine = container->engine;
        ContainerStatus status = container->run.status;

        if ((container_status_is_alive(status) || status == CONTAINER_STOPPED) &&
            runtime_delete(engine->runtime, container->id, true, err) < 0)
                return -1;
        container_await_monitor_locked(&container->run);
        if (store_container_delete(engine->store, container->id, container->config.layer, err) < 0)
                return -1;
        monitor_forget(engine->runtime, container->id);
        return state_container_delete(engine->state, container->id, err);
}

int container_delete_locked(Container *container, Error *err) {
        int r = delete_parts_locked(container, err);

        if (r < 0)
                container_retry_later_locked(container);
        else
                registry_gone(container->engine, container);
        container_notify_locked(container, true, true);
        return r;
}

int container_remove_locked(Container *container, Error *err) {
        if (container_hide_locked(container, err) < 0)
                return -1;
        return container_delete_locked(container, err);
}

int container_remove(Container *container, Error *err) {
        if (container_enter(container, err) < 0)
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
        Error failure = ERROR_INIT;

        int r = container_remove(container, &failure);
        /* One that removes itself when it ends was quicker. */
        if (r < 0 && container->config.autoRemove && failure.kind == ERR_CONTAINER_NOT_FOUND)
                return 0;
        return r < 0 ? error_copy(err, &failure) : 0;
}

void container_remove_begin(Container *container, bool force, ContainerDone done, void *userdata) {
        Error err = ERROR_INIT;

        if (force) {
                container_stop_then(container, STOP_TO_REMOVE, container->config.stopTimeout,
                                    remove_after_end, done, userdata);
                return;
        }
        int r = container_remove(container, &err);
        done(container, r < 0 ? &err : NULL, userdata);
}
