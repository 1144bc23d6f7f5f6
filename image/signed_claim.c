/* SPDX-License-Identifier: Apache-2.0 */
#include "image/signed_claim.h"

#include <string.h>

#include "base/text.h"
#include "image/strict_json.h"
#include "oci/document.h"

#define CLAIM_TYPE "atomic container signature"

void signed_claim_done(SignedClaim *claim) {
        free(claim->reference);
        *claim = (SignedClaim)SIGNED_CLAIM_INIT;
}

static int parse_critical(const json_t *critical, SignedClaim *claim, Error *err) {
        static const char *const members[] = { "type", "image", "identity" };
        static const char *const image_members[] = { "docker-manifest-digest" };
        static const char *const identity_members[] = { "docker-reference" };
        _cleanup_free_ char *type = NULL, *digest = NULL;
        const json_t *image = json_object_get(critical, "image");
        const json_t *identity = json_object_get(critical, "identity");

        if (strict_members(critical, "critical.", members, 3, err) < 0 ||
            strict_members(image, "critical.image.", image_members, 1, err) < 0 ||
            strict_members(identity, "critical.identity.", identity_members, 1, err) < 0 ||
            document_text(critical, "critical.", "type", &type, err) < 0 ||
            document_text(image, "critical.image.", "docker-manifest-digest", &digest, err) < 0 ||
            document_text(identity, "critical.identity.", "docker-reference", &claim->reference,
                          err) < 0)
                return -1;
        if (!text_equal(type, CLAIM_TYPE))
                return error_set(err, ERR_INVALID, "critical.type",
                                 "a signature of unknown type \"%.100s\"", type);
        if (!digest_is_valid(digest))
                return error_set(err, ERR_INVALID, "critical.image.docker-manifest-digest",
                                 "a signature for \"%.100s\", which is no sha256 digest", digest);
        memcpy(claim->manifest_digest, digest, DIGEST_TEXT_SIZE);
        return 0;
}

/* What is known of the rest must be well-formed, too. Old tools wrote the time as 1.5e9. */
/* A double has no fraction beyond 2^53. */
static bool is_whole(double value) {
        return value < -0x1p53 || value > 0x1p53 || (double)(int64_t)value == value;
}

static int check_optional(const json_t *optional, Error *err) {
        const json_t *creator = json_object_get(optional, "creator");
        const json_t *timestamp = json_object_get(optional, "timestamp");

        if (!json_is_object(optional))
                return error_set(err, ERR_INVALID, "optional", "optional is not an object");
        if (creator && !json_is_string(creator))
                return error_set(err, ERR_INVALID, "optional.creator",
                                 "optional.creator is not a string");
        if (timestamp && !json_is_integer(timestamp) &&
            !(json_is_real(timestamp) && is_whole(json_real_value(timestamp))))
                return error_set(err, ERR_INVALID, "optional.timestamp",
                                 "optional.timestamp is no whole number");
        return 0;
}

int signed_claim_parse(const char *text, size_t size, SignedClaim *ret, Error *err) {
        static const char *const members[] = { "critical", "optional" };
        _cleanup_signed_claim_ SignedClaim claim = SIGNED_CLAIM_INIT;
        json_auto_t *json = NULL;

        if (document_parse(text, size, SIGNED_CLAIM_SIZE_MAX, "signature", &json, err) < 0 ||
            strict_members(json, "", members, 2, err) < 0 ||
            parse_critical(json_object_get(json, "critical"), &claim, err) < 0 ||
            check_optional(json_object_get(json, "optional"), err) < 0)
                return -1;
        *ret = claim;
        claim = (SignedClaim)SIGNED_CLAIM_INIT;
        return 0;
}
