/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A layer blob, read ahead: a thread reads, hashes and inflates it while the caller unpacks.
 *
 * The two halves cost about the same, so two processors halve the time. The thread is at most a few
 * blocks ahead. It stops when the reader is freed, also when it waits for a peer that sends
 * nothing.
 */

#include <stdint.h>

#include "base/error.h"
#include "oci/digest.h"
#include "storage/compress.h"

/*
 * A stream may inflate to this many times its own size. Real layers stay under 30; gzip itself
 * allows 1030 for a run of one byte, which is what a bomb is made of. Below the floor nothing is
 * refused.
 */
#define BLOB_RATIO_MAX   200
#define BLOB_RATIO_FLOOR (INT64_C(1) << 30)

typedef struct BlobReader BlobReader;

typedef struct BlobOptions {
        int64_t blob_size_max, diff_size_max; /* bytes; -1: no limit but the ratio */
        bool (*is_cancelled)(void *userdata); /* NULL: never; asked on the consumer's thread */
        void *userdata;
} BlobOptions;

/** blob_reader_start() - @fd is borrowed until blob_reader_free(); ERR_IO */
int blob_reader_start(BlobReader **ret, int fd, const BlobOptions *options, Error *err);
BlobReader *blob_reader_free(BlobReader *reader);
DEFINE_CLEANUP(BlobReader, blob_reader_free);

/**
 * blob_reader_next() - the next inflated bytes
 * @ret_data: valid until the next call
 *
 * Returns 1, or 0 at the end. ERR_CANCELLED, ERR_LAYER_CORRUPT, ERR_LIMIT, ERR_UNSUPPORTED, ERR_IO.
 */
int blob_reader_next(BlobReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err);

/* What the stream was; valid once blob_reader_next() has returned 0. */
typedef struct BlobSummary {
        Digest blob_digest, diff_digest;
        int64_t blob_size, diff_size;
        Compression compression;
} BlobSummary;
const BlobSummary *blob_reader_summary(const BlobReader *reader);
