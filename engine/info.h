/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Facts about the host, for GetInfo. */

#include <stdint.h>

#include "base/arena.h"

typedef struct HostInfo {
        int64_t mem_free, mem_total, swap_free, swap_total; /* bytes */
        int64_t cpus;
        const char *distribution, *distribution_version; /* os-release ID and VERSION_ID */
        const char *arch;                                /* Go's name: amd64 */
        const char *hostname, *kernel, *os;
        const char *uptime; /* `21m 13.63s`, as the original spells it */
} HostInfo;

/** host_info() - read now; texts are in the arena; what cannot be read is 0 or "" */
void host_info(Arena *arena, HostInfo *ret);

/** host_arch() - this machine's architecture in Go's names */
const char *host_arch(void);
