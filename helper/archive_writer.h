/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A tar archive of blobs and documents, written from its front to its end.
 *
 * How a blob is called and how large it is, is known once it came. So its header is left out first,
 * and written when the content is there. The same members give the same bytes: no times, no owners.
 */

#include <stdint.h>

#include "base/error.h"

#define ARCHIVE_WRITER_NAME_MAX 99 /* bytes; enough for all that such archives hold */

typedef struct ArchiveWriter ArchiveWriter;

/**
 * archive_writer_open() - begin one
 * @path:    trusted
 * @replace: a file that is there goes at the end; else one that is not empty is ERR_EXISTS
 */
int archive_writer_open(ArchiveWriter **ret, const char *path, bool replace, Error *err);

/** archive_writer_free() - what was not committed is gone */
ArchiveWriter *archive_writer_free(ArchiveWriter *writer);
DEFINE_CLEANUP(ArchiveWriter, archive_writer_free);

/** archive_writer_begin() - a file that is to be written to @ret_fd, where that stands */
int archive_writer_begin(ArchiveWriter *writer, int *ret_fd, Error *err);

/** archive_writer_end() - all of it is there: @size bytes */
int archive_writer_end(ArchiveWriter *writer, const char *name, int64_t size, Error *err);

/** archive_writer_drop() - forget what was begun */
int archive_writer_drop(ArchiveWriter *writer, Error *err);

/** archive_writer_add() - a file that is in memory */
int archive_writer_add(ArchiveWriter *writer, const char *name, const void *data, size_t size,
                       Error *err);

/** archive_writer_add_symlink() - @target as it is to be read */
int archive_writer_add_symlink(ArchiveWriter *writer, const char *name, const char *target,
                               Error *err);

/** archive_writer_add_folder() - @name ends in a slash */
int archive_writer_add_folder(ArchiveWriter *writer, const char *name, Error *err);

/** archive_writer_commit() - end the archive and give it its name; ERR_EXISTS */
int archive_writer_commit(ArchiveWriter *writer, Error *err);
