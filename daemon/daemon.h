/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * selkied as one object: every part, in the order in which they are opened; closed in reverse.
 */

#include "api/api.h"
#include "base/pool.h"
#include "daemon/options.h"
#include "engine/engine.h"
#include "image/registries.h"
#include "runtime/config.h"
#include "storage/config.h"

typedef struct Daemon Daemon;

/**
 * daemon_open() - read the configuration, take the lock, open the store, recover, listen
 *
 * Logs why it fails, and returns -1; if repairs are still at work then, it ends the process.
 */
int daemon_open(Daemon **ret, const Options *options);
Daemon *daemon_close(Daemon *daemon);
DEFINE_CLEANUP(Daemon, daemon_close);

/** daemon_run() - serve until SIGTERM, SIGINT or the idle timeout; 0 or ERR_IO */
int daemon_run(Daemon *daemon, Error *err);
