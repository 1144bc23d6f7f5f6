/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An index of images: one name for the builds of an image for several kinds of machine (an OCI
 * index, docker's manifest list), or the list of what is in an OCI layout (its index.json).
 *
 * An index may name indexes again. Whoever follows them counts: nothing here can see a circle.
 * The JSON that an index was read from stays at its side, so that writing it after a change keeps
 * what this program does not know of.
 *
 * Source: OCI image-spec v1.1 image-index.md, image-layout.md; distribution manifest-v2-2.
 */

#include "oci/manifest.h"
#include "oci/platform.h"

#define INDEX_ENTRIES_MAX 4096

typedef struct IndexEntry {
        Descriptor descriptor;
        bool has_platform;
        char *os, *architecture, *variant; /* "": not said */
        char *name;                        /* in a layout: the reference; "": none */
} IndexEntry;

typedef struct Index {
        IndexEntry *entries;
        size_t count, capacity;
        json_t *document; /* the entries among the rest; owned */
} Index;

#define INDEX_INIT \
        { .entries = NULL }

/** index_init() - an empty one, as a new layout has it */
void index_init(Index *index);
void index_done(Index *index);
#define _cleanup_index_ _cleanup_(index_done)

/**
 * index_is_index() - whether a document should be read as an index rather than as a manifest
 * @media_type: what its source calls it; "" or NULL: look at the document
 *
 * A guess and no check: both parsers refuse what is not theirs.
 */
bool index_is_index(const char *text, size_t size, const char *media_type);

/**
 * index_parse() - read an untrusted document
 * Errors: ERR_INVALID (subject = the member), ERR_UNSUPPORTED (no index), ERR_LIMIT.
 */
int index_parse(const char *text, size_t size, Index *ret, Error *err);

/**
 * index_choose() - the image for a kind of machine
 * @platform: NULL: this host
 *
 * The best variant wins, then the first in order; an entry that names no platform at all is taken
 * if no other suits. Borrowed, or NULL: ERR_NOT_FOUND, the text lists what there is.
 */
const Descriptor *index_choose(const Index *index, const Platform *platform, Error *err);

/**
 * index_find() - the entry of a layout
 * @name: NULL: the only one
 *
 * Borrowed, or NULL: ERR_NOT_FOUND, ERR_AMBIGUOUS.
 */
const IndexEntry *index_find(const Index *index, const char *name, Error *err);

/**
 * index_put() - enter a manifest in a layout
 * @name: NULL: without one
 *
 * What had this name goes; so does an entry without a name for the same manifest.
 * ERR_LIMIT (INDEX_ENTRIES_MAX).
 */
int index_put(Index *index, const char *name, const Descriptor *manifest, Error *err);

/** index_format() - compact JSON; heap text */
char *index_format(const Index *index, size_t *ret_size);
