/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include <assert.h>
#define ERR_STATE OPENSSL_ERR_STATE /* a type there, an error kind here */
#include <openssl/evp.h>
#undef ERR_STATE
#include <string.h>

#include "base/text.h"

#define ALGORITHM "sha256:"

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether @text is a digest; fills @ret unless NULL, possibly in part when it is not. */
static bool decode(const char *text, Digest *ret) {
        const char *hex = text_starts_with(text, ALGORITHM);

        if (!hex || strnlen(hex, DIGEST_HEX_SIZE + 1) != DIGEST_HEX_SIZE)
                return false;
        for (size_t i = 0; i < DIGEST_SIZE; i++) {
                int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                if (ret)
                        ret->bytes[i] = (unsigned char)(high << 4 | low);
        }
        return true;
}

int digest_parse(const char *text, Digest *ret, Error *err) {
        Digest digest;

        if (!decode(text, &digest))
                return error_set(err, ERR_INVALID, text,
                                 "\"%.100s\" is no digest: expected " ALGORITHM
                                 " and 64 lower-case hexadecimal digits",
                                 text);
        *ret = digest;
        return 0;
}

bool digest_is_valid(const char *text) {
        return decode(text, NULL);
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

/* libcrypto fails here only without memory or without SHA-256: nothing that a caller could mend. */
static void require(bool succeeded) {
        if (!succeeded)
                abort();
}

void digest_compute(const void *data, size_t size, Digest *ret) {
        require(EVP_Digest(data, size, ret->bytes, NULL, EVP_sha256(), NULL) == 1);
}

void digest_stream_begin(DigestStream *stream) {
        if (!stream->context)
                stream->context = EVP_MD_CTX_new();
        require(stream->context && EVP_DigestInit_ex(stream->context, EVP_sha256(), NULL) == 1);
}

void digest_stream_update(DigestStream *stream, const void *data, size_t size) {
        require(EVP_DigestUpdate(stream->context, data, size) == 1);
}

void digest_stream_finish(DigestStream *stream, Digest *ret) {
        require(EVP_DigestFinal_ex(stream->context, ret->bytes, NULL) == 1);
}

void digest_stream_done(DigestStream *stream) {
        EVP_MD_CTX_free(stream->context);
        stream->context = NULL;
}
