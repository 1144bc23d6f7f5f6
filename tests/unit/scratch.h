/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A folder of its own under /tmp for each test, removed with all that is in it. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/path.h"

typedef struct Scratch {
        char path[32];
        int fd;
} Scratch;

static inline void scratch_open(Scratch *scratch) {
        snprintf(scratch->path, sizeof(scratch->path), "/tmp/selkie-unit-XXXXXX");
        char *made = mkdtemp(scratch->path);
        assert(made);
        scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(scratch->fd >= 0);
}

static inline void scratch_close(Scratch *scratch) {
        int r = path_remove_tree(AT_FDCWD, scratch->path);
        assert(r == 0);
        scratch->fd = fd_close(scratch->fd);
}
