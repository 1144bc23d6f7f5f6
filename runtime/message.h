/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What other programs said when they failed, made fit for an error: one line of valid UTF-8. */

#include "base/buffer.h"
#include "base/error.h"

#define MESSAGE_MAX 1024 /* bytes of another program's words in an error */

/**
 * message_clean() - turn what is no UTF-8 into '?', control bytes into spaces, and add a NUL past
 * the end
 */
void message_clean(Buffer *text);

/**
 * message_error() - fill @err with ERR_RUNTIME and the words of a runtime
 * @id:   container, the error's subject
 * @what: what was tried, e.g. "crun start"; used when nothing was said
 * @log:  JSON log lines, or plain text
 *
 * The message of the last line of level error or fatal; without one, all of the text. Returns -1.
 */
int message_error(Error *err, const char *id, const char *what, const Buffer *log);
