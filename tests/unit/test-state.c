/* SPDX-License-Identifier: Apache-2.0 */

/* state/: what is kept, and which files are none of ours. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "tests/unit/state-fixture.h"

static void run_sql(const char *path, const char *sql) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void every_field_comes_back(void **state) {
        Scratch *scratch = *state;
        State *db = scratch_open(scratch);
        struct stat st;
        char id[ID_HEX_SIZE + 1];
        const ContainerRun run = {
                .status = CONTAINER_EXITED,
                .intent = CONTAINER_INTENT_START,
                .pid = 4194304,
                .pid_start = UINT64_MAX,
                .monitor_pid = 77,
                .monitor_start = 1,
                .started_ns = INT64_C(1700000000123456789),
                .finished_ns = TIMESTAMP_ZERO,
                .exit_code = -1,
                .is_oom_killed = true,
        };

        assert_int_equal(stat(scratch->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        row_insert(db, 2);
        row_insert(db, 1);
        assert_int_equal(state_container_update(db, row_id(id, 2), &run, NULL), 0);
        state_close(db);

        db = scratch_open(scratch);
        _cleanup_(rows_freep)
        Rows *loaded = rows_load(db);
        assert_int_equal(loaded->count, 2);
        assert_int_equal(loaded->number[0], 1);
        assert_int_equal(loaded->run[0].intent, CONTAINER_INTENT_CREATE);
        assert_true(loaded->run[0].started_ns == TIMESTAMP_ZERO);
        assert_string_equal(loaded->name[1], "name-2");
        assert_string_equal(loaded->last_config, "{\"image\":\"busybox\"}");
        ContainerRun got = loaded->run[1];
        assert_int_equal(got.status, run.status);
        assert_int_equal(got.intent, run.intent);
        assert_int_equal(got.pid, run.pid);
        assert_true(got.pid_start == run.pid_start);
        assert_int_equal(got.monitor_pid, run.monitor_pid);
        assert_true(got.monitor_start == run.monitor_start);
        assert_true(got.started_ns == run.started_ns);
        assert_true(got.finished_ns == run.finished_ns);
        assert_int_equal(got.exit_code, run.exit_code);
        assert_true(got.is_oom_killed);
        state_close(db);
        scratch_check(scratch);
}

static void a_taken_name_or_id_is_named(void **state) {
        State *db = scratch_open(*state);
        Error err = ERROR_INIT;
        char id[ID_HEX_SIZE + 1];

        row_insert(db, 1);
        assert_int_equal(row_try_insert(db, 2, "name-1", &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        assert_string_equal(err.subject, "name-1");
        assert_int_equal(row_try_insert(db, 1, "other", &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        assert_string_equal(err.subject, row_id(id, 1));
        _cleanup_(rows_freep)
        Rows *loaded = rows_load(db);
        assert_int_equal(loaded->count, 1);
        state_close(db);
}

static void a_hidden_container_frees_its_name_and_stays_hidden(void **state) {
        State *db = scratch_open(*state);
        char id[ID_HEX_SIZE + 1];
        ContainerRun run = run_configured();

        row_insert(db, 1);
        assert_int_equal(state_container_hide(db, row_id(id, 1), NULL), 0);
        assert_int_equal(row_try_insert(db, 2, "name-1", NULL), 0);
        run.status = CONTAINER_EXITED;
        run.intent = CONTAINER_INTENT_NONE;
        assert_int_equal(state_container_update(db, id, &run, NULL), 0);

        _cleanup_(rows_freep)
        Rows *loaded = rows_load(db);
        assert_int_equal(loaded->count, 2);
        assert_string_equal(loaded->name[0], "name-1");
        assert_int_equal(loaded->run[0].status, CONTAINER_EXITED);
        assert_int_equal(loaded->run[0].intent, CONTAINER_INTENT_REMOVE);
        assert_int_equal(loaded->run[1].intent, CONTAINER_INTENT_CREATE);
        assert_int_equal(state_container_delete(db, id, NULL), 0);
        assert_int_equal(state_container_delete(db, id, NULL), 0);
        state_close(db);
        scratch_check(*state);
}

static void a_missing_container_is_not_found(void **state) {
        State *db = scratch_open(*state);
        Error err = ERROR_INIT;
        ContainerRun run = run_configured();

        assert_int_equal(state_container_update(db, "nobody", &run, &err), -1);
        assert_int_equal(err.kind, ERR_CONTAINER_NOT_FOUND);
        assert_string_equal(err.subject, "nobody");
        err = (Error)ERROR_INIT;
        assert_int_equal(state_container_hide(db, "nobody", &err), -1);
        assert_int_equal(err.kind, ERR_CONTAINER_NOT_FOUND);
        state_close(db);
}

static void a_configuration_has_a_largest_size(void **state) {
        State *db = scratch_open(*state);
        Error err = ERROR_INIT;
        _cleanup_free_ char *config = xnew(char, STATE_CONFIG_MAX + 2);
        ContainerRow row = { .id = "a", .name = "a", .config = config, .run = run_configured() };

        memset(config, ' ', STATE_CONFIG_MAX + 1);
        assert_int_equal(state_container_insert(db, &row, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        config[STATE_CONFIG_MAX] = '\0';
        assert_int_equal(state_container_insert(db, &row, NULL), 0);
        _cleanup_(rows_freep)
        Rows *loaded = rows_load(db);
        assert_int_equal(strlen(loaded->last_config), STATE_CONFIG_MAX);
        state_close(db);
}

static int refuse_second(const ContainerRow *row, void *userdata, Error *err) {
        if (++*(int *)userdata == 2)
                return error_set(err, ERR_CANCELLED, row->id, "enough");
        return 0;
}

static void loading_stops_when_told(void **state) {
        State *db = scratch_open(*state);
        Error err = ERROR_INIT;
        int calls = 0;

        for (unsigned i = 0; i < 3; i++)
                row_insert(db, i);
        assert_int_equal(state_containers_load(db, refuse_second, &calls, &err), -1);
        assert_int_equal(err.kind, ERR_CANCELLED);
        assert_int_equal(calls, 2);
        row_insert(db, 9); /* the read transaction is over */
        state_close(db);
}

static void a_status_from_nowhere_is_corrupt(void **state) {
        Scratch *scratch = *state;
        State *db = scratch_open(scratch);
        Error err = ERROR_INIT;
        char id[ID_HEX_SIZE + 1];
        int calls = 0;

        row_insert(db, 7);
        state_close(db);
        run_sql(scratch->path, "UPDATE containers SET status=99");
        db = scratch_open(scratch);
        assert_int_equal(state_containers_load(db, refuse_second, &calls, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_string_equal(err.subject, row_id(id, 7));
        state_close(db);
}

/* Opens a file that must be refused, and sees to it that not one byte of it changed. */
static void refused_untouched(const char *path, const char *word) {
        _cleanup_free_ char *before = NULL, *after = NULL;
        size_t before_size, after_size;
        State *db = NULL;
        Error err = ERROR_INIT;

        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &before, &before_size), 0);
        assert_int_equal(state_open(&db, path, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, word));
        assert_null(db);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &after, &after_size), 0);
        assert_int_equal(before_size, after_size);
        assert_memory_equal(before, after, before_size);
}

static void a_file_of_someone_else_is_left_alone(void **state) {
        Scratch *scratch = *state;
        char text[4096];

        memset(text, 'x', sizeof(text));
        for (size_t size = 1; size <= sizeof(text); size *= 8) {
                assert_int_equal(
                        file_write_atomic_at(AT_FDCWD, scratch->path, text, size, 0600, false), 0);
                refused_untouched(scratch->path, "not a database of this engine");
        }
        assert_int_equal(unlink(scratch->path), 0);
        run_sql(scratch->path, "CREATE TABLE t (a); PRAGMA application_id=5");
        refused_untouched(scratch->path, "not a database of this engine");
        run_sql(scratch->path, "PRAGMA application_id=0");
        refused_untouched(scratch->path, "not a database of this engine");
}

static void a_newer_schema_is_left_alone(void **state) {
        Scratch *scratch = *state;
        char log_path[112];
        sqlite3 *db;

        state_close(scratch_open(scratch));
        run_sql(scratch->path, "PRAGMA user_version=1000");
        refused_untouched(scratch->path, "version 1000");

        /* The same while the newer number stands only in the log, as after a crash. */
        run_sql(scratch->path, "PRAGMA user_version=1");
        assert_int_equal(sqlite3_open(scratch->path, &db), SQLITE_OK);
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=2000", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        refused_untouched(scratch->path, "version 2000");
        snprintf(log_path, sizeof(log_path), "%s-wal", scratch->path);
        struct stat st;
        assert_int_equal(stat(log_path, &st), 0);
        assert_true(st.st_size > 0);
}

static void a_log_without_its_database_is_dropped(void **state) {
        Scratch *scratch = *state;
        struct stat st;
        _cleanup_free_ char *log_path = xasprintf("%s-wal", scratch->path);
        _cleanup_free_ char *beside = xasprintf("%s.new", scratch->path);
        State *db = scratch_open(scratch);

        row_insert(db, 1);
        state_close(db);
        assert_int_equal(stat(log_path, &st), 0);
        assert_true(st.st_size > 0);
        assert_int_equal(unlink(scratch->path), 0);
        /* Nor does what an interrupted start left stand in the way. */
        assert_int_equal(file_write_atomic_at(AT_FDCWD, beside, "x", 1, 0644, false), 0);
        db = scratch_open(scratch);
        _cleanup_(rows_freep)
        Rows *rows = rows_load(db);
        assert_int_equal(rows->count, 0);
        row_insert(db, 1);
        state_close(db);
        scratch_check(scratch);
        assert_int_equal(stat(beside, &st), -1);

        /* An empty file is no database yet. */
        assert_int_equal(truncate(scratch->path, 0), 0);
        db = scratch_open(scratch);
        row_insert(db, 1);
        state_close(db);
        scratch_check(scratch);
}

static void a_missing_folder_is_an_io_error(void **state) {
        State *db = NULL;
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(state_open(&db, "/nonexistent/state.db", &err), -1);
        assert_int_equal(err.kind, ERR_IO);
        assert_int_equal(err.errnum, ENOENT);
        assert_string_equal(err.subject, "/nonexistent/state.db");
}

static void a_damaged_page_is_corrupt(void **state) {
        Scratch *scratch = *state;
        State *db = scratch_open(scratch);
        Error err = ERROR_INIT;
        char garbage[4096];
        int calls = 2;

        for (unsigned i = 0; i < 100; i++)
                row_insert(db, i);
        state_close(db);
        memset(garbage, 0xa5, sizeof(garbage));
        int fd = open(scratch->path, O_RDWR | O_CLOEXEC);
        for (off_t at = 4096; at < lseek(fd, 0, SEEK_END); at += 4096)
                assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), sizeof(garbage));
        close(fd);
        db = scratch_open(scratch);
        assert_int_equal(state_containers_load(db, refuse_second, &calls, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        state_close(db);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_SCRATCH(every_field_comes_back),
                WITH_SCRATCH(a_taken_name_or_id_is_named),
                WITH_SCRATCH(a_hidden_container_frees_its_name_and_stays_hidden),
                WITH_SCRATCH(a_missing_container_is_not_found),
                WITH_SCRATCH(a_configuration_has_a_largest_size),
                WITH_SCRATCH(loading_stops_when_told),
                WITH_SCRATCH(a_status_from_nowhere_is_corrupt),
                WITH_SCRATCH(a_file_of_someone_else_is_left_alone),
                WITH_SCRATCH(a_newer_schema_is_left_alone),
                WITH_SCRATCH(a_log_without_its_database_is_dropped),
                WITH_SCRATCH(a_missing_folder_is_an_io_error),
                WITH_SCRATCH(a_damaged_page_is_corrupt),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
