/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How many calls a second one connection carries: bench-ping ADDRESS INTERFACE.METHOD [SECONDS]
 *
 * Serial sends the next request when the reply is there. Pipelined keeps WINDOW requests on the
 * way, from one thread. The client does next to nothing with the replies, so the service is what
 * is measured.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "varlink/address.h"
#include "varlink/socket.h"

#define WINDOW         1024
#define SECONDS        2
#define RECEIVE_SIZE   (64 * 1024)
#define CALLS_PER_LOOK 64 /* serial calls between two looks at the clock */

static double now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Waits for at least one whole reply; returns how many there were, or -1. */
static int receive_replies(int fd, char *scratch) {
        int replies = 0;

        while (replies == 0) {
                ssize_t n = recv(fd, scratch, RECEIVE_SIZE, 0);
                if (n <= 0)
                        return -1;
                for (const char *p = scratch; (p = memchr(p, '\0', (size_t)(scratch + n - p))); p++)
                        replies++;
        }
        return replies;
}

/* Calls a second with at most @window requests on the way, or a negative number. */
static double measure(int fd, const char *request, size_t size, int window, double seconds) {
        _cleanup_buffer_ Buffer requests = BUFFER_INIT;
        _cleanup_free_ char *scratch = malloc(RECEIVE_SIZE);
        long calls = 0, looks = 0;
        double start = now();

        for (int i = 0; i < window; i++)
                buffer_append(&requests, request, size);
        if (!scratch || buffer_failed(&requests) ||
            fd_write_all(fd, requests.data, requests.size) < 0)
                return -1;
        for (;;) {
                int replies = receive_replies(fd, scratch);
                if (replies < 0)
                        return -1;
                calls += replies;
                if ((window > 1 || ++looks % CALLS_PER_LOOK == 0) && now() - start > seconds)
                        break;
                if (fd_write_all(fd, requests.data, (size_t)replies * size) < 0)
                        return -1;
        }
        return (double)calls / (now() - start);
}

static double measure_new_connection(const VarlinkAddress *address, const char *method, int window,
                                     double seconds) {
        _cleanup_free_ char *request = xasprintf("{\"method\":\"%s\"}", method);
        _cleanup_close_ int fd = varlink_socket_connect(address);

        if (fd < 0) {
                fprintf(stderr, "cannot connect: %s\n", strerror(-fd));
                return -1;
        }
        return measure(fd, request, strlen(request) + 1, window, seconds);
}

int main(int argc, char **argv) {
        _cleanup_varlink_address_ VarlinkAddress address = VARLINK_ADDRESS_INIT;

        if (argc < 3 || varlink_address_parse(argv[1], &address) < 0) {
                fprintf(stderr, "usage: bench-ping ADDRESS INTERFACE.METHOD [SECONDS]\n");
                return 2;
        }
        double seconds = argc > 3 ? strtod(argv[3], NULL) : SECONDS;
        double serial = measure_new_connection(&address, argv[2], 1, seconds);
        double pipelined = measure_new_connection(&address, argv[2], WINDOW, seconds);
        if (serial < 0 || pipelined < 0) {
                fprintf(stderr, "the service ended the connection\n");
                return 1;
        }
        printf("serial %.0f calls/s\npipelined %.0f calls/s\n", serial, pipelined);
        return 0;
}
