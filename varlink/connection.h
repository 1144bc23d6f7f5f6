/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One peer's stream socket: requests in, one running call, replies out. Loop thread only.
 *
 * connection_work() is the only place that makes progress: it takes the next message when no call
 * runs, writes what there is to write, and decides what to wait for. It is called with nothing of
 * ours on the stack, so handlers and hooks never see their connection vanish or another call start
 * beneath them; from inside those, connection_schedule() has it called later.
 *
 * How a peer's end is told apart: reading 0 bytes means that it will send no more (it may have
 * closed, or only shut down its sending side): what it asked is still answered. EPOLLHUP or
 * EPOLLERR mean that it can receive no more either: its call is cancelled, except a oneway call,
 * which nobody waits for. While a call runs nothing is read, so it is EPOLLHUP, always reported,
 * that tells of a killed client.
 * (A tcp peer that is killed looks like one that only stopped sending: it is noticed when a reply
 * cannot be delivered.)
 */

#include "base/buffer.h"
#include "varlink/call.h"

/* A peer's unread replies: beyond this its next request is not even looked at. */
#define VARLINK_OUTPUT_PAUSE (256 * 1024)
/* Below this a producer of replies is told to go on. */
#define VARLINK_OUTPUT_LOW (64 * 1024)
/* Unfinished requests of all connections of one uid together. */
#define VARLINK_INPUT_PER_UID_MAX (256 * 1024 * 1024)
/*
 * Requests longer than this are parsed on a worker, if there are any. They came in several pieces,
 * so their text lies in the reader's own memory, which can be detached.
 */
#define VARLINK_INLINE_PARSE_MAX HUB_SCRATCH_SIZE

/* Everybody who connects as the same user. */
typedef struct Peer {
        List peers; /* in the server's list */
        uid_t uid;
        size_t connections_count;
        size_t input_size; /* bytes of unfinished requests */
        bool is_allowed;
        bool was_refused; /* over the limit, and logged */
        uint64_t fault_logged_usec;
        size_t faults_not_logged;
} Peer;

struct Connection {
        List connections; /* in the server's list */
        List ready;       /* in the hub's */
        Hub *hub;
        Peer *peer;
        int fd;
        uint32_t events; /* waited for */
        bool is_watched; /* is in the hub's epoll */

        FrameReader input;
        size_t input_counted; /* share of peer->input_size */
        Buffer output;
        size_t output_start; /* bytes of it that the kernel took */

        VarlinkCall *call; /* the running one; not a reference */
        Upgrade upgrade; /* set: the final reply was the last one, then the socket changes hands */
        bool is_working; /* within connection_work() */
        bool is_readable;
        bool is_input_paused;
        bool is_input_ended; /* the peer will send no more */
        bool is_hung_up;     /* nor receive any more */
        bool is_broken;      /* to be closed by connection_work(), when no call is in the way */

        void (*on_closed)(Connection *connection, void *userdata);
        void *on_closed_userdata;
};

/**
 * connection_new() - serve a connected socket
 * @peer:      outlives the connection
 * @on_closed: told just before the connection is freed
 */
int connection_new(Connection **ret, Hub *hub, int take_fd, Peer *peer,
                   void (*on_closed)(Connection *connection, void *userdata), void *userdata);
/** connection_free() - cancel its call and close; returns NULL */
Connection *connection_free(Connection *connection);

/** connection_on_events() - what epoll reports; the connection may be freed when this returns */
void connection_on_events(Connection *connection, uint32_t events);

/** connection_work() - go on; the connection may be freed when this returns */
void connection_work(Connection *connection);
/** connection_schedule() - have connection_work() called soon */
void connection_schedule(Connection *connection);

/** connection_fault() - the peer broke the protocol: answer what was asked before, then close */
void connection_fault(Connection *connection, int error);

/** connection_append() - queue replies that another thread encoded */
void connection_append(Connection *connection, Buffer *take_replies);
/** connection_finish_call() - the running call's final reply is queued */
void connection_finish_call(Connection *connection, const Upgrade *upgrade);
/** connection_output_size() - bytes queued and not taken by the kernel */
static inline size_t connection_output_size(const Connection *connection) {
        return connection->output.size - connection->output_start;
}
