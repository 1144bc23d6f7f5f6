/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A container's log, whole or followed.
 *
 * Records are given as the log file holds them (runtime/log_file.h): one after the other, each with
 * its newline.
 */

#include "base/buffer.h"
#include "engine/container.h"

/* Bytes of a whole log; more would be a longer message than clients take. */
#define LOG_WHOLE_MAX (12 * 1024 * 1024)

/** container_logs() - all of the log; one that does not exist is empty; ERR_LIMIT, ERR_IO */
int container_logs(Container *container, Buffer *records, Error *err);

typedef struct LogFollow LogFollow;

typedef struct LogFollowSink {
        /*
         * What is new; on a worker, one call at a time. @is_last: the container has ended and this
         * is the rest (maybe nothing); no call comes after it. Returns whether more may come at
         * once: false pauses until log_follow_resume().
         */
        bool (*on_records)(const char *records, size_t size, bool is_last, void *userdata);
        /* Instead of the last call above. */
        void (*on_error)(const Error *err, void *userdata);
} LogFollowSink;

/**
 * log_follow_begin() - what is there, then what comes, until the container has ended
 * @userdata: must live until the last call of the sink, or log_follow_cancel() and `released`
 * @released: called when the follow needs @userdata no more; loop thread
 *
 * Any thread. One that does not run, since it has ended or was not started yet, gives its log and
 * ends. The caller owns *ret, and gives it back with log_follow_unref().
 */
void log_follow_begin(Container *container, const LogFollowSink *sink, void *userdata,
                      void (*released)(void *userdata), LogFollow **ret);

/** log_follow_resume() - go on after a pause; any thread */
void log_follow_resume(LogFollow *follow);

/**
 * log_follow_cancel() - end it without a last call; one call of the sink may still be running; any
 * thread
 */
void log_follow_cancel(LogFollow *follow);

LogFollow *log_follow_unref(LogFollow *follow);
DEFINE_CLEANUP(LogFollow, log_follow_unref);
