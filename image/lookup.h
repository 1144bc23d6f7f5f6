/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From what a user types to the image that is meant. */

#include "base/error.h"
#include "storage/store.h"

typedef struct ImageCatalog ImageCatalog;

typedef struct ImageMatch {
        StoreImage *image; /* referenced */
        char *name;        /* which of its names was meant; NULL: found by id or digest */
} ImageMatch;

#define IMAGE_MATCH_INIT \
        { .image = NULL }

void image_match_done(ImageMatch *match);
#define _cleanup_image_match_ _cleanup_(image_match_done)

/**
 * image_lookup() - the image that a user's word means, and how it was meant
 * @name: id, `sha256:<id>`, name or id prefix; `docker://` and `containers-storage:` before it are
 * skipped
 *
 * In this order, the first that matches wins: full id; the name exactly; by an alias; below
 * localhost; below the search registries of registries.conf, in their order; below docker.io; by
 * its last path components in any registry; id prefix. `:latest` is assumed where neither tag nor
 * digest is given; `name@digest` wants an image of that name's repository with that digest. Errors:
 * ERR_IMAGE_NOT_FOUND (subject = @name as given; also for "" and what is no reference),
 * ERR_AMBIGUOUS (text lists the matches), those of store_images().
 */
int image_lookup(ImageCatalog *catalog, const char *name, ImageMatch *ret, Error *err);

/** image_find() - the same, when only the image is wanted; @ret is referenced */
int image_find(ImageCatalog *catalog, const char *name, StoreImage **ret, Error *err);
