/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SHA-256 digests: what every blob, manifest and image id is named by.
 *
 * One algorithm only. The registries' grammar knows others, but nothing that podman, buildah or
 * skopeo put into a store uses them, and a second algorithm would give one blob two names.
 */

#include <stddef.h>

#include "base/memory.h"

#define DIGEST_SIZE      32
#define DIGEST_HEX_SIZE  64
#define DIGEST_TEXT_SIZE 72 /* "sha256:", 64 hex digits, NUL */

typedef struct Digest {
        unsigned char bytes[DIGEST_SIZE];
} Digest;

/** digest_is_valid() - `sha256:` and 64 lower-case hex digits, nothing else */
bool digest_is_valid(const char *text);

/** digest_format() - `sha256:<hex>`; returns @text */
const char *digest_format(const Digest *digest, char text[static DIGEST_TEXT_SIZE]);

/** digest_format_hex() - 64 hex digits without the algorithm; returns @text */
const char *digest_format_hex(const Digest *digest, char text[static DIGEST_HEX_SIZE + 1]);

/** digest_hex() - the part of a valid digest's text after `sha256:`; borrowed */
const char *digest_hex(const char *text);

bool digest_equal(const Digest *a, const Digest *b);

/** digest_compute() - of one piece of memory */
void digest_compute(const void *data, size_t size, Digest *ret);

/* The same for data that comes in pieces. */
typedef struct DigestStream {
        void *context; /* libgcrypt's; NULL: not begun */
} DigestStream;

#define DIGEST_STREAM_INIT \
        { .context = NULL }

/** digest_stream_begin() - start, or start again; aborts without memory */
void digest_stream_begin(DigestStream *stream);
void digest_stream_update(DigestStream *stream, const void *data, size_t size);
/** digest_stream_finish() - the digest of all that was given; begin before the next use */
void digest_stream_finish(DigestStream *stream, Digest *ret);
void digest_stream_done(DigestStream *stream);
#define _cleanup_digest_stream_ _cleanup_(digest_stream_done)
