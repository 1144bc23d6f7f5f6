/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of a Store, shared by the files of this folder.
 *
 * Order of the locks, in this process and against other programs, as the format wants it:
 * storage.lock, layers, images, containers, volatile ones, mounts; each file lock before the mutex
 * of its table.
 *
 * The directory descriptors are of the store's own detached clone of the mount that the graph root
 * is on. Other tools (and mounting, here) bind overlay/ over itself; a rename from tmp/ into it
 * would then cross two mounts and fail. In the clone there is no such mount. Where the kernel
 * refuses a clone, they are plain ones.
 */

#include "storage/lock.h"
#include "storage/records.h"
#include "storage/store.h"

struct Store {
        char *graph_root, *run_root, *mount_options;
        bool sync;

        int graph_fd;
        int home_fd; /* overlay/ */
        int tmp_fd;
        int layers_fd, images_fd, containers_fd; /* overlay-layers/ and so on */
        int run_layers_fd, run_containers_fd;

        LockFile storage_lock; /* guards the mount of overlay/ over itself */
        Records layers;        /* LayerRecord */
        Records images;        /* ImageRecord */
        Records containers;    /* ContainerRecord */
        Records mounts;        /* MountRecord */
        /* Newer tools keep what need not outlive a reboot apart. Read, never written. */
        Records volatile_layers, volatile_containers;
};

/* The flags of a layer that a writer is making or removing. */
#define LAYER_INCOMPLETE "{\"incomplete\":true}"

typedef struct LayerRecord {
        Record record;
        StoreLayer layer;
} LayerRecord;

typedef struct ImageRecord {
        Record record;
        StoreImage image;
        Strings mapped_layers; /* other tops of this image, with shifted ids */
} ImageRecord;

typedef struct ContainerRecord {
        Record record;
        StoreContainer container;
} ContainerRecord;

typedef struct MountRecord {
        Record record;
        char *id; /* layer */
        int64_t count;
} MountRecord;

extern const RecordClass layer_record_class, image_record_class, container_record_class,
        mount_record_class;

static inline StoreLayer *layer_of(Record *record) {
        return &container_of(record, LayerRecord, record)->layer;
}
static inline StoreImage *image_of(Record *record) {
        return &container_of(record, ImageRecord, record)->image;
}
static inline StoreContainer *container_of_record(Record *record) {
        return &container_of(record, ContainerRecord, record)->container;
}

/** record_get_names() - a list of strings; empty when missing */
int record_get_names(const json_t *object, const char *key, Strings *ret, Error *err);

#define ID_MAX 128 /* longest id of a layer, image or container */

/** id_check() - whether a caller's id can be the name of a file; ERR_INVALID */
int id_check(const char *id, Error *err);

/** store_home() - heap path of overlay/ */
char *store_home(const Store *store);

/* --- layers.c --- */

/** layers_write() - records_write() on the layers, then remove what dead writers left incomplete */
int layers_write(Store *store, Records **ret, Error *err);

/* All tables at once, held for a change; what tables_write() did not reach is NULL. */
typedef struct StoreTables {
        Records *layers, *images, *containers;
        Records *volatile_layers, *volatile_containers; /* held for a look */
} StoreTables;

/**
 * tables_write() - layers_write() and the others in their order; tables_end() also after a failure
 */
int tables_write(Store *store, StoreTables *ret, Error *err);
void tables_end(StoreTables *tables);

/** layer_is_used() - whether another layer, an image or a container stands on it */
bool layer_is_used(const StoreTables *tables, const char *id);

/**
 * layers_discard() - remove a layer from the table and its files from the store; saves before and
 * after
 * @trash_fd: staging folder, where the layer's directory goes
 *
 * The layer is marked incomplete and saved before its files go, so that a crash in between leaves
 * what any writer of any tool cleans.
 */
int layers_discard(Store *store, Records *layers, Record *layer, int trash_fd, Error *err);

/* --- images.c --- */

/** image_data_path() - heap path of an item below overlay-images/, or NULL: the key is too long */
char *image_data_path(const char *id, const char *key);

/** image_not_found() - ERR_NOT_FOUND; returns -1 */
int image_not_found(Error *err, const char *id);

/* --- image_changes.c --- */

/** images_sweep() - remove data of images that have no record; the table is held for a change */
int images_sweep(Store *store, const Records *images, Error *err);

/* --- mounts.c --- */

/**
 * mounts_hold_home() - mount overlay/ over itself, private, as every tool does before it mounts a
 * layer
 *
 * A tool that finds it missing does so later, over the mounts that are there, and hides them. Done
 * when the store is opened, so that containers come and go without a change in the number of
 * mounts.
 */
int mounts_hold_home(Store *store, Error *err);
/** mounts_release_home() - undo that if no mount in it is counted; a disk mounted there stays */
void mounts_release_home(Store *store);
