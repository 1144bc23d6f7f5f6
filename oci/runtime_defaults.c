/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a container is given when nothing is asked for. The lists are podman 4.3.1's (what it writes
 * for `podman create` on Debian 12); where they differ, the contract in the header says so.
 */

#include <linux/magic.h>
#include <stdio.h>
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

#define OPTIONS(...)              \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

static void set_mounts(RuntimeConfig *config, int64_t shm_size) {
        char size[32];

        (void)snprintf(size, sizeof(size), "size=%lldk", (long long)((shm_size + 1023) / 1024));
        const RuntimeMount mounts[] = {
                { "/proc", "proc", "proc", OPTIONS("nosuid", "noexec", "nodev") },
                { "/dev", "tmpfs", "tmpfs",
                  OPTIONS("nosuid", "strictatime", "mode=755", "size=65536k") },
                { "/dev/pts", "devpts", "devpts",
                  OPTIONS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620",
                          "gid=5") },
                { "/dev/shm", "tmpfs", "shm",
                  OPTIONS("nosuid", "noexec", "nodev", "mode=1777", size) },
                { "/dev/mqueue", "mqueue", "mqueue", OPTIONS("nosuid", "noexec", "nodev") },
                { "/sys", "sysfs", "sysfs", OPTIONS("nosuid", "noexec", "nodev", "ro") },
                { "/sys/fs/cgroup", "cgroup", "cgroup",
                  OPTIONS("rprivate", "nosuid", "noexec", "nodev", "relatime", "ro") },
        };
        for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
                runtime_config_add_mount(config, &mounts[i]);
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
        set_mounts(config, defaults->shm_size_bytes > 0 ? defaults->shm_size_bytes
                                                        : RUNTIME_SHM_SIZE_DEFAULT);
        set_namespaces(config, defaults->has_host_network);
        /* The runtime itself then allows null, zero, full, random, urandom, tty and the ptys. */
        runtime_config_add_device_rule(config, &none);
        if (!defaults->has_host_network)
                runtime_config_set_sysctl(config, "net.ipv4.ping_group_range", "0 0");
}
