/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The text that says where a service is.
 *
 *   unix:/run/podman/io.podman            a socket file, mode 0600 when we make it
 *   unix:/run/podman/io.podman;mode=0660  the same with other permissions
 *   unix:@org.example.service             an abstract socket: a name without a file or permissions
 *   tcp:127.0.0.1:12345  tcp:[::1]:12345  a stream over the network, without any authentication
 *   exec:/usr/libexec/service --flag      a command that is started with a socket; client only
 *
 * Whatever else is said after the `;` is refused, so that no wish is silently ignored.
 */

#include <sys/types.h>

#include "base/memory.h"

#define VARLINK_ADDRESS_MAX  4096 /* bytes of the text */
#define VARLINK_ADDRESS_MODE 0600 /* of a socket file, unless the address says otherwise */

typedef enum VarlinkAddressKind {
        VARLINK_ADDRESS_FILE,
        VARLINK_ADDRESS_ABSTRACT,
        VARLINK_ADDRESS_TCP,
        VARLINK_ADDRESS_EXEC,
        _VARLINK_ADDRESS_KIND_MAX,
} VarlinkAddressKind;

typedef struct VarlinkAddress {
        VarlinkAddressKind kind;
        char *name; /* path, abstract name without the @, host without brackets, or command */
        char *port; /* tcp only: decimal */
        mode_t mode;
} VarlinkAddress;

#define VARLINK_ADDRESS_INIT \
        { .mode = VARLINK_ADDRESS_MODE }

/** varlink_address_done() - free and reset; safe on VARLINK_ADDRESS_INIT and after itself */
void varlink_address_done(VarlinkAddress *address);
#define _cleanup_varlink_address_ _cleanup_(varlink_address_done)

/**
 * varlink_address_parse() - read an address
 * @ret: written on success; the caller's to varlink_address_done()
 *
 * Returns 0, -EINVAL (no such form, an unknown property), -ENAMETOOLONG (limit:
 * VARLINK_ADDRESS_MAX, and what an abstract name may hold), -ENOMEM.
 * Source: https://varlink.org/Service "Address".
 */
int varlink_address_parse(const char *text, VarlinkAddress *ret);
