/* SPDX-License-Identifier: Apache-2.0 */
#include "image/short_names.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

#define AMBIGUOUS_LISTED_MAX 8 /* registries that an error names */

const char *name_reason_text(NameReason reason) {
        static const char *const texts[_NAME_REASON_MAX] = {
                [NAME_AS_GIVEN] = "as given",
                [NAME_ALIAS] = "by an alias",
                [NAME_LOCAL] = "as a local name",
                [NAME_SEARCH] = "by a search registry",
        };

        return texts[reason];
}

void name_candidates_done(NameCandidates *candidates) {
        free(candidates->items);
        *candidates = (NameCandidates)NAME_CANDIDATES_INIT;
}

/* @base is `domain`, or with @is_whole `domain/path`, for a short name. */
static int add_candidate(NameCandidates *candidates, const char *base, bool is_whole,
                         const Reference *typed, NameReason reason, Error *err) {
        NameCandidate candidate = { .reason = reason };
        _cleanup_free_ char *name =
                xasprintf("%s%s%s", base, is_whole ? "" : "/", is_whole ? "" : typed->path);

        if (reference_parse(name, &candidate.reference, err) < 0)
                return -1;
        memcpy(candidate.reference.tag, typed->tag, sizeof(typed->tag));
        memcpy(candidate.reference.digest, typed->digest, sizeof(typed->digest));
        if (reference_normalize(&candidate.reference, err) < 0)
                return -1;
        GROW(candidates->items, candidates->count, candidates->capacity);
        candidates->items[candidates->count++] = candidate;
        return 0;
}

static int add_searched(NameCandidates *candidates, const Registries *registries,
                        const Reference *typed, Error *err) {
        for (size_t i = 0; i < registries->search.count; i++) {
                if (add_candidate(candidates, registries->search.items[i], false, typed,
                                  NAME_SEARCH, err) < 0)
                        return error_prefix(err, "search registry %s of registries.conf",
                                            registries->search.items[i]);
        }
        return 0;
}

/* Nobody is there to choose one. */
static int refuse_to_guess(const Registries *registries, const char *name, Error *err) {
        _cleanup_buffer_ Buffer list = BUFFER_INIT;
        size_t count = registries->search.count;

        for (size_t i = 0; i < count && i < AMBIGUOUS_LISTED_MAX; i++)
                buffer_printf(&list, "%s%.100s", i ? ", " : "", registries->search.items[i]);
        buffer_append_byte(&list, '\0');
        return error_set(err, ERR_AMBIGUOUS, name,
                         "\"%.200s\" may be an image of %zu registries (%s%s) and short-name-mode "
                         "is enforcing: give its full name",
                         name, count, list.data, count > AMBIGUOUS_LISTED_MAX ? ", ..." : "");
}

/* The value of an alias; one that was erased is none. */
static const char *find_alias(const Registries *registries, const char *path) {
        const char *alias = pairs_get(&registries->aliases, path);

        return text_is_empty(alias) ? NULL : alias;
}

static int resolve_short(const Registries *registries, const char *name, const Reference *typed,
                         NameCandidates *candidates, Error *err) {
        const char *alias = find_alias(registries, typed->path);

        if (alias)
                return add_candidate(candidates, alias, true, typed, NAME_ALIAS, err);
        if (!registries->search.count)
                return error_set(err, ERR_NOT_FOUND, name,
                                 "\"%.600s\" names no registry, is no alias, and registries.conf "
                                 "has no unqualified-search-registries",
                                 name);
        if (registries->search.count > 1 && registries->short_name_mode == SHORT_NAME_ENFORCING)
                return refuse_to_guess(registries, name, err);
        return add_searched(candidates, registries, typed, err);
}

/* An id cannot be pulled, and a name that reads as one could not be told from it. */
static int parse_name(const char *name, Reference *ret, Error *err) {
        if (reference_parse(name, ret, err) < 0)
                return -1;
        if (*ret->domain || strlen(ret->path) != DIGEST_HEX_SIZE || !text_is_hex(ret->path))
                return 0;
        return error_set(err, ERR_INVALID, name, "\"%s\" is an image's id, not a name", name);
}

int image_names_resolve(const Registries *registries, const char *name, NameCandidates *ret,
                        Error *err) {
        _cleanup_name_candidates_ NameCandidates candidates = NAME_CANDIDATES_INIT;
        Reference typed = REFERENCE_INIT;

        if (parse_name(name, &typed, err) < 0)
                return -1;
        int r = *typed.domain ? add_candidate(&candidates, typed.domain, false, &typed,
                                              NAME_AS_GIVEN, err)
                              : resolve_short(registries, name, &typed, &candidates, err);
        if (r < 0)
                return -1;
        *ret = candidates;
        candidates = (NameCandidates)NAME_CANDIDATES_INIT;
        return 0;
}

static int name_locally(const Registries *registries, const Reference *typed,
                        NameCandidates *candidates, Error *err) {
        const char *alias = find_alias(registries, typed->path);

        if (*typed->domain)
                return add_candidate(candidates, typed->domain, false, typed, NAME_AS_GIVEN, err);
        if (alias && add_candidate(candidates, alias, true, typed, NAME_ALIAS, err) < 0)
                return -1;
        if (add_candidate(candidates, "localhost", false, typed, NAME_LOCAL, err) < 0)
                return -1;
        /* One that makes no name is no name of an image; that is told when something is pulled. */
        for (size_t i = 0; i < registries->search.count; i++)
                (void)add_candidate(candidates, registries->search.items[i], false, typed,
                                    NAME_SEARCH, NULL);
        return 0;
}

int image_names_local(const Registries *registries, const char *name, NameCandidates *ret,
                      Error *err) {
        _cleanup_name_candidates_ NameCandidates candidates = NAME_CANDIDATES_INIT;
        Reference typed = REFERENCE_INIT;

        if (parse_name(name, &typed, err) < 0 ||
            name_locally(registries, &typed, &candidates, err) < 0)
                return -1;
        *ret = candidates;
        candidates = (NameCandidates)NAME_CANDIDATES_INIT;
        return 0;
}
