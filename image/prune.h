/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Removing all images that nothing uses. */

#include "base/error.h"
#include "base/text.h"
#include "image/catalog.h"

/**
 * image_prune() - remove every image that no container of any tool was made from
 * @is_cancelled: asked before each image; NULL: never
 * @ret_ids:      initialised; the ids of those that are gone are appended
 *
 * What cannot be removed is skipped. Errors: those of the store, when it cannot be listed.
 */
int image_prune(ImageCatalog *catalog, bool (*is_cancelled)(void *userdata), void *userdata,
                Strings *ret_ids, Error *err);
