/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A peer that sends any bytes, in any pieces, to a real server over a real socket.
 *
 * However they are cut, the same bytes are answered by the same bytes, each reply a JSON object;
 * when the peer says that it sends no more, the connection ends; and the server serves the next
 * one.
 */

#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/log.h"
#include "org.varlink.certification.h"
#include "varlink/message.h"
#include "varlink/server.h"

#define PIECE_MAX 64
#define TURNS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Loop *loop;
static VarlinkServer *server;

/* --- a service without state ----------------------------------------------------------------- */

static void reply_true(VarlinkCall *call, const OrgVarlinkCertificationTest01In *in,
                       void *userdata) {
        const OrgVarlinkCertificationTest01Out out = { .bool_ = in->client_id[0] != '\0' };

        (void)userdata;
        (void)org_varlink_certification_reply_Test01(call, &out);
}

static void reply_struct(VarlinkCall *call, const OrgVarlinkCertificationTest06In *in,
                         void *userdata) {
        const OrgVarlinkCertificationTest06Out out = { .struct_ = { .bool_ = in->bool_,
                                                                    .int_ = in->int_,
                                                                    .float_ = in->float_,
                                                                    .string = in->string } };

        (void)userdata;
        (void)org_varlink_certification_reply_Test06(call, &out);
}

static void reply_mytype(VarlinkCall *call, const OrgVarlinkCertificationTest10In *in,
                         void *userdata) {
        const OrgVarlinkCertificationTest10Out out = { .string = in->client_id };

        (void)userdata;
        if (varlink_call_wants_more(call))
                for (int i = 0; i < 3; i++)
                        (void)org_varlink_certification_continue_Test10(call, &out);
        (void)org_varlink_certification_reply_Test10(call, &out);
}

static void drop(VarlinkCall *call, const OrgVarlinkCertificationEndIn *in, void *userdata) {
        (void)call;
        (void)in;
        (void)userdata;
}

static const OrgVarlinkCertificationHandlers handlers = {
        .Test01 = reply_true,
        .Test06 = reply_struct,
        .Test10 = reply_mytype,
        .End = drop,
};

static void start_server(void) {
        static const VarlinkServerOptions options = { .vendor = "fuzz" };

        log_set_level(LOG_LEVEL_ERROR);
        if (loop_new(&loop) < 0 || varlink_server_new(&server, loop, &options) < 0 ||
            varlink_server_add_interface(server, &org_varlink_certification_interface, &handlers,
                                         NULL) < 0)
                abort();
}

/* --- a peer ---------------------------------------------------------------------------------- */

static void run_loop(void) {
        int turns = 0;

        while (sd_event_run(loop_event(loop), 0) > 0)
                assert(++turns < TURNS_MAX); /* or it spins */
}

/* Reads what is there; returns whether the connection goes on. */
static bool receive(int fd, Buffer *replies) {
        char piece[64 * 1024];
        ssize_t n;

        while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
                buffer_append(replies, piece, (size_t)n);
        return n < 0 && errno == EAGAIN;
}

static uint64_t next_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* Everything that the server answers to @data, sent in pieces of at most @piece_max bytes. */
static Buffer exchange(const uint8_t *data, size_t size, size_t piece_max, uint64_t seed) {
        Buffer replies = BUFFER_INIT;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
            varlink_server_add_connection(server, fds[0]) < 0)
                abort();
        while (size > 0) {
                size_t piece = next_random(&seed) % piece_max + 1;
                piece = piece < size ? piece : size;
                ssize_t n = send(fds[1], data, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
                run_loop();
                if (n < 0 && !receive(fds[1], &replies))
                        break;
                (void)receive(fds[1], &replies);
                data += n > 0 ? n : 0;
                size -= n > 0 ? (size_t)n : 0;
        }
        (void)shutdown(fds[1], SHUT_WR);
        run_loop();
        while (receive(fds[1], &replies))
                run_loop();
        (void)fd_close(fds[1]);
        run_loop();
        assert(varlink_server_connections_count(server) == 0);
        assert(!buffer_failed(&replies));
        return replies;
}

static void check_replies(const Buffer *replies) {
        FrameReader reader = FRAME_READER_INIT;
        const char *text;
        size_t size;

        assert(frame_reader_feed(&reader, replies->data, replies->size) == 0);
        while (frame_reader_next(&reader, &text, &size) > 0) {
                json_t *reply = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
                assert(json_is_object(reply) && json_object_get(reply, "parameters"));
                json_decref(reply);
        }
        assert(reader.size == 0);
        frame_reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t seed = 14695981039346656037ULL;

        if (!server)
                start_server();
        for (size_t i = 0; i < size; i++)
                seed = (seed ^ data[i]) * 1099511628211ULL;
        seed |= 1;

        _cleanup_buffer_ Buffer whole = exchange(data, size, SIZE_MAX / 2, seed);
        _cleanup_buffer_ Buffer pieces = exchange(data, size, PIECE_MAX, seed);
        assert(whole.size == pieces.size);
        assert(whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0);
        check_replies(&whole);
        return 0;
}
