/* SPDX-License-Identifier: Apache-2.0 */

/* The runtime configuration as text. Source: OCI runtime-spec 1.0.2, config.md, config-linux.md. */

#include <stdio.h>
#include <string.h>

#include "base/json_text.h"
#include "base/text.h"
#include "oci/runtime_config.h"

#define OCI_VERSION "1.0.2"

/* The document being written, and the first member whose text is not UTF-8. */
typedef struct Format {
        Buffer *out;
        const char *bad_key;
} Format;

/* Written, it would be another text: the runtime gets each as it is, or no document at all. */
static void check(Format *f, const char *key, const char *text) {
        if (!f->bad_key && !text_is_utf8(text, strlen(text)))
                f->bad_key = key;
}

/* Members that are left out when they say nothing. */

static void put_text(Format *f, const char *key, const char *text) {
        if (!text)
                return;
        check(f, key, text);
        member_text(f->out, key, text);
}

static void put_integer(Format *f, const char *key, int64_t value) {
        if (value != 0)
                member_integer(f->out, key, value);
}

static void put_unsigned(Format *f, const char *key, uint64_t value) {
        if (value != 0)
                member_unsigned(f->out, key, value);
}

static void put_true(Format *f, const char *key, bool value) {
        if (value)
                member_boolean(f->out, key, true);
}

static void put_texts(Format *f, const char *key, TextArray texts) {
        if (!texts || !texts[0])
                return;
        for (TextArray text = texts; *text; text++)
                check(f, key, *text);
        member_array(f->out, key, texts);
}

static void put_pairs(Format *f, const char *key, const RuntimePair *pairs, size_t count) {
        if (count == 0)
                return;
        member_open(f->out, key, '{');
        for (size_t i = 0; i < count; i++) {
                check(f, key, pairs[i].key);
                check(f, key, pairs[i].value);
                member_text(f->out, pairs[i].key, pairs[i].value);
        }
        member_close(f->out, '}');
}

static void put_capabilities(Format *f, const char *key, CapabilitySet set) {
        _cleanup_strings_ Strings names = STRINGS_INIT;

        capability_list(set, &names);
        put_texts(f, key, (TextArray)names.items);
}

static void format_user(Format *f, const RuntimeConfig *config) {
        member_open(f->out, "user", '{');
        member_unsigned(f->out, "uid", config->uid);
        member_unsigned(f->out, "gid", config->gid);
        if (config->umask >= 0)
                member_integer(f->out, "umask", config->umask);
        if (config->additional_gids_count > 0) {
                member_open(f->out, "additionalGids", '[');
                for (size_t i = 0; i < config->additional_gids_count; i++)
                        member_unsigned(f->out, NULL, config->additional_gids[i]);
                member_close(f->out, ']');
        }
        member_close(f->out, '}');
}

static void format_rlimits(Format *f, const RuntimeConfig *config) {
        if (config->rlimits.count == 0)
                return;
        member_open(f->out, "rlimits", '[');
        for (size_t i = 0; i < config->rlimits.count; i++) {
                const RuntimeRlimit *rlimit = &config->rlimits.items[i];
                member_open(f->out, NULL, '{');
                put_text(f, "type", rlimit->type);
                member_unsigned(f->out, "hard", rlimit->hard);
                member_unsigned(f->out, "soft", rlimit->soft);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_process(Format *f, const RuntimeConfig *config) {
        member_open(f->out, "process", '{');
        put_true(f, "terminal", config->has_terminal);
        format_user(f, config);
        put_texts(f, "args", config->args);
        put_texts(f, "env", config->env);
        put_text(f, "cwd", config->cwd ? config->cwd : "/");
        member_open(f->out, "capabilities", '{');
        put_capabilities(f, "bounding", config->bounding);
        put_capabilities(f, "effective", config->effective);
        put_capabilities(f, "permitted", config->permitted);
        put_capabilities(f, "inheritable", config->inheritable);
        put_capabilities(f, "ambient", config->ambient);
        member_close(f->out, '}');
        format_rlimits(f, config);
        put_true(f, "noNewPrivileges", config->no_new_privileges);
        if (config->has_oom_score_adj)
                member_integer(f->out, "oomScoreAdj", config->oom_score_adj);
        put_text(f, "apparmorProfile", config->apparmor_profile);
        put_text(f, "selinuxLabel", config->selinux_label);
        member_close(f->out, '}');
}

static void format_mounts(Format *f, const RuntimeConfig *config) {
        member_open(f->out, "mounts", '[');
        for (size_t i = 0; i < config->mounts.count; i++) {
                const RuntimeMount *mount = &config->mounts.items[i];
                member_open(f->out, NULL, '{');
                put_text(f, "destination", mount->destination);
                put_text(f, "type", mount->type);
                put_text(f, "source", mount->source);
                put_texts(f, "options", mount->options);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_hooks(Format *f, const RuntimeConfig *config) {
        static const char *const kinds[_RUNTIME_HOOK_MAX] = {
                [RUNTIME_HOOK_PRESTART] = "prestart",
                [RUNTIME_HOOK_CREATE_RUNTIME] = "createRuntime",
                [RUNTIME_HOOK_CREATE_CONTAINER] = "createContainer",
                [RUNTIME_HOOK_START_CONTAINER] = "startContainer",
                [RUNTIME_HOOK_POSTSTART] = "poststart",
                [RUNTIME_HOOK_POSTSTOP] = "poststop",
        };
        size_t total = 0;

        for (size_t kind = 0; kind < _RUNTIME_HOOK_MAX; kind++)
                total += config->hooks[kind].count;
        if (total == 0)
                return;
        member_open(f->out, "hooks", '{');
        for (size_t kind = 0; kind < _RUNTIME_HOOK_MAX; kind++) {
                if (config->hooks[kind].count == 0)
                        continue;
                member_open(f->out, kinds[kind], '[');
                for (size_t i = 0; i < config->hooks[kind].count; i++) {
                        const RuntimeHook *hook = &config->hooks[kind].items[i];
                        member_open(f->out, NULL, '{');
                        put_text(f, "path", hook->path);
                        put_texts(f, "args", hook->args);
                        put_texts(f, "env", hook->env);
                        put_integer(f, "timeout", hook->timeout_s);
                        member_close(f->out, '}');
                }
                member_close(f->out, ']');
        }
        member_close(f->out, '}');
}

static void format_namespaces(Format *f, const RuntimeConfig *config) {
        static const char *const types[_RUNTIME_NAMESPACE_MAX] = {
                [RUNTIME_NAMESPACE_PID] = "pid",       [RUNTIME_NAMESPACE_NETWORK] = "network",
                [RUNTIME_NAMESPACE_IPC] = "ipc",       [RUNTIME_NAMESPACE_UTS] = "uts",
                [RUNTIME_NAMESPACE_MOUNT] = "mount",   [RUNTIME_NAMESPACE_USER] = "user",
                [RUNTIME_NAMESPACE_CGROUP] = "cgroup",
        };

        member_open(f->out, "namespaces", '[');
        for (size_t i = 0; i < _RUNTIME_NAMESPACE_MAX; i++) {
                if (!config->namespaces[i].is_used)
                        continue;
                member_open(f->out, NULL, '{');
                put_text(f, "type", types[i]);
                put_text(f, "path", config->namespaces[i].path);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_mappings(Format *f, const char *key, const RuntimeIdMapping *mappings,
                            size_t count) {
        if (count == 0)
                return;
        member_open(f->out, key, '[');
        for (size_t i = 0; i < count; i++) {
                member_open(f->out, NULL, '{');
                member_unsigned(f->out, "containerID", mappings[i].container_id);
                member_unsigned(f->out, "hostID", mappings[i].host_id);
                member_unsigned(f->out, "size", mappings[i].size);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_devices(Format *f, const RuntimeConfig *config) {
        if (config->devices.count == 0)
                return;
        member_open(f->out, "devices", '[');
        for (size_t i = 0; i < config->devices.count; i++) {
                const RuntimeDevice *device = &config->devices.items[i];
                member_open(f->out, NULL, '{');
                put_text(f, "path", device->path);
                put_text(f, "type", (const char[]){ device->type, '\0' });
                member_integer(f->out, "major", device->major);
                member_integer(f->out, "minor", device->minor);
                member_unsigned(f->out, "fileMode", device->mode & 07777);
                member_unsigned(f->out, "uid", device->uid);
                member_unsigned(f->out, "gid", device->gid);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_device_rules(Format *f, const RuntimeConfig *config) {
        if (config->device_rules.count == 0)
                return;
        member_open(f->out, "devices", '[');
        for (size_t i = 0; i < config->device_rules.count; i++) {
                const RuntimeDeviceRule *rule = &config->device_rules.items[i];
                member_open(f->out, NULL, '{');
                member_boolean(f->out, "allow", rule->is_allowed);
                if (rule->type != '\0')
                        put_text(f, "type", (const char[]){ rule->type, '\0' });
                if (rule->major != RUNTIME_DEVICE_ANY)
                        member_integer(f->out, "major", rule->major);
                if (rule->minor != RUNTIME_DEVICE_ANY)
                        member_integer(f->out, "minor", rule->minor);
                put_text(f, "access", rule->access);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_memory(Format *f, const RuntimeConfig *config) {
        if (config->memory_limit == 0 && config->memory_reservation == 0 &&
            config->memory_swap == 0 && config->memory_kernel == 0 &&
            config->memory_swappiness < 0 && !config->memory_disable_oom_killer)
                return;
        member_open(f->out, "memory", '{');
        put_integer(f, "limit", config->memory_limit);
        put_integer(f, "reservation", config->memory_reservation);
        put_integer(f, "swap", config->memory_swap);
        put_integer(f, "kernel", config->memory_kernel);
        if (config->memory_swappiness >= 0)
                member_integer(f->out, "swappiness", config->memory_swappiness);
        put_true(f, "disableOOMKiller", config->memory_disable_oom_killer);
        member_close(f->out, '}');
}

static void format_cpu(Format *f, const RuntimeConfig *config) {
        if (config->cpu_shares == 0 && config->cpu_quota == 0 && config->cpu_period == 0 &&
            config->cpu_realtime_runtime == 0 && config->cpu_realtime_period == 0 &&
            !config->cpuset_cpus && !config->cpuset_mems)
                return;
        member_open(f->out, "cpu", '{');
        put_unsigned(f, "shares", config->cpu_shares);
        put_integer(f, "quota", config->cpu_quota);
        put_unsigned(f, "period", config->cpu_period);
        put_integer(f, "realtimeRuntime", config->cpu_realtime_runtime);
        put_unsigned(f, "realtimePeriod", config->cpu_realtime_period);
        put_text(f, "cpus", config->cpuset_cpus);
        put_text(f, "mems", config->cpuset_mems);
        member_close(f->out, '}');
}

static void format_block_io(Format *f, const RuntimeConfig *config) {
        static const struct {
                const char *list, *value;
        } names[_RUNTIME_BLOCK_MAX] = {
                [RUNTIME_BLOCK_WEIGHT] = { "weightDevice", "weight" },
                [RUNTIME_BLOCK_READ_BPS] = { "throttleReadBpsDevice", "rate" },
                [RUNTIME_BLOCK_WRITE_BPS] = { "throttleWriteBpsDevice", "rate" },
                [RUNTIME_BLOCK_READ_IOPS] = { "throttleReadIOPSDevice", "rate" },
                [RUNTIME_BLOCK_WRITE_IOPS] = { "throttleWriteIOPSDevice", "rate" },
        };
        size_t total = config->block_weight + config->block_leaf_weight;

        for (size_t kind = 0; kind < _RUNTIME_BLOCK_MAX; kind++)
                total += config->block_limits[kind].count;
        if (total == 0)
                return;
        member_open(f->out, "blockIO", '{');
        put_unsigned(f, "weight", config->block_weight);
        put_unsigned(f, "leafWeight", config->block_leaf_weight);
        for (size_t kind = 0; kind < _RUNTIME_BLOCK_MAX; kind++) {
                if (config->block_limits[kind].count == 0)
                        continue;
                member_open(f->out, names[kind].list, '[');
                for (size_t i = 0; i < config->block_limits[kind].count; i++) {
                        const RuntimeBlockLimit *limit = &config->block_limits[kind].items[i];
                        member_open(f->out, NULL, '{');
                        member_integer(f->out, "major", limit->major);
                        member_integer(f->out, "minor", limit->minor);
                        member_unsigned(f->out, names[kind].value, limit->value);
                        member_close(f->out, '}');
                }
                member_close(f->out, ']');
        }
        member_close(f->out, '}');
}

static void format_hugepages(Format *f, const RuntimeConfig *config) {
        if (config->hugepage_limits.count == 0)
                return;
        member_open(f->out, "hugepageLimits", '[');
        for (size_t i = 0; i < config->hugepage_limits.count; i++) {
                member_open(f->out, NULL, '{');
                put_text(f, "pageSize", config->hugepage_limits.items[i].page_size);
                member_unsigned(f->out, "limit", config->hugepage_limits.items[i].limit_bytes);
                member_close(f->out, '}');
        }
        member_close(f->out, ']');
}

static void format_resources(Format *f, const RuntimeConfig *config) {
        member_open(f->out, "resources", '{');
        format_device_rules(f, config);
        format_memory(f, config);
        format_cpu(f, config);
        if (config->pids_limit != 0) {
                member_open(f->out, "pids", '{');
                put_integer(f, "limit", config->pids_limit);
                member_close(f->out, '}');
        }
        format_block_io(f, config);
        format_hugepages(f, config);
        put_pairs(f, "unified", config->unified.items, config->unified.count);
        member_close(f->out, '}');
}

static void format_linux(Format *f, const RuntimeConfig *config) {
        member_open(f->out, "linux", '{');
        format_mappings(f, "uidMappings", config->uid_mappings.items, config->uid_mappings.count);
        format_mappings(f, "gidMappings", config->gid_mappings.items, config->gid_mappings.count);
        put_pairs(f, "sysctl", config->sysctl.items, config->sysctl.count);
        format_resources(f, config);
        put_text(f, "cgroupsPath", config->cgroups_path);
        format_namespaces(f, config);
        format_devices(f, config);
        if (config->seccomp)
                member_verbatim(f->out, "seccomp", config->seccomp);
        put_text(f, "rootfsPropagation", config->rootfs_propagation);
        put_texts(f, "maskedPaths", config->masked_paths);
        put_texts(f, "readonlyPaths", config->readonly_paths);
        put_text(f, "mountLabel", config->mount_label);
        member_close(f->out, '}');
}

int runtime_config_format(const RuntimeConfig *config, Buffer *out, Error *err) {
        Format format = { .out = out };
        const size_t start = out->size;

        if (!config->args || !config->args[0])
                return error_set(err, ERR_INVALID, "process.args", "there is no command to run");
        if (!config->root_path)
                return error_set(err, ERR_INVALID, "root.path", "there is no root file system");

        buffer_append_byte(out, '{');
        member_text(out, "ociVersion", OCI_VERSION);
        format_process(&format, config);
        member_open(out, "root", '{');
        put_text(&format, "path", config->root_path);
        put_true(&format, "readonly", config->is_root_readonly);
        member_close(out, '}');
        put_text(&format, "hostname", config->hostname);
        format_mounts(&format, config);
        format_hooks(&format, config);
        put_pairs(&format, "annotations", config->annotations.items, config->annotations.count);
        format_linux(&format, config);
        member_close(out, '}');

        if (format.bad_key) {
                out->size = start;
                return error_set(err, ERR_INVALID, format.bad_key,
                                 "text in %s of the runtime's configuration is not UTF-8",
                                 format.bad_key);
        }
        if (buffer_failed(out))
                return error_set(err, ERR_LIMIT, NULL, "no memory for the runtime's configuration");
        return 0;
}
