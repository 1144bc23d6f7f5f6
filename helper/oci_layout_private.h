/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What readers and writers of layouts agree on. */

#include "base/fd.h"
#include "oci/index.h"

#define OCI_LAYOUT_FILE    "oci-layout"
#define OCI_LAYOUT_VERSION "1.0.0"
/* As the containers tools write it, with a blank. */
#define OCI_LAYOUT_TEXT "{\"imageLayoutVersion\": \"" OCI_LAYOUT_VERSION "\"}"
#define OCI_LAYOUT_MAX  4096 /* bytes */
#define OCI_INDEX_FILE  "index.json"
#define OCI_BLOBS       "blobs/sha256"
#define OCI_BLOB_NAME   (sizeof(OCI_BLOBS) + 1 + DIGEST_HEX_SIZE)

/** oci_blob_name() - where a blob lies; returns @name */
const char *oci_blob_name(const char *digest, char name[static OCI_BLOB_NAME]);

/**
 * oci_describe_manifest() - what a layout's index says of a manifest
 * @media_type: becomes part of @ret, borrowed
 *
 * ERR_UNSUPPORTED: it is not OCI's.
 */
int oci_describe_manifest(const char *media_type, const void *data, size_t size, Descriptor *ret,
                          Error *err);
