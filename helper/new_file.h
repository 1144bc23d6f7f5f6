/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A file that nobody sees before it is complete.
 *
 * It has no name while it is written (O_TMPFILE), so that a kill leaves nothing; on file systems
 * that cannot do that it has a hidden one. It gets its name in one step.
 */

#include "base/error.h"

typedef struct NewFile {
        int fd;
        int dir_fd;   /* borrowed */
        char *hidden; /* its name until then; NULL: none */
} NewFile;

#define NEW_FILE_INIT \
        { .fd = -EBADF, .dir_fd = -EBADF }

/** new_file_open() - begin one in a folder, which stays open longer; ERR_IO, ERR_NO_SPACE */
int new_file_open(NewFile *ret, int dir_fd, mode_t mode, Error *err);

/**
 * new_file_publish() - give it its name, and be done with it
 * @replace: take the place of a file of that name; else that is ERR_EXISTS
 *
 * @name may be a path below the folder.
 */
int new_file_publish(NewFile *file, const char *name, bool replace, Error *err);

/** new_file_done() - unless it was published, nothing is left */
void new_file_done(NewFile *file);
#define _cleanup_new_file_ _cleanup_(new_file_done)
