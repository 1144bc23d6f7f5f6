/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the engine's kinds of failure to the errors of io.podman: the only place that knows both. */

#include "base/error.h"
#include "engine/container.h"
#include "varlink/server.h"

/**
 * api_reply_error() - answer a call with what went wrong, and log it if it is the engine's fault
 * @name: the name the client gave, for the errors that repeat it; NULL: the error's subject
 */
void api_reply_error(VarlinkCall *call, const Error *err, const char *name);

/** api_find_container() - look it up, or answer the call; NULL when answered. Referenced */
Container *api_find_container(VarlinkCall *call, Engine *engine, const char *name);
