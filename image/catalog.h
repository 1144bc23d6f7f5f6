/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The images of a store as users see them: found by what they type, listed by what they ask.
 *
 * The store's records are the truth and are read at each call; what their configs say never
 * changes (an image's id is its config's digest), so parsed configs are kept by id. Thread-safe;
 * like the store it may wait for other tools' locks, so never on the loop.
 */

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "image/lookup.h"
#include "image/registries.h"
#include "oci/image_config.h"
#include "storage/store.h"

/* Bound of the cache of parsed configs, in bytes of their texts, each counted as
 * IMAGE_CACHE_ENTRY_MIN at least. When full, what is in it stays until its image is gone: lists
 * walk all images in the same order, and making room for the newest would evict each just before
 * its use. */
#define IMAGE_CACHE_BYTES_MAX (8 * 1024 * 1024)
#define IMAGE_CACHE_ENTRY_MIN 4096

/**
 * image_catalog_new() - the images of a store
 * @registries: what short names mean; NULL: nothing is configured
 *
 * Both are borrowed and must outlive the catalog.
 */
ImageCatalog *image_catalog_new(Store *store, const Registries *registries);
ImageCatalog *image_catalog_free(ImageCatalog *catalog);
DEFINE_CLEANUP(ImageCatalog, image_catalog_free);

/** image_catalog_store(), image_catalog_registries() - borrowed */
const Registries *image_catalog_registries(const ImageCatalog *catalog);
Store *image_catalog_store(const ImageCatalog *catalog);

/**
 * image_catalog_lock_names() - hold this while what is looked at must not be removed by us
 *
 * Images are removed and lose names under it. Other tools do not know it.
 */
void image_catalog_lock_names(ImageCatalog *catalog);
void image_catalog_unlock_names(ImageCatalog *catalog);

/** image_catalog_forget() - drop what is kept about an image that is gone */
void image_catalog_forget(ImageCatalog *catalog, const char *id);

/* --- what an image says of itself --- */

/* Immutable, reference-counted, shared by all who ask. */
typedef struct ImageDetails {
        ImageConfig config;
        int64_t layers_size;   /* bytes of all its layers' uncompressed tars */
        size_t config_bytes;   /* of the document */
        unsigned n_references; /* atomic */
} ImageDetails;

ImageDetails *image_details_ref(ImageDetails *details);
ImageDetails *image_details_unref(ImageDetails *details);
DEFINE_CLEANUP(ImageDetails, image_details_unref);

/**
 * image_details() - the parsed config of an image; @ret is referenced
 *
 * The document is checked against the digest it is stored under.
 * Errors: ERR_CORRUPT (no config, or one that is not what its digest says), ERR_INVALID,
 * ERR_LIMIT, ERR_IO.
 */
int image_details(ImageCatalog *catalog, const StoreImage *image, ImageDetails **ret, Error *err);

/**
 * image_size() - bytes, as podman and the original count them: every layer's uncompressed tar, and
 * every document that is stored with the image (manifests, config, signatures)
 */
int64_t image_size(const StoreImage *image, const ImageDetails *details);

/* What ListImages and GetImage show; everything is owned by the arena that was given. */
typedef struct ImageSummary {
        const char *id;
        char **repo_tags; /* full names with a tag */
        size_t repo_tags_count;
        char **repo_digests; /* `domain/path@sha256:...`: each repository, each manifest */
        size_t repo_digests_count;
        int64_t created_ns;
        int64_t size;       /* bytes, see image_size() */
        const Pair *labels; /* sorted by key */
        size_t labels_count;
        size_t users_count; /* containers of any tool that were made from it */
} ImageSummary;

/**
 * image_list() - every image of the store, in the store's order (oldest record first)
 *
 * An image whose config is broken or gone is listed by what its record says: a list never fails
 * for one image's sake.
 */
int image_list(ImageCatalog *catalog, Arena *arena, ImageSummary **ret, size_t *ret_count,
               Error *err);

/** image_summarize() - the same for one image */
int image_summarize(ImageCatalog *catalog, const StoreImage *image, Arena *arena, ImageSummary *ret,
                    Error *err);
