/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tar-split: what is needed to rebuild a layer's tar stream, byte for byte, from its unpacked
 * files.
 *
 * A gzip file of JSON lines in the order of the stream. A segment carries raw bytes: headers,
 * padding. A file entry stands for the content of a file of the layer, with its size and checksum.
 * Whatever a file cannot be trusted to give back (a path that occurs twice, a thing that was not
 * unpacked) is written as segments; readers take any number of them.
 */

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "storage/tar.h"

#define TAR_SPLIT_LINE_MAX (16 * 1024 * 1024) /* bytes of one line that a reader takes */

/** tar_split_checksum() - continue a CRC-64 (ISO, reflected); begin with 0 */
uint64_t tar_split_checksum(uint64_t crc, const void *data, size_t size);

typedef struct TarSplitWriter TarSplitWriter;

/** tar_split_writer_new() - write to @fd, which is borrowed */
TarSplitWriter *tar_split_writer_new(int fd);
TarSplitWriter *tar_split_writer_free(TarSplitWriter *writer);
DEFINE_CLEANUP(TarSplitWriter, tar_split_writer_free);

/** tar_split_write_segment() - raw bytes, any number; ERR_IO */
int tar_split_write_segment(TarSplitWriter *writer, const void *data, size_t size, Error *err);

/** tar_split_write_file() - the content of a file, by its name in the header; ERR_IO */
int tar_split_write_file(TarSplitWriter *writer, const char *name, int64_t size, uint64_t crc,
                         Error *err);

/** tar_split_writer_finish() - once, at the end; ERR_IO */
int tar_split_writer_finish(TarSplitWriter *writer, Error *err);

typedef struct TarSplitEntry {
        bool is_file;
        /* A segment's bytes. */
        const void *data;
        size_t data_size;
        /* A file's name (may hold any bytes but NUL), content size and checksum. */
        const char *name;
        int64_t size;
        uint64_t crc; /* 0 for an empty file */
} TarSplitEntry;

typedef struct TarSplitReader TarSplitReader;

/** tar_split_reader_new() - read from @fd, which is borrowed */
TarSplitReader *tar_split_reader_new(int fd);
TarSplitReader *tar_split_reader_free(TarSplitReader *reader);
DEFINE_CLEANUP(TarSplitReader, tar_split_reader_free);

/**
 * tar_split_read() - 1 and an entry that stays until the next call, 0 at the end; ERR_CORRUPT,
 * ERR_IO
 */
int tar_split_read(TarSplitReader *reader, TarSplitEntry *ret, Error *err);

/**
 * tar_split_assemble() - rebuild the tar stream of a layer
 * @fd:      the tar-split file at its start; borrowed
 * @root_fd: the layer's diff directory; names are resolved inside of it
 *
 * Errors: ERR_CORRUPT (subject = name) when a file is not what it was; ERR_IO, and the sink's.
 */
int tar_split_assemble(int fd, int root_fd, const TarSink *sink, Error *err);
