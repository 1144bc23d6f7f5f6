/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/runtime_config.h"

#include <string.h>

#include "base/text.h"

void runtime_config_done(RuntimeConfig *config) {
        arena_done(&config->arena);
        *config = (RuntimeConfig)RUNTIME_CONFIG_INIT;
}

/* The next element of an array in the arena; when it grows, the old elements stay behind there. */
#define ARRAY_ADD(config, array)                                                                \
        ({                                                                                      \
                if ((array).count == (array).capacity) {                                        \
                        size_t _capacity = (array).capacity ? (array).capacity * 2 : 8;         \
                        __typeof__((array).items) _items =                                      \
                                arena_alloc(&(config)->arena, _capacity * sizeof(*_items));     \
                        if ((array).count > 0)                                                  \
                                memcpy(_items, (array).items, (array).count * sizeof(*_items)); \
                        (array).items = _items;                                                 \
                        (array).capacity = _capacity;                                           \
                }                                                                               \
                &(array).items[(array).count++];                                                \
        })

static const char *copy_text(RuntimeConfig *config, const char *text) {
        return text ? arena_strdup(&config->arena, text) : NULL;
}

static TextArray copy_texts(RuntimeConfig *config, TextArray texts) {
        size_t count = 0;

        while (texts && texts[count])
                count++;
        if (count == 0)
                return NULL;
        const char **copy = arena_new(&config->arena, const char *, count + 1);
        for (size_t i = 0; i < count; i++)
                copy[i] = arena_strdup(&config->arena, texts[i]);
        return copy;
}

void runtime_config_add_mount(RuntimeConfig *config, const RuntimeMount *mount) {
        RuntimeMount *copy = ARRAY_ADD(config, config->mounts);

        copy->destination = copy_text(config, mount->destination);
        copy->type = copy_text(config, mount->type);
        copy->source = copy_text(config, mount->source);
        copy->options = copy_texts(config, mount->options);
}

void runtime_config_add_device(RuntimeConfig *config, const RuntimeDevice *device) {
        RuntimeDevice *copy = ARRAY_ADD(config, config->devices);

        *copy = *device;
        copy->path = copy_text(config, device->path);
}

void runtime_config_add_device_rule(RuntimeConfig *config, const RuntimeDeviceRule *rule) {
        RuntimeDeviceRule *copy = ARRAY_ADD(config, config->device_rules);

        *copy = *rule;
        copy->access = copy_text(config, rule->access);
}

void runtime_config_add_id_mapping(RuntimeConfig *config, bool is_gid,
                                   const RuntimeIdMapping *mapping) {
        RuntimeIdMapping *copy = is_gid ? ARRAY_ADD(config, config->gid_mappings)
                                        : ARRAY_ADD(config, config->uid_mappings);

        *copy = *mapping;
}

void runtime_config_add_block_limit(RuntimeConfig *config, RuntimeBlockKind kind,
                                    const RuntimeBlockLimit *limit) {
        *ARRAY_ADD(config, config->block_limits[kind]) = *limit;
}

void runtime_config_add_hugepage_limit(RuntimeConfig *config, const RuntimeHugepageLimit *limit) {
        RuntimeHugepageLimit *copy = ARRAY_ADD(config, config->hugepage_limits);

        *copy = *limit;
        copy->page_size = copy_text(config, limit->page_size);
}

void runtime_config_add_hook(RuntimeConfig *config, RuntimeHookKind kind, const RuntimeHook *hook) {
        RuntimeHook *copy = ARRAY_ADD(config, config->hooks[kind]);

        copy->path = copy_text(config, hook->path);
        copy->args = copy_texts(config, hook->args);
        copy->env = copy_texts(config, hook->env);
        copy->timeout_s = hook->timeout_s;
}

void runtime_config_set_rlimit(RuntimeConfig *config, const char *type, uint64_t soft,
                               uint64_t hard) {
        RuntimeRlimit *found = NULL;

        for (size_t i = 0; i < config->rlimits.count && !found; i++)
                if (text_equal(config->rlimits.items[i].type, type))
                        found = &config->rlimits.items[i];
        if (!found) {
                found = ARRAY_ADD(config, config->rlimits);
                found->type = copy_text(config, type);
        }
        found->soft = soft;
        found->hard = hard;
}

static RuntimePair *find_pair(RuntimePair *items, size_t count, const char *key) {
        for (size_t i = 0; i < count; i++)
                if (text_equal(items[i].key, key))
                        return &items[i];
        return NULL;
}

/* The three arrays of pairs are of three unnamed types; this is the one body for all of them. */
#define SET_PAIR(config, array, name, content)                                        \
        do {                                                                          \
                RuntimePair *_pair = find_pair((array).items, (array).count, (name)); \
                if (!_pair) {                                                         \
                        _pair = ARRAY_ADD((config), (array));                         \
                        _pair->key = copy_text((config), (name));                     \
                }                                                                     \
                _pair->value = copy_text((config), (content));                        \
        } while (0)

void runtime_config_set_sysctl(RuntimeConfig *config, const char *key, const char *value) {
        SET_PAIR(config, config->sysctl, key, value);
}

void runtime_config_set_unified(RuntimeConfig *config, const char *key, const char *value) {
        SET_PAIR(config, config->unified, key, value);
}

void runtime_config_set_annotation(RuntimeConfig *config, const char *key, const char *value) {
        SET_PAIR(config, config->annotations, key, value);
}

RuntimeMount *runtime_config_find_mount(RuntimeConfig *config, const char *destination) {
        for (size_t i = config->mounts.count; i > 0; i--)
                if (text_equal(config->mounts.items[i - 1].destination, destination))
                        return &config->mounts.items[i - 1];
        return NULL;
}

void runtime_config_remove_mount(RuntimeConfig *config, const char *destination) {
        size_t kept = 0;

        for (size_t i = 0; i < config->mounts.count; i++)
                if (!text_equal(config->mounts.items[i].destination, destination))
                        config->mounts.items[kept++] = config->mounts.items[i];
        config->mounts.count = kept;
}
