/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The manifest of one image: which config, which layers.
 *
 * OCI manifests and docker's schema 2 are read and written; they differ in media types, and in that
 * docker knows no annotations. Indexes (index.h) and schema 1 are told apart and refused here. So
 * is what could be read as two kinds of document at once.
 *
 * Members that this program does not know are dropped: a manifest that is passed on as it is, is
 * passed on as bytes.
 *
 * Source: OCI image-spec v1.1 manifest.md; distribution manifest-v2-2.
 */

#include <stdint.h>

#include "base/error.h"
#include "oci/descriptor.h"
#include "oci/media_type.h"
#include "oci/pairs.h"

#define MANIFEST_SIZE_MAX (4 * 1024 * 1024) /* bytes; what skopeo and podman refuse beyond */

#define ANNOTATIONS_MAX 1024 /* of one object */

typedef struct Manifest {
        char *media_type; /* MEDIA_TYPE_OCI_MANIFEST (as is NULL) or MEDIA_TYPE_DOCKER_MANIFEST */
        Descriptor config;
        Descriptor *layers; /* base first */
        size_t layers_count;
        size_t layers_capacity;
        Pairs annotations;
} Manifest;

#define MANIFEST_INIT \
        { .media_type = NULL }

void manifest_done(Manifest *manifest);
#define _cleanup_manifest_ _cleanup_(manifest_done)

/**
 * manifest_parse() - read an untrusted document
 * Errors: ERR_INVALID (subject = the member), ERR_UNSUPPORTED (an index, schema 1, an unknown
 * media type), ERR_LIMIT.
 */
int manifest_parse(const char *text, size_t size, Manifest *ret, Error *err);

/** manifest_format() - canonical compact JSON of its kind; heap text */
char *manifest_format(const Manifest *manifest, size_t *ret_size);

/**
 * manifest_convert() - make it the other kind, or leave it as it is
 * @media_type: MEDIA_TYPE_OCI_MANIFEST or MEDIA_TYPE_DOCKER_MANIFEST
 *
 * Blobs stay what they are, so the image keeps its id. ERR_UNSUPPORTED: a foreign layer, a zstd
 * layer for docker, or a config that is no image's; then nothing has changed.
 */
int manifest_convert(Manifest *manifest, const char *media_type, Error *err);

/**
 * manifest_layer_type() - what a layer is called in a manifest of this kind; static
 *
 * Docker has no name for zstd: the answer is then OCI's, which manifest_convert() knows.
 */
const char *manifest_layer_type(const char *manifest_type, Compression compression);

/** manifest_check_layer() - ERR_UNSUPPORTED if it is nothing that can be unpacked here */
int manifest_check_layer(const Descriptor *layer, Error *err);

/** manifest_set_config() - the config's descriptor, of the manifest's kind; @digest is valid */
void manifest_set_config(Manifest *manifest, const char *digest, int64_t size);

/** manifest_add_layer() - append one */
void manifest_add_layer(Manifest *manifest, const char *media_type, const char *digest,
                        int64_t size);
