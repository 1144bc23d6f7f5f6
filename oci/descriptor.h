/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How documents name blobs and one another: media type, digest, size. */

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "oci/digest.h"

/* Bytes of one blob: more than any file system here holds, and all of an image do not overflow. */
#define BLOB_SIZE_MAX (INT64_C(1) << 44)

typedef struct Descriptor {
        char *media_type;
        char digest[DIGEST_TEXT_SIZE];
        int64_t size;
} Descriptor;

/**
 * descriptor_parse() - read one
 * @where: path of @json for errors, "" or ending in a dot
 * @ret:   its media type is the caller's to free, also after an error; "" if absent
 *
 * Errors: ERR_INVALID (subject = the member), ERR_LIMIT (BLOB_SIZE_MAX).
 */
int descriptor_parse(const json_t *json, const char *where, Descriptor *ret, Error *err);

/** descriptor_format() - as OCI orders the members, or as docker does; a new reference */
json_t *descriptor_format(const Descriptor *descriptor, bool is_docker);
