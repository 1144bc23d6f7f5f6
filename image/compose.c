/* SPDX-License-Identifier: Apache-2.0 */
#include "image/compose.h"

#include <stdio.h>

#include "oci/manifest.h"

void image_documents_done(ImageDocuments *documents) {
        free(documents->config);
        free(documents->manifest);
        *documents = (ImageDocuments)IMAGE_DOCUMENTS_INIT;
}

static void compute(const char *text, size_t size, char digest_text[static DIGEST_TEXT_SIZE]) {
        Digest digest;

        digest_compute(text, size, &digest);
        digest_format(&digest, digest_text);
}

static void write_manifest(const ImageConfig *config, const int64_t *layer_sizes,
                           const char *manifest_type, ImageDocuments *documents) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;

        manifest.media_type = xstrdup(manifest_type);
        manifest_set_config(&manifest, documents->config_digest, (int64_t)documents->config_size);
        for (size_t i = 0; i < config->diff_ids.count; i++)
                manifest_add_layer(&manifest, manifest_layer_type(manifest_type, COMPRESSION_NONE),
                                   config->diff_ids.items[i], layer_sizes[i]);
        documents->manifest = manifest_format(&manifest, &documents->manifest_size);
        compute(documents->manifest, documents->manifest_size, documents->manifest_digest);
}

int image_documents_make(const ImageConfig *config, const int64_t *layer_sizes,
                         const char *manifest_type, ImageDocuments *ret, Error *err) {
        _cleanup_image_documents_ ImageDocuments documents = IMAGE_DOCUMENTS_INIT;
        _cleanup_image_config_ ImageConfig check = IMAGE_CONFIG_INIT;

        documents.config = image_config_format(config, &documents.config_size);
        if (image_config_parse(documents.config, documents.config_size, &check, err) < 0)
                return error_prefix(err, "this would make an invalid image");
        compute(documents.config, documents.config_size, documents.config_digest);
        write_manifest(config, layer_sizes, manifest_type, &documents);
        *ret = documents;
        documents = (ImageDocuments)IMAGE_DOCUMENTS_INIT;
        return 0;
}

int image_documents_record(const ImageDocuments *documents, Store *store, const char *layer,
                           int64_t created_ns, const char *name, Error *err) {
        char manifest_key[sizeof("manifest-") + DIGEST_TEXT_SIZE];
        const char *names[] = { name };

        snprintf(manifest_key, sizeof(manifest_key), "manifest-%s", documents->manifest_digest);
        const StoreImageItem items[] = {
                { documents->config_digest, documents->config, documents->config_size },
                { manifest_key, documents->manifest, documents->manifest_size },
                { "manifest", documents->manifest, documents->manifest_size },
        };
        const StoreImageSpec spec = {
                .id = digest_hex(documents->config_digest),
                .digest = documents->manifest_digest,
                .layer = layer,
                .created_ns = created_ns,
                .items = items,
                .items_count = ARRAY_SIZE(items),
                .names = names,
                .names_count = *name ? 1 : 0,
        };

        return store_image_create(store, &spec, err);
}
