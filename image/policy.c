/* SPDX-License-Identifier: Apache-2.0 */
#include "image/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/fd.h"
#include "image/scope.h"
#include "image/strict_json.h"
#include "oci/document.h"

#define SYSTEM_FILE "/etc/containers/policy.json"
#define USER_FILE   "containers/policy.json"
#define KEY_TYPE    "GPGKeys"

static void requirement_done(PolicyRequirement *requirement) {
        free(requirement->type);
        strings_done(&requirement->key_paths);
        free(requirement->key_data);
        signed_identity_done(&requirement->identity);
}

void policy_done(Policy *policy) {
        for (size_t i = 0; i < policy->count; i++) {
                PolicyScope *scope = &policy->scopes[i];
                for (size_t k = 0; k < scope->requirements.count; k++)
                        requirement_done(&scope->requirements.items[k]);
                free(scope->requirements.items);
                free(scope->transport);
                free(scope->scope);
        }
        free(policy->scopes);
        free(policy->path);
        *policy = (Policy)POLICY_INIT;
}

/* --- requirements --- */

static int parse_key_data(const json_t *json, const char *where, PolicyRequirement *requirement,
                          Error *err) {
        _cleanup_free_ char *text = NULL;

        if (document_text(json, where, "keyData", &text, err) < 0)
                return -1;
        if (base64_decode(text, strlen(text), &requirement->key_data, &requirement->key_size) < 0)
                return error_set(err, ERR_INVALID, "keyData", "%skeyData is no base64", where);
        return 0;
}

static int parse_keys(const json_t *json, const char *where, PolicyRequirement *requirement,
                      Error *err) {
        _cleanup_free_ char *path = NULL;
        bool has_path = json_object_get(json, "keyPath") != NULL;
        bool has_paths = json_object_get(json, "keyPaths") != NULL;
        bool has_data = json_object_get(json, "keyData") != NULL;

        if (has_path + has_paths + has_data != 1)
                return error_set(err, ERR_INVALID, "keyPath",
                                 "%s: exactly one of keyPath, keyPaths and keyData is needed",
                                 where);
        if (has_data)
                return parse_key_data(json, where, requirement, err);
        if (has_paths)
                return document_strings(json, where, "keyPaths", POLICY_ENTRIES_MAX,
                                        &requirement->key_paths, err);
        if (document_text(json, where, "keyPath", &path, err) < 0)
                return -1;
        strings_add(&requirement->key_paths, path);
        return 0;
}

static int parse_signed_by(const json_t *json, const char *where, PolicyRequirement *requirement,
                           Error *err) {
        static const char *const members[] = { "type",     "keyType", "keyPath",
                                               "keyPaths", "keyData", "signedIdentity" };
        _cleanup_free_ char *key_type = NULL;
        char inner[ERROR_SUBJECT_MAX];
        json_t *identity;

        if (strict_members(json, where, members, ARRAY_SIZE(members), err) < 0 ||
            document_text(json, where, "keyType", &key_type, err) < 0)
                return -1;
        if (!text_equal(key_type, KEY_TYPE))
                return error_set(err, ERR_INVALID, "keyType",
                                 "%skeyType is \"%.50s\"; " KEY_TYPE " alone is known", where,
                                 key_type);
        if (parse_keys(json, where, requirement, err) < 0 ||
            document_object(json, where, "signedIdentity", &identity, err) < 0)
                return -1;
        snprintf(inner, sizeof(inner), "%ssignedIdentity.", where);
        return signed_identity_parse(identity, inner, &requirement->identity, err);
}

static int parse_requirement(const json_t *json, const char *where, PolicyRequirement *requirement,
                             Error *err) {
        static const struct {
                const char *type;
                PolicyKind kind;
        } kinds[] = {
                { "insecureAcceptAnything", POLICY_ACCEPT },
                { "reject", POLICY_REJECT },
                { "signedBy", POLICY_SIGNED_BY },
                { "sigstoreSigned", POLICY_UNSUPPORTED },
                { "signedBaseLayer", POLICY_UNSUPPORTED },
        };
        static const char *const only_type[] = { "type" };

        *requirement = (PolicyRequirement){ .kind = _POLICY_KIND_MAX };
        if (!json_is_object(json))
                return error_set(err, ERR_INVALID, where, "%.*s is not an object",
                                 (int)strlen(where) - 1, where);
        if (document_text(json, where, "type", &requirement->type, err) < 0)
                return -1;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (text_equal(requirement->type, kinds[i].type))
                        requirement->kind = kinds[i].kind;
        switch (requirement->kind) {
        case POLICY_ACCEPT:
        case POLICY_REJECT:
                return strict_members(json, where, only_type, 1, err);
        case POLICY_SIGNED_BY:
                return parse_signed_by(json, where, requirement, err);
        case POLICY_UNSUPPORTED:
                return 0;
        case _POLICY_KIND_MAX:
                break;
        }
        return error_set(err, ERR_INVALID, "type", "%stype: unknown requirement \"%.100s\"", where,
                         requirement->type);
}

static int parse_requirements(const json_t *array, const char *where, PolicyRequirements *ret,
                              Error *err) {
        json_t *json;
        size_t i;

        if (!json_is_array(array) || json_array_size(array) == 0)
                return error_set(err, ERR_INVALID, where,
                                 "%s is not a list of at least one requirement", where);
        if (json_array_size(array) > POLICY_ENTRIES_MAX)
                return error_set(err, ERR_LIMIT, where, "%s has more than %d requirements", where,
                                 POLICY_ENTRIES_MAX);
        json_array_foreach(array, i, json) {
                char inner[ERROR_SUBJECT_MAX];
                snprintf(inner, sizeof(inner), "%.200s[%zu].", where, i);
                GROW(ret->items, ret->count, ret->capacity);
                if (parse_requirement(json, inner, &ret->items[ret->count++], err) < 0)
                        return -1;
        }
        return 0;
}

/* --- scopes --- */

static int parse_scope(Policy *policy, const char *transport, const char *scope,
                       const json_t *array, Error *err) {
        char where[ERROR_SUBJECT_MAX];

        if (*transport)
                snprintf(where, sizeof(where), "transports.%s.\"%.150s\"", transport, scope);
        else
                snprintf(where, sizeof(where), "default");
        if (scope_check(transport, scope, err) < 0)
                return error_prefix(err, "%s", where);
        GROW(policy->scopes, policy->count, policy->capacity);
        PolicyScope *added = &policy->scopes[policy->count++];
        *added = (PolicyScope){ .transport = xstrdup(transport), .scope = xstrdup(scope) };
        return parse_requirements(array, where, &added->requirements, err);
}

static int parse_transports(Policy *policy, json_t *transports, Error *err) {
        const char *transport, *scope;
        json_t *scopes, *array;

        json_object_foreach(transports, transport, scopes) {
                if (!json_is_object(scopes))
                        return error_set(err, ERR_INVALID, transport,
                                         "transports.%.100s is not an object", transport);
                if (json_object_size(scopes) > POLICY_ENTRIES_MAX)
                        return error_set(err, ERR_LIMIT, transport,
                                         "transports.%.100s has more than %d scopes", transport,
                                         POLICY_ENTRIES_MAX);
                json_object_foreach(scopes, scope, array) {
                        if (parse_scope(policy, transport, scope, array, err) < 0)
                                return -1;
                }
        }
        return 0;
}

static int parse(Policy *policy, const char *text, size_t size, Error *err) {
        static const char *const members[] = { "default", "transports" };
        json_auto_t *json = NULL;
        json_t *transports;

        if (document_parse(text, size, POLICY_SIZE_MAX, "policy", &json, err) < 0 ||
            strict_members(json, "", members, ARRAY_SIZE(members), err) < 0 ||
            parse_scope(policy, "", "", json_object_get(json, "default"), err) < 0 ||
            document_object(json, "", "transports", &transports, err) < 0)
                return -1;
        return parse_transports(policy, transports, err);
}

int policy_parse(const char *path, const char *text, size_t size, Policy *ret, Error *err) {
        _cleanup_policy_ Policy policy = { .path = xstrdup(path) };

        if (parse(&policy, text, size, err) < 0)
                return error_prefix(err, "%s", path);
        *ret = policy;
        policy = (Policy)POLICY_INIT;
        return 0;
}

/* --- the file --- */

/* 1, or 0 when there is no such file. */
static int load(const char *path, Policy *ret, Error *err) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        int r = file_read_at(AT_FDCWD, path, POLICY_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path, "%s has more than %d bytes", path,
                                 POLICY_SIZE_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, path, "cannot read %s", path);
        return policy_parse(path, text, size, ret, err) < 0 ? -1 : 1;
}

int policy_load(const char *path, Policy *ret, Error *err) {
        _cleanup_free_ char *user = path ? NULL : config_home_path(USER_FILE);
        _cleanup_free_ char *system = config_system_path(SYSTEM_FILE);

        int r = user ? load(user, ret, err) : 0;
        if (r == 0)
                r = load(path ? path : system, ret, err);
        if (r == 0)
                return error_set(err, ERR_NOT_FOUND, path ? path : system,
                                 "there is no policy, %s, so nothing is allowed",
                                 path ? path : system);
        return r < 0 ? -1 : 0;
}

/* --- looking up --- */

static const PolicyRequirements *find(const Policy *policy, const char *transport,
                                      const char *scope) {
        for (size_t i = 0; i < policy->count; i++)
                if (text_equal(policy->scopes[i].transport, transport) &&
                    text_equal(policy->scopes[i].scope, scope))
                        return &policy->scopes[i].requirements;
        return NULL;
}

const PolicyRequirements *policy_find(const Policy *policy, const char *transport,
                                      const char *scope) {
        _cleanup_strings_ Strings scopes = STRINGS_INIT;

        scope_list(transport, scope, &scopes);
        strings_add(&scopes, "");
        for (size_t i = 0; i < scopes.count; i++) {
                const PolicyRequirements *found = find(policy, transport, scopes.items[i]);
                if (found)
                        return found;
        }
        return find(policy, "", "");
}
