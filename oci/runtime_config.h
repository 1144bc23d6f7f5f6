/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config.json of a bundle: what the OCI runtime is asked to build.
 *
 * The struct holds every knob that a container's options can turn, flat, so that the code that
 * decides reads as assignments. Strings and arrays that are assigned to a field are borrowed and
 * must live until the document was formatted; what goes through runtime_config_add_*() and _set_*()
 * is copied into the arena inside. A field at its RUNTIME_CONFIG_INIT value is left out of the
 * document, unless the specification wants it there (user, cwd, capabilities, mounts).
 *
 * Source: OCI runtime-spec 1.0.2, config.md and config-linux.md.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "oci/capability.h"

typedef const char *const *TextArray; /* NULL-terminated, or NULL: empty */

typedef struct RuntimeMount {
        const char *destination;
        const char *type;
        const char *source;
        TextArray options;
} RuntimeMount;

typedef struct RuntimeRlimit {
        const char *type; /* "RLIMIT_NOFILE" */
        uint64_t soft, hard;
} RuntimeRlimit;

typedef struct RuntimeIdMapping {
        uint32_t container_id, host_id, size;
} RuntimeIdMapping;

typedef struct RuntimeDevice {
        const char *path;
        char type; /* c, b, u, p */
        int64_t major, minor;
        mode_t mode; /* permission bits */
        uid_t uid;
        gid_t gid;
} RuntimeDevice;

#define RUNTIME_DEVICE_ANY (-1) /* of a rule's major and minor: every one */

typedef struct RuntimeDeviceRule {
        bool is_allowed;
        char type;            /* a, c, b; 0: left out */
        int64_t major, minor; /* RUNTIME_DEVICE_ANY */
        const char *access;   /* of r, w, m */
} RuntimeDeviceRule;

typedef struct RuntimePair {
        const char *key, *value;
} RuntimePair;

/* A limit on one block device: a weight, bytes or operations in a second. */
typedef struct RuntimeBlockLimit {
        int64_t major, minor;
        uint64_t value;
} RuntimeBlockLimit;

typedef enum RuntimeBlockKind {
        RUNTIME_BLOCK_WEIGHT,
        RUNTIME_BLOCK_READ_BPS,
        RUNTIME_BLOCK_WRITE_BPS,
        RUNTIME_BLOCK_READ_IOPS,
        RUNTIME_BLOCK_WRITE_IOPS,
        _RUNTIME_BLOCK_MAX,
} RuntimeBlockKind;

typedef struct RuntimeHugepageLimit {
        const char *page_size; /* "2MB" */
        uint64_t limit_bytes;
} RuntimeHugepageLimit;

typedef struct RuntimeHook {
        const char *path;
        TextArray args, env;
        int timeout_s; /* 0: none */
} RuntimeHook;

typedef enum RuntimeHookKind {
        RUNTIME_HOOK_PRESTART,
        RUNTIME_HOOK_CREATE_RUNTIME,
        RUNTIME_HOOK_CREATE_CONTAINER,
        RUNTIME_HOOK_START_CONTAINER,
        RUNTIME_HOOK_POSTSTART,
        RUNTIME_HOOK_POSTSTOP,
        _RUNTIME_HOOK_MAX,
} RuntimeHookKind;

typedef enum RuntimeNamespaceKind {
        RUNTIME_NAMESPACE_PID,
        RUNTIME_NAMESPACE_NETWORK,
        RUNTIME_NAMESPACE_IPC,
        RUNTIME_NAMESPACE_UTS,
        RUNTIME_NAMESPACE_MOUNT,
        RUNTIME_NAMESPACE_USER,
        RUNTIME_NAMESPACE_CGROUP,
        _RUNTIME_NAMESPACE_MAX,
} RuntimeNamespaceKind;

/* Not used: shares the host's. Used with a path: joins that one. Used without: gets a new one. */
typedef struct RuntimeNamespace {
        bool is_used;
        const char *path;
} RuntimeNamespace;

/* A growing array in the arena of the config. */
#define RUNTIME_ARRAY(type)      \
        struct {                 \
                type *items;     \
                size_t count;    \
                size_t capacity; \
        }

typedef struct RuntimeConfig {
        Arena arena; /* what is copied; callers may allocate here as well */

        /* process */
        bool has_terminal;
        TextArray args;
        TextArray env;
        const char *cwd;
        uid_t uid;
        gid_t gid;
        const gid_t *additional_gids;
        size_t additional_gids_count;
        int64_t umask; /* -1: the runtime's */
        CapabilitySet bounding, effective, permitted, inheritable, ambient;
        bool no_new_privileges;
        RUNTIME_ARRAY(RuntimeRlimit) rlimits;
        bool has_oom_score_adj;
        int oom_score_adj;
        const char *apparmor_profile;
        const char *selinux_label;

        /* file system */
        const char *root_path;
        bool is_root_readonly;
        const char *rootfs_propagation; /* "rslave" ... */
        const char *mount_label;
        RUNTIME_ARRAY(RuntimeMount) mounts;
        TextArray masked_paths;
        TextArray readonly_paths;

        const char *hostname;

        /* isolation */
        RuntimeNamespace namespaces[_RUNTIME_NAMESPACE_MAX];
        RUNTIME_ARRAY(RuntimeIdMapping) uid_mappings;
        RUNTIME_ARRAY(RuntimeIdMapping) gid_mappings;
        RUNTIME_ARRAY(RuntimeDevice) devices;
        RUNTIME_ARRAY(RuntimePair) sysctl;
        const char *seccomp; /* JSON text of linux.seccomp, see seccomp.h; NULL: unconfined */

        /* resources; 0 means unset unless said otherwise */
        const char *cgroups_path;
        RUNTIME_ARRAY(RuntimeDeviceRule) device_rules;
        int64_t memory_limit, memory_reservation, memory_swap, memory_kernel; /* -1: unlimited */
        int64_t memory_swappiness;                                            /* -1: unset */
        bool memory_disable_oom_killer;
        uint64_t cpu_shares, cpu_period, cpu_realtime_period;
        int64_t cpu_quota, cpu_realtime_runtime;
        const char *cpuset_cpus, *cpuset_mems;
        int64_t pids_limit; /* -1: unlimited */
        uint16_t block_weight, block_leaf_weight;
        RUNTIME_ARRAY(RuntimeBlockLimit) block_limits[_RUNTIME_BLOCK_MAX];
        RUNTIME_ARRAY(RuntimeHugepageLimit) hugepage_limits;
        RUNTIME_ARRAY(RuntimePair) unified; /* cgroup v2 file name, content */

        RUNTIME_ARRAY(RuntimeHook) hooks[_RUNTIME_HOOK_MAX];
        RUNTIME_ARRAY(RuntimePair) annotations;
} RuntimeConfig;

#define RUNTIME_CONFIG_INIT \
        { .umask = -1, .memory_swappiness = -1 }

void runtime_config_done(RuntimeConfig *config);
#define _cleanup_runtime_config_ _cleanup_(runtime_config_done)

#define RUNTIME_SHM_SIZE_DEFAULT (INT64_C(64) << 20)

typedef struct RuntimeDefaults {
        int64_t shm_size_bytes; /* 0: RUNTIME_SHM_SIZE_DEFAULT */
        bool has_host_network;  /* no network namespace, and none of its sysctls */
} RuntimeDefaults;

/**
 * runtime_config_set_defaults() - what a container gets when nothing is asked for
 *
 * As podman 4.3.1 on Debian 12: cwd, umask, capabilities, rlimits (clamped to what this process
 * may give), the seven mounts, namespaces, device rules, masked and read-only paths, sysctls. Call
 * it on a fresh config, then change what differs. Differences from podman, which follow the
 * original engine: /dev is not noexec, /dev/shm is a tmpfs of the container itself, no pids limit.
 */
void runtime_config_set_defaults(RuntimeConfig *config, const RuntimeDefaults *defaults);

/**
 * runtime_config_set_default_mounts() - only the seven mounts of the above, in place of what is
 * there
 * @shm_size_bytes: 0: RUNTIME_SHM_SIZE_DEFAULT
 *
 * Cheap: for lists. Mounts that one config was given before stay valid as long as its arena.
 */
void runtime_config_set_default_mounts(RuntimeConfig *config, int64_t shm_size_bytes);

/* These append a deep copy. */
void runtime_config_add_mount(RuntimeConfig *config, const RuntimeMount *mount);
void runtime_config_add_device(RuntimeConfig *config, const RuntimeDevice *device);
void runtime_config_add_device_rule(RuntimeConfig *config, const RuntimeDeviceRule *rule);
void runtime_config_add_id_mapping(RuntimeConfig *config, bool is_gid,
                                   const RuntimeIdMapping *mapping);
void runtime_config_add_block_limit(RuntimeConfig *config, RuntimeBlockKind kind,
                                    const RuntimeBlockLimit *limit);
void runtime_config_add_hugepage_limit(RuntimeConfig *config, const RuntimeHugepageLimit *limit);
void runtime_config_add_hook(RuntimeConfig *config, RuntimeHookKind kind, const RuntimeHook *hook);

/* These append, or replace the value of one that is there. */
void runtime_config_set_rlimit(RuntimeConfig *config, const char *type, uint64_t soft,
                               uint64_t hard);
void runtime_config_set_sysctl(RuntimeConfig *config, const char *key, const char *value);
void runtime_config_set_unified(RuntimeConfig *config, const char *key, const char *value);
void runtime_config_set_annotation(RuntimeConfig *config, const char *key, const char *value);

/** runtime_config_find_mount() - the last mount at @destination, to change it in place, or NULL */
RuntimeMount *runtime_config_find_mount(RuntimeConfig *config, const char *destination);
/** runtime_config_remove_mount() - drop every mount at @destination */
void runtime_config_remove_mount(RuntimeConfig *config, const char *destination);

/**
 * runtime_config_format() - append the document to @out
 *
 * ERR_INVALID: text that is not UTF-8, no root path, no args; subject = the document's member, e.g.
 * "args"; @out is as it was. ERR_LIMIT: no memory.
 */
int runtime_config_format(const RuntimeConfig *config, Buffer *out, Error *err);
