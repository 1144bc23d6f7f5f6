/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/service-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "org.selkie.test.h"
#include "varlink/address.h"
#include "varlink/socket.h"

#define T                "org.selkie.test."
#define PATIENCE_SECONDS 30

typedef struct Thread {
        pthread_t id;
        sem_t ready;
} Thread;

/* --- handlers -------------------------------------------------------------------------------- */

static void echo(VarlinkCall *call, const OrgSelkieTestEchoIn *in, void *userdata) {
        const OrgSelkieTestEchoOut out = { .text = in->text };

        (void)userdata;
        (void)org_selkie_test_reply_Echo(call, &out);
}

static void work(VarlinkCall *call, const OrgSelkieTestWorkIn *in, void *userdata) {
        const OrgSelkieTestWorkOut out = { .text = in->text, .number = in->number };

        (void)userdata;
        (void)org_selkie_test_reply_Work(call, &out);
}

static void on_wait_cancelled(VarlinkCall *call, void *userdata) {
        Fixture *fixture = userdata;
        const OrgSelkieTestWaitOut out = { .present = { 0 } };

        for (int i = 0; i < fixture->waiting_count; i++)
                if (fixture->waiting[i] == call) {
                        fixture->waiting[i] = fixture->waiting[--fixture->waiting_count];
                        fixture->cancelled++;
                        /* Nobody is there to get it, and that is all that happens. */
                        assert_int_equal(org_selkie_test_reply_Wait(call, &out), -ENOTCONN);
                        varlink_call_unref(call);
                        return;
                }
}

static void wait_for_release(VarlinkCall *call, const OrgSelkieTestWaitIn *in, void *userdata) {
        Fixture *fixture = userdata;

        (void)in;
        fixture->waiting[fixture->waiting_count++] = varlink_call_ref(call);
        varlink_call_on_cancel(call, on_wait_cancelled, fixture);
        fixture->waits++;
}

static void release_all(VarlinkCall *call, const OrgSelkieTestReleaseIn *in, void *userdata) {
        Fixture *fixture = userdata;
        const OrgSelkieTestWaitOut out = { .present = { 0 } };
        const OrgSelkieTestReleaseOut done = { .present = { 0 } };

        (void)in;
        while (fixture->waiting_count > 0) {
                VarlinkCall *waiting = fixture->waiting[--fixture->waiting_count];
                (void)org_selkie_test_reply_Wait(waiting, &out);
                varlink_call_unref(waiting);
        }
        (void)org_selkie_test_reply_Release(call, &done);
}

static char *make_text(VarlinkCall *call, int64_t size) {
        char *text = arena_alloc(varlink_call_arena(call), (size_t)size + 1);

        memset(text, 'x', (size_t)size);
        return text;
}

static void flood(VarlinkCall *call, const OrgSelkieTestFloodIn *in, void *userdata) {
        Fixture *fixture = userdata;
        const OrgSelkieTestFloodOut out = { .text = make_text(call, in->size) };

        if (!varlink_call_wants_more(call)) {
                (void)varlink_call_reply_expected_more(call);
                return;
        }
        for (int64_t i = 1; i < in->count && !varlink_call_is_cancelled(call); i++)
                (void)org_selkie_test_continue_Flood(call, &out);
        (void)org_selkie_test_reply_Flood(call, &out);
        fixture->finished++;
}

typedef struct StreamState {
        Fixture *fixture;
        int64_t left;
        const char *text;
} StreamState;

static void stream_end(VarlinkCall *call, void *userdata) {
        StreamState *state = userdata;

        state->fixture->finished++;
        varlink_call_unref(call);
}

static void stream_on(VarlinkCall *call, void *userdata) {
        StreamState *state = userdata;
        const OrgSelkieTestStreamOut out = { .text = state->text };

        while (state->left > 1 && varlink_call_output_pending(call) < 128 * 1024) {
                state->left--;
                assert_int_equal(org_selkie_test_continue_Stream(call, &out), 0);
        }
        if (state->left > 1) {
                varlink_call_on_writable(call, stream_on, state);
                return;
        }
        (void)org_selkie_test_reply_Stream(call, &out);
        stream_end(call, state);
}

static void stream(VarlinkCall *call, const OrgSelkieTestStreamIn *in, void *userdata) {
        StreamState *state = arena_alloc(varlink_call_arena(call), sizeof(*state));

        *state = (StreamState){ userdata, in->count, make_text(call, in->size) };
        varlink_call_on_cancel(varlink_call_ref(call), stream_end, state);
        stream_on(call, state);
}

static void shout(int take_fd, const void *rest, size_t rest_size, void *userdata) {
        Fixture *fixture = userdata;
        char text[4096];
        ssize_t size = (ssize_t)rest_size;

        if (take_fd < 0) {
                fixture->upgrades_lost++;
                return;
        }
        /* The loop rests meanwhile: good enough for a test that has one peer. */
        assert_true(rest_size < sizeof(text));
        if (rest_size > 0)
                memcpy(text, rest, rest_size);
        assert_int_equal(fd_set_nonblock(take_fd, false), 0);
        do {
                for (ssize_t i = 0; i < size; i++)
                        text[i] = (char)toupper((unsigned char)text[i]);
                if (fd_write_all(take_fd, text, (size_t)size) < 0)
                        break;
        } while ((size = read(take_fd, text, sizeof(text))) > 0);
        close(take_fd);
}

static const OrgSelkieTestShoutOut shout_out = { .text = "go on" };

static void shout_now(VarlinkCall *call, const OrgSelkieTestShoutIn *in, void *userdata) {
        const VlMethod *method = &org_selkie_test_interface.methods[ORG_SELKIE_TEST_METHOD_Shout];

        (void)in;
        if (varlink_call_reply_upgrade(call, method->out, &shout_out, shout, userdata) == -EINVAL)
                (void)org_selkie_test_reply_Shout(call, &shout_out);
}

static void shout_later(VarlinkCall *call, const OrgSelkieTestShoutLaterIn *in, void *userdata) {
        const VlMethod *method =
                &org_selkie_test_interface.methods[ORG_SELKIE_TEST_METHOD_ShoutLater];

        (void)in;
        (void)varlink_call_reply_upgrade(call, method->out, &shout_out, shout, userdata);
}

static void forget(VarlinkCall *call, const OrgSelkieTestForgetIn *in, void *userdata) {
        (void)call;
        (void)in;
        (void)userdata;
}

static void count(VarlinkCall *call, const OrgSelkieTestCountIn *in, void *userdata) {
        Fixture *fixture = userdata;

        fixture->total += in->by;
        const OrgSelkieTestCountOut out = { .total = fixture->total };
        (void)org_selkie_test_reply_Count(call, &out);
}

static const OrgSelkieTestHandlers handlers = {
        .Echo = echo,
        .Work = work,
        .Wait = wait_for_release,
        .Release = release_all,
        .Flood = flood,
        .Stream = stream,
        .Shout = shout_now,
        .ShoutLater = shout_later,
        .Forget = forget,
        .Count = count,
};

/* --- the service ----------------------------------------------------------------------------- */

static void run_on_pool(VarlinkTask *task, void *userdata) {
        pool_submit(userdata, task);
}

static void on_busy(bool is_busy, void *userdata) {
        Fixture *fixture = userdata;

        if (is_busy)
                fixture->busy++;
        else
                fixture->idle++;
}

static void *serve(void *userdata) {
        Fixture *fixture = userdata;
        Thread *thread = fixture->thread;
        static const int on_loop[] = {
                ORG_SELKIE_TEST_METHOD_Echo,    ORG_SELKIE_TEST_METHOD_Wait,
                ORG_SELKIE_TEST_METHOD_Release, ORG_SELKIE_TEST_METHOD_Stream,
                ORG_SELKIE_TEST_METHOD_Shout,   ORG_SELKIE_TEST_METHOD_Forget,
                ORG_SELKIE_TEST_METHOD_Count,
        };

        assert_int_equal(loop_new(&fixture->loop), 0);
        assert_int_equal(varlink_server_new(&fixture->server, fixture->loop, &fixture->options), 0);
        assert_int_equal(varlink_server_add_interface(fixture->server, &org_selkie_test_interface,
                                                      &handlers, fixture),
                         0);
        for (size_t i = 0; i < ARRAY_SIZE(on_loop); i++)
                varlink_server_set_inline(fixture->server, &org_selkie_test_interface,
                                          (size_t)on_loop[i]);
        assert_int_equal(varlink_server_listen(fixture->server, fixture->listen_address), 0);
        sem_post(&thread->ready);
        assert_int_equal(loop_run(fixture->loop), 0);
        fixture->server = varlink_server_free(fixture->server);
        fixture->pool = pool_free(fixture->pool);
        fixture->loop = loop_free(fixture->loop);
        return NULL;
}

void fixture_start(Fixture *fixture) {
        Thread *thread = xnew(Thread, 1);

        (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/selkie-test-XXXXXX");
        assert_non_null(mkdtemp(fixture->folder));
        (void)snprintf(fixture->address, sizeof(fixture->address), "unix:%s/socket",
                       fixture->folder);
        fixture->path = fixture->address + strlen("unix:");
        if (!fixture->listen_address)
                fixture->listen_address = fixture->address;
        assert_int_equal(pool_new(&fixture->pool, 8, 1000), 0);
        fixture->options.vendor = "Selkie";
        fixture->options.product = "tests";
        fixture->options.version = "1";
        fixture->options.url = "https://example.org";
        fixture->options.run = run_on_pool;
        fixture->options.run_userdata = fixture->pool;
        fixture->options.on_busy = on_busy;
        fixture->options.on_busy_userdata = fixture;
        fixture->thread = thread;
        assert_int_equal(sem_init(&thread->ready, 0, 0), 0);
        assert_int_equal(pthread_create(&thread->id, NULL, serve, fixture), 0);
        while (sem_wait(&thread->ready) < 0)
                assert_int_equal(errno, EINTR);
}

typedef struct Errand {
        LoopTask task;
        Fixture *fixture;
        void (*func)(Fixture *fixture, void *userdata);
        void *userdata;
        sem_t done;
} Errand;

static void run_errand(LoopTask *task) {
        Errand *errand = container_of(task, Errand, task);

        errand->func(errand->fixture, errand->userdata);
        sem_post(&errand->done);
}

void fixture_run(Fixture *fixture, void (*func)(Fixture *fixture, void *userdata), void *userdata) {
        Errand errand = {
                .task.run = run_errand,
                .fixture = fixture,
                .func = func,
                .userdata = userdata,
        };

        assert_int_equal(sem_init(&errand.done, 0, 0), 0);
        loop_post(fixture->loop, &errand.task);
        while (sem_wait(&errand.done) < 0)
                assert_int_equal(errno, EINTR);
        sem_destroy(&errand.done);
}

static void stop_loop(Fixture *fixture, void *userdata) {
        (void)userdata;
        loop_stop(fixture->loop, 0);
}

void fixture_stop(Fixture *fixture) {
        Thread *thread = fixture->thread;

        fixture_run(fixture, stop_loop, NULL);
        assert_int_equal(pthread_join(thread->id, NULL), 0);
        sem_destroy(&thread->ready);
        free(thread);
        assert_int_equal(rmdir(fixture->folder), 0); /* the socket and its lock are gone */
}

int fixture_connect(Fixture *fixture) {
        _cleanup_varlink_address_ VarlinkAddress address = VARLINK_ADDRESS_INIT;
        const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };

        assert_int_equal(varlink_address_parse(fixture->address, &address), 0);
        int fd = varlink_socket_connect(&address);
        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
        return fd;
}

void fixture_await(atomic_int *counter, int value) {
        const struct timespec moment = { .tv_nsec = 1000000 };

        for (int i = 0; atomic_load(counter) < value; i++) {
                assert_true(i < PATIENCE_SECONDS * 1000);
                (void)nanosleep(&moment, NULL);
        }
}

/* --- a peer ---------------------------------------------------------------------------------- */

void peer_send_bytes(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
                assert_true(n > 0);
                p += n;
                size -= (size_t)n;
        }
}

void peer_send_text(int fd, const char *text) {
        peer_send_bytes(fd, text, strlen(text) + 1);
}

/* The next message, up to its NUL; heap. NULL: the connection was closed. */
char *peer_receive_text(int fd) {
        Buffer text = BUFFER_INIT;

        for (;;) {
                char chunk[4096];
                ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_PEEK);
                if (n <= 0) {
                        assert_true(n == 0 || errno == ECONNRESET || errno == EPIPE);
                        assert_int_equal(text.size, 0);
                        buffer_done(&text);
                        return NULL;
                }
                const char *end = memchr(chunk, '\0', (size_t)n);
                size_t take = end ? (size_t)(end - chunk) + 1 : (size_t)n;
                assert_int_equal(recv(fd, chunk, take, 0), take);
                buffer_append(&text, chunk, take);
                if (end)
                        return text.data;
        }
}

void peer_expect_text(int fd, const char *expected) {
        _cleanup_free_ char *text = peer_receive_text(fd);

        assert_non_null(text);
        assert_string_equal(text, expected);
}

void peer_expect_end(int fd) {
        _cleanup_free_ char *text = peer_receive_text(fd);

        assert_null(text);
}

void peer_expect_silence(int fd) {
        char c;

        assert_int_equal(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

/* A call that shows that the connection, and with it the service, is well. */
void peer_expect_well(int fd) {
        peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"well\"}}");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
}

void fixture_expect_well(Fixture *fixture) {
        _cleanup_close_ int fd = fixture_connect(fixture);

        peer_expect_well(fd);
}
