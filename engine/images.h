/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What containers and images have to do with each other. */

#include "engine/container.h"
#include "image/catalog.h"

/** engine_images() - the store's images; borrowed */
ImageCatalog *engine_images(Engine *engine);

/** What image_remove_begin() calls at its end: the image's full id, or an error. Any thread */
typedef void (*ImageRemoved)(const char *id, const Error *err, void *userdata);

/**
 * engine_remove_image_begin() - untag or remove an image; @force: its containers first, running
 * ones too
 *
 * ERR_IMAGE_NOT_FOUND, ERR_AMBIGUOUS, ERR_IN_USE, ERR_IO.
 */
void engine_remove_image_begin(Engine *engine, const char *name, bool force, ImageRemoved done,
                               void *userdata);
