/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a service answered, told to whoever called the command. */

#include "varlink/client.h"

/**
 * reply_print() - the parameters on standard output; 0, or COMMAND_FAILED when they cannot be
 * written
 */
int reply_print(const VarlinkReply *reply);

/** reply_print_error() - an error reply on standard error; returns COMMAND_FAILED */
int reply_print_error(const VarlinkReply *reply);

/** reply_fail() - there was no reply: @r says why; one line, returns COMMAND_FAILED */
int reply_fail(const char *address, int r);
