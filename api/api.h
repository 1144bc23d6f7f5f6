/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * io.podman on the engine: one thin file for each noun, from typed arguments to a typed reply.
 */

#include "base/text.h"
#include "engine/engine.h"
#include "varlink/server.h"

/* What GetVersion and GetInfo say of this program and its configuration. */
typedef struct ApiOptions {
        const char *version;
        const char *git_commit;
        const char *compiler; /* "gcc 12.2.0" */
        int64_t built_s;      /* Unix seconds */
        const Strings *registries, *insecure_registries;
        const char *driver_options; /* as configured, joined by ", " */
} ApiOptions;

typedef struct Api {
        Engine *engine;
        ApiOptions options;
} Api;

/** api_register() - serve io.podman; @api is borrowed for the server's life */
int api_register(VarlinkServer *server, Api *api);
