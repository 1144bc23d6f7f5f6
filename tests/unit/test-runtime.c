/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Containers of busybox under the real conmon, with runc and with crun. crun refuses a hybrid
 * cgroup layout with controllers on the v2 side: its turn comes last, in a mount namespace of this
 * process without that side.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/random.h"
#include "base/spawn.h"
#include "oci/runtime_config.h"
#include "runtime/exits.h"
#include "runtime/monitor.h"
#include "scratch.h"

#define END_MS 20000 /* for what is bound to end */

static const char *runtime_path; /* which runtime this round is about */

typedef struct Fixture {
        Scratch scratch;
        char *root, *exits_dir;
        Runtime *runtime;
} Fixture;

/* One container of the fixture's root. */
typedef struct Box {
        Fixture *fixture;
        char id[ID_HEX_SIZE + 1];
        char *bundle, *run_dir, *log_path;
        MonitorOptions options;
        MonitorResult monitor;
} Box;

static void copy_busybox(const char *root) {
        _cleanup_free_ char *bin = xasprintf("%s/bin", root);
        _cleanup_free_ char *target = xasprintf("%s/busybox", bin);
        _cleanup_free_ char *data = NULL;
        size_t size;

        assert_int_equal(mkdir(root, 0755), 0);
        assert_int_equal(mkdir(bin, 0755), 0);
        assert_int_equal(file_read_at(AT_FDCWD, "/bin/busybox", 16 << 20, &data, &size), 0);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, target, data, size, 0755, false), 0);
}

static void open_runtime(Fixture *fixture, const char *path) {
        _cleanup_free_ char *state_dir = xasprintf("%s/state", fixture->scratch.path);
        const RuntimeOptions options = { .path = path,
                                         .exits_dir = fixture->exits_dir,
                                         .state_dir = state_dir };
        Error err = ERROR_INIT;

        if (runtime_open(&fixture->runtime, &options, NULL, &err) < 0)
                fail_msg("%s", err.text);
}

static int fixture_open(void **state) {
        Fixture *fixture = xnew(Fixture, 1);

        scratch_open(&fixture->scratch);
        fixture->root = xasprintf("%s/rootfs", fixture->scratch.path);
        fixture->exits_dir = xasprintf("%s/exits", fixture->scratch.path);
        assert_int_equal(mkdir(fixture->exits_dir, 0700), 0);
        copy_busybox(fixture->root);
        open_runtime(fixture, runtime_path);
        *state = fixture;
        return 0;
}

static bool is_empty(const char *folder) {
        return rmdir(folder) == 0 || errno == ENOENT;
}

/* Nothing of any container may be left in the runtime's state or among the exit files. */
static int fixture_close(void **state) {
        Fixture *fixture = *state;
        bool is_clean = is_empty(fixture->runtime->state_dir) && is_empty(fixture->exits_dir);

        runtime_release_cgroups(fixture->runtime);
        runtime_free(fixture->runtime);
        scratch_close(&fixture->scratch);
        free(fixture->root);
        free(fixture->exits_dir);
        free(fixture);
        return is_clean ? 0 : -1;
}

static char *cgroup_of(const Box *box) {
        return xasprintf("/selkie-test/%s", box->id);
}

static void write_config(const Box *box, const char *const *args, bool has_terminal) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        _cleanup_buffer_ Buffer document = BUFFER_INIT;
        _cleanup_free_ char *path = xasprintf("%s/config.json", box->bundle);
        _cleanup_free_ char *cgroup = cgroup_of(box);
        const char *const environment[] = { "PATH=/bin", NULL };
        Error err = ERROR_INIT;

        runtime_config_set_defaults(&config, &(RuntimeDefaults){ .shm_size_bytes = 0 });
        config.args = args;
        config.env = environment;
        config.root_path = box->fixture->root;
        config.hostname = "box";
        config.has_terminal = has_terminal;
        config.cgroups_path = cgroup;
        if (runtime_config_format(&config, &document, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(
                file_write_atomic_at(AT_FDCWD, path, document.data, document.size, 0600, false), 0);
}

static void box_open(Box *box, Fixture *fixture) {
        *box = (Box){ .fixture = fixture };
        random_hex(box->id, ID_HEX_SIZE);
        box->bundle = xasprintf("%s/%s", fixture->scratch.path, box->id);
        box->run_dir = xasprintf("%s/run", box->bundle);
        box->log_path = xasprintf("%s/ctr.log", box->bundle);
        assert_int_equal(mkdir(box->bundle, 0700), 0);
        assert_int_equal(mkdir(box->run_dir, 0700), 0);
        box->options = (MonitorOptions){ .id = box->id,
                                         .name = "box",
                                         .bundle = box->bundle,
                                         .run_dir = box->run_dir,
                                         .log_path = box->log_path };
}

static int box_create(Box *box, const char *const *args, Error *err) {
        write_config(box, args, box->options.wants_terminal);
        return monitor_create(box->fixture->runtime, &box->options, &box->monitor, err);
}

static void box_run(Box *box, const char *const *args) {
        Error err = ERROR_INIT;

        if (box_create(box, args, &err) < 0 ||
            runtime_start(box->fixture->runtime, box->id, &err) < 0)
                fail_msg("%s", err.text);
}

/* conmon ends after it wrote the exit file. */
static int box_wait(Box *box) {
        struct pollfd poll_fd = { .events = POLLIN };
        int64_t finished_ns;
        int code = -1;

        poll_fd.fd = process_open(box->monitor.monitor_pid, box->monitor.monitor_start);
        if (poll_fd.fd >= 0)
                assert_int_equal(poll(&poll_fd, 1, END_MS), 1);
        (void)fd_close(poll_fd.fd);
        assert_int_equal(exit_read(box->fixture->exits_dir, box->id, &code, &finished_ns, NULL), 1);
        assert_true(finished_ns > 0);
        return code;
}

static bool exists(const char *folder, const char *name) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

        return access(path, F_OK) == 0;
}

/* What create, start and end left in the folders is gone; the cgroup too. */
static void box_check_clean(const Box *box) {
        static const char *const bundle_files[] = { "attach", "ctl", "winsz", "oom" };
        _cleanup_free_ char *cgroup = cgroup_of(box);
        _cleanup_free_ char *pids = xasprintf("/sys/fs/cgroup/pids%s", cgroup);
        _cleanup_free_ char *unified = xasprintf("/sys/fs/cgroup%s", cgroup);

        for (size_t i = 0; i < ARRAY_SIZE(bundle_files); i++)
                if (exists(box->bundle, bundle_files[i]))
                        fail_msg("%s is left in the bundle", bundle_files[i]);
        assert_false(exists(box->fixture->exits_dir, box->id));
        assert_false(exists(box->fixture->runtime->state_dir, box->id));
        assert_int_equal(access(pids, F_OK), -1);
        assert_int_equal(access(unified, F_OK), -1);
        assert_int_equal(rmdir(box->run_dir), 0);
}

static void box_close(Box *box) {
        box_check_clean(box);
        free(box->bundle);
        free(box->run_dir);
        free(box->log_path);
}

static void box_delete(Box *box, bool force) {
        Error err = ERROR_INIT;

        if (runtime_delete(box->fixture->runtime, box->id, force, &err) < 0)
                fail_msg("%s", err.text);
        monitor_clean(box->fixture->runtime, box->id, box->bundle, box->run_dir);
        box_close(box);
}

static char *box_log(const Box *box) {
        char *text = NULL;

        assert_int_equal(file_read_at(AT_FDCWD, box->log_path, 1 << 20, &text, NULL), 0);
        return text;
}

#define SHELL(script)                                    \
        (const char *const[]) {                          \
                "/bin/busybox", "sh", "-c", script, NULL \
        }

static RuntimeStatus status_of(const Box *box, pid_t *ret_pid) {
        RuntimeStatus status;
        Error err = ERROR_INIT;

        if (runtime_state(box->fixture->runtime, box->id, &status, ret_pid, &err) < 0)
                fail_msg("%s", err.text);
        return status;
}

static void life_of_a_container(void **state) {
        Box box;
        pid_t pid;

        box_open(&box, *state);
        Error err = ERROR_INIT;
        if (box_create(&box, SHELL("echo out; echo err >&2; printf part; exit 7"), &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(status_of(&box, &pid), RUNTIME_STATUS_CREATED);
        assert_int_equal(pid, box.monitor.pid);
        assert_true(process_is_same(pid, box.monitor.pid_start));
        assert_true(process_is_same(box.monitor.monitor_pid, box.monitor.monitor_start));
        assert_false(process_is_same(pid, box.monitor.pid_start + 1));
        assert_true(exists(box.bundle, "attach"));
        assert_true(exists(box.bundle, "ctl"));
        assert_false(exists(box.fixture->exits_dir, box.id));

        if (runtime_start(box.fixture->runtime, box.id, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(box_wait(&box), 7);
        assert_false(process_is_same(pid, box.monitor.pid_start));
        assert_int_equal(status_of(&box, NULL), RUNTIME_STATUS_STOPPED);
        assert_false(monitor_saw_oom(box.bundle));
        _cleanup_free_ char *log = box_log(&box);
        assert_non_null(strstr(log, " stdout F out\n"));
        assert_non_null(strstr(log, " stderr F err\n"));
        assert_non_null(strstr(log, " stdout P part\n"));

        assert_int_equal(runtime_delete(box.fixture->runtime, box.id, false, &err), 0);
        assert_int_equal(status_of(&box, NULL), RUNTIME_STATUS_UNKNOWN);
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
        assert_int_equal(runtime_kill(box.fixture->runtime, box.id, SIGTERM, &err), 0);
        assert_int_equal(box_wait(&box), 3);
        assert_true(runtime_kill(box.fixture->runtime, box.id, SIGTERM, &err) < 0);
        assert_int_equal(err.kind, ERR_NOT_RUNNING);
        box_delete(&box, false);

        box_open(&box, *state);
        box_run(&box, SHELL("exec sleep 100"));
        assert_int_equal(runtime_kill(box.fixture->runtime, box.id, SIGKILL, &err), 0);
        assert_int_equal(box_wait(&box), 128 + SIGKILL);
        box_delete(&box, false);
}

static void pause_and_resume(void **state) {
        Box box;
        Error err = ERROR_INIT;

        box_open(&box, *state);
        box_run(&box, SHELL("exec sleep 100"));
        if (runtime_pause(box.fixture->runtime, box.id, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(status_of(&box, NULL), RUNTIME_STATUS_PAUSED);
        assert_int_equal(runtime_resume(box.fixture->runtime, box.id, &err), 0);
        assert_int_equal(status_of(&box, NULL), RUNTIME_STATUS_RUNNING);
        assert_true(runtime_delete(box.fixture->runtime, box.id, false, &err) < 0);
        assert_int_equal(err.kind, ERR_RUNTIME);
        assert_int_equal(runtime_pause(box.fixture->runtime, box.id, &err), 0);
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
        assert_true(runtime_kill(fixture->runtime, "nosuch", SIGTERM, &err) < 0);
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

        fixture->runtime = runtime_free(fixture->runtime);
        assert_int_equal(symlink(runtime_path, other), 0);
        open_runtime(fixture, other);
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

/* A runtime that is a script, for what real ones do not do on demand. */
static void use_script(Fixture *fixture, const char *script) {
        _cleanup_free_ char *path = xasprintf("%s/script", fixture->scratch.path);
        _cleanup_free_ char *text = xasprintf("#!/bin/sh\n%s\n", script);

        fixture->runtime = runtime_free(fixture->runtime);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0755, false), 0);
        open_runtime(fixture, path);
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
                cmocka_unit_test_setup_teardown(words_of_a_failing_runtime, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(monitor_that_dies, fixture_open, fixture_close),
        };

        runtime_path = path;
        return cmocka_run_group_tests_name(path, tests, NULL, NULL);
}

/* The cgroup that this test's containers shared. */
static void remove_test_cgroups(void) {
        CgroupLayout layout = CGROUP_LAYOUT_INIT;

        if (cgroup_layout_load(&layout, NULL) == 0)
                cgroup_layout_remove(&layout, "/selkie-test");
        cgroup_layout_done(&layout);
}

int main(void) {
        if (geteuid() != 0) {
                print_message("skipped: containers need root\n");
                return 77;
        }
        int failures = run_round("/usr/sbin/runc");
        remove_test_cgroups();
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 1;
        (void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
        failures += run_round("/usr/bin/crun");
        remove_test_cgroups();
        return failures;
}
