/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Giving an image one more name. */

#include "base/error.h"
#include "image/catalog.h"

/**
 * image_tag() - @tagged, in its local meaning, becomes a name of the image that @name means
 * @ret_id: heap, 64 hex digits
 *
 * Another image that has the name loses it; the image that has it already keeps it.
 * Errors: those of image_lookup() for @name; ERR_INVALID (subject = @tagged), also for one with a
 * digest.
 */
int image_tag(ImageCatalog *catalog, const char *name, const char *tagged, char **ret_id,
              Error *err);
