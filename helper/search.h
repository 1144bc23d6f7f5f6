/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Looking for images in one registry.
 *
 * Docker Hub and some others search by themselves (`/v1/search`); of the rest the catalog is read,
 * and what has the term in its name is a hit.
 */

#include "helper/registry.h"

#define SEARCH_RESULTS_MAX  10000 /* of one registry */
#define SEARCH_PAGES_MAX    1000  /* of its catalog */
#define SEARCH_DOCUMENT_MAX (4 * 1024 * 1024)

typedef struct SearchResult {
        char *registry;    /* `docker.io` */
        char *name;        /* with the registry: `docker.io/library/busybox` */
        char *description; /* one line; "": none */
        int64_t stars;
        bool is_official, is_automated;
} SearchResult;

typedef struct SearchResults {
        SearchResult *items;
        size_t count, capacity;
} SearchResults;

#define SEARCH_RESULTS_INIT \
        { .items = NULL }

void search_results_done(SearchResults *results);
#define _cleanup_search_results_ _cleanup_(search_results_done)

/**
 * registry_search() - append what one registry has
 * @options: its repository does not count
 * @term:    "": all that there is, where the registry tells
 * @limit:   of this registry's hits; at most SEARCH_RESULTS_MAX, which is also what 0 means
 *
 * Errors: as of a source's calls; nothing is appended then.
 */
int registry_search(const RegistryOptions *options, const char *term, size_t limit,
                    SearchResults *results, Error *err);
