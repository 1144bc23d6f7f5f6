/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A varlink service: interfaces with typed handlers, served on any number of listening sockets.
 *
 * The loop thread reads, frames, routes, and parses what is not long. One call at a time runs per
 * connection, so replies keep the order of requests, and what a peer has pipelined waits unread in
 * its buffer. A handler runs on the loop (varlink_server_set_inline(): it never blocks) or where
 * the `run` hook takes it (a worker). It replies from any thread, at once or later: the call lives
 * until its last reference is gone.
 *
 * org.varlink.service is served by the server itself.
 */

#include <sys/types.h>

#include "base/arena.h"
#include "base/loop.h"
#include "base/pool.h"
#include "varlink/interface.h"

/* Limits of what a peer controls. */
#define VARLINK_MESSAGE_MAX             (16 * 1024 * 1024) /* bytes of a message without its NUL */
#define VARLINK_CONNECTIONS_PER_UID_MAX 12000
#define VARLINK_OUTPUT_QUEUE_MAX \
        (64 * 1024 * 1024) /* bytes of unread replies, then a producer waits */

typedef struct VarlinkServer VarlinkServer;
typedef struct VarlinkCall VarlinkCall;

/**
 * VlHandler - one method of an interface (generated structs hold typed equivalents)
 * @call:     borrowed for the duration of the handler; varlink_call_ref() to keep it longer
 * @in:       the decoded arguments; they live as long as the call
 * @userdata: as given to varlink_server_add_interface()
 */
typedef void (*VlHandler)(VarlinkCall *call, const void *in, void *userdata);

/*
 * Embedded in the call; handed to the run hook, which calls task->run(task) once, on some thread.
 */
typedef PoolTask VarlinkTask;

typedef struct VarlinkServerOptions {
        const char *vendor, *product, *version, *url;   /* GetInfo */
        void (*run)(VarlinkTask *task, void *userdata); /* NULL: every handler runs on the loop */
        void *run_userdata;
        unsigned codec_flags;      /* CodecFlags for arguments */
        uid_t const *allowed_uids; /* NULL: any peer that could connect; others: PermissionDenied */
        size_t allowed_uids_count;
        /*
         * Called on the loop when the number of connections and calls becomes 0 or stops being 0.
         */
        void (*on_busy)(bool is_busy, void *userdata);
        void *on_busy_userdata;
} VarlinkServerOptions;

/** varlink_server_new() - on the loop's thread, which also frees it; @options is copied */
int varlink_server_new(VarlinkServer **ret, Loop *loop, const VarlinkServerOptions *options);
/**
 * varlink_server_free() - closes listeners and connections; calls that still run reply into
 * nothing
 */
VarlinkServer *varlink_server_free(VarlinkServer *server);
DEFINE_CLEANUP(VarlinkServer, varlink_server_free);

/**
 * varlink_server_add_interface() - serve an interface
 * @handlers: the interface's generated struct of handlers; borrowed for the server's life. A NULL
 *            handler answers MethodNotImplemented
 *
 * Before the first call is served. Returns 0, or -EEXIST when there is one of that name.
 */
int varlink_server_add_interface(VarlinkServer *server, const VlInterface *interface,
                                 const void *handlers, void *userdata);

/** varlink_server_set_inline() - run this method on the loop thread: it never blocks */
void varlink_server_set_inline(VarlinkServer *server, const VlInterface *interface, size_t method);

/**
 * varlink_server_listen() - listen on an address (varlink/address.h)
 *
 * A socket file that no process listens on any more is replaced; one that is in use is
 * -EADDRINUSE.
 */
int varlink_server_listen(VarlinkServer *server, const char *address);
/**
 * varlink_server_listen_fd() - serve a listening socket that somebody else made (activation)
 *
 * Its file stays when the server goes. Returns 0, -EINVAL when it does not listen, -errno.
 */
int varlink_server_listen_fd(VarlinkServer *server, int take_fd);
/**
 * varlink_server_add_connection() - serve a connected stream socket
 *
 * Returns 0, -EDQUOT when its user has VARLINK_CONNECTIONS_PER_UID_MAX already, -errno.
 */
int varlink_server_add_connection(VarlinkServer *server, int take_fd);

size_t varlink_server_connections_count(const VarlinkServer *server);

/* --- the call -------------------------------------------------------------------------------- */

VarlinkCall *varlink_call_ref(VarlinkCall *call);
/**
 * varlink_call_unref() - the last one without a final reply ends the connection: a bug, logged;
 * NULL
 */
VarlinkCall *varlink_call_unref(VarlinkCall *call);
DEFINE_CLEANUP(VarlinkCall, varlink_call_unref);

/**
 * varlink_call_arena() - memory that lives as long as the call: arguments, and replies being built
 */
Arena *varlink_call_arena(VarlinkCall *call);
bool varlink_call_wants_more(const VarlinkCall *call);
bool varlink_call_wants_upgrade(const VarlinkCall *call);
bool varlink_call_is_oneway(const VarlinkCall *call);
uid_t varlink_call_peer_uid(const VarlinkCall *call);

/** varlink_call_is_cancelled() - whether the peer has hung up; any thread, cheap */
bool varlink_call_is_cancelled(const VarlinkCall *call);

/**
 * varlink_call_on_cancel() - be told, on the loop thread, when the peer hangs up before the last
 * reply
 *
 * At most one at a time; NULL clears. Set from any thread; if the peer is gone already, @func runs
 * soon after. It never runs after the final reply was sent or the call was freed: clearing it and
 * the final reply wait, on another thread, until a running @func has returned. So @func must not
 * wait for a thread that replies. A oneway call is not cancelled by its peer's end.
 */
void varlink_call_on_cancel(VarlinkCall *call, void (*func)(VarlinkCall *call, void *userdata),
                            void *userdata);

/**
 * varlink_call_reply() - send a reply; any thread; the generated typed functions wrap this
 * @method_out: type of the reply's parameters
 * @out:        the struct; borrowed, encoded before this returns
 * @continues:  more replies follow; only if the peer asked for `more`
 *
 * Exactly one final reply. One that continues waits, on another thread than the loop's, while more
 * than VARLINK_OUTPUT_QUEUE_MAX is unread; on the loop that ends the connection. Nothing is sent
 * to the peer of a oneway call. Returns 0, -ENOTCONN when the peer is gone (nothing to do),
 * -EALREADY after the final reply, -EINVAL for one that continues where the peer did not ask for
 * `more`, -ENOMEM.
 */
int varlink_call_reply(VarlinkCall *call, const VlType *method_out, const void *out,
                       bool continues);
int varlink_call_reply_error(VarlinkCall *call, const VlErrorInfo *error, const void *parameters);

/* The errors of org.varlink.service. */
int varlink_call_reply_method_not_implemented(VarlinkCall *call);
int varlink_call_reply_invalid_parameter(VarlinkCall *call, const char *parameter);
int varlink_call_reply_permission_denied(VarlinkCall *call);
int varlink_call_reply_expected_more(VarlinkCall *call);

/** varlink_call_output_pending() - bytes queued for the peer and not yet taken by the kernel */
size_t varlink_call_output_pending(VarlinkCall *call);

/**
 * varlink_call_on_writable() - be told once, on the loop thread, when the output queue is (nearly)
 * empty
 *
 * For producers of `more` replies: pause when varlink_call_output_pending() is high, go on from
 * here. Set, cleared and waited for like on_cancel, which is told instead when the peer is gone.
 */
void varlink_call_on_writable(VarlinkCall *call, void (*func)(VarlinkCall *call, void *userdata),
                              void *userdata);

/**
 * varlink_call_reply_upgrade() - send the final reply, then hand the socket over
 * @func: called on the loop thread once the reply is in the kernel; owns @take_fd (non-blocking)
 *        from then on; @rest is borrowed: what the peer had sent past its request. When the peer
 *        goes before that, it is called with -EBADF, so that @userdata can be freed
 *
 * Returns as varlink_call_reply(), and -EINVAL when the peer did not ask for it. On failure @func
 * is not called.
 */
int varlink_call_reply_upgrade(VarlinkCall *call, const VlType *method_out, const void *out,
                               void (*func)(int take_fd, const void *rest, size_t rest_size,
                                            void *userdata),
                               void *userdata);
