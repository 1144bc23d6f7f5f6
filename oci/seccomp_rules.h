/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A profile of the system call filter in memory: read from a file (seccomp_profile.c), or the one
 * built in (seccomp_rules.c). Lists are words separated by one space, in one string.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci/capability.h"

#define SECCOMP_RULES_MAX          4096
#define SECCOMP_ARGUMENTS_MAX      6 /* a system call has no more */
#define SECCOMP_ERRNO_NONE         (-1)
#define SECCOMP_CAPABILITY_UNKNOWN (UINT64_C(1) << 63) /* one that no container has */

typedef struct SeccompArgument {
        unsigned index;
        uint64_t value, value_two;
        const char *op; /* "SCMP_CMP_EQ" */
} SeccompArgument;

typedef struct SeccompRule {
        const char *names;  /* of system calls */
        const char *action; /* "SCMP_ACT_ALLOW" */
        int errno_ret;      /* for SCMP_ACT_ERRNO, or SECCOMP_ERRNO_NONE */
        const SeccompArgument *arguments;
        size_t arguments_count;

        /* It holds only where all of these are met. */
        const char *arches;        /* on one of these, or NULL */
        const char *except_arches; /* on none of these, or NULL */
        CapabilitySet needs;       /* the container has all of these */
        CapabilitySet except;      /* the container has none of these */
        unsigned kernel_min;       /* major << 16 | minor; 0: any */
} SeccompRule;

typedef struct SeccompProfile {
        const char *default_action;
        int default_errno; /* or SECCOMP_ERRNO_NONE */
        const char *
                architectures; /* "SCMP_ARCH_X86_64 SCMP_ARCH_X86", or NULL: the native one alone */
        const SeccompRule *rules;
        size_t rules_count;
} SeccompProfile;

/* The names of this machine's architecture in a profile. */
extern const char *const SECCOMP_ARCH_NATIVE; /* "SCMP_ARCH_X86_64" */
extern const char *const SECCOMP_ARCH_NAME;   /* "amd64" */

extern const SeccompProfile SECCOMP_PROFILE_BUILTIN;

/**
 * seccomp_profile_parse() - read a profile
 * @name:  subject of errors
 * @arena: what @ret holds lives there
 *
 * ERR_INVALID: line and column where it is not JSON, the member where it is no such profile.
 * ERR_LIMIT: more than SECCOMP_RULES_MAX.
 */
int seccomp_profile_parse(const char *text, size_t size, const char *name, Arena *arena,
                          SeccompProfile *ret, Error *err);
