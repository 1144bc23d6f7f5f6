/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Removing an image: first decide, then do.
 *
 * Between the two the engine removes the containers that stand in the way (that is what force is
 * for), since containers are above this folder. Given one of several names, an image only loses
 * that name.
 * Source: libpod 2018-12 libpod/runtime_img.go RemoveImage, measured.
 */

#include "base/error.h"
#include "image/catalog.h"

typedef struct ImageRemovePlan {
        char *id;           /* the image, 64 hex digits */
        char *untag;        /* the name to take away, the image stays; NULL: the image goes */
        Strings containers; /* ids of those that use it, any tool's; none if a name goes */
} ImageRemovePlan;

#define IMAGE_REMOVE_PLAN_INIT \
        { .id = NULL }

void image_remove_plan_done(ImageRemovePlan *plan);
#define _cleanup_image_remove_plan_ _cleanup_(image_remove_plan_done)

/**
 * image_remove_plan() - what removing @name would do; changes nothing
 * @force: allow what has containers or, given by id, several names
 *
 * Errors: those of image_lookup(); ERR_IN_USE (subject = id) where force is missing.
 */
int image_remove_plan(ImageCatalog *catalog, const char *name, bool force, ImageRemovePlan *ret,
                      Error *err);

/**
 * image_remove() - do it; every container of the plan is gone by now
 *
 * Errors: ERR_IN_USE (subject = id) if a container still uses the image, be it another tool's;
 * ERR_IMAGE_NOT_FOUND if somebody else was faster; those of the store.
 */
int image_remove(ImageCatalog *catalog, const ImageRemovePlan *plan, Error *err);
