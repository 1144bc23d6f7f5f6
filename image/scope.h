/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What policy.json and registries.d may call an image: the image itself, and whatever it lies in,
 * the nearest first.
 *
 * Of a registry `quay.io:443/a/b:c` lies in `quay.io:443/a/b`, `quay.io:443/a`, `quay.io:443`,
 * `*.io`; a folder `/a/b` lies in `/a`. Which image of a layout is meant makes no difference: one
 * may have several names there, or none.
 *
 * Source: containers-policy.json(5); containers/image 5.23 docker/policyconfiguration/naming.go.
 */

#include "base/error.h"
#include "base/text.h"

/**
 * scope_list() - append all names of an image, the nearest first
 * @transport: as policy.json calls it
 * @scope:     of a registry domain/path:tag or domain/path@digest, else an absolute path; "":
 *             nothing is appended
 */
void scope_list(const char *transport, const char *scope, Strings *to);

/** scope_check() - whether policy.json may have this scope; ERR_INVALID */
int scope_check(const char *transport, const char *scope, Error *err);
