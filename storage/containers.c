/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers, as far as the store knows them: a record, a read-write layer, and two folders.
 *
 * Starting and removing containers is the hot path, so a change is one save of each file. The
 * caller knows both ids before anything exists and keeps them as its intent; that is why a layer
 * that is half made needs no mark here: folders first, then the layer's record, then the
 * container's; removal goes the other way. A crash in between leaves folders that no record names,
 * or a layer that no container names: other tools read past both, and store_container_delete()
 * removes both.
 */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_text.h"
#include "base/path.h"
#include "base/timestamp.h"
#include "storage/overlay.h"
#include "storage/store_private.h"

static void container_record_destroy(Record *record) {
        ContainerRecord *self = container_of(record, ContainerRecord, record);
        StoreContainer *container = &self->container;

        free(container->id);
        strings_done(&container->names);
        free(container->image);
        free(container->layer);
        free(container->metadata);
        free(self);
}

static Record *container_record_decode(const json_t *object, Error *err) {
        ContainerRecord *self = xnew(ContainerRecord, 1);
        StoreContainer *container = &self->container;

        if (record_get_id(object, "id", true, &container->id, err) < 0 ||
            record_get_names(object, "names", &container->names, err) < 0 ||
            record_get_id(object, "image", false, &container->image, err) < 0 ||
            record_get_id(object, "layer", false, &container->layer, err) < 0 ||
            record_get_string(object, "metadata", &container->metadata, err) < 0 ||
            record_get_time(object, "created", &container->created_ns, err) < 0) {
                container_record_destroy(&self->record);
                return NULL;
        }
        if (!container->image)
                container->image = xstrdup("");
        self->record.id = container->id;
        return &self->record;
}

const RecordClass container_record_class = { "container", container_record_decode,
                                             container_record_destroy };

StoreContainer *store_container_ref(StoreContainer *container) {
        record_ref(&container_of(container, ContainerRecord, container)->record);
        return container;
}

StoreContainer *store_container_unref(StoreContainer *container) {
        if (container)
                record_unref(&container_of(container, ContainerRecord, container)->record);
        return NULL;
}

void store_containers_done(StoreContainers *containers) {
        for (size_t i = 0; i < containers->count; i++)
                store_container_unref(containers->items[i]);
        free(containers->items);
        *containers = (StoreContainers){ .items = NULL };
}

/* Adds one table's records to a list. */
static int list_table(Records *table, StoreContainers *list, Error *err) {
        _cleanup_(records_endp)
        Records *containers = NULL;

        if (records_read(table, &containers, err) < 0)
                return -1;
        list->items = xrealloc(list->items, list->count + containers->count, sizeof(void *));
        for (size_t i = 0; i < containers->count; i++)
                list->items[list->count++] =
                        store_container_ref(container_of_record(containers->items[i]));
        return 0;
}

int store_containers(Store *store, StoreContainers *ret, Error *err) {
        StoreContainers list = { .items = NULL };

        if (list_table(&store->containers, &list, err) < 0 ||
            list_table(&store->volatile_containers, &list, err) < 0) {
                store_containers_done(&list);
                return -1;
        }
        *ret = list;
        return 0;
}

char *store_container_dir(const Store *store, const char *id) {
        return xasprintf("%s/overlay-containers/%s/userdata", store->graph_root, id);
}

char *store_container_run_dir(const Store *store, const char *id) {
        return xasprintf("%s/overlay-containers/%s/userdata", store->run_root, id);
}

static int make_dir(int dir_fd, const char *id, Error *err) {
        char path[NAME_MAX + 16];

        snprintf(path, sizeof(path), "%s/userdata", id);
        if ((mkdirat(dir_fd, id, 0700) < 0 && errno != EEXIST) ||
            (mkdirat(dir_fd, path, 0700) < 0 && errno != EEXIST))
                return error_errno(err, ERR_IO, errno, id, "cannot create the folders of %s", id);
        return 0;
}

/* Whether a name is given to a container of this table. */
static int check_name(const Records *containers, const char *name, Error *err) {
        for (size_t i = 0; i < containers->count; i++) {
                const StoreContainer *other = container_of_record(containers->items[i]);
                if (strings_contains(&other->names, name))
                        return error_set(err, ERR_EXISTS, name,
                                         "the name %s is used by container %s", name, other->id);
        }
        return 0;
}

/* A name or id that any tool has given away already. */
static int check_free(Store *store, const Records *containers, const Records *layers,
                      const StoreContainerSpec *spec, Error *err) {
        _cleanup_(records_endp)
        Records *others = NULL;

        if (records_find(containers, spec->id) || records_find(layers, spec->layer_id))
                return error_set(err, ERR_EXISTS, spec->id, "container %s exists", spec->id);
        if (records_read(&store->volatile_containers, &others, err) < 0 ||
            check_name(containers, spec->name, err) < 0 || check_name(others, spec->name, err) < 0)
                return -1;
        return 0;
}

/* The top layer of the image, or NULL for none; a heap copy. */
static int find_parent(Store *store, const Records *layers, const char *image_id, char **ret,
                       Error *err) {
        _cleanup_(records_endp)
        Records *images = NULL;

        *ret = NULL;
        if (!*image_id)
                return 0;
        if (records_read(&store->images, &images, err) < 0)
                return -1;
        Record *record = records_find(images, image_id);
        if (!record)
                return error_set(err, ERR_IMAGE_NOT_FOUND, image_id, "no image %s", image_id);
        const char *layer = image_of(record)->layer;
        if (layer && !records_find(layers, layer))
                return error_set(err, ERR_CORRUPT, image_id, "image %s has lost its layer %s",
                                 image_id, layer);
        *ret = layer ? xstrdup(layer) : NULL;
        return 0;
}

/* A container that was renamed leaves its old name to its layer; names are given once. */
static bool is_layer_name(const Records *layers, const char *name) {
        for (size_t i = 0; i < layers->count; i++)
                if (strings_contains(&layer_of(layers->items[i])->names, name))
                        return true;
        return false;
}

static int add_layer(Records *layers, const StoreContainerSpec *spec, const char *parent,
                     int64_t created, Error *err) {
        _cleanup_free_ char *name = xasprintf("%s-layer", spec->name);
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        member_open(&text, NULL, '{');
        member_text(&text, "id", spec->layer_id);
        if (!is_layer_name(layers, name))
                member_texts(&text, "names", (const char *const *)&name, 1);
        member_text_given(&text, "parent", parent);
        member_time(&text, "created", created);
        member_close(&text, '}');
        (void)records_append_text(layers, &text);
        return records_save(layers, err);
}

static int add_container(Records *containers, const StoreContainerSpec *spec, int64_t created,
                         Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        member_open(&text, NULL, '{');
        member_text(&text, "id", spec->id);
        member_texts(&text, "names", &spec->name, 1);
        member_text(&text, "image", spec->image);
        member_text(&text, "layer", spec->layer_id);
        member_text(&text, "metadata", spec->metadata);
        member_time(&text, "created", created);
        member_verbatim(&text, "flags", "{\"MountLabel\":\"\",\"ProcessLabel\":\"\"}");
        member_close(&text, '}');
        (void)records_append_text(containers, &text);
        return records_save(containers, err);
}

int store_container_create(Store *store, const StoreContainerSpec *spec, Error *err) {
        _cleanup_(records_end_writep)
        Records *layers = NULL, *containers = NULL;
        _cleanup_free_ char *parent = NULL;

        if (id_check(spec->id, err) < 0 || id_check(spec->layer_id, err) < 0 ||
            layers_write(store, &layers, err) < 0 ||
            find_parent(store, layers, spec->image, &parent, err) < 0 ||
            records_write(&store->containers, &containers, err) < 0 ||
            check_free(store, containers, layers, spec, err) < 0)
                return -1;
        const int64_t created = timestamp_now();
        if (make_dir(store->containers_fd, spec->id, err) < 0 ||
            make_dir(store->run_containers_fd, spec->id, err) < 0 ||
            overlay_make(store->home_fd, spec->layer_id, store->sync, err) < 0 ||
            overlay_stack(store->home_fd, spec->layer_id, store->home_fd, parent, store->sync,
                          err) < 0 ||
            overlay_link(store->home_fd, spec->layer_id, err) < 0 ||
            add_layer(layers, spec, parent, created, err) < 0 ||
            add_container(containers, spec, created, err) < 0)
                return -1;
        return 0;
}

/* Takes the record with this id out of a file, if it is there. */
static int remove_record(Records *records, const char *id, Error *err) {
        Record *record = records_find(records, id);

        if (!record)
                return 0;
        records_remove(records, record);
        return records_save(records, err);
}

static int remove_records(Store *store, const char *id, const char *layer_id, Error *err) {
        _cleanup_(records_end_writep)
        Records *layers = NULL, *containers = NULL;

        if (layers_write(store, &layers, err) < 0 ||
            records_write(&store->containers, &containers, err) < 0 ||
            store_layer_unmount(store, layer_id, true, NULL, err) < 0 ||
            remove_record(containers, id, err) < 0 || remove_record(layers, layer_id, err) < 0)
                return -1;
        return 0;
}

static int remove_files(Store *store, const char *id, const char *layer_id, Error *err) {
        overlay_unlink(store->home_fd, layer_id);
        int r = path_remove_tree(store->home_fd, layer_id);
        if (r == 0)
                r = path_remove_tree(store->containers_fd, id);
        if (r == 0)
                r = path_remove_tree(store->run_containers_fd, id);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot remove the files of container %s",
                                   id);
        return 0;
}

int store_container_delete(Store *store, const char *id, const char *layer_id, Error *err) {
        Error error = ERROR_INIT;

        if (id_check(id, err) < 0 || id_check(layer_id, err) < 0)
                return -1;
        int r = remove_records(store, id, layer_id, &error);
        if (r < 0 && error.kind == ERR_NO_SPACE) {
                /* A full disk has no room for the shorter files; what they name is in the way. */
                if (remove_files(store, id, layer_id, err) < 0)
                        return -1;
                return remove_records(store, id, layer_id, err);
        }
        if (r < 0) {
                if (err)
                        *err = error;
                return r;
        }
        /* No record names these any more, and nobody makes the same random ids again. */
        return remove_files(store, id, layer_id, err);
}
