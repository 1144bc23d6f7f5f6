/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Registries as sources and sinks of images (source.h, sink.h): the HTTP API of the distribution
 * specification, as Docker's registry, Docker Hub and all others of the field speak it.
 *
 * https first; where a registry is insecure its certificate does not matter, and plain http will
 * do. Nothing is asked before the first call, so making a source or sink fails for its options
 * only.
 *
 * Source: OCI distribution-spec v1.1.
 */

#include "base/text.h"
#include "helper/sink.h"
#include "helper/source.h"
#include "image/auth.h"
#include "oci/reference.h"

#define REGISTRY_MOUNTS_MAX 8 /* repositories that a blob is tried to be mounted from */

/* All is copied but the control. */
typedef struct RegistryOptions {
        const char *host;               /* `docker.io`, `127.0.0.1:5000`: who is asked */
        const char *repository;         /* `library/busybox`: what for */
        bool is_insecure;               /* unverified TLS, and plain http, will do */
        const char *cert_dir;           /* NULL or "": certs.d, see helper/certs.h */
        const Credentials *credentials; /* NULL: nobody in particular */
        const TransferControl *control; /* of the calls that have none of their own; or NULL */
        unsigned stall_ms;              /* 0: HTTP_STALL_MS */
} RegistryOptions;

/**
 * registry_source_new() - an image in a registry
 * @reference: full; its digest or else its tag is what is read, and it is what policies go by, even
 *             where a mirror is asked
 *
 * A manifest that is asked for by digest is what its digest says. Blobs are not checked; broken
 * transfers are taken up, layers' foreign URLs never followed. The calls' errors: ERR_NOT_FOUND,
 * ERR_INVALID (denied), ERR_CORRUPT (digest, length), ERR_LIMIT, ERR_UNSUPPORTED, ERR_CANCELLED,
 * ERR_TIMEOUT, ERR_IO. Errors of this one: those of certs_load(), ERR_INVALID.
 */
int registry_source_new(ImageSource **ret, const RegistryOptions *options,
                        const Reference *reference, Error *err);

/**
 * registry_sink_new() - push an image
 * @reference:  the name it gets: its tag, or else its digest
 * @mount_from: repositories of the same registry that may have the blobs already; or NULL
 *
 * What was sent is unreachable until commit() sends the manifest. A blob that could be kept in
 * memory is sent again where a try fails; a larger one cannot, since its pipe is read. Errors as
 * above.
 */
int registry_sink_new(ImageSink **ret, const RegistryOptions *options, const Reference *reference,
                      const Strings *mount_from, Error *err);
