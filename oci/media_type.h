/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What documents and blobs of images call themselves.
 *
 * Two families name the same things: OCI's and docker's. A layer's name says how its tar is
 * compressed, which is an expectation and no more (docker's archives call every layer gzip), and
 * whether it may be had from a registry at all: foreign (docker) or nondistributable (OCI) layers
 * are fetched from URLs of somebody else, which nothing here does.
 *
 * Source: OCI image-spec v1.1 media-types.md; distribution manifest-v2-2.
 */

#include "base/error.h"

#define MEDIA_TYPE_OCI_MANIFEST   "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_TYPE_OCI_INDEX      "application/vnd.oci.image.index.v1+json"
#define MEDIA_TYPE_OCI_CONFIG     "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_OCI_LAYER      "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_TYPE_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_TYPE_OCI_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"

#define MEDIA_TYPE_DOCKER_MANIFEST   "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_TYPE_DOCKER_LIST       "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_TYPE_DOCKER_CONFIG     "application/vnd.docker.container.image.v1+json"
#define MEDIA_TYPE_DOCKER_LAYER      "application/vnd.docker.image.rootfs.diff.tar"
#define MEDIA_TYPE_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"

/* Numbers as the layer records of the store hold them. */
typedef enum Compression {
        COMPRESSION_NONE = 0,
        COMPRESSION_BZIP2 = 1,
        COMPRESSION_GZIP = 2,
        COMPRESSION_XZ = 3,
        COMPRESSION_ZSTD = 4,
} Compression;

/** media_type_is_manifest() - of one image, OCI's or docker's schema 2 */
bool media_type_is_manifest(const char *media_type);

/** media_type_is_index() - OCI's index, docker's manifest list */
bool media_type_is_index(const char *media_type);

/**
 * layer_type_parse() - what a layer is to be like
 * @subject: of the error; the layer's digest
 *
 * ERR_UNSUPPORTED: a foreign layer, or what is no layer of an image.
 */
int layer_type_parse(const char *media_type, const char *subject, Compression *ret, Error *err);
