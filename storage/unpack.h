/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The entries of a layer as files of its diff directory, in overlay's form.
 *
 * Input is hostile. Every name is cleaned, its parent is resolved by the kernel inside the diff
 * directory alone, and the last part is never followed. `.wh.NAME` becomes a character device 0:0,
 * `.wh..wh..opq` the opaque mark of its directory.
 *
 * What an entry replaces is not deleted but moved to a folder of replaced things: a path that
 * occurs twice leaves only its last content in the layer, and the first is still needed to rebuild
 * the tar.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "storage/id_set.h"
#include "storage/tar.h"

#define LAYER_ENTRIES_MAX (1024 * 1024) /* members of one layer */

typedef struct Unpacker Unpacker;

/**
 * unpacker_new() - unpack into @root_fd, and move replaced things into @replaced_fd; both borrowed
 *
 * @root_fd is an empty directory; both are on one file system.
 */
Unpacker *unpacker_new(int root_fd, int replaced_fd);
Unpacker *unpacker_free(Unpacker *unpacker);
DEFINE_CLEANUP(Unpacker, unpacker_free);

/**
 * unpacker_begin() - make one entry
 * @ret_fd: of a regular file: write its content here, then unpacker_end(); else -EBADF: it is done
 *
 * A regular file's entry that is not unpacked (a marker's) has -EBADF too: its content is not kept.
 * Errors: ERR_LAYER_CORRUPT (subject = path), ERR_LIMIT, ERR_NO_SPACE, ERR_IO.
 */
int unpacker_begin(Unpacker *unpacker, const TarEntry *entry, int *ret_fd, Error *err);

/** unpacker_end() - owner, mode, times and attributes of a regular file; closes @take_fd */
int unpacker_end(Unpacker *unpacker, const TarEntry *entry, int take_fd, Error *err);

/** unpacker_finish() - the times of directories; once, after the last entry */
int unpacker_finish(Unpacker *unpacker, Error *err);

/** unpacker_has_replaced() - whether some entry took the place of an earlier one */
bool unpacker_has_replaced(const Unpacker *unpacker);

/**
 * unpacker_path_is_plain() - whether the last entry's directory was reached without a symbolic link
 */
bool unpacker_path_is_plain(const Unpacker *unpacker);

/** unpacker_path() - the last entry's cleaned path; borrowed, until the next entry */
const char *unpacker_path(const Unpacker *unpacker);

/**
 * unpacker_uids() - user and group ids of all members but markers; sorted; after unpacker_finish();
 * borrowed
 */
const IdSet *unpacker_uids(const Unpacker *unpacker);
const IdSet *unpacker_gids(const Unpacker *unpacker);
