/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tag.h"

#include "oci/reference.h"

int image_tag(ImageCatalog *catalog, const char *name, const char *tagged, char **ret_id,
              Error *err) {
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        char text[REFERENCE_TEXT_MAX];
        Reference reference;
        Error cause = ERROR_INIT;

        if (image_find(catalog, name, &image, err) < 0 ||
            reference_parse_local(tagged, &reference, err) < 0)
                return -1;
        if (store_image_add_name(image_catalog_store(catalog), image->id,
                                 reference_format(&reference, text), &cause) < 0) {
                if (cause.kind != ERR_NOT_FOUND)
                        return error_copy(err, &cause);
                return error_set(err, ERR_IMAGE_NOT_FOUND, name,
                                 "image %s was removed by somebody else", image->id);
        }
        *ret_id = xstrdup(image->id);
        return 0;
}
