/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How an image was made, step by step. */

#include "base/arena.h"
#include "base/error.h"
#include "image/catalog.h"

#define IMAGE_STEP_UNKNOWN "<missing>"

/* Texts are owned by the arena that was given. */
typedef struct ImageStep {
        const char *id;     /* of the image that ends with this step, or IMAGE_STEP_UNKNOWN */
        int64_t created_ns; /* TIMESTAMP_ZERO: not said */
        const char *created_by;
        const char *comment;
        int64_t size; /* bytes of the layer's uncompressed tar; 0: it only changed settings */
} ImageStep;

/**
 * image_history() - the steps that an image's config tells of, newest first
 *
 * A step's image is one of this store that was made by exactly the steps up to it, of the same
 * layers. Errors: those of image_details(), of the store.
 */
int image_history(ImageCatalog *catalog, const StoreImage *image, Arena *arena, ImageStep **ret,
                  size_t *ret_count, Error *err);
