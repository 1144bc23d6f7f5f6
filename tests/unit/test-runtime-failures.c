/* SPDX-License-Identifier: Apache-2.0 */

/* Runtimes and monitors that fail: their words, and what they leave. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "tests/unit/runtime-fixture.h"

/* A runtime that is a script, for what real ones do not do on demand. */
static void use_script(Fixture *fixture, const char *script) {
        _cleanup_free_ char *path = xasprintf("%s/script", fixture->scratch.path);
        _cleanup_free_ char *text = xasprintf("#!/bin/sh\n%s\n", script);

        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0755, false), 0);
        fixture_use(fixture, path);
}

static void words_of_a_failing_runtime(void **state) {
        const char *const args[] = { "x", NULL };
        Box box;
        Error err = ERROR_INIT;

        /* plain text, bytes that are no UTF-8, control bytes, white space around it */
        use_script(*state, "printf '  bad \\377\\033 news\\n\\n' >&2; exit 1");
        box_open(&box, *state);
        assert_true(box_create(&box, args, &err) < 0);
        assert_string_equal(err.text, "bad ?  news");
        box_close(&box);

        /* the last error of a log counts, not a warning after it */
        use_script(*state, "for a; do case $a in --log=*) log=${a#--log=};; esac; done\n"
                           "echo '{\"level\":\"error\",\"msg\":\"first\"}' >>$log\n"
                           "echo '{\"level\":\"error\",\"msg\":\"second \\\"one\\\"\"}' >>$log\n"
                           "echo '{\"level\":\"warning\",\"msg\":\"third\"}' >>$log; exit 1");
        box_open(&box, *state);
        assert_true(box_create(&box, args, &err) < 0);
        assert_string_equal(err.text, "second \"one\"");
        box_close(&box);

        /* nothing at all, and more than anybody wants */
        use_script(*state, "exit 1");
        box_open(&box, *state);
        assert_true(box_create(&box, args, &err) < 0);
        assert_non_null(strstr(err.text, "script create failed"));
        box_close(&box);
        use_script(*state, "head -c 20000 /dev/zero | tr '\\0' x >&2; exit 1");
        box_open(&box, *state);
        assert_true(box_create(&box, args, &err) < 0);
        assert_in_range(strlen(err.text), 1000, 1024);
        box_close(&box);
        assert_true(runtime_start(((Fixture *)*state)->runtime, "x", &err) < 0);
        assert_in_range(strlen(err.text), 1000, 1024);
}

static void *kill_monitor(void *userdata) {
        const Box *box = userdata;
        _cleanup_free_ char *path = xasprintf("%s/conmon.pid", box->run_dir);
        _cleanup_free_ char *ready = xasprintf("%s/ready", box->bundle);
        int64_t pid;

        while (access(ready, F_OK) < 0 || file_read_int64(AT_FDCWD, path, &pid) < 0)
                (void)poll(NULL, 0, 5);
        (void)unlink(ready);
        (void)kill((pid_t)pid, SIGKILL);
        return NULL;
}

static void monitor_that_dies(void **state) {
        const char *const args[] = { "x", NULL };
        pthread_t thread;
        Box box;
        Error err = ERROR_INIT;

        use_script(*state, "case \"$*\" in *create*) touch ready; exec sleep 1000;; esac");
        box_open(&box, *state);
        assert_int_equal(pthread_create(&thread, NULL, kill_monitor, &box), 0);
        assert_true(box_create(&box, args, &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_int_equal(pthread_join(thread, NULL), 0);
        box_close(&box);
}

static void choice_of_the_runtime(void **state) {
        Fixture *fixture = *state;
        const char *const none[] = { "/nonexistent/crun", "relative", "/etc/passwd", NULL };
        const char *const both[] = { "/nonexistent/crun", "/usr/bin/crun", "/usr/sbin/runc", NULL };
        _cleanup_free_ char *notice = NULL;
        Runtime *runtime = NULL;
        Error err = ERROR_INIT;
        RuntimeOptions options = { .candidates = none, .exits_dir = fixture->exits_dir };

        assert_true(runtime_open(&runtime, &options, &notice, &err) < 0);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "/nonexistent/crun, relative, /etc/passwd"));
        assert_null(notice);

        options.candidates = both;
        options.monitor_path = "/nonexistent/conmon";
        assert_true(runtime_open(&runtime, &options, &notice, &err) < 0);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, "conmon"));

        options.monitor_path = NULL;
        free(TAKE_PTR(notice));
        assert_int_equal(runtime_open(&runtime, &options, &notice, &err), 0);
        bool is_refused = runtime->cgroups.mode == CGROUP_MODE_HYBRID &&
                          runtime->cgroups.has_hybrid_controllers;
        assert_string_equal(runtime->name, is_refused ? "runc" : "crun");
        assert_true((notice != NULL) == is_refused);
        runtime = runtime_free(runtime);

        /* Who names it gets it, and is told. */
        free(TAKE_PTR(notice));
        options.path = "/usr/bin/crun";
        assert_int_equal(runtime_open(&runtime, &options, &notice, &err), 0);
        assert_string_equal(runtime->name, "crun");
        assert_true((notice != NULL) == is_refused);
        runtime_free(runtime);
}

static int run_round(const char *path) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(choice_of_the_runtime, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(words_of_a_failing_runtime, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(monitor_that_dies, fixture_open, fixture_close),
        };

        runtime_path = path;
        return cmocka_run_group_tests_name(path, tests, NULL, NULL);
}

int main(void) {
        return run_with_both(run_round);
}
