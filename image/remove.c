/* SPDX-License-Identifier: Apache-2.0 */
#include "image/remove.h"

void image_remove_plan_done(ImageRemovePlan *plan) {
        free(plan->id);
        free(plan->untag);
        strings_done(&plan->containers);
        *plan = (ImageRemovePlan)IMAGE_REMOVE_PLAN_INIT;
}

static int list_users(Store *store, const char *id, Strings *ret, Error *err) {
        _cleanup_(store_containers_done)
        StoreContainers containers = { .items = NULL };

        if (store_containers(store, &containers, err) < 0)
                return -1;
        for (size_t i = 0; i < containers.count; i++)
                if (text_equal(containers.items[i]->image, id))
                        strings_add(ret, containers.items[i]->id);
        return 0;
}

static int decide(ImageCatalog *catalog, const char *name, bool force, ImageRemovePlan *plan,
                  Error *err) {
        _cleanup_image_match_ ImageMatch match = IMAGE_MATCH_INIT;

        if (image_lookup(catalog, name, &match, err) < 0)
                return -1;
        const StoreImage *image = match.image;
        plan->id = xstrdup(image->id);
        if (match.name && image->names.count > 1) {
                plan->untag = TAKE_PTR(match.name);
                return 0;
        }
        if (list_users(image_catalog_store(catalog), image->id, &plan->containers, err) < 0)
                return -1;
        if (plan->containers.count && !force)
                return error_set(err, ERR_IN_USE, image->id,
                                 "could not remove image %s as it is being used by %zu containers",
                                 image->id, plan->containers.count);
        if (image->names.count > 1 && !force)
                return error_set(err, ERR_IN_USE, image->id,
                                 "unable to delete %s (must force) - image is referred to in "
                                 "multiple tags",
                                 image->id);
        return 0;
}

int image_remove_plan(ImageCatalog *catalog, const char *name, bool force, ImageRemovePlan *ret,
                      Error *err) {
        ImageRemovePlan plan = IMAGE_REMOVE_PLAN_INIT;

        if (decide(catalog, name, force, &plan, err) < 0) {
                image_remove_plan_done(&plan);
                return -1;
        }
        *ret = plan;
        return 0;
}

int image_remove(ImageCatalog *catalog, const ImageRemovePlan *plan, Error *err) {
        Store *store = image_catalog_store(catalog);
        Error cause = ERROR_INIT;
        int r;

        image_catalog_lock_names(catalog);
        r = plan->untag ? store_image_remove_name(store, plan->id, plan->untag, &cause)
                        : store_image_delete(store, plan->id, &cause);
        image_catalog_unlock_names(catalog);
        if (r == 0) {
                if (!plan->untag)
                        image_catalog_forget(catalog, plan->id);
                return 0;
        }
        if (cause.kind == ERR_NOT_FOUND)
                return error_set(err, ERR_IMAGE_NOT_FOUND, plan->id,
                                 "image %s was removed by somebody else", plan->id);
        if (cause.kind == ERR_IN_USE)
                return error_set(err, ERR_IN_USE, plan->id,
                                 "could not remove image %s as it is being used by container %s",
                                 plan->id, cause.subject);
        return error_copy(err, &cause);
}
