/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The simple signatures of a registry's image, from where registries.d says (image/lookaside.h). */

#include "helper/source.h"
#include "oci/reference.h"

/**
 * registry_signatures_read() - all signatures of a manifest
 * @image: what was asked for: full, with a tag or a digest
 * @ret, @ret_count: appended to; the caller's to free, also after an error
 * @control: may be NULL
 *
 * A server of signatures gets no login of the registry's. Errors: those of lookaside_load() and
 * lookaside_read(), ERR_IO, ERR_TIMEOUT, ERR_CANCELLED; that there is none is no error.
 */
int registry_signatures_read(const Reference *image, const char *manifest_digest, Buffer **ret,
                             size_t *ret_count, const TransferControl *control, Error *err);
