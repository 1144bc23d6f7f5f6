/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A config lists its steps oldest first, and each that is not marked empty made one layer. So the
 * chain of layers is walked down from its top while the steps are walked back from the newest: the
 * layer that is current at a step is the top of the image that ended with it, if anybody kept that.
 */

#include "image/history.h"

typedef struct Walk {
        ImageCatalog *catalog;
        const ImageConfig *config;
        StoreImages images;
        StoreLayer *layer; /* current; NULL: below the last one */
} Walk;

static void walk_done(Walk *walk) {
        store_images_done(&walk->images);
        store_layer_unref(walk->layer);
}

/* Whether the config's steps up to @index are all that another image was made by. */
static bool ends_with_step(const ImageConfig *other, const ImageConfig *config, size_t index) {
        if (other->history_count != index + 1)
                return false;
        const ImageHistory *a = &other->history[index], *b = &config->history[index];
        return a->created_ns == b->created_ns && a->is_empty_layer == b->is_empty_layer &&
               text_equal(a->created_by, b->created_by) && text_equal(a->comment, b->comment);
}

static const char *find_image(const Walk *walk, size_t index) {
        for (size_t i = 0; walk->layer && i < walk->images.count; i++) {
                const StoreImage *image = walk->images.items[i];
                _cleanup_(image_details_unrefp)
                ImageDetails *details = NULL;
                if (image->layer && text_equal(image->layer, walk->layer->id) &&
                    image_details(walk->catalog, image, &details, NULL) == 0 &&
                    ends_with_step(&details->config, walk->config, index))
                        return image->id;
        }
        return IMAGE_STEP_UNKNOWN;
}

static int enter_layer(Walk *walk, const char *id, Error *err) {
        StoreLayer *layer = NULL;

        if (id && store_layer_get(image_catalog_store(walk->catalog), id, &layer, err) < 0)
                return -1;
        store_layer_unref(walk->layer);
        walk->layer = layer;
        return 0;
}

static int take_step(Walk *walk, size_t index, Arena *arena, ImageStep *ret, Error *err) {
        const ImageHistory *history = &walk->config->history[index];
        bool has_layer = walk->layer && !history->is_empty_layer;

        *ret = (ImageStep){
                .id = arena_strdup(arena, find_image(walk, index)),
                .created_ns = history->created_ns,
                .created_by = arena_strdup(arena, history->created_by),
                .comment = arena_strdup(arena, history->comment),
                .size = has_layer && walk->layer->diff_size > 0 ? walk->layer->diff_size : 0,
        };
        return has_layer ? enter_layer(walk, walk->layer->parent, err) : 0;
}

int image_history(ImageCatalog *catalog, const StoreImage *image, Arena *arena, ImageStep **ret,
                  size_t *ret_count, Error *err) {
        _cleanup_(image_details_unrefp)
        ImageDetails *details = NULL;
        _cleanup_(walk_done)
        Walk walk = { .catalog = catalog };

        if (image_details(catalog, image, &details, err) < 0 ||
            store_images(image_catalog_store(catalog), &walk.images, err) < 0 ||
            enter_layer(&walk, image->layer, err) < 0)
                return -1;
        walk.config = &details->config;
        size_t count = details->config.history_count;
        ImageStep *steps = arena_new(arena, ImageStep, count);
        for (size_t i = 0; i < count; i++)
                if (take_step(&walk, count - 1 - i, arena, &steps[i], err) < 0)
                        return -1;
        if (count > 0) /* of several images that are the same but for their names, the asked one */
                steps[0].id = arena_strdup(arena, image->id);
        *ret = steps;
        *ret_count = count;
        return 0;
}
