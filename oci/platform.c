/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "base/text.h"

/* Go's word for the kernel's name of a machine; that name where no other is known. */
static const char *architecture_of(const char *machine) {
        static const char *const names[][2] = {
                { "x86_64", "amd64" },    { "aarch64", "arm64" },
                { "i686", "386" },        { "i586", "386" },
                { "armv8l", "arm" },      { "armv7l", "arm" },
                { "armv6l", "arm" },      { "armv5tel", "arm" },
                { "mips64", "mips64le" }, { "loongarch64", "loong64" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (text_equal(machine, names[i][0]))
                        return names[i][1];
        return machine;
}

static const char *variant_of(const char *machine) {
        static const char *const variants[][2] = {
                { "aarch64", "v8" }, { "armv8l", "v8" },   { "armv7l", "v7" },
                { "armv6l", "v6" },  { "armv5tel", "v5" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
                if (text_equal(machine, variants[i][0]))
                        return variants[i][1];
        return "";
}

void platform_of_host(Platform *ret) {
        struct utsname host;

        if (uname(&host) < 0)
                abort(); /* fails for a bad pointer only */
        *ret = (Platform){ .os = "linux" };
        snprintf(ret->architecture, sizeof(ret->architecture), "%s", architecture_of(host.machine));
        snprintf(ret->variant, sizeof(ret->variant), "%s", variant_of(host.machine));
}

size_t platform_variants(const Platform *platform, const char *ret[static PLATFORM_VARIANTS_MAX]) {
        static const char *const arm[] = { "v8", "v7", "v6", "v5" };
        size_t known = text_equal(platform->architecture, "arm")     ? ARRAY_SIZE(arm)
                       : text_equal(platform->architecture, "arm64") ? 1
                                                                     : 0;
        size_t first = 0, count = 0;

        while (first < known && *platform->variant && !text_equal(arm[first], platform->variant))
                first++;
        if (!*platform->variant)
                ret[count++] = "";
        else if (first == known) /* one that nothing is known of */
                ret[count++] = platform->variant;
        for (size_t i = first; i < known; i++)
                ret[count++] = arm[i];
        if (*platform->variant)
                ret[count++] = "";
        return count;
}
