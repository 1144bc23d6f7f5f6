/* SPDX-License-Identifier: Apache-2.0 */

/* base/: what the rest of the program takes for granted. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/text.h"
#include "base/timestamp.h"

static void error_says_what_and_why(void **state) {
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(error_errno(&err, ERR_IO, ENOENT, "/a", "cannot open layer %d", 3), -1);
        assert_int_equal(err.kind, ERR_IO);
        assert_string_equal(err.text, "cannot open layer 3: No such file or directory");
        error_prefix(&err, "cannot mount %s", "x");
        assert_string_equal(err.text,
                            "cannot mount x: cannot open layer 3: No such file or directory");
        error_errno(&err, ERR_IO, ENOSPC, NULL, "write");
        assert_int_equal(err.kind, ERR_NO_SPACE);
        assert_int_equal(error_set(NULL, ERR_IO, NULL, "nobody listens"), -1);
}

static void map_survives_growth_and_removal(void **state) {
        Map map = MAP_INIT;
        static int values[5000];
        char key[32];

        (void)state;
        for (int i = 0; i < 5000; i++) {
                snprintf(key, sizeof(key), "key-%d", i);
                assert_null(map_put(&map, key, &values[i]));
        }
        for (int i = 0; i < 5000; i += 2) {
                snprintf(key, sizeof(key), "key-%d", i);
                assert_ptr_equal(map_remove(&map, key), &values[i]);
        }
        assert_int_equal(map.count, 2500);
        for (int i = 0; i < 5000; i++) {
                snprintf(key, sizeof(key), "key-%d", i);
                assert_ptr_equal(map_get(&map, key), i % 2 ? (void *)&values[i] : NULL);
        }
        size_t seen = 0;
        MAP_FOREACH (slot, &map)
                seen++;
        assert_int_equal(seen, 2500);
        map_done(&map);
}

static void arena_keeps_its_limit(void **state) {
        Arena arena = { .limit = 10000 };
        size_t got = 0;

        (void)state;
        while (arena_try_alloc(&arena, 100))
                got += 100;
        assert_in_range(got, 8000, 10000);
        assert_non_null(arena_alloc(&arena, 100000));
        char *text = arena_printf(&arena, "%d-%s", 7, "x");
        assert_string_equal(text, "7-x");
        arena_done(&arena);
}

static void utf8_is_checked(void **state) {
        static const char *const good[] = { "",
                                            "abc",
                                            "gr\xc3\xbc\xc3\x9f",
                                            "\xe2\x82\xac",
                                            "\xf0\x9f\x98\x80",
                                            "12345678\xc3\xa9",
                                            "\xed\x9f\xbf" };
        static const char *const bad[] = {
                "\x80",         "\xc3",     "\xc0\xaf",         "\xed\xa0\x80", "\xf5\x80\x80\x80",
                "12345678\xff", "\xe2\x82", "\xf0\x80\x80\x80", "\xe0\x80\xaf"
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                assert_true(text_is_utf8(good[i], strlen(good[i])));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_false(text_is_utf8(bad[i], strlen(bad[i])));
}

static void text_fits_a_line(void **state) {
        char text[] = "a\n\t\x1b[31m\xc3\xa9\xff\xc3\x7f";

        (void)state;
        assert_true(text_is_line(""));
        assert_true(text_is_line("/gr\xc3\xbc\xc3\x9f e"));
        assert_false(text_is_line("a\nb"));
        assert_false(text_is_line("a\x7f"));
        assert_false(text_is_line("a\xff"));
        text_make_line(text, strlen(text));
        assert_string_equal(text, "a   [31m\xc3\xa9?? ");
        assert_true(text_is_line(text));
}

static void base64_round_trips(void **state) {
        unsigned char data[64];
        size_t size;
        void *back;

        (void)state;
        for (size_t n = 0; n < sizeof(data); n++) {
                for (size_t i = 0; i < n; i++)
                        data[i] = (unsigned char)(i * 37 + n);
                _cleanup_free_ char *text = base64_encode(data, n);
                assert_int_equal(base64_decode(text, strlen(text), &back, &size), 0);
                assert_int_equal(size, n);
                assert_memory_equal(back, data, n);
                free(back);
        }
        static const char *const bad[] = {
                "A", "A===", "AB==C", "A*==", "AB=C", "AR==", "ABC=AAAA"
        };
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &back, &size), -EINVAL);
}

static void times_look_as_clients_expect(void **state) {
        char text[TIMESTAMP_TEXT_MAX];
        int64_t t;

        (void)state;
        assert_int_equal(timestamp_parse_rfc3339("2026-11-23T19:02:30.158755564Z", &t), 0);
        assert_string_equal(timestamp_format_go(t, text),
                            "2026-11-23 19:02:30.158755564 +0000 UTC");
        assert_string_equal(timestamp_format_rfc3339(t, text), "2026-11-23T19:02:30.158755564Z");
        assert_int_equal(timestamp_parse_rfc3339("2026-11-23T20:02:30.5+01:00", &t), 0);
        assert_string_equal(timestamp_format_rfc3339(t, text), "2026-11-23T19:02:30.5Z");
        assert_int_equal(timestamp_parse_rfc3339("1969-12-31T23:59:59.25Z", &t), 0);
        assert_int_equal(t, -750000000);
        assert_string_equal(timestamp_format_rfc3339(t, text), "1969-12-31T23:59:59.25Z");
        assert_string_equal(timestamp_format_rfc3339(TIMESTAMP_ZERO, text), "0001-01-01T00:00:00Z");
        static const char *const bad[] = { "",
                                           "2026",
                                           "2026-13-01T00:00:00Z",
                                           "2026-01-01T00:00:00",
                                           "2026-01-01T00:00:00.Z",
                                           "2026-01-01T00:00:00Zx" };
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(timestamp_parse_rfc3339(bad[i], &t), -EINVAL);

        assert_string_equal(duration_format_go(5415767884, text), "5.415767884s");
        assert_string_equal(duration_format_go(149794567430, text), "2m29.79456743s");
        assert_string_equal(duration_format_go(INT64_C(3600) * NS_PER_SEC + 3 * NS_PER_SEC, text),
                            "1h0m3s");
        assert_string_equal(duration_format_go(12500000, text), "12.5ms");
        assert_string_equal(duration_format_go(0, text), "0s");
        assert_string_equal(duration_format_go(999, text), "999ns");
}

static void files_are_replaced_whole(void **state) {
        char folder[] = "/tmp/test-base-XXXXXX", path[64];
        _cleanup_free_ char *text = NULL;
        size_t size;

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/file", folder);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, "one", 3, 0600, false), 0);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, "second", 6, 0644, true), 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 100, &text, &size), 0);
        assert_string_equal(text, "second");
        assert_int_equal(size, 6);
        char *none;
        assert_int_equal(file_read_at(AT_FDCWD, path, 5, &none, NULL), -EFBIG);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(folder), 0); /* no temporary was left */
}

typedef struct Job {
        PoolTask task;
        LoopTask done;
        Loop *loop;
        atomic_int *remaining;
} Job;

static void job_done(LoopTask *task) {
        Job *job = container_of(task, Job, done);

        if (atomic_fetch_sub(job->remaining, 1) == 1)
                loop_stop(job->loop, 0);
}

static void job_run(PoolTask *task) {
        Job *job = container_of(task, Job, task);

        loop_post(job->loop, &job->done);
}

static void workers_reach_the_loop(void **state) {
        enum {
                JOBS = 1000
        };
        static Job jobs[JOBS];
        atomic_int remaining = JOBS;
        Loop *loop;
        Pool *pool;

        (void)state;
        assert_int_equal(loop_new(&loop), 0);
        assert_int_equal(pool_new(&pool, 8, 10), 0);
        for (int i = 0; i < JOBS; i++) {
                jobs[i] = (Job){ .task = { .run = job_run },
                                 .done = { .run = job_done },
                                 .loop = loop,
                                 .remaining = &remaining };
                pool_submit(pool, &jobs[i].task);
        }
        assert_int_equal(loop_run(loop), 0);
        assert_int_equal(atomic_load(&remaining), 0);
        pool_free(pool);
        loop_free(loop);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(error_says_what_and_why),
                cmocka_unit_test(map_survives_growth_and_removal),
                cmocka_unit_test(arena_keeps_its_limit),
                cmocka_unit_test(utf8_is_checked),
                cmocka_unit_test(text_fits_a_line),
                cmocka_unit_test(base64_round_trips),
                cmocka_unit_test(times_look_as_clients_expect),
                cmocka_unit_test(files_are_replaced_whole),
                cmocka_unit_test(workers_reach_the_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
