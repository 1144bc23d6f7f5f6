/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The commands of selkie. Each gets its own arguments, argv[0] being its name, and answers the
 * exit status.
 */

#include "base/memory.h"

typedef enum CommandStatus {
        COMMAND_OK = 0,
        COMMAND_FAILED = 1, /* an error reply, or no service */
        COMMAND_USAGE = 2,
} CommandStatus;

typedef struct Command {
        const char *name;
        const char *usage;
        const char *summary;
        int (*run)(int argc, char **argv);
} Command;

extern const Command command_call, command_info, command_help, command_bridge;

/** command_fail() - one line on standard error; returns COMMAND_FAILED */
int command_fail(const char *fmt, ...) _printf_(1, 2);

/** command_misused() - the same, and how the command is used; returns COMMAND_USAGE */
int command_misused(const Command *command, const char *fmt, ...) _printf_(2, 3);
