/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One end of a pipe whose other end may be slow, while the caller may lose interest at any moment.
 *
 * Waiting is done in short pieces, and between them the transfer is asked whether it goes on. The
 * process ignores SIGPIPE.
 */

#include "base/error.h"
#include "helper/source.h"

#define STREAM_POLL_MS   100           /* so late a cancel is noticed at most */
#define STREAM_PIPE_SIZE (1024 * 1024) /* what the kernel grants everybody */

/** stream_prepare_write() - make a pipe wide, and writing to it not wait; files stay as they are */
void stream_prepare_write(int fd);

/**
 * stream_write() - write all of @size bytes
 *
 * ERR_CANCELLED: also when the reader is gone. ERR_IO, ERR_NO_SPACE.
 */
int stream_write(int fd, const void *data, size_t size, const TransferControl *control, Error *err);

/** stream_read() - read once; the count, 0 at the end. ERR_CANCELLED, ERR_IO */
ssize_t stream_read(int fd, void *data, size_t size, const TransferControl *control, Error *err);
