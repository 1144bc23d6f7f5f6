/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a container changed: its upper directory, read against the tree below it.
 *
 * The upper directory alone says what is there now and what is hidden, but not whether a thing was
 * there before. That is asked of the parent's tree, mounted for as long as the question takes, so
 * that the kernel answers for whiteouts and opaque directories of all the layers.
 *
 * The list follows podman's (containers/storage pkg/archive, changes and overlayDeletedFile): a
 * directory whose entry alone was copied up is no change, a directory above something added or
 * deleted is one, an old directory that was removed and made anew is deleted.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "storage/layers.h"
#include "storage/store_private.h"
#include "storage/tree.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* A layer's own files, and the tree that they change. */
typedef struct Sides {
        int upper_fd, lower_fd; /* lower: -EBADF for a base layer */
} Sides;

#define SIDES_INIT \
        { .upper_fd = -EBADF, .lower_fd = -EBADF }

static void sides_done(Sides *sides) {
        sides->upper_fd = fd_close(sides->upper_fd);
        sides->lower_fd = fd_close(sides->lower_fd);
}

static int sides_open(Sides *sides, Store *store, const char *id, Error *err) {
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        char path[NAME_MAX + 16];

        if (id_check(id, err) < 0 || store_layer_get(store, id, &layer, err) < 0)
                return -1;
        snprintf(path, sizeof(path), "%s/diff", id);
        sides->upper_fd = openat(store->home_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (sides->upper_fd < 0)
                return error_errno(err, ERR_IO, errno, id, "cannot open the files of layer %s", id);
        return layer->parent ? store_layer_view(store, layer->parent, &sides->lower_fd, err) : 0;
}

/* What the tree below has by this name: 1, or 0 when it has nothing. */
static int find_below(const Sides *sides, const char *path, struct statx *ret, Error *err) {
        if (sides->lower_fd < 0)
                return 0;
        _cleanup_close_ int fd = path_open_plain(sides->lower_fd, path, O_PATH | O_NOFOLLOW);
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                return 0;
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, ret) < 0)
                return error_errno(err, ERR_IO, fd < 0 ? -fd : errno, path, "cannot examine %s",
                                   path);
        return 1;
}

/* --- the list -------------------------------------------------------------------------------- */

typedef struct Listing {
        Sides sides;
        StoreChanges changes;
        Map noted; /* directories that are in the list */
} Listing;

static void listing_done(Listing *listing) {
        sides_done(&listing->sides);
        store_changes_done(&listing->changes);
        map_done(&listing->noted);
}

void store_changes_done(StoreChanges *changes) {
        for (size_t i = 0; i < changes->count; i++)
                free(changes->items[i].path);
        free(changes->items);
        *changes = (StoreChanges)STORE_CHANGES_INIT;
}

static void add_change(StoreChanges *changes, StoreChangeKind kind, const char *path) {
        GROW(changes->items, changes->count, changes->capacity);
        changes->items[changes->count++] =
                (StoreChange){ .kind = kind, .path = xasprintf("/%s", path) };
}

/* The directory of something that came or went has changed, whatever its own entry says. */
static void note_parent(Listing *listing, const char *path) {
        char parent[TAR_PATH_MAX + 1];
        const char *slash = strrchr(path, '/');

        if (!slash)
                return;
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        if (map_get(&listing->noted, parent))
                return;
        add_change(&listing->changes, STORE_CHANGE_MODIFIED, parent);
        (void)map_put(&listing->noted, parent, listing);
}

static bool is_same_directory(const struct statx *a, const struct statx *b) {
        return S_ISDIR(a->stx_mode) && a->stx_mode == b->stx_mode && a->stx_uid == b->stx_uid &&
               a->stx_gid == b->stx_gid && a->stx_mtime.tv_sec == b->stx_mtime.tv_sec &&
               a->stx_mtime.tv_nsec == b->stx_mtime.tv_nsec;
}

static int list_entry(void *userdata, const WalkEntry *entry, Error *err) {
        Listing *listing = userdata;
        StoreChangeKind kind = STORE_CHANGE_ADDED;
        struct statx below = { .stx_mode = 0 };

        int was_there = find_below(&listing->sides, entry->path, &below, err);
        if (was_there < 0)
                return -1;
        if (walk_entry_is_whiteout(entry) || (was_there && walk_entry_is_opaque(entry))) {
                kind = STORE_CHANGE_DELETED;
        } else if (was_there) {
                if (is_same_directory(&entry->status, &below))
                        return WALK_CONTINUE;
                kind = STORE_CHANGE_MODIFIED;
        }
        if (kind != STORE_CHANGE_MODIFIED)
                note_parent(listing, entry->path);
        if (S_ISDIR(entry->status.stx_mode))
                (void)map_put(&listing->noted, entry->path, listing);
        add_change(&listing->changes, kind, entry->path);
        return WALK_CONTINUE;
}

int store_layer_changes(Store *store, const char *id, StoreChanges *ret, Error *err) {
        _cleanup_(listing_done)
        Listing listing = { .sides = SIDES_INIT };
        WalkVisitor visitor = { list_entry, &listing };

        if (sides_open(&listing.sides, store, id, err) < 0 ||
            walk_tree(listing.sides.upper_fd, &visitor, err) < 0)
                return -1;
        *ret = listing.changes;
        listing.changes = (StoreChanges)STORE_CHANGES_INIT;
        return 0;
}

/* --- the tar --------------------------------------------------------------------------------- */

typedef struct Diff {
        Sides sides;
        TreeWriter writer;
} Diff;

static void diff_done(Diff *diff) {
        sides_done(&diff->sides);
        tree_writer_done(&diff->writer);
}

static const char *last_part(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int write_whiteout(Diff *diff, const WalkEntry *entry, Error *err) {
        const char *name = last_part(entry->path);
        _cleanup_free_ char *path = xasprintf("%.*s" WHITEOUT_PREFIX "%s",
                                              (int)(name - entry->path), entry->path, name);

        return tree_writer_add_marker(&diff->writer, entry, path, err);
}

/* The kernel marks every new directory; only where there was one before does the mark mean much. */
static int write_opaque(Diff *diff, const WalkEntry *entry, Error *err) {
        struct statx below = { .stx_mode = 0 };

        int was_there = find_below(&diff->sides, entry->path, &below, err);
        if (was_there <= 0)
                return was_there;
        _cleanup_free_ char *path = xasprintf("%s/" WHITEOUT_OPAQUE, entry->path);
        return tree_writer_add_marker(&diff->writer, entry, path, err);
}

static int write_entry(void *userdata, const WalkEntry *entry, Error *err) {
        Diff *diff = userdata;

        if (walk_entry_is_whiteout(entry))
                return write_whiteout(diff, entry, err) < 0 ? -1 : WALK_CONTINUE;
        /* Names that mean something else in a layer: no layer can have such a file. */
        if (text_starts_with(last_part(entry->path), WHITEOUT_PREFIX))
                return WALK_SKIP;
        if (walk_entry_has(entry, OVERLAY_REDIRECT) || walk_entry_has(entry, OVERLAY_METACOPY))
                return error_set(err, ERR_UNSUPPORTED, entry->path,
                                 "/%s has its content in a lower layer (overlay's redirect_dir or "
                                 "metacopy)",
                                 entry->path);
        if (tree_writer_add(&diff->writer, entry, err) < 0 ||
            (walk_entry_is_opaque(entry) && write_opaque(diff, entry, err) < 0))
                return -1;
        return WALK_CONTINUE;
}

int store_layer_write_diff(Store *store, const char *id, const TarSink *sink, Error *err) {
        _cleanup_(diff_done)
        Diff diff = { .sides = SIDES_INIT };
        WalkVisitor visitor = { write_entry, &diff };

        tree_writer_init(&diff.writer, sink);
        if (sides_open(&diff.sides, store, id, err) < 0 ||
            walk_tree(diff.sides.upper_fd, &visitor, err) < 0)
                return -1;
        return tar_writer_finish(diff.writer.tar, err);
}

int store_layer_commit_changes(Store *store, const char *id, const char *parent,
                               const StoreStageOptions *options, StoreLayerContent *ret,
                               Error *err) {
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *layer = NULL;
        char layer_id[65];

        if (store_layer_stage_changes(store, id, options, &layer, err) < 0 ||
            store_layer_commit(layer, parent, layer_id, err) < 0)
                return -1;
        *ret = *store_staged_layer_content(layer);
        return 0;
}
