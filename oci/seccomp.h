/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The system call filter: a profile in the format of containers' seccomp.json, translated for one
 * capability set and this machine's architecture into the text of the OCI document's linux.seccomp.
 *
 * The profile says which rules hold for which capabilities and architectures; the OCI form has no
 * such conditions. Translating costs a parse of the profile, and compiling what comes out (see
 * seccomp_filter.h) costs more than a container's start does without it. So results are kept: for
 * each profile file (as it was at its last change) and capability set, until others take its place.
 */

#include "base/error.h"
#include "oci/capability.h"

#define SECCOMP_PROFILE_PATH  "/usr/share/containers/seccomp.json"
#define SECCOMP_PROFILE_MAX   (1024 * 1024) /* bytes of a profile */
#define SECCOMP_CACHE_ENTRIES 64            /* translations kept; the oldest goes first */

typedef struct SeccompCache SeccompCache;

SeccompCache *seccomp_cache_new(void);
SeccompCache *seccomp_cache_free(SeccompCache *cache);
DEFINE_CLEANUP(SeccompCache, seccomp_cache_free);

/**
 * seccomp_cache_get() - the filter for a container with these capabilities
 * @path:         profile the user named; NULL: SECCOMP_PROFILE_PATH, or the rules built in when
 *         absent
 * @capabilities: the container's bounding set
 * @ret:          heap text of a JSON object, for RuntimeConfig.seccomp
 * @ret_filter:   heap text, for SECCOMP_FILTER_ANNOTATION; NULL: not wanted, and not compiled
 *
 * Any worker thread; who asks for a filter while one is being compiled waits for it. Errors,
 * subject = path: ERR_INVALID (not JSON, or not such a profile; the text has line and column or the
 * member), ERR_LIMIT (longer than SECCOMP_PROFILE_MAX), ERR_IO, those of seccomp_filter_compile().
 */
int seccomp_cache_get(SeccompCache *cache, const char *path, CapabilitySet capabilities, char **ret,
                      char **ret_filter, Error *err);

/**
 * seccomp_translate() - the same without cache or file
 * @profile: JSON text of a profile; NULL: the rules built in
 * @name:    what to call it in errors
 */
int seccomp_translate(const char *profile, size_t size, const char *name,
                      CapabilitySet capabilities, char **ret, Error *err);
