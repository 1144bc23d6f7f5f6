/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * containers.conf: the defaults for running containers, as containers.conf(5) has them.
 *
 * Files add up, later ones override key by key: /usr/share/containers/containers.conf,
 * /etc/containers/containers.conf, containers.conf.d beside it in order of names, and for a user
 * the same below $XDG_CONFIG_HOME/containers. If CONTAINERS_CONF is set, that file is read and no
 * other. Keys that are not here belong to other tools or other parts of the engine.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define ENGINE_LOG_SIZE_MIN 8192 /* bytes: conmon reads as much at once */

typedef enum CgroupManager {
        CGROUP_MANAGER_DEFAULT, /* nothing is configured: what the host has decides */
        CGROUP_MANAGER_SYSTEMD,
        CGROUP_MANAGER_CGROUPFS,
} CgroupManager;

/* An entry of [engine.runtimes]. */
typedef struct EngineRuntime {
        char *name;
        Strings paths;
} EngineRuntime;

/* Strings are NULL where nothing is configured and no default is named here. */
typedef struct EngineConfig {
        /* [engine] */
        char *runtime_name; /* as configured: a name in the table, or a path */
        EngineRuntime *runtimes;
        size_t runtimes_count, runtimes_capacity;
        Strings conmon_paths;
        Strings conmon_environment; /* NAME=value */
        CgroupManager cgroup_manager;
        int64_t stop_timeout_s; /* 10 */

        /* [containers] */
        Strings capabilities; /* without CAP_ */
        Strings sysctls;      /* name=value */
        Strings ulimits;      /* name=soft:hard */
        Strings environment;  /* NAME=value */
        Strings dns_servers, dns_searches, dns_options;
        char *seccomp_profile;
        char *apparmor_profile;
        char *log_driver;
        int64_t log_size_max; /* bytes; 0: no limit */
        bool has_pids_limit;
        int64_t pids_limit; /* 2048; 0: no limit */
        int64_t shm_size;   /* bytes; 64 MiB */
        unsigned umask;     /* 0022 */
        char *init_path;
        char *timezone; /* "local" or a name */
        char *cgroupns, *ipcns, *netns, *pidns, *userns, *utsns;

        /*
         * What follows from the above on this host: the runtime that is configured, as a path;
         * where to look for crun and then runc when none is, empty for the usual places; the first
         * of conmon_paths that is a program, NULL for the usual places.
         */
        char *runtime;
        Strings runtime_candidates;
        char *conmon_path;
} EngineConfig;

#define ENGINE_CONFIG_INIT \
        { .runtime_name = NULL }

/**
 * engine_config_load() - read the configuration of the user who runs this
 * @ret: written on success only; engine_config_done() frees it
 *
 * Errors: ERR_INVALID with file, line and column, ERR_NOT_FOUND (the file that CONTAINERS_CONF
 * names), ERR_LIMIT, ERR_IO.
 */
int engine_config_load(EngineConfig *ret, Error *err);

void engine_config_done(EngineConfig *config);
#define _cleanup_engine_config_ _cleanup_(engine_config_done)
