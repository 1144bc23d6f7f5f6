/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The service of org.varlink.certification: certification-server --varlink=ADDRESS, or socket
 * activation.
 *
 * A client has to make thirteen calls in order, each with exactly what the one before returned.
 * What a step wants and gives is data: JSON, which goes through the codec into the generated
 * structs and back, so every type of the language passes both ways.
 */

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "org.varlink.certification.h"
#include "varlink/activation.h"
#include "varlink/codec.h"
#include "varlink/server.h"

#define CLIENT_ID_SIZE 32
#define CLIENTS_MAX    1000 /* that may be under way; the oldest is forgotten */
#define MORE_REPLIES   10

#define STRUCT_TEXT \
        "\"bool\":false,\"int\":2,\"float\":3.141592653589793,\"string\":\"a lot of string\""
#define MAP_TEXT "{\"foo\":\"Foo\",\"bar\":\"Bar\"}"
#define SET_TEXT "{\"one\":{},\"two\":{},\"three\":{}}"
#define MYTYPE_TEXT                                                                              \
        "{\"object\":{\"method\":\"org.varlink.certification.Test09\",\"parameters\":{"          \
        "\"map\":" MAP_TEXT                                                                      \
        "}},\"enum\":\"two\",\"struct\":{\"first\":1,\"second\":\"2\"},\"array\":["              \
        "\"one\",\"two\",\"three\"],\"dictionary\":" MAP_TEXT ",\"stringset\":" SET_TEXT         \
        ",\"interface\":{\"foo\":[null,{\"foo\":\"foo\",\"bar\":\"bar\"},null,{\"one\":\"foo\"," \
        "\"two\":\"bar\"}],\"anon\":{\"foo\":true,\"bar\":false}}}"
#define REPLIES_TEXT                                                                    \
        "[\"Reply number 1\",\"Reply number 2\",\"Reply number 3\",\"Reply number 4\"," \
        "\"Reply number 5\",\"Reply number 6\",\"Reply number 7\",\"Reply number 8\","  \
        "\"Reply number 9\",\"Reply number 10\"]"

/* Parameters of a step besides client_id, and of its reply. */
typedef struct Step {
        const char *wants, *gives;
        bool more, oneway;
} Step;

#define METHOD(name) ORG_VARLINK_CERTIFICATION_METHOD_##name
static const Step steps[_ORG_VARLINK_CERTIFICATION_METHOD_MAX] = {
        [METHOD(Test01)] = { .wants = "{}", .gives = "{\"bool\":true}" },
        [METHOD(Test02)] = { .wants = "{\"bool\":true}", .gives = "{\"int\":1}" },
        [METHOD(Test03)] = { .wants = "{\"int\":1}", .gives = "{\"float\":1.0}" },
        [METHOD(Test04)] = { .wants = "{\"float\":1.0}", .gives = "{\"string\":\"ping\"}" },
        [METHOD(Test05)] = { .wants = "{\"string\":\"ping\"}", .gives = "{" STRUCT_TEXT "}" },
        [METHOD(Test06)] = { .wants = "{" STRUCT_TEXT "}",
                             .gives = "{\"struct\":{" STRUCT_TEXT "}}" },
        [METHOD(Test07)] = { .wants = "{\"struct\":{" STRUCT_TEXT "}}",
                             .gives = "{\"map\":" MAP_TEXT "}" },
        [METHOD(Test08)] = { .wants = "{\"map\":" MAP_TEXT "}", .gives = "{\"set\":" SET_TEXT "}" },
        [METHOD(Test09)] = { .wants = "{\"set\":" SET_TEXT "}",
                             .gives = "{\"mytype\":" MYTYPE_TEXT "}" },
        [METHOD(Test10)] = { .wants = "{\"mytype\":" MYTYPE_TEXT "}", .more = true },
        [METHOD(Test11)] = { .wants = "{\"last_more_replies\":" REPLIES_TEXT "}",
                             .gives = "{}",
                             .oneway = true },
        [METHOD(End)] = { .wants = "{}", .gives = "{\"all_ok\":true}" },
};

/* Somebody who called Start and did not come to End yet. */
typedef struct Client {
        List clients;
        char id[CLIENT_ID_SIZE + 1];
        size_t next; /* method */
} Client;

typedef struct Certification {
        List clients; /* oldest first */
        size_t clients_count;
} Certification;

/* --- clients --------------------------------------------------------------------------------- */

static Client *find_client(Certification *certification, const char *id) {
        LIST_FOREACH (it, &certification->clients) {
                Client *client = container_of(it, Client, clients);
                if (text_equal(client->id, id))
                        return client;
        }
        return NULL;
}

static void forget_client(Certification *certification, Client *client) {
        list_remove(&client->clients);
        certification->clients_count--;
        free(client);
}

static Client *add_client(Certification *certification) {
        Client *client = xnew(Client, 1);

        if (certification->clients_count == CLIENTS_MAX)
                forget_client(certification,
                              container_of(certification->clients.next, Client, clients));
        random_hex(client->id, CLIENT_ID_SIZE);
        client->next = METHOD(Test01);
        list_append(&certification->clients, &client->clients);
        certification->clients_count++;
        return client;
}

/* --- steps ----------------------------------------------------------------------------------- */

/* A request as it is on the wire: what an error shows, and what is compared. */
static json_t *make_request(size_t method, json_t *take_parameters, bool more, bool oneway) {
        _cleanup_free_ char *name =
                xasprintf("%s.%s", org_varlink_certification_interface.name,
                          org_varlink_certification_interface.methods[method].name);
        json_t *request = json_pack("{s:s, s:o}", "method", name, "parameters", take_parameters);

        if (more)
                json_object_set_new(request, "more", json_true());
        if (oneway)
                json_object_set_new(request, "oneway", json_true());
        return request;
}

static json_t *make_wanted_request(size_t method, const char *client_id) {
        json_t *parameters = json_loads(steps[method].wants, 0, NULL);

        json_object_set_new(parameters, "client_id", json_string(client_id));
        return make_request(method, parameters, steps[method].more, steps[method].oneway);
}

static json_t *make_received_request(const VarlinkCall *call, size_t method, const void *in) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        codec_encode(org_varlink_certification_interface.methods[method].in, in, &text);
        return make_request(method, json_loadb(text.data, text.size, 0, NULL),
                            varlink_call_wants_more(call), varlink_call_is_oneway(call));
}

/* Whether the call is the one that is due, exactly; otherwise it was answered with an error. */
static bool check(VarlinkCall *call, Certification *certification, size_t method, const char *id,
                  const void *in) {
        Client *client = find_client(certification, id);

        if (!client || client->next != method) {
                (void)org_varlink_certification_error_ClientIdError(call);
                return false;
        }
        json_t *wants = make_wanted_request(method, id);
        json_t *got = make_received_request(call, method, in);
        bool is_equal = json_equal(wants, got);
        if (is_equal) {
                client->next = method + 1;
        } else {
                const OrgVarlinkCertificationCertificationError error = { .wants = wants,
                                                                          .got = got };
                (void)org_varlink_certification_error_CertificationError(call, &error);
                forget_client(certification, client);
        }
        json_decref(wants);
        json_decref(got);
        return is_equal;
}

static void reply_json(VarlinkCall *call, size_t method, const char *text) {
        const VlType *type = org_varlink_certification_interface.methods[method].out;
        Arena *arena = varlink_call_arena(call);
        void *out = arena_alloc(arena, type->size);
        json_t *object = json_loads(text, 0, NULL);
        char path[CODEC_PATH_MAX];

        if (codec_decode(type, object, CODEC_STRICT, arena, out, path) < 0)
                log_error("the reply's own table is wrong at %s", path);
        else
                (void)varlink_call_reply(call, type, out, false);
        json_decref(object);
}

static void start(VarlinkCall *call, const OrgVarlinkCertificationStartIn *in, void *userdata) {
        const OrgVarlinkCertificationStartOut out = { .client_id = add_client(userdata)->id };

        (void)in;
        (void)org_varlink_certification_reply_Start(call, &out);
}

#define DEFINE_STEP(name)                                                                     \
        static void do_##name(VarlinkCall *call, const OrgVarlinkCertification##name##In *in, \
                              void *userdata) {                                               \
                if (check(call, userdata, METHOD(name), in->client_id, in))                   \
                        reply_json(call, METHOD(name), steps[METHOD(name)].gives);            \
        }
DEFINE_STEP(Test01)
DEFINE_STEP(Test02)
DEFINE_STEP(Test03)
DEFINE_STEP(Test04)
DEFINE_STEP(Test05)
DEFINE_STEP(Test06)
DEFINE_STEP(Test07)
DEFINE_STEP(Test08)
DEFINE_STEP(Test09)
DEFINE_STEP(Test11)

static void do_Test10(VarlinkCall *call, const OrgVarlinkCertificationTest10In *in,
                      void *userdata) {
        char text[sizeof("Reply number 10")];
        const OrgVarlinkCertificationTest10Out out = { .string = text };

        if (!check(call, userdata, METHOD(Test10), in->client_id, in))
                return;
        for (int i = 1; i < MORE_REPLIES; i++) {
                (void)snprintf(text, sizeof(text), "Reply number %d", i);
                (void)org_varlink_certification_continue_Test10(call, &out);
        }
        (void)snprintf(text, sizeof(text), "Reply number %d", MORE_REPLIES);
        (void)org_varlink_certification_reply_Test10(call, &out);
}

static void do_End(VarlinkCall *call, const OrgVarlinkCertificationEndIn *in, void *userdata) {
        if (!check(call, userdata, METHOD(End), in->client_id, in))
                return;
        forget_client(userdata, find_client(userdata, in->client_id));
        reply_json(call, METHOD(End), steps[METHOD(End)].gives);
}

static const OrgVarlinkCertificationHandlers handlers = {
        .Start = start,
        .Test01 = do_Test01,
        .Test02 = do_Test02,
        .Test03 = do_Test03,
        .Test04 = do_Test04,
        .Test05 = do_Test05,
        .Test06 = do_Test06,
        .Test07 = do_Test07,
        .Test08 = do_Test08,
        .Test09 = do_Test09,
        .Test10 = do_Test10,
        .Test11 = do_Test11,
        .End = do_End,
};

/* --- the program ----------------------------------------------------------------------------- */

static int listen_somewhere(VarlinkServer *server, const char *address) {
        int fd = varlink_activation_take();

        if (fd >= 0)
                return varlink_server_listen_fd(server, fd);
        if (fd != -ENOENT)
                return fd;
        return address ? varlink_server_listen(server, address) : -EDESTADDRREQ;
}

static int end_on_signal(Loop *loop, int signal_number, sigset_t *mask) {
        (void)sigaddset(mask, signal_number);
        (void)sigprocmask(SIG_BLOCK, mask, NULL);
        return sd_event_add_signal(loop_event(loop), NULL, signal_number, NULL, NULL);
}

static int serve(const char *address) {
        _cleanup_(loop_freep)
        Loop *loop = NULL;
        _cleanup_(varlink_server_freep)
        VarlinkServer *server = NULL;
        Certification certification = { .clients_count = 0 };
        const VarlinkServerOptions options = {
                .vendor = "Selkie",
                .product = "certification-server",
                .version = "1",
                .url = "https://varlink.org",
        };
        sigset_t mask;

        list_init(&certification.clients);
        (void)sigemptyset(&mask);
        int r = loop_new(&loop);
        if (r >= 0)
                r = end_on_signal(loop, SIGTERM, &mask);
        if (r >= 0)
                r = end_on_signal(loop, SIGINT, &mask);
        if (r >= 0)
                r = varlink_server_new(&server, loop, &options);
        if (r >= 0)
                r = varlink_server_add_interface(server, &org_varlink_certification_interface,
                                                 &handlers, &certification);
        if (r >= 0)
                r = listen_somewhere(server, address);
        if (r >= 0)
                r = loop_run(loop);
        server = varlink_server_free(server);
        LIST_FOREACH (it, &certification.clients)
                forget_client(&certification, container_of(it, Client, clients));
        return r;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "varlink", required_argument, NULL, 'v' },
                { NULL, 0, NULL, 0 },
        };
        const char *address = NULL;

        for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
                if (option != 'v')
                        return 2;
                address = optarg;
        }
        int r = serve(address);
        if (r < 0)
                fprintf(stderr, "certification-server: cannot serve on %s: %s\n",
                        address ? address : "an inherited socket", strerror(-r));
        return r < 0 ? 1 : 0;
}
