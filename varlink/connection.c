/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/connection.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"

/* A user's faults are logged at most this often. */
#define FAULT_LOG_PAUSE_USEC (1000 * 1000)

/* --- life ------------------------------------------------------------------------------------ */

/* Waits for these events from now on; EPOLLHUP and EPOLLERR always come, too. */
static int watch(Connection *connection, uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = connection };
        int operation = connection->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

        if (connection->is_watched && connection->events == events)
                return 0;
        if (epoll_ctl(connection->hub->epoll_fd, operation, connection->fd, &event) < 0)
                return -errno;
        connection->is_watched = true;
        connection->events = events;
        return 0;
}

/*
 * A closed descriptor would stay in epoll while a child that is just being started still has it.
 */
static void unwatch(Connection *connection) {
        if (connection->is_watched)
                (void)epoll_ctl(connection->hub->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        connection->is_watched = false;
}

void connection_on_events(Connection *connection, uint32_t events) {
        if (events & (EPOLLHUP | EPOLLERR))
                connection->is_hung_up = true;
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                connection->is_readable = true;
        connection_work(connection);
}

int connection_new(Connection **ret, Hub *hub, int take_fd, Peer *peer,
                   void (*on_closed)(Connection *connection, void *userdata), void *userdata) {
        Connection *connection = calloc(1, sizeof(*connection));
        int r = connection ? fd_set_nonblock(take_fd, true) : -ENOMEM;

        if (r >= 0) {
                connection->hub = hub;
                connection->fd = take_fd;
                r = watch(connection, EPOLLIN);
        }
        if (r < 0) {
                free(connection);
                fd_closep(&take_fd);
                return r;
        }
        (void)hub_ref(hub);
        list_init(&connection->connections);
        list_init(&connection->ready);
        connection->peer = peer;
        connection->on_closed = on_closed;
        connection->on_closed_userdata = userdata;
        hub_add_user(hub);
        *ret = connection;
        return 0;
}

Connection *connection_free(Connection *connection) {
        Hub *hub;

        if (!connection)
                return NULL;
        hub = connection->hub;
        if (connection->call)
                call_cancel(connection->call);
        if (connection->upgrade.func)
                connection->upgrade.func(-EBADF, NULL, 0, connection->upgrade.userdata);
        list_remove(&connection->ready);
        unwatch(connection);
        connection->fd = fd_close(connection->fd);
        connection->peer->input_size -= connection->input_counted;
        connection->on_closed(connection, connection->on_closed_userdata);
        frame_reader_done(&connection->input);
        buffer_done(&connection->output);
        free(connection);
        hub_remove_user(hub);
        hub_unref(hub);
        return NULL;
}

void connection_schedule(Connection *connection) {
        Hub *hub = connection->hub;

        if (connection->is_working || !list_is_empty(&connection->ready))
                return;
        list_append(&hub->ready, &connection->ready);
        (void)sd_event_source_set_enabled(hub->ready_source, SD_EVENT_ONESHOT);
}

static const char *describe_fault(int error) {
        switch (error) {
        case -EMSGSIZE:
                return "message is too long";
        case -E2BIG:
                return "message is nested too deep or holds too many values";
        case -ENOBUFS:
                return "too much unfinished input";
        case -EBADMSG:
                return "message is no request";
        default:
                return strerror(-error);
        }
}

/* Whoever breaks the protocol can do so often, but does not get to write the log with it. */
static void log_fault(const Connection *connection, int error) {
        Peer *peer = connection->peer;
        uint64_t now = 0;

        (void)sd_event_now(loop_event(connection->hub->loop), CLOCK_MONOTONIC, &now);
        if (peer->fault_logged_usec != 0 && now < peer->fault_logged_usec + FAULT_LOG_PAUSE_USEC) {
                peer->faults_not_logged++;
                return;
        }
        if (peer->faults_not_logged > 0)
                log_info("varlink: connections of uid %u that ended for such reasons since: %zu",
                         peer->uid, peer->faults_not_logged);
        log_info("varlink: connection of uid %u ended: %s", peer->uid, describe_fault(error));
        peer->fault_logged_usec = now;
        peer->faults_not_logged = 0;
}

void connection_fault(Connection *connection, int error) {
        log_fault(connection, error);
        connection->is_input_ended = true;
        frame_reader_done(&connection->input);
}

/* --- output ---------------------------------------------------------------------------------- */

void connection_append(Connection *connection, Buffer *take_replies) {
        if (connection->output.size == 0) {
                buffer_done(&connection->output);
                connection->output = *take_replies;
                *take_replies = (Buffer)BUFFER_INIT;
        } else {
                buffer_append(&connection->output, take_replies->data, take_replies->size);
        }
        if (buffer_failed(&connection->output) || buffer_failed(take_replies))
                connection->is_broken = true;
        buffer_done(take_replies);
}

void connection_finish_call(Connection *connection, const Upgrade *upgrade) {
        connection->call->connection = NULL;
        connection->call = NULL;
        if (upgrade && upgrade->func)
                connection->upgrade = *upgrade;
        connection_schedule(connection);
}

static void flush_output(Connection *connection) {
        Buffer *output = &connection->output;
        size_t size = connection_output_size(connection);
        ssize_t n;

        if (size == 0)
                return;
        do
                n = send(connection->fd, output->data + connection->output_start, size,
                         MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                if (errno != EAGAIN)
                        connection->is_broken = true;
                return;
        }
        loop_expect(connection->hub->loop);
        if (connection->call)
                call_flushed(connection->call, (size_t)n);
        connection->output_start += (size_t)n;
        if (connection->output_start == output->size) {
                buffer_done(output);
                connection->output_start = 0;
        } else if (connection->output_start > output->size / 2) {
                buffer_consume(output, connection->output_start);
                connection->output_start = 0;
        }
}

/* --- input ----------------------------------------------------------------------------------- */

static bool may_take_message(const Connection *connection) {
        return !connection->call && !connection->upgrade.func && !connection->is_broken &&
               connection_output_size(connection) <= VARLINK_OUTPUT_PAUSE;
}

static bool may_receive(const Connection *connection) {
        return may_take_message(connection) && !connection->is_input_ended;
}

static void receive(Connection *connection) {
        ssize_t n;

        do
                n = recv(connection->fd, connection->hub->scratch, HUB_SCRATCH_SIZE, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                /* End of file, or a reset: either way nothing comes any more. */
                connection->is_input_ended = true;
                return;
        }
        int r = frame_reader_feed(&connection->input, connection->hub->scratch, (size_t)n);
        if (r < 0)
                connection_fault(connection, r);
}

static void begin_call(Connection *connection, const char *text, size_t size) {
        VarlinkCall *call = call_new(connection->hub, connection);
        Buffer owner = BUFFER_INIT;

        if (!call) {
                connection_fault(connection, -ENOMEM);
                return;
        }
        connection->call = call;
        if (size <= VARLINK_INLINE_PARSE_MAX || !connection->hub->run) {
                call_begin(call, text, size);
                return;
        }
        int r = frame_reader_detach(&connection->input, &owner);
        if (r < 0) {
                call->parse_result = r;
                connection_finish_call(connection, NULL);
                connection_fault(connection, r);
                (void)varlink_call_unref(call);
                return;
        }
        call_begin_large(call, &owner, text, size);
}

/*
 * Takes messages until one runs on. Returns whether it stopped only because output is in the way.
 */
static bool take_messages(Connection *connection) {
        while (may_take_message(connection)) {
                const char *text;
                size_t size;
                int r = frame_reader_next(&connection->input, &text, &size);
                if (r < 0)
                        connection_fault(connection, r);
                if (r <= 0)
                        return false;
                begin_call(connection, text, size);
        }
        return connection_output_size(connection) > VARLINK_OUTPUT_PAUSE;
}

/*
 * Charges the peer for what waits here unfinished, so that many connections are no way round a
 * limit.
 */
static void count_input(Connection *connection) {
        Peer *peer = connection->peer;
        size_t size = connection->input.kept.capacity;

        if (connection->call)
                size += connection->call->text_size;
        if (size > connection->input_counted &&
            peer->input_size - connection->input_counted + size > VARLINK_INPUT_PER_UID_MAX) {
                connection_fault(connection, -ENOBUFS);
                size = 0;
        }
        peer->input_size = peer->input_size - connection->input_counted + size;
        connection->input_counted = size;
}

/* --- the turn -------------------------------------------------------------------------------- */

static void hand_over(Connection *connection) {
        Upgrade upgrade = connection->upgrade;

        unwatch(connection);
        connection->upgrade.func = NULL;
        upgrade.func(TAKE_FD(connection->fd), connection->input.data, connection->input.size,
                     upgrade.userdata);
}

/* Whether nobody is there any more to receive a reply. */
static bool is_unreachable(const Connection *connection) {
        return connection->is_hung_up || connection->is_broken;
}

/* Whether there is nothing left to do, and the connection is to be closed. */
static bool is_over(Connection *connection) {
        if (connection->call)
                return is_unreachable(connection) && !call_survives_hang_up(connection->call);
        if (connection->is_broken)
                return true;
        if (connection_output_size(connection) > 0)
                return false;
        if (connection->upgrade.func) {
                hand_over(connection);
                return true;
        }
        return connection->is_input_ended;
}

static int await_events(Connection *connection) {
        uint32_t events = 0;

        /* EPOLLHUP cannot be masked: a connection that only waits for its call leaves epoll. */
        if (is_unreachable(connection) && connection->call) {
                unwatch(connection);
                return 0;
        }
        if (!connection->is_input_ended && !connection->is_input_paused)
                events |= EPOLLIN;
        if (connection_output_size(connection) > 0)
                events |= EPOLLOUT;
        return watch(connection, events);
}

void connection_work(Connection *connection) {
        bool is_blocked;
        int r;

        connection->is_working = true;
        list_remove(&connection->ready);
        do {
                is_blocked = take_messages(connection);
                r = frame_reader_keep(&connection->input);
                if (r < 0)
                        connection_fault(connection, r);
                if (connection->is_readable && may_receive(connection)) {
                        connection->is_readable = false;
                        receive(connection);
                        is_blocked = true;
                        continue;
                }
                flush_output(connection);
        } while (is_blocked && may_take_message(connection));

        if (!may_receive(connection))
                connection->is_input_paused |= connection->is_readable;
        else
                connection->is_input_paused = false;
        connection->is_readable = false;
        count_input(connection);
        connection->is_working = false;

        if (connection->call && !connection->is_broken)
                call_notify_writable(connection->call);
        if (is_over(connection) || await_events(connection) < 0)
                connection_free(connection);
}
