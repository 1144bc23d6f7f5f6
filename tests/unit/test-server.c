/* SPDX-License-Identifier: Apache-2.0 */

/* The server as its peers see it: what is asked, what is answered, in which order, and to whom. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/text.h"
#include "org.varlink.service.h"
#include "tests/unit/service-fixture.h"
#include "varlink/service.h"

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

/* --- calls ----------------------------------------------------------------------------------- */

static void calls_are_answered(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        peer_expect_well(fd);
        peer_send_text(fd,
                       "{\"method\":\"" T "Work\",\"parameters\":{\"text\":\"\\u00e9\",\"number\":"
                       "9223372036854775807}}");
        peer_expect_text(fd,
                         "{\"parameters\":{\"text\":\"\xc3\xa9\",\"number\":9223372036854775807}}");
        /* A missing and a null member mean the zero value, unknown ones nothing. */
        peer_send_text(fd, " {\"x\":[],\"parameters\":{\"y\":{},\"text\":null},\"method\":\"" T
                           "Work\"} ");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"\",\"number\":0}}");
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
                peer_send_text(fd, cases[i].request);
                peer_expect_text(fd, cases[i].reply);
        }
        peer_expect_well(fd);
}

static void methods_without_inputs_ignore_parameters(void **state) {
        static const char *const parameters[] = { "", ",\"parameters\":null", ",\"parameters\":[1]",
                                                  ",\"parameters\":\"x\"",
                                                  ",\"parameters\":{\"a\":1}" };
        _cleanup_close_ int fd = fixture_connect(*state);

        for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
                _cleanup_free_ char *request =
                        xasprintf("{\"method\":\"" T "Release\"%s}", parameters[i]);
                peer_send_text(fd, request);
                peer_expect_text(fd, "{\"parameters\":{}}");
        }
}

static void service_describes_itself(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ char *path =
                xasprintf("%s/idl/org.varlink.service.varlink", getenv("SOURCE_ROOT"));
        _cleanup_free_ char *idl = NULL;

        peer_send_text(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
        peer_expect_text(fd,
                         "{\"parameters\":{\"vendor\":\"Selkie\",\"product\":\"tests\",\"version\":"
                         "\"1\",\"url\":\"https://example.org\",\"interfaces\":["
                         "\"org.varlink.service\",\"org.selkie.test\"]}}");
        peer_send_text(fd,
                       "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                       "{\"interface\":\"org.selkie.nothing\"}}");
        peer_expect_text(fd, "{\"parameters\":{\"parameter\":\"interface\"},\"error\":"
                             "\"org.varlink.service.InvalidParameter\"}");
        peer_send_text(fd,
                       "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                       "{\"interface\":\"org.varlink.service\"}}");
        text = peer_receive_text(fd);
        json_t *reply = json_loads(text, 0, NULL);
        const char *description = NULL;
        assert_int_equal(json_unpack(reply, "{s:{s:s}}", "parameters", "description", &description),
                         0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1024 * 1024, &idl, NULL), 0);
        assert_string_equal(description, idl);
        json_decref(reply);
}

/* --- the tables of org.varlink.service are written by hand ----------------------------------- */

/* They must be what the generator would write. */
static void compare_types(const VlType *ours, const VlType *generated) {
        assert_int_equal(ours->kind, generated->kind);
        assert_int_equal(ours->size, generated->size);
        assert_int_equal(ours->is_nullable, generated->is_nullable);
        assert_int_equal(ours->fields_count, generated->fields_count);
        assert_int_equal(!ours->element, !generated->element);
        if (ours->element && generated->element)
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

/* --- order, pieces, pipelines ---------------------------------------------------------------- */

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
        peer_send_bytes(fd, requests.data, requests.size);
        for (int i = 0; i < 2000; i++) {
                char expected[128];
                (void)snprintf(expected, sizeof(expected),
                               i % 3 ? "{\"parameters\":{\"text\":\"%d\"}}"
                                     : "{\"parameters\":{\"text\":\"%d\",\"number\":0}}",
                               i);
                peer_expect_text(fd, expected);
        }
        peer_expect_silence(fd);
}

static void messages_may_come_in_pieces(void **state) {
        static const char request[] = "{\"method\":\"" T
                                      "Echo\",\"parameters\":{\"text\":\"well\"}}";
        _cleanup_close_ int fd = fixture_connect(*state);
        _cleanup_close_ int other = fixture_connect(*state);

        for (int turn = 0; turn < 3; turn++)
                for (size_t i = 0; i < sizeof(request); i++) {
                        peer_send_bytes(fd, request + i, 1);
                        if (i % 16 == 0)
                                peer_expect_well(other); /* so that the piece was read for itself */
                }
        for (int turn = 0; turn < 3; turn++)
                peer_expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
        /* One and a half, then the rest. */
        peer_send_bytes(fd, request, sizeof(request));
        peer_send_bytes(fd, request, 20);
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
        peer_send_bytes(fd, request + 20, sizeof(request) - 20);
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"well\"}}");
}

static void oneway_calls_are_silent(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        peer_send_text(fd, "{\"method\":\"" T "Count\",\"parameters\":{\"by\":5},\"oneway\":true}");
        peer_send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{},\"oneway\":true}");
        peer_send_text(fd, "{\"method\":\"" T "Work\",\"oneway\":true}");
        peer_send_text(fd, "{\"method\":\"" T "Nothing\",\"oneway\":true}");
        peer_send_text(fd, "{\"method\":\"" T "Forget\",\"oneway\":true}");
        peer_send_text(fd, "{\"method\":\"" T "Flood\",\"parameters\":{\"count\":3,\"size\":1},"
                           "\"oneway\":true,\"more\":true}");
        peer_send_text(fd, "{\"method\":\"" T "Count\",\"parameters\":{\"by\":1}}");
        peer_expect_text(fd, "{\"parameters\":{\"total\":6}}");
        peer_expect_silence(fd);
}

static void oneway_calls_outlive_their_peer(void **state) {
        Fixture *fixture = *state;
        int fd = fixture_connect(fixture);

        /*
         * The first is on a worker when the peer is gone already; the last is still unread then.
         */
        peer_send_text(fd, "{\"method\":\"" T "Work\",\"parameters\":{},\"oneway\":true}");
        for (int i = 0; i < 100; i++) {
                peer_send_text(fd, "{\"method\":\"" T
                                   "Count\",\"parameters\":{\"by\":1},\"oneway\":true}");
                peer_send_text(fd, "{\"method\":\"" T
                                   "Flood\",\"parameters\":{},\"oneway\":true,\"more\":true}");
        }
        close(fd);
        fixture_await(&fixture->finished, 100);
        fd = fixture_connect(fixture);
        peer_send_text(fd, "{\"method\":\"" T "Count\",\"parameters\":{\"by\":0}}");
        peer_expect_text(fd, "{\"parameters\":{\"total\":100}}");
        close(fd);
}

/* Nor does it matter that the peer leaves replies to other calls unread. */
static void oneway_calls_outlive_a_reset(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *text = xcalloc(130 * 1024 + 1, 1);
        int fd = fixture_connect(fixture);

        memset(text, 'x', 130 * 1024);
        _cleanup_free_ char *echo =
                xasprintf("{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"%s\"}}", text);
        /* More than the socket takes, less than what keeps the next request waiting. */
        for (int i = 0; i < 3; i++)
                peer_send_text(fd, echo);
        peer_send_text(fd, "{\"method\":\"" T "Wait\",\"oneway\":true}");
        fixture_await(&fixture->waits, 1);
        close(fd);
        for (int i = 0; i < 10; i++)
                fixture_expect_well(fixture);
        assert_int_equal(fixture->cancelled, 0);
        fd = fixture_connect(fixture);
        peer_send_text(fd, "{\"method\":\"" T "Release\"}");
        peer_expect_text(fd, "{\"parameters\":{}}");
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
                peer_send_text(fd, request);
                for (int i = 0; i < 99; i++)
                        peer_expect_text(fd,
                                         "{\"parameters\":{\"text\":\"xxx\"},\"continues\":true}");
                peer_expect_text(fd, "{\"parameters\":{\"text\":\"xxx\"}}");
        }
        peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{},\"more\":true}");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        peer_expect_well(fd);
}

static void a_reply_to_one_peer_may_come_from_anothers_call(void **state) {
        _cleanup_close_ int waiting = fixture_connect(*state);
        _cleanup_close_ int other = fixture_connect(*state);

        peer_send_text(waiting, "{\"method\":\"" T "Wait\"}");
        peer_send_text(waiting, "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"next\"}}");
        peer_expect_well(other);
        peer_send_text(other, "{\"method\":\"" T "Release\"}");
        peer_expect_text(other, "{\"parameters\":{}}");
        peer_expect_text(waiting, "{\"parameters\":{}}");
        peer_expect_text(waiting, "{\"parameters\":{\"text\":\"next\"}}");
}

/* --- upgrades -------------------------------------------------------------------------------- */

static void an_upgraded_connection_changes_hands(void **state) {
        static const char *const methods[] = { "Shout", "ShoutLater" };
        char answer[16] = "";

        for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
                _cleanup_close_ int fd = fixture_connect(*state);
                _cleanup_free_ char *request = xasprintf(
                        "{\"method\":\"" T "%s\",\"parameters\":{},\"upgrade\":true}", methods[i]);

                peer_expect_well(fd);
                /* Bytes of the other protocol may come with the request. */
                peer_send_text(fd, request);
                peer_send_bytes(fd, "hello ", 6);
                peer_expect_text(fd, "{\"parameters\":{\"text\":\"go on\"}}");
                assert_int_equal(recv(fd, answer, 6, MSG_WAITALL), 6);
                assert_memory_equal(answer, "HELLO ", 6);
                peer_send_bytes(fd, "world", 5);
                assert_int_equal(recv(fd, answer, 5, MSG_WAITALL), 5);
                assert_memory_equal(answer, "WORLD", 5);
        }
        fixture_expect_well(*state);
}

/* The reply lies behind others that the peer does not read: it goes before the hand-over. */
static void a_lost_upgrade_is_told(void **state) {
        enum {
                REQUESTS = 12,
                SIZE = 30000
        };
        Fixture *fixture = *state;
        _cleanup_buffer_ Buffer requests = BUFFER_INIT;
        int fd = fixture_connect(fixture);

        for (int i = 0; i < REQUESTS; i++) {
                buffer_printf(&requests,
                              "{\"method\":\"" T "Echo\",\"parameters\":{\"text\":\"%0*d\"}}", SIZE,
                              i);
                buffer_append_byte(&requests, '\0');
        }
        peer_send_bytes(fd, requests.data, requests.size);
        peer_send_text(fd, "{\"method\":\"" T "Shout\",\"upgrade\":true}");
        for (int i = 0; i < 100; i++)
                fixture_expect_well(fixture); /* turns of the loop */
        assert_int_equal(fixture->upgrades_lost, 0);
        close(fd);
        fixture_await(&fixture->upgrades_lost, 1);
}

static void an_upgrade_must_be_asked_for(void **state) {
        _cleanup_close_ int fd = fixture_connect(*state);

        peer_send_text(fd, "{\"method\":\"" T "Shout\"}");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"go on\"}}");
        peer_expect_well(fd);
        peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{},\"upgrade\":true}");
        peer_expect_text(fd, "{\"parameters\":{\"text\":\"\"}}");
        peer_expect_well(fd);
}

/* --- who may --------------------------------------------------------------------------------- */

static void strangers_are_denied(void **state) {
        static const uid_t somebody = 12345;
        Fixture fixture = { .options = { .allowed_uids = &somebody, .allowed_uids_count = 1 } };
        static const char denied[] = "{\"parameters\":{},\"error\":"
                                     "\"org.varlink.service.PermissionDenied\"}";

        (void)state;
        fixture_start(&fixture);
        int fd = fixture_connect(&fixture);
        peer_send_text(fd, "{\"method\":\"" T "Echo\",\"parameters\":{}}");
        peer_expect_text(fd, denied);
        peer_send_text(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
        peer_expect_text(fd, denied);
        close(fd);
        fixture_stop(&fixture);
}

static void the_right_user_may(void **state) {
        const uid_t me = geteuid();
        Fixture fixture = { .options = { .allowed_uids = &me, .allowed_uids_count = 1 } };

        (void)state;
        fixture_start(&fixture);
        fixture_expect_well(&fixture);
        fixture_stop(&fixture);
}

/* --- the service as a whole ------------------------------------------------------------------- */

static void a_stopping_service_cancels_everything(void **state) {
        Fixture *fixture = *state;
        int fds[20];

        for (int i = 0; i < 20; i++) {
                fds[i] = fixture_connect(fixture);
                peer_send_text(fds[i],
                               i % 2 ? "{\"method\":\"" T "Wait\"}"
                                     : "{\"method\":\"" T "Flood\",\"more\":true,"
                                       "\"parameters\":{\"count\":1000000,\"size\":10000}}");
        }
        fixture_expect_well(fixture);
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
        peer_expect_well(fd);
        peer_expect_well(other);
        assert_int_equal(fixture->busy, 1);
        close(fd);
        peer_expect_well(other);
        assert_int_equal(fixture->idle, 0);
        close(other);
        fixture_await(&fixture->idle, 1);
        fixture_expect_well(fixture);
        fixture_await(&fixture->idle, 2);
        assert_int_equal(fixture->busy, 2);
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
                TEST(oneway_calls_outlive_a_reset),
                TEST(more_streams_replies),
                TEST(a_reply_to_one_peer_may_come_from_anothers_call),
                TEST(an_upgraded_connection_changes_hands),
                TEST(a_lost_upgrade_is_told),
                TEST(an_upgrade_must_be_asked_for),
                cmocka_unit_test(strangers_are_denied),
                cmocka_unit_test(the_right_user_may),
                TEST(a_stopping_service_cancels_everything),
                TEST(busy_is_told_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
