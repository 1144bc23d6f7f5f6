/* SPDX-License-Identifier: Apache-2.0 */

/* The server as its peers see it: bytes in, bytes out, and everything that a peer can do wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "base/text.h"
#include "org.selkie.test.h"
#include "org.varlink.service.h"
#include "service-fixture.h"
#include "varlink/codec.h"
#include "varlink/connection.h"
#include "varlink/service.h"

#define T "org.selkie.test."

/* --- a peer -------------------------------------------------------------------------------------- */

static void send_bytes(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
                assert_true(n > 0);
                p += n;
                size -= (size_t)n;
        }
}

static void send_text(int fd, const char *text) {
        send_bytes(fd, text, strlen(text) + 1);
}

/* The next message, up to its NUL; heap. NULL: the connection was closed. */
static char *receive_text(int fd) {
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

static void expect_text(int fd, const char *expected) {
        _cleanup_free_ char *text = receive_text(fd);

        assert_non_null(text);
        assert_string_equal(text, expected);
}

static void expect_end(int fd) {
        _cleanup_free_ char *text = receive_text(fd);

        assert_null(text);
}

static void expect_silence(int fd) {
        char c;

        assert_int_equal(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

/* A call that shows that the connection, and with it the service, is well. */
static void expect_well(int fd) {
        send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"well\"}}");
        expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
}

static void expect_service_well(Fixture *fixture) {
        _cleanup_close_ int fd = fixture_connect(fixture);

        expect_well(fd);
}

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

/* --- calls --------------------------------------------------------------------------------------- */

static void calls_are_answered(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        expect_well(fd);
        send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{\"text\":\"\\u00e9\",\"number\":"
                      "9223372036854775807}}");
        expect_text(fd, "{\"parameters\":{\"text\":\"\xc3\xa9\",\"number\":9223372036854775807}}");
        /* A missing and a null member mean the zero value, unknown ones nothing. */
        send_text(fd,
                  " {\"x\":[],\"parameters\":{\"y\":{},\"text\":null},\"method\":\"" T "Work\"} ");
        expect_text(fd, "{\"parameters\":{\"text\":\"\",\"number\":0}}");
}

static void errors_are_told(void **state) {
        static const struct {
                const char *request, *reply;
        } cases[] = {
                { "{}", "{\"parameters\":{\"parameter\":\"method\"},\"error\":"
                        "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":null}", "{\"parameters\":{\"parameter\":\"method\"},\"error\":"
                                       "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":7}", "{\"parameters\":{\"parameter\":\"method\"},\"error\":"
                                    "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"Echo\"}", "{\"parameters\":{\"parameter\":\"method\"},\"error\":"
                                           "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\".Echo\"}", "{\"parameters\":{\"parameter\":\"method\"},\"error\":"
                                            "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Echo\\u0000x\"}",
                  "{\"parameters\":{\"parameter\":\"method\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "echo\"}", "{\"parameters\":{\"method\":\"echo\"},\"error\":"
                                                "\"org.varlink.service.MethodNotFound\"}" },
                { "{\"method\":\"" T "\"}", "{\"parameters\":{\"method\":\"\"},\"error\":"
                                            "\"org.varlink.service.MethodNotFound\"}" },
                { "{\"method\":\"org.selkie.Test.Echo\"}",
                  "{\"parameters\":{\"interface\":\"org.selkie.Test\"},\"error\":"
                  "\"org.varlink.service.InterfaceNotFound\"}" },
                { "{\"method\":\"" T "Missing\"}",
                  "{\"parameters\":{\"method\":\"Missing\"},\"error\":"
                  "\"org.varlink.service.MethodNotImplemented\"}" },
                { "{\"method\":\"" T "Echo\"}", "{\"parameters\":{\"parameter\":\"parameters\"},"
                                                "\"error\":\"org.varlink.service."
                                                "InvalidParameter\"}" },
                { "{\"method\":\"" T "Echo\",\"parameters\":null}",
                  "{\"parameters\":{\"parameter\":\"parameters\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Echo\",\"parameters\":[]}",
                  "{\"parameters\":{\"parameter\":\"parameters\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":7}}",
                  "{\"parameters\":{\"parameter\":\"text\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"a\\u0000b\"}}",
                  "{\"parameters\":{\"parameter\":\"text\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Work\",\"parameters\":{\"number\":9223372036854775808}}",
                  "{\"parameters\":{\"parameter\":\"number\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Work\",\"parameters\":{\"text\":{},\"number\":1}}",
                  "{\"parameters\":{\"parameter\":\"text\"},\"error\":"
                  "\"org.varlink.service.InvalidParameter\"}" },
                { "{\"method\":\"" T "Flood\",\"parameters\":{}}",
                  "{\"parameters\":{},\"error\":\"org.varlink.service.ExpectedMore\"}" },
        };
        _cleanup_close_ int fd = fixture_connect(*state);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                send_text(fd, cases[i].request);
                expect_text(fd, cases[i].reply);
        }
        expect_well(fd);
}

static void methods_without_inputs_ignore_parameters(void **state) {
        static const char *const parameters[] = { "", ",\"parameters\":null", ",\"parameters\":[1]",
                                                  ",\"parameters\":\"x\"",
                                                  ",\"parameters\":{\"a\":1}" };
        _cleanup_close_ int fd = fixture_connect(*state);

        for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
                _cleanup_free_ char *request =
                        xasprintf("{\"method\":\"" T "Release\"%s}", parameters[i]);
                send_text(fd, request);
                expect_text(fd, "{\"parameters\":{}}");
        }
}

static void service_describes_itself(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ char *path =
                xasprintf("%s/idl/org.varlink.service.varlink", getenv("SOURCE_ROOT"));
        _cleanup_free_ char *idl = NULL;

        send_text(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
        expect_text(fd, "{\"parameters\":{\"vendor\":\"Selkie\",\"product\":\"tests\",\"version\":"
                        "\"1\",\"url\":\"https://example.org\",\"interfaces\":["
                        "\"org.varlink.service\",\"org.selkie.test\"]}}");
        send_text(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                      "{\"interface\":\"org.selkie.nothing\"}}");
        expect_text(fd, "{\"parameters\":{\"parameter\":\"interface\"},\"error\":"
                        "\"org.varlink.service.InvalidParameter\"}");
        send_text(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                      "{\"interface\":\"org.varlink.service\"}}");
        text = receive_text(fd);
        json_t *reply = json_loads(text, 0, NULL);
        const char *description = NULL;
        assert_int_equal(json_unpack(reply, "{s:{s:s}}", "parameters", "description", &description),
                         0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1024 * 1024, &idl, NULL), 0);
        assert_string_equal(description, idl);
        json_decref(reply);
}

/* --- org.varlink.service's tables are written by hand; they must be what the generator would write --- */

static void compare_types(const VlType *ours, const VlType *generated) {
        assert_int_equal(ours->kind, generated->kind);
        assert_int_equal(ours->size, generated->size);
        assert_int_equal(ours->is_nullable, generated->is_nullable);
        assert_int_equal(ours->fields_count, generated->fields_count);
        assert_int_equal(!ours->element, !generated->element);
        if (ours->element)
                compare_types(ours->element, generated->element);
        for (size_t i = 0; i < ours->fields_count; i++) {
                assert_string_equal(ours->fields[i].name, generated->fields[i].name);
                assert_int_equal(ours->fields[i].offset, generated->fields[i].offset);
                compare_types(ours->fields[i].type, generated->fields[i].type);
        }
}

static void service_tables_are_the_generated_ones(void **state) {
        const VlInterface *ours = &service_interface, *generated = &org_varlink_service_interface;

        (void)state;
        assert_string_equal(ours->name, generated->name);
        assert_string_equal(ours->description, generated->description);
        assert_int_equal(ours->methods_count, generated->methods_count);
        assert_int_equal(ours->errors_count, generated->errors_count);
        for (size_t i = 0; i < ours->methods_count; i++) {
                assert_string_equal(ours->methods[i].name, generated->methods[i].name);
                compare_types(ours->methods[i].in, generated->methods[i].in);
                compare_types(ours->methods[i].out, generated->methods[i].out);
        }
        for (size_t i = 0; i < ours->errors_count; i++) {
                assert_string_equal(ours->errors[i].qualified, generated->errors[i].qualified);
                compare_types(ours->errors[i].type, generated->errors[i].type);
        }
}

/* --- order, pieces, pipelines --------------------------------------------------------------------- */

static void pipelined_calls_keep_their_order(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_buffer_ Buffer requests = BUFFER_INIT;

        /* Calls on the loop and on workers, mixed. */
        for (int i = 0; i < 2000; i++) {
                buffer_printf(&requests,
                              "{\"method\":\"" T "%s\",\"parameters\":{\"text\":\"%d\"}}",
                              i % 3 ? "Echo" : "Work", i);
                buffer_append_byte(&requests, '\0');
        }
        send_bytes(fd, requests.data, requests.size);
        for (int i = 0; i < 2000; i++) {
                char expected[128];
                (void)snprintf(expected, sizeof(expected),
                               i % 3 ? "{\"parameters\":{\"text\":\"%d\"}}"
                                     : "{\"parameters\":{\"text\":\"%d\",\"number\":0}}",
                               i);
                expect_text(fd, expected);
        }
        expect_silence(fd);
}

static void messages_may_come_in_pieces(void **state) {
        static const char request[] = "{\"method\":\"" T
                                      "Echo\",\"parameters\":{\"text\":\"well\"}}";
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_close_ int other = fixture_connect(*state);

        for (int turn = 0; turn < 3; turn++)
                for (size_t i = 0; i < sizeof(request); i++) {
                        send_bytes(fd, request + i, 1);
                        if (i % 16 == 0)
                                expect_well(other); /* so that the piece was read for itself */
                }
        for (int turn = 0; turn < 3; turn++)
                expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
        /* One and a half, then the rest. */
        send_bytes(fd, request, sizeof(request));
        send_bytes(fd, request, 20);
        expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
        send_bytes(fd, request + 20, sizeof(request) - 20);
        expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
}

static void oneway_calls_are_silent(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        send_text(fd, "{\"method\":\"" T "Count\",\"parameters\":{\"by\":5},\"oneway\":true}");
        send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{},\"oneway\":true}");
        send_text(fd, "{\"method\":\"" T "Work\",\"oneway\":true}");
        send_text(fd, "{\"method\":\"" T "Nothing\",\"oneway\":true}");
        send_text(fd, "{\"method\":\"" T "Forget\",\"oneway\":true}");
        send_text(fd, "{\"method\":\"" T "Flood\",\"parameters\":{\"count\":3,\"size\":1},"
                      "\"oneway\":true,\"more\":true}");
        send_text(fd, "{\"method\":\"" T "Count\",\"parameters\":{\"by\":1}}");
        expect_text(fd, "{\"parameters\":{\"total\":6}}");
        expect_silence(fd);
}

static void oneway_calls_outlive_their_peer(void **state) {
        Fixture *fixture = *state;
        int fd = fixture_connect(fixture);

        /* The first is on a worker when the peer is gone already; the last is still unread then. */
        send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{},\"oneway\":true}");
        for (int i = 0; i < 100; i++) {
                send_text(fd,
                          "{\"method\":\"" T "Count\",\"parameters\":{\"by\":1},\"oneway\":true}");
                send_text(fd, "{\"method\":\"" T
                              "Flood\",\"parameters\":{},\"oneway\":true,\"more\":true}");
        }
        close(fd);
        fixture_await(&fixture->finished, 100);
        fd = fixture_connect(fixture);
        send_text(fd, "{\"method\":\"" T "Count\",\"parameters\":{\"by\":0}}");
        expect_text(fd, "{\"parameters\":{\"total\":100}}");
        close(fd);
}

static void more_streams_replies(void **state) {
        static const char *const methods[] = { "Flood", "Stream" };
        _cleanup_close_ int fd = fixture_connect(*state);

        for (size_t m = 0; m < ARRAY_SIZE(methods); m++) {
                _cleanup_free_ char *request = xasprintf(
                        "{\"method\":\"" T "%s\",\"parameters\":{\"count\":100,\"size\":3},"
                        "\"more\":true}",
                        methods[m]);
                send_text(fd, request);
                for (int i = 0; i < 99; i++)
                        expect_text(fd, "{\"parameters\":{\"text\":\"xxx\"},\"continues\":true}");
                expect_text(fd, "{\"parameters\":{\"text\":\"xxx\"}}");
        }
        send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{},\"more\":true}");
        expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        expect_well(fd);
}

/* --- what is no message ends its connection -------------------------------------------------------- */

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
                /* What was asked before is still answered; what comes after is not. */
                send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{}}");
                send_text(fd, texts[i]);
                send_text(fd, "{\"method\":\"" T "Release\"}");
                expect_text(fd, "{\"parameters\":{\"text\":\"\",\"number\":0}}");
                expect_end(fd);
                expect_well(bystander);
        }
}

static void flags_may_be_null(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        send_text(fd,
                  "{\"method\":\"" T "Release\",\"more\":null,\"oneway\":false,\"upgrade\":null}");
        expect_text(fd, "{\"parameters\":{}}");
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
                send_bytes(fd, request.data, request.size);
                if (depth <= CODEC_DEPTH_MAX)
                        expect_text(fd, "{\"parameters\":{}}");
                else
                        expect_end(fd);
        }
        expect_service_well(*state);
}

static void values_are_limited(void **state) {
        for (int more = 0; more < 2; more++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_buffer_ Buffer request = BUFFER_INIT;
                int values = VARLINK_VALUES_MAX - 3 + more; /* the object, two members and these */

                buffer_append_string(&request, "{\"method\":\"" T "Release\",\"a\":[");
                for (int i = 0; i < values; i++)
                        buffer_append(&request, ",0" + (i == 0), i == 0 ? 1 : 2);
                buffer_append(&request, "]}", 3);
                send_bytes(fd, request.data, request.size);
                if (more)
                        expect_end(fd);
                else
                        expect_text(fd, "{\"parameters\":{}}");
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
                        send_bytes(fd, request.data, request.size);
                        expect_text(fd, "{\"parameters\":{}}");
                        expect_text(fd, "{\"parameters\":{}}");
                        expect_well(fd);
                } else {
                        /* Its end need not come. */
                        send_bytes(fd, request.data, request.size - 1);
                        expect_end(fd);
                }
        }
        expect_service_well(*state);
}

static void large_messages_fail_alone(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_buffer_ Buffer request = make_message(1024 * 1024);

        request.data[request.size - 2] = 'x';
        send_bytes(fd, request.data, request.size);
        expect_end(fd);
        expect_service_well(*state);
}

/* --- memory -------------------------------------------------------------------------------------- */

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
                expect_service_well(*state);
                if (!is_sanitized())
                        assert_true(memory_kb() - before < 4 * 1024);
        }
        expect_service_well(*state);
}

/* The producer's thread blocks at the limit, and goes on when the peer has gone. */
static void a_producer_waits_for_its_reader(void **state) {
        Fixture *fixture = *state;
        int fd = fixture_connect(fixture);
        long before = memory_kb();

        send_text(fd, "{\"method\":\"" T "Flood\",\"more\":true,\"parameters\":{\"count\":4000,"
                      "\"size\":100000}}");
        for (int i = 0; i < 100; i++)
                expect_service_well(fixture);
        assert_int_equal(fixture->finished, 0);
        if (!is_sanitized())
                assert_true(memory_kb() - before < 2 * VARLINK_OUTPUT_QUEUE_MAX / 1024);
        close(fd);
        fixture_await(&fixture->finished, 1);
        expect_service_well(fixture);
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
                send_text(fd, request);
                for (int i = 0; i < 2000; i++) {
                        _cleanup_free_ char *text = receive_text(fd);
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
        expect_well(fd);
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
        expect_service_well(*state);
        for (int i = 0; i < PEERS; i++) {
                char c;
                ended += recv(fds[i], &c, 1, MSG_DONTWAIT) == 0 || errno != EAGAIN;
                close(fds[i]);
        }
        assert_true(ended > 0 && ended <= 9);
        expect_service_well(*state);
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
        expect_service_well(fixture);
        long before = memory_kb();
        for (int i = 0; i < PEERS; i++) {
                fds[i] = fixture_connect(fixture);
                expect_well(fds[i]);
        }
        fixture_run(fixture, expect_connections, &(size_t){ PEERS });
        if (!is_sanitized())
                assert_true(memory_kb() - before < PEERS * 2);
        for (int i = 0; i < PEERS; i++)
                close(fds[i]);
        expect_service_well(fixture);
}

/* --- ends ---------------------------------------------------------------------------------------- */

static void a_closed_peer_cancels_its_call(void **state) {
        Fixture *fixture = *state;

        for (int i = 0; i < 50; i++) {
                int fd = fixture_connect(fixture);
                send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
                send_text(fd, "{\"method\":\"" T "Wait\"}");
                if (i % 2)
                        send_text(fd, "{\"method\":\"" T "Wait\"}"); /* never begins */
                expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
                close(fd);
        }
        fixture_await(&fixture->cancelled, 50);
        assert_int_equal(fixture->waiting_count, 0);
        expect_service_well(fixture);
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
        expect_service_well(fixture);
        assert_int_equal(fixture->cancelled, 0);
        spawn_kill(pid, pidfd);
        fixture_await(&fixture->cancelled, 1);
}

static void a_half_closed_peer_gets_its_replies(void **state) {
        Fixture *fixture = *state;
        _cleanup_close_ int fd = fixture_connect(fixture);
        _cleanup_close_ int other = fixture_connect(fixture);

        send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
        send_text(fd, "{\"method\":\"" T "Wait\"}");
        send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{}}");
        send_bytes(fd, "{\"half", 6);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        for (int i = 0; i < 10; i++)
                expect_well(other);
        expect_silence(fd);
        send_text(other, "{\"method\":\"" T "Release\"}");
        expect_text(other, "{\"parameters\":{}}");
        expect_text(fd, "{\"parameters\":{}}");
        expect_text(fd, "{\"parameters\":{\"text\":\"\",\"number\":0}}");
        expect_end(fd);
        assert_int_equal(fixture->cancelled, 0);
}

static void a_reply_to_one_peer_may_come_from_anothers_call(void **state) {
        _cleanup_close_ int waiting = fixture_connect(*state);
        _cleanup_close_ int other = fixture_connect(*state);

        send_text(waiting, "{\"method\":\"" T "Wait\"}");
        send_text(waiting, "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"next\"}}");
        expect_well(other);
        send_text(other, "{\"method\":\"" T "Release\"}");
        expect_text(other, "{\"parameters\":{}}");
        expect_text(waiting, "{\"parameters\":{}}");
        expect_text(waiting, "{\"parameters\":{\"text\":\"next\"}}");
}

static void a_forgotten_call_ends_its_connection(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
        send_text(fd, "{\"method\":\"" T "Forget\"}");
        expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        expect_end(fd);
        expect_service_well(*state);
}

static void a_stopping_service_cancels_everything(void **state) {
        Fixture *fixture = *state;
        int fds[20];

        for (int i = 0; i < 20; i++) {
                fds[i] = fixture_connect(fixture);
                send_text(fds[i], i % 2 ? "{\"method\":\"" T "Wait\"}"
                                        : "{\"method\":\"" T "Flood\",\"more\":true,"
                                          "\"parameters\":{\"count\":1000000,\"size\":10000}}");
        }
        expect_service_well(fixture);
        fixture_stop(fixture);
        assert_int_equal(fixture->cancelled, 10);
        assert_int_equal(fixture->finished, 10);
        assert_true(fixture->busy >= 1);
        for (int i = 0; i < 20; i++)
                close(fds[i]);
        *fixture = (Fixture){ .folder = "" };
        fixture_start(fixture);
}

static void busy_is_told_once(void **state) {
        Fixture *fixture = *state;

        assert_int_equal(fixture->busy, 0);
        int fd = fixture_connect(fixture);
        int other = fixture_connect(fixture);
        expect_well(fd);
        expect_well(other);
        assert_int_equal(fixture->busy, 1);
        close(fd);
        expect_well(other);
        assert_int_equal(fixture->idle, 0);
        close(other);
        fixture_await(&fixture->idle, 1);
        expect_service_well(fixture);
        fixture_await(&fixture->idle, 2);
        assert_int_equal(fixture->busy, 2);
}

/* --- upgrades ------------------------------------------------------------------------------------ */

static void an_upgraded_connection_changes_hands(void **state) {
        static const char *const methods[] = { "Shout", "ShoutLater" };
        char answer[16] = "";

        for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_free_ char *request = xasprintf(
                        "{\"method\":\"" T "%s\",\"parameters\":{},\"upgrade\":true}", methods[i]);

                expect_well(fd);
                /* Bytes of the other protocol may come with the request. */
                send_text(fd, request);
                send_bytes(fd, "hello ", 6);
                expect_text(fd, "{\"parameters\":{\"text\":\"go on\"}}");
                assert_int_equal(recv(fd, answer, 6, MSG_WAITALL), 6);
                assert_memory_equal(answer, "HELLO ", 6);
                send_bytes(fd, "world", 5);
                assert_int_equal(recv(fd, answer, 5, MSG_WAITALL), 5);
                assert_memory_equal(answer, "WORLD", 5);
        }
        expect_service_well(*state);
}

static void an_upgrade_must_be_asked_for(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        send_text(fd, "{\"method\":\"" T "Shout\"}");
        expect_text(fd, "{\"parameters\":{\"text\":\"go on\"}}");
        expect_well(fd);
        send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{},\"upgrade\":true}");
        expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        expect_well(fd);
}

/* --- who may ------------------------------------------------------------------------------------- */

static void strangers_are_denied(void **state) {
        static const uid_t somebody = 12345;
        Fixture fixture = { .options = { .allowed_uids = &somebody, .allowed_uids_count = 1 } };
        static const char denied[] = "{\"parameters\":{},\"error\":"
                                     "\"org.varlink.service.PermissionDenied\"}";

        (void)state;
        fixture_start(&fixture);
        int fd = fixture_connect(&fixture);
        send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
        expect_text(fd, denied);
        send_text(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
        expect_text(fd, denied);
        close(fd);
        fixture_stop(&fixture);
}

static void the_right_user_may(void **state) {
        const uid_t me = geteuid();
        Fixture fixture = { .options = { .allowed_uids = &me, .allowed_uids_count = 1 } };

        (void)state;
        fixture_start(&fixture);
        expect_service_well(&fixture);
        fixture_stop(&fixture);
}

/* Without descriptors nobody can be accepted; the service waits, without spinning, and goes on. */
static void exhausted_descriptors_are_survived(void **state) {
        Fixture *fixture = *state;
        struct rlimit limit, small;
        int fds[64], count = 0;

        expect_service_well(fixture);
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
                send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
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
                expect_text(fds[i], "{\"parameters\":{\"text\":\"\"}}");
                close(fds[i]);
        }
        expect_service_well(fixture);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(calls_are_answered),
                TEST(errors_are_told),
                TEST(methods_without_inputs_ignore_parameters),
                TEST(service_describes_itself),
                cmocka_unit_test(service_tables_are_the_generated_ones),
                TEST(pipelined_calls_keep_their_order),
                TEST(messages_may_come_in_pieces),
                TEST(oneway_calls_are_silent),
                TEST(oneway_calls_outlive_their_peer),
                TEST(more_streams_replies),
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
                TEST(a_reply_to_one_peer_may_come_from_anothers_call),
                TEST(a_forgotten_call_ends_its_connection),
                TEST(a_stopping_service_cancels_everything),
                TEST(busy_is_told_once),
                TEST(an_upgraded_connection_changes_hands),
                TEST(an_upgrade_must_be_asked_for),
                cmocka_unit_test(strangers_are_denied),
                cmocka_unit_test(the_right_user_may),
                TEST(exhausted_descriptors_are_survived),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
