/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which containers there are: by id, by name, by id prefix.
 *
 * A container is entered before it exists completely, invisible, so that its name is taken at one
 * moment; and it becomes invisible at the moment its removal begins, so that its name is free. The
 * store knows the name until its parts are deleted, some milliseconds longer: whoever takes it
 * again waits for that. The registry owns one reference of each.
 */

#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/object.h"

#define MATCHES_SHOWN 8 /* of an ambiguous prefix, in the error's text */

static bool is_visible(Container *container) {
        pthread_mutex_lock(&container->view_lock);
        bool visible = container->is_visible;
        pthread_mutex_unlock(&container->view_lock);
        return visible;
}

int registry_add(Engine *engine, Container *container, Error *err) {
        int r = 0;

        pthread_mutex_lock(&engine->registry_lock);
        Container *other = map_get(&engine->by_name, container->config.name);
        if (other)
                r = error_set(err, ERR_EXISTS, container->config.name,
                              "the container name \"%s\" is already in use by %s: remove that "
                              "container, or choose another name",
                              container->config.name, other->id);
        else if (map_get(&engine->by_id, container->id))
                r = error_set(err, ERR_EXISTS, container->id, "container %s exists already",
                              container->id);
        else {
                map_put(&engine->by_name, container->config.name, container);
                map_put(&engine->by_id, container->id, container_ref(container));
        }
        pthread_mutex_unlock(&engine->registry_lock);
        return r;
}

void registry_publish(Container *container) {
        pthread_mutex_lock(&container->view_lock);
        container->is_visible = true;
        pthread_mutex_unlock(&container->view_lock);
}

static void hide(Container *container) {
        pthread_mutex_lock(&container->view_lock);
        container->is_visible = false;
        pthread_mutex_unlock(&container->view_lock);
}

/* Takes it out of both maps; returns the reference that the registry had, or NULL. */
static Container *take_out_locked(Engine *engine, Container *container) {
        if (map_get(&engine->by_name, container->config.name) == container)
                (void)map_remove(&engine->by_name, container->config.name);
        if (map_get(&engine->by_id, container->id) != container)
                return NULL;
        return map_remove(&engine->by_id, container->id);
}

void registry_remove(Engine *engine, Container *container) {
        hide(container);
        pthread_mutex_lock(&engine->registry_lock);
        Container *owned = take_out_locked(engine, container);
        pthread_mutex_unlock(&engine->registry_lock);
        container_unref(owned);
}

void registry_set_leaving(Engine *engine, Container *container) {
        hide(container);
        pthread_mutex_lock(&engine->registry_lock);
        Container *owned = take_out_locked(engine, container);
        Container *before =
                map_put(&engine->leaving, container->config.name, container_ref(container));
        pthread_mutex_unlock(&engine->registry_lock);
        container_unref(before);
        container_unref(owned);
}

void registry_gone(Engine *engine, Container *container) {
        Container *owned = NULL;

        pthread_mutex_lock(&engine->registry_lock);
        if (map_get(&engine->leaving, container->config.name) == container)
                owned = map_remove(&engine->leaving, container->config.name);
        pthread_mutex_unlock(&engine->registry_lock);
        container_unref(owned);
}

void registry_await_name(Engine *engine, const char *name) {
        pthread_mutex_lock(&engine->registry_lock);
        Container *container = map_get(&engine->leaving, name);
        if (container)
                container_ref(container);
        pthread_mutex_unlock(&engine->registry_lock);
        if (!container)
                return;
        /* The lock is held while it is deleted, and taking it tries again what had failed. */
        if (container_lock(container, NULL) == 0)
                container_unlock(container);
        container_unref(container);
}

static int compare_ids(const void *a, const void *b) {
        return strcmp((*(Container *const *)a)->id, (*(Container *const *)b)->id);
}

void engine_containers(Engine *engine, Containers *ret) {
        Containers found = { .items = NULL };

        engine_await_load(engine);
        pthread_mutex_lock(&engine->registry_lock);
        found.items = xnew(Container *, engine->by_id.count);
        MAP_FOREACH (slot, &engine->by_id)
                if (is_visible(slot->value))
                        found.items[found.count++] = container_ref(slot->value);
        pthread_mutex_unlock(&engine->registry_lock);
        qsort(found.items, found.count, sizeof(*found.items), compare_ids);
        *ret = found;
}

void containers_done(Containers *containers) {
        for (size_t i = 0; i < containers->count; i++)
                container_unref(containers->items[i]);
        free(containers->items);
        *containers = (Containers){ .items = NULL };
}

/* The container whose id begins with @prefix. Several: fills the error and returns -1. */
static int find_by_prefix_locked(Engine *engine, const char *prefix, Container **ret, Error *err) {
        Containers matches = { .items = xnew(Container *, MATCHES_SHOWN + 1) };

        MAP_FOREACH (slot, &engine->by_id) {
                Container *container = slot->value;
                if (matches.count <= MATCHES_SHOWN && text_starts_with(container->id, prefix) &&
                    is_visible(container))
                        matches.items[matches.count++] = container;
        }
        int r = 0;
        if (matches.count == 1) {
                *ret = matches.items[0];
        } else if (matches.count > 1) {
                Buffer list = BUFFER_INIT;
                qsort(matches.items, matches.count, sizeof(*matches.items), compare_ids);
                for (size_t i = 0; i < matches.count && i < MATCHES_SHOWN; i++)
                        buffer_printf(&list, "%s%.16s (%s)", i ? ", " : "", matches.items[i]->id,
                                      matches.items[i]->config.name);
                if (matches.count > MATCHES_SHOWN)
                        buffer_append_string(&list, ", and more");
                _cleanup_free_ char *text = buffer_take_string(&list);
                r = error_set(err, ERR_AMBIGUOUS, prefix,
                              "\"%s\" is the beginning of more than one container id: %s", prefix,
                              text ? text : "");
        }
        free(matches.items);
        return r;
}

int engine_find_container(Engine *engine, const char *name, Container **ret, Error *err) {
        Container *found = NULL;
        int r = 0;

        engine_await_load(engine);
        pthread_mutex_lock(&engine->registry_lock);
        if (strlen(name) == ID_HEX_SIZE)
                found = map_get(&engine->by_id, name);
        if (!found)
                found = map_get(&engine->by_name, name);
        if (found && !is_visible(found))
                found = NULL;
        if (!found && text_is_hex(name) && strlen(name) < ID_HEX_SIZE)
                r = find_by_prefix_locked(engine, name, &found, err);
        if (found)
                container_ref(found);
        pthread_mutex_unlock(&engine->registry_lock);

        if (r < 0)
                return r;
        if (!found)
                return error_set(err, ERR_CONTAINER_NOT_FOUND, name,
                                 "no container with name or id \"%s\"", name);
        *ret = found;
        return 0;
}
