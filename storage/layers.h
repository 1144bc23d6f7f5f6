/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Layers on their way in and out: tar streams become layers in two steps, and layers become tar
 * streams again.
 *
 * Staging does all that takes long (inflate, hash, describe, unpack), needs neither a lock nor the
 * parent, and so runs for many layers at once in any order. Committing puts what was staged under
 * its parent, under the locks, in a moment. What was staged and not committed leaves nothing.
 *
 * Thread: one call at a time for one object; different objects on different threads.
 */

#include "storage/store.h"
#include "storage/tar.h"

typedef struct StoreStagedLayer StoreStagedLayer;

/*
 * What staging leaves free on the disk, so that other writers (the databases, the logs) go on:
 * so many bytes, or this part of a small disk.
 */
#define STORE_RESERVE_MAX  (INT64_C(64) * 1024 * 1024)
#define STORE_RESERVE_PART 64

typedef struct StoreStageOptions {
        int64_t blob_size_max; /* bytes of the stream as given; -1: no limit */
        int64_t diff_size_max; /* bytes of the uncompressed tar; -1: only the ratio of blob.h */
        bool (*is_cancelled)(void *userdata); /* asked now and then; NULL: never cancelled */
        void *userdata;
} StoreStageOptions;

#define STORE_STAGE_OPTIONS_INIT \
        { .blob_size_max = -1, .diff_size_max = -1 }

/**
 * store_layer_stage() - unpack a layer tarball into a folder of its own
 * @blob_fd: readable stream, compressed or not; borrowed; read to its end
 * @options: NULL: the defaults
 * @ret:     lives at most as long as @store; to be given to store_staged_layer_free() in any case
 *
 * Errors: ERR_LAYER_CORRUPT (subject = entry path), ERR_LIMIT, ERR_NO_SPACE (also where the disk
 * would have less than the reserve left), ERR_CANCELLED, ERR_UNSUPPORTED, ERR_IO.
 */
int store_layer_stage(Store *store, int blob_fd, const StoreStageOptions *options,
                      StoreStagedLayer **ret, Error *err);

/** store_staged_layer_content() - what the stream was; the id is "" before the commit; borrowed */
const StoreLayerContent *store_staged_layer_content(const StoreStagedLayer *layer);

/**
 * store_layer_commit() - make it an image layer on top of a parent
 * @parent: layer id or NULL
 * @ret_id: its chain id; a layer that is there already by that id is reused
 *
 * Once for each staged layer. A crash at any point leaves a staging folder or a layer marked
 * incomplete, which the next start or the next writer of any tool removes.
 * Errors: ERR_NOT_FOUND (the parent), ERR_LIMIT (too many layers), ERR_NO_SPACE, ERR_IO.
 */
int store_layer_commit(StoreStagedLayer *layer, const char *parent, char ret_id[static 65],
                       Error *err);

/** store_staged_layer_free() - discard what was not committed; returns NULL */
StoreStagedLayer *store_staged_layer_free(StoreStagedLayer *layer);
DEFINE_CLEANUP(StoreStagedLayer, store_staged_layer_free);

/**
 * store_chain_id() - the id of a layer by its parent's id and its own diff digest
 * @parent:      layer id, or NULL for a base layer
 * @diff_digest: "sha256:<hex>"
 *
 * Returns 0, or -1 when @diff_digest is no such digest.
 */
int store_chain_id(const char *parent, const char *diff_digest, char ret_id[static 65]);

/**
 * store_layer_assemble() - the uncompressed tar of an image layer, byte for byte as it was pulled
 * @is_hashed: hash what is written; false where @sink does that
 *
 * ERR_CORRUPT when what was written does not hash to the layer's digest, or a file is not what it
 * was; known for sure only at the end. Errors: ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO (also for a layer
 * without tar-split), and the sink's.
 */
int store_layer_assemble(Store *store, const char *id, bool is_hashed, const TarSink *sink,
                         Error *err);

/*
 * --- what a container changed ------------------------------------------------------------------
 */

typedef enum StoreChangeKind {
        STORE_CHANGE_MODIFIED, /* "C" */
        STORE_CHANGE_ADDED,    /* "A" */
        STORE_CHANGE_DELETED,  /* "D" */
        _STORE_CHANGE_MAX,
} StoreChangeKind;

typedef struct StoreChange {
        StoreChangeKind kind;
        char *path; /* absolute in the container: "/etc/passwd" */
} StoreChange;

typedef struct StoreChanges {
        StoreChange *items;
        size_t count, capacity;
} StoreChanges;
void store_changes_done(StoreChanges *changes);

#define STORE_CHANGES_INIT \
        { .items = NULL }

/**
 * store_layer_changes() - the paths in which a layer differs from those below it
 * @ret: in the order of a walk through the tree; directories above what was added or removed
 *       count as modified
 *
 * Mount points that an engine made are in it; leaving them out is the caller's.
 * Errors: ERR_NOT_FOUND, ERR_LIMIT, ERR_IO.
 */
int store_layer_changes(Store *store, const char *id, StoreChanges *ret, Error *err);

/**
 * store_layer_write_diff() - a layer's own files as a layer tarball
 *
 * Whiteouts become `.wh.` entries. Sorted by path, and the same for the same files. Sockets are
 * left out. Errors: ERR_NOT_FOUND, ERR_LIMIT, ERR_IO, and the sink's.
 */
int store_layer_write_diff(Store *store, const char *id, const TarSink *sink, Error *err);

/**
 * store_tree_write() - a whole directory tree as a tar: what a mounted container looks like
 * @root_fd: borrowed; nothing outside of it is read, and no symbolic link followed
 *
 * Other file systems that are mounted inside are left out but for their mount points.
 * Errors: ERR_LIMIT, ERR_IO, and the sink's.
 */
int store_tree_write(int root_fd, const TarSink *sink, Error *err);

/**
 * store_layer_stage_changes() - store_layer_stage() of a layer's own files
 * @options: its limits hold for the tar of the changes; NULL: the defaults
 *
 * Errors: those of store_layer_write_diff() and store_layer_stage().
 */
int store_layer_stage_changes(Store *store, const char *id, const StoreStageOptions *options,
                              StoreStagedLayer **ret, Error *err);

/**
 * store_layer_commit_changes() - a container's changes as a new image layer
 * @id:      the container's layer
 * @parent:  the image's top layer, or NULL
 * @options: its limits hold for the tar of the changes; NULL: the defaults
 *
 * The container's layer stays as it is. Errors: those of the functions above.
 */
int store_layer_commit_changes(Store *store, const char *id, const char *parent,
                               const StoreStageOptions *options, StoreLayerContent *ret,
                               Error *err);

/*
 * --- blobs -------------------------------------------------------------------------------------
 */

typedef struct StoreBlobLock StoreBlobLock;

/**
 * store_blob_lock() - wait until no other thread or program of any tool fetches this blob
 * @digest:       "sha256:<hex>" of the blob as the registry has it
 * @is_cancelled: asked now and then while waiting; NULL: never cancelled
 *
 * Then look whether the layer is there by now. Errors: ERR_INVALID, ERR_CANCELLED, ERR_IO.
 */
int store_blob_lock(Store *store, const char *digest, bool (*is_cancelled)(void *userdata),
                    void *userdata, StoreBlobLock **ret, Error *err);
StoreBlobLock *store_blob_unlock(StoreBlobLock *lock);
DEFINE_CLEANUP(StoreBlobLock, store_blob_unlock);
