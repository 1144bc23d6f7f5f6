/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A service for tests: org.selkie.test on a thread of its own, with workers, on a socket in a
 * scratch folder. A test is its peer.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "base/loop.h"
#include "base/pool.h"
#include "varlink/server.h"

typedef struct Fixture {
        char folder[64];
        char address[128];
        const char *path; /* of the socket */
        Loop *loop;
        VarlinkServer *server;
        Pool *pool;
        VarlinkServerOptions options; /* set before fixture_start() */
        const char *listen_address;   /* NULL: `address` */

        atomic_int waits;     /* Wait calls that began */
        atomic_int cancelled; /* calls whose on_cancel ran */
        atomic_int finished;  /* Flood and Stream calls that ended */
        atomic_int upgrades_lost;
        atomic_int busy, idle; /* how often on_busy said which */

        /* Private to the fixture. */
        VarlinkCall *waiting[4096];
        int waiting_count;
        int64_t total;
        void *thread;
} Fixture;

/** fixture_start() - run the service; a failure fails the test */
void fixture_start(Fixture *fixture);
void fixture_stop(Fixture *fixture);

/** fixture_run() - call @func on the service's loop and wait until it has returned */
void fixture_run(Fixture *fixture, void (*func)(Fixture *fixture, void *userdata), void *userdata);

/** fixture_connect() - a blocking socket with a time limit, so that a hung test fails */
int fixture_connect(Fixture *fixture);

/** fixture_await() - until @counter is at least @value; fails the test after some seconds */
void fixture_await(atomic_int *counter, int value);

/** fixture_expect_well() - a new peer is served */
void fixture_expect_well(Fixture *fixture);

/* --- a peer: bytes and messages of a connected socket ---------------------------------------- */

void peer_send_bytes(int fd, const void *data, size_t size);
/** peer_send_text() - with its NUL */
void peer_send_text(int fd, const char *text);
/** peer_receive_text() - the next message, heap; NULL when the connection was closed instead */
char *peer_receive_text(int fd);
void peer_expect_text(int fd, const char *expected);
void peer_expect_end(int fd);
void peer_expect_silence(int fd);
/** peer_expect_well() - a call on this connection is answered */
void peer_expect_well(int fd);
