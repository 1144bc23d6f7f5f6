/* SPDX-License-Identifier: Apache-2.0 */

/* selkie info and selkie help: what a service tells about itself. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/reply.h"
#include "cli/target.h"
#include "idl/org.varlink.service.client.h"
#include "varlink/client.h"

/* One typed call that failed: an error reply, or none. */
static int tell_failure(const char *address, int r, VarlinkReply *reply) {
        if (r < 0)
                return reply_fail(address, r);
        r = reply_print_error(reply);
        varlink_reply_done(reply);
        return r;
}

static int print_info(VarlinkClient *client, const char *address) {
        const OrgVarlinkServiceGetInfoIn in = { .present = { 0 } };
        OrgVarlinkServiceGetInfoOut out = { .present = { 0 } };
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        VarlinkReply reply;
        int r = org_varlink_service_call_GetInfo(client, &in, &arena, &out, &reply);

        if (r != 0)
                return tell_failure(address, r, &reply);
        printf("Vendor: %s\nProduct: %s\nVersion: %s\nURL: %s\nInterfaces:\n", out.vendor,
               out.product, out.version, out.url);
        for (size_t i = 0; i < out.interfaces.count; i++)
                printf("  %s\n", out.interfaces.items[i]);
        varlink_reply_done(&reply);
        return COMMAND_OK;
}

static int run_info(int argc, char **argv) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = NULL;
        _cleanup_free_ char *address = NULL;

        if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
                return command_misused(&command_info, "an address is expected");
        address = argc == 2 ? xstrdup(argv[1]) : target_default_address();
        int r = target_connect(address, &client);
        return r != COMMAND_OK ? r : print_info(client, address);
}

static int print_description(VarlinkClient *client, const Target *target) {
        const OrgVarlinkServiceGetInterfaceDescriptionIn in = { .interface = target->name };
        OrgVarlinkServiceGetInterfaceDescriptionOut out = { .description = "" };
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        VarlinkReply reply;
        int r = org_varlink_service_call_GetInterfaceDescription(client, &in, &arena, &out, &reply);

        if (r == 1 && reply.error &&
            text_equal(reply.error, "org.varlink.service.InvalidParameter")) {
                varlink_reply_done(&reply);
                return command_fail("%s has no interface %s", target->address, target->name);
        }
        if (r != 0)
                return tell_failure(target->address, r, &reply);
        size_t length = strlen(out.description);
        printf("%s%s", out.description,
               length > 0 && out.description[length - 1] == '\n' ? "" : "\n");
        varlink_reply_done(&reply);
        return COMMAND_OK;
}

static int run_help(int argc, char **argv) {
        _cleanup_(varlink_client_freep)
        VarlinkClient *client = NULL;
        _cleanup_target_ Target target = TARGET_INIT;

        if (argc != 2 || argv[1][0] == '-' || target_parse(argv[1], &target) < 0)
                return command_misused(&command_help, "an interface is expected");
        int r = target_connect(target.address, &client);
        return r != COMMAND_OK ? r : print_description(client, &target);
}

const Command command_info = {
        .name = "info",
        .usage = "info [ADDRESS]",
        .summary = "who a service is, and its interfaces",
        .run = run_info,
};

const Command command_help = {
        .name = "help",
        .usage = "help [ADDRESS/]INTERFACE",
        .summary = "the text of an interface",
        .run = run_help,
};
