/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The command line of selkied. */

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"

typedef struct Options {
        const char *address;    /* NULL: the default one, or the socket that activated us */
        const char *graph_root; /* NULL: storage.conf's */
        const char *run_root;   /* NULL: same */
        const char *runtime;    /* NULL: containers.conf's, or chosen */
        int64_t idle_timeout_s; /* -1: not given */
        LogLevel log_level;
        bool wants_version, wants_help;
} Options;

/** options_parse() - texts borrow from @argv; ERR_INVALID with one sentence */
int options_parse(int argc, char **argv, Options *ret, Error *err);

/** options_print_help() - to stdout */
void options_print_help(void);
