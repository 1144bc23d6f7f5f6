/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/capability.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

/* In the order of the kernel's numbers (linux/capability.h). */
static const char *const names[CAPABILITY_MAX] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};

/* CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT
 * SETFCAP */
const CapabilitySet CAPABILITY_DEFAULT = CAPABILITY_BIT(0) | CAPABILITY_BIT(1) | CAPABILITY_BIT(3) |
                                         CAPABILITY_BIT(4) | CAPABILITY_BIT(5) | CAPABILITY_BIT(6) |
                                         CAPABILITY_BIT(7) | CAPABILITY_BIT(8) |
                                         CAPABILITY_BIT(10) | CAPABILITY_BIT(18) |
                                         CAPABILITY_BIT(31);

int capability_parse(const char *name) {
        if (strncasecmp(name, "CAP_", 4) == 0)
                name += 4;
        for (int i = 0; i < CAPABILITY_MAX; i++)
                if (strcasecmp(names[i] + 4, name) == 0)
                        return i;
        return -EINVAL;
}

CapabilitySet capability_bounding(void) {
        static _Atomic CapabilitySet known; /* never 0 once read: a full answer has bits */
        CapabilitySet set = known;

        if (set != 0)
                return set;
        for (unsigned i = 0; i < CAPABILITY_MAX; i++)
                if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
                        set |= CAPABILITY_BIT(i);
        known = set;
        return set;
}

static bool is_all(const char *name) {
        return strcasecmp(name, "ALL") == 0 || strcasecmp(name, "CAP_ALL") == 0;
}

/* The union of the names, and whether ALL is among them. */
static int parse_names(const char *const *list, const char *subject, CapabilitySet *ret_set,
                       bool *ret_all, Error *err) {
        CapabilitySet set = 0;

        *ret_all = false;
        for (; list && *list; list++) {
                if (is_all(*list)) {
                        *ret_all = true;
                        continue;
                }
                int number = capability_parse(*list);
                if (number < 0)
                        return error_set(err, ERR_INVALID, subject, "there is no capability \"%s\"",
                                         *list);
                set |= CAPABILITY_BIT(number);
        }
        *ret_set = set;
        return 0;
}

static const char *first_name(CapabilitySet set) {
        return names[__builtin_ctzll(set)];
}

int capability_change(CapabilitySet base, const char *const *add, const char *const *drop,
                      CapabilitySet *ret, Error *err) {
        CapabilitySet bounding = capability_bounding(), added = 0, dropped = 0;
        bool adds_all, drops_all;

        if (parse_names(add, "create.cap_add", &added, &adds_all, err) < 0 ||
            parse_names(drop, "create.cap_drop", &dropped, &drops_all, err) < 0)
                return -1;
        if (adds_all && drops_all)
                return error_set(err, ERR_INVALID, "create.cap_drop",
                                 "all capabilities cannot be both added and dropped");
        if (added & dropped)
                return error_set(err, ERR_INVALID, "create.cap_add",
                                 "capability %s is both added and dropped",
                                 first_name(added & dropped));
        if (added & ~bounding)
                return error_set(err, ERR_UNSUPPORTED, "create.cap_add",
                                 "the engine itself does not have capability %s",
                                 first_name(added & ~bounding));
        CapabilitySet start = drops_all ? 0 : adds_all ? bounding : base;
        *ret = ((start | added) & ~dropped) & bounding;
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void capability_list(CapabilitySet set, Strings *list) {
        const char *found[CAPABILITY_MAX];
        size_t count = 0;

        for (unsigned i = 0; i < CAPABILITY_MAX; i++)
                if (set & CAPABILITY_BIT(i))
                        found[count++] = names[i];
        qsort(found, count, sizeof(*found), compare_names);
        for (size_t i = 0; i < count; i++)
                strings_add(list, found[i]);
}
