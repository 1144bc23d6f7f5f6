/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Staging folders: `<graph_root>/tmp/selkie-<random>`, one for each import or removal under way.
 *
 * What is made or removed there is outside of the store proper, so it needs no lock and takes as
 * long as it takes. The owner holds a flock on the folder; who finds one that nobody holds removes
 * it, for its owner is dead. Nothing tells time or reads process ids.
 */

#include <errno.h>

#include "base/error.h"

typedef struct Staging {
        int tmp_fd; /* borrowed */
        int fd;
        char name[32];
} Staging;

#define STAGING_INIT \
        { .tmp_fd = -EBADF, .fd = -EBADF }

/**
 * staging_open() - a new empty folder in @tmp_fd, which is borrowed until staging_close(); ERR_IO
 */
int staging_open(Staging *staging, int tmp_fd, Error *err);

/** staging_close() - remove the folder and all that is in it */
void staging_close(Staging *staging);
#define _cleanup_staging_ _cleanup_(staging_close)

/** staging_sweep() - remove the folders whose owners are dead; ERR_IO */
int staging_sweep(int tmp_fd, Error *err);
