/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The overlay driver: what a layer is on disk, and how one is mounted.
 *
 * overlay/<id>/ holds diff (the layer's own files), link (its short name), lower (the short names
 * of its ancestors, nearest first) or empty (of a base), work, and merged while mounted;
 * overlay/l/<short> points to the diff. Short names exist because the kernel takes the whole list
 * of lower directories in one page.
 */

#include <sys/types.h>

#include "base/error.h"
#include "storage/store.h"

#define OVERLAY_LINK_SIZE 26 /* characters of a short name */

/**
 * overlay_make() - make a layer's directory, all that does not depend on its place in the store
 * @dir_fd:  where, under @name: overlay/ itself or a staging folder
 * @sync:    make the files survive a power cut
 *
 * What a failure leaves is the caller's to remove. ERR_IO.
 */
int overlay_make(int dir_fd, const char *name, bool sync, Error *err);

/**
 * overlay_stack() - put a layer's directory on top of a parent: all but l/<link>, see
 * overlay_link()
 * @home_fd: overlay/
 * @parent:  layer id or NULL
 *
 * Once. ERR_CORRUPT (the parent's files), ERR_LIMIT, ERR_IO.
 */
int overlay_stack(int dir_fd, const char *name, int home_fd, const char *parent, bool sync,
                  Error *err);

/**
 * overlay_link() - make l/<link> for a layer's directory that is in its place; one that is there
 * already stays
 */
int overlay_link(int home_fd, const char *id, Error *err);

/** overlay_unlink() - remove l/<link>; nothing there is fine */
void overlay_unlink(int home_fd, const char *id);

/** overlay_repair_links() - make every missing l/<link> anew, as after a power cut; ERR_IO */
int overlay_repair_links(int home_fd, Error *err);

/** overlay_paths() - see store_layer_paths(); ERR_CORRUPT, ERR_IO */
int overlay_paths(int home_fd, const char *home, const char *id, StoreLayerPaths *ret, Error *err);

typedef struct OverlayMount {
        const char *home; /* absolute path of overlay/ */
        const char *id;
        bool is_read_only;
        const char *options; /* as in storage.conf, or NULL */
} OverlayMount;

/**
 * overlay_mount() - mount a layer on its merged directory, privately
 *
 * Thread: one that may have its own working directory (not the main thread): a list of lower
 * directories that fits a page only by relative names makes it unshare(CLONE_FS).
 * ERR_CORRUPT, ERR_LIMIT, ERR_IO.
 */
int overlay_mount(int home_fd, const OverlayMount *mount, Error *err);

/**
 * overlay_unmount() - unmount merged, all that is stacked there, and remove it; not mounted is
 * fine; ERR_IO
 */
int overlay_unmount(int home_fd, const char *home, const char *id, Error *err);

/** overlay_is_mounted() - whether merged is mounted now */
bool overlay_is_mounted(const char *home, const char *id);
