/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A walk through a directory tree that others change at the same time, and that nobody vouches for.
 *
 * Every name is opened as it is, with no symbolic link followed and no device touched, and all that
 * is said of it is asked of that descriptor. What vanishes on the way was not there. Directories
 * may nest deeper than a process may have descriptors: only the nearest are held open.
 */

#include <sys/stat.h>

#include "base/error.h"

#define WALK_OPEN_MAX  64                 /* directories that are held open at once */
#define WALK_NAMES_MAX (64 * 1024 * 1024) /* bytes of names that are held at once */

/* One thing in the tree; all of it until the visit ends. */
typedef struct WalkEntry {
        const char *path; /* below the root: "etc/passwd" */
        int fd;           /* O_PATH; borrowed */
        struct statx status;
        bool is_foreign; /* the root of another mount */
} WalkEntry;

#define WALK_CONTINUE 0
#define WALK_SKIP     1 /* do not go into this directory */

typedef struct WalkVisitor {
        int (*visit)(void *userdata, const WalkEntry *entry, Error *err); /* WALK_*, or -1 */
        void *userdata;
} WalkVisitor;

/**
 * walk_tree() - visit everything below a directory, in the order of names, parents first
 * @root_fd: borrowed; O_PATH will do; the root itself is not visited
 *
 * Other mounts are visited and not gone into. Errors: ERR_LIMIT, ERR_IO, and the visitor's.
 */
int walk_tree(int root_fd, const WalkVisitor *visitor, Error *err);
