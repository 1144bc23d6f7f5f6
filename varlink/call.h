/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One call, from its request to its last reply.
 *
 * Threads: whoever holds a reference may reply; the connection and everything about the socket
 * belong to the loop. Replies of the loop's own thread go straight into the connection's output.
 * Those of another thread are encoded there, gathered in `out`, and fetched by the loop, which is
 * woken once per burst.
 *
 * A call leaves its connection when its final reply is on its way (connection_finish_call) or when
 * the peer hangs up before (call_cancel); from then on it only waits for its last reference to be
 * dropped.
 */

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "varlink/hub.h"
#include "varlink/message.h"

typedef struct Connection Connection;

/* Told with the peer's socket, once a final reply that asked for it has gone out. */
typedef struct Upgrade {
        void (*func)(int take_fd, const void *rest, size_t rest_size, void *userdata);
        void *userdata;
} Upgrade;

typedef struct CallHook {
        void (*func)(VarlinkCall *call, void *userdata);
        void *userdata;
} CallHook;

#define CALL_ARGUMENTS_SIZE 256 /* arguments up to this size need no arena */

struct VarlinkCall {
        VarlinkTask task; /* on its way through the run hook */
        LoopTask post;    /* on its way to the loop; is_posted, or released by its last reference */
        Hub *hub;
        atomic_uint refs;
        atomic_bool is_cancelled;
        atomic_size_t pending; /* bytes of replies that the kernel has not taken yet */
        uid_t peer_uid;
        bool is_allowed; /* the peer may call anything at all */

        /* Loop thread only. */
        Connection *connection; /* NULL once the call has left it */
        bool is_parsing; /* a worker has the text; until it is back, `request` is the worker's */

        /*
         * Handed over with the call: to the worker that parses, back, to the one that runs the
         * handler.
         */
        Request request;
        const Route *route;
        Buffer text; /* of a message that is parsed on a worker */
        const char *text_start;
        size_t text_size;
        int parse_result;
        Arena arena;

        pthread_mutex_t lock;   /* guards the rest; taken before the hub's */
        pthread_cond_t changed; /* pending fell, the call was cancelled, or a hook returned */
        bool is_posted, is_final, is_hook_running;
        Buffer out;
        Upgrade upgrade;
        CallHook on_cancel, on_writable;

        alignas(max_align_t) unsigned char arguments[CALL_ARGUMENTS_SIZE];
};

/** call_new() - a call with one reference, attached to @connection; loop thread; NULL: -ENOMEM */
VarlinkCall *call_new(Hub *hub, Connection *connection);
/** call_free() - destroy a call without references; returns NULL */
VarlinkCall *call_free(VarlinkCall *call);

/**
 * call_begin() - parse, route and run a request; consumes the caller's reference; loop thread
 *
 * A text that is no request ends the connection: connection_fault().
 */
void call_begin(VarlinkCall *call, const char *text, size_t size);
/**
 * call_begin_large() - the same for a text that takes long to parse; @take_owner holds its memory
 */
void call_begin_large(VarlinkCall *call, Buffer *take_owner, const char *text, size_t size);

/** call_cancel() - the peer has hung up; the call leaves its connection; loop thread */
void call_cancel(VarlinkCall *call);

/** call_survives_hang_up() - whether the call goes on although nobody can receive its reply */
bool call_survives_hang_up(const VarlinkCall *call);

/** call_flushed() - the kernel took @size bytes of the connection's output; loop thread */
void call_flushed(VarlinkCall *call, size_t size);
/**
 * call_notify_writable() - run on_writable if the output is nearly empty; loop thread, not in a
 * handler
 */
void call_notify_writable(VarlinkCall *call);
