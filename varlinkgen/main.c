/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varlinkgen - the compiler from interface text to C.
 *
 * Reads one .varlink file and writes the texts that are asked for. A file that is refused is named
 * with line and column, as compilers do, and nothing is written.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "varlinkgen/output.h"

static const char usage[] = "Usage: varlinkgen INPUT.varlink [--header=FILE] [--source=FILE] "
                            "[--server=FILE] [--client=FILE]\n"
                            "\n"
                            "Compiles a varlink interface to C:\n"
                            "  --header=FILE  typed structs, handlers, declarations\n"
                            "  --source=FILE  the tables of the interface\n"
                            "  --server=FILE  typed replies and errors\n"
                            "  --client=FILE  typed calls, a header\n"
                            "Without any of them the text is only checked.\n";

typedef struct Output {
        const char *option; /* with its "=" */
        void (*write)(const Model *model, Buffer *out);
        const char *path; /* NULL: not asked for */
} Output;

typedef struct Options {
        const char *input;
        Output outputs[4];
} Options;

static int parse_options(int argc, char **argv, Options *options) {
        for (int i = 1; i < argc; i++) {
                bool is_output = false;
                for (size_t j = 0; j < ARRAY_SIZE(options->outputs) && !is_output; j++) {
                        const char *value = text_starts_with(argv[i], options->outputs[j].option);
                        is_output = value != NULL;
                        if (is_output)
                                options->outputs[j].path = value;
                }
                if (is_output)
                        continue;
                if (argv[i][0] == '-' || options->input)
                        return -EINVAL;
                options->input = argv[i];
        }
        return options->input ? 0 : -EINVAL;
}

static int write_output(const Model *model, const Output *output) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        output->write(model, &text);
        int r = buffer_failed(&text) ? -ENOMEM
                                     : file_write_atomic_at(AT_FDCWD, output->path, text.data,
                                                            text.size, 0644, false);
        if (r < 0)
                fprintf(stderr, "varlinkgen: cannot write %s: %s\n", output->path, strerror(-r));
        return r;
}

static int compile(const Options *options, const char *text, size_t size, Arena *arena) {
        IdlError error;
        const Idl *idl;
        Model model = { .names = MAP_INIT };

        int r = idl_parse(text, size, arena, &idl, &error);
        if (r >= 0)
                r = model_init(&model, idl, text, size, basename(options->input), arena, &error);
        if (r < 0)
                fprintf(stderr, "%s:%u:%u: %s\n", options->input, error.position.line,
                        error.position.column, error.text);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(options->outputs); i++)
                if (options->outputs[i].path)
                        r = write_output(&model, &options->outputs[i]);
        model_done(&model);
        return r;
}

int main(int argc, char **argv) {
        Options options = { .outputs = {
                                    { .option = "--header=", .write = output_header },
                                    { .option = "--source=", .write = output_source },
                                    { .option = "--server=", .write = output_server },
                                    { .option = "--client=", .write = output_client },
                            } };
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (argc == 2 && text_equal(argv[1], "--help")) {
                fputs(usage, stdout);
                return EXIT_SUCCESS;
        }
        if (parse_options(argc, argv, &options) < 0) {
                fputs(usage, stderr);
                return 2;
        }
        int r = file_read_at(AT_FDCWD, options.input, IDL_TEXT_MAX, &text, &size);
        if (r < 0) {
                fprintf(stderr, "varlinkgen: cannot read %s: %s\n", options.input, strerror(-r));
                return EXIT_FAILURE;
        }
        return compile(&options, text, size, &arena) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
