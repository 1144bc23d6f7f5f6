/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A service that is started for one client: the `exec:` address.
 *
 * The command is run by /bin/sh as `exec COMMAND` in the client's working directory, with a
 * listening socket as its descriptor 3 and the environment of socket activation: LISTEN_FDS=1,
 * LISTEN_FDNAMES=varlink, LISTEN_PID, and VARLINK_ADDRESS for commands that want to be told:
 *
 *   exec:service --varlink=$VARLINK_ADDRESS
 *
 * The client's own connection waits in that socket before the command runs, so its file is gone
 * before anything can fail.
 */

#include <sys/types.h>

#include "base/memory.h"

/* A service that is told to end and does not is killed after this. */
#define EXEC_SERVICE_END_MS 5000

typedef struct ExecService {
        pid_t pid; /* 0: none */
        int pidfd;
} ExecService;

#define EXEC_SERVICE_INIT \
        { .pidfd = -EBADF }

/** exec_service_start() - returns a connected socket and fills @ret, or -errno */
int exec_service_start(ExecService *ret, const char *command);

/** exec_service_stop() - SIGTERM, and wait until it has ended; safe on EXEC_SERVICE_INIT */
void exec_service_stop(ExecService *service);
