/* SPDX-License-Identifier: Apache-2.0 */

/*
 * selkie bridge: standard input and output become the service's socket, so that `ssh HOST selkie
 * bridge` is the service of that host.
 *
 * Each direction has one buffer and is read only while that is empty, so a side that does not read
 * holds up the other and memory stays as it is. The end of the input is passed on, and replies to
 * what was asked before still come; when nobody is left to read those, the connection is closed,
 * which cancels what runs.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/target.h"

#define PIECE_SIZE (64 * 1024)
/*
 * A descriptor that is not ours to make non-blocking takes this much when poll() says that it is
 * ready.
 */
#define WRITE_SIZE 4096

/* One direction of the traffic. */
typedef struct Flow {
        char data[PIECE_SIZE];
        size_t start, end;
        bool is_ended; /* no more will come */
} Flow;

typedef struct Bridge {
        int socket_fd;
        Flow in, out;      /* standard input to the socket, socket to standard output */
        bool is_passed_on; /* the end of the input was told to the service */
        bool is_deaf;      /* nobody reads the replies any more */
} Bridge;

static bool is_empty(const Flow *flow) {
        return flow->start == flow->end;
}

/* Reads when @flow has room; its end, and any error, ends the flow. */
static void fill(Flow *flow, int fd) {
        ssize_t n = read(fd, flow->data, sizeof(flow->data));

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        flow->start = 0;
        flow->end = n > 0 ? (size_t)n : 0;
        flow->is_ended = n <= 0;
}

/* 0 or -errno. */
static int drain(Flow *flow, int fd, bool is_socket) {
        size_t size = flow->end - flow->start;
        ssize_t n = is_socket
                            ? send(fd, flow->data + flow->start, size, MSG_NOSIGNAL | MSG_DONTWAIT)
                            : write(fd, flow->data + flow->start,
                                    size < WRITE_SIZE ? size : WRITE_SIZE);

        if (n < 0)
                return errno == EINTR || errno == EAGAIN ? 0 : -errno;
        flow->start += (size_t)n;
        return 0;
}

/* Moves what poll() found ready. */
static void move(Bridge *bridge, const struct pollfd *input, const struct pollfd *output,
                 const struct pollfd *sock) {
        Flow *in = &bridge->in, *out = &bridge->out;

        if (sock->revents & (POLLIN | POLLHUP | POLLERR) && is_empty(out))
                fill(out, bridge->socket_fd);
        if (sock->revents & POLLOUT && drain(in, bridge->socket_fd, true) < 0) {
                /* The service hears no more, but what it still says is passed on. */
                in->start = in->end;
                in->is_ended = true;
        }
        if (output->revents & POLLOUT && drain(out, STDOUT_FILENO, false) < 0)
                bridge->is_deaf = true;
        if (output->revents & (POLLHUP | POLLERR | POLLNVAL))
                bridge->is_deaf = true;
        if (input->revents)
                fill(in, STDIN_FILENO);
        if (bridge->is_deaf)
                out->start = out->end;
}

/* One turn. Returns 1 to go on, 0 at the end, -errno. */
static int turn(Bridge *bridge) {
        Flow *in = &bridge->in, *out = &bridge->out;
        const bool wants_input = is_empty(in) && !in->is_ended;
        /*
         * A hang-up is reported whether it is asked for or not: what is not wanted is not polled.
         */
        const short socket_events = (short)((is_empty(out) && !out->is_ended ? POLLIN : 0) |
                                            (is_empty(in) ? 0 : POLLOUT));
        struct pollfd fds[] = {
                { .fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN },
                { .fd = bridge->is_deaf ? -1 : STDOUT_FILENO,
                  .events = is_empty(out) ? 0 : POLLOUT },
                { .fd = socket_events ? bridge->socket_fd : -1, .events = socket_events },
        };

        /* For a reader that is gone only what was asked already is passed on. */
        if (poll(fds, ARRAY_SIZE(fds), bridge->is_deaf && is_empty(in) ? 0 : -1) < 0)
                return errno == EINTR ? 1 : -errno;
        if (bridge->is_deaf && is_empty(in) && !fds[0].revents)
                return 0;
        move(bridge, &fds[0], &fds[1], &fds[2]);
        if (in->is_ended && is_empty(in) && !bridge->is_passed_on) {
                (void)shutdown(bridge->socket_fd, SHUT_WR);
                bridge->is_passed_on = true;
        }
        return out->is_ended && is_empty(out) ? 0 : 1;
}

static int run(int argc, char **argv) {
        static const struct option options[] = {
                { "connect", required_argument, NULL, 'c' },
                { NULL, 0, NULL, 0 },
        };
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = NULL;
        _cleanup_free_ char *address = NULL;
        static Bridge bridge;
        int r;

        for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
                if (option != 'c')
                        return COMMAND_USAGE;
                free(address);
                address = xstrdup(optarg);
        }
        if (optind < argc)
                return command_misused(&command_bridge, "%s is not expected", argv[optind]);
        if (!address)
                address = target_default_address();
        r = target_connect(address, &client);
        if (r != COMMAND_OK)
                return r;
        bridge.socket_fd = varlink_client_fd(client);
        (void)signal(SIGPIPE, SIG_IGN); /* what was asked before the reader left is passed on */
        do
                r = turn(&bridge);
        while (r > 0);
        return r < 0 ? command_fail("bridge to %s broke: %s", address, strerror(-r)) : COMMAND_OK;
}

const Command command_bridge = {
        .name = "bridge",
        .usage = "bridge [--connect ADDRESS]",
        .summary = "connect standard input and output to a service",
        .run = run,
};
