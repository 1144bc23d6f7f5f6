/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The containers/storage store: layers, images and containers on disk, shared with podman, buildah
 * and skopeo at the same time.
 *
 * Truth is the JSON files, guarded by the format's own lock files; what is in memory is a cache
 * that is checked against the files' change stamps at every operation. Records handed out are
 * immutable, reference-counted snapshots: readers hold no lock, and a record changes by being
 * replaced. Fields that this program does not know survive its rewrites.
 *
 * Thread-safe; never call it on the loop: another tool may hold a lock for seconds.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

typedef struct Store Store;

/* Limits of what an image or another tool's files may ask for. */
#define STORE_JSON_MAX     (256 * 1024 * 1024) /* bytes of one layers/images/containers.json */
#define STORE_BIG_DATA_MAX (32 * 1024 * 1024)  /* bytes of one big-data item */
#define STORE_LAYERS_MAX   128                 /* depth of one layer chain: overlay's lowerdirs */

typedef struct StoreOptions {
        const char *graph_root;    /* absolute */
        const char *run_root;      /* absolute */
        const char *driver;        /* "overlay", or NULL: that */
        const char *mount_options; /* of storage.conf, e.g. "nodev"; NULL: none */
        bool sync;                 /* fdatasync what is written before it takes its place */
} StoreOptions;

/**
 * store_open() - create what is missing of the roots, check the driver, mount overlay/ over itself
 *
 * Errors: ERR_UNSUPPORTED (the driver), ERR_INVALID (a root that is not absolute), ERR_IO.
 */
int store_open(Store **ret, const StoreOptions *options, Error *err);
Store *store_close(Store *store);
DEFINE_CLEANUP(Store, store_close);

const char *store_graph_root(const Store *store);
const char *store_run_root(const Store *store);
const char *store_driver(const Store *store);

/* What GetInfo says of the driver; strings are static or live as long as the store. */
typedef struct StoreStatus {
        const char *backing_filesystem; /* as containers/storage spells it: extfs, xfs, ... */
        bool native_overlay_diff;
        bool supports_d_type;
} StoreStatus;
int store_status(Store *store, StoreStatus *ret, Error *err);

/*
 * --- layers ------------------------------------------------------------------------------------
 */

typedef struct StoreLayer {
        char *id;
        char *parent; /* NULL: base */
        Strings names;
        char *diff_digest; /* "sha256:..." of the uncompressed tar, NULL for a read-write layer */
        char *compressed_digest;
        int64_t diff_size;       /* bytes of the uncompressed tar, all of them */
        int64_t compressed_size; /* bytes of the blob */
        int64_t created_ns;
        bool is_incomplete;
} StoreLayer;

StoreLayer *store_layer_ref(StoreLayer *layer);
StoreLayer *store_layer_unref(StoreLayer *layer);
DEFINE_CLEANUP(StoreLayer, store_layer_unref);

/** store_layer_get() - by full id; ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO */
int store_layer_get(Store *store, const char *id, StoreLayer **ret, Error *err);

/* What a tar stream turned out to be, known once it was read to its end. */
typedef struct StoreLayerContent {
        char id[65];          /* chain id, as containers/image computes it */
        char diff_digest[72]; /* "sha256:<hex>" of the uncompressed tar */
        int64_t diff_size;
        char blob_digest[72]; /* of the stream as given, compressed or not */
        int64_t blob_size;
        int compression; /* 0 none, 2 gzip, 4 zstd (bzip2 and xz are refused) */
} StoreLayerContent;

/**
 * store_layer_import() - unpack a layer tarball on top of a parent and commit it as an image layer
 * @parent:  layer id or NULL
 * @blob_fd: readable stream, compressed or not; borrowed; read to its end
 * @is_cancelled: asked now and then; NULL: never cancelled
 * @ret:     what it was; a layer that exists is reused, and the stream still read and checked
 *
 * Unpacks into a staging folder without a lock, then commits under the locks; tar-split included. A
 * crash at any point leaves a staging folder or a layer marked incomplete, which the next start or
 * the next writer of any tool removes. Errors: ERR_NOT_FOUND (the parent), ERR_LAYER_CORRUPT
 * (subject = entry path), ERR_UNSUPPORTED (the compression), ERR_CORRUPT (the parent's files),
 * ERR_LIMIT, ERR_NO_SPACE, ERR_CANCELLED, ERR_IO.
 */
int store_layer_import(Store *store, const char *parent, int blob_fd,
                       bool (*is_cancelled)(void *userdata), void *userdata, StoreLayerContent *ret,
                       Error *err);

/**
 * store_layer_delete() - one layer that no image, container or layer uses; ERR_IN_USE,
 * ERR_NOT_FOUND
 */
int store_layer_delete(Store *store, const char *id, Error *err);

/**
 * store_layer_mount() - count a mount of a layer, mounting it when the count was 0
 * @ret_path: heap path of the mounted tree, `<graph_root>/overlay/<id>/merged`
 *
 * An image's layer is mounted read-only. The count lives in the run root and is shared with other
 * tools; a count that is stale (reboot, crash) is corrected against what is really mounted.
 * Errors: ERR_NOT_FOUND, ERR_CORRUPT, ERR_LIMIT (too many layers), ERR_IO.
 */
int store_layer_mount(Store *store, const char *id, char **ret_path, Error *err);

/**
 * store_layer_unmount() - undo one mount; @force: undo all. *ret_is_mounted (may be NULL): still
 * mounted
 */
int store_layer_unmount(Store *store, const char *id, bool force, bool *ret_is_mounted, Error *err);

/** store_layer_mount_count() - how often it is mounted now, 0 if not */
int store_layer_mount_count(Store *store, const char *id, int *ret, Error *err);

/**
 * store_layer_view() - the root of a layer's tree, as it would be mounted, to be read only
 * @ret_fd: O_PATH descriptor; nothing else holds the tree, and nothing of it is left when it closes
 *
 * Of a layer that is mounted it is that mount, which may go on changing. ERR_NOT_FOUND, ERR_IO.
 */
int store_layer_view(Store *store, const char *id, int *ret_fd, Error *err);

/* Heap strings; lower: directories joined by ':', the nearest first, "" for a base. */
typedef struct StoreLayerPaths {
        char *lower, *upper, *work, *merged;
} StoreLayerPaths;
void store_layer_paths_done(StoreLayerPaths *paths);

/** store_layer_paths() - where a layer's directories are; ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO */
int store_layer_paths(Store *store, const char *id, StoreLayerPaths *ret, Error *err);

/**
 * store_layer_disk_usage() - bytes of file content in a layer's own diff (rwsize); walks the tree
 *
 * Errors: ERR_NOT_FOUND, ERR_LIMIT (directories deeper than PATH_DEPTH_MAX), ERR_IO.
 */
int store_layer_disk_usage(Store *store, const char *id, int64_t *ret, Error *err);

/*
 * --- images ------------------------------------------------------------------------------------
 */

typedef struct StoreBigData {
        char *key;
        char *digest; /* "sha256:..."; NULL if the record has none */
        int64_t size;
} StoreBigData;

typedef struct StoreImage {
        char *id;     /* 64 hex digits */
        char *digest; /* of the manifest; NULL if the record has none */
        Strings names;
        Strings names_history; /* all that it ever had, newest first */
        char *layer;           /* top layer, NULL for an image without layers */
        char *metadata;
        StoreBigData *big_data;
        size_t big_data_count;
        int64_t created_ns;
} StoreImage;

StoreImage *store_image_ref(StoreImage *image);
StoreImage *store_image_unref(StoreImage *image);
DEFINE_CLEANUP(StoreImage, store_image_unref);

/* A snapshot: a heap array of referenced records. */
typedef struct StoreImages {
        StoreImage **items;
        size_t count;
} StoreImages;
void store_images_done(StoreImages *images);

/** store_images() - all images at one moment, in the order of the file */
int store_images(Store *store, StoreImages *ret, Error *err);

/** store_image_get() - by full id; ERR_NOT_FOUND */
int store_image_get(Store *store, const char *id, StoreImage **ret, Error *err);

/**
 * store_image_read() - one big-data item; @ret is NUL-terminated one past its end; ERR_NOT_FOUND,
 * ERR_LIMIT (STORE_BIG_DATA_MAX), ERR_IO
 */
int store_image_read(Store *store, const StoreImage *image, const char *key, char **ret,
                     size_t *ret_size, Error *err);

typedef struct StoreImageItem {
        const char *key; /* "manifest", "manifest-sha256:...", "sha256:..." */
        const void *data;
        size_t size;
} StoreImageItem;

typedef struct StoreImageSpec {
        const char *id;     /* 64 hex digits: digest of the config */
        const char *digest; /* "sha256:..." of the manifest */
        const char *layer;  /* top layer or NULL */
        int64_t created_ns;
        const StoreImageItem *items; /* in the order the format wants */
        size_t items_count;
        const char *const *names; /* full names; each moves here from its old owner */
        size_t names_count;
} StoreImageSpec;

/**
 * store_image_create() - add an image; one with this id gets the names (and data) added; files
 * first, then the record
 *
 * Errors: ERR_INVALID (the id), ERR_NOT_FOUND (the layer), ERR_LIMIT (an item's key or size),
 * ERR_NO_SPACE, ERR_IO.
 */
int store_image_create(Store *store, const StoreImageSpec *spec, Error *err);

/**
 * store_image_set_names() - replace the names; names taken from other images move; ERR_NOT_FOUND
 */
int store_image_set_names(Store *store, const char *id, const char *const *names, size_t count,
                          Error *err);

/**
 * store_image_add_name() - one more name, which moves here from its old owner; ERR_NOT_FOUND
 *
 * Unlike a list that was read before and is set again, this keeps what other tools name meanwhile.
 */
int store_image_add_name(Store *store, const char *id, const char *name, Error *err);

/**
 * store_image_remove_name() - one name less, if it is still this image's; ERR_NOT_FOUND: the image
 */
int store_image_remove_name(Store *store, const char *id, const char *name, Error *err);

/**
 * store_image_delete() - remove the record, its data, and every layer that only it used
 *
 * ERR_IN_USE (subject = container id) when a container record of any tool uses it; ERR_NOT_FOUND.
 */
int store_image_delete(Store *store, const char *id, Error *err);

/*
 * --- containers --------------------------------------------------------------------------------
 */

typedef struct StoreContainer {
        char *id;
        Strings names;
        char *image; /* image id or "" */
        char *layer; /* read-write layer; NULL if the record has none */
        char *metadata;
        int64_t created_ns;
} StoreContainer;

StoreContainer *store_container_ref(StoreContainer *container);
StoreContainer *store_container_unref(StoreContainer *container);
DEFINE_CLEANUP(StoreContainer, store_container_unref);

typedef struct StoreContainers {
        StoreContainer **items;
        size_t count;
} StoreContainers;
void store_containers_done(StoreContainers *containers);

/** store_containers() - those of every tool, also what newer ones keep apart as volatile */
int store_containers(Store *store, StoreContainers *ret, Error *err);

typedef struct StoreContainerSpec {
        const char *id;       /* 64 hex digits, chosen by the caller */
        const char *layer_id; /* the same; known to the caller's intent before it exists */
        const char *name;
        const char *image;    /* image id or "" */
        const char *metadata; /* JSON text */
} StoreContainerSpec;

/**
 * store_container_create() - read-write layer on the image's top layer, and the record
 *
 * Makes `overlay-containers/<id>/userdata` in both roots. ERR_EXISTS (name or id taken by any
 * tool), ERR_IMAGE_NOT_FOUND, ERR_INVALID (an id), ERR_CORRUPT (the image has lost its layer),
 * ERR_LIMIT (too many layers), ERR_NO_SPACE, ERR_IO. Whatever a failure or crash leaves is removed
 * by store_container_delete() with the same ids.
 */
int store_container_create(Store *store, const StoreContainerSpec *spec, Error *err);

/**
 * store_container_delete() - record, read-write layer (unmounted by force), data; missing parts are
 * fine
 */
int store_container_delete(Store *store, const char *id, const char *layer_id, Error *err);

/** store_container_dir() - heap path `<graph_root>/overlay-containers/<id>/userdata` */
char *store_container_dir(const Store *store, const char *id);
/** store_container_run_dir() - heap path `<run_root>/overlay-containers/<id>/userdata` */
char *store_container_run_dir(const Store *store, const char *id);

/**
 * store_sweep() - remove what dead writers left: staging folders, incomplete layers, data of images
 * without a record, half-written files; at engine start
 */
int store_sweep(Store *store, Error *err);
