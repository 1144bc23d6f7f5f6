/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include <assert.h>
#include <gcrypt.h>
#include <pthread.h>
#include <string.h>

#include "base/text.h"

#define ALGORITHM "sha256:"

bool digest_is_valid(const char *text) {
        const char *hex = text_starts_with(text, ALGORITHM);

        return hex && strnlen(hex, DIGEST_HEX_SIZE + 1) == DIGEST_HEX_SIZE && text_is_hex(hex);
}

const char *digest_format(const Digest *digest, char text[static DIGEST_TEXT_SIZE]) {
        memcpy(text, ALGORITHM, sizeof(ALGORITHM));
        hex_encode(digest->bytes, DIGEST_SIZE, text + strlen(ALGORITHM));
        return text;
}

const char *digest_format_hex(const Digest *digest, char text[static DIGEST_HEX_SIZE + 1]) {
        hex_encode(digest->bytes, DIGEST_SIZE, text);
        return text;
}

const char *digest_hex(const char *text) {
        assert(strncmp(text, ALGORITHM, strlen(ALGORITHM)) == 0);
        return text + strlen(ALGORITHM);
}

bool digest_equal(const Digest *a, const Digest *b) {
        return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

/* libgcrypt fails here only without memory or without SHA-256: nothing that a caller could mend. */
static void require(bool succeeded) {
        if (!succeeded)
                abort();
}

static void initialize(void) {
        require(gcry_check_version(GCRYPT_VERSION));
        (void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0); /* nothing here is a secret */
        (void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

static void use_library(void) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        (void)pthread_once(&once, initialize);
}

void digest_compute(const void *data, size_t size, Digest *ret) {
        use_library();
        gcry_md_hash_buffer(GCRY_MD_SHA256, ret->bytes, data, size);
}

void digest_stream_begin(DigestStream *stream) {
        use_library();
        if (stream->context)
                gcry_md_reset(stream->context);
        else
                require(gcry_md_open((gcry_md_hd_t *)&stream->context, GCRY_MD_SHA256, 0) == 0);
}

void digest_stream_update(DigestStream *stream, const void *data, size_t size) {
        gcry_md_write(stream->context, data, size);
}

void digest_stream_finish(DigestStream *stream, Digest *ret) {
        memcpy(ret->bytes, gcry_md_read(stream->context, GCRY_MD_SHA256), DIGEST_SIZE);
}

void digest_stream_done(DigestStream *stream) {
        gcry_md_close(stream->context);
        stream->context = NULL;
}
