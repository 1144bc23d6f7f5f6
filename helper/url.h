/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The few things to know about URLs; libcurl takes them apart. */

#include "base/error.h"

/**
 * url_origin() - `scheme://host:port`, which says whether two URLs are of one server; heap
 *
 * ERR_INVALID: no URL, or neither http nor https.
 */
int url_origin(const char *url, char **ret, Error *err);

/** url_host() - `host` or, where the URL has a port, `host:port`; heap. ERR_INVALID */
int url_host(const char *url, char **ret, Error *err);

/** url_resolve() - what @reference, absolute or relative, means in a document at @base; heap */
int url_resolve(const char *base, const char *reference, char **ret, Error *err);

/** url_add_query() - append `name=value`, escaped; replaces *@url */
int url_add_query(char **url, const char *name, const char *value, Error *err);

/** url_is_https() */
bool url_is_https(const char *url);
