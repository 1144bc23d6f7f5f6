/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a name that a user types to the full references that it may mean.
 *
 * Only a name without a registry is short. To pull, an alias decides; without one the search
 * registries are tried. What is there already is found with an alias first, then below localhost,
 * then as in those registries.
 *
 * Source: containers-registries.conf(5), "Short-Name Aliasing"; containers/image v5.23
 * pkg/shortnames.
 */

#include "image/registries.h"
#include "oci/reference.h"

typedef enum NameReason {
        NAME_AS_GIVEN,
        NAME_ALIAS,
        NAME_LOCAL,
        NAME_SEARCH,
        _NAME_REASON_MAX,
} NameReason;

/** name_reason_text() - for messages: "as given", "by an alias", ... */
const char *name_reason_text(NameReason reason);

typedef struct NameCandidate {
        Reference reference; /* domain, and a tag or a digest or both */
        NameReason reason;
} NameCandidate;

typedef struct NameCandidates {
        NameCandidate *items; /* in the order in which they are to be tried; one at least */
        size_t count, capacity;
} NameCandidates;

#define NAME_CANDIDATES_INIT \
        { .items = NULL }

void name_candidates_done(NameCandidates *candidates);
#define _cleanup_name_candidates_ _cleanup_(name_candidates_done)

/**
 * image_names_resolve() - what to pull for a name, without a transport
 *
 * Errors: ERR_INVALID (no reference; subject = @name), ERR_NOT_FOUND (no alias, and no registry to
 * search), ERR_AMBIGUOUS (several registries, and the mode is enforcing).
 */
int image_names_resolve(const Registries *registries, const char *name, NameCandidates *ret,
                        Error *err);

/**
 * image_names_local() - what an image here may be called if a user means it by @name
 *
 * Errors: ERR_INVALID.
 */
int image_names_local(const Registries *registries, const char *name, NameCandidates *ret,
                      Error *err);
