/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/index.h"

#include <stdio.h>

#include "base/buffer.h"
#include "oci/document.h"

#define NAME_ANNOTATION "org.opencontainers.image.ref.name"
#define LISTED_MAX      16 /* entries that an error names */

static void entry_done(IndexEntry *entry) {
        free(entry->descriptor.media_type);
        free(entry->os);
        free(entry->architecture);
        free(entry->variant);
        free(entry->name);
}

void index_init(Index *index) {
        *index = (Index){ .document = json_object() };
        document_put(index->document, "schemaVersion", json_integer(2));
        document_put(index->document, "manifests", json_array());
}

void index_done(Index *index) {
        for (size_t i = 0; i < index->count; i++)
                entry_done(&index->entries[i]);
        free(index->entries);
        json_decref(index->document);
        *index = (Index)INDEX_INIT;
}

/* --- reading --- */

bool index_is_index(const char *text, size_t size, const char *media_type) {
        json_auto_t *json = NULL;
        const char *own;

        if (media_type && media_type_is_index(media_type))
                return true;
        if (media_type && media_type_is_manifest(media_type))
                return false;
        if (document_parse(text, size, MANIFEST_SIZE_MAX, "manifest", &json, NULL) < 0)
                return false;
        own = json_string_value(json_object_get(json, "mediaType"));
        return own && *own ? media_type_is_index(own) : json_object_get(json, "manifests") != NULL;
}

static int parse_platform(const json_t *json, const char *where, IndexEntry *entry, Error *err) {
        char inner[64];
        json_t *platform;

        if (document_object(json, where, "platform", &platform, err) < 0)
                return -1;
        snprintf(inner, sizeof(inner), "%splatform.", where);
        entry->has_platform = platform != NULL;
        if (document_text(platform, inner, "os", &entry->os, err) < 0 ||
            document_text(platform, inner, "architecture", &entry->architecture, err) < 0)
                return -1;
        return document_text(platform, inner, "variant", &entry->variant, err);
}

static int parse_name(const json_t *json, const char *where, IndexEntry *entry, Error *err) {
        _cleanup_pairs_ Pairs annotations = PAIRS_INIT;

        if (document_pairs(json, where, "annotations", ANNOTATIONS_MAX, &annotations, err) < 0)
                return -1;
        const char *name = pairs_get(&annotations, NAME_ANNOTATION);
        entry->name = xstrdup(name ? name : "");
        return 0;
}

static int parse_entries(const json_t *array, Index *index, Error *err) {
        json_t *json;
        size_t i;

        json_array_foreach(array, i, json) {
                char where[32];
                snprintf(where, sizeof(where), "manifests[%zu].", i);
                if (!json_is_object(json))
                        return error_set(err, ERR_INVALID, "manifests",
                                         "manifests[%zu] is not an object", i);
                GROW(index->entries, index->count, index->capacity);
                IndexEntry *entry = &index->entries[index->count++];
                *entry = (IndexEntry){ .name = NULL };
                if (descriptor_parse(json, where, &entry->descriptor, err) < 0 ||
                    parse_platform(json, where, entry, err) < 0 ||
                    parse_name(json, where, entry, err) < 0)
                        return -1;
        }
        return 0;
}

/* See manifest.c: nothing may be two kinds of document at once. */
static int check_kind(const json_t *json, Error *err) {
        static const char *const foreign[] = { "config", "layers", "fsLayers", "history" };
        _cleanup_free_ char *media_type = NULL;
        int64_t version;

        if (document_integer(json, "", "schemaVersion", &version, err) < 0 ||
            document_text(json, "", "mediaType", &media_type, err) < 0)
                return -1;
        if (version != 2)
                return error_set(err, ERR_UNSUPPORTED, "schemaVersion",
                                 "index of schema version %lld, only 2 is known",
                                 (long long)version);
        if (*media_type && !media_type_is_index(media_type))
                return error_set(err, ERR_UNSUPPORTED, "mediaType",
                                 "index of unknown media type \"%.100s\"", media_type);
        for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
                if (json_object_get(json, foreign[i]))
                        return error_set(err, ERR_UNSUPPORTED, foreign[i],
                                         "an index of images that has a member \"%s\", as "
                                         "manifests have",
                                         foreign[i]);
        return 0;
}

int index_parse(const char *text, size_t size, Index *ret, Error *err) {
        _cleanup_index_ Index index = INDEX_INIT;
        _cleanup_pairs_ Pairs annotations = PAIRS_INIT;
        json_t *entries;

        if (document_parse(text, size, MANIFEST_SIZE_MAX, "index", &index.document, err) < 0 ||
            check_kind(index.document, err) < 0 ||
            document_array(index.document, "", "manifests", INDEX_ENTRIES_MAX, &entries, err) < 0 ||
            parse_entries(entries, &index, err) < 0 ||
            document_pairs(index.document, "", "annotations", ANNOTATIONS_MAX, &annotations, err) <
                    0)
                return -1;
        *ret = index;
        index = (Index)INDEX_INIT;
        return 0;
}

/* --- finding --- */

static const Descriptor *find_platform(const Index *index, const Platform *platform,
                                       const char *variant) {
        for (size_t i = 0; i < index->count; i++) {
                const IndexEntry *entry = &index->entries[i];
                if (entry->has_platform && text_equal(entry->os, platform->os) &&
                    text_equal(entry->architecture, platform->architecture) &&
                    text_equal(entry->variant, variant))
                        return &entry->descriptor;
        }
        return NULL;
}

static void append_platform(Buffer *text, const char *os, const char *architecture,
                            const char *variant) {
        buffer_printf(text, "%.40s/%.40s", os, architecture);
        if (*variant)
                buffer_printf(text, "/%.40s", variant);
}

static const Descriptor *refuse_platform(const Index *index, const Platform *platform, Error *err) {
        _cleanup_buffer_ Buffer wanted = BUFFER_INIT, text = BUFFER_INIT;

        append_platform(&wanted, platform->os, platform->architecture, platform->variant);
        buffer_append_byte(&wanted, '\0');
        for (size_t i = 0; i < index->count && i < LISTED_MAX; i++) {
                const IndexEntry *entry = &index->entries[i];
                buffer_append_string(&text, i > 0 ? ", " : "");
                append_platform(&text, entry->os, entry->architecture, entry->variant);
        }
        buffer_append_byte(&text, '\0');
        if (!buffer_failed(&text) && !buffer_failed(&wanted))
                (void)error_set(err, ERR_NOT_FOUND, wanted.data,
                                "there is no image for %s among the %zu that the index names%s%s",
                                wanted.data, index->count, index->count ? ": " : "", text.data);
        return NULL;
}

const Descriptor *index_choose(const Index *index, const Platform *platform, Error *err) {
        const char *variants[PLATFORM_VARIANTS_MAX];
        Platform host;

        if (!platform) {
                platform_of_host(&host);
                platform = &host;
        }
        size_t count = platform_variants(platform, variants);
        for (size_t i = 0; i < count; i++) {
                const Descriptor *found = find_platform(index, platform, variants[i]);
                if (found)
                        return found;
        }
        for (size_t i = 0; i < index->count; i++)
                if (!index->entries[i].has_platform)
                        return &index->entries[i].descriptor;
        return refuse_platform(index, platform, err);
}

const IndexEntry *index_find(const Index *index, const char *name, Error *err) {
        if (!name && index->count == 1)
                return &index->entries[0];
        if (!name) {
                (void)error_set(err, index->count ? ERR_AMBIGUOUS : ERR_NOT_FOUND, "index.json",
                                index->count ? "there are %zu images; one has to be named"
                                             : "there is no image (%zu entries)",
                                index->count);
                return NULL;
        }
        for (size_t i = 0; i < index->count; i++)
                if (text_equal(index->entries[i].name, name))
                        return &index->entries[i];
        (void)error_set(err, ERR_NOT_FOUND, name, "there is no image \"%.200s\" among the %zu",
                        name, index->count);
        return NULL;
}

/* --- changing --- */

static bool is_replaced(const IndexEntry *entry, const char *name, const Descriptor *manifest) {
        if (*name && text_equal(entry->name, name))
                return true;
        return !*entry->name && text_equal(entry->descriptor.digest, manifest->digest);
}

static void remove_replaced(Index *index, json_t *array, const char *name,
                            const Descriptor *manifest) {
        size_t kept = 0;

        for (size_t i = 0; i < index->count; i++) {
                if (is_replaced(&index->entries[i], name, manifest)) {
                        (void)json_array_remove(array, kept);
                        entry_done(&index->entries[i]);
                } else {
                        index->entries[kept++] = index->entries[i];
                }
        }
        index->count = kept;
}

int index_put(Index *index, const char *name, const Descriptor *manifest, Error *err) {
        json_t *array = json_object_get(index->document, "manifests");

        if (!json_is_array(array)) { /* absent or null */
                array = json_array();
                document_put(index->document, "manifests", array);
        }
        name = name ? name : "";
        remove_replaced(index, array, name, manifest);
        if (index->count == INDEX_ENTRIES_MAX)
                return error_set(err, ERR_LIMIT, "manifests", "the index is full: %d images",
                                 INDEX_ENTRIES_MAX);
        json_t *json = descriptor_format(manifest, false);
        if (*name) {
                json_t *annotations = json_object();
                document_put(annotations, NAME_ANNOTATION, json_string(name));
                document_put(json, "annotations", annotations);
        }
        document_append(array, json);
        GROW(index->entries, index->count, index->capacity);
        IndexEntry *entry = &index->entries[index->count++];
        *entry = (IndexEntry){ .descriptor = *manifest, .name = xstrdup(name) };
        entry->descriptor.media_type = xstrdup(manifest->media_type);
        entry->os = xstrdup("");
        entry->architecture = xstrdup("");
        entry->variant = xstrdup("");
        return 0;
}

char *index_format(const Index *index, size_t *ret_size) {
        return document_format(index->document, ret_size);
}
