/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a container is given when nothing is asked for. The lists are podman 4.3.1's (what it writes
 * for `podman create` on Debian 12); where they differ, the contract in the header says so.
 */

#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#include "oci/runtime_config.h"

#define FILES_MAX     UINT64_C(1048576) /* open files of a process */
#define PROCESSES_MAX UINT64_C(1048576)

static const char *const masked_paths[] = {
        "/proc/acpi",       "/proc/kcore",       "/proc/keys",        "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
        "/sys/firmware",    "/sys/fs/selinux",   "/sys/dev/block",    NULL,
};

static const char *const readonly_paths[] = {
        "/proc/asound", "/proc/bus",           "/proc/fs", "/proc/irq",
        "/proc/sys",    "/proc/sysrq-trigger", NULL,
};

static const char *const proc_options[] = { "nosuid", "noexec", "nodev", NULL };
static const char *const dev_options[] = { "nosuid", "strictatime", "mode=755", "size=65536k",
                                           NULL };
static const char *const pts_options[] = { "nosuid",    "noexec", "newinstance", "ptmxmode=0666",
                                           "mode=0620", "gid=5",  NULL };
static const char *const sys_options[] = { "nosuid", "noexec", "nodev", "ro", NULL };
static const char *const cgroup_options[] = { "rprivate", "nosuid", "noexec", "nodev",
                                              "relatime", "ro",     NULL };

static const RuntimeMount default_mounts[] = {
        { "/proc", "proc", "proc", proc_options },
        { "/dev", "tmpfs", "tmpfs", dev_options },
        { "/dev/pts", "devpts", "devpts", pts_options },
        { "/dev/shm", "tmpfs", "shm", NULL }, /* with its size */
        { "/dev/mqueue", "mqueue", "mqueue", proc_options },
        { "/sys", "sysfs", "sysfs", sys_options },
        { "/sys/fs/cgroup", "cgroup", "cgroup", cgroup_options },
};

void runtime_config_set_default_mounts(RuntimeConfig *config, int64_t shm_size_bytes) {
        int64_t size = shm_size_bytes > 0 ? shm_size_bytes : RUNTIME_SHM_SIZE_DEFAULT;
        RuntimeMount *mounts = arena_new(&config->arena, RuntimeMount, ARRAY_SIZE(default_mounts));

        /* Lists of a thousand containers show these: nothing is copied but what differs. */
        memcpy(mounts, default_mounts, sizeof(default_mounts));
        config->mounts.items = mounts;
        config->mounts.count = config->mounts.capacity = ARRAY_SIZE(default_mounts);
        const char **options = arena_new(&config->arena, const char *, 6);
        options[0] = "nosuid";
        options[1] = "noexec";
        options[2] = "nodev";
        options[3] = "mode=1777";
        options[4] = size == RUNTIME_SHM_SIZE_DEFAULT
                             ? "size=65536k"
                             : arena_printf(&config->arena, "size=%lldk",
                                            (long long)((size + 1023) / 1024));
        runtime_config_find_mount(config, "/dev/shm")->options = options;
}

static uint64_t at_most(uint64_t wanted, uint64_t limit) {
        return wanted < limit ? wanted : limit;
}

/* Raising a hard limit takes a privilege that the engine may not have, and the runtime then fails.
 */
static void set_rlimit(RuntimeConfig *config, __rlimit_resource_t resource, const char *type,
                       uint64_t wanted) {
        struct rlimit own;

        if (getrlimit(resource, &own) == 0 && own.rlim_max != RLIM_INFINITY)
                wanted = at_most(wanted, own.rlim_max);
        runtime_config_set_rlimit(config, type, wanted, wanted);
}

static void set_namespaces(RuntimeConfig *config, bool has_host_network) {
        struct statfs st;

        config->namespaces[RUNTIME_NAMESPACE_PID].is_used = true;
        config->namespaces[RUNTIME_NAMESPACE_IPC].is_used = true;
        config->namespaces[RUNTIME_NAMESPACE_UTS].is_used = true;
        config->namespaces[RUNTIME_NAMESPACE_MOUNT].is_used = true;
        config->namespaces[RUNTIME_NAMESPACE_NETWORK].is_used = !has_host_network;
        /* podman: private where there is only cgroup v2, the host's elsewhere */
        config->namespaces[RUNTIME_NAMESPACE_CGROUP].is_used = statfs("/sys/fs/cgroup", &st) == 0 &&
                                                               st.f_type == CGROUP2_SUPER_MAGIC;
}

void runtime_config_set_defaults(RuntimeConfig *config, const RuntimeDefaults *defaults) {
        const RuntimeDeviceRule none = { .is_allowed = false,
                                         .major = RUNTIME_DEVICE_ANY,
                                         .minor = RUNTIME_DEVICE_ANY,
                                         .access = "rwm" };
        CapabilitySet capabilities = CAPABILITY_DEFAULT & capability_bounding();

        config->cwd = "/";
        config->umask = 0022;
        config->bounding = capabilities;
        config->effective = capabilities;
        config->permitted = capabilities;
        config->masked_paths = masked_paths;
        config->readonly_paths = readonly_paths;
        set_rlimit(config, RLIMIT_NOFILE, "RLIMIT_NOFILE", FILES_MAX);
        set_rlimit(config, RLIMIT_NPROC, "RLIMIT_NPROC", PROCESSES_MAX);
        runtime_config_set_default_mounts(config, defaults->shm_size_bytes);
        set_namespaces(config, defaults->has_host_network);
        /* The runtime itself then allows null, zero, full, random, urandom, tty and the ptys. */
        runtime_config_add_device_rule(config, &none);
        if (!defaults->has_host_network)
                runtime_config_set_sysctl(config, "net.ipv4.ping_group_range", "0 0");
}
