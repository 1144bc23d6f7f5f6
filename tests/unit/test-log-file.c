/* SPDX-License-Identifier: Apache-2.0 */

/* Reading a log as it grows, is replaced, emptied, and holds what it should not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/log_file.h"
#include "tests/unit/scratch.h"

#define HEAD "2026-11-23T19:02:30.158755564+00:00 stdout F "

typedef struct Fixture {
        Scratch scratch;
        char *path;
        LogFile *log;
} Fixture;

static int fixture_open(void **state) {
        Fixture *fixture = xnew(Fixture, 1);

        scratch_open(&fixture->scratch);
        fixture->path = xasprintf("%s/ctr.log", fixture->scratch.path);
        *state = fixture;
        return 0;
}

static int fixture_close(void **state) {
        Fixture *fixture = *state;

        log_file_close(fixture->log);
        scratch_close(&fixture->scratch);
        free(fixture->path);
        free(fixture);
        return 0;
}

static void open_log(Fixture *fixture) {
        Error err = ERROR_INIT;

        if (log_file_open(&fixture->log, fixture->path, &err) < 0)
                fail_msg("%s", err.text);
}

static void append_to(const char *path, const void *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, data, size), 0);
        assert_int_equal(close(fd), 0);
}

static void append(const Fixture *fixture, const char *text) {
        append_to(fixture->path, text, strlen(text));
}

/* As conmon 2.1.6 does it when the limit is passed: a new file takes the name. */
static void replace(const Fixture *fixture, const char *text) {
        _cleanup_free_ char *temporary = xasprintf("%s.tmp", fixture->path);

        append_to(temporary, text, strlen(text));
        assert_int_equal(rename(temporary, fixture->path), 0);
}

static ssize_t read_some(Fixture *fixture, Buffer *records) {
        Error err = ERROR_INIT;
        ssize_t n = log_file_read(fixture->log, records, &err);

        if (n < 0)
                fail_msg("%s", err.text);
        return n;
}

/* Everything until there is no more must be @expected. */
static void check_read(Fixture *fixture, const char *expected) {
        _cleanup_buffer_ Buffer records = BUFFER_INIT;

        while (read_some(fixture, &records) > 0)
                ;
        assert_int_equal(records.size, strlen(expected));
        if (records.size > 0)
                assert_memory_equal(records.data, expected, records.size);
}

static void grows(void **state) {
        Fixture *fixture = *state;

        open_log(fixture);
        check_read(fixture, "");
        append(fixture, HEAD "one\n" HEAD "tw");
        check_read(fixture, HEAD "one\n");
        check_read(fixture, "");
        append(fixture, "o\n");
        check_read(fixture, HEAD "two\n");
        append_to(fixture->path, HEAD "\0\xff\x1b\n", strlen(HEAD) + 4);
        _cleanup_buffer_ Buffer records = BUFFER_INIT;
        assert_int_equal(read_some(fixture, &records), strlen(HEAD) + 4);
        assert_memory_equal(records.data + strlen(HEAD), "\0\xff\x1b\n", 4);
}

static void is_replaced(void **state) {
        Fixture *fixture = *state;

        append(fixture, HEAD "one\n");
        open_log(fixture);
        append(fixture, HEAD "two\n");
        replace(fixture, HEAD "three\n");
        /* The old file's rest first. */
        check_read(fixture, HEAD "one\n" HEAD "two\n" HEAD "three\n");
        replace(fixture, "");
        check_read(fixture, "");
        append(fixture, HEAD "four\n");
        check_read(fixture, HEAD "four\n");
}

static void is_emptied_or_removed(void **state) {
        Fixture *fixture = *state;

        append(fixture, HEAD "one\n");
        open_log(fixture);
        check_read(fixture, HEAD "one\n");
        assert_int_equal(truncate(fixture->path, 0), 0);
        append(fixture, "a\n");
        check_read(fixture, "a\n");
        assert_int_equal(unlink(fixture->path), 0);
        check_read(fixture, "");
}

/* No newline as far as a record may reach: pieces, so that the reader does not hold all of it. */
static void endless_record(void **state) {
        Fixture *fixture = *state;
        size_t size = 3 * LOG_RECORD_MAX + 100;
        char *text = xnew(char, size);
        _cleanup_buffer_ Buffer records = BUFFER_INIT;

        memset(text, 'x', size);
        open_log(fixture);
        append_to(fixture->path, text, LOG_RECORD_MAX);
        assert_int_equal(read_some(fixture, &records), 0);
        append_to(fixture->path, text, size - LOG_RECORD_MAX);
        while (read_some(fixture, &records) > 0)
                ;
        assert_int_equal(records.size, 3 * LOG_RECORD_MAX + 3);
        assert_int_equal(records.data[LOG_RECORD_MAX], '\n');
        free(text);
}

static void no_regular_file(void **state) {
        Fixture *fixture = *state;
        Error err = ERROR_INIT;

        assert_int_equal(mkfifo(fixture->path, 0600), 0);
        assert_true(log_file_open(&fixture->log, fixture->path, &err) < 0);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(unlink(fixture->path), 0);
        assert_int_equal(symlink("/etc/passwd", fixture->path), 0);
        assert_true(log_file_open(&fixture->log, fixture->path, &err) < 0);
        assert_int_equal(err.kind, ERR_IO);
}

/* A writer that replaces its file every so often, and a follower that must see every line once. */

#define LINES      20000
#define FILE_LINES 700

typedef struct Follower {
        Fixture *fixture;
        Loop *loop;
        atomic_int next; /* line to be seen; written by the loop thread only */
        atomic_bool is_over;
        int calls;
} Follower;

static void *write_lines(void *userdata) {
        Follower *follower = userdata;
        const Fixture *fixture = follower->fixture;
        _cleanup_free_ char *temporary = xasprintf("%s.tmp", fixture->path);
        int fd = open(fixture->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int first = 0; /* line of this file */

        for (int i = 0; i < LINES; i++) {
                char line[64];
                int n = snprintf(line, sizeof(line), HEAD "%d\n", i);
                if (i % FILE_LINES == FILE_LINES - 1) {
                        /* The follower has this file open before it goes, since conmon replaces its
                         * file once in many megabytes; that it has read it to the end is chance. */
                        while (follower->next <= first && !follower->is_over)
                                (void)nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 }, NULL);
                        first = i;
                        (void)close(fd);
                        fd = open(temporary, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
                        (void)rename(temporary, fixture->path);
                }
                (void)fd_write_all(fd, line, (size_t)n);
        }
        (void)close(fd);
        return NULL;
}

static void on_change(LogFile *log, void *userdata) {
        Follower *follower = userdata;
        _cleanup_buffer_ Buffer records = BUFFER_INIT;
        Error err = ERROR_INIT;

        follower->calls++;
        while (log_file_read(log, &records, &err) > 0)
                ;
        buffer_append_byte(&records, '\0'); /* strtol() wants a string */
        for (size_t at = 0; at + 1 < records.size;) {
                const char *line = records.data + at;
                const char *end = memchr(line, '\n', records.size - at);
                if (strtol(line + strlen(HEAD), NULL, 10) != follower->next++) {
                        loop_stop(follower->loop, 1);
                        return;
                }
                at += (size_t)(end - line) + 1;
        }
        if (follower->next == LINES)
                loop_stop(follower->loop, 0);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void)source;
        (void)usec;
        loop_stop(userdata, 2);
        return 0;
}

static void follower_sees_every_line(void **state) {
        Follower follower = { .fixture = *state };
        _cleanup_(loop_freep)
        Loop *loop = NULL;
        pthread_t thread;
        Error err = ERROR_INIT;

        assert_int_equal(loop_new(&loop), 0);
        follower.loop = loop;
        open_log(follower.fixture);
        if (log_file_watch(follower.fixture->log, loop, on_change, &follower, &err) < 0)
                fail_msg("%s", err.text);
        assert_true(sd_event_add_time_relative(loop_event(loop), NULL, CLOCK_MONOTONIC,
                                               30 * 1000 * 1000, 0, on_timeout, loop) >= 0);
        assert_int_equal(pthread_create(&thread, NULL, write_lines, &follower), 0);
        int r = loop_run(loop);
        follower.is_over = true;
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (r != 0)
                fail_msg("line %d is lost (%d)", follower.next, r);
        follower.fixture->log = log_file_close(follower.fixture->log);
}

static void watch_without_folder(void **state) {
        Fixture *fixture = *state;
        _cleanup_(loop_freep)
        Loop *loop = NULL;
        Error err = ERROR_INIT;

        free(fixture->path);
        fixture->path = xasprintf("%s/none/ctr.log", fixture->scratch.path);
        assert_int_equal(loop_new(&loop), 0);
        open_log(fixture);
        assert_true(log_file_watch(fixture->log, loop, on_change, NULL, &err) < 0);
        assert_int_equal(err.kind, ERR_IO);
        fixture->log = log_file_close(fixture->log);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(grows, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(is_replaced, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(is_emptied_or_removed, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(endless_record, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(no_regular_file, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(follower_sees_every_line, fixture_open,
                                                fixture_close),
                cmocka_unit_test_setup_teardown(watch_without_folder, fixture_open, fixture_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
