/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One line per event on stderr, in journald's form when stderr is the journal.
 *
 * A failure is logged once, by whoever has nobody to return it to: api/ and daemon/, what engine/
 * does on its own, and the server of varlink/ about its peers. Nobody else logs. A line is written
 * with one write(), so lines of threads never mix. Control characters in it become spaces.
 */

#include "base/memory.h"

typedef enum LogLevel {
        LOG_LEVEL_ERROR,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_INFO,
        LOG_LEVEL_DEBUG,
        _LOG_LEVEL_MAX,
} LogLevel;

/** log_level_parse() - error, warning (warn), info, debug; 0 or -EINVAL */
int log_level_parse(const char *word, LogLevel *ret);

/** log_set_level() - process wide; call before threads start. Default: info */
void log_set_level(LogLevel level);

bool log_is_enabled(LogLevel level);

void log_write(LogLevel level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                           \
        do {                                                     \
                if (log_is_enabled(LOG_LEVEL_DEBUG))             \
                        log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
        } while (0)
