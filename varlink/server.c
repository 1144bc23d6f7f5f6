/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/server.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "varlink/connection.h"
#include "varlink/service.h"
#include "varlink/socket.h"

/* Peers taken from one listening socket before the loop gets to other work. */
#define ACCEPTS_PER_TURN 64
/* How long accepting rests when this process or the system is out of descriptors. */
#define ACCEPT_PAUSE_USEC (250 * 1000)

typedef struct Listener {
        List listeners;
        VarlinkServer *server;
        VarlinkListenSocket sock;
        sd_event_source *source;
} Listener;

struct VarlinkServer {
        Hub *hub;
        Service service;
        uid_t *allowed_uids; /* NULL: everybody */
        size_t allowed_uids_count;
        List listeners;
        List connections;
        List peers; /* users with connections */
        size_t connections_count;
        sd_event_source *pause_timer; /* enabled while accepting rests */
        bool is_paused;
};

/* --- peers ----------------------------------------------------------------------------------- */

static bool is_allowed(const VarlinkServer *server, uid_t uid) {
        if (!server->allowed_uids)
                return true;
        for (size_t i = 0; i < server->allowed_uids_count; i++)
                if (server->allowed_uids[i] == uid)
                        return true;
        return false;
}

/* Of sockets that know no user (tcp), all are one peer: nobody, uid -1. */
static uid_t get_uid(int fd) {
        struct ucred cred;
        socklen_t size = sizeof(cred);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return (uid_t)-1;
        return cred.uid;
}

static Peer *find_peer(VarlinkServer *server, uid_t uid) {
        LIST_FOREACH (it, &server->peers) {
                Peer *peer = container_of(it, Peer, peers);
                if (peer->uid == uid)
                        return peer;
        }
        Peer *peer = calloc(1, sizeof(*peer));
        if (!peer)
                return NULL;
        peer->uid = uid;
        peer->is_allowed = is_allowed(server, uid);
        list_append(&server->peers, &peer->peers);
        return peer;
}

static void forget_idle_peer(Peer *peer) {
        /* Who broke the protocol is remembered, or reconnecting would fill the log. */
        if (peer->connections_count > 0 || peer->fault_logged_usec != 0)
                return;
        list_remove(&peer->peers);
        free(peer);
}

/* --- connections ----------------------------------------------------------------------------- */

static void resume_accepting(VarlinkServer *server) {
        if (!server->is_paused)
                return;
        server->is_paused = false;
        (void)sd_event_source_set_enabled(server->pause_timer, SD_EVENT_OFF);
        LIST_FOREACH (it, &server->listeners)
                (void)sd_event_source_set_enabled(container_of(it, Listener, listeners)->source,
                                                  SD_EVENT_ON);
}

static void on_connection_closed(Connection *connection, void *userdata) {
        VarlinkServer *server = userdata;
        Peer *peer = connection->peer;

        list_remove(&connection->connections);
        server->connections_count--;
        peer->connections_count--;
        forget_idle_peer(peer);
        resume_accepting(server);
}

static int add_connection(VarlinkServer *server, int take_fd) {
        _cleanup_close_ int fd = take_fd;
        Connection *connection;
        Peer *peer = find_peer(server, get_uid(fd));

        if (!peer)
                return -ENOMEM;
        if (peer->connections_count >= VARLINK_CONNECTIONS_PER_UID_MAX) {
                if (!peer->was_refused)
                        log_warning("varlink: uid %u has %zu connections, refusing more", peer->uid,
                                    peer->connections_count);
                peer->was_refused = true;
                return -EDQUOT;
        }
        int r = connection_new(&connection, server->hub, TAKE_FD(fd), peer, on_connection_closed,
                               server);
        if (r < 0) {
                forget_idle_peer(peer);
                return r;
        }
        peer->was_refused = false;
        peer->connections_count++;
        server->connections_count++;
        list_append(&server->connections, &connection->connections);
        return 0;
}

int varlink_server_add_connection(VarlinkServer *server, int take_fd) {
        return add_connection(server, take_fd);
}

size_t varlink_server_connections_count(const VarlinkServer *server) {
        return server->connections_count;
}

/* --- listening ------------------------------------------------------------------------------- */

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        resume_accepting(userdata);
        return 0;
}

/*
 * Without a free descriptor a waiting peer can neither be served nor turned away, and epoll would
 * report it again and again. It waits until one of our connections closes, or a moment has passed.
 */
static void pause_accepting(VarlinkServer *server, int error) {
        if (server->is_paused)
                return;
        log_warning("varlink: cannot accept connections for now: %s", strerror(error));
        (void)sd_event_source_set_time_relative(server->pause_timer, ACCEPT_PAUSE_USEC);
        (void)sd_event_source_set_enabled(server->pause_timer, SD_EVENT_ONESHOT);
        server->is_paused = true;
        LIST_FOREACH (it, &server->listeners)
                (void)sd_event_source_set_enabled(container_of(it, Listener, listeners)->source,
                                                  SD_EVENT_OFF);
}

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Listener *listener = userdata;

        (void)source;
        (void)revents;
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
                int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (peer_fd >= 0) {
                        int r = add_connection(listener->server, peer_fd);
                        if (r < 0 && r != -EDQUOT)
                                log_warning("varlink: cannot serve a connection: %s", strerror(-r));
                } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                           errno == ENOBUFS) {
                        pause_accepting(listener->server, errno);
                        break;
                } else if (errno != EINTR && errno != ECONNABORTED) {
                        break;
                }
        }
        return 0;
}

static Listener *listener_free(Listener *listener) {
        if (!listener)
                return NULL;
        list_remove(&listener->listeners);
        sd_event_source_disable_unref(listener->source);
        varlink_listen_socket_done(&listener->sock);
        free(listener);
        return NULL;
}

/* @take_sock is owned from here on, even on failure. */
static int add_listener(VarlinkServer *server, VarlinkListenSocket *take_sock) {
        Listener *listener = calloc(1, sizeof(*listener));

        if (!listener) {
                varlink_listen_socket_done(take_sock);
                return -ENOMEM;
        }
        listener->server = server;
        listener->sock = *take_sock;
        *take_sock = (VarlinkListenSocket)VARLINK_LISTEN_SOCKET_INIT;
        list_append(&server->listeners, &listener->listeners);
        int r = sd_event_add_io(loop_event(server->hub->loop), &listener->source, listener->sock.fd,
                                EPOLLIN, on_accept, listener);
        if (r < 0)
                listener_free(listener);
        return r < 0 ? r : 0;
}

int varlink_server_listen(VarlinkServer *server, const char *address) {
        _cleanup_varlink_address_ VarlinkAddress parsed = VARLINK_ADDRESS_INIT;
        VarlinkListenSocket sock = VARLINK_LISTEN_SOCKET_INIT;
        int r = varlink_address_parse(address, &parsed);

        if (r >= 0)
                r = varlink_listen_socket_open(&parsed, &sock);
        return r < 0 ? r : add_listener(server, &sock);
}

int varlink_server_listen_fd(VarlinkServer *server, int take_fd) {
        VarlinkListenSocket sock = VARLINK_LISTEN_SOCKET_INIT;
        int is_listening;
        socklen_t size = sizeof(is_listening);
        int r = 0;

        sock.fd = take_fd;
        if (getsockopt(take_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) < 0)
                r = -errno;
        else if (!is_listening)
                r = -EINVAL;
        else
                r = fd_set_nonblock(take_fd, true);
        if (r < 0) {
                varlink_listen_socket_done(&sock);
                return r;
        }
        return add_listener(server, &sock);
}

/* --- the server ------------------------------------------------------------------------------ */

int varlink_server_add_interface(VarlinkServer *server, const VlInterface *interface,
                                 const void *handlers, void *userdata) {
        int r = route_table_add(&server->hub->routes, interface, handlers, userdata);

        if (r >= 0)
                service_add_interface(&server->service, interface);
        return r;
}

void varlink_server_set_inline(VarlinkServer *server, const VlInterface *interface, size_t method) {
        RouteInterface *routes = route_table_find_interface(&server->hub->routes, interface->name,
                                                            strlen(interface->name));

        assert(routes && method < interface->methods_count);
        routes->routes[method].is_inline = true;
}

int varlink_server_new(VarlinkServer **ret, Loop *loop, const VarlinkServerOptions *options) {
        _cleanup_(varlink_server_freep)
        VarlinkServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server)
                return -ENOMEM;
        assert(loop_is_current(loop));
        list_init(&server->listeners);
        list_init(&server->connections);
        list_init(&server->peers);
        service_init(&server->service, options);
        if (options->allowed_uids) {
                size_t count = options->allowed_uids_count;
                server->allowed_uids = xnew(uid_t, count ? count : 1);
                memcpy(server->allowed_uids, options->allowed_uids, count * sizeof(uid_t));
                server->allowed_uids_count = count;
        }
        r = hub_new(&server->hub, loop, options);
        if (r < 0)
                return r;
        /* Made now, since the descriptor that it needs is what will be lacking. */
        r = sd_event_add_time_relative(loop_event(loop), &server->pause_timer, CLOCK_MONOTONIC,
                                       ACCEPT_PAUSE_USEC, 0, on_pause_over, server);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->pause_timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = varlink_server_add_interface(server, &service_interface, service_handlers(),
                                         &server->service);
        if (r < 0)
                return r;
        for (size_t i = 0; i < service_interface.methods_count; i++)
                varlink_server_set_inline(server, &service_interface, i);
        *ret = TAKE_PTR(server);
        return 0;
}

VarlinkServer *varlink_server_free(VarlinkServer *server) {
        if (!server)
                return NULL;
        LIST_FOREACH (it, &server->listeners)
                listener_free(container_of(it, Listener, listeners));
        LIST_FOREACH (it, &server->connections)
                connection_free(container_of(it, Connection, connections));
        LIST_FOREACH (it, &server->peers)
                free(container_of(it, Peer, peers));
        sd_event_source_disable_unref(server->pause_timer);
        if (server->hub)
                hub_close(server->hub);
        hub_unref(server->hub);
        service_done(&server->service);
        free(server->allowed_uids);
        free(server);
        return NULL;
}
