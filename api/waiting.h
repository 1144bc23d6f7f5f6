/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What takes long goes on only while a client waits for it. */

#include "api/api.h"
#include "varlink/call.h"

typedef struct Waiting {
        VarlinkCall *call;
        Engine *engine;
} Waiting;

/**
 * waiting_is_over() - the client went away, or the engine stops
 * @userdata: a Waiting
 *
 * Any thread.
 */
bool waiting_is_over(void *userdata);
