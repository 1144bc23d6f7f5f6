/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The manifest of one image: which config, which layers.
 *
 * OCI manifests and docker's schema 2 are read (they differ in media types only); OCI is written.
 * Indexes and schema 1 are told apart and refused here.
 * Source: OCI image-spec v1.1 manifest.md; distribution manifest-v2-2.
 */

#include <stdint.h>

#include "base/error.h"
#include "oci/digest.h"
#include "oci/pairs.h"

#define MANIFEST_SIZE_MAX (4 * 1024 * 1024) /* bytes; what skopeo and podman refuse beyond */

#define MEDIA_TYPE_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_TYPE_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_OCI_LAYER       "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_TYPE_OCI_LAYER_GZIP  "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_TYPE_OCI_LAYER_ZSTD  "application/vnd.oci.image.layer.v1.tar+zstd"
#define MEDIA_TYPE_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

typedef struct Descriptor {
        char *media_type;
        char digest[DIGEST_TEXT_SIZE];
        int64_t size;
} Descriptor;

typedef struct Manifest {
        char *media_type; /* MEDIA_TYPE_OCI_MANIFEST or MEDIA_TYPE_DOCKER_MANIFEST */
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
 * Errors: ERR_INVALID (subject = the member), ERR_UNSUPPORTED (an index, schema 1), ERR_LIMIT.
 */
int manifest_parse(const char *text, size_t size, Manifest *ret, Error *err);

/** manifest_format() - canonical compact JSON of an OCI manifest; heap text */
char *manifest_format(const Manifest *manifest, size_t *ret_size);

/** manifest_set_config() - the config's descriptor, of the OCI media type; @digest is valid */
void manifest_set_config(Manifest *manifest, const char *digest, int64_t size);

/** manifest_add_layer() - append one */
void manifest_add_layer(Manifest *manifest, const char *media_type, const char *digest,
                        int64_t size);
