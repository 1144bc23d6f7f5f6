/* SPDX-License-Identifier: Apache-2.0 */

/* What clients hear of a layer's changes: those that the container made, sorted by their kinds. */

#include "engine/files.h"

#include "engine/object.h"
#include "storage/layers.h"

/*
 * What engines and runtimes mount over, and so make where it is missing. Source: podman 4.3.1
 * libpod/diff.go, the paths that `podman diff` leaves out.
 */
static const char *const mount_points[] = {
        "/dev",  "/etc/hostname", "/etc/hosts",         "/etc/mtab",   "/etc/resolv.conf",
        "/proc", "/run",          "/run/.containerenv", "/run/notify", "/run/secrets",
        "/sys",
};

static bool is_mount_point(const char *path) {
        for (size_t i = 0; i < ARRAY_SIZE(mount_points); i++)
                if (text_equal(path, mount_points[i]))
                        return true;
        return false;
}

void container_changes_done(ContainerChanges *changes) {
        strings_done(&changes->changed);
        strings_done(&changes->added);
        strings_done(&changes->deleted);
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(Strings *list) {
        if (list->count > 1)
                qsort(list->items, list->count, sizeof(char *), compare);
}

int container_changes(Container *container, ContainerChanges *ret, Error *err) {
        _cleanup_(store_changes_done)
        StoreChanges changes = STORE_CHANGES_INIT;
        Error cause = ERROR_INIT;

        if (store_layer_changes(container->engine->store, container->config.layer, &changes,
                                &cause) < 0) {
                if (cause.kind != ERR_NOT_FOUND)
                        return error_copy(err, &cause);
                return error_set(err, ERR_CONTAINER_NOT_FOUND, container->id,
                                 "container %s is being removed", container->id);
        }
        Strings *const lists[_STORE_CHANGE_MAX] = {
                [STORE_CHANGE_MODIFIED] = &ret->changed,
                [STORE_CHANGE_ADDED] = &ret->added,
                [STORE_CHANGE_DELETED] = &ret->deleted,
        };
        *ret = (ContainerChanges)CONTAINER_CHANGES_INIT;
        for (size_t i = 0; i < changes.count; i++)
                if (!is_mount_point(changes.items[i].path))
                        strings_take(lists[changes.items[i].kind], TAKE_PTR(changes.items[i].path));
        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
                sort(lists[i]);
        return 0;
}
