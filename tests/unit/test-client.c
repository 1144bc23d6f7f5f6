/* SPDX-License-Identifier: Apache-2.0 */

/* The client against the real server, and against peers that answer nonsense. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/text.h"
#include "org.selkie.test.h"
#include "tests/unit/service-fixture.h"
#include "varlink/client.h"
#include "varlink/codec.h"

#define T            "org.selkie.test."
#define METHOD(name) (&org_selkie_test_interface.methods[ORG_SELKIE_TEST_METHOD_##name])

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

static VarlinkClient *connect_client(Fixture *fixture) {
        VarlinkClient *client;

        assert_int_equal(varlink_client_connect(&client, fixture->address), 0);
        return client;
}

static void expect_echo(VarlinkClient *client, const char *text) {
        const OrgSelkieTestEchoIn in = { .text = text };
        OrgSelkieTestEchoOut out = { .text = NULL };
        Arena arena = ARENA_INIT;
        VarlinkReply reply;

        assert_int_equal(varlink_client_call(client, &org_selkie_test_interface, METHOD(Echo), &in,
                                             &arena, &out, &reply),
                         0);
        assert_string_equal(out.text, text);
        varlink_reply_done(&reply);
        arena_done(&arena);
}

static void typed_calls(void **state) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = connect_client(*state);
        static char large[1024 * 1024];

        expect_echo(client, "");
        expect_echo(client, "a\"b\\c\n\xc3\xa9");
        memset(large, 'x', sizeof(large) - 1);
        expect_echo(client, large);
}

static void error_replies(void **state) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = connect_client(*state);
        const OrgSelkieTestMissingIn in = { .text = "" };
        OrgSelkieTestMissingOut out = { .present = { 0 } };
        Arena arena = ARENA_INIT;
        VarlinkReply reply;

        assert_int_equal(varlink_client_call(client, &org_selkie_test_interface, METHOD(Missing),
                                             &in, &arena, &out, &reply),
                         1);
        assert_string_equal(reply.error, "org.varlink.service.MethodNotImplemented");
        assert_string_equal(json_string_value(json_object_get(reply.parameters, "method")),
                            "Missing");
        varlink_reply_done(&reply);
        expect_echo(client, "still there");
}

static void pipelined_and_streamed(void **state) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = connect_client(*state);
        const OrgSelkieTestStreamIn in = { .count = 50, .size = 7 };
        OrgSelkieTestStreamOut out = { .text = NULL };
        Arena arena = ARENA_INIT;
        VarlinkReply reply;

        assert_int_equal(varlink_client_begin(client, &org_selkie_test_interface, METHOD(Stream),
                                              &in, VARLINK_CALL_MORE),
                         0);
        assert_int_equal(varlink_client_send(client, T "Nothing", NULL, 0), 0);
        json_t *parameters = json_object();
        assert_int_equal(varlink_client_send(client, T "Count", parameters, VARLINK_CALL_ONEWAY),
                         0);
        json_decref(parameters);
        for (int i = 0; i < 50; i++) {
                assert_int_equal(
                        varlink_client_finish(client, METHOD(Stream), &arena, &out, &reply), 0);
                assert_string_equal(out.text, "xxxxxxx");
                assert_int_equal(reply.continues, i < 49);
                varlink_reply_done(&reply);
        }
        assert_int_equal(varlink_client_receive(client, &reply), 0);
        assert_string_equal(reply.error, "org.varlink.service.MethodNotFound");
        varlink_reply_done(&reply);
        expect_echo(client, "in order");
}

static void upgrade_leaves_the_rest_unread(void **state) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = connect_client(*state);
        VarlinkReply reply;
        char answer[32] = "";

        assert_int_equal(varlink_client_send(client, T "Shout", NULL, VARLINK_CALL_UPGRADE), 0);
        /* Sent at once: its answer lies in the socket, right behind the reply. */
        assert_int_equal(send(varlink_client_fd(client), "to the other side", 17, 0), 17);
        struct timespec moment = { .tv_nsec = 50000000 };
        nanosleep(&moment, NULL);
        assert_int_equal(varlink_client_receive(client, &reply), 0);
        assert_null(reply.error);
        varlink_reply_done(&reply);
        _cleanup_close_ int fd = varlink_client_take_fd(client);
        assert_int_equal(recv(fd, answer, 17, MSG_WAITALL), 17);
        assert_string_equal(answer, "TO THE OTHER SIDE");
        assert_int_equal(varlink_client_fd(client), -EBADF);
}

static void methods_that_are_no_names(void **state) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = connect_client(*state);

        assert_int_equal(varlink_client_send(client, "a\"b", NULL, 0), -EINVAL);
        assert_int_equal(varlink_client_send(client, "a\\b", NULL, 0), -EINVAL);
        assert_int_equal(varlink_client_send(client, "a\nb", NULL, 0), -EINVAL);
        expect_echo(client, "unharmed");
}

static void requests_are_limited(void **state) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = connect_client(*state);
        size_t size = VARLINK_MESSAGE_MAX;
        _cleanup_free_ char *text = malloc(size + 1);
        const OrgSelkieTestEchoIn in = { .text = text };

        memset(text, 'x', size);
        text[size] = '\0';
        assert_int_equal(varlink_client_begin(client, &org_selkie_test_interface, METHOD(Echo), &in,
                                              0),
                         -EMSGSIZE);
        expect_echo(client, "unharmed");
}

static void nobody_is_there(void **state) {
        VarlinkClient *client;

        (void)state;
        assert_int_equal(varlink_client_connect(&client, "unix:/nowhere/socket"), -ENOENT);
        assert_int_equal(varlink_client_connect(&client, "nonsense"), -EINVAL);
        assert_int_equal(varlink_client_connect(&client, "tcp:host.invalid:1"), -ENXIO);
}

/* --- peers that answer nonsense -------------------------------------------------------------- */

/* What a client makes of these bytes, after which the peer hangs up. */
static int receive_from(const char *data, size_t size) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = NULL;
        VarlinkReply reply;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(varlink_client_new_fd(&client, fds[0]), 0);
        assert_int_equal(send(fds[1], data, size, 0), size);
        close(fds[1]);
        int r = varlink_client_receive(client, &reply);
        if (r == 0)
                varlink_reply_done(&reply);
        return r;
}

static void nonsense_is_no_reply(void **state) {
        static const char *const texts[] = {
                "",
                "x",
                "[]",
                "null",
                "{",
                "{\"error\":7}",
                "{\"parameters\":[]}",
                "{\"parameters\":\"x\"}",
                "{\"parameters\":{},\"parameters\":{}}",
                "{\"parameters\":{\"a\":\"\xff\"}}",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                assert_int_equal(receive_from(texts[i], strlen(texts[i]) + 1), -EBADMSG);
        assert_int_equal(receive_from("{}", 3), 0);
        assert_int_equal(receive_from("{\"parameters\":null,\"error\":null}", 33), 0);
        assert_int_equal(receive_from("{}", 2), -EPIPE); /* no NUL */
        assert_int_equal(receive_from("", 0), -EPIPE);
}

static void wrong_types_are_no_reply(void **state) {
        static const char text[] = "{\"parameters\":{\"text\":7}}";
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = NULL;
        const OrgSelkieTestEchoIn in = { .text = "" };
        OrgSelkieTestEchoOut out = { .text = NULL };
        Arena arena = ARENA_INIT;
        VarlinkReply reply;
        int fds[2];

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(varlink_client_new_fd(&client, fds[0]), 0);
        assert_int_equal(send(fds[1], text, sizeof(text), 0), sizeof(text));
        assert_int_equal(varlink_client_call(client, &org_selkie_test_interface, METHOD(Echo), &in,
                                             &arena, &out, &reply),
                         -EBADMSG);
        close(fds[1]);
        assert_int_equal(varlink_client_call(client, &org_selkie_test_interface, METHOD(Echo), &in,
                                             &arena, &out, &reply),
                         -EPIPE);
}

static void *send_endlessly(void *userdata) {
        static const char piece[64 * 1024] = { [0] = '{', [1 ... 64 * 1024 - 1] = ' ' };
        int fd = *(int *)userdata;

        while (send(fd, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
                ;
        return NULL;
}

static void replies_are_limited(void **state) {
        VarlinkClient *client = NULL;
        VarlinkReply reply;
        pthread_t thread;
        int fds[2];

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(varlink_client_new_fd(&client, fds[0]), 0);
        assert_int_equal(pthread_create(&thread, NULL, send_endlessly, &fds[1]), 0);
        assert_int_equal(varlink_client_receive(client, &reply), -EMSGSIZE);
        client = varlink_client_free(client);
        assert_int_equal(pthread_join(thread, NULL), 0);
        close(fds[1]);
}

static void nesting_of_replies_is_limited(void **state) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        (void)state;
        buffer_append_string(&text, "{\"a\":");
        for (int i = 0; i < CODEC_DEPTH_MAX; i++)
                buffer_append_byte(&text, '[');
        for (int i = 0; i < CODEC_DEPTH_MAX; i++)
                buffer_append_byte(&text, ']');
        buffer_append(&text, "}", 2);
        assert_int_equal(receive_from(text.data, text.size), -E2BIG);
}

/* --- services that are started --------------------------------------------------------------- */

static void a_command_that_is_no_service(void **state) {
        static const char *const commands[] = { "exec:true", "exec:/no/such/program", "exec:exit 3",
                                                "exec:sh -c 'sleep 0.05'" };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                _cleanup_(varlink_client_freep)
                VarlinkClient *client = NULL;
                VarlinkReply reply;

                assert_int_equal(varlink_client_connect(&client, commands[i]), 0);
                int r = varlink_client_send(client, "a.B", NULL, 0);
                if (r == 0)
                        r = varlink_client_receive(client, &reply);
                assert_int_equal(r, -EPIPE);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(typed_calls),
                TEST(error_replies),
                TEST(pipelined_and_streamed),
                TEST(upgrade_leaves_the_rest_unread),
                TEST(methods_that_are_no_names),
                TEST(requests_are_limited),
                cmocka_unit_test(nobody_is_there),
                cmocka_unit_test(nonsense_is_no_reply),
                cmocka_unit_test(wrong_types_are_no_reply),
                cmocka_unit_test(replies_are_limited),
                cmocka_unit_test(nesting_of_replies_is_limited),
                cmocka_unit_test(a_command_that_is_no_service),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
