/* SPDX-License-Identifier: Apache-2.0 */

/* Child processes: descriptors, environment, signals, deadlines, output that could hang the reader.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/spawn.h"

#define SHELL "/bin/sh"

static int run(const char *script, int timeout_ms, size_t output_max, Buffer *output) {
        const char *const argv[] = { SHELL, "-c", script, NULL };
        SpawnOptions options = SPAWN_OPTIONS_INIT;

        options.argv = argv;
        return spawn_run(&options, timeout_ms, output_max, output);
}

static void check_output(const char *script, const char *expected) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;

        assert_int_equal(run(script, 10000, 65536, &output), 0);
        buffer_append_byte(&output, '\0');
        assert_string_equal(output.data, expected);
}

static int64_t now_ms(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void status_and_output(void **state) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;

        (void)state;
        check_output("echo out; echo err >&2", "out\nerr\n");
        assert_int_equal(run("exit 7", -1, 0, NULL), 7);
        assert_int_equal(run("kill -TERM $$", -1, 0, NULL), 128 + SIGTERM);
        assert_int_equal(run("printf 0123456789", -1, 4, &output), 0);
        assert_int_equal(output.size, 4);
        assert_memory_equal(output.data, "0123", 4);
}

static void what_cannot_be_run(void **state) {
        const char *const missing[] = { "/nonexistent/program", NULL };
        const char *const no_program[] = { "/etc/passwd", NULL };
        const char *const fine[] = { SHELL, "-c", "true", NULL };
        SpawnOptions options = SPAWN_OPTIONS_INIT;
        int fds[SPAWN_PASS_FDS_MAX + 1] = { 0 };

        (void)state;
        options.argv = missing;
        assert_int_equal(spawn_run(&options, -1, 0, NULL), -ENOENT);
        options.argv = no_program;
        assert_int_equal(spawn_run(&options, -1, 0, NULL), -EACCES);
        options.argv = fine;
        options.directory = "/nonexistent";
        assert_int_equal(spawn_run(&options, -1, 0, NULL), -ENOENT);
        options.directory = NULL;
        options.pass_fds = fds;
        options.pass_fds_count = SPAWN_PASS_FDS_MAX + 1;
        assert_int_equal(spawn_run(&options, -1, 0, NULL), -E2BIG);
}

static void surroundings_of_the_child(void **state) {
        const char *const argv[] = { SHELL, "-c", "pwd; echo $A; env | wc -l", NULL };
        const char *const environment[] = { "A=b", "PWD=/x", NULL };
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        SpawnOptions options = SPAWN_OPTIONS_INIT;

        (void)state;
        options.argv = argv;
        options.environment = environment;
        options.directory = "/usr";
        assert_int_equal(spawn_run(&options, -1, 4096, &output), 0);
        buffer_append_byte(&output, '\0');
        assert_non_null(strstr(output.data, "/usr\nb\n2"));

        /* What was meant for this process alone does not go further. */
        assert_int_equal(setenv("NOTIFY_SOCKET", "/x", 1), 0);
        assert_int_equal(setenv("LISTEN_FDS", "1", 1), 0);
        check_output("echo \"$NOTIFY_SOCKET$LISTEN_FDS\"; test -n \"$PATH\"", "\n");
        assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
        assert_int_equal(unsetenv("LISTEN_FDS"), 0);
}

static void only_named_descriptors(void **state) {
        (void)state;
        int leak = open("/dev/null", O_RDONLY); /* without CLOEXEC, as another library may do it */
        int high = fcntl(leak, F_DUPFD, 100);
        assert_true(leak >= 0 && high >= 100);
        check_output("ls /proc/$$/fd; true", "0\n1\n2\n");
        (void)close(leak);
        (void)close(high);
}

/* Passed descriptors land at 3, 4, 5 in order, whatever their own numbers are: here they are
 * rotated. */
static void descriptors_in_order(void **state) {
        const char *const argv[] = { SHELL, "-c", "cat <&3; cat <&4; cat <&5", NULL };
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        SpawnOptions options = SPAWN_OPTIONS_INIT;
        int saved[3], fds[3];

        (void)state;
        for (int i = 0; i < 3; i++)
                saved[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 50);
        for (int i = 0; i < 3; i++) {
                int pipe_fds[2];
                assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
                int high = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 60);
                assert_int_equal(write(pipe_fds[1], &"abc"[i], 1), 1);
                (void)close(pipe_fds[0]);
                (void)close(pipe_fds[1]);
                fds[i] = high;
        }
        for (int i = 0; i < 3; i++) {
                /* "a" is in 4, "b" in 5, "c" in 3 */
                assert_int_equal(dup3(fds[i], 3 + (i + 1) % 3, O_CLOEXEC), 3 + (i + 1) % 3);
                (void)close(fds[i]);
                fds[i] = 3 + (i + 1) % 3;
        }
        options.argv = argv;
        options.pass_fds = fds;
        options.pass_fds_count = 3;
        int r = spawn_run(&options, -1, 4096, &output);
        for (int i = 0; i < 3; i++) {
                (void)close(3 + i);
                if (saved[i] >= 0) {
                        (void)dup2(saved[i], 3 + i);
                        (void)close(saved[i]);
                }
        }
        assert_int_equal(r, 0);
        assert_int_equal(output.size, 3);
        assert_memory_equal(output.data, "abc", 3);
}

static void signals_are_reset(void **state) {
        sigset_t block, before;

        (void)state;
        (void)sigemptyset(&block);
        (void)sigaddset(&block, SIGUSR1);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, &block, &before), 0);
        void (*old)(int) = signal(SIGPIPE, SIG_IGN);
        check_output("grep '^SigBlk' /proc/self/status", "SigBlk:\t0000000000000000\n");
        assert_int_equal(run("kill -PIPE $$; exit 0", -1, 0, NULL), 128 + SIGPIPE);
        (void)signal(SIGPIPE, old);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

static void deadline_kills_the_group(void **state) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        int64_t start = now_ms();

        (void)state;
        /* The shell and its child; both hold the pipe. */
        assert_int_equal(run("echo $$; sleep 100 & echo $!; wait", 1000, 4096, &output),
                         -ETIMEDOUT);
        assert_in_range(now_ms() - start, 990, 60000); /* of 100 s */
        buffer_append_byte(&output, '\0');
        int shell, child;
        assert_int_equal(sscanf(output.data, "%d\n%d", &shell, &child), 2);
        assert_int_equal(kill(shell, 0), -1); /* reaped */
        /* The orphan is dead; somebody else reaps it. */
        int pidfd = pidfd_open(child, 0);
        if (pidfd >= 0) {
                siginfo_t info;
                assert_true(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0);
                (void)close(pidfd);
        }
}

static void grandchild_keeps_the_pipe(void **state) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        int64_t start = now_ms();

        (void)state;
        assert_int_equal(run("sleep 30 & echo $!", 20000, 4096, &output), 0);
        assert_true(now_ms() - start < 10000);
        buffer_append_byte(&output, '\0');
        assert_int_equal(kill((pid_t)strtol(output.data, NULL, 10), SIGKILL), 0);
}

/* A grandchild that writes without end must not keep the reader busy after the child's end. */
static void grandchild_floods_the_pipe(void **state) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        int64_t start = now_ms();

        (void)state;
        assert_int_equal(run("yes flood & echo $!", 20000, 65536, &output), 0);
        assert_true(now_ms() - start < 10000);
        buffer_append_byte(&output, '\0');
        const char *number = output.data;
        while (*number && (*number < '0' || *number > '9'))
                number++;
        /* It may have died of the closed pipe already. */
        (void)kill((pid_t)strtol(number, NULL, 10), SIGKILL);
}

static void output_larger_than_a_pipe(void **state) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;

        (void)state;
        assert_int_equal(run("head -c 3000000 /dev/zero", -1, 4000000, &output), 0);
        assert_int_equal(output.size, 3000000);
        output.size = 0;
        assert_int_equal(run("head -c 3000000 /dev/zero", -1, 100, &output), 0);
        assert_int_equal(output.size, 100);
}

static void *spawn_some(void *userdata) {
        for (int i = 0; i < 30; i++) {
                _cleanup_buffer_ Buffer output = BUFFER_INIT;
                if (run("ls /proc/$$/fd; true", -1, 4096, &output) != 0 || output.size != 6 ||
                    memcmp(output.data, "0\n1\n2\n", 6) != 0)
                        ++*(int *)userdata;
        }
        return NULL;
}

/* Threads that spawn at the same time do not leak their pipes into each other's children. */
static void threads_do_not_leak(void **state) {
        pthread_t threads[6];
        int failures[6] = { 0 };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, spawn_some, &failures[i]), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(failures[i], 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(status_and_output),
                cmocka_unit_test(what_cannot_be_run),
                cmocka_unit_test(surroundings_of_the_child),
                cmocka_unit_test(only_named_descriptors),
                cmocka_unit_test(descriptors_in_order),
                cmocka_unit_test(signals_are_reset),
                cmocka_unit_test(deadline_kills_the_group),
                cmocka_unit_test(grandchild_keeps_the_pipe),
                cmocka_unit_test(grandchild_floods_the_pipe),
                cmocka_unit_test(output_larger_than_a_pipe),
                cmocka_unit_test(threads_do_not_leak),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
