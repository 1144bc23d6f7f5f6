/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of a tree as members of a tar: for store_tree_write() and store_layer_write_diff(). */

#include "base/map.h"
#include "storage/tar_write.h"
#include "storage/walk.h"

/* The marks of overlay in an upper directory. */
#define OVERLAY_XATTR_PREFIX "trusted.overlay."
#define OVERLAY_OPAQUE       OVERLAY_XATTR_PREFIX "opaque"
#define OVERLAY_REDIRECT     OVERLAY_XATTR_PREFIX "redirect"
#define OVERLAY_METACOPY     OVERLAY_XATTR_PREFIX "metacopy"

typedef struct TreeWriter {
        TarWriter *tar;
        Map links; /* path of the first name, by device and inode, of files with several */
        Buffer xattr_names, xattr_values;
        TarXattr *xattrs;
        size_t xattrs_count, xattrs_capacity;
        uint8_t *content;
} TreeWriter;

void tree_writer_init(TreeWriter *writer, const TarSink *sink);
void tree_writer_done(TreeWriter *writer);

/**
 * tree_writer_add() - one thing with its content; sockets are left out
 *
 * A file that shrinks while it is read is filled with zeros, one that grows is cut.
 */
int tree_writer_add(TreeWriter *writer, const WalkEntry *entry, Error *err);

/** tree_writer_add_marker() - an empty file with the owner and time of @entry: "a/.wh.b" */
int tree_writer_add_marker(TreeWriter *writer, const WalkEntry *entry, const char *path,
                           Error *err);

/** walk_entry_has() - whether it has a certain extended attribute */
bool walk_entry_has(const WalkEntry *entry, const char *xattr);

static inline bool walk_entry_is_whiteout(const WalkEntry *entry) {
        const struct statx *status = &entry->status;

        return S_ISCHR(status->stx_mode) && status->stx_rdev_major == 0 &&
               status->stx_rdev_minor == 0;
}

/** walk_entry_is_opaque() - whether a directory hides what lower layers have in its place */
bool walk_entry_is_opaque(const WalkEntry *entry);
