/* SPDX-License-Identifier: Apache-2.0 */
#include "image/endpoints.h"

#include <string.h>

void endpoints_done(Endpoints *endpoints) {
        free(endpoints->items);
        *endpoints = (Endpoints)ENDPOINTS_INIT;
}

/* How much of @name a `*.host` covers: its host without the port, or 0. */
static size_t match_wildcard(const char *name, const char *suffix) {
        size_t host = strcspn(name, ":/"), size = strlen(suffix);

        return host > size && memcmp(name + host - size, suffix, size) == 0 ? host : 0;
}

/*
 * How much of @name a prefix covers, or 0. It must end where a part of the name does; behind a host
 * alone a colon would begin its port, and that is another registry.
 */
static size_t match_prefix(const char *name, const char *prefix) {
        if (prefix[0] == '*')
                return match_wildcard(name, prefix + 1);
        const char *rest = text_starts_with(name, prefix);
        if (!rest || !*prefix)
                return 0;
        bool is_end = *rest == '\0' || *rest == '/' || *rest == '@' ||
                      (*rest == ':' && strchr(prefix, '/'));
        return is_end ? (size_t)(rest - name) : 0;
}

const Registry *registries_find(const Registries *registries, const char *name) {
        const Registry *best = NULL;
        size_t best_size = 0;

        for (size_t i = 0; i < registries->count; i++) {
                const Registry *registry = &registries->items[i];
                size_t size = strlen(registry->prefix);
                if (size > best_size && match_prefix(name, registry->prefix)) {
                        best = registry;
                        best_size = size;
                }
        }
        return best;
}

static int refuse_blocked(const Registry *registry, const char *name, Error *err) {
        return error_set(err, ERR_UNSUPPORTED, registry->prefix,
                         "%.600s cannot be used: registry %s is blocked in registries.conf", name,
                         registry->prefix);
}

/* Put @location in the place of the prefix; what follows it stays. */
static int add_endpoint(Endpoints *endpoints, const char *location, const char *rest,
                        bool is_insecure, bool is_mirror, Error *err) {
        Endpoint endpoint = { .is_insecure = is_insecure, .is_mirror = is_mirror };
        _cleanup_free_ char *name = xasprintf("%s%s", location, rest);

        if (reference_parse(name, &endpoint.reference, err) < 0)
                return error_prefix(err, "location %s of registries.conf", location);
        if (!*endpoint.reference.domain)
                return error_set(err, ERR_INVALID, location,
                                 "location %s of registries.conf does not begin with a registry",
                                 location);
        GROW(endpoints->items, endpoints->count, endpoints->capacity);
        endpoints->items[endpoints->count++] = endpoint;
        return 0;
}

static bool mirror_serves(const RegistryMirror *mirror, const Reference *reference) {
        bool has_digest = *reference->digest;

        return mirror->use == MIRROR_USE_ALL ||
               has_digest == (mirror->use == MIRROR_USE_DIGEST_ONLY);
}

int registries_endpoints(const Registries *registries, const Reference *reference, Endpoints *ret,
                         Error *err) {
        _cleanup_endpoints_ Endpoints endpoints = ENDPOINTS_INIT;
        char name[REFERENCE_TEXT_MAX];
        const Registry *registry = registries_find(registries, reference_format(reference, name));

        if (registry && registry->is_blocked)
                return refuse_blocked(registry, name, err);
        const char *rest = registry ? name + match_prefix(name, registry->prefix) : "";
        for (size_t i = 0; registry && i < registry->mirrors_count; i++) {
                const RegistryMirror *mirror = &registry->mirrors[i];
                if (mirror_serves(mirror, reference) &&
                    add_endpoint(&endpoints, mirror->location, rest, mirror->is_insecure, true,
                                 err) < 0)
                        return -1;
        }
        bool is_elsewhere = registry && registry->location;
        if (add_endpoint(&endpoints, is_elsewhere ? registry->location : name,
                         is_elsewhere ? rest : "", registry && registry->is_insecure, false,
                         err) < 0)
                return -1;
        *ret = endpoints;
        endpoints = (Endpoints)ENDPOINTS_INIT;
        return 0;
}

int registries_destination(const Registries *registries, const Reference *reference,
                           bool *ret_is_insecure, Error *err) {
        char name[REFERENCE_TEXT_MAX];
        const Registry *registry = registries_find(registries, reference_format(reference, name));

        if (registry && registry->is_blocked)
                return refuse_blocked(registry, name, err);
        *ret_is_insecure = registry && registry->is_insecure;
        return 0;
}
