/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Images that are made here, by an import or a commit: config and manifest from what is known of
 * them, and the record in the store.
 *
 * The manifest describes layers uncompressed, since that is how the store keeps and hands them out.
 */

#include "base/error.h"
#include "oci/digest.h"
#include "oci/image_config.h"
#include "storage/store.h"

/* The documents of an image, and the identifiers that follow from them. */
typedef struct ImageDocuments {
        char *config, *manifest;
        size_t config_size, manifest_size;
        char config_digest[DIGEST_TEXT_SIZE], manifest_digest[DIGEST_TEXT_SIZE];
} ImageDocuments;

#define IMAGE_DOCUMENTS_INIT \
        { .config = NULL }

void image_documents_done(ImageDocuments *documents);
#define _cleanup_image_documents_ _cleanup_(image_documents_done)

/**
 * image_documents_make() - write them
 * @layer_sizes:   bytes of each layer's uncompressed tar, in the order of @config->diff_ids
 * @manifest_type: MEDIA_TYPE_OCI_MANIFEST or MEDIA_TYPE_DOCKER_MANIFEST
 *
 * Errors: ERR_INVALID, ERR_LIMIT: settings and history make a config that no tool would read.
 */
int image_documents_make(const ImageConfig *config, const int64_t *layer_sizes,
                         const char *manifest_type, ImageDocuments *ret, Error *err);

/**
 * image_documents_record() - the image in the store; one with this id gets the name added
 * @layer: top layer
 * @name:  full, moves here from another image; "" for none
 *
 * Errors: ERR_NOT_FOUND (the layer is gone), those of the store.
 */
int image_documents_record(const ImageDocuments *documents, Store *store, const char *layer,
                           int64_t created_ns, const char *name, Error *err);
