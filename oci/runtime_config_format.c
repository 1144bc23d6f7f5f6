/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing a configuration down as the runtime reads it (config.md and config-linux.md of runtime-spec).
 *
 * jansson refuses text that is not UTF-8. Such a value leaves no hole: the writer remembers the member it
 * stood in, goes on, and the whole document is refused with that name.
 */

#include <jansson.h>

#include "base/text.h"
#include "oci/runtime_config.h"

typedef struct Writer {
        Arena arena;
        const char *bad_member; /* the first that could not be written */
} Writer;

static json_t *text_value(Writer *writer, const char *text, const char *member) {
        json_t *value = json_string(text);

        if (!value && !writer->bad_member)
                writer->bad_member = arena_strdup(&writer->arena, member);
        return value;
}

/* Sets nothing for NULL. */
static void set_text(Writer *writer, json_t *object, const char *key, const char *text) {
        if (text)
                json_object_set_new(object, key, text_value(writer, text, key));
}

static json_t *texts_value(Writer *writer, TextArray texts, const char *member) {
        json_t *array = json_array();

        for (size_t i = 0; texts && texts[i]; i++)
                json_array_append_new(
                        array, text_value(writer, texts[i],
                                          arena_printf(&writer->arena, "%s[%zu]", member, i)));
        return array;
}

static void set_texts(Writer *writer, json_t *object, const char *key, TextArray texts,
                      const char *member) {
        if (texts && texts[0])
                json_object_set_new(object, key, texts_value(writer, texts, member));
}

/* An object or array that holds nothing is left out. */
static void set_filled(json_t *object, const char *key, json_t *take_value) {
        if (json_object_size(take_value) > 0 || json_array_size(take_value) > 0)
                json_object_set_new(object, key, take_value);
        else
                json_decref(take_value);
}

static void set_number(json_t *object, const char *key, int64_t value) {
        if (value != 0)
                json_object_set_new(object, key, json_integer(value));
}

static json_t *capabilities_value(CapabilitySet set) {
        json_t *array = json_array();

        for (unsigned i = 0; i < CAPABILITY_MAX; i++)
                if (set & CAPABILITY_BIT(i))
                        json_array_append_new(array, json_string(capability_name(i)));
        return array;
}

static json_t *user_value(const RuntimeConfig *config) {
        json_t *user = json_pack("{s:I, s:I}", "uid", (json_int_t)config->uid, "gid",
                                 (json_int_t)config->gid);
        json_t *gids = json_array();

        if (config->umask >= 0)
                json_object_set_new(user, "umask", json_integer(config->umask));
        for (size_t i = 0; i < config->additional_gids_count; i++)
                json_array_append_new(gids, json_integer(config->additional_gids[i]));
        set_filled(user, "additionalGids", gids);
        return user;
}

static json_t *process_value(Writer *writer, const RuntimeConfig *config) {
        json_t *process = json_object(), *rlimits = json_array();

        if (config->has_terminal)
                json_object_set_new(process, "terminal", json_true());
        json_object_set_new(process, "user", user_value(config));
        json_object_set_new(process, "args", texts_value(writer, config->args, "process.args"));
        set_texts(writer, process, "env", config->env, "process.env");
        set_text(writer, process, "cwd", config->cwd);
        json_object_set_new(process, "capabilities",
                            json_pack("{s:o, s:o, s:o, s:o, s:o}", "bounding",
                                      capabilities_value(config->bounding), "effective",
                                      capabilities_value(config->effective), "permitted",
                                      capabilities_value(config->permitted), "inheritable",
                                      capabilities_value(config->inheritable), "ambient",
                                      capabilities_value(config->ambient)));
        for (size_t i = 0; i < config->rlimits.count; i++)
                json_array_append_new(
                        rlimits, json_pack("{s:s, s:I, s:I}", "type", config->rlimits.items[i].type,
                                           "hard", (json_int_t)config->rlimits.items[i].hard,
                                           "soft", (json_int_t)config->rlimits.items[i].soft));
        set_filled(process, "rlimits", rlimits);
        json_object_set_new(process, "noNewPrivileges", json_boolean(config->no_new_privileges));
        if (config->has_oom_score_adj)
                json_object_set_new(process, "oomScoreAdj", json_integer(config->oom_score_adj));
        set_text(writer, process, "apparmorProfile", config->apparmor_profile);
        set_text(writer, process, "selinuxLabel", config->selinux_label);
        return process;
}

static json_t *mounts_value(Writer *writer, const RuntimeConfig *config) {
        json_t *mounts = json_array();

        for (size_t i = 0; i < config->mounts.count; i++) {
                const RuntimeMount *from = &config->mounts.items[i];
                json_t *mount = json_object();
                set_text(writer, mount, "destination", from->destination);
                set_text(writer, mount, "type", from->type);
                set_text(writer, mount, "source", from->source);
                set_texts(writer, mount, "options", from->options, "mounts.options");
                json_array_append_new(mounts, mount);
        }
        return mounts;
}

static json_t *namespaces_value(Writer *writer, const RuntimeConfig *config) {
        static const char *const names[_RUNTIME_NAMESPACE_MAX] = {
                [RUNTIME_NAMESPACE_PID] = "pid",       [RUNTIME_NAMESPACE_NETWORK] = "network",
                [RUNTIME_NAMESPACE_IPC] = "ipc",       [RUNTIME_NAMESPACE_UTS] = "uts",
                [RUNTIME_NAMESPACE_MOUNT] = "mount",   [RUNTIME_NAMESPACE_USER] = "user",
                [RUNTIME_NAMESPACE_CGROUP] = "cgroup",
        };
        json_t *namespaces = json_array();

        for (size_t i = 0; i < _RUNTIME_NAMESPACE_MAX; i++) {
                if (!config->namespaces[i].is_used)
                        continue;
                json_t *namespace = json_pack("{s:s}", "type", names[i]);
                set_text(writer, namespace, "path", config->namespaces[i].path);
                json_array_append_new(namespaces, namespace);
        }
        return namespaces;
}

static json_t *mappings_value(const RuntimeIdMapping *mappings, size_t count) {
        json_t *array = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(array, json_pack("{s:I, s:I, s:I}", "containerID",
                                                       (json_int_t)mappings[i].container_id,
                                                       "hostID", (json_int_t)mappings[i].host_id,
                                                       "size", (json_int_t)mappings[i].size));
        return array;
}

static json_t *devices_value(Writer *writer, const RuntimeConfig *config) {
        json_t *devices = json_array();

        for (size_t i = 0; i < config->devices.count; i++) {
                const RuntimeDevice *from = &config->devices.items[i];
                json_t *device = json_pack("{s:s%, s:I, s:I, s:i, s:I, s:I}", "type", &from->type,
                                           (size_t)1, "major", (json_int_t)from->major, "minor",
                                           (json_int_t)from->minor, "fileMode", (int)from->mode,
                                           "uid", (json_int_t)from->uid, "gid",
                                           (json_int_t)from->gid);
                set_text(writer, device, "path", from->path);
                json_array_append_new(devices, device);
        }
        return devices;
}

static json_t *device_rules_value(Writer *writer, const RuntimeConfig *config) {
        json_t *rules = json_array();

        for (size_t i = 0; i < config->device_rules.count; i++) {
                const RuntimeDeviceRule *from = &config->device_rules.items[i];
                json_t *rule = json_pack("{s:b}", "allow", (int)from->is_allowed);
                if (from->type)
                        json_object_set_new(rule, "type", json_stringn(&from->type, 1));
                if (from->major != RUNTIME_DEVICE_ANY)
                        json_object_set_new(rule, "major", json_integer(from->major));
                if (from->minor != RUNTIME_DEVICE_ANY)
                        json_object_set_new(rule, "minor", json_integer(from->minor));
                set_text(writer, rule, "access", from->access);
                json_array_append_new(rules, rule);
        }
        return rules;
}

static json_t *memory_value(const RuntimeConfig *config) {
        json_t *memory = json_object();

        set_number(memory, "limit", config->memory_limit);
        set_number(memory, "reservation", config->memory_reservation);
        set_number(memory, "swap", config->memory_swap);
        set_number(memory, "kernel", config->memory_kernel);
        if (config->memory_swappiness >= 0)
                json_object_set_new(memory, "swappiness", json_integer(config->memory_swappiness));
        if (config->memory_disable_oom_killer)
                json_object_set_new(memory, "disableOOMKiller", json_true());
        return memory;
}

static json_t *cpu_value(Writer *writer, const RuntimeConfig *config) {
        json_t *cpu = json_object();

        set_number(cpu, "shares", (int64_t)config->cpu_shares);
        set_number(cpu, "quota", config->cpu_quota);
        set_number(cpu, "period", (int64_t)config->cpu_period);
        set_number(cpu, "realtimeRuntime", config->cpu_realtime_runtime);
        set_number(cpu, "realtimePeriod", (int64_t)config->cpu_realtime_period);
        set_text(writer, cpu, "cpus", config->cpuset_cpus);
        set_text(writer, cpu, "mems", config->cpuset_mems);
        return cpu;
}

static json_t *block_value(const RuntimeConfig *config) {
        static const struct {
                const char *list, *value;
        } names[_RUNTIME_BLOCK_MAX] = {
                [RUNTIME_BLOCK_WEIGHT] = { "weightDevice", "weight" },
                [RUNTIME_BLOCK_READ_BPS] = { "throttleReadBpsDevice", "rate" },
                [RUNTIME_BLOCK_WRITE_BPS] = { "throttleWriteBpsDevice", "rate" },
                [RUNTIME_BLOCK_READ_IOPS] = { "throttleReadIOPSDevice", "rate" },
                [RUNTIME_BLOCK_WRITE_IOPS] = { "throttleWriteIOPSDevice", "rate" },
        };
        json_t *block = json_object();

        set_number(block, "weight", config->block_weight);
        set_number(block, "leafWeight", config->block_leaf_weight);
        for (size_t kind = 0; kind < _RUNTIME_BLOCK_MAX; kind++) {
                json_t *limits = json_array();
                for (size_t i = 0; i < config->block_limits[kind].count; i++) {
                        const RuntimeBlockLimit *from = &config->block_limits[kind].items[i];
                        json_array_append_new(limits,
                                              json_pack("{s:I, s:I, s:I}", "major",
                                                        (json_int_t)from->major, "minor",
                                                        (json_int_t)from->minor, names[kind].value,
                                                        (json_int_t)from->value));
                }
                set_filled(block, names[kind].list, limits);
        }
        return block;
}

static json_t *pairs_value(Writer *writer, const RuntimePair *pairs, size_t count) {
        json_t *object = json_object();

        for (size_t i = 0; i < count; i++)
                set_text(writer, object, pairs[i].key, pairs[i].value);
        return object;
}

static json_t *resources_value(Writer *writer, const RuntimeConfig *config) {
        json_t *resources = json_object(), *hugepages = json_array();

        set_filled(resources, "devices", device_rules_value(writer, config));
        set_filled(resources, "memory", memory_value(config));
        set_filled(resources, "cpu", cpu_value(writer, config));
        if (config->pids_limit != 0)
                json_object_set_new(resources, "pids",
                                    json_pack("{s:I}", "limit", (json_int_t)config->pids_limit));
        set_filled(resources, "blockIO", block_value(config));
        for (size_t i = 0; i < config->hugepage_limits.count; i++)
                json_array_append_new(
                        hugepages,
                        json_pack("{s:s, s:I}", "pageSize",
                                  config->hugepage_limits.items[i].page_size, "limit",
                                  (json_int_t)config->hugepage_limits.items[i].limit_bytes));
        set_filled(resources, "hugepageLimits", hugepages);
        set_filled(resources, "unified",
                   pairs_value(writer, config->unified.items, config->unified.count));
        return resources;
}

static json_t *linux_value(Writer *writer, const RuntimeConfig *config) {
        json_t *object = json_object();

        set_filled(object, "uidMappings",
                   mappings_value(config->uid_mappings.items, config->uid_mappings.count));
        set_filled(object, "gidMappings",
                   mappings_value(config->gid_mappings.items, config->gid_mappings.count));
        set_filled(object, "sysctl",
                   pairs_value(writer, config->sysctl.items, config->sysctl.count));
        set_filled(object, "resources", resources_value(writer, config));
        set_text(writer, object, "cgroupsPath", config->cgroups_path);
        json_object_set_new(object, "namespaces", namespaces_value(writer, config));
        set_filled(object, "devices", devices_value(writer, config));
        set_text(writer, object, "rootfsPropagation", config->rootfs_propagation);
        set_text(writer, object, "mountLabel", config->mount_label);
        set_texts(writer, object, "maskedPaths", config->masked_paths, "linux.maskedPaths");
        set_texts(writer, object, "readonlyPaths", config->readonly_paths, "linux.readonlyPaths");
        return object;
}

static json_t *hooks_value(Writer *writer, const RuntimeConfig *config) {
        static const char *const names[_RUNTIME_HOOK_MAX] = {
                [RUNTIME_HOOK_PRESTART] = "prestart",
                [RUNTIME_HOOK_CREATE_RUNTIME] = "createRuntime",
                [RUNTIME_HOOK_CREATE_CONTAINER] = "createContainer",
                [RUNTIME_HOOK_START_CONTAINER] = "startContainer",
                [RUNTIME_HOOK_POSTSTART] = "poststart",
                [RUNTIME_HOOK_POSTSTOP] = "poststop",
        };
        json_t *hooks = json_object();

        for (size_t kind = 0; kind < _RUNTIME_HOOK_MAX; kind++) {
                json_t *list = json_array();
                for (size_t i = 0; i < config->hooks[kind].count; i++) {
                        const RuntimeHook *from = &config->hooks[kind].items[i];
                        json_t *hook = json_object();
                        set_text(writer, hook, "path", from->path);
                        set_texts(writer, hook, "args", from->args, "hooks.args");
                        set_texts(writer, hook, "env", from->env, "hooks.env");
                        set_number(hook, "timeout", from->timeout_s);
                        json_array_append_new(list, hook);
                }
                set_filled(hooks, names[kind], list);
        }
        return hooks;
}

/* The filter comes as finished text and may be long: it is put in as it is, not parsed and printed again. */
static void append_document(const RuntimeConfig *config, const json_t *document, Buffer *out) {
        char *text = json_dumps(document, JSON_COMPACT);
        size_t length = text ? strlen(text) : 0;

        if (!config->seccomp || length < 2) {
                buffer_append(out, text, length);
        } else {
                /* `linux` is the document's last member: its end is "}}" */
                buffer_append(out, text, length - 2);
                buffer_append_string(out, ",\"seccomp\":");
                buffer_append_string(out, config->seccomp);
                buffer_append_string(out, "}}");
        }
        free(text);
}

int runtime_config_format(const RuntimeConfig *config, Buffer *out, Error *err) {
        Writer writer = { .bad_member = NULL };
        int r = 0;

        if (!config->root_path)
                return error_set(err, ERR_INVALID, "root.path", "the container has no root");
        if (!config->args || !config->args[0])
                return error_set(err, ERR_INVALID, "process.args", "the container has no command");

        json_auto_t *document = json_pack("{s:s, s:o}", "ociVersion", "1.0.2", "process",
                                          process_value(&writer, config));
        json_t *root = json_object();
        set_text(&writer, root, "path", config->root_path);
        json_object_set_new(root, "readonly", json_boolean(config->is_root_readonly));
        json_object_set_new(document, "root", root);
        set_text(&writer, document, "hostname", config->hostname);
        set_filled(document, "mounts", mounts_value(&writer, config));
        set_filled(document, "hooks", hooks_value(&writer, config));
        set_filled(document, "annotations",
                   pairs_value(&writer, config->annotations.items, config->annotations.count));
        json_object_set_new(document, "linux", linux_value(&writer, config));

        if (writer.bad_member)
                r = error_set(err, ERR_INVALID, writer.bad_member, "%s is not UTF-8",
                              writer.bad_member);
        else
                append_document(config, document, out);
        arena_done(&writer.arena);
        return r;
}
