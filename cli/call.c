/* SPDX-License-Identifier: Apache-2.0 */

/* selkie call: one method, its parameters as JSON, its replies as JSON. */

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/reply.h"
#include "cli/target.h"
#include "varlink/server.h"

/* All of standard input, at most a message; NULL after telling why. */
static char *read_input(void) {
        Buffer text = BUFFER_INIT;

        for (;;) {
                char *p = buffer_reserve(&text, 64 * 1024);
                ssize_t n = p ? read(STDIN_FILENO, p, 64 * 1024) : -1;
                if (n == 0)
                        break;
                if (n < 0 && p && errno == EINTR)
                        continue;
                if (n > 0)
                        text.size += (size_t)n;
                if (n < 0 || text.size > VARLINK_MESSAGE_MAX) {
                        (void)command_fail("cannot read parameters: %s",
                                           strerror(n < 0 ? errno : EFBIG));
                        buffer_done(&text);
                        return NULL;
                }
        }
        return buffer_take_string(&text);
}

static json_t *parse_parameters(const char *text) {
        json_error_t error;
        json_t *parameters = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

        if (!parameters) {
                (void)command_fail("parameters are no JSON: line %d, column %d: %s", error.line,
                                   error.column, error.text);
        } else if (!json_is_object(parameters)) {
                (void)command_fail("parameters are no JSON object");
                json_decref(parameters);
                parameters = NULL;
        }
        return parameters;
}

static json_t *get_parameters(const char *argument) {
        _cleanup_free_ char *input = NULL;

        if (!argument)
                return json_object();
        if (!text_equal(argument, "-"))
                return parse_parameters(argument);
        input = read_input();
        return input ? parse_parameters(input) : NULL;
}

/* Prints replies until the last. */
static int print_replies(VarlinkClient *client, const char *address) {
        for (bool continues = true; continues;) {
                VarlinkReply reply;
                int r = varlink_client_receive(client, &reply);
                if (r < 0)
                        return reply_fail(address, r);
                r = reply.error ? reply_print_error(&reply) : reply_print(&reply);
                continues = reply.continues;
                varlink_reply_done(&reply);
                if (r != COMMAND_OK)
                        return r;
        }
        return COMMAND_OK;
}

static int call(const Target *target, json_t *parameters, unsigned flags) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = NULL;
        int r = target_connect(target->address, &client);

        if (r != COMMAND_OK)
                return r;
        r = varlink_client_send(client, target->name, parameters, flags);
        if (r < 0)
                return reply_fail(target->address, r);
        return flags & VARLINK_CALL_ONEWAY ? COMMAND_OK : print_replies(client, target->address);
}

static bool is_method_name(const char *name) {
        const char *dot = strrchr(name, '.');

        return dot && dot > name && dot[1];
}

static int run(int argc, char **argv) {
        static const struct option options[] = {
                { "more", no_argument, NULL, 'm' },
                { "oneway", no_argument, NULL, 'o' },
                { NULL, 0, NULL, 0 },
        };
        _cleanup_target_ Target target = TARGET_INIT;
        unsigned flags = 0;

        for (int option; (option = getopt_long(argc, argv, "m", options, NULL)) >= 0;) {
                if (option == 'm')
                        flags |= VARLINK_CALL_MORE;
                else if (option == 'o')
                        flags |= VARLINK_CALL_ONEWAY;
                else
                        return COMMAND_USAGE;
        }
        if (argc - optind < 1 || argc - optind > 2)
                return command_misused(&command_call, "a method is expected");
        if (target_parse(argv[optind], &target) < 0 || !is_method_name(target.name))
                return command_misused(&command_call, "%s names no method", argv[optind]);

        json_t *parameters = get_parameters(argv[optind + 1]);
        if (!parameters)
                return COMMAND_USAGE;
        int status = call(&target, parameters, flags);
        json_decref(parameters);
        return status;
}

const Command command_call = {
        .name = "call",
        .usage = "call [-m] [--oneway] [ADDRESS/]INTERFACE.METHOD [JSON|-]",
        .summary = "call a method; -m takes several replies",
        .run = run,
};
