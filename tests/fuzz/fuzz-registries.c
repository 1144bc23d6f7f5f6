/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text is a configuration or is refused with a place in it; what one leads to is always full
 * references.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "image/endpoints.h"
#include "image/short_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void follow(const Registries *registries, const Reference *reference) {
        _cleanup_endpoints_ Endpoints endpoints = ENDPOINTS_INIT;

        assert(*reference->domain);
        if (registries_endpoints(registries, reference, &endpoints, NULL) < 0)
                return;
        assert(endpoints.count >= 1 && !endpoints.items[endpoints.count - 1].is_mirror);
        for (size_t i = 0; i < endpoints.count; i++)
                assert(*endpoints.items[i].reference.domain && *endpoints.items[i].reference.path);
}

static void resolve(const Registries *registries, const char *name) {
        _cleanup_name_candidates_ NameCandidates candidates = NAME_CANDIDATES_INIT;

        if (image_names_resolve(registries, name, &candidates, NULL) < 0)
                return;
        assert(candidates.count >= 1);
        for (size_t i = 0; i < candidates.count; i++)
                follow(registries, &candidates.items[i].reference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_registries_ Registries registries = REGISTRIES_INIT;
        Error err = ERROR_INIT;

        if (registries_parse(&registries, "fuzz", (const char *)data, size, size % 2, &err) < 0) {
                assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
                assert(text_starts_with(err.text, "fuzz"));
        }
        for (size_t i = 0; i < registries.aliases.count; i++)
                resolve(&registries, registries.aliases.items[i].key);
        for (size_t i = 0; i < registries.count; i++)
                resolve(&registries, registries.items[i].prefix);
        resolve(&registries, "name");
        resolve(&registries, "a.example/b/name:tag");
        return 0;
}
