/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A layer tarball becomes a layer.
 *
 * One pass over the stream: it is inflated and hashed (on a thread of its own), parsed, unpacked,
 * and described as tar-split, all at once and without a lock, into a staging folder. What is left
 * for the time under the lock is three renames and two saves.
 */

#include <assert.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "storage/blob.h"
#include "storage/layers.h"
#include "storage/overlay.h"
#include "storage/path_set.h"
#include "storage/restore.h"
#include "storage/space.h"
#include "storage/staging.h"
#include "storage/store_private.h"
#include "storage/tar.h"
#include "storage/tar_split.h"
#include "storage/unpack.h"

/* Names in the staging folder; the layer's own is that of the folder. */
#define REPLACED  "replaced"
#define TAR_SPLIT "tar-split.gz"

struct StoreStagedLayer {
        Store *store;
        Staging staging;
        StoreLayerContent content;
        IdSet uids, gids;
};

/* The work on one stream. */
typedef struct Stage {
        StoreStagedLayer *layer;
        int diff_fd, replaced_fd, split_fd;
        BlobReader *blob;
        TarReader *tar;
        Unpacker *unpacker;
        TarSplitWriter *split;
        PathSet seen;
        Space space;
} Stage;

static void stage_done(Stage *stage) {
        (void)tar_split_writer_free(stage->split);
        (void)unpacker_free(stage->unpacker);
        (void)tar_reader_free(stage->tar);
        (void)blob_reader_free(stage->blob);
        path_set_done(&stage->seen);
        (void)fd_close(stage->split_fd);
        (void)fd_close(stage->replaced_fd);
        (void)fd_close(stage->diff_fd);
}

StoreStagedLayer *store_staged_layer_free(StoreStagedLayer *layer) {
        if (!layer)
                return NULL;
        staging_close(&layer->staging);
        id_set_done(&layer->uids);
        id_set_done(&layer->gids);
        free(layer);
        return NULL;
}

const StoreLayerContent *store_staged_layer_content(const StoreStagedLayer *layer) {
        return &layer->content;
}

static int read_blob(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        return blob_reader_next(userdata, ret_data, ret_size, err);
}

/*
 * Has ext4 put the layer into a part of the disk where little is, as it does with the top folders
 * of a disk, instead of where all other layers are: there is room for its files side by side,
 * threads do not search the same maps, and the maps are not full of what was deleted just now,
 * which ext4 without a journal is slow to use again. The layer's name has to be a different one
 * each time, since the part is chosen by it. Elsewhere all this means nothing.
 */
static void spread(int dir_fd) {
        int flags;

        if (ioctl(dir_fd, FS_IOC_GETFLAGS, &flags) < 0)
                return;
        flags |= FS_TOPDIR_FL;
        (void)ioctl(dir_fd, FS_IOC_SETFLAGS, &flags);
}

static int prepare(Stage *stage, int blob_fd, const BlobOptions *options, Error *err) {
        StoreStagedLayer *layer = stage->layer;
        Store *store = layer->store;
        const int at = staging_open(&layer->staging, store->tmp_fd, err) < 0 ? -1
                                                                             : layer->staging.fd;
        const char *name = layer->staging.name;
        char diff[sizeof(layer->staging.name) + 8];

        if (at < 0)
                return -1;
        spread(at);
        if (overlay_make(at, name, store->sync, err) < 0 || space_init(&stage->space, at, err) < 0)
                return -1;
        if (mkdirat(at, REPLACED, 0700) < 0)
                return error_errno(err, ERR_IO, errno, REPLACED, "cannot create a staging folder");
        snprintf(diff, sizeof(diff), "%s/diff", name);
        stage->diff_fd = openat(at, diff, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        stage->replaced_fd = openat(at, REPLACED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        stage->split_fd = openat(at, TAR_SPLIT, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (stage->diff_fd < 0 || stage->replaced_fd < 0 || stage->split_fd < 0)
                return error_errno(err, ERR_IO, errno, name, "cannot open a staging folder");
        if (blob_reader_start(&stage->blob, blob_fd, options, err) < 0)
                return -1;
        stage->tar = tar_reader_new(&(TarSource){ read_blob, stage->blob });
        stage->unpacker = unpacker_new(stage->diff_fd, stage->replaced_fd);
        stage->split = tar_split_writer_new(stage->split_fd);
        return 0;
}

static int write_raw(Stage *stage, Error *err) {
        const Buffer *raw = tar_reader_raw(stage->tar);

        return tar_split_write_segment(stage->split, raw->data, raw->size, err);
}

/*
 * One member's content: to its file, and into the tar-split where the file will not give it back.
 */
static int copy_content(Stage *stage, const TarEntry *entry, int fd, bool is_kept,
                        uint64_t *ret_crc, Error *err) {
        const uint8_t *data;
        uint64_t crc = 0;
        size_t size;
        int r;

        while ((r = tar_reader_data(stage->tar, &data, &size, err)) > 0) {
                if (space_take(&stage->space, (int64_t)size, entry->name, err) < 0)
                        return -1;
                int written = fd >= 0 ? fd_write_all(fd, data, size) : 0;
                if (written < 0)
                        return error_errno(err, ERR_IO, -written, entry->name, "cannot write %s",
                                           entry->name);
                if (is_kept)
                        crc = tar_split_checksum(crc, data, size);
                else if (tar_split_write_segment(stage->split, data, size, err) < 0)
                        return -1;
        }
        *ret_crc = crc;
        return r;
}

static int stage_entry(Stage *stage, const TarEntry *entry, Error *err) {
        _cleanup_close_ int fd = -EBADF;
        uint64_t crc = 0;

        if (write_raw(stage, err) < 0 || unpacker_begin(stage->unpacker, entry, &fd, err) < 0)
                return -1;
        if (entry->kind == TAR_GLOBAL)
                return 0;
        /* Readers refuse a path that is named twice, and some follow links in it to the host. */
        bool is_new = path_set_add(&stage->seen, unpacker_path(stage->unpacker));
        bool is_kept = is_new &&
                       (entry->size == 0 || (fd >= 0 && unpacker_path_is_plain(stage->unpacker)));
        if (copy_content(stage, entry, fd, is_kept, &crc, err) < 0 ||
            (fd >= 0 && unpacker_end(stage->unpacker, entry, TAKE_FD(fd), err) < 0))
                return -1;
        return is_kept ? tar_split_write_file(stage->split, entry->name, entry->size, crc, err) : 0;
}

static int stage_stream(Stage *stage, Error *err) {
        const TarEntry *entry;
        const uint8_t *data;
        size_t size;
        int r;

        while ((r = tar_reader_next(stage->tar, &entry, err)) > 0)
                if (stage_entry(stage, entry, err) < 0)
                        return -1;
        if (r < 0 || write_raw(stage, err) < 0)
                return -1;
        while ((r = tar_reader_rest(stage->tar, &data, &size, err)) > 0)
                if (tar_split_write_segment(stage->split, data, size, err) < 0)
                        return -1;
        if (r < 0 || unpacker_finish(stage->unpacker, err) < 0)
                return -1;
        return tar_split_writer_finish(stage->split, err);
}

/* `sha256(parent + "+" + diff)`, and the diff itself for a base layer; all of them hex digits. */
int store_chain_id(const char *parent, const char *diff_digest, char ret_id[static 65]) {
        Digest digest;

        if (!digest_is_valid(diff_digest))
                return -1;
        if (!parent) {
                memcpy(ret_id, digest_hex(diff_digest), DIGEST_HEX_SIZE + 1);
                return 0;
        }
        _cleanup_free_ char *text = xasprintf("%s+%s", parent, digest_hex(diff_digest));
        digest_compute(text, strlen(text), &digest);
        digest_format_hex(&digest, ret_id);
        return 0;
}

static void describe(const Stage *stage, StoreLayerContent *ret) {
        const BlobSummary *summary = blob_reader_summary(stage->blob);

        digest_format(&summary->diff_digest, ret->diff_digest);
        digest_format(&summary->blob_digest, ret->blob_digest);
        ret->diff_size = summary->diff_size;
        ret->blob_size = summary->blob_size;
        ret->compression = (int)summary->compression;
}

int store_layer_stage(Store *store, int blob_fd, const StoreStageOptions *options,
                      StoreStagedLayer **ret, Error *err) {
        static const StoreStageOptions defaults = STORE_STAGE_OPTIONS_INIT;
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *layer = xnew(StoreStagedLayer, 1);
        _cleanup_(stage_done)
        Stage stage = {
                .layer = layer,
                .diff_fd = -EBADF,
                .replaced_fd = -EBADF,
                .split_fd = -EBADF,
                .seen = PATH_SET_INIT,
        };

        if (!options)
                options = &defaults;
        const BlobOptions blob = { .blob_size_max = options->blob_size_max,
                                   .diff_size_max = options->diff_size_max,
                                   .is_cancelled = options->is_cancelled,
                                   .userdata = options->userdata };
        layer->store = store;
        layer->staging = (Staging)STAGING_INIT;
        if (prepare(&stage, blob_fd, &blob, err) < 0 || stage_stream(&stage, err) < 0)
                return -1;
        if (unpacker_has_replaced(stage.unpacker) &&
            restore_replaced(layer->staging.fd, TAR_SPLIT, stage.diff_fd, stage.replaced_fd,
                             &blob_reader_summary(stage.blob)->diff_digest, err) < 0)
                return -1;
        if (store->sync && fdatasync(stage.split_fd) < 0)
                return error_errno(err, ERR_IO, errno, TAR_SPLIT, "cannot write " TAR_SPLIT);
        describe(&stage, &layer->content);
        id_set_copy(&layer->uids, unpacker_uids(stage.unpacker));
        id_set_copy(&layer->gids, unpacker_gids(stage.unpacker));
        *ret = TAKE_PTR(layer);
        return 0;
}

/* --- under the locks ------------------------------------------------------------------------- */

static void append_ids(Buffer *text, const char *key, const IdSet *ids) {
        if (ids->count == 0)
                return;
        member_open(text, key, '[');
        for (size_t i = 0; i < ids->count; i++)
                member_unsigned(text, NULL, ids->items[i]);
        member_close(text, ']');
}

static void format_record(const StoreStagedLayer *layer, const char *parent, int64_t created,
                          bool is_incomplete, Buffer *text) {
        const StoreLayerContent *content = &layer->content;

        member_open(text, NULL, '{');
        member_text(text, "id", content->id);
        member_text_given(text, "parent", parent);
        member_time(text, "created", created);
        member_text(text, "compressed-diff-digest", content->blob_digest);
        member_integer(text, "compressed-size", content->blob_size);
        member_text(text, "diff-digest", content->diff_digest);
        member_integer(text, "diff-size", content->diff_size);
        if (content->compression != COMPRESSION_NONE)
                member_integer(text, "compression", content->compression);
        append_ids(text, "uidset", &layer->uids);
        append_ids(text, "gidset", &layer->gids);
        if (is_incomplete)
                member_verbatim(text, "flags", LAYER_INCOMPLETE);
        member_close(text, '}');
}

/* Everything into its place; a directory that no record named is in nobody's use. */
static int move_files(const StoreStagedLayer *layer, const char *id, Error *err) {
        Store *store = layer->store;
        char name[NAME_MAX + 16];

        overlay_unlink(store->home_fd, id);
        if (renameat(store->home_fd, id, layer->staging.fd, "old") < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, id, "cannot remove overlay/%s", id);
        if (renameat(layer->staging.fd, layer->staging.name, store->home_fd, id) < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot put layer %s in its place", id);
        if (overlay_link(store->home_fd, id, err) < 0)
                return -1;
        snprintf(name, sizeof(name), "%s.tar-split.gz", id);
        if (renameat(layer->staging.fd, TAR_SPLIT, store->layers_fd, name) < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot put %s in its place", name);
        return 0;
}

int store_layer_commit(StoreStagedLayer *layer, const char *parent, char ret_id[static 65],
                       Error *err) {
        _cleanup_(records_end_writep)
        Records *layers = NULL;
        _cleanup_buffer_ Buffer incomplete = BUFFER_INIT, complete = BUFFER_INIT;
        Store *store = layer->store;
        char *id = layer->content.id;
        int64_t created = timestamp_now();

        (void)store_chain_id(parent, layer->content.diff_digest, id);
        memcpy(ret_id, id, DIGEST_HEX_SIZE + 1);
        if (layers_write(store, &layers, err) < 0)
                return -1;
        if (records_find(layers, id))
                return 0;
        if (parent && !records_find(layers, parent))
                return error_set(err, ERR_NOT_FOUND, parent, "no layer %s", parent);
        if (overlay_stack(layer->staging.fd, layer->staging.name, store->home_fd, parent,
                          store->sync, err) < 0)
                return -1;
        format_record(layer, parent, created, true, &incomplete);
        format_record(layer, parent, created, false, &complete);
        Record *record = records_append_text(layers, &incomplete);
        if (records_save(layers, err) < 0)
                return -1;
        if (move_files(layer, id, err) < 0) {
                (void)layers_discard(store, layers, record, layer->staging.fd, NULL);
                return -1;
        }
        (void)records_replace_text(layers, record, &complete);
        return records_save(layers, err);
}

int store_layer_import(Store *store, const char *parent, int blob_fd,
                       bool (*is_cancelled)(void *userdata), void *userdata, StoreLayerContent *ret,
                       Error *err) {
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *layer = NULL;
        const StoreStageOptions options = { .blob_size_max = -1,
                                            .diff_size_max = -1,
                                            .is_cancelled = is_cancelled,
                                            .userdata = userdata };
        char id[DIGEST_HEX_SIZE + 1];

        if (parent) {
                _cleanup_(store_layer_unrefp)
                StoreLayer *below = NULL;
                if (store_layer_get(store, parent, &below, err) < 0)
                        return -1;
        }
        if (store_layer_stage(store, blob_fd, &options, &layer, err) < 0)
                return -1;
        assert(layer);
        if (store_layer_commit(layer, parent, id, err) < 0)
                return -1;
        *ret = layer->content;
        return 0;
}
