/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a source into the store.
 *
 * Nothing that the source says is believed: manifests and blobs are hashed, the layers' tars must
 * be what the config promises, and the config what the manifest promises. Layers are fetched and
 * unpacked several at a time, committed base first, and not fetched at all where the store has them
 * or another process is just fetching them.
 */

#include "helper/source.h"
#include "helper/watch.h"
#include "image/policy.h"
#include "storage/store.h"

#define PULL_LAYERS_AT_ONCE 3
#define PULL_INDEX_DEPTH    4 /* an index that names an index that ... */

typedef struct PullRequest {
        Store *store;
        ImageSource *source;
        const Policy *policy;
        const char *reference;    /* "domain/path:tag" as signatures name it; NULL: no registry */
        const char *const *names; /* full names for the image */
        size_t names_count;
        const Watch *watch;
} PullRequest;

typedef struct PullResult {
        char id[DIGEST_HEX_SIZE + 1];
        char digest[DIGEST_TEXT_SIZE]; /* of the manifest */
} PullResult;

/**
 * pull_image() - fetch one image
 *
 * Whatever fails, the store has no half image; layers that were complete stay if something else
 * uses them, else they are removed. Errors: those of the source and the store; ERR_CORRUPT (bytes
 * that are not what their digest says), ERR_UNSUPPORTED, ERR_LIMIT, ERR_NO_SPACE, ERR_CANCELLED.
 */
int pull_image(const PullRequest *request, PullResult *ret, Error *err);
