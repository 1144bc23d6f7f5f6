/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A short name can mean images of several registries. The meanings have ranks, from the most
 * literal to the most generous: what was typed, what registries.conf makes of it, docker.io, and at
 * last any registry. Every name of every image is given its rank, and the best one that occurs
 * wins. Only the last can hit images of different registries at once, and then nothing is guessed.
 */

#include "image/lookup.h"

#include <stdint.h>
#include <string.h>

#include "image/catalog.h"
#include "image/short_names.h"
#include "oci/digest.h"
#include "oci/reference.h"

#define AMBIGUOUS_LISTED_MAX 8 /* matches that an error names */

/* What is looked for: the typed reference, and the whole repository names it may stand for. */
typedef struct Wanted {
        Reference reference;
        Strings repositories; /* best first; the index is the rank */
} Wanted;

#define RANK_NONE SIZE_MAX

/* A stored name, cut into borrowed pieces: `repository[:tag][@digest]`. */
typedef struct StoredName {
        const char *repository;
        size_t repository_size;
        const char *tag;
        size_t tag_size;
        const char *digest;
} StoredName;

void image_match_done(ImageMatch *match) {
        store_image_unref(match->image);
        free(match->name);
        *match = (ImageMatch)IMAGE_MATCH_INIT;
}

/* --- names --- */

static StoredName cut(const char *name) {
        const char *end = strchrnul(name, '@');
        const char *slash = memrchr(name, '/', (size_t)(end - name));
        const char *last = slash ? slash : name;
        const char *colon = memchr(last, ':', (size_t)(end - last));
        const char *repository_end = colon ? colon : end;

        return (StoredName){
                .repository = name,
                .repository_size = (size_t)(repository_end - name),
                .tag = colon ? colon + 1 : NULL,
                .tag_size = colon ? (size_t)(end - colon - 1) : 0,
                .digest = *end ? end + 1 : NULL,
        };
}

static void wanted_done(Wanted *wanted) {
        strings_done(&wanted->repositories);
}

static void add_repository(Wanted *wanted, const Reference *reference) {
        char name[REFERENCE_TEXT_MAX];

        reference_format_name(reference, name);
        if (!strings_contains(&wanted->repositories, name))
                strings_add(&wanted->repositories, name);
}

/* Work out what a typed name may stand for; false if it is no reference. */
static bool prepare(ImageCatalog *catalog, const char *name, Wanted *wanted) {
        _cleanup_name_candidates_ NameCandidates candidates = NAME_CANDIDATES_INIT;
        Reference docker;

        if (reference_parse(name, &wanted->reference, NULL) < 0 ||
            image_names_local(image_catalog_registries(catalog), name, &candidates, NULL) < 0)
                return false;
        add_repository(wanted, &wanted->reference);
        for (size_t i = 0; i < candidates.count; i++)
                add_repository(wanted, &candidates.items[i].reference);
        docker = wanted->reference;
        if (reference_normalize(&docker, NULL) == 0)
                add_repository(wanted, &docker);
        return true;
}

static bool is_repository(const StoredName *stored, const char *repository) {
        return strlen(repository) == stored->repository_size &&
               memcmp(repository, stored->repository, stored->repository_size) == 0;
}

static bool has_last_components(const StoredName *stored, const char *path) {
        size_t size = strlen(path);

        return stored->repository_size > size &&
               stored->repository[stored->repository_size - size - 1] == '/' &&
               memcmp(stored->repository + stored->repository_size - size, path, size) == 0;
}

static size_t rank_repository(const StoredName *stored, const Wanted *wanted) {
        const Strings *repositories = &wanted->repositories;

        for (size_t rank = 0; rank < repositories->count; rank++)
                if (is_repository(stored, repositories->items[rank]))
                        return rank;
        if (!*wanted->reference.domain && has_last_components(stored, wanted->reference.path))
                return repositories->count;
        return RANK_NONE;
}

/* The digests of an image are those of its manifests: the chosen one's and an index's, if it came
 * by one. */
static bool image_has_digest(const StoreImage *image, const char *digest) {
        if (image->digest && text_equal(image->digest, digest))
                return true;
        for (size_t i = 0; i < image->big_data_count; i++)
                if (text_starts_with(image->big_data[i].key, "manifest") &&
                    image->big_data[i].digest && text_equal(image->big_data[i].digest, digest))
                        return true;
        return false;
}

static bool has_tag(const StoredName *stored, const char *tag) {
        return stored->tag && !stored->digest && strlen(tag) == stored->tag_size &&
               memcmp(tag, stored->tag, stored->tag_size) == 0;
}

static size_t rank_name(const StoreImage *image, const char *name, const Wanted *wanted) {
        const Reference *typed = &wanted->reference;
        StoredName stored = cut(name);
        bool is_wanted =
                *typed->digest ? image_has_digest(image, typed->digest) ||
                                         (stored.digest && text_equal(stored.digest, typed->digest))
                               : has_tag(&stored, *typed->tag ? typed->tag : "latest");

        return is_wanted ? rank_repository(&stored, wanted) : RANK_NONE;
}

/* --- matches --- */

/* Different images that match equally well; borrowed from the snapshot. */
typedef struct Candidates {
        StoreImage *first;
        const char *first_name;
        size_t count;
        Buffer list; /* the first few, for an error */
} Candidates;

static void candidates_add(Candidates *candidates, StoreImage *image, const char *name) {
        if (candidates->count == 0) {
                candidates->first = image;
                candidates->first_name = name;
        }
        candidates->count++;
        if (candidates->count > AMBIGUOUS_LISTED_MAX)
                return;
        const char *shown = name ? name : image->names.count ? image->names.items[0] : NULL;
        buffer_printf(&candidates->list, "%s%.12s%s%.100s%s", candidates->count > 1 ? ", " : "",
                      image->id, shown ? " (" : "", shown ? shown : "", shown ? ")" : "");
}

static void candidates_clear(Candidates *candidates) {
        buffer_done(&candidates->list);
        *candidates = (Candidates){ .list = BUFFER_INIT };
}

static void find_by_name(ImageCatalog *catalog, const StoreImages *images, const char *name,
                         Candidates *candidates) {
        _cleanup_(wanted_done)
        Wanted wanted = { .reference = REFERENCE_INIT, .repositories = STRINGS_INIT };
        size_t best = RANK_NONE;

        if (!prepare(catalog, name, &wanted))
                return;
        for (size_t i = 0; i < images->count; i++) {
                StoreImage *image = images->items[i], *added = NULL;
                for (size_t j = 0; j < image->names.count; j++) {
                        size_t rank = rank_name(image, image->names.items[j], &wanted);
                        if (rank == RANK_NONE || rank > best || (rank == best && added == image))
                                continue;
                        if (rank < best)
                                candidates_clear(candidates);
                        best = rank;
                        added = image;
                        /* A digest names an image, not one of its names. */
                        candidates_add(candidates, image,
                                       *wanted.reference.digest ? NULL : image->names.items[j]);
                }
        }
}

static void find_by_digest(const StoreImages *images, const char *digest, Candidates *candidates) {
        for (size_t i = 0; i < images->count; i++)
                if (image_has_digest(images->items[i], digest))
                        candidates_add(candidates, images->items[i], NULL);
}

static void find_by_prefix(const StoreImages *images, const char *prefix, Candidates *candidates) {
        size_t size = strlen(prefix);

        for (size_t i = 0; i < images->count; i++)
                if (strncmp(images->items[i]->id, prefix, size) == 0)
                        candidates_add(candidates, images->items[i], NULL);
}

/* The rules in their order; the full id was tried before. */
static void find(ImageCatalog *catalog, const StoreImages *images, const char *name,
                 Candidates *candidates) {
        const char *hex = text_starts_with(name, "sha256:");

        if (hex) {
                if (text_is_hex(hex))
                        find_by_prefix(images, hex, candidates);
                if (!candidates->count && digest_is_valid(name))
                        find_by_digest(images, name, candidates);
                return;
        }
        find_by_name(catalog, images, name, candidates);
        if (!candidates->count && text_is_hex(name))
                find_by_prefix(images, name, candidates);
}

static const char *skip_transport(const char *name) {
        static const char *const transports[] = { "docker://", "containers-storage:" };

        for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
                const char *rest = text_starts_with(name, transports[i]);
                if (rest)
                        return rest;
        }
        return name;
}

/* A full id needs no list of all images: 1 found, 0 not, -1 error. */
static int find_by_id(Store *store, const char *name, StoreImage **ret, Error *err) {
        const char *hex = text_starts_with(name, "sha256:");
        Error cause = ERROR_INIT;

        hex = hex ? hex : name;
        if (strlen(hex) != DIGEST_HEX_SIZE || !text_is_hex(hex))
                return 0;
        if (store_image_get(store, hex, ret, &cause) == 0)
                return 1;
        if (cause.kind == ERR_NOT_FOUND || cause.kind == ERR_IMAGE_NOT_FOUND)
                return 0;
        return error_copy(err, &cause);
}

int image_lookup(ImageCatalog *catalog, const char *name, ImageMatch *ret, Error *err) {
        Store *store = image_catalog_store(catalog);
        _cleanup_(store_images_done)
        StoreImages images = { .items = NULL };
        _cleanup_(candidates_clear)
        Candidates candidates = { .list = BUFFER_INIT };
        const char *word = skip_transport(name);
        StoreImage *image;

        int found = find_by_id(store, word, &image, err);
        if (found < 0)
                return -1;
        if (found) {
                *ret = (ImageMatch){ .image = image };
                return 0;
        }
        if (store_images(store, &images, err) < 0)
                return -1;
        find(catalog, &images, word, &candidates);
        if (candidates.count == 0)
                return error_set(err, ERR_IMAGE_NOT_FOUND, name, "no such image: \"%.600s\"", name);
        if (candidates.count > 1) {
                buffer_append_byte(&candidates.list, '\0');
                return error_set(err, ERR_AMBIGUOUS, name, "\"%.200s\" means %zu images: %s%s",
                                 name, candidates.count, candidates.list.data,
                                 candidates.count > AMBIGUOUS_LISTED_MAX ? ", ..." : "");
        }
        *ret = (ImageMatch){
                .image = store_image_ref(candidates.first),
                .name = candidates.first_name ? xstrdup(candidates.first_name) : NULL,
        };
        return 0;
}

int image_find(ImageCatalog *catalog, const char *name, StoreImage **ret, Error *err) {
        ImageMatch match = IMAGE_MATCH_INIT;

        if (image_lookup(catalog, name, &match, err) < 0)
                return -1;
        free(match.name);
        *ret = match.image;
        return 0;
}
