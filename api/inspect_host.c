/* SPDX-License-Identifier: Apache-2.0 */

/* The member HostConfig: what the container is given of the host, and how much of it. */

#include "api/inspection.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Decimal units and four digits, as podman writes sizes: `0B`, `10MB`, `1.5GB`. */
static const char *format_size(int64_t bytes, char text[static 32]) {
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
        double size = (double)bytes;
        size_t i = 0;

        for (; size >= 1000 && i + 1 < ARRAY_SIZE(units); i++)
                size /= 1000;
        snprintf(text, 32, "%.4g%s", size, units[i]);
        return text;
}

static void add_log(const Inspection *inspection, Buffer *out) {
        char size[32];

        member_open(out, "LogConfig", '{');
        member_text(out, "Type", "k8s-file");
        member_text(out, "Path", inspection->log_path);
        member_text(out, "Size", format_size(engine_log_size_max(inspection->engine), size));
        inspect_blanks(out,
                       (const InspectBlank[]){ { "Config", BLANK_MAP }, { "Tag", BLANK_TEXT } }, 2);
        member_close(out, '}');
}

/* How a namespace is shared: `host`, `private`, or `ns:` and the path of the one that is joined. */
static void add_namespace(const RuntimeConfig *spec, const char *key, RuntimeNamespaceKind kind,
                          Buffer *out) {
        const RuntimeNamespace *namespace = &spec->namespaces[kind];

        if (namespace->path) {
                _cleanup_free_ char *joined = xasprintf("ns:%s", namespace->path);
                member_text(out, key, joined);
        } else {
                member_text(out, key, namespace->is_used ? "private" : "host");
        }
}

static void add_namespaces(const Inspection *inspection, Buffer *out) {
        const RuntimeConfig *spec = &inspection->spec;

        member_text(out, "NetworkMode", inspection->config->netMode);
        add_namespace(spec, "IpcMode", RUNTIME_NAMESPACE_IPC, out);
        add_namespace(spec, "PidMode", RUNTIME_NAMESPACE_PID, out);
        add_namespace(spec, "UTSMode", RUNTIME_NAMESPACE_UTS, out);
        add_namespace(spec, "Cgroup", RUNTIME_NAMESPACE_CGROUP, out);
        add_namespace(spec, "CgroupMode", RUNTIME_NAMESPACE_CGROUP, out);
        /* The host's user namespace has no word: both leave it empty. */
        if (spec->namespaces[RUNTIME_NAMESPACE_USER].is_used)
                add_namespace(spec, "UsernsMode", RUNTIME_NAMESPACE_USER, out);
        else
                member_text(out, "UsernsMode", "");
}

static void add_security(const RuntimeConfig *spec, Buffer *out) {
        CapabilitySet usual = CAPABILITY_DEFAULT & capability_bounding();

        inspect_capabilities(out, "CapAdd", spec->bounding & ~usual);
        inspect_capabilities(out, "CapDrop", usual & ~spec->bounding);
        member_open(out, "SecurityOpt", '[');
        if (spec->no_new_privileges)
                member_text(out, NULL, "no-new-privileges");
        member_close(out, ']');
        member_boolean(out, "ReadonlyRootfs", spec->is_root_readonly);
}

/* What the mount at /dev/shm is limited to: `size=65536k`. */
static int64_t shm_size(const RuntimeConfig *spec) {
        static const char units[] = "kmg";
        int64_t size = 0;

        for (size_t i = 0; i < spec->mounts.count; i++) {
                const RuntimeMount *mount = &spec->mounts.items[i];
                if (!text_equal(mount->destination, "/dev/shm"))
                        continue;
                for (TextArray option = mount->options; option && *option; option++) {
                        const char *value = text_starts_with(*option, "size=");
                        char *end;
                        if (!value)
                                continue;
                        size = strtoll(value, &end, 10);
                        const char *unit = *end ? strchr(units, *end) : NULL;
                        if (unit)
                                size <<= 10 * (unit - units + 1);
                }
        }
        return size;
}

static void add_ulimits(const RuntimeConfig *spec, Buffer *out) {
        member_open(out, "Ulimits", '[');
        for (size_t i = 0; i < spec->rlimits.count; i++) {
                const RuntimeRlimit *limit = &spec->rlimits.items[i];
                member_open(out, NULL, '{');
                member_text(out, "Name", limit->type);
                member_integer(out, "Soft", (int64_t)limit->soft); /* -1: no limit */
                member_integer(out, "Hard", (int64_t)limit->hard);
                member_close(out, '}');
        }
        member_close(out, ']');
}

static int64_t nano_cpus(const RuntimeConfig *spec) {
        if (spec->cpu_period == 0 || spec->cpu_quota <= 0)
                return 0;
        return (int64_t)((double)spec->cpu_quota * 1e9 / (double)spec->cpu_period);
}

static void add_resources(const RuntimeConfig *spec, Buffer *out) {
        const struct {
                const char *key;
                int64_t value;
        } numbers[] = {
                { "OomScoreAdj", spec->oom_score_adj },
                { "ShmSize", shm_size(spec) },
                { "CpuShares", (int64_t)spec->cpu_shares },
                { "CpuPeriod", (int64_t)spec->cpu_period },
                { "CpuQuota", spec->cpu_quota },
                { "CpuRealtimePeriod", (int64_t)spec->cpu_realtime_period },
                { "CpuRealtimeRuntime", spec->cpu_realtime_runtime },
                { "NanoCpus", nano_cpus(spec) },
                { "Memory", spec->memory_limit },
                { "MemoryReservation", spec->memory_reservation },
                { "MemorySwap", spec->memory_swap },
                { "MemorySwappiness", spec->memory_swappiness < 0 ? 0 : spec->memory_swappiness },
                { "KernelMemory", spec->memory_kernel },
                { "PidsLimit", spec->pids_limit },
                { "BlkioWeight", spec->block_weight },
        };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                member_integer(out, numbers[i].key, numbers[i].value);
        member_text(out, "CpuSetCpus", spec->cpuset_cpus);
        member_text(out, "CpusetCpus", spec->cpuset_cpus);
        member_text(out, "CpuSetMems", spec->cpuset_mems);
        member_text(out, "CpusetMems", spec->cpuset_mems);
        member_boolean(out, "OomKillDisable", spec->memory_disable_oom_killer);
        inspect_pairs(out, "CgroupConf", spec->unified.items, spec->unified.count);
        add_ulimits(spec, out);
}

void inspect_host_config(const Inspection *inspection, Buffer *out) {
        static const InspectBlank blanks[] = {
                { "ContainerIDFile", BLANK_TEXT },
                { "Binds", BLANK_LIST },
                { "PortBindings", BLANK_MAP },
                { "RestartPolicy", "{\"Name\":\"\",\"MaximumRetryCount\":0}" },
                { "VolumeDriver", BLANK_TEXT },
                { "VolumesFrom", BLANK_LIST },
                { "DNS", BLANK_LIST },
                { "Dns", BLANK_LIST },
                { "DNSOptions", BLANK_LIST },
                { "DnsOptions", BLANK_LIST },
                { "DNSSearch", BLANK_LIST },
                { "DnsSearch", BLANK_LIST },
                { "ExtraHosts", BLANK_LIST },
                { "GroupAdd", BLANK_LIST },
                { "Links", BLANK_LIST },
                { "Privileged", BLANK_BOOLEAN },
                { "PublishAllPorts", BLANK_BOOLEAN },
                { "Tmpfs", BLANK_MAP },
                { "ConsoleSize", "[0,0]" },
                { "Isolation", BLANK_TEXT },
                { "CgroupParent", BLANK_TEXT },
                { "BlkioWeightDevice", BLANK_LIST },
                { "BlkioDeviceReadBps", BLANK_LIST },
                { "BlkioDeviceWriteBps", BLANK_LIST },
                { "BlkioDeviceReadIOps", BLANK_LIST },
                { "BlkioDeviceWriteIOps", BLANK_LIST },
                { "Devices", BLANK_LIST },
                { "DiskQuota", BLANK_NUMBER },
                { "CpuCount", BLANK_NUMBER },
                { "CpuPercent", BLANK_NUMBER },
                { "IOMaximumIOps", BLANK_NUMBER },
                { "IOMaximumBandwidth", BLANK_NUMBER },
        };
        const Runtime *runtime = engine_runtime(inspection->engine);

        member_open(out, "HostConfig", '{');
        add_log(inspection, out);
        add_namespaces(inspection, out);
        member_text(out, "Runtime", runtime->name);
        member_text(out, "CgroupManager", runtime->systemd_cgroup ? "systemd" : "cgroupfs");
        member_text(out, "Cgroups", "default"); /* there is a cgroup, made for it alone */
        member_boolean(out, "AutoRemove", inspection->config->autoRemove);
        add_security(&inspection->spec, out);
        add_resources(&inspection->spec, out);
        inspect_blanks(out, blanks, ARRAY_SIZE(blanks));
        member_close(out, '}');
}
