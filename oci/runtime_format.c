/* SPDX-License-Identifier: Apache-2.0 */

/* The runtime configuration as text. Source: OCI runtime-spec 1.0.2, config.md, config-linux.md. */

#include <stdio.h>
#include <string.h>

#include "oci/json_writer.h"
#include "oci/runtime_config.h"

#define OCI_VERSION "1.0.2"

/* Members that are left out when they say nothing. */

static void member_text(JsonWriter *w, const char *key, const char *text) {
        if (!text)
                return;
        json_write_key(w, key);
        json_write_text(w, text);
}

static void member_integer(JsonWriter *w, const char *key, int64_t value) {
        if (value == 0)
                return;
        json_write_key(w, key);
        json_write_integer(w, value);
}

static void member_unsigned(JsonWriter *w, const char *key, uint64_t value) {
        if (value == 0)
                return;
        json_write_key(w, key);
        json_write_unsigned(w, value);
}

static void member_true(JsonWriter *w, const char *key, bool value) {
        if (!value)
                return;
        json_write_key(w, key);
        json_write_boolean(w, true);
}

static void member_texts(JsonWriter *w, const char *key, TextArray texts) {
        if (!texts || !texts[0])
                return;
        json_write_key(w, key);
        json_write_begin_array(w);
        for (; *texts; texts++)
                json_write_text(w, *texts);
        json_write_end_array(w);
}

static void member_pairs(JsonWriter *w, const char *key, const RuntimePair *pairs, size_t count) {
        if (count == 0)
                return;
        json_write_key(w, key);
        json_write_begin_object(w);
        for (size_t i = 0; i < count; i++) {
                json_write_key_text(w, pairs[i].key);
                json_write_text(w, pairs[i].value);
        }
        json_write_end_object(w);
}

static void member_capabilities(JsonWriter *w, const char *key, CapabilitySet set) {
        _cleanup_strings_ Strings names = STRINGS_INIT;

        capability_list(set, &names);
        member_texts(w, key, (TextArray)names.items);
}

static void format_user(JsonWriter *w, const RuntimeConfig *config) {
        json_write_key(w, "user");
        json_write_begin_object(w);
        json_write_key(w, "uid");
        json_write_unsigned(w, config->uid);
        json_write_key(w, "gid");
        json_write_unsigned(w, config->gid);
        if (config->umask >= 0) {
                json_write_key(w, "umask");
                json_write_integer(w, config->umask);
        }
        if (config->additional_gids_count > 0) {
                json_write_key(w, "additionalGids");
                json_write_begin_array(w);
                for (size_t i = 0; i < config->additional_gids_count; i++)
                        json_write_unsigned(w, config->additional_gids[i]);
                json_write_end_array(w);
        }
        json_write_end_object(w);
}

static void format_rlimits(JsonWriter *w, const RuntimeConfig *config) {
        if (config->rlimits.count == 0)
                return;
        json_write_key(w, "rlimits");
        json_write_begin_array(w);
        for (size_t i = 0; i < config->rlimits.count; i++) {
                const RuntimeRlimit *rlimit = &config->rlimits.items[i];
                json_write_begin_object(w);
                member_text(w, "type", rlimit->type);
                json_write_key(w, "hard");
                json_write_unsigned(w, rlimit->hard);
                json_write_key(w, "soft");
                json_write_unsigned(w, rlimit->soft);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_process(JsonWriter *w, const RuntimeConfig *config) {
        json_write_key(w, "process");
        json_write_begin_object(w);
        member_true(w, "terminal", config->has_terminal);
        format_user(w, config);
        member_texts(w, "args", config->args);
        member_texts(w, "env", config->env);
        member_text(w, "cwd", config->cwd ? config->cwd : "/");
        json_write_key(w, "capabilities");
        json_write_begin_object(w);
        member_capabilities(w, "bounding", config->bounding);
        member_capabilities(w, "effective", config->effective);
        member_capabilities(w, "permitted", config->permitted);
        member_capabilities(w, "inheritable", config->inheritable);
        member_capabilities(w, "ambient", config->ambient);
        json_write_end_object(w);
        format_rlimits(w, config);
        member_true(w, "noNewPrivileges", config->no_new_privileges);
        if (config->has_oom_score_adj) {
                json_write_key(w, "oomScoreAdj");
                json_write_integer(w, config->oom_score_adj);
        }
        member_text(w, "apparmorProfile", config->apparmor_profile);
        member_text(w, "selinuxLabel", config->selinux_label);
        json_write_end_object(w);
}

static void format_mounts(JsonWriter *w, const RuntimeConfig *config) {
        json_write_key(w, "mounts");
        json_write_begin_array(w);
        for (size_t i = 0; i < config->mounts.count; i++) {
                const RuntimeMount *mount = &config->mounts.items[i];
                json_write_begin_object(w);
                member_text(w, "destination", mount->destination);
                member_text(w, "type", mount->type);
                member_text(w, "source", mount->source);
                member_texts(w, "options", mount->options);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_hooks(JsonWriter *w, const RuntimeConfig *config) {
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
        json_write_key(w, "hooks");
        json_write_begin_object(w);
        for (size_t kind = 0; kind < _RUNTIME_HOOK_MAX; kind++) {
                if (config->hooks[kind].count == 0)
                        continue;
                json_write_key(w, kinds[kind]);
                json_write_begin_array(w);
                for (size_t i = 0; i < config->hooks[kind].count; i++) {
                        const RuntimeHook *hook = &config->hooks[kind].items[i];
                        json_write_begin_object(w);
                        member_text(w, "path", hook->path);
                        member_texts(w, "args", hook->args);
                        member_texts(w, "env", hook->env);
                        member_integer(w, "timeout", hook->timeout_s);
                        json_write_end_object(w);
                }
                json_write_end_array(w);
        }
        json_write_end_object(w);
}

static void format_namespaces(JsonWriter *w, const RuntimeConfig *config) {
        static const char *const types[_RUNTIME_NAMESPACE_MAX] = {
                [RUNTIME_NAMESPACE_PID] = "pid",       [RUNTIME_NAMESPACE_NETWORK] = "network",
                [RUNTIME_NAMESPACE_IPC] = "ipc",       [RUNTIME_NAMESPACE_UTS] = "uts",
                [RUNTIME_NAMESPACE_MOUNT] = "mount",   [RUNTIME_NAMESPACE_USER] = "user",
                [RUNTIME_NAMESPACE_CGROUP] = "cgroup",
        };

        json_write_key(w, "namespaces");
        json_write_begin_array(w);
        for (size_t i = 0; i < _RUNTIME_NAMESPACE_MAX; i++) {
                if (!config->namespaces[i].is_used)
                        continue;
                json_write_begin_object(w);
                member_text(w, "type", types[i]);
                member_text(w, "path", config->namespaces[i].path);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_mappings(JsonWriter *w, const char *key, const RuntimeIdMapping *mappings,
                            size_t count) {
        if (count == 0)
                return;
        json_write_key(w, key);
        json_write_begin_array(w);
        for (size_t i = 0; i < count; i++) {
                json_write_begin_object(w);
                json_write_key(w, "containerID");
                json_write_unsigned(w, mappings[i].container_id);
                json_write_key(w, "hostID");
                json_write_unsigned(w, mappings[i].host_id);
                json_write_key(w, "size");
                json_write_unsigned(w, mappings[i].size);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_devices(JsonWriter *w, const RuntimeConfig *config) {
        if (config->devices.count == 0)
                return;
        json_write_key(w, "devices");
        json_write_begin_array(w);
        for (size_t i = 0; i < config->devices.count; i++) {
                const RuntimeDevice *device = &config->devices.items[i];
                json_write_begin_object(w);
                member_text(w, "path", device->path);
                member_text(w, "type", (const char[]){ device->type, '\0' });
                json_write_key(w, "major");
                json_write_integer(w, device->major);
                json_write_key(w, "minor");
                json_write_integer(w, device->minor);
                json_write_key(w, "fileMode");
                json_write_unsigned(w, device->mode & 07777);
                json_write_key(w, "uid");
                json_write_unsigned(w, device->uid);
                json_write_key(w, "gid");
                json_write_unsigned(w, device->gid);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_device_rules(JsonWriter *w, const RuntimeConfig *config) {
        if (config->device_rules.count == 0)
                return;
        json_write_key(w, "devices");
        json_write_begin_array(w);
        for (size_t i = 0; i < config->device_rules.count; i++) {
                const RuntimeDeviceRule *rule = &config->device_rules.items[i];
                json_write_begin_object(w);
                json_write_key(w, "allow");
                json_write_boolean(w, rule->is_allowed);
                if (rule->type != '\0')
                        member_text(w, "type", (const char[]){ rule->type, '\0' });
                if (rule->major != RUNTIME_DEVICE_ANY) {
                        json_write_key(w, "major");
                        json_write_integer(w, rule->major);
                }
                if (rule->minor != RUNTIME_DEVICE_ANY) {
                        json_write_key(w, "minor");
                        json_write_integer(w, rule->minor);
                }
                member_text(w, "access", rule->access);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_memory(JsonWriter *w, const RuntimeConfig *config) {
        if (config->memory_limit == 0 && config->memory_reservation == 0 &&
            config->memory_swap == 0 && config->memory_kernel == 0 &&
            config->memory_swappiness < 0 && !config->memory_disable_oom_killer)
                return;
        json_write_key(w, "memory");
        json_write_begin_object(w);
        member_integer(w, "limit", config->memory_limit);
        member_integer(w, "reservation", config->memory_reservation);
        member_integer(w, "swap", config->memory_swap);
        member_integer(w, "kernel", config->memory_kernel);
        if (config->memory_swappiness >= 0) {
                json_write_key(w, "swappiness");
                json_write_integer(w, config->memory_swappiness);
        }
        member_true(w, "disableOOMKiller", config->memory_disable_oom_killer);
        json_write_end_object(w);
}

static void format_cpu(JsonWriter *w, const RuntimeConfig *config) {
        if (config->cpu_shares == 0 && config->cpu_quota == 0 && config->cpu_period == 0 &&
            config->cpu_realtime_runtime == 0 && config->cpu_realtime_period == 0 &&
            !config->cpuset_cpus && !config->cpuset_mems)
                return;
        json_write_key(w, "cpu");
        json_write_begin_object(w);
        member_unsigned(w, "shares", config->cpu_shares);
        member_integer(w, "quota", config->cpu_quota);
        member_unsigned(w, "period", config->cpu_period);
        member_integer(w, "realtimeRuntime", config->cpu_realtime_runtime);
        member_unsigned(w, "realtimePeriod", config->cpu_realtime_period);
        member_text(w, "cpus", config->cpuset_cpus);
        member_text(w, "mems", config->cpuset_mems);
        json_write_end_object(w);
}

static void format_block_io(JsonWriter *w, const RuntimeConfig *config) {
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
        json_write_key(w, "blockIO");
        json_write_begin_object(w);
        member_unsigned(w, "weight", config->block_weight);
        member_unsigned(w, "leafWeight", config->block_leaf_weight);
        for (size_t kind = 0; kind < _RUNTIME_BLOCK_MAX; kind++) {
                if (config->block_limits[kind].count == 0)
                        continue;
                json_write_key(w, names[kind].list);
                json_write_begin_array(w);
                for (size_t i = 0; i < config->block_limits[kind].count; i++) {
                        const RuntimeBlockLimit *limit = &config->block_limits[kind].items[i];
                        json_write_begin_object(w);
                        json_write_key(w, "major");
                        json_write_integer(w, limit->major);
                        json_write_key(w, "minor");
                        json_write_integer(w, limit->minor);
                        json_write_key(w, names[kind].value);
                        json_write_unsigned(w, limit->value);
                        json_write_end_object(w);
                }
                json_write_end_array(w);
        }
        json_write_end_object(w);
}

static void format_hugepages(JsonWriter *w, const RuntimeConfig *config) {
        if (config->hugepage_limits.count == 0)
                return;
        json_write_key(w, "hugepageLimits");
        json_write_begin_array(w);
        for (size_t i = 0; i < config->hugepage_limits.count; i++) {
                json_write_begin_object(w);
                member_text(w, "pageSize", config->hugepage_limits.items[i].page_size);
                json_write_key(w, "limit");
                json_write_unsigned(w, config->hugepage_limits.items[i].limit_bytes);
                json_write_end_object(w);
        }
        json_write_end_array(w);
}

static void format_resources(JsonWriter *w, const RuntimeConfig *config) {
        json_write_key(w, "resources");
        json_write_begin_object(w);
        format_device_rules(w, config);
        format_memory(w, config);
        format_cpu(w, config);
        if (config->pids_limit != 0) {
                json_write_key(w, "pids");
                json_write_begin_object(w);
                member_integer(w, "limit", config->pids_limit);
                json_write_end_object(w);
        }
        format_block_io(w, config);
        format_hugepages(w, config);
        member_pairs(w, "unified", config->unified.items, config->unified.count);
        json_write_end_object(w);
}

static void format_linux(JsonWriter *w, const RuntimeConfig *config) {
        json_write_key(w, "linux");
        json_write_begin_object(w);
        format_mappings(w, "uidMappings", config->uid_mappings.items, config->uid_mappings.count);
        format_mappings(w, "gidMappings", config->gid_mappings.items, config->gid_mappings.count);
        member_pairs(w, "sysctl", config->sysctl.items, config->sysctl.count);
        format_resources(w, config);
        member_text(w, "cgroupsPath", config->cgroups_path);
        format_namespaces(w, config);
        format_devices(w, config);
        if (config->seccomp) {
                json_write_key(w, "seccomp");
                json_write_verbatim(w, config->seccomp);
        }
        member_text(w, "rootfsPropagation", config->rootfs_propagation);
        member_texts(w, "maskedPaths", config->masked_paths);
        member_texts(w, "readonlyPaths", config->readonly_paths);
        member_text(w, "mountLabel", config->mount_label);
        json_write_end_object(w);
}

int runtime_config_format(const RuntimeConfig *config, Buffer *out, Error *err) {
        JsonWriter writer = { .out = out };
        const size_t start = out->size;

        if (!config->args || !config->args[0])
                return error_set(err, ERR_INVALID, "process.args", "there is no command to run");
        if (!config->root_path)
                return error_set(err, ERR_INVALID, "root.path", "there is no root file system");

        json_write_begin_object(&writer);
        json_write_key(&writer, "ociVersion");
        json_write_text(&writer, OCI_VERSION);
        format_process(&writer, config);
        json_write_key(&writer, "root");
        json_write_begin_object(&writer);
        member_text(&writer, "path", config->root_path);
        member_true(&writer, "readonly", config->is_root_readonly);
        json_write_end_object(&writer);
        member_text(&writer, "hostname", config->hostname);
        format_mounts(&writer, config);
        format_hooks(&writer, config);
        member_pairs(&writer, "annotations", config->annotations.items, config->annotations.count);
        format_linux(&writer, config);
        json_write_end_object(&writer);

        if (writer.failed) {
                out->size = start;
                return error_set(err, ERR_INVALID, writer.key,
                                 "text in %s of the runtime's configuration is not UTF-8",
                                 writer.key);
        }
        if (buffer_failed(out))
                return error_set(err, ERR_LIMIT, NULL, "no memory for the runtime's configuration");
        return 0;
}
