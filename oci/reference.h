/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Image references: `[domain/]path[:tag][@digest]`.
 *
 * A reference is a plain value with room for the longest one the grammar allows, so there is
 * nothing to free. An absent part is the empty string. The first component is the registry's
 * domain when it holds a dot or a colon or is `localhost`; otherwise the reference is short, and
 * what a short one means depends on who asks: a registry's user means docker.io, a user who names
 * a local image means `localhost`.
 *
 * Source: distribution v2.8 reference/{reference,normalize}.go; OCI distribution-spec v1.1
 * "Pulling manifests".
 */

#include "base/error.h"
#include "oci/digest.h"

#define REFERENCE_NAME_MAX 255 /* characters of `domain/path` */
#define REFERENCE_TAG_MAX  128
#define REFERENCE_TEXT_MAX (REFERENCE_NAME_MAX + 1 + REFERENCE_TAG_MAX + 1 + DIGEST_TEXT_SIZE)

typedef struct Reference {
        char domain[REFERENCE_NAME_MAX + 1]; /* `quay.io`, `localhost:5000`; "" for a short name */
        char path[REFERENCE_NAME_MAX + 1];   /* `library/busybox` */
        char tag[REFERENCE_TAG_MAX + 1];
        char digest[DIGEST_TEXT_SIZE];
} Reference;

#define REFERENCE_INIT \
        { .domain = "" }

/**
 * reference_parse() - take a reference apart, adding nothing
 *
 * Errors: ERR_INVALID, subject = the reference as given (cut), text says what is wrong with it.
 */
int reference_parse(const char *text, Reference *ret, Error *err);

/**
 * reference_normalize() - what a registry's user means: `busybox` is
 * `docker.io/library/busybox:latest`
 *
 * A tag is added only when there is no digest. Nothing is left short.
 */
int reference_normalize(Reference *reference, Error *err);

/**
 * reference_parse_local() - a name that a user gives to an image here (import, tag, commit, build)
 *
 * Without a registry it becomes `localhost/...`, without a tag `:latest`; `docker.io/NAME` is
 * spelled as reference_normalize() does, or no other tool would find it. A digest is refused: it
 * is computed from the content, and is not for a user to choose. Errors: ERR_INVALID as above.
 */
int reference_parse_local(const char *text, Reference *ret, Error *err);

/** reference_format() - the canonical text; returns @text */
const char *reference_format(const Reference *reference, char text[static REFERENCE_TEXT_MAX]);

/** reference_format_name() - `domain/path` only; returns @text */
const char *reference_format_name(const Reference *reference, char text[static REFERENCE_TEXT_MAX]);
