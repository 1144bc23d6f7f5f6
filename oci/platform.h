/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What kind of machine an image is for, in Go's words: linux, arm, v7.
 *
 * A machine runs more than its own kind: a v8 runs what was built for v7. So there is an order in
 * which variants are wanted, as the containers tools have it: the machine's own, the lower ones,
 * and last those that name no variant.
 */

#include "base/memory.h"

#define PLATFORM_TEXT_MAX     32
#define PLATFORM_VARIANTS_MAX 8

typedef struct Platform {
        char os[PLATFORM_TEXT_MAX];
        char architecture[PLATFORM_TEXT_MAX];
        char variant[PLATFORM_TEXT_MAX]; /* "": not said, any */
} Platform;

/** platform_of_host() - this machine */
void platform_of_host(Platform *ret);

/**
 * platform_variants() - the variants that suit, best first
 * @ret: "" stands for images that name none; borrowed from @platform or static
 *
 * Returns how many. Source: containers/image 5.23 internal/pkg/platform.
 */
size_t platform_variants(const Platform *platform, const char *ret[static PLATFORM_VARIANTS_MAX]);
