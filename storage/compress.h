/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Compressed streams: gzip through ISA-L, zstd through libzstd.
 *
 * Both formats may be several members one after the other (pigz, eStargz, zstd:chunked); a stream
 * may end after any whole member. bzip2 and xz are known and refused: nothing that a registry
 * serves today uses them, and each would be one more parser of hostile input.
 */

#include <stdint.h>

#include "base/error.h"
#include "oci/media_type.h"

#define COMPRESSION_MAGIC_SIZE \
        6 /* bytes that compression_detect() wants to see, if there are so many */

Compression compression_detect(const uint8_t *data, size_t size);

typedef struct Inflater Inflater;

/** inflater_new() - ERR_UNSUPPORTED for a kind that is not read here */
int inflater_new(Inflater **ret, Compression kind, Error *err);
Inflater *inflater_free(Inflater *inflater);
DEFINE_CLEANUP(Inflater, inflater_free);

typedef struct InflaterInput {
        const uint8_t *data;
        size_t size;
} InflaterInput;

/**
 * inflater_step() - turn input into output until one of them is used up
 * @input:        advanced past what was read
 * @ret_produced: bytes put into @out; 0 means that more input is wanted
 *
 * ERR_LAYER_CORRUPT: the stream is malformed or fails its checksum.
 */
int inflater_step(Inflater *inflater, InflaterInput *input, uint8_t *out, size_t out_size,
                  size_t *ret_produced, Error *err);

/** inflater_is_complete() - whether the stream may end here */
bool inflater_is_complete(const Inflater *inflater);

/* A gzip file that is being written. */
typedef struct GzipWriter GzipWriter;

/** gzip_writer_new() - write to @fd, which is borrowed; fast rather than small */
GzipWriter *gzip_writer_new(int fd);
GzipWriter *gzip_writer_free(GzipWriter *writer);
DEFINE_CLEANUP(GzipWriter, gzip_writer_free);

/** gzip_writer_write() - 0 or -errno */
int gzip_writer_write(GzipWriter *writer, const void *data, size_t size);

/** gzip_writer_finish() - write what is still held back, and the trailer; 0 or -errno */
int gzip_writer_finish(GzipWriter *writer);
