/* SPDX-License-Identifier: Apache-2.0 */
#include "image/catalog.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "oci/digest.h"
#include "oci/manifest.h"

struct ImageCatalog {
        Store *store;
        const Registries *registries;
        pthread_mutex_t lock; /* guards what follows; nothing else is locked while it is held */
        Map details;          /* by image id; the map owns one reference each */
        size_t details_cost;  /* of all in the map; see cost() */
        pthread_mutex_t
                names_lock; /* see image_catalog_lock_names(); taken before the store's own */
};

ImageCatalog *image_catalog_new(Store *store, const Registries *registries) {
        static const Registries none = REGISTRIES_INIT;
        ImageCatalog *catalog = xnew(ImageCatalog, 1);

        catalog->store = store;
        catalog->registries = registries ? registries : &none;
        pthread_mutex_init(&catalog->lock, NULL);
        pthread_mutex_init(&catalog->names_lock, NULL);
        return catalog;
}

ImageCatalog *image_catalog_free(ImageCatalog *catalog) {
        if (!catalog)
                return NULL;
        MAP_FOREACH (slot, &catalog->details)
                image_details_unref(slot->value);
        map_done(&catalog->details);
        pthread_mutex_destroy(&catalog->lock);
        pthread_mutex_destroy(&catalog->names_lock);
        free(catalog);
        return NULL;
}

Store *image_catalog_store(const ImageCatalog *catalog) {
        return catalog->store;
}

const Registries *image_catalog_registries(const ImageCatalog *catalog) {
        return catalog->registries;
}

void image_catalog_lock_names(ImageCatalog *catalog) {
        pthread_mutex_lock(&catalog->names_lock);
}

void image_catalog_unlock_names(ImageCatalog *catalog) {
        pthread_mutex_unlock(&catalog->names_lock);
}

ImageDetails *image_details_ref(ImageDetails *details) {
        __atomic_fetch_add(&details->n_references, 1, __ATOMIC_RELAXED);
        return details;
}

ImageDetails *image_details_unref(ImageDetails *details) {
        if (details && __atomic_fetch_sub(&details->n_references, 1, __ATOMIC_ACQ_REL) == 1) {
                image_config_done(&details->config);
                free(details);
        }
        return NULL;
}

/* --- loading --- */

/* Where the config is stored: under its digest, which is the image's id but for ancient images. */
static int find_config_key(ImageCatalog *catalog, const StoreImage *image,
                           char key[static DIGEST_TEXT_SIZE], Error *err) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_free_ char *text = NULL;
        size_t size;

        snprintf(key, DIGEST_TEXT_SIZE, "sha256:%.64s", image->id);
        for (size_t i = 0; i < image->big_data_count; i++)
                if (text_equal(image->big_data[i].key, key))
                        return 0;
        if (store_image_read(catalog->store, image, "manifest", &text, &size, err) < 0 ||
            manifest_parse(text, size, &manifest, err) < 0)
                return -1;
        memcpy(key, manifest.config.digest, DIGEST_TEXT_SIZE);
        return 0;
}

static int load_config(ImageCatalog *catalog, const StoreImage *image, ImageDetails *details,
                       Error *err) {
        char key[DIGEST_TEXT_SIZE], actual[DIGEST_TEXT_SIZE];
        _cleanup_free_ char *text = NULL;
        Digest digest;

        if (find_config_key(catalog, image, key, err) < 0 ||
            store_image_read(catalog->store, image, key, &text, &details->config_bytes, err) < 0)
                return -1;
        digest_compute(text, details->config_bytes, &digest);
        if (!text_equal(digest_format(&digest, actual), key))
                return error_set(err, ERR_CORRUPT, key,
                                 "its config has the digest %s instead of %s", actual, key);
        return image_config_parse(text, details->config_bytes, &details->config, err);
}

static int load_layers_size(ImageCatalog *catalog, const StoreImage *image, int64_t *ret,
                            Error *err) {
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        const char *id = image->layer;
        int64_t total = 0;

        for (size_t depth = 0; id; depth++) {
                StoreLayer *next;
                if (depth > STORE_LAYERS_MAX)
                        return error_set(err, ERR_CORRUPT, image->layer,
                                         "it has more than %d layers", STORE_LAYERS_MAX);
                if (store_layer_get(catalog->store, id, &next, err) < 0)
                        return -1;
                store_layer_unref(layer);
                layer = next;
                if (layer->diff_size > 0 && __builtin_add_overflow(total, layer->diff_size, &total))
                        return error_set(err, ERR_CORRUPT, layer->id,
                                         "its size is beyond counting");
                id = layer->parent;
        }
        *ret = total;
        return 0;
}

/* Whatever is wrong with a stored document is no fault of the caller's arguments. */
static void blame_store(Error *err, const StoreImage *image) {
        if (!err)
                return;
        if (err->kind == ERR_INVALID || err->kind == ERR_NOT_FOUND) {
                err->kind = ERR_CORRUPT;
                snprintf(err->subject, sizeof(err->subject), "%s", image->id);
        }
        (void)error_prefix(err, "image %s", image->id);
}

static int load(ImageCatalog *catalog, const StoreImage *image, ImageDetails **ret, Error *err) {
        _cleanup_(image_details_unrefp)
        ImageDetails *details = xnew(ImageDetails, 1);

        details->n_references = 1;
        if (load_config(catalog, image, details, err) < 0 ||
            load_layers_size(catalog, image, &details->layers_size, err) < 0) {
                blame_store(err, image);
                return -1;
        }
        *ret = TAKE_PTR(details);
        return 0;
}

/* --- keeping --- */

static size_t cost(const ImageDetails *details) {
        return details->config_bytes > IMAGE_CACHE_ENTRY_MIN ? details->config_bytes
                                                             : IMAGE_CACHE_ENTRY_MIN;
}

static bool has_room_locked(const ImageCatalog *catalog, const ImageDetails *details) {
        return catalog->details_cost + cost(details) <= IMAGE_CACHE_BYTES_MAX;
}

static void forget_locked(ImageCatalog *catalog, const char *id) {
        ImageDetails *details = map_remove(&catalog->details, id);

        if (details)
                catalog->details_cost -= cost(details);
        image_details_unref(details);
}

void image_catalog_forget(ImageCatalog *catalog, const char *id) {
        pthread_mutex_lock(&catalog->lock);
        forget_locked(catalog, id);
        pthread_mutex_unlock(&catalog->lock);
}

/* Other tools remove images too: drop what is kept about those that the store has no more. */
static void forget_gone(ImageCatalog *catalog, const StoreImages *images) {
        _cleanup_strings_ Strings gone = STRINGS_INIT;
        _cleanup_(map_done)
        Map present = MAP_INIT;

        for (size_t i = 0; i < images->count; i++)
                map_put(&present, images->items[i]->id, images->items[i]);
        pthread_mutex_lock(&catalog->lock);
        MAP_FOREACH (slot, &catalog->details) {
                if (!map_get(&present, slot->key))
                        strings_add(&gone, slot->key);
        }
        for (size_t i = 0; i < gone.count; i++)
                forget_locked(catalog, gone.items[i]);
        pthread_mutex_unlock(&catalog->lock);
}

static void make_room(ImageCatalog *catalog, const ImageDetails *details) {
        _cleanup_(store_images_done)
        StoreImages images = { .items = NULL };

        pthread_mutex_lock(&catalog->lock);
        bool has_room = has_room_locked(catalog, details);
        pthread_mutex_unlock(&catalog->lock);
        if (!has_room && store_images(catalog->store, &images, NULL) == 0)
                forget_gone(catalog, &images);
}

/* Keep it if there is room, and hand it out; if another thread was faster, hand out that one's. */
static ImageDetails *keep(ImageCatalog *catalog, const char *id, ImageDetails *take_details) {
        make_room(catalog, take_details);
        pthread_mutex_lock(&catalog->lock);
        ImageDetails *known = map_get(&catalog->details, id);
        if (known) {
                image_details_ref(known);
        } else if (has_room_locked(catalog, take_details)) {
                map_put(&catalog->details, id, image_details_ref(take_details));
                catalog->details_cost += cost(take_details);
        }
        pthread_mutex_unlock(&catalog->lock);
        if (!known)
                return take_details;
        image_details_unref(take_details);
        return known;
}

int image_details(ImageCatalog *catalog, const StoreImage *image, ImageDetails **ret, Error *err) {
        ImageDetails *details;

        pthread_mutex_lock(&catalog->lock);
        details = map_get(&catalog->details, image->id);
        if (details)
                image_details_ref(details);
        pthread_mutex_unlock(&catalog->lock);
        if (!details) {
                if (load(catalog, image, &details, err) < 0)
                        return -1;
                details = keep(catalog, image->id, details);
        }
        *ret = details;
        return 0;
}

int64_t image_size(const StoreImage *image, const ImageDetails *details) {
        int64_t total = details ? details->layers_size : 0;

        for (size_t i = 0; i < image->big_data_count; i++)
                if (image->big_data[i].size > 0)
                        total += image->big_data[i].size;
        return total;
}

/* --- showing --- */

static bool is_among(char *const *items, size_t count, const char *text) {
        for (size_t i = 0; i < count; i++)
                if (text_equal(items[i], text))
                        return true;
        return false;
}

static void add_digest(ImageSummary *summary, const char *repository, size_t size,
                       const char *digest, Arena *arena) {
        char *text = arena_printf(arena, "%.*s@%s", (int)size, repository, digest);

        if (!is_among(summary->repo_digests, summary->repo_digests_count, text))
                summary->repo_digests[summary->repo_digests_count++] = text;
}

/*
 * By which digests a repository knows the image: that of the manifest it was made of, and of an
 * index that led to it. As podman, each with each name.
 */
static void add_digests(const StoreImage *image, const char *name, Arena *arena,
                        ImageSummary *summary) {
        const char *end = strchrnul(name, '@');
        const char *slash = memrchr(name, '/', (size_t)(end - name));
        const char *colon =
                memchr(slash ? slash : name, ':', (size_t)(end - (slash ? slash : name)));
        size_t size = (size_t)((colon ? colon : end) - name);

        if (image->digest)
                add_digest(summary, name, size, image->digest, arena);
        for (size_t i = 0; i < image->big_data_count; i++) {
                const StoreBigData *item = &image->big_data[i];
                if (item->digest && text_starts_with(item->key, "manifest"))
                        add_digest(summary, name, size, item->digest, arena);
        }
        if (*end)
                add_digest(summary, name, size, end + 1, arena);
}

static void summarize_names(const StoreImage *image, Arena *arena, ImageSummary *summary) {
        size_t count = image->names.count;

        summary->repo_tags = arena_new(arena, char *, count);
        summary->repo_digests = arena_new(arena, char *, count *(image->big_data_count + 2));
        for (size_t i = 0; i < count; i++) {
                const char *name = image->names.items[i];
                if (!strchr(name, '@'))
                        summary->repo_tags[summary->repo_tags_count++] = arena_strdup(arena, name);
                add_digests(image, name, arena, summary);
        }
}

static void summarize_labels(const Pairs *labels, Arena *arena, ImageSummary *summary) {
        Pair *copies = arena_new(arena, Pair, labels->count);

        for (size_t i = 0; i < labels->count; i++)
                copies[i] = (Pair){
                        .key = arena_strdup(arena, labels->items[i].key),
                        .value = arena_strdup(arena, labels->items[i].value),
                };
        summary->labels = copies;
        summary->labels_count = labels->count;
}

static void summarize(const StoreImage *image, const ImageDetails *details, Arena *arena,
                      ImageSummary *ret) {
        *ret = (ImageSummary){
                .id = arena_strdup(arena, image->id),
                .created_ns = image->created_ns,
                .size = image_size(image, details),
        };
        summarize_names(image, arena, ret);
        if (details)
                summarize_labels(&details->config.settings.labels, arena, ret);
}

/* How many containers of any tool were made from each image: one pass over both lists. */
static int count_users(ImageCatalog *catalog, ImageSummary *summaries, size_t count, Error *err) {
        _cleanup_(store_containers_done)
        StoreContainers containers = { .items = NULL };
        _cleanup_(map_done)
        Map by_id = MAP_INIT;

        if (store_containers(catalog->store, &containers, err) < 0)
                return -1;
        for (size_t i = 0; i < count; i++)
                map_put(&by_id, summaries[i].id, &summaries[i]);
        for (size_t i = 0; i < containers.count; i++) {
                ImageSummary *summary = map_get(&by_id, containers.items[i]->image);
                if (summary)
                        summary->users_count++;
        }
        return 0;
}

int image_list(ImageCatalog *catalog, Arena *arena, ImageSummary **ret, size_t *ret_count,
               Error *err) {
        _cleanup_(store_images_done)
        StoreImages images = { .items = NULL };

        if (store_images(catalog->store, &images, err) < 0)
                return -1;
        ImageSummary *summaries = arena_new(arena, ImageSummary, images.count);
        for (size_t i = 0; i < images.count; i++) {
                _cleanup_(image_details_unrefp)
                ImageDetails *details = NULL;
                (void)image_details(catalog, images.items[i], &details, NULL);
                summarize(images.items[i], details, arena, &summaries[i]);
        }
        if (count_users(catalog, summaries, images.count, err) < 0)
                return -1;
        *ret = summaries;
        *ret_count = images.count;
        return 0;
}

int image_summarize(ImageCatalog *catalog, const StoreImage *image, Arena *arena, ImageSummary *ret,
                    Error *err) {
        _cleanup_(image_details_unrefp)
        ImageDetails *details = NULL;
        ImageSummary summary;

        if (image_details(catalog, image, &details, err) < 0)
                return -1;
        summarize(image, details, arena, &summary);
        if (count_users(catalog, &summary, 1, err) < 0)
                return -1;
        *ret = summary;
        return 0;
}
