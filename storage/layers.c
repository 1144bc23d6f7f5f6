/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layers: their records, and how they go.
 *
 * A layer that a writer is making or removing is marked incomplete in the file. Whoever holds the
 * lock for writing and sees that mark knows that the writer is dead, and removes the layer.
 */

#include "storage/layers.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/timestamp.h"
#include "storage/json_scan.h"
#include "storage/overlay.h"
#include "storage/staging.h"
#include "storage/store_private.h"

static void layer_record_destroy(Record *record) {
        LayerRecord *self = container_of(record, LayerRecord, record);
        StoreLayer *layer = &self->layer;

        free(layer->id);
        free(layer->parent);
        strings_done(&layer->names);
        free(layer->diff_digest);
        free(layer->compressed_digest);
        free(self);
}

static Record *layer_record_decode(const json_t *object, Error *err) {
        LayerRecord *self = xnew(LayerRecord, 1);
        StoreLayer *layer = &self->layer;

        if (record_get_id(object, "id", true, &layer->id, err) < 0 ||
            record_get_id(object, "parent", false, &layer->parent, err) < 0 ||
            record_get_names(object, "names", &layer->names, err) < 0 ||
            record_get_string(object, "diff-digest", &layer->diff_digest, err) < 0 ||
            record_get_string(object, "compressed-diff-digest", &layer->compressed_digest, err) <
                    0 ||
            record_get_int(object, "diff-size", &layer->diff_size, err) < 0 ||
            record_get_int(object, "compressed-size", &layer->compressed_size, err) < 0 ||
            record_get_time(object, "created", &layer->created_ns, err) < 0) {
                layer_record_destroy(&self->record);
                return NULL;
        }
        const json_t *flags = json_object_get(object, "flags");
        layer->is_incomplete = json_is_true(json_object_get(flags, "incomplete"));
        self->record.id = layer->id;
        return &self->record;
}

const RecordClass layer_record_class = { "layer", layer_record_decode, layer_record_destroy };

StoreLayer *store_layer_ref(StoreLayer *layer) {
        record_ref(&container_of(layer, LayerRecord, layer)->record);
        return layer;
}

StoreLayer *store_layer_unref(StoreLayer *layer) {
        if (layer)
                record_unref(&container_of(layer, LayerRecord, layer)->record);
        return NULL;
}

static int layer_not_found(Error *err, const char *id) {
        return error_set(err, ERR_NOT_FOUND, id, "no layer %s", id);
}

/* The layer if this table has it: 1, or 0, or -1. */
static int find_layer(Records *table, const char *id, StoreLayer **ret, Error *err) {
        _cleanup_(records_endp)
        Records *layers = NULL;

        if (records_read(table, &layers, err) < 0)
                return -1;
        Record *record = records_find(layers, id);
        if (!record)
                return 0;
        *ret = store_layer_ref(layer_of(record));
        return 1;
}

int store_layer_get(Store *store, const char *id, StoreLayer **ret, Error *err) {
        int r = find_layer(&store->layers, id, ret, err);

        if (r == 0)
                r = find_layer(&store->volatile_layers, id, ret, err);
        if (r < 0)
                return -1;
        return r == 0 ? layer_not_found(err, id) : 0;
}

/* The directory goes to @trash_fd under a name of its own; the rest is small and goes at once. */
static int remove_files(Store *store, const char *id, int trash_fd, Error *err) {
        char name[NAME_MAX + 16];

        overlay_unlink(store->home_fd, id);
        if (renameat(store->home_fd, id, trash_fd, id) < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, id, "cannot remove layer %s", id);
        snprintf(name, sizeof(name), "%s.tar-split.gz", id);
        if (unlinkat(store->layers_fd, name, 0) < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, id, "cannot remove %s", name);
        int r = path_remove_tree(store->layers_fd, id); /* big data */
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot remove the data of layer %s", id);
        return 0;
}

static int mark_incomplete(Records *layers, Record **record, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (layer_of(*record)->is_incomplete)
                return 0;
        (void)json_replace_member((JsonSpan){ (*record)->text, (*record)->size }, "flags",
                                  LAYER_INCOMPLETE, &text);
        *record = records_replace_text(layers, *record, &text);
        return records_save(layers, err);
}

int layers_discard(Store *store, Records *layers, Record *layer, int trash_fd, Error *err) {
        if (mark_incomplete(layers, &layer, err) < 0 ||
            store_layer_unmount(store, layer->id, true, NULL, err) < 0 ||
            remove_files(store, layer->id, trash_fd, err) < 0)
                return -1;
        records_remove(layers, layer);
        return records_save(layers, err);
}

static Record *find_incomplete(const Records *layers) {
        for (size_t i = 0; i < layers->count; i++)
                if (layer_of(layers->items[i])->is_incomplete)
                        return layers->items[i];
        return NULL;
}

int layers_write(Store *store, Records **ret, Error *err) {
        _cleanup_staging_ Staging trash = STAGING_INIT;
        _cleanup_(records_end_writep)
        Records *layers = NULL;

        if (records_write(&store->layers, &layers, err) < 0)
                return -1;
        for (Record *dead; (dead = find_incomplete(layers));) {
                if (trash.fd < 0 && staging_open(&trash, store->tmp_fd, err) < 0)
                        return -1;
                if (layers_discard(store, layers, dead, trash.fd, err) < 0)
                        return -1;
        }
        *ret = TAKE_PTR(layers);
        return 0;
}

int tables_write(Store *store, StoreTables *ret, Error *err) {
        if (layers_write(store, &ret->layers, err) < 0 ||
            records_write(&store->images, &ret->images, err) < 0 ||
            records_write(&store->containers, &ret->containers, err) < 0 ||
            records_read(&store->volatile_layers, &ret->volatile_layers, err) < 0 ||
            records_read(&store->volatile_containers, &ret->volatile_containers, err) < 0)
                return -1;
        return 0;
}

void tables_end(StoreTables *tables) {
        records_endp(&tables->volatile_containers);
        records_endp(&tables->volatile_layers);
        records_end_writep(&tables->containers);
        records_end_writep(&tables->images);
        records_end_writep(&tables->layers);
}

static bool is_parent(const Records *layers, const char *id) {
        for (size_t i = 0; i < layers->count; i++) {
                const char *parent = layer_of(layers->items[i])->parent;
                if (parent && strcmp(parent, id) == 0)
                        return true;
        }
        return false;
}

static bool is_image_layer(const Records *images, const char *id) {
        for (size_t i = 0; i < images->count; i++) {
                const ImageRecord *image = container_of(images->items[i], ImageRecord, record);
                if ((image->image.layer && strcmp(image->image.layer, id) == 0) ||
                    strings_contains(&image->mapped_layers, id))
                        return true;
        }
        return false;
}

static bool is_container_layer(const Records *containers, const char *id) {
        for (size_t i = 0; i < containers->count; i++) {
                const char *layer = container_of_record(containers->items[i])->layer;
                if (layer && strcmp(layer, id) == 0)
                        return true;
        }
        return false;
}

bool layer_is_used(const StoreTables *tables, const char *id) {
        return is_parent(tables->layers, id) || is_parent(tables->volatile_layers, id) ||
               is_image_layer(tables->images, id) || is_container_layer(tables->containers, id) ||
               is_container_layer(tables->volatile_containers, id);
}

int store_layer_delete(Store *store, const char *id, Error *err) {
        _cleanup_staging_ Staging trash = STAGING_INIT;
        _cleanup_(tables_end)
        StoreTables tables = { .layers = NULL };

        if (staging_open(&trash, store->tmp_fd, err) < 0 || tables_write(store, &tables, err) < 0)
                return -1;
        Record *record = records_find(tables.layers, id);
        if (!record)
                return layer_not_found(err, id);
        if (layer_is_used(&tables, id))
                return error_set(err, ERR_IN_USE, id, "layer %s is in use", id);
        return layers_discard(store, tables.layers, record, trash.fd, err);
}

int store_layer_paths(Store *store, const char *id, StoreLayerPaths *ret, Error *err) {
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        _cleanup_free_ char *home = store_home(store);

        if (store_layer_get(store, id, &layer, err) < 0)
                return -1;
        return overlay_paths(store->home_fd, home, id, ret, err);
}

void store_layer_paths_done(StoreLayerPaths *paths) {
        free(paths->lower);
        free(paths->upper);
        free(paths->work);
        free(paths->merged);
        *paths = (StoreLayerPaths){ .lower = NULL };
}

int store_layer_disk_usage(Store *store, const char *id, int64_t *ret, Error *err) {
        char path[NAME_MAX + 16];

        if (id_check(id, err) < 0)
                return -1;
        snprintf(path, sizeof(path), "%s/diff", id);
        int r = path_tree_size(store->home_fd, path, ret);
        if (r == -ENOENT)
                return error_set(err, ERR_NOT_FOUND, id, "no layer %s", id);
        if (r == -ELOOP)
                return error_set(err, ERR_LIMIT, id, "layer %s nests directories too deep", id);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot measure layer %s", id);
        return 0;
}
