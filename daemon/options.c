/* SPDX-License-Identifier: Apache-2.0 */

#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "varlink/address.h"

#define IDLE_TIMEOUT_MAX_S (366 * 24 * 3600)

enum {
        OPTION_ADDRESS = 256,
        OPTION_ROOT,
        OPTION_RUNROOT,
        OPTION_IDLE_TIMEOUT,
        OPTION_LOG_LEVEL,
        OPTION_RUNTIME,
        OPTION_VERSION,
        OPTION_HELP,
};

static const struct option long_options[] = {
        { "address", required_argument, NULL, OPTION_ADDRESS },
        { "root", required_argument, NULL, OPTION_ROOT },
        { "runroot", required_argument, NULL, OPTION_RUNROOT },
        { "idle-timeout", required_argument, NULL, OPTION_IDLE_TIMEOUT },
        { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
        { "runtime", required_argument, NULL, OPTION_RUNTIME },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
};

void options_print_help(void) {
        puts("selkied [OPTION]...\n"
             "Serve io.podman: containers and images over a varlink socket.\n"
             "\n"
             "  --address ADDR      listen there, e.g. unix:/run/podman/io.podman;mode=0600\n"
             "  --root DIR          image and container store\n"
             "  --runroot DIR       what need not survive a reboot\n"
             "  --idle-timeout SEC  end after so long without a connection; 0: never\n"
             "  --log-level L       error, warning, info (default) or debug\n"
             "  --runtime PATH      OCI runtime, instead of crun or runc\n"
             "  --version, --help");
}

static int parse_idle_timeout(const char *text, int64_t *ret, Error *err) {
        char *end;

        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || value < 0 || value > IDLE_TIMEOUT_MAX_S)
                return error_set(err, ERR_INVALID, "--idle-timeout",
                                 "--idle-timeout wants seconds from 0 to %d, not \"%s\"",
                                 IDLE_TIMEOUT_MAX_S, text);
        *ret = value;
        return 0;
}

static int parse_directory(const char *name, const char *text, const char **ret, Error *err) {
        if (!text_starts_with(text, "/"))
                return error_set(err, ERR_INVALID, name, "%s wants an absolute path, not \"%s\"",
                                 name, text);
        *ret = text;
        return 0;
}

/* Only a socket of this host: whoever reaches one of tcp: could do here what root can. */
static int parse_address(const char *text, const char **ret, Error *err) {
        _cleanup_varlink_address_ VarlinkAddress address = VARLINK_ADDRESS_INIT;

        int r = varlink_address_parse(text, &address);
        if (r == -ENAMETOOLONG)
                return error_set(err, ERR_INVALID, "--address",
                                 "the value of --address is longer than an address can be");
        if (r < 0 && r != -EINVAL)
                return error_errno(err, ERR_INVALID, -r, "--address", "cannot read --address");
        if (r < 0 ||
            (address.kind != VARLINK_ADDRESS_FILE && address.kind != VARLINK_ADDRESS_ABSTRACT))
                return error_set(err, ERR_INVALID, "--address",
                                 "--address wants unix:PATH or unix:@NAME, not \"%s\"", text);
        if (address.kind == VARLINK_ADDRESS_FILE && address.name[0] != '/')
                return error_set(err, ERR_INVALID, "--address",
                                 "--address wants an absolute path, not \"%s\"", address.name);
        *ret = text;
        return 0;
}

static int take_option(int option, const char *value, Options *options, Error *err) {
        switch (option) {
        case OPTION_ADDRESS:
                return parse_address(value, &options->address, err);
        case OPTION_ROOT:
                return parse_directory("--root", value, &options->graph_root, err);
        case OPTION_RUNROOT:
                return parse_directory("--runroot", value, &options->run_root, err);
        case OPTION_IDLE_TIMEOUT:
                return parse_idle_timeout(value, &options->idle_timeout_s, err);
        case OPTION_LOG_LEVEL:
                if (log_level_parse(value, &options->log_level) < 0)
                        return error_set(err, ERR_INVALID, "--log-level",
                                         "--log-level is error, warning, info or debug, not \"%s\"",
                                         value);
                return 0;
        case OPTION_RUNTIME:
                return parse_directory("--runtime", value, &options->runtime, err);
        case OPTION_VERSION:
                options->wants_version = true;
                return 0;
        default:
                options->wants_help = true;
                return 0;
        }
}

int options_parse(int argc, char **argv, Options *ret, Error *err) {
        Options options = { .idle_timeout_s = -1, .log_level = LOG_LEVEL_INFO };
        int option;

        opterr = 0;
        optind = 1;
        while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
                if (option == ':')
                        return error_set(err, ERR_INVALID, argv[optind - 1],
                                         "option %s wants a value", argv[optind - 1]);
                if (option == '?')
                        return error_set(err, ERR_INVALID, argv[optind - 1],
                                         "unknown option %s; --help lists them", argv[optind - 1]);
                if (optarg && !text_is_line(optarg))
                        return error_set(err, ERR_INVALID, argv[optind - 1],
                                         "the value of an option must be UTF-8 without control "
                                         "characters, unlike \"%s\"",
                                         optarg);
                if (take_option(option, optarg, &options, err) < 0)
                        return -1;
        }
        if (optind < argc)
                return error_set(err, ERR_INVALID, argv[optind],
                                 "unexpected argument \"%s\": selkied takes options only",
                                 argv[optind]);
        *ret = options;
        return 0;
}
