/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The layers of one image, from their source into the store. See pull.h. */

#include "helper/source.h"
#include "helper/watch.h"
#include "storage/layers.h"

/* One layer: what is promised of it, and what became of it. */
typedef struct PullLayer {
        const Descriptor *blob;
        const char *diff_id;          /* of its tar */
        char id[DIGEST_HEX_SIZE + 1]; /* in the store: the chain up to here */
        StoreStagedLayer *staged;     /* unpacked, not committed */
        StoreBlobLock *lock;          /* held from fetching to committing */
        bool is_there;                /* in the store */
        bool is_new;                  /* brought there by us */
} PullLayer;

typedef struct PullLayers {
        PullLayer *items; /* base first */
        size_t count;
} PullLayers;

/**
 * pull_layers() - fetch what the store has not
 * @layers: blob and diff_id are given, the rest is zero and filled in
 *
 * ERR_IN_USE: other tools took layers away while others were fetched, so it is to be tried again.
 * What was brought already stays marked is_new.
 */
int pull_layers(Store *store, ImageSource *source, PullLayers *layers, const Watch *watch,
                Error *err);

/** pull_layers_undo() - remove what pull_layers() brought, unless something uses it by now */
void pull_layers_undo(Store *store, const PullLayers *layers);
