/* SPDX-License-Identifier: Apache-2.0 */

/* The host, from /proc, os-release and uname. */

#include "engine/info.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/text.h"

#define FILE_MAX (64 * 1024)

static void read_memory(HostInfo *info) {
        _cleanup_free_ char *text = NULL;
        const struct {
                const char *key;
                int64_t *value;
        } wanted[] = {
                { "MemFree:", &info->mem_free },
                { "MemTotal:", &info->mem_total },
                { "SwapFree:", &info->swap_free },
                { "SwapTotal:", &info->swap_total },
        };
        char *rest, *line;

        if (file_read_at(AT_FDCWD, "/proc/meminfo", FILE_MAX, &text, NULL) < 0)
                return;
        for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                        const char *value = text_starts_with(line, wanted[i].key);
                        if (value)
                                *wanted[i].value = strtoll(value, NULL, 10) * 1024;
                }
}

/* The value of KEY=value in os-release, quotes taken off (os-release(5)). */
static const char *read_release(Arena *arena, const char *text, const char *key) {
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                const char *value = text_starts_with(line, key);
                if (!value || *value != '=')
                        continue;
                value++;
                char quote = *value == '"' || *value == '\'' ? *value++ : '\n';
                const char *end = strchr(value, quote);
                return arena_strndup(arena, value, end ? (size_t)(end - value) : strlen(value));
        }
        return "";
}

static void read_distribution(Arena *arena, HostInfo *info) {
        _cleanup_free_ char *text = NULL;

        info->distribution = info->distribution_version = "";
        if (file_read_at(AT_FDCWD, "/etc/os-release", FILE_MAX, &text, NULL) < 0 &&
            file_read_at(AT_FDCWD, "/usr/lib/os-release", FILE_MAX, &text, NULL) < 0)
                return;
        info->distribution = read_release(arena, text, "ID");
        info->distribution_version = read_release(arena, text, "VERSION_ID");
}

static const char *read_uptime(Arena *arena) {
        _cleanup_free_ char *text = NULL;
        char *end;

        if (file_read_at(AT_FDCWD, "/proc/uptime", FILE_MAX, &text, NULL) < 0)
                return "";
        double seconds = strtod(text, &end);
        int64_t whole = (int64_t)seconds, minutes = whole / 60;
        double rest = seconds - (double)(minutes * 60);
        if (minutes >= 60)
                return arena_printf(arena,
                                    "%" PRId64 "h %" PRId64 "m %.2fs (Approximately %.2f %s)",
                                    minutes / 60, minutes % 60, rest,
                                    minutes >= 1440 ? seconds / 86400 : seconds / 3600,
                                    minutes >= 1440 ? "days" : "hours");
        if (minutes > 0)
                return arena_printf(arena, "%" PRId64 "m %.2fs", minutes, rest);
        return arena_printf(arena, "%.2fs", rest);
}

const char *host_arch(void) {
#if defined(__x86_64__)
        return "amd64";
#elif defined(__aarch64__)
        return "arm64";
#elif defined(__arm__)
        return "arm";
#elif defined(__i386__)
        return "386";
#elif defined(__riscv) && __riscv_xlen == 64
        return "riscv64";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return "ppc64le";
#elif defined(__s390x__)
        return "s390x";
#else
#error "name this architecture as Go does"
#endif
}

void host_info(Arena *arena, HostInfo *ret) {
        HostInfo info = { .arch = host_arch(), .os = "linux", .hostname = "", .kernel = "" };
        struct utsname host;
        cpu_set_t cpus;

        read_memory(&info);
        read_distribution(arena, &info);
        info.uptime = read_uptime(arena);
        if (uname(&host) == 0) {
                info.hostname = arena_strdup(arena, host.nodename);
                info.kernel = arena_strdup(arena, host.release);
        }
        if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
                info.cpus = CPU_COUNT(&cpus);
        *ret = info;
}
