/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The system call filter as the kernel takes it: linux.seccomp of the OCI document, compiled.
 *
 * A runtime compiles these rules at every start of a container, and that costs it more than all
 * the rest it does. crun takes a program that was compiled before, in an annotation; it then passes
 * over the rules, but still loads the program with the flags and the listener of linux.seccomp.
 * So what is made here must decide every call as crun's own program would, and the translation
 * follows crun in what the specification leaves open:
 *
 *  - a name that libseccomp does not know is passed over, as no kernel that it knows has the call;
 *  - a rule whose action is the default one says nothing;
 *  - arguments must all match, but where two of a rule look at the same argument, any one may;
 *  - an action that takes a number and is given none takes EPERM.
 *
 * Sources: OCI runtime-spec 1.0.2, config-linux.md "Seccomp"; crun 1.8.1, src/libcrun/seccomp.c.
 */

#include <linux/filter.h>

#include "base/buffer.h"
#include "base/error.h"

/* The annotation that gives it to crun, in base64. */
#define SECCOMP_FILTER_ANNOTATION "run.oci.seccomp_bpf_data"

#define SECCOMP_FILTER_INSTRUCTIONS_MAX BPF_MAXINSNS /* the kernel takes no longer program */

/**
 * seccomp_filter_compile() - make the program
 * @oci_seccomp_json: text of a linux.seccomp object, for this machine
 * @ret_filter:       on success the bytes of struct sock_filter[], in this machine's order
 *
 * Thread: any, one at a time, since libseccomp promises nothing else. Cost: 20 ms for the usual
 * 400 system calls on three architectures; nothing is kept.
 * Errors: ERR_INVALID (no such object; the text has the member), ERR_UNSUPPORTED (an
 * architecture or action that libseccomp or this kernel does not know), ERR_LIMIT (longer than
 * SECCOMP_PROFILE_MAX, or its program than SECCOMP_FILTER_INSTRUCTIONS_MAX), ERR_IO.
 */
int seccomp_filter_compile(const char *oci_seccomp_json, size_t size, Buffer *ret_filter,
                           Error *err);
