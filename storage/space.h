/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Room on the disk, watched by somebody who writes much: it stops before the disk is full for all.
 *
 * The file system is asked only now and then, after so many bytes that several writers at once
 * cannot use up the reserve in between.
 */

#include <stdint.h>

#include "base/error.h"

typedef struct Space {
        int fd; /* on the file system; borrowed */
        int64_t unasked, period;
        int64_t reserve;
} Space;

/** space_init() - watch the file system of @fd; see STORE_RESERVE_MAX; ERR_IO */
int space_init(Space *space, int fd, Error *err);

/** space_take() - say that @size bytes are about to be written for @subject; ERR_NO_SPACE */
int space_take(Space *space, int64_t size, const char *subject, Error *err);
