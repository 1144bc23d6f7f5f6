/* SPDX-License-Identifier: Apache-2.0 */
#include "image/prune.h"

#include "base/map.h"
#include "image/remove.h"

int image_prune(ImageCatalog *catalog, bool (*is_cancelled)(void *userdata), void *userdata,
                Strings *ret_ids, Error *err) {
        Store *store = image_catalog_store(catalog);
        _cleanup_(store_images_done)
        StoreImages images = { .items = NULL };
        _cleanup_(store_containers_done)
        StoreContainers containers = { .items = NULL };
        _cleanup_(map_done)
        Map used = MAP_INIT;

        if (store_images(store, &images, err) < 0 || store_containers(store, &containers, err) < 0)
                return -1;
        for (size_t i = 0; i < containers.count; i++)
                map_put(&used, containers.items[i]->image, containers.items[i]);
        for (size_t i = 0; i < images.count && !(is_cancelled && is_cancelled(userdata)); i++) {
                const ImageRemovePlan plan = { .id = images.items[i]->id };
                /* A container that was made meanwhile stops the store, not us. */
                if (!map_get(&used, plan.id) && image_remove(catalog, &plan, NULL) == 0)
                        strings_add(ret_ids, plan.id);
        }
        return 0;
}
