/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A stream that is compressed on its way into a descriptor: gzip, zstd, or as it is. */

#include "storage/compress.h"

typedef struct CompressWriter CompressWriter;

/** compress_writer_new() - write to @fd, which is borrowed; COMPRESSION_NONE, _GZIP or _ZSTD */
CompressWriter *compress_writer_new(int fd, Compression kind);
CompressWriter *compress_writer_free(CompressWriter *writer);

/** compress_writer_write() - 0 or -errno (-EPIPE: nobody reads any more) */
int compress_writer_write(CompressWriter *writer, const void *data, size_t size);

/** compress_writer_finish() - write what is held back, and the trailer; once; 0 or -errno */
int compress_writer_finish(CompressWriter *writer);
