/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/manifest.h"

#include <assert.h>
#include <stdio.h>

#include "oci/document.h"
#include "oci/image_config.h"

void manifest_done(Manifest *manifest) {
        free(manifest->media_type);
        free(manifest->config.media_type);
        for (size_t i = 0; i < manifest->layers_count; i++)
                free(manifest->layers[i].media_type);
        free(manifest->layers);
        pairs_done(&manifest->annotations);
        *manifest = (Manifest)MANIFEST_INIT;
}

static int parse_descriptor(const json_t *json, const char *where, Descriptor *ret, Error *err) {
        _cleanup_free_ char *digest = NULL;
        char subject[64];

        if (document_text(json, where, "mediaType", &ret->media_type, err) < 0 ||
            document_text(json, where, "digest", &digest, err) < 0 ||
            document_integer(json, where, "size", &ret->size, err) < 0)
                return -1;
        snprintf(subject, sizeof(subject), "%sdigest", where);
        if (!digest_is_valid(digest))
                return error_set(err, ERR_INVALID, subject, "%s is no sha256 digest: \"%.100s\"",
                                 subject, digest);
        snprintf(subject, sizeof(subject), "%ssize", where);
        if (ret->size < 0)
                return error_set(err, ERR_INVALID, subject, "%s is negative", subject);
        memcpy(ret->digest, digest, DIGEST_TEXT_SIZE);
        return 0;
}

static int parse_layers(const json_t *array, Manifest *ret, Error *err) {
        json_t *layer;
        size_t i;

        json_array_foreach(array, i, layer) {
                char where[32];
                snprintf(where, sizeof(where), "layers[%zu].", i);
                if (!json_is_object(layer))
                        return error_set(err, ERR_INVALID, "layers", "layers[%zu] is not an object",
                                         i);
                GROW(ret->layers, ret->layers_count, ret->layers_capacity);
                Descriptor *descriptor = &ret->layers[ret->layers_count++];
                *descriptor = (Descriptor){ .media_type = NULL };
                if (parse_descriptor(layer, where, descriptor, err) < 0)
                        return -1;
        }
        return 0;
}

/* OCI made the media type optional: then the config's tells the two formats apart. */
static int check_kind(const json_t *json, Manifest *manifest, Error *err) {
        int64_t version;

        if (document_integer(json, "", "schemaVersion", &version, err) < 0 ||
            document_text(json, "", "mediaType", &manifest->media_type, err) < 0)
                return -1;
        if (version != 2)
                return error_set(err, ERR_UNSUPPORTED, "schemaVersion",
                                 "manifest of schema version %lld, only 2 is known",
                                 (long long)version);
        if (json_object_get(json, "manifests"))
                return error_set(err, ERR_UNSUPPORTED, "manifests",
                                 "an index of images where the manifest of one is wanted");
        if (*manifest->media_type && !text_equal(manifest->media_type, MEDIA_TYPE_OCI_MANIFEST) &&
            !text_equal(manifest->media_type, MEDIA_TYPE_DOCKER_MANIFEST))
                return error_set(err, ERR_UNSUPPORTED, "mediaType",
                                 "manifest of unknown media type \"%.100s\"", manifest->media_type);
        return 0;
}

static int parse_manifest(const json_t *json, Manifest *ret, Error *err) {
        json_t *config, *layers;

        if (check_kind(json, ret, err) < 0 ||
            document_object(json, "", "config", &config, err) < 0 ||
            parse_descriptor(config, "config.", &ret->config, err) < 0 ||
            document_array(json, "", "layers", IMAGE_LAYERS_MAX, &layers, err) < 0 ||
            parse_layers(layers, ret, err) < 0 ||
            document_pairs(json, "", "annotations", IMAGE_CONFIG_ENTRIES_MAX, &ret->annotations,
                           err) < 0)
                return -1;
        if (!*ret->media_type) {
                bool is_docker =
                        text_starts_with(ret->config.media_type, "application/vnd.docker.");
                free(ret->media_type);
                ret->media_type =
                        xstrdup(is_docker ? MEDIA_TYPE_DOCKER_MANIFEST : MEDIA_TYPE_OCI_MANIFEST);
        }
        return 0;
}

int manifest_parse(const char *text, size_t size, Manifest *ret, Error *err) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        json_auto_t *json = NULL;

        if (document_parse(text, size, MANIFEST_SIZE_MAX, "manifest", &json, err) < 0 ||
            parse_manifest(json, &manifest, err) < 0)
                return -1;
        *ret = manifest;
        manifest = (Manifest)MANIFEST_INIT;
        return 0;
}

static json_t *format_descriptor(const Descriptor *descriptor) {
        json_t *json = json_object();

        document_put(json, "mediaType", json_string(descriptor->media_type));
        document_put(json, "digest", json_string(descriptor->digest));
        document_put(json, "size", json_integer(descriptor->size));
        return json;
}

char *manifest_format(const Manifest *manifest, size_t *ret_size) {
        json_auto_t *json = json_object();
        json_t *layers = json_array();

        for (size_t i = 0; i < manifest->layers_count; i++)
                document_append(layers, format_descriptor(&manifest->layers[i]));
        document_put(json, "schemaVersion", json_integer(2));
        document_put(json, "mediaType", json_string(MEDIA_TYPE_OCI_MANIFEST));
        document_put(json, "config", format_descriptor(&manifest->config));
        document_put(json, "layers", layers);
        document_put_pairs(json, "annotations", &manifest->annotations);
        return document_format(json, ret_size);
}

void manifest_set_config(Manifest *manifest, const char *digest, int64_t size) {
        assert(digest_is_valid(digest));
        free(manifest->config.media_type);
        manifest->config.media_type = xstrdup(MEDIA_TYPE_OCI_CONFIG);
        memcpy(manifest->config.digest, digest, DIGEST_TEXT_SIZE);
        manifest->config.size = size;
}

void manifest_add_layer(Manifest *manifest, const char *media_type, const char *digest,
                        int64_t size) {
        assert(digest_is_valid(digest));
        GROW(manifest->layers, manifest->layers_count, manifest->layers_capacity);
        Descriptor *layer = &manifest->layers[manifest->layers_count++];
        *layer = (Descriptor){ .media_type = xstrdup(media_type), .size = size };
        memcpy(layer->digest, digest, DIGEST_TEXT_SIZE);
}
