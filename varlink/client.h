/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A blocking varlink client: one connection, calls in order. Generated stubs wrap
 * varlink_client_call().
 *
 * Not locked: one thread at a time. Pipelining: send several, then receive as often. Limits of a
 * reply are those of a request: VARLINK_MESSAGE_MAX, VARLINK_VALUES_MAX, CODEC_DEPTH_MAX.
 */

#include "base/arena.h"
#include "varlink/interface.h"

typedef struct VarlinkClient VarlinkClient;

typedef enum VarlinkCallFlags {
        VARLINK_CALL_MORE = 1 << 0,
        VARLINK_CALL_ONEWAY = 1 << 1,
        VARLINK_CALL_UPGRADE = 1 << 2,
} VarlinkCallFlags;

/* One reply message. */
typedef struct VarlinkReply {
        json_t *message;    /* owned */
        const char *error;  /* qualified error name, or NULL; borrowed from the message */
        json_t *parameters; /* an object or NULL; borrowed from the message */
        bool continues;
} VarlinkReply;

#define VARLINK_REPLY_INIT \
        { .message = NULL }
void varlink_reply_done(VarlinkReply *reply);

/**
 * varlink_client_connect() - @address as in varlink/address.h; `exec:` starts the service; 0 or
 * -errno
 */
int varlink_client_connect(VarlinkClient **ret, const char *address);
/** varlink_client_new_fd() - speak on a connected stream socket */
int varlink_client_new_fd(VarlinkClient **ret, int take_fd);
/** varlink_client_free() - closes; a service started by `exec:` is ended; returns NULL */
VarlinkClient *varlink_client_free(VarlinkClient *client);
DEFINE_CLEANUP(VarlinkClient, varlink_client_free);

int varlink_client_fd(const VarlinkClient *client);
/**
 * varlink_client_take_fd() - the bare socket, after an upgrade: nothing past the reply's NUL was
 * read
 */
int varlink_client_take_fd(VarlinkClient *client);

/**
 * varlink_client_send() - one request; @method is qualified, @parameters may be NULL; 0 or -errno
 */
int varlink_client_send(VarlinkClient *client, const char *method, json_t *parameters,
                        unsigned flags);
/**
 * varlink_client_receive() - one reply; -EPIPE when the service hung up, -EBADMSG when it is no
 * reply
 */
int varlink_client_receive(VarlinkClient *client, VarlinkReply *ret);

/**
 * varlink_client_begin() - send one typed request, for calls with flags and pipelining; 0 or
 * -errno
 */
int varlink_client_begin(VarlinkClient *client, const VlInterface *interface,
                         const VlMethod *method, const void *in, unsigned flags);
/** varlink_client_finish() - its next reply; arguments and result as of varlink_client_call() */
int varlink_client_finish(VarlinkClient *client, const VlMethod *method, Arena *arena, void *out,
                          VarlinkReply *ret_reply);

/**
 * varlink_client_call() - one typed call; generated stubs wrap this
 * @out: zeroed; filled on success, and in part by an answer that is none
 * @ret_reply: holds the message that strings of @out point into; the caller's to free after 0 and 1
 *
 * Returns 0; 1 when the service answered with an error (ret_reply->error); -EPIPE when it hung up,
 * -EBADMSG when its answer is none, -EMSGSIZE when that is too long, -errno otherwise.
 */
int varlink_client_call(VarlinkClient *client, const VlInterface *interface, const VlMethod *method,
                        const void *in, Arena *arena, void *out, VarlinkReply *ret_reply);
