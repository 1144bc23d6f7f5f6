/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client of org.varlink.certification: certification-client --varlink=ADDRESS, `exec:COMMAND`
 * included.
 *
 * Calls every method in order through the generated types, with what the one before returned.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "org.varlink.certification.client.h"

#define MORE_REPLIES_MAX 100

/* Everything that was returned lives until the end. */
typedef struct Session {
        VarlinkClient *client;
        Arena arena;
        VarlinkReply replies[_ORG_VARLINK_CERTIFICATION_METHOD_MAX + MORE_REPLIES_MAX];
        size_t replies_count;
} Session;

static VarlinkReply *next_reply(Session *session) {
        return &session->replies[session->replies_count++];
}

/* Says what happened to a call; returns whether it went well. */
static bool report(const char *name, int r, const VarlinkReply *reply) {
        if (r == 0) {
                printf("%s: ok\n", name);
                return true;
        }
        if (r == 1 && reply) {
                _cleanup_free_ char *parameters = json_dumps(reply->parameters, JSON_COMPACT);
                fprintf(stderr, "%s: %s %s\n", name, reply->error, parameters ? parameters : "");
        } else {
                fprintf(stderr, "%s: %s\n", name,
                        r == -EPIPE     ? "the service ended the connection"
                        : r == -EBADMSG ? "the answer is not what the interface says"
                                        : strerror(-r));
        }
        return false;
}

/* One step: the fields of its arguments besides client_id follow; its result is `out_<name>`. */
#define CALL(name, ...)                                                                    \
        const OrgVarlinkCertification##name##In in_##name = { __VA_ARGS__ };               \
        OrgVarlinkCertification##name##Out out_##name = { .present = { 0 } };              \
        do {                                                                               \
                VarlinkReply *reply = next_reply(session);                                 \
                int r = org_varlink_certification_call_##name(                             \
                        session->client, &in_##name, &session->arena, &out_##name, reply); \
                if (!report(#name, r, reply))                                              \
                        return false;                                                      \
        } while (0)

/* Test10: as many replies as come. */
static bool call_more(Session *session, const OrgVarlinkCertificationTest10In *in,
                      const char **strings, size_t *ret_count) {
        const VlInterface *interface = &org_varlink_certification_interface;
        const VlMethod *method = &interface->methods[ORG_VARLINK_CERTIFICATION_METHOD_Test10];
        size_t count = 0;
        VarlinkReply *reply;

        int r = varlink_client_begin(session->client, interface, method, in, VARLINK_CALL_MORE);
        if (r < 0) {
                (void)report("Test10", r, NULL);
                return false;
        }
        do {
                OrgVarlinkCertificationTest10Out out = { .present = { 0 } };
                reply = next_reply(session);
                r = varlink_client_finish(session->client, method, &session->arena, &out, reply);
                if (r != 0) {
                        (void)report("Test10", r, reply);
                        return false;
                }
                strings[count++] = out.string;
        } while (reply->continues && count < MORE_REPLIES_MAX);
        *ret_count = count;
        return report("Test10", 0, NULL);
}

static bool call_oneway(Session *session, const OrgVarlinkCertificationTest11In *in) {
        const VlInterface *interface = &org_varlink_certification_interface;

        return report(
                "Test11",
                varlink_client_begin(session->client, interface,
                                     &interface->methods[ORG_VARLINK_CERTIFICATION_METHOD_Test11],
                                     in, VARLINK_CALL_ONEWAY),
                NULL);
}

static bool run(Session *session) {
        const char *strings[MORE_REPLIES_MAX];
        size_t count;

        CALL(Start, .present = { 0 });
        const char *id = out_Start.client_id;
        CALL(Test01, .client_id = id);
        CALL(Test02, .client_id = id, .bool_ = out_Test01.bool_);
        CALL(Test03, .client_id = id, .int_ = out_Test02.int_);
        CALL(Test04, .client_id = id, .float_ = out_Test03.float_);
        CALL(Test05, .client_id = id, .string = out_Test04.string);
        CALL(Test06, .client_id = id, .bool_ = out_Test05.bool_, .int_ = out_Test05.int_,
             .float_ = out_Test05.float_, .string = out_Test05.string);
        CALL(Test07, .client_id = id,
             .struct_ = { .bool_ = out_Test06.struct_.bool_,
                          .int_ = out_Test06.struct_.int_,
                          .float_ = out_Test06.struct_.float_,
                          .string = out_Test06.struct_.string });
        CALL(Test08, .client_id = id,
             .map = { out_Test07.map.keys, out_Test07.map.values, out_Test07.map.count });
        CALL(Test09, .client_id = id,
             .set = { out_Test08.set.keys, out_Test08.set.values, out_Test08.set.count });

        const OrgVarlinkCertificationTest10In in_Test10 = { .client_id = id,
                                                            .mytype = out_Test09.mytype };
        if (!call_more(session, &in_Test10, strings, &count))
                return false;
        const OrgVarlinkCertificationTest11In in_Test11 = {
                .client_id = id, .last_more_replies = { strings, count }
        };
        if (!call_oneway(session, &in_Test11))
                return false;
        CALL(End, .client_id = id);
        if (!out_End.all_ok)
                fprintf(stderr, "End: not all was well\n");
        return out_End.all_ok;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "varlink", required_argument, NULL, 'v' },
                { NULL, 0, NULL, 0 },
        };
        const char *address = NULL;
        Session session = { .arena = ARENA_INIT };

        for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
                if (option != 'v')
                        return 2;
                address = optarg;
        }
        if (!address) {
                fprintf(stderr, "usage: certification-client --varlink=ADDRESS\n");
                return 2;
        }
        int r = varlink_client_connect(&session.client, address);
        if (r < 0) {
                fprintf(stderr, "certification-client: cannot connect to %s: %s\n", address,
                        strerror(-r));
                return 1;
        }
        bool is_passed = run(&session);
        for (size_t i = 0; i < session.replies_count; i++)
                varlink_reply_done(&session.replies[i]);
        arena_done(&session.arena);
        varlink_client_free(session.client);
        if (is_passed)
                printf("Certification passed\n");
        return is_passed ? 0 : 1;
}
