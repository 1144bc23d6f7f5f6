/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What one inspection looks at, gathered once so that its parts agree, and the larger parts. */

#include <jansson.h>

#include "base/json_text.h"
#include "engine/container.h"
#include "oci/runtime_config.h"

typedef struct Inspection {
        Container *container;
        Engine *engine;
        const SelkieStateContainer *config;
        ContainerRun run;
        bool is_alive;
        RuntimeConfig spec; /* what the configuration asks of the runtime */
        char *bundle, *run_dir, *log_path;

        /* What follows stands in the document that the runtime was given at the last start. */
        bool has_document;
        json_t *oci_version;
        json_t *additional_gids;
        /* These are known before the first start too, if the user was given as a number. */
        int64_t uid, gid;
        CapabilitySet effective;
} Inspection;

#define INSPECTION_INIT \
        { .spec = RUNTIME_CONFIG_INIT }

/** inspection_gather() - look at a container; never fails: what cannot be read is not there */
void inspection_gather(Inspection *inspection, Container *container);
void inspection_done(Inspection *inspection);

/** inspect_host_config() - the member HostConfig: how the host is asked to treat the container */
void inspect_host_config(const Inspection *inspection, Buffer *out);

/** inspect_config() - the member Config: what the container is in itself */
void inspect_config(const Inspection *inspection, Buffer *out);

/** inspect_capabilities() - a list of names, sorted */
void inspect_capabilities(Buffer *out, const char *key, CapabilitySet set);

/** inspect_pairs() - a map of strings from the runtime configuration */
void inspect_pairs(Buffer *out, const char *key, const RuntimePair *pairs, size_t count);

/* A member whose value never differs: the JSON text that is nothing in the member's type. */
typedef struct InspectBlank {
        const char *key;
        const char *json;
} InspectBlank;

#define BLANK_TEXT    "\"\""
#define BLANK_NUMBER  "0"
#define BLANK_BOOLEAN "false"
#define BLANK_LIST    "[]"
#define BLANK_MAP     "{}"
#define BLANK_TIME    "\"0001-01-01T00:00:00Z\""

void inspect_blanks(Buffer *out, const InspectBlank *blanks, size_t count);
