/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Signals as images and clients spell them. */

#include "base/error.h"

#define SIGNAL_MAX 64 /* highest number that the kernel knows */

/**
 * signal_name_parse() - `SIGTERM`, `term`, `15`, `RTMIN+3`, `SIGRTMAX-1` to its number, 1 to
 * SIGNAL_MAX
 *
 * RTMIN is 34, as libc and podman count it. Errors: ERR_INVALID, subject = the text as given
 * (cut).
 */
int signal_name_parse(const char *text, int *ret, Error *err);
