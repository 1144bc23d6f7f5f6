/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * policy.json: which images may be had, and whose signatures they need.
 *
 * For each image one list of requirements holds, that of the nearest scope (scope.h); all of the
 * list must be met. The file is read strictly: whoever misspelt a member must not be left with less
 * than he meant. Requirements that are known elsewhere and not met here (sigstore) are read, and
 * refuse the images that they are for.
 *
 * Source: containers-policy.json(5).
 */

#include "base/text.h"
#include "image/signed_identity.h"

#define POLICY_SIZE_MAX    (1024 * 1024) /* bytes of the file */
#define POLICY_ENTRIES_MAX 10000         /* scopes of a transport, requirements of a scope, keys */

typedef enum PolicyKind {
        POLICY_ACCEPT,      /* insecureAcceptAnything */
        POLICY_REJECT,      /* reject */
        POLICY_SIGNED_BY,   /* signedBy, with keys of GPG */
        POLICY_UNSUPPORTED, /* sigstoreSigned, signedBaseLayer */
        _POLICY_KIND_MAX,
} PolicyKind;

typedef struct PolicyRequirement {
        PolicyKind kind;
        char *type;        /* as the file has it */
        Strings key_paths; /* files of keys; or else */
        void *key_data;    /* the keys themselves */
        size_t key_size;
        SignedIdentity identity;
} PolicyRequirement;

typedef struct PolicyRequirements {
        PolicyRequirement *items;
        size_t count, capacity;
} PolicyRequirements;

typedef struct PolicyScope {
        char *transport, *scope; /* "", "": of all images */
        PolicyRequirements requirements;
} PolicyScope;

typedef struct Policy {
        char *path; /* of the file */
        PolicyScope *scopes;
        size_t count, capacity;
} Policy;

#define POLICY_INIT \
        { .path = NULL }

void policy_done(Policy *policy);
#define _cleanup_policy_ _cleanup_(policy_done)

/**
 * policy_load() - read the file
 * @path: NULL: $HOME/.config/containers/policy.json, else /etc/containers/policy.json
 *
 * Errors: those of policy_parse(), ERR_NOT_FOUND (a missing file is no permission), ERR_IO.
 */
int policy_load(const char *path, Policy *ret, Error *err);

/**
 * policy_parse() - read its text
 * @path: for errors
 *
 * Errors: ERR_INVALID (subject = the member), ERR_LIMIT.
 */
int policy_parse(const char *path, const char *text, size_t size, Policy *ret, Error *err);

/**
 * policy_find() - the requirements for an image; borrowed, never NULL
 * @transport: "docker", "oci", ...
 * @scope:     see scope_list()
 */
const PolicyRequirements *policy_find(const Policy *policy, const char *transport,
                                      const char *scope);
