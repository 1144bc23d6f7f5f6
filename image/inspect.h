/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Everything about one image as a JSON document, for InspectImage. */

#include "base/error.h"
#include "image/catalog.h"

/**
 * image_inspect() - the document's text; heap
 *
 * Its members are those of the original and those of podman 4.3.1's `image inspect` together.
 * Lists and maps that are empty are `[]` and `{}`, never null. Errors: those of image_details(),
 * of the store.
 */
int image_inspect(ImageCatalog *catalog, const StoreImage *image, char **ret_json, Error *err);
