/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sockets of addresses: one side listens, the other connects.
 *
 * A socket file outlives its process, so a path that exists may belong to a living service or to a
 * dead one. Whoever wants to listen first takes the lock `PATH.lock` and keeps it while it
 * listens; only its holder may remove or replace PATH. Two services that start at the same moment
 * thus agree on one, and neither removes the other's socket. Programs that know nothing of the
 * lock are found by connecting.
 *
 * Paths longer than a socket address holds go through /proc/self/fd.
 */

#include <sys/types.h>

#include "varlink/address.h"

#define VARLINK_LISTEN_BACKLOG 4096 /* the kernel cuts it at net.core.somaxconn */

typedef struct VarlinkListenSocket {
        int fd;      /* non-blocking, CLOEXEC */
        int lock_fd; /* holds PATH.lock; -EBADF where there is no file */
        char *path;  /* NULL where there is no file */
        dev_t dev;
        ino_t ino;
} VarlinkListenSocket;

#define VARLINK_LISTEN_SOCKET_INIT \
        { .fd = -EBADF, .lock_fd = -EBADF }

/**
 * varlink_listen_socket_open() - listen on an address
 * @ret: written on success; to be given to varlink_listen_socket_done()
 *
 * The socket file has exactly the address's mode at every moment that somebody could connect.
 * Returns 0, -EADDRINUSE (another process listens there), -EEXIST (something that is no socket has
 * that name; it stays), -ENAMETOOLONG, -EOPNOTSUPP (exec:), -ENXIO (tcp: no such host), -errno.
 */
int varlink_listen_socket_open(const VarlinkAddress *address, VarlinkListenSocket *ret);

/** varlink_listen_socket_done() - close, and remove the socket file if it still is ours */
void varlink_listen_socket_done(VarlinkListenSocket *sock);

/**
 * varlink_socket_connect() - connect to an address, blocking
 *
 * Returns a blocking CLOEXEC socket, -ENXIO (tcp: no such host), -EOPNOTSUPP (exec:), -errno.
 */
int varlink_socket_connect(const VarlinkAddress *address);
