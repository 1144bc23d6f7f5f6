/* SPDX-License-Identifier: Apache-2.0 */

/* The life of containers under conmon, with runc and with crun. */

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

static void life_of_a_container(void **state) {
        Box box;
        pid_t pid;

        box_open(&box, *state);
        Error err = ERROR_INIT;
        if (box_create(&box, SHELL("echo out; echo err >&2; printf part; exit 7"), &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(box_status(&box, &pid), RUNTIME_STATUS_CREATED);
        assert_int_equal(pid, box.monitor.pid);
        assert_int_equal(process_is_same(pid, box.monitor.pid_start), 1);
        assert_int_equal(process_is_same(box.monitor.monitor_pid, box.monitor.monitor_start), 1);
        assert_int_equal(process_is_same(pid, box.monitor.pid_start + 1), 0);
        assert_true(file_exists(box.bundle, "attach"));
        assert_true(file_exists(box.bundle, "ctl"));
        assert_false(file_exists(box.fixture->exits_dir, box.id));

        if (runtime_start(box.fixture->runtime, box.id, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(box_wait(&box), 7);
        assert_int_equal(process_is_same(pid, box.monitor.pid_start), 0);
        assert_int_equal(box_status(&box, NULL), RUNTIME_STATUS_STOPPED);
        assert_false(monitor_saw_oom(box.bundle));
        _cleanup_free_ char *log = box_log(&box);
        assert_non_null(strstr(log, " stdout F out\n"));
        assert_non_null(strstr(log, " stderr F err\n"));
        assert_non_null(strstr(log, " stdout P part\n"));

        assert_int_equal(runtime_delete(box.fixture->runtime, box.id, false, &err), 0);
        assert_int_equal(box_status(&box, NULL), RUNTIME_STATUS_UNKNOWN);
        box_delete(&box, true);
}

static void start_twice(void **state) {
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        box_run(&box, SHELL("exec sleep 100"));
        assert_true(runtime_start(box.fixture->runtime, box.id, &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_string_equal(err.subject, box.id);
        box_delete(&box, true);
}

static void command_that_is_missing(void **state) {
        const char *const args[] = { "/nosuch", NULL };
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        assert_true(box_create(&box, args, &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_string_equal(err.subject, box.id);
        assert_non_null(strstr(err.text, "/nosuch"));
        assert_non_null(strcasestr(err.text, "no such file"));
        assert_null(strstr(err.text, "level"));
        box_close(&box);
}

static void document_that_is_none(void **state) {
        _cleanup_free_ char *path = NULL;
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        path = xasprintf("%s/config.json", box.bundle);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, "{", 1, 0600, false), 0);
        assert_true(monitor_create(box.fixture->runtime, &box.options, &box.monitor, &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_true(strlen(err.text) > 10);
        box_close(&box);
}

static void bundle_that_is_missing(void **state) {
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        box.options.bundle = "/nonexistent/bundle";
        assert_true(monitor_create(box.fixture->runtime, &box.options, &box.monitor, &err) < 0);
        assert_int_equal(err.kind, ERR_IO);
        box_close(&box);
}

static void signals(void **state) {
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        box_run(&box, SHELL("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"));
        for (;;) {
                _cleanup_free_ char *log = box_log(&box);
                if (strstr(log, "ready"))
                        break;
                (void)poll(NULL, 0, 5);
        }
        const MonitorResult monitor = box.monitor;
        assert_int_equal(process_signal(monitor.pid, monitor.pid_start + 1, SIGKILL), -ESRCH);
        assert_int_equal(process_signal(monitor.pid, monitor.pid_start, SIGTERM), 0);
        assert_int_equal(box_wait(&box), 3);
        assert_int_equal(process_signal(monitor.pid, monitor.pid_start, SIGTERM), -ESRCH);
        assert_true(runtime_pause(box.fixture->runtime, box.id, &err) < 0);
        assert_int_equal(err.kind, ERR_NOT_RUNNING);
        assert_true(runtime_resume(box.fixture->runtime, box.id, &err) < 0);
        assert_int_equal(err.kind, ERR_NOT_RUNNING);
        box_delete(&box, false);

        box_open(&box, *state);
        box_run(&box, SHELL("exec sleep 100"));
        assert_int_equal(process_signal(box.monitor.pid, box.monitor.pid_start, SIGKILL), 0);
        assert_int_equal(box_wait(&box), 128 + SIGKILL);
        box_delete(&box, false);
}

/* crun says of a cgroup v1 that is still freezing that it runs. */
static void check_paused(const Box *box) {
        for (int waited_ms = 0; box_status(box, NULL) != RUNTIME_STATUS_PAUSED; waited_ms += 5) {
                assert_in_range(waited_ms, 0, END_MS);
                (void)poll(NULL, 0, 5);
        }
}

static void pause_and_resume(void **state) {
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        box_run(&box, SHELL("exec sleep 100"));
        if (runtime_pause(box.fixture->runtime, box.id, &err) < 0)
                fail_msg("%s", err.text);
        check_paused(&box);
        assert_int_equal(runtime_resume(box.fixture->runtime, box.id, &err), 0);
        assert_int_equal(box_status(&box, NULL), RUNTIME_STATUS_RUNNING);
        assert_true(runtime_delete(box.fixture->runtime, box.id, false, &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_int_equal(runtime_pause(box.fixture->runtime, box.id, &err), 0);
        check_paused(&box);
        assert_int_equal(runtime_delete(box.fixture->runtime, box.id, true, &err), 0);
        assert_int_equal(box_wait(&box), 128 + SIGKILL);
        box_delete(&box, true);
}

static void unknown_container(void **state) {
        Fixture *fixture = *state;
        RuntimeStatus status;
        Error err = ERROR_INIT;
        pid_t pid = 1;

        assert_int_equal(runtime_state(fixture->runtime, "nosuch", &status, &pid, &err), 0);
        assert_int_equal(status, RUNTIME_STATUS_UNKNOWN);
        assert_int_equal(pid, 0);
        assert_int_equal(runtime_delete(fixture->runtime, "nosuch", true, &err), 0);
        assert_int_equal(runtime_delete(fixture->runtime, "nosuch", false, &err), 0);
        assert_true(runtime_start(fixture->runtime, "nosuch", &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_true(runtime_pause(fixture->runtime, "nosuch", &err) < 0);
        assert_int_equal(err.kind, ERR_NOT_RUNNING);
}

static void terminal_and_stdin(void **state) {
        Box box;

        box_open(&box, *state);
        box.options.wants_terminal = true;
        box.options.wants_stdin = true;
        box_run(&box, SHELL("test -t 0 && test -t 1 && echo is a terminal; exit 4"));
        assert_int_equal(box_wait(&box), 4);
        _cleanup_free_ char *log = box_log(&box);
        assert_non_null(strstr(log, "is a terminal"));
        box_delete(&box, false);
}

static void without_log_with_exit_command(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *mark = xasprintf("%s/mark", fixture->scratch.path);
        const char *const command[] = { "/usr/bin/touch", mark, NULL };
        _cleanup_free_ char *pid_file = xasprintf("%s/own.pid", fixture->scratch.path);
        int64_t pid;
        Box box;

        box_open(&box, fixture);
        box.options.log_path = NULL;
        box.options.exit_command = command;
        box.options.conmon_pidfile = pid_file;
        box_run(&box, SHELL("true"));
        assert_int_equal(file_read_int64(AT_FDCWD, pid_file, &pid), 0);
        assert_int_equal(pid, box.monitor.monitor_pid);
        assert_int_equal(box_wait(&box), 0);
        assert_int_equal(access(mark, F_OK), 0);
        assert_int_equal(access(box.log_path, F_OK), -1);
        box_delete(&box, false);
        assert_int_equal(unlink(pid_file), 0);
}

/* A runtime that this program does not know is asked to start; its state is where it was told. */
static void runtime_of_another_name(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *other = xasprintf("%s/other", fixture->scratch.path);
        Box box;

        assert_int_equal(symlink(runtime_path, other), 0);
        fixture_use(fixture, other);
        assert_string_equal(fixture->runtime->name, "other");
        box_open(&box, fixture);
        box_run(&box, SHELL("exit 5"));
        assert_int_equal(box_wait(&box), 5);
        box_delete(&box, false);
}

/* The monitor is not where the engine's own service would be killed, and leaves no cgroup behind.
 */
static void monitor_has_its_own_cgroup(void **state) {
        Box box;

        box_open(&box, *state);
        box_run(&box, SHELL("exec sleep 100"));
        _cleanup_free_ char *path = xasprintf("/proc/%d/cgroup", (int)box.monitor.monitor_pid);
        _cleanup_free_ char *text = NULL;
        size_t moved = 0, own = 0;
        assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, NULL), 0);
        for (const char *p = text; (p = strstr(p, ":" CGROUP_PARENT "/conmon\n")); p++)
                moved++;
        for (size_t i = 0; i < box.fixture->runtime->cgroups.count; i++)
                own += box.fixture->runtime->cgroups.items[i].is_own;
        assert_int_equal(moved, own);
        box_delete(&box, true);
}

static void *run_one(void *userdata) {
        Box *box = userdata;
        Error err = ERROR_INIT;

        if (box_create(box, SHELL("exit 9"), &err) < 0 ||
            runtime_start(box->fixture->runtime, box->id, &err) < 0)
                return xstrdup(err.text);
        return NULL;
}

static void many_at_once(void **state) {
        pthread_t threads[12];
        Box boxes[ARRAY_SIZE(threads)];

        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                box_open(&boxes[i], *state);
                assert_int_equal(pthread_create(&threads[i], NULL, run_one, &boxes[i]), 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                void *failure;
                assert_int_equal(pthread_join(threads[i], &failure), 0);
                if (failure)
                        fail_msg("%s", (char *)failure);
                assert_int_equal(box_wait(&boxes[i]), 9);
                box_delete(&boxes[i], false);
        }
}

static int run_round(const char *path) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(life_of_a_container, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(start_twice, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(command_that_is_missing, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(document_that_is_none, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(bundle_that_is_missing, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(signals, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(pause_and_resume, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(unknown_container, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(terminal_and_stdin, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(without_log_with_exit_command, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(runtime_of_another_name, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(monitor_has_its_own_cgroup, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(many_at_once, fixture_open, fixture_close),
        };

        runtime_path = path;
        return cmocka_run_group_tests_name(path, tests, NULL, NULL);
}

int main(void) {
        return run_with_both(run_round);
}
