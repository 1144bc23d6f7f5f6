/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The compiler from interface text to C, by the files of tests/golden/varlinkgen: what is made of
 * each small-*.varlink is compared byte by byte with the files beside it, and each bad-*.varlink is
 * refused with the position and the sentence of its .expected file. A new case is a new file.
 */

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "base/text.h"
#include "varlinkgen/output.h"

static int golden_fd = -EBADF;

typedef struct Compiled {
        Arena arena;
        char *text;
        size_t size;
        const Idl *idl;
        Model model;
        IdlError error;
        int result;
} Compiled;

static void compiled_done(Compiled *c) {
        model_done(&c->model);
        arena_done(&c->arena);
        free(c->text);
}
#define _cleanup_compiled_ _cleanup_(compiled_done)

static void compile(Compiled *c, const char *name) {
        *c = (Compiled){ .model = { .names = MAP_INIT } };
        assert_int_equal(file_read_at(golden_fd, name, IDL_TEXT_MAX, &c->text, &c->size), 0);
        c->result = idl_parse(c->text, c->size, &c->arena, &c->idl, &c->error);
        if (c->result >= 0)
                c->result =
                        model_init(&c->model, c->idl, c->text, c->size, name, &c->arena, &c->error);
}

/* The content of NAME with its ending replaced. */
static char *read_beside(const char *name, const char *ending) {
        _cleanup_free_ char *path = xasprintf("%.*s%s", (int)strcspn(name, "."), name, ending);
        char *text;

        int r = file_read_at(golden_fd, path, IDL_TEXT_MAX, &text, NULL);
        if (r < 0)
                fail_msg("%s: %s", path, strerror(-r));
        return text;
}

/* Calls @check for each file of the folder that begins so; returns their number. */
static unsigned each_golden(const char *prefix, void (*check)(const char *name)) {
        unsigned count = 0;
        int fd = dup(golden_fd);
        DIR *folder = fdopendir(fd);

        assert_non_null(folder);
        rewinddir(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
                const char *dot = strchr(entry->d_name, '.');
                if (!text_starts_with(entry->d_name, prefix) || !text_equal(dot, ".varlink"))
                        continue;
                check(entry->d_name);
                count++;
        }
        closedir(folder);
        return count;
}

static void check_good(const char *name) {
        static const struct {
                const char *ending;
                void (*write)(const Model *model, Buffer *out);
        } outputs[] = {
                { ".h.expected", output_header },
                { ".c.expected", output_source },
                { ".server.c.expected", output_server },
                { ".client.h.expected", output_client },
        };
        _cleanup_compiled_ Compiled c;

        compile(&c, name);
        if (c.result < 0)
                fail_msg("%s:%u:%u: %s", name, c.error.position.line, c.error.position.column,
                         c.error.text);
        for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
                _cleanup_free_ char *expected = read_beside(name, outputs[i].ending);
                Buffer buffer = BUFFER_INIT;
                outputs[i].write(&c.model, &buffer);
                _cleanup_free_ char *text = buffer_take_string(&buffer);
                if (!text_equal(text, expected))
                        fail_msg("%s: %s differs from what is written now:\n%s", name,
                                 outputs[i].ending, text);
        }
}

static void good_interfaces_become_what_is_written(void **state) {
        (void)state;
        assert_true(each_golden("small-", check_good) >= 8);
}

static void check_bad(const char *name) {
        _cleanup_compiled_ Compiled c;
        _cleanup_free_ char *expected = read_beside(name, ".expected");

        compile(&c, name);
        if (c.result >= 0)
                fail_msg("%s was not refused", name);
        assert_int_equal(c.result, -EINVAL);
        _cleanup_free_ char *text = xasprintf("%u:%u: %s\n", c.error.position.line,
                                              c.error.position.column, c.error.text);
        if (!text_equal(text, expected))
                fail_msg("%s: refused with %s instead of %s", name, text, expected);
}

static void bad_interfaces_are_refused_where_they_are(void **state) {
        (void)state;
        assert_true(each_golden("bad-", check_bad) >= 40);
}

/* --- the program ------------------------------------------------------------------------------ */

typedef struct Scratch {
        char path[64];
        int fd;
} Scratch;

static void scratch_init(Scratch *scratch) {
        snprintf(scratch->path, sizeof(scratch->path), "/tmp/test-varlinkgen-XXXXXX");
        assert_non_null(mkdtemp(scratch->path));
        scratch->fd = open(scratch->path, O_DIRECTORY | O_CLOEXEC);
        assert_true(scratch->fd >= 0);
}

static void scratch_done(Scratch *scratch, const char *const *files) {
        for (; *files; files++)
                assert_int_equal(unlinkat(scratch->fd, *files, 0), 0);
        close(scratch->fd);
        assert_int_equal(rmdir(scratch->path), 0);
}

/* Runs varlinkgen in the folder; returns its exit status. */
static int run(const Scratch *scratch, const char *const *arguments, char **ret_output) {
        _cleanup_free_ char *program = xasprintf("%s/varlinkgen/varlinkgen", getenv("BUILD_ROOT"));
        const char *argv[8] = { program };
        Buffer output = BUFFER_INIT;

        for (size_t i = 0; arguments[i]; i++)
                argv[i + 1] = arguments[i];
        const SpawnOptions options = {
                .argv = argv,
                .directory = scratch->path,
                .stdin_fd = -EBADF,
                .stdout_fd = -EBADF,
                .stderr_fd = -EBADF,
        };
        int status = spawn_run(&options, 20000, IDL_TEXT_MAX, &output);
        *ret_output = buffer_take_string(&output);
        return status;
}

static void the_program_writes_what_is_asked_for(void **state) {
        static const char *const arguments[] = { "a.b.varlink", "--header=out.h", "--source=out.c",
                                                 NULL };
        static const char text[] = "interface a.b\nmethod Ping() -> ()\n";
        Scratch scratch;
        struct stat st;

        (void)state;
        scratch_init(&scratch);
        assert_int_equal(file_write_atomic_at(scratch.fd, "a.b.varlink", text, strlen(text), 0644,
                                              false),
                         0);
        _cleanup_free_ char *output = NULL;
        assert_int_equal(run(&scratch, arguments, &output), 0);
        assert_string_equal(output, "");
        _cleanup_free_ char *header = NULL;
        assert_int_equal(file_read_at(scratch.fd, "out.h", IDL_TEXT_MAX, &header, NULL), 0);
        assert_non_null(text_starts_with(header, "/* Generated by varlinkgen from a.b.varlink."));
        assert_non_null(strstr(header, "\ntypedef struct ABPingIn ABPingIn;\n"));
        assert_int_equal(fstatat(scratch.fd, "out.c", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        scratch_done(&scratch, (const char *const[]){ "a.b.varlink", "out.h", "out.c", NULL });
}

static void the_program_refuses_in_one_line(void **state) {
        static const char bad[] = "interface a.b\n\ntype A (foo int)\n";
        static const struct {
                const char *arguments[4];
                int status;
                const char *output;
        } cases[] = {
                { { "sub/../bad.varlink", "--header=out.h" },
                  1,
                  "sub/../bad.varlink:3:13: expected ':' after field name 'foo'\n" },
                { { "none.varlink" },
                  1,
                  "varlinkgen: cannot read none.varlink: No such file or directory\n" },
                { { "good.varlink", "--header=sub/none/out.h" },
                  1,
                  "varlinkgen: cannot write sub/none/out.h: No such file or directory\n" },
                { { "good.varlink", "--unknown" }, 2, "Usage: varlinkgen " },
                { { "good.varlink", "bad.varlink" }, 2, "Usage: varlinkgen " },
                { { NULL }, 2, "Usage: varlinkgen " },
                { { "--help" }, 0, "Usage: varlinkgen " },
        };
        Scratch scratch;

        (void)state;
        scratch_init(&scratch);
        assert_int_equal(mkdirat(scratch.fd, "sub", 0755), 0);
        assert_int_equal(
                file_write_atomic_at(scratch.fd, "bad.varlink", bad, strlen(bad), 0644, false), 0);
        assert_int_equal(file_write_atomic_at(scratch.fd, "good.varlink", bad,
                                              strlen("interface a.b"), 0644, false),
                         0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *output = NULL;
                assert_int_equal(run(&scratch, cases[i].arguments, &output), cases[i].status);
                if (!text_starts_with(output, cases[i].output))
                        fail_msg("%s instead of %s", output, cases[i].output);
        }
        assert_int_equal(unlinkat(scratch.fd, "sub", AT_REMOVEDIR), 0);
        scratch_done(&scratch, (const char *const[]){ "bad.varlink", "good.varlink", NULL });
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_interfaces_become_what_is_written),
                cmocka_unit_test(bad_interfaces_are_refused_where_they_are),
                cmocka_unit_test(the_program_writes_what_is_asked_for),
                cmocka_unit_test(the_program_refuses_in_one_line),
        };
        _cleanup_free_ char *path = xasprintf("%s/tests/golden/varlinkgen", getenv("SOURCE_ROOT"));

        golden_fd = open(path, O_DIRECTORY | O_CLOEXEC);
        if (golden_fd < 0) {
                fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
                return 1;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
