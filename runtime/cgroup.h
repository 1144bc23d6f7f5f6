/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The host's cgroup hierarchies, and the place where monitors live in them.
 *
 * A monitor (conmon) must outlive the engine, so it may not stay in a cgroup that is killed,
 * frozen, or limited together with the engine's service. It is moved to `<parent>/conmon` in each
 * hierarchy where the engine itself is not in the root: in the others there is nothing to escape
 * from, and each move costs a write that may wait for an RCU grace period. The cgroup is shared by
 * all monitors, so that it is made once, and removed by whoever finds it empty.
 */

#include <sys/types.h>

#include "base/error.h"

#define CGROUP_PARENT "/selkie" /* where containers and monitors are put unless told otherwise */

typedef enum CgroupMode {
        CGROUP_MODE_LEGACY, /* v1 only */
        CGROUP_MODE_HYBRID, /* v1, and v2 at /sys/fs/cgroup/unified */
        CGROUP_MODE_UNIFIED,
} CgroupMode;

/* One mounted hierarchy. */
typedef struct CgroupHierarchy {
        char *mount;    /* its mount point */
        bool is_own;    /* the engine is in a cgroup of its own there, not in the root */
        bool is_cpuset; /* a new cgroup must inherit cpus and mems before it takes a process */
} CgroupHierarchy;

typedef struct CgroupLayout {
        CgroupMode mode;
        bool has_hybrid_controllers; /* hybrid, and controllers are on the v2 side */
        CgroupHierarchy *items;
        size_t count;
} CgroupLayout;

#define CGROUP_LAYOUT_INIT \
        { .items = NULL }

/** cgroup_layout_load() - read what is mounted and where this process is; ERR_IO */
int cgroup_layout_load(CgroupLayout *ret, Error *err);
void cgroup_layout_done(CgroupLayout *layout);

/**
 * cgroup_layout_move() - put a process into `<parent>/conmon` wherever the engine is not in the
 * root
 *
 * Best effort, since a monitor in the wrong cgroup works: returns 0, or -errno of the first failure
 * after all were tried. Safe against cgroup_layout_remove() of another thread.
 */
int cgroup_layout_move(const CgroupLayout *layout, const char *parent, pid_t pid);

/** cgroup_layout_remove() - remove `<parent>/conmon`, then `<parent>`, wherever they are empty */
void cgroup_layout_remove(const CgroupLayout *layout, const char *parent);
