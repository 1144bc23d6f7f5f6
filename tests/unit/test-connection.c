/* SPDX-License-Identifier: Apache-2.0 */

/* One connection, and everything that its peer can do wrong: nobody else may feel it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "tests/unit/service-fixture.h"
#include "varlink/codec.h"
#include "varlink/connection.h"

#define T "org.selkie.test."

static int setup(void **state) {
        Fixture *fixture = xnew(Fixture, 1);

        fixture_start(fixture);
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        fixture_stop(*state);
        free(*state);
        return 0;
}

/* --- what is no message ends its connection -------------------------------------------------- */

static void no_message_ends_the_connection(void **state) {
        static const char *const texts[] = {
                "",
                "hello",
                "{",
                "{\"method\":\"" T "Echo\"} x",
                "[]",
                "null",
                "7",
                "\"" T "Echo\"",
                "{\"method\":\"" T "Release\",\"method\":\"" T "Release\"}",
                "{\"method\":\"" T "Release\xff\"}",
                "{\"method\":\"" T "Release\",\"more\":\"yes\"}",
                "{\"method\":\"" T "Release\",\"oneway\":1}",
                "{\"method\":\"" T "Release\",\"upgrade\":[]}",
                "{\"method\":\"" T "Release\",\"parameters\":{\"a\":1e999}}",
        };
        _cleanup_close_ int bystander = fixture_connect(*state);

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_buffer_ Buffer requests = BUFFER_INIT;

                /* What was asked before is still answered; what comes after is not. */
                buffer_append_string(&requests, "{\"method\":\"" T "Work\",\"parameters\":{}}");
                buffer_append_byte(&requests, '\0');
                buffer_append_string(&requests, texts[i]);
                buffer_append_byte(&requests, '\0');
                buffer_append(&requests, "{\"method\":\"" T "Release\"}",
                              sizeof("{\"method\":\"" T "Release\"}"));
                peer_send_bytes(fd, requests.data, requests.size);
                peer_expect_text(fd, "{\"parameters\":{\"text\":\"\",\"number\":0}}");
                peer_expect_end(fd);
                peer_expect_well(bystander);
        }
}

static void flags_may_be_null(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        peer_send_text(fd, "{\"method\":\"" T
                           "Release\",\"more\":null,\"oneway\":false,\"upgrade\":null}");
        peer_expect_text(fd, "{\"parameters\":{}}");
}

static void nesting_is_limited(void **state) {
        for (int depth = CODEC_DEPTH_MAX - 1; depth <= CODEC_DEPTH_MAX + 1; depth++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_buffer_ Buffer request = BUFFER_INIT;

                /* The message itself is one level. Brackets in strings are none. */
                buffer_append_string(&request,
                                     "{\"method\":\"" T "Release\",\"b\":\"[[[[{{{{\\\"[\",\"a\":");
                for (int i = 1; i < depth; i++)
                        buffer_append_byte(&request, '[');
                for (int i = 1; i < depth; i++)
                        buffer_append_byte(&request, ']');
                buffer_append(&request, "}", 2);
                peer_send_bytes(fd, request.data, request.size);
                if (depth <= CODEC_DEPTH_MAX)
                        peer_expect_text(fd, "{\"parameters\":{}}");
                else
                        peer_expect_end(fd);
        }
        fixture_expect_well(*state);
}

static void values_are_limited(void **state) {
        for (int more = 0; more < 2; more++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_buffer_ Buffer request = BUFFER_INIT;
                int values = VARLINK_VALUES_MAX - 3 + more; /* the object, two members and these */

                buffer_append_string(&request, "{\"method\":\"" T "Release\",\"a\":[");
                for (int i = 0; i < values; i++)
                        buffer_append_string(&request, i == 0 ? "0" : ",0");
                buffer_append(&request, "]}", 3);
                peer_send_bytes(fd, request.data, request.size);
                if (more)
                        peer_expect_end(fd);
                else
                        peer_expect_text(fd, "{\"parameters\":{}}");
        }
}

/* A message of exactly @size bytes, with its NUL in place. */
static Buffer make_message(size_t size) {
        static const char head[] = "{\"method\":\"" T "Release\",\"a\":\"";
        Buffer request = BUFFER_INIT;
        char *p = buffer_reserve(&request, size + 1);

        assert_non_null(p);
        memset(p, 'x', size);
        memcpy(p, head, sizeof(head) - 1);
        memcpy(p + size - 2, "\"}", 3);
        request.size = size + 1;
        return request;
}

static void message_size_is_limited(void **state) {
        static const size_t sizes[] = { 1000, VARLINK_INLINE_PARSE_MAX,
                                        VARLINK_INLINE_PARSE_MAX + 1, VARLINK_MESSAGE_MAX,
                                        VARLINK_MESSAGE_MAX + 1 };

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_buffer_ Buffer request = make_message(sizes[i]);

                if (sizes[i] <= VARLINK_MESSAGE_MAX) {
                        /* The next message comes with the end of the large one. */
                        buffer_append(&request, "{\"method\":\"" T "Release\"}",
                                      sizeof("{\"method\":\"" T "Release\"}"));
                        peer_send_bytes(fd, request.data, request.size);
                        peer_expect_text(fd, "{\"parameters\":{}}");
                        peer_expect_text(fd, "{\"parameters\":{}}");
                        peer_expect_well(fd);
                } else {
                        /* Its end need not come. */
                        peer_send_bytes(fd, request.data, request.size - 1);
                        peer_expect_end(fd);
                }
        }
        fixture_expect_well(*state);
}

static void large_messages_fail_alone(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_buffer_ Buffer request = make_message(1024 * 1024);

        request.data[request.size - 2] = 'x';
        peer_send_bytes(fd, request.data, request.size);
        peer_expect_end(fd);
        fixture_expect_well(*state);
}

/* --- memory ---------------------------------------------------------------------------------- */

static long memory_kb(void) {
        _cleanup_free_ char *text = NULL;

        /* Files of /proc have no size: read in pieces by file_read_at(). */
        assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/status", 64 * 1024, &text, NULL), 0);
        const char *line = strstr(text, "VmRSS:");
        assert_non_null(line);
        return strtol(line + strlen("VmRSS:"), NULL, 10);
}

static bool is_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        return true;
#elif defined(__has_feature)
        return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
        return false;
#endif
}

/* Sends until the socket takes no more; returns how much it took. */
static size_t send_all_it_takes(int fd, const char *request, size_t max) {
        size_t size = strlen(request) + 1, sent = 0;

        while (sent < max) {
                ssize_t n = send(fd, request + sent % size, size - sent % size,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0) {
                        struct timespec moment = { .tv_nsec = 100000000 };
                        size_t before = sent;
                        assert_int_equal(errno, EAGAIN);
                        nanosleep(&moment, NULL);
                        n = send(fd, request + sent % size, size - sent % size,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
                        if (n < 0)
                                return before;
                }
                sent += (size_t)n;
        }
        return sent;
}

static void a_peer_that_never_reads_costs_little(void **state) {
        static const char *const requests[] = {
                "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                "{\"interface\":\"org.varlink.service\"}}",
                "{\"method\":\"" T "Work\",\"parameters\":{\"text\":\"aaaaaaaaaaaaaaaaaaaaaa\"}}",
                "{\"method\":\"" T "Stream\",\"more\":true,\"parameters\":{\"count\":1000000000,"
                "\"size\":1000}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                long before = memory_kb();

                assert_true(send_all_it_takes(fd, requests[i], 64 * 1024 * 1024) <
                            64 * 1024 * 1024);
                fixture_expect_well(*state);
                if (!is_sanitized())
                        assert_true(memory_kb() - before < 4 * 1024);
        }
        fixture_expect_well(*state);
}

/* The producer's thread blocks at the limit, and goes on when the peer has gone. */
static void a_producer_waits_for_its_reader(void **state) {
        Fixture *fixture = *state;
        int fd = fixture_connect(fixture);
        long before = memory_kb();

        peer_send_text(fd,
                       "{\"method\":\"" T "Flood\",\"more\":true,\"parameters\":{\"count\":4000,"
                       "\"size\":100000}}");
        for (int i = 0; i < 100; i++)
                fixture_expect_well(fixture);
        assert_int_equal(fixture->finished, 0);
        if (!is_sanitized())
                assert_true(memory_kb() - before < 2 * VARLINK_OUTPUT_QUEUE_MAX / 1024);
        close(fd);
        fixture_await(&fixture->finished, 1);
        fixture_expect_well(fixture);
}

static void a_slow_reader_gets_everything(void **state) {
        static const char *const methods[] = { "Flood", "Stream" };
        Fixture *fixture = *state;
        _cleanup_close_ int fd = fixture_connect(fixture);
        struct timespec moment = { .tv_nsec = 1000000 };

        for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
                _cleanup_free_ char *request = xasprintf(
                        "{\"method\":\"" T "%s\",\"parameters\":{\"count\":2000,\"size\":60000},"
                        "\"more\":true}",
                        methods[m]);
                peer_send_text(fd, request);
                for (int i = 0; i < 2000; i++) {
                        _cleanup_free_ char *text = peer_receive_text(fd);
                        assert_non_null(text);
                        assert_int_equal(strlen(text), 60000 +
                                                               strlen("{\"parameters\":{\"text\":"
                                                                      "\"\"}}") +
                                                               (i < 1999 ? strlen(",\"continues\":"
                                                                                  "true")
                                                                         : 0));
                        if (i % 100 == 0)
                                nanosleep(&moment, NULL);
                }
        }
        fixture_await(&fixture->finished, 2);
        peer_expect_well(fd);
}

static void unfinished_input_is_limited_per_user(void **state) {
        enum {
                PEERS = VARLINK_INPUT_PER_UID_MAX / (8 * 1024 * 1024) + 8
        };
        int fds[PEERS];
        int ended = 0;

        if (is_sanitized())
                skip();
        _cleanup_buffer_ Buffer request = make_message(6 * 1024 * 1024);
        /* Each leaves 6 MB unfinished, which lie in a buffer of 8. */
        for (int i = 0; i < PEERS; i++) {
                fds[i] = fixture_connect(*state);
                for (size_t sent = 0; sent < request.size - 1;) {
                        ssize_t n = send(fds[i], request.data + sent, request.size - 1 - sent,
                                         MSG_NOSIGNAL);
                        if (n < 0)
                                break;
                        sent += (size_t)n;
                }
        }
        fixture_expect_well(*state);
        for (int i = 0; i < PEERS; i++) {
                char c;
                ended += recv(fds[i], &c, 1, MSG_DONTWAIT) == 0 || errno != EAGAIN;
                close(fds[i]);
        }
        assert_true(ended > 0 && ended <= 9);
        fixture_expect_well(*state);
}

static void expect_connections(Fixture *fixture, void *userdata) {
        assert_int_equal(varlink_server_connections_count(fixture->server), *(size_t *)userdata);
}

static void many_idle_connections_cost_little(void **state) {
        enum {
                PEERS = 2000
        };
        Fixture *fixture = *state;
        struct rlimit limit;
        static int fds[PEERS];

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (limit.rlim_max < 2 * PEERS + 100)
                skip();
        fixture_expect_well(fixture);
        long before = memory_kb();
        for (int i = 0; i < PEERS; i++) {
                fds[i] = fixture_connect(fixture);
                peer_expect_well(fds[i]);
        }
        fixture_run(fixture, expect_connections, &(size_t){ PEERS });
        /* What one of them costs does not grow with how many have something to say at once. */
        struct timespec start, end;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        for (int i = 0; i < PEERS; i++)
                peer_send_text(fds[i], "{\"method\":\"" T "Release\"}");
        for (int i = 0; i < PEERS; i++)
                peer_expect_text(fds[i], "{\"parameters\":{}}");
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        if (!is_sanitized())
                assert_true(end.tv_sec * 1000 + end.tv_nsec / 1000000 <
                            start.tv_sec * 1000 + start.tv_nsec / 1000000 + 1000);
        if (!is_sanitized())
                assert_true(memory_kb() - before < PEERS * 2);
        for (int i = 0; i < PEERS; i++)
                close(fds[i]);
        fixture_expect_well(fixture);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void a_closed_peer_cancels_its_call(void **state) {
        Fixture *fixture = *state;

        for (int i = 0; i < 50; i++) {
                int fd = fixture_connect(fixture);
                peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
                peer_send_text(fd, "{\"method\":\"" T "Wait\"}");
                if (i % 2)
                        peer_send_text(fd, "{\"method\":\"" T "Wait\"}"); /* never begins */
                peer_expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
                close(fd);
        }
        fixture_await(&fixture->cancelled, 50);
        assert_int_equal(fixture->waiting_count, 0);
        fixture_expect_well(fixture);
}

static void a_killed_peer_cancels_its_call(void **state) {
        static const char *const argv[] = {
                "/bin/sh", "-c", "printf '{\"method\":\"" T "Wait\"}\\0' >&0; exec sleep 1000", NULL
        };
        Fixture *fixture = *state;
        SpawnOptions options = SPAWN_OPTIONS_INIT;
        _cleanup_close_ int pidfd = -EBADF;
        pid_t pid;

        options.argv = argv;
        options.stdin_fd = fixture_connect(fixture);
        assert_int_equal(spawn_process(&options, &pid, &pidfd), 0);
        close(options.stdin_fd); /* the child's is the last */
        fixture_await(&fixture->waits, 1);
        fixture_expect_well(fixture);
        assert_int_equal(fixture->cancelled, 0);
        spawn_kill(pid, pidfd);
        fixture_await(&fixture->cancelled, 1);
}

static void a_half_closed_peer_gets_its_replies(void **state) {
        Fixture *fixture = *state;
        _cleanup_close_ int fd = fixture_connect(fixture);
        _cleanup_close_ int other = fixture_connect(fixture);

        peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
        peer_send_text(fd, "{\"method\":\"" T "Wait\"}");
        peer_send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{}}");
        peer_send_bytes(fd, "{\"half", 6);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        for (int i = 0; i < 10; i++)
                peer_expect_well(other);
        peer_expect_silence(fd);
        peer_send_text(other, "{\"method\":\"" T "Release\"}");
        peer_expect_text(other, "{\"parameters\":{}}");
        peer_expect_text(fd, "{\"parameters\":{}}");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"\",\"number\":0}}");
        peer_expect_end(fd);
        assert_int_equal(fixture->cancelled, 0);
}

static void a_forgotten_call_ends_its_connection(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
        peer_send_text(fd, "{\"method\":\"" T "Forget\"}");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        peer_expect_end(fd);
        fixture_expect_well(*state);
}

/* Without descriptors nobody can be accepted; the service waits, without spinning, and goes on. */
static void exhausted_descriptors_are_survived(void **state) {
        Fixture *fixture = *state;
        struct rlimit limit, small;
        int fds[64], count = 0;

        fixture_expect_well(fixture);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        int highest = dup(0);
        close(highest);
        small = limit;
        small.rlim_cur = (rlim_t)highest + 9;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        /* Both ends are ours: the peers' ends leave too few for the service's. */
        for (;; count++) {
                int fd = socket(AF_UNIX, SOCK_STREAM, 0);
                struct sockaddr_un un = { .sun_family = AF_UNIX };
                if (fd < 0)
                        break;
                strncpy(un.sun_path, fixture->path, sizeof(un.sun_path) - 1);
                assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
                peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
                fds[count] = fd;
        }
        assert_true(count >= 3);
        struct timespec start, end, moment = { .tv_nsec = 400000000 };
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        nanosleep(&moment, NULL);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        assert_true((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000 <
                    100);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (int i = 0; i < count; i++) {
                peer_expect_text(fds[i], "{\"parameters\":{\"text\":\"\"}}");
                close(fds[i]);
        }
        fixture_expect_well(fixture);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(no_message_ends_the_connection),
                TEST(flags_may_be_null),
                TEST(nesting_is_limited),
                TEST(values_are_limited),
                TEST(message_size_is_limited),
                TEST(large_messages_fail_alone),
                TEST(a_peer_that_never_reads_costs_little),
                TEST(a_producer_waits_for_its_reader),
                TEST(a_slow_reader_gets_everything),
                TEST(unfinished_input_is_limited_per_user),
                TEST(many_idle_connections_cost_little),
                TEST(a_closed_peer_cancels_its_call),
                TEST(a_killed_peer_cancels_its_call),
                TEST(a_half_closed_peer_gets_its_replies),
                TEST(a_forgotten_call_ends_its_connection),
                TEST(exhausted_descriptors_are_survived),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
