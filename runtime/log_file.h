/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading a container's k8s-file log, whole or as it grows.
 *
 * A record is one line as conmon wrote it, newline included: time, stream, F or P, bytes. A last
 * line without its newline is not a record yet. conmon replaces the file
 * when it grows past its limit: a reader finishes the old file, then goes on with the new one.
 */

#include "base/buffer.h"
#include "base/error.h"
#include "base/loop.h"

#define LOG_RECORD_MAX (64 * 1024)  /* bytes; a line that has more and no end yet is cut */
#define LOG_BATCH_MAX  (256 * 1024) /* bytes that one read gives */

typedef struct LogFile LogFile;

/** log_file_open() - a log that does not exist yet reads as empty until it does */
int log_file_open(LogFile **ret, const char *path, Error *err);
LogFile *log_file_close(LogFile *log);
DEFINE_CLEANUP(LogFile, log_file_close);

/**
 * log_file_read() - the next whole records
 * @records: appended to: records one after the other, each with its newline
 *
 * Returns the number of bytes appended; 0 at the present end. At most LOG_BATCH_MAX bytes.
 */
ssize_t log_file_read(LogFile *log, Buffer *records, Error *err);

/**
 * log_file_watch() - call @on_change on the loop thread whenever there may be more to read
 *
 * Loop thread only; inotify on the file and, for replacement and first creation, its folder.
 */
int log_file_watch(LogFile *log, Loop *loop, void (*on_change)(LogFile *log, void *userdata),
                   void *userdata, Error *err);
