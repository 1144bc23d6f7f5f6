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

static bool is_docker(const Manifest *manifest) {
        return manifest->media_type && text_equal(manifest->media_type, MEDIA_TYPE_DOCKER_MANIFEST);
}

/* --- reading --- */

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
                if (descriptor_parse(layer, where, &ret->layers[ret->layers_count++], err) < 0)
                        return -1;
        }
        return 0;
}

/*
 * One text that is a manifest to one program and an index to another could be signed as the one and
 * run as the other.
 */
static int check_members(const json_t *json, Error *err) {
        static const char *const foreign[] = { "manifests", "fsLayers" };

        for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
                if (json_object_get(json, foreign[i]))
                        return error_set(err, ERR_UNSUPPORTED, foreign[i],
                                         i == 0 ? "an index of images where the manifest of one is "
                                                  "wanted"
                                                : "a manifest of schema version 1, which is no "
                                                  "longer supported");
        return 0;
}

/* OCI made the media type optional: then the config's tells the two formats apart. */
static int check_kind(const json_t *json, Manifest *manifest, Error *err) {
        int64_t version;

        if (document_integer(json, "", "schemaVersion", &version, err) < 0 ||
            document_text(json, "", "mediaType", &manifest->media_type, err) < 0)
                return -1;
        if (version == 1)
                return error_set(err, ERR_UNSUPPORTED, "schemaVersion",
                                 "a manifest of schema version 1, which is no longer supported: "
                                 "the image has to be pushed again by a newer tool");
        if (version != 2)
                return error_set(err, ERR_UNSUPPORTED, "schemaVersion",
                                 "manifest of schema version %lld, only 2 is known",
                                 (long long)version);
        if (check_members(json, err) < 0)
                return -1;
        if (*manifest->media_type && !media_type_is_manifest(manifest->media_type))
                return error_set(err, ERR_UNSUPPORTED, "mediaType",
                                 "manifest of unknown media type \"%.100s\"", manifest->media_type);
        return 0;
}

static int parse_manifest(const json_t *json, Manifest *ret, Error *err) {
        json_t *config, *layers;

        if (check_kind(json, ret, err) < 0 ||
            document_object(json, "", "config", &config, err) < 0 ||
            descriptor_parse(config, "config.", &ret->config, err) < 0 ||
            document_array(json, "", "layers", IMAGE_LAYERS_MAX, &layers, err) < 0 ||
            parse_layers(layers, ret, err) < 0 ||
            document_pairs(json, "", "annotations", ANNOTATIONS_MAX, &ret->annotations, err) < 0)
                return -1;
        if (!*ret->media_type) {
                bool is_dockers =
                        text_starts_with(ret->config.media_type, "application/vnd.docker.");
                free(ret->media_type);
                ret->media_type =
                        xstrdup(is_dockers ? MEDIA_TYPE_DOCKER_MANIFEST : MEDIA_TYPE_OCI_MANIFEST);
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

int manifest_check_layer(const Descriptor *layer, Error *err) {
        Compression compression;

        return layer_type_parse(layer->media_type, layer->digest, &compression, err);
}

/* --- writing --- */

char *manifest_format(const Manifest *manifest, size_t *ret_size) {
        json_auto_t *json = json_object();
        json_t *layers = json_array();
        bool is_dockers = is_docker(manifest);

        for (size_t i = 0; i < manifest->layers_count; i++)
                document_append(layers, descriptor_format(&manifest->layers[i], is_dockers));
        document_put(json, "schemaVersion", json_integer(2));
        document_put(json, "mediaType",
                     json_string(is_dockers ? MEDIA_TYPE_DOCKER_MANIFEST
                                            : MEDIA_TYPE_OCI_MANIFEST));
        document_put(json, "config", descriptor_format(&manifest->config, is_dockers));
        document_put(json, "layers", layers);
        if (!is_dockers)
                document_put_pairs(json, "annotations", &manifest->annotations);
        return document_format(json, ret_size);
}

const char *manifest_layer_type(const char *manifest_type, Compression compression) {
        bool is_dockers = manifest_type && text_equal(manifest_type, MEDIA_TYPE_DOCKER_MANIFEST);

        if (compression == COMPRESSION_ZSTD)
                return MEDIA_TYPE_OCI_LAYER_ZSTD;
        if (compression == COMPRESSION_GZIP)
                return is_dockers ? MEDIA_TYPE_DOCKER_LAYER_GZIP : MEDIA_TYPE_OCI_LAYER_GZIP;
        assert(compression == COMPRESSION_NONE);
        return is_dockers ? MEDIA_TYPE_DOCKER_LAYER : MEDIA_TYPE_OCI_LAYER;
}

static int check_conversion(const Manifest *manifest, bool to_docker, Error *err) {
        for (size_t i = 0; i < manifest->layers_count; i++) {
                const Descriptor *layer = &manifest->layers[i];
                Compression compression;
                if (layer_type_parse(layer->media_type, layer->digest, &compression, err) < 0)
                        return -1;
                if (to_docker && compression == COMPRESSION_ZSTD)
                        return error_set(err, ERR_UNSUPPORTED, layer->digest,
                                         "layer %s is compressed with zstd, which docker's "
                                         "manifests cannot say",
                                         layer->digest);
        }
        if (!text_equal(manifest->config.media_type, MEDIA_TYPE_OCI_CONFIG) &&
            !text_equal(manifest->config.media_type, MEDIA_TYPE_DOCKER_CONFIG))
                return error_set(err, ERR_UNSUPPORTED, manifest->config.digest,
                                 "no image, but something with a config of type \"%.100s\"",
                                 manifest->config.media_type);
        return 0;
}

static void set_text(char **text, const char *value) {
        free(*text);
        *text = xstrdup(value);
}

int manifest_convert(Manifest *manifest, const char *media_type, Error *err) {
        bool to_docker = text_equal(media_type, MEDIA_TYPE_DOCKER_MANIFEST);

        assert(media_type_is_manifest(media_type));
        if (check_conversion(manifest, to_docker, err) < 0)
                return -1;
        for (size_t i = 0; i < manifest->layers_count; i++) {
                Descriptor *layer = &manifest->layers[i];
                Compression compression;
                int r = layer_type_parse(layer->media_type, layer->digest, &compression, NULL);
                assert(r == 0);
                set_text(&layer->media_type, manifest_layer_type(media_type, compression));
        }
        set_text(&manifest->config.media_type,
                 to_docker ? MEDIA_TYPE_DOCKER_CONFIG : MEDIA_TYPE_OCI_CONFIG);
        set_text(&manifest->media_type, media_type);
        if (to_docker)
                pairs_done(&manifest->annotations);
        return 0;
}

void manifest_set_config(Manifest *manifest, const char *digest, int64_t size) {
        assert(digest_is_valid(digest));
        set_text(&manifest->config.media_type,
                 is_docker(manifest) ? MEDIA_TYPE_DOCKER_CONFIG : MEDIA_TYPE_OCI_CONFIG);
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
