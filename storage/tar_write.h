/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A streaming tar writer: ustar headers, with a PAX header before each member that says more than
 * ustar can. The counterpart of tar.h, and it reads back what this writes.
 *
 * The same members give the same bytes: nothing of the time, the process or the machine goes in.
 */

#include "storage/tar.h"

typedef struct TarWriter TarWriter;

/** tar_writer_new() - write to @sink, which is copied, in pieces of a convenient size */
TarWriter *tar_writer_new(const TarSink *sink);
TarWriter *tar_writer_free(TarWriter *writer);
DEFINE_CLEANUP(TarWriter, tar_writer_free);

/**
 * tar_writer_add() - begin the next member; the content of the last one is complete
 * @entry: any kind but TAR_GLOBAL; atime is not written; a directory's name needs no slash
 *
 * An extended attribute with '=' in its name cannot be told in PAX and is left out.
 * Errors: ERR_LIMIT (a name or the attributes are longer than tar_reader_next() takes), and the
 * sink's.
 */
int tar_writer_add(TarWriter *writer, const TarEntry *entry, Error *err);

/** tar_writer_data() - more of a file's content; never more than its size in all */
int tar_writer_data(TarWriter *writer, const void *data, size_t size, Error *err);

/** tar_writer_left() - bytes of the member's content that are still to come */
int64_t tar_writer_left(const TarWriter *writer);

/** tar_writer_finish() - the end of the archive; once */
int tar_writer_finish(TarWriter *writer, Error *err);
