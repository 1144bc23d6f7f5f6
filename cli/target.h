/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a command speaks to: ADDRESS/NAME, or NAME alone for the engine of this user.
 *
 * The name is what stands behind the last slash, since socket paths often end in an interface's
 * name themselves: unix:/run/podman/io.podman/io.podman.Ping.
 */

#include "varlink/client.h"

typedef struct Target {
        char *address;
        const char *name; /* interface or method; within `address`'s memory or the argument */
} Target;

#define TARGET_INIT \
        { .address = NULL }

void target_done(Target *target);
#define _cleanup_target_ _cleanup_(target_done)

/** target_parse() - @text outlives @ret; 0 or -EINVAL when there is no name or an empty address */
int target_parse(const char *text, Target *ret);

/** target_default_address() - $SELKIE_ADDRESS, or where the engine of this user listens; heap */
char *target_default_address(void);

/**
 * target_connect() - connect to @address
 *
 * Returns 0; otherwise says why on standard error and returns COMMAND_FAILED.
 */
int target_connect(const char *address, VarlinkClient **ret);
