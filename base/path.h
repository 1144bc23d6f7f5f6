/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Paths that are not ours to trust.
 *
 * Names from images, archives and clients are first cleaned as text (no "..", no empty parts), then
 * resolved by the kernel with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), so that no symbolic
 * link, however hostile and however often it changes under us, leads out of the root. Trees are
 * removed without following links and without a limit on their depth: a container may nest
 * directories deeper than PATH_MAX, and deeper than we may have descriptors.
 *
 * Everything that can fail returns >= 0 or -errno; nothing logs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Levels that path_tree_size() and path_remove_tree() hold open at once: one descriptor each. */
#define PATH_DEPTH_MAX 128

/**
 * path_clean() - the shortest equivalent of a path as text, relative to its root
 * @out: at least strlen(@path) + 2 bytes; "." for the root itself
 *
 * Leading slashes go; "a//b", "a/./b" and "a/x/../b" become "a/b". A relative path that climbs
 * above its start is -EXDEV; an absolute one stays at the root, as in a chroot. -ENAMETOOLONG:
 * @size.
 */
int path_clean(const char *path, char *out, size_t size);

/**
 * path_open_in_root() - open a path with @root_fd as "/" for every link and ".." on the way
 * @flags: as for openat2(); O_CLOEXEC is added
 * @mode:  permission bits if @flags creates, else 0
 *
 * Returns a descriptor or -errno. "." opens the root itself.
 */
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode);

/**
 * path_open_plain() - the same without any symbolic link: -ELOOP where there is one, -EXDEV for a
 * way out
 */
int path_open_plain(int root_fd, const char *path, int flags);

/** path_make_dirs() - mkdir -p for a trusted absolute path; new directories get @mode exactly */
int path_make_dirs(const char *path, mode_t mode);

/**
 * path_remove_tree() - remove a file or a directory with all that is in it; nothing there is fine
 * @name: path below @dir_fd; the folders on the way to its last part are trusted
 *
 * Crosses no symbolic link from there on. Cost: the tree; deep trees are flattened on the way by
 * renaming.
 */
int path_remove_tree(int dir_fd, const char *name);

/**
 * path_tree_size() - sum of the sizes of all regular files below a directory
 *
 * A file with several names counts once for each. -ELOOP: deeper than PATH_DEPTH_MAX.
 */
int path_tree_size(int dir_fd, const char *name, int64_t *ret);

/** path_is_mount_root() - whether something is mounted exactly there; false if it does not exist */
bool path_is_mount_root(int dir_fd, const char *path);
