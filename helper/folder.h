/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files of a folder that nobody vouches for: only regular ones are opened, and no link is followed
 * on the way, so that a folder gives out nothing but what is in it.
 */

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/** folder_open() - a folder by its trusted path; ERR_NOT_FOUND, ERR_IO. Returns a descriptor */
int folder_open(const char *path, Error *err);

/**
 * folder_open_file() - a file below it; returns a descriptor
 * Errors: ERR_NOT_FOUND, ERR_INVALID (a link, a device, ...), ERR_IO.
 */
int folder_open_file(int folder_fd, const char *name, int64_t *ret_size, Error *err);

/** folder_read_file() - all of it; also ERR_LIMIT (more than @size_max bytes) */
int folder_read_file(int folder_fd, const char *name, size_t size_max, Buffer *ret, Error *err);

/** folder_is_empty() - 1, 0, or -errno */
int folder_is_empty(int folder_fd);

/** folder_replace_file() - a small file, all at once */
int folder_replace_file(int folder_fd, const char *name, const void *data, size_t size, Error *err);
