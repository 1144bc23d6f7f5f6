/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Blobs between files and pipes, in pieces that are small enough to notice a cancel between two.
 *
 * Out of a file they go without a copy (sendfile); into one they go through memory, since they are
 * hashed on the way.
 */

#include "helper/sink.h"
#include "helper/source.h"
#include "oci/media_type.h"

#define BLOB_PIECE_SIZE (1024 * 1024) /* bytes */

/** control_check() - ERR_CANCELLED once nobody wants the blob any more; @control may be NULL */
int control_check(const TransferControl *control, Error *err);

/** control_report() - so many more bytes have come or gone */
void control_report(const TransferControl *control, int64_t count);

/* Where a blob lies: in a part of a file, or in all of it. */
typedef struct BlobPart {
        int fd; /* borrowed; its position is of no meaning */
        int64_t offset, size;
        const char *name; /* for errors: the blob's digest, a path */
} BlobPart;

/**
 * blob_send() - a part of a file to a pipe or a file
 * Errors: ERR_CORRUPT (the file is shorter), ERR_CANCELLED (also: nobody reads any more), ERR_IO.
 */
int blob_send(const BlobPart *part, int out_fd, const TransferControl *control, Error *err);

/** blob_send_memory() - the same for what is in memory */
int blob_send_memory(const Buffer *data, const char *name, int out_fd,
                     const TransferControl *control, Error *err);

/**
 * blob_inflate() - inflate a part of a file
 * @out_fd:   -EBADF: only count
 * @ret_size: bytes of the content; may be NULL
 *
 * Errors as above, ERR_UNSUPPORTED (bzip2, xz), ERR_LAYER_CORRUPT, ERR_LIMIT (more than
 * BLOB_SIZE_MAX, or than the ratio of storage/blob.h allows), ERR_NO_SPACE.
 */
int blob_inflate(const BlobPart *part, Compression compression, int out_fd, int64_t *ret_size,
                 const TransferControl *control, Error *err);

/** blob_detect() - how a part of a file is compressed, by its first bytes; ERR_IO */
int blob_detect(const BlobPart *part, Compression *ret, Error *err);

/**
 * blob_receive() - write all that comes from @in_fd to @out_fd, where that stands
 * @blob: what is known of it before
 * @ret:  what came; its media type is a copy of @blob's
 *
 * Errors: ERR_CORRUPT (not what @blob says), ERR_LIMIT, ERR_CANCELLED, ERR_NO_SPACE, ERR_IO.
 */
int blob_receive(int in_fd, int out_fd, const SinkBlob *blob, const TransferControl *control,
                 Descriptor *ret, Error *err);
