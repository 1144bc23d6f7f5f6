/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the bytes of an image are: the places that registries.conf has for a full reference.
 *
 * A reference is a logical name, under which an image is kept here. The one [[registry]] with the
 * longest prefix that the reference begins with says which servers to ask for it. Mirrors and other
 * locations are for reading; what is pushed goes where its name says.
 *
 * Source: containers-registries.conf(5), "Remapping and mirroring registries".
 */

#include "image/registries.h"
#include "oci/reference.h"

typedef struct Endpoint {
        Reference reference; /* what to ask for, and in `domain` whom; with the tag and digest */
        bool is_insecure;    /* plain HTTP and unverified TLS will do */
        bool is_mirror;
} Endpoint;

typedef struct Endpoints {
        Endpoint *items; /* in the order in which they are to be tried; one at least */
        size_t count, capacity;
} Endpoints;

#define ENDPOINTS_INIT \
        { .items = NULL }

void endpoints_done(Endpoints *endpoints);
#define _cleanup_endpoints_ _cleanup_(endpoints_done)

/**
 * registries_find() - the entry that is about a full reference, or about a host; borrowed, or NULL
 * @name: `domain[:port][/path[:tag][@digest]]`
 */
const Registry *registries_find(const Registries *registries, const char *name);

/**
 * registries_endpoints() - where to pull a reference from: mirrors, then the location itself
 * @reference: full: with a domain
 *
 * Errors: ERR_UNSUPPORTED (blocked; subject = the prefix), ERR_INVALID (a location makes no
 * reference of it).
 */
int registries_endpoints(const Registries *registries, const Reference *reference, Endpoints *ret,
                         Error *err);

/**
 * registries_destination() - whether a push to a reference may be insecure
 *
 * Errors: ERR_UNSUPPORTED (blocked).
 */
int registries_destination(const Registries *registries, const Reference *reference,
                           bool *ret_is_insecure, Error *err);
