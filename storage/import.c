/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A layer tarball becomes a layer.
 *
 * One pass over the stream: it is inflated and hashed (on a thread of its own), parsed, unpacked,
 * and described as tar-split, all at once and without a lock, into a staging folder. What is left
 * for the time under the lock is three renames and two saves.
 */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json_text.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "storage/blob.h"
#include "storage/overlay.h"
#include "storage/path_set.h"
#include "storage/restore.h"
#include "storage/staging.h"
#include "storage/store_private.h"
#include "storage/tar.h"
#include "storage/tar_split.h"
#include "storage/unpack.h"

/* Names in the staging folder. */
#define LAYER     "layer"
#define REPLACED  "replaced"
#define TAR_SPLIT "tar-split.gz"

typedef struct Import {
        Store *store;
        const char *parent; /* or NULL */
        Staging staging;
        int diff_fd, replaced_fd, split_fd;
        BlobReader *blob;
        TarReader *tar;
        Unpacker *unpacker;
        TarSplitWriter *split;
        PathSet seen;
} Import;

static void import_done(Import *import) {
        (void)tar_split_writer_free(import->split);
        (void)unpacker_free(import->unpacker);
        (void)tar_reader_free(import->tar);
        (void)blob_reader_free(import->blob);
        path_set_done(&import->seen);
        (void)fd_close(import->split_fd);
        (void)fd_close(import->replaced_fd);
        (void)fd_close(import->diff_fd);
        staging_close(&import->staging);
}

static int read_blob(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        return blob_reader_next(userdata, ret_data, ret_size, err);
}

static int prepare(Import *import, int blob_fd, const BlobCancel *cancel, Error *err) {
        Store *store = import->store;

        if (staging_open(&import->staging, store->tmp_fd, err) < 0 ||
            overlay_make(import->staging.fd, LAYER, store->home_fd, import->parent, store->sync,
                         err) < 0)
                return -1;
        if (mkdirat(import->staging.fd, REPLACED, 0700) < 0)
                return error_errno(err, ERR_IO, errno, REPLACED, "cannot create a staging folder");
        import->diff_fd =
                openat(import->staging.fd, LAYER "/diff", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        import->replaced_fd =
                openat(import->staging.fd, REPLACED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        import->split_fd =
                openat(import->staging.fd, TAR_SPLIT, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (import->diff_fd < 0 || import->replaced_fd < 0 || import->split_fd < 0)
                return error_errno(err, ERR_IO, errno, LAYER, "cannot open a staging folder");
        if (blob_reader_start(&import->blob, blob_fd, cancel, err) < 0)
                return -1;
        import->tar = tar_reader_new(&(TarSource){ read_blob, import->blob });
        import->unpacker = unpacker_new(import->diff_fd, import->replaced_fd);
        import->split = tar_split_writer_new(import->split_fd);
        return 0;
}

static int write_raw(Import *import, Error *err) {
        const Buffer *raw = tar_reader_raw(import->tar);

        return tar_split_write_segment(import->split, raw->data, raw->size, err);
}

/*
 * One member's content: to its file, and into the tar-split where the file will not give it back.
 */
static int copy_content(Import *import, const TarEntry *entry, int fd, bool is_kept,
                        uint64_t *ret_crc, Error *err) {
        const uint8_t *data;
        uint64_t crc = 0;
        size_t size;
        int r;

        while ((r = tar_reader_data(import->tar, &data, &size, err)) > 0) {
                int written = fd >= 0 ? fd_write_all(fd, data, size) : 0;
                if (written < 0)
                        return error_errno(err, ERR_IO, -written, entry->name, "cannot write %s",
                                           entry->name);
                if (is_kept)
                        crc = tar_split_checksum(crc, data, size);
                else if (tar_split_write_segment(import->split, data, size, err) < 0)
                        return -1;
        }
        *ret_crc = crc;
        return r;
}

static int import_entry(Import *import, const TarEntry *entry, Error *err) {
        _cleanup_close_ int fd = -EBADF;
        uint64_t crc = 0;

        if (write_raw(import, err) < 0 || unpacker_begin(import->unpacker, entry, &fd, err) < 0)
                return -1;
        if (entry->kind == TAR_GLOBAL)
                return 0;
        /* Readers refuse a path that is named twice, and some follow links in it to the host. */
        bool is_new = path_set_add(&import->seen, unpacker_path(import->unpacker));
        bool is_kept = is_new &&
                       (entry->size == 0 || (fd >= 0 && unpacker_path_is_plain(import->unpacker)));
        if (copy_content(import, entry, fd, is_kept, &crc, err) < 0 ||
            (fd >= 0 && unpacker_end(import->unpacker, entry, TAKE_FD(fd), err) < 0))
                return -1;
        return is_kept ? tar_split_write_file(import->split, entry->name, entry->size, crc, err)
                       : 0;
}

static int import_stream(Import *import, Error *err) {
        const TarEntry *entry;
        const uint8_t *data;
        size_t size;
        int r;

        while ((r = tar_reader_next(import->tar, &entry, err)) > 0)
                if (import_entry(import, entry, err) < 0)
                        return -1;
        if (r < 0 || write_raw(import, err) < 0)
                return -1;
        while ((r = tar_reader_rest(import->tar, &data, &size, err)) > 0)
                if (tar_split_write_segment(import->split, data, size, err) < 0)
                        return -1;
        if (r < 0 || unpacker_finish(import->unpacker, err) < 0)
                return -1;
        return tar_split_writer_finish(import->split, err);
}

/* `sha256(parent + "+" + diff)`, and the diff itself for a base layer; all of them hex digits. */
static void compute_id(const char *parent, const Digest *diff, char id[static 65]) {
        char hex[DIGEST_HEX_SIZE + 1];
        Digest chained = *diff;

        digest_format_hex(diff, hex);
        if (parent) {
                _cleanup_free_ char *text = xasprintf("%s+%s", parent, hex);
                digest_compute(text, strlen(text), &chained);
        }
        digest_format_hex(&chained, id);
}

static void describe(const Import *import, StoreLayerContent *ret) {
        const BlobSummary *summary = blob_reader_summary(import->blob);

        compute_id(import->parent, &summary->diff_digest, ret->id);
        digest_format(&summary->diff_digest, ret->diff_digest);
        digest_format(&summary->blob_digest, ret->blob_digest);
        ret->diff_size = summary->diff_size;
        ret->blob_size = summary->blob_size;
        ret->compression = (int)summary->compression;
}

static void append_ids(Buffer *text, const char *key, const IdSet *ids) {
        if (ids->count == 0)
                return;
        member_open(text, key, '[');
        for (size_t i = 0; i < ids->count; i++)
                member_unsigned(text, NULL, ids->items[i]);
        member_close(text, ']');
}

static void format_record(const Import *import, const StoreLayerContent *content,
                          bool is_incomplete, Buffer *text) {
        member_open(text, NULL, '{');
        member_text(text, "id", content->id);
        member_text_given(text, "parent", import->parent);
        member_time(text, "created", timestamp_now());
        member_text(text, "compressed-diff-digest", content->blob_digest);
        member_integer(text, "compressed-size", content->blob_size);
        member_text(text, "diff-digest", content->diff_digest);
        member_integer(text, "diff-size", content->diff_size);
        if (content->compression != COMPRESSION_NONE)
                member_integer(text, "compression", content->compression);
        append_ids(text, "uidset", unpacker_uids(import->unpacker));
        append_ids(text, "gidset", unpacker_gids(import->unpacker));
        if (is_incomplete)
                member_verbatim(text, "flags", LAYER_INCOMPLETE);
        member_close(text, '}');
}

/* Everything into its place; a directory that no record named is in nobody's use. */
static int move_files(Import *import, const char *id, Error *err) {
        Store *store = import->store;
        char name[NAME_MAX + 16];

        overlay_unlink(store->home_fd, id);
        if (renameat(store->home_fd, id, import->staging.fd, "old") < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, id, "cannot remove overlay/%s", id);
        if (renameat(import->staging.fd, LAYER, store->home_fd, id) < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot put layer %s in its place", id);
        if (overlay_link(store->home_fd, id, err) < 0)
                return -1;
        snprintf(name, sizeof(name), "%s.tar-split.gz", id);
        if (renameat(import->staging.fd, TAR_SPLIT, store->layers_fd, name) < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot put %s in its place", name);
        return 0;
}

static int commit(Import *import, const StoreLayerContent *content, Error *err) {
        _cleanup_(records_end_writep)
        Records *layers = NULL;
        _cleanup_buffer_ Buffer incomplete = BUFFER_INIT, complete = BUFFER_INIT;
        Store *store = import->store;

        if (layers_write(store, &layers, err) < 0)
                return -1;
        if (records_find(layers, content->id))
                return 0;
        if (import->parent && !records_find(layers, import->parent))
                return error_set(err, ERR_NOT_FOUND, import->parent, "no layer %s", import->parent);
        format_record(import, content, true, &incomplete);
        format_record(import, content, false, &complete);
        Record *record = records_append_text(layers, &incomplete);
        if (records_save(layers, err) < 0)
                return -1;
        if (move_files(import, content->id, err) < 0) {
                (void)layers_discard(store, layers, record, import->staging.fd, NULL);
                return -1;
        }
        (void)records_replace_text(layers, record, &complete);
        return records_save(layers, err);
}

int store_layer_import(Store *store, const char *parent, int blob_fd,
                       bool (*is_cancelled)(void *userdata), void *userdata, StoreLayerContent *ret,
                       Error *err) {
        _cleanup_(import_done)
        Import import = {
                .store = store,
                .parent = parent,
                .staging = STAGING_INIT,
                .diff_fd = -EBADF,
                .replaced_fd = -EBADF,
                .split_fd = -EBADF,
                .seen = PATH_SET_INIT,
        };
        BlobCancel cancel = { is_cancelled, userdata };
        StoreLayerContent content = { .compression = 0 };

        if (parent) {
                _cleanup_(store_layer_unrefp)
                StoreLayer *layer = NULL;
                if (store_layer_get(store, parent, &layer, err) < 0)
                        return -1;
        }
        if (prepare(&import, blob_fd, &cancel, err) < 0 || import_stream(&import, err) < 0)
                return -1;
        if (unpacker_has_replaced(import.unpacker) &&
            restore_replaced(import.staging.fd, TAR_SPLIT, import.diff_fd, import.replaced_fd,
                             &blob_reader_summary(import.blob)->diff_digest, err) < 0)
                return -1;
        if (store->sync && fdatasync(import.split_fd) < 0)
                return error_errno(err, ERR_IO, errno, TAR_SPLIT, "cannot write " TAR_SPLIT);
        describe(&import, &content);
        if (commit(&import, &content, err) < 0)
                return -1;
        *ret = content;
        return 0;
}
