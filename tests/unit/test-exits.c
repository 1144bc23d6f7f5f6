/* SPDX-License-Identifier: Apache-2.0 */

/* Exit files and monitors' ends: each told, whatever the order; none lost when the queue
 * overflows. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/random.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "runtime/exits.h"
#include "runtime/process.h"
#include "tests/unit/scratch.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define TURN_US (200 * 1000) /* how long to wait for what should not come */

typedef struct Fixture {
        Scratch scratch;
        char *exits_dir;
        Loop *loop;
        ExitWatch *watch;
        int calls;
        char last_id[ID_HEX_SIZE + 1];
        bool saw_a; /* an end of ID_A */
} Fixture;

static void on_exit_event(const char *id, void *userdata) {
        Fixture *fixture = userdata;

        fixture->calls++;
        fixture->saw_a = fixture->saw_a || text_equal(id, ID_A);
        snprintf(fixture->last_id, sizeof(fixture->last_id), "%s", id);
}

static int fixture_open(void **state) {
        Fixture *fixture = xnew(Fixture, 1);
        Error err = ERROR_INIT;

        scratch_open(&fixture->scratch);
        fixture->exits_dir = xasprintf("%s/a/exits", fixture->scratch.path);
        assert_int_equal(loop_new(&fixture->loop), 0);
        if (exit_watch_new(&fixture->watch, fixture->loop, fixture->exits_dir, on_exit_event,
                           fixture, &err) < 0)
                fail_msg("%s", err.text);
        *state = fixture;
        return 0;
}

static int fixture_close(void **state) {
        Fixture *fixture = *state;

        exit_watch_free(fixture->watch);
        loop_free(fixture->loop);
        scratch_close(&fixture->scratch);
        free(fixture->exits_dir);
        free(fixture);
        return 0;
}

/* As conmon does it: under another name first. */
static void write_exit(const Fixture *fixture, const char *id, const char *content) {
        _cleanup_free_ char *temporary = xasprintf("%s/%s.XYZ", fixture->exits_dir, id);
        _cleanup_free_ char *path = xasprintf("%s/%s", fixture->exits_dir, id);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, content, strlen(content)), 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(rename(temporary, path), 0);
}

static void remove_exit(const Fixture *fixture, const char *id) {
        _cleanup_free_ char *path = xasprintf("%s/%s", fixture->exits_dir, id);

        assert_int_equal(unlink(path), 0);
}

/* Turns of the loop until @calls have come in all; or, when none should come, until it is quiet. */
static void run_until(Fixture *fixture, int calls) {
        while (fixture->calls < calls)
                if (sd_event_run(loop_event(fixture->loop), 10 * 1000 * 1000) <= 0)
                        fail_msg("%d calls instead of %d", fixture->calls, calls);
        while (sd_event_run(loop_event(fixture->loop), TURN_US) > 0)
                ;
        assert_int_equal(fixture->calls, calls);
}

static pid_t start_sleeper(int *ret_pidfd, uint64_t *ret_start) {
        const char *const argv[] = { "/bin/sleep", "100", NULL };
        SpawnOptions options = SPAWN_OPTIONS_INIT;
        pid_t pid;

        options.argv = argv;
        assert_int_equal(spawn_process(&options, &pid, ret_pidfd), 0);
        assert_int_equal(process_start_time(pid, ret_start), 0);
        return pid;
}

static void end_sleeper(pid_t pid, int pidfd) {
        spawn_kill(pid, pidfd);
        (void)close(pidfd);
}

static void file_appears(void **state) {
        Fixture *fixture = *state;

        write_exit(fixture, ID_A, "137");
        run_until(fixture, 1);
        assert_string_equal(fixture->last_id, ID_A);
        write_exit(fixture, ID_B, "-1");
        run_until(fixture, 2);
        assert_string_equal(fixture->last_id, ID_B);
        /* What is no id, and a file that is removed, are no ends. */
        write_exit(fixture, "other.file", "1");
        remove_exit(fixture, ID_A);
        run_until(fixture, 2);
}

static void scan_finds_what_was_there(void **state) {
        Fixture *fixture = *state;
        Error err = ERROR_INIT;

        fixture->watch = exit_watch_free(fixture->watch);
        write_exit(fixture, ID_A, "3");
        write_exit(fixture, ID_B, "4");
        if (exit_watch_new(&fixture->watch, fixture->loop, fixture->exits_dir, on_exit_event,
                           fixture, &err) < 0)
                fail_msg("%s", err.text);
        exit_watch_scan(fixture->watch);
        assert_int_equal(fixture->calls, 2);
        run_until(fixture, 2);
}

static void monitor_dies_without_file(void **state) {
        Fixture *fixture = *state;
        uint64_t start;
        int pidfd;
        pid_t pid = start_sleeper(&pidfd, &start);
        Error err = ERROR_INIT;

        assert_int_equal(exit_watch_add_monitor(fixture->watch, ID_A, pid, start, &err), 0);
        run_until(fixture, 0);
        end_sleeper(pid, pidfd);
        run_until(fixture, 1);
        assert_string_equal(fixture->last_id, ID_A);

        assert_true(exit_watch_add_monitor(fixture->watch, ID_A, pid, start, &err) < 0);
        assert_int_equal(err.kind, ERR_IO);
        assert_int_equal(err.errnum, ESRCH);
}

/* The file is told, and so is the end of each monitor. */
static void monitor_ends_after_its_file(void **state) {
        Fixture *fixture = *state;
        uint64_t start, second_start;
        int pidfd, second_pidfd;
        pid_t pid = start_sleeper(&pidfd, &start);
        Error err = ERROR_INIT;

        assert_int_equal(exit_watch_add_monitor(fixture->watch, ID_A, pid, start, &err), 0);
        write_exit(fixture, ID_A, "0");
        run_until(fixture, 1);
        remove_exit(fixture, ID_A);
        pid_t second = start_sleeper(&second_pidfd, &second_start);
        assert_int_equal(exit_watch_add_monitor(fixture->watch, ID_A, second, second_start, &err),
                         0);
        end_sleeper(pid, pidfd);
        run_until(fixture, 2);
        end_sleeper(second, second_pidfd);
        run_until(fixture, 3);
}

typedef struct Adder {
        Fixture *fixture;
        pid_t pid;
        uint64_t start;
} Adder;

static void *add_from_thread(void *userdata) {
        Adder *adder = userdata;

        for (int i = 0; i < 500; i++) {
                char id[ID_HEX_SIZE + 1];
                random_hex(id, ID_HEX_SIZE);
                if (exit_watch_add_monitor(adder->fixture->watch, id, adder->pid, adder->start,
                                           NULL) < 0)
                        return adder;
        }
        return NULL;
}

/* A thousand monitors from other threads, and the watch gone while some are on their way. */
static void threads_add_monitors(void **state) {
        Fixture *fixture = *state;
        Adder adder = { .fixture = fixture };
        pthread_t threads[2];
        int pidfd;

        adder.pid = start_sleeper(&pidfd, &adder.start);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_from_thread, &adder), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                void *failed;
                assert_int_equal(pthread_join(threads[i], &failed), 0);
                assert_null(failed);
        }
        run_until(fixture, 0);
        end_sleeper(adder.pid, pidfd);
        run_until(fixture, 1000);

        adder.pid = start_sleeper(&pidfd, &adder.start);
        assert_int_equal(pthread_create(&threads[0], NULL, add_from_thread, &adder), 0);
        assert_int_equal(pthread_join(threads[0], NULL), 0);
        fixture->watch = exit_watch_free(fixture->watch);
        end_sleeper(adder.pid, pidfd);
}

/* More files than inotify queues (fs.inotify.max_queued_events, 16384 by default) in one turn. */
static void queue_overflows(void **state) {
        Fixture *fixture = *state;
        int64_t queue_max;

        assert_int_equal(
                file_read_int64(AT_FDCWD, "/proc/sys/fs/inotify/max_queued_events", &queue_max), 0);
        for (int64_t i = 0; i < queue_max + 16; i++) {
                _cleanup_free_ char *id = xasprintf("%064llx", (long long)i);
                write_exit(fixture, id, "0");
        }
        write_exit(fixture, ID_A, "77");
        while (!fixture->saw_a)
                if (sd_event_run(loop_event(fixture->loop), 10 * 1000 * 1000) <= 0)
                        fail_msg("the last file is lost");
        while (sd_event_run(loop_event(fixture->loop), TURN_US) > 0)
                ;
}

static void reads_one_file(void **state) {
        Fixture *fixture = *state;
        int64_t finished_ns;
        int code = 5;
        Error err = ERROR_INIT;

        assert_int_equal(exit_read(fixture->exits_dir, ID_A, &code, &finished_ns, &err), 0);
        assert_int_equal(code, 5);
        write_exit(fixture, ID_A, "12");
        assert_int_equal(exit_read(fixture->exits_dir, ID_A, &code, &finished_ns, &err), 1);
        assert_int_equal(code, 12);
        assert_in_range(timestamp_now() - finished_ns, 0, 10 * NS_PER_SEC);
        write_exit(fixture, ID_A, "-1");
        assert_int_equal(exit_read(fixture->exits_dir, ID_A, &code, &finished_ns, &err), 1);
        assert_int_equal(code, -1);
        static const char *const bad[] = { "", "x", "1x", "99999999999",
                                           "0000000000000000000000000000000000000000" };
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                write_exit(fixture, ID_A, bad[i]);
                assert_true(exit_read(fixture->exits_dir, ID_A, &code, &finished_ns, &err) < 0);
                assert_int_equal(err.kind, ERR_CORRUPT);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(file_appears, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(scan_finds_what_was_there, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(monitor_dies_without_file, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(monitor_ends_after_its_file, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(threads_add_monitors, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(queue_overflows, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(reads_one_file, fixture_open, fixture_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
