/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Linux capabilities as sets: one bit for each capability, bit N is the kernel's number N.
 *
 * Names come with and without `CAP_`, in any case. A set is a plain value: union and difference are
 * | and &~.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef uint64_t CapabilitySet;

#define CAPABILITY_MAX 41 /* names known here: CAP_CHOWN (0) to CAP_CHECKPOINT_RESTORE (40) */

#define CAPABILITY_BIT(number) (UINT64_C(1) << (number))

/* The eleven that containers get unless told otherwise: podman's list since its version 4. */
extern const CapabilitySet CAPABILITY_DEFAULT;

/**
 * capability_parse() - number of a name, with or without CAP_, in any case; -EINVAL when unknown
 */
int capability_parse(const char *name);

/** capability_bounding() - what this process itself may pass on: its bounding set, read once */
CapabilitySet capability_bounding(void);

/**
 * capability_change() - add and drop by name, as podman's --cap-add and --cap-drop do
 * @base: the set to start from
 * @add:  NULL-terminated names or NULL; `ALL` starts from the whole bounding set
 * @drop: NULL-terminated names or NULL; `ALL` starts from nothing, then adds @add
 * @ret:  what the bounding set of the engine does not hold is left out
 *
 * ERR_INVALID: an unknown name, or one that is both added and dropped; subject "create.cap_add" or
 * "create.cap_drop". Adding a capability that the engine does not have is ERR_UNSUPPORTED.
 */
int capability_change(CapabilitySet base, const char *const *add, const char *const *drop,
                      CapabilitySet *ret, Error *err);

/** capability_list() - append to @list the names, sorted by name as clients expect to see them */
void capability_list(CapabilitySet set, Strings *list);
