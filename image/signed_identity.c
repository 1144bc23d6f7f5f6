/* SPDX-License-Identifier: Apache-2.0 */
#include "image/signed_identity.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "image/strict_json.h"
#include "oci/document.h"
#include "oci/reference.h"

void signed_identity_done(SignedIdentity *identity) {
        free(identity->name);
        free(identity->signed_prefix);
        *identity = (SignedIdentity)SIGNED_IDENTITY_INIT;
}

/* --- reading --- */

typedef struct KindRow {
        SignedIdentityKind kind;
        const char *type;
        const char *name, *second; /* members besides the type */
} KindRow;

static const KindRow kinds[] = {
        { IDENTITY_REPO_DIGEST_OR_EXACT, "matchRepoDigestOrExact", NULL, NULL },
        { IDENTITY_EXACT, "matchExact", NULL, NULL },
        { IDENTITY_REPOSITORY, "matchRepository", NULL, NULL },
        { IDENTITY_EXACT_REFERENCE, "exactReference", "dockerReference", NULL },
        { IDENTITY_EXACT_REPOSITORY, "exactRepository", "dockerRepository", NULL },
        { IDENTITY_REMAP, "remapIdentity", "prefix", "signedPrefix" },
};

static bool has_version(const Reference *reference) {
        return *reference->tag || *reference->digest;
}

/* As registries know it, but nothing is added that stands for a version. */
static int parse_full(const char *text, Reference *ret, bool *ret_has_version, Error *err) {
        Reference reference = REFERENCE_INIT;

        if (reference_parse(text, &reference, err) < 0)
                return -1;
        *ret_has_version = has_version(&reference);
        if (reference_normalize(&reference, err) < 0)
                return -1;
        *ret = reference;
        return 0;
}

/* A prefix is a host, or what a full name begins with. */
static int check_prefix(const char *text, Error *err) {
        Reference reference = REFERENCE_INIT;

        if (!strchr(text, '/')) {
                _cleanup_free_ char *name = xasprintf("%s/x", text);
                if (reference_parse(name, &reference, NULL) == 0 && !has_version(&reference))
                        return 0;
        } else if (reference_parse(text, &reference, NULL) == 0 && *reference.domain &&
                   !has_version(&reference)) {
                return 0;
        }
        return error_set(err, ERR_INVALID, text,
                         "\"%.200s\" is neither a host nor a full name without tag and digest",
                         text);
}

static int check_name(const SignedIdentity *identity, Error *err) {
        Reference reference;
        bool has;

        if (identity->kind == IDENTITY_REMAP)
                return check_prefix(identity->name, err) < 0 ||
                                       check_prefix(identity->signed_prefix, err) < 0
                               ? -1
                               : 0;
        if (parse_full(identity->name, &reference, &has, err) < 0)
                return -1;
        if (has != (identity->kind == IDENTITY_EXACT_REFERENCE))
                return error_set(err, ERR_INVALID, identity->name,
                                 has ? "the repository \"%.200s\" has a tag or a digest"
                                     : "the reference \"%.200s\" has neither a tag nor a digest",
                                 identity->name);
        return 0;
}

static int parse_row(const json_t *json, const char *where, const KindRow *row, SignedIdentity *ret,
                     Error *err) {
        const char *const members[] = { "type", row->name, row->second };
        size_t count = 1 + (row->name != NULL) + (row->second != NULL);

        if (strict_members(json, where, members, count, err) < 0)
                return -1;
        ret->kind = row->kind;
        if ((row->name && document_text(json, where, row->name, &ret->name, err) < 0) ||
            (row->second && document_text(json, where, row->second, &ret->signed_prefix, err) < 0))
                return -1;
        if (row->name && check_name(ret, err) < 0)
                return error_prefix(err, "%s%s", where, row->name);
        return 0;
}

int signed_identity_parse(const json_t *json, const char *where, SignedIdentity *ret, Error *err) {
        SignedIdentity identity = SIGNED_IDENTITY_INIT;
        _cleanup_free_ char *type = NULL;
        char subject[ERROR_SUBJECT_MAX];

        if (!json) {
                *ret = identity;
                return 0;
        }
        if (document_text(json, where, "type", &type, err) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                if (!text_equal(type, kinds[i].type))
                        continue;
                if (parse_row(json, where, &kinds[i], &identity, err) < 0) {
                        signed_identity_done(&identity);
                        return -1;
                }
                *ret = identity;
                return 0;
        }
        snprintf(subject, sizeof(subject), "%stype", where);
        return error_set(err, ERR_INVALID, subject, "%s: unknown type \"%.100s\"", subject, type);
}

/* --- comparing --- */

static bool is_same_name(const Reference *a, const Reference *b) {
        return text_equal(a->domain, b->domain) && text_equal(a->path, b->path);
}

static bool is_same(const Reference *a, const Reference *b) {
        return is_same_name(a, b) && text_equal(a->tag, b->tag) && text_equal(a->digest, b->digest);
}

/* A tag must be the same; a digest is compared with the manifest, so the repository will do. */
static bool is_same_or_digest(const Reference *image, const Reference *signed_ref) {
        return *image->tag ? is_same(image, signed_ref) : is_same_name(image, signed_ref);
}

/* The name with another beginning, if it has the one that is to be replaced. */
static bool remap(const SignedIdentity *identity, Reference *reference) {
        char name[REFERENCE_TEXT_MAX];
        Reference mapped = REFERENCE_INIT;
        const char *rest;

        rest = text_starts_with(reference_format_name(reference, name), identity->name);
        if (!rest || (*rest && *rest != '/'))
                return true;
        _cleanup_free_ char *text = xasprintf("%s%s", identity->signed_prefix, rest);
        if (reference_parse(text, &mapped, NULL) < 0 || has_version(&mapped))
                return false;
        memcpy(reference->domain, mapped.domain, sizeof(mapped.domain));
        memcpy(reference->path, mapped.path, sizeof(mapped.path));
        return true;
}

static bool matches_image(const SignedIdentity *identity, Reference *image,
                          const Reference *signed_ref, bool has_signed_version) {
        if (identity->kind == IDENTITY_REPOSITORY)
                return is_same_name(image, signed_ref);
        if (!has_signed_version)
                return false;
        if (identity->kind == IDENTITY_EXACT)
                return is_same(image, signed_ref);
        if (identity->kind == IDENTITY_REMAP && !remap(identity, image))
                return false;
        return is_same_or_digest(image, signed_ref);
}

bool signed_identity_matches(const SignedIdentity *identity, const char *image,
                             const char *signed_name) {
        Reference wanted, signed_ref;
        bool has_version_signed, has_version_wanted;

        if (parse_full(signed_name, &signed_ref, &has_version_signed, NULL) < 0)
                return false;
        if (identity->kind == IDENTITY_EXACT_REFERENCE ||
            identity->kind == IDENTITY_EXACT_REPOSITORY) {
                if (parse_full(identity->name, &wanted, &has_version_wanted, NULL) < 0)
                        return false;
                return identity->kind == IDENTITY_EXACT_REPOSITORY
                               ? is_same_name(&wanted, &signed_ref)
                               : has_version_signed && is_same(&wanted, &signed_ref);
        }
        if (!image || parse_full(image, &wanted, &has_version_wanted, NULL) < 0 ||
            !has_version_wanted)
                return false;
        return matches_image(identity, &wanted, &signed_ref, has_version_signed);
}
