/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the signatures of a registry's images are kept: beside the registry, in a folder or on a
 * web server that the files of registries.d name.
 *
 * $HOME/.config/containers/registries.d/ *.yaml, or if there is no such folder,
 * /etc/containers/registries.d/ *.yaml. The nearest scope (scope.h) that names a place wins, then
 * default-docker, then the folder that the tools write to by default. There a signature is
 * `<path of the repository>@sha256=<hex>/signature-<n>`.
 *
 * Source: containers-registries.d(5); containers/image 5.23 docs/signature-protocols.md.
 */

#include "base/buffer.h"
#include "base/error.h"
#include "oci/reference.h"

#define LOOKASIDE_FILE_MAX       (1024 * 1024) /* bytes of one file of registries.d */
#define LOOKASIDE_SCOPES_MAX     4096
#define LOOKASIDE_DEPTH_MAX      32          /* of what is in such a file */
#define LOOKASIDE_SIGNATURES_MAX 128         /* of one manifest */
#define LOOKASIDE_SIGNATURE_SIZE (64 * 1024) /* bytes of one */

typedef struct LookasideScope {
        char *scope; /* "": default-docker */
        char *url;   /* where it is read; "": this section does not say */
} LookasideScope;

typedef struct Lookaside {
        LookasideScope *scopes;
        size_t count, capacity;
} Lookaside;

#define LOOKASIDE_INIT \
        { .scopes = NULL }

void lookaside_done(Lookaside *lookaside);
#define _cleanup_lookaside_ _cleanup_(lookaside_done)

/** lookaside_load() - read the files; ERR_INVALID (file and line), ERR_LIMIT, ERR_IO */
int lookaside_load(Lookaside *ret, Error *err);

/** lookaside_parse() - add what the text of one file says; @path for errors; errors as above */
int lookaside_parse(Lookaside *lookaside, const char *path, const char *text, size_t size,
                    Error *err);

/** lookaside_url() - the signature @number (from 1) of a manifest; heap text */
char *lookaside_url(const Lookaside *lookaside, const Reference *image, const char *digest,
                    size_t number);

/*
 * Read what an http:// or https:// URL holds, at most LOOKASIDE_SIGNATURE_SIZE bytes, into @ret.
 * 1; 0: there is nothing (404); -1 and @err.
 */
typedef int (*LookasideFetch)(void *userdata, const char *url, Buffer *ret, Error *err);

/**
 * lookaside_read() - all signatures of a manifest
 * @image: full: domain, path, and a tag or a digest
 * @ret, @ret_count: appended to; the caller's to free, also after an error
 *
 * Errors: those of @fetch, ERR_UNSUPPORTED (another kind of URL), ERR_LIMIT, ERR_IO.
 */
int lookaside_read(const Lookaside *lookaside, const Reference *image, const char *digest,
                   LookasideFetch fetch, void *userdata, Buffer **ret, size_t *ret_count,
                   Error *err);
