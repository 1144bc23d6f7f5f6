/* SPDX-License-Identifier: Apache-2.0 */

/* selkie: a varlink client for people. It has no privileges and knows nothing of the engine. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/command.h"

static const Command *const commands[] = {
        &command_call,
        &command_info,
        &command_help,
        &command_bridge,
};

static _printf_(1, 0) void print_line(const char *fmt, va_list args) {
        (void)fprintf(stderr, "selkie: ");
        (void)vfprintf(stderr, fmt, args);
        (void)fprintf(stderr, "\n");
}

int command_fail(const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        print_line(fmt, args);
        va_end(args);
        return COMMAND_FAILED;
}

int command_misused(const Command *command, const char *fmt, ...) {
        va_list args;
        char text[1024];

        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        (void)fprintf(stderr, "selkie: %s: selkie %s\n", text, command->usage);
        return COMMAND_USAGE;
}

static void print_usage(FILE *stream) {
        (void)fprintf(stream, "usage:\n");
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                (void)fprintf(stream, "  selkie %s\n      %s\n", commands[i]->usage,
                              commands[i]->summary);
        (void)fprintf(
                stream,
                "  selkie --version | --help\n"
                "\n"
                "ADDRESS is unix:PATH, unix:@NAME, tcp:HOST:PORT or exec:COMMAND; without one,\n"
                "$SELKIE_ADDRESS or where the container engine of this user listens.\n");
}

/* What was printed may have failed to arrive before, or does when it is flushed. */
static int finish(int status) {
        bool has_failed = fflush(stdout) != 0 || ferror(stdout);

        if (has_failed && status == COMMAND_OK)
                return command_fail("cannot write to standard output");
        return status;
}

int main(int argc, char **argv) {
        const char *name = argc > 1 ? argv[1] : "";

        if (text_equal(name, "--version")) {
                printf("selkie %s\n", SELKIE_VERSION);
                return finish(COMMAND_OK);
        }
        if (text_equal(name, "--help") || text_equal(name, "-h")) {
                print_usage(stdout);
                return finish(COMMAND_OK);
        }
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (text_equal(commands[i]->name, name)) {
                        /* getopt() names the program by this in what it prints. */
                        argv[1] = argv[0];
                        return finish(commands[i]->run(argc - 1, argv + 1));
                }
        if (*name)
                (void)fprintf(stderr, "selkie: there is no command %s\n", name);
        print_usage(stderr);
        return COMMAND_USAGE;
}
