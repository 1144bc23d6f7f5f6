/* SPDX-License-Identifier: Apache-2.0 */

/* state/: what a crash, a full disk, a foreign file and eight threads may not break. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "state/state.h"

typedef struct Scratch {
        char dir[64];
        char path[96];
} Scratch;

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static int scratch_setup(void **state) {
        Scratch *scratch = xnew(Scratch, 1);

        strcpy(scratch->dir, "/tmp/selkie-state-XXXXXX");
        if (!mkdtemp(scratch->dir))
                return -1;
        snprintf(scratch->path, sizeof(scratch->path), "%s/state.db", scratch->dir);
        *state = scratch;
        return 0;
}

static int scratch_teardown(void **state) {
        Scratch *scratch = *state;

        int r = nftw(scratch->dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(scratch);
        return r;
}

static State *open_state(const Scratch *scratch) {
        State *state = NULL;
        Error err = ERROR_INIT;

        if (state_open(&state, scratch->path, &err) < 0)
                fail_msg("%s", err.text);
        return state;
}

static const char *make_id(char id[static ID_HEX_SIZE + 1], unsigned n) {
        snprintf(id, ID_HEX_SIZE + 1, "%064x", n);
        return id;
}

static ContainerRun configured(void) {
        return (ContainerRun){
                .intent = CONTAINER_INTENT_CREATE,
                .started_ns = TIMESTAMP_ZERO,
                .finished_ns = TIMESTAMP_ZERO,
        };
}

static int try_insert(State *state, unsigned n, const char *name, Error *err) {
        char id[ID_HEX_SIZE + 1];
        ContainerRow row = {
                .id = make_id(id, n),
                .name = name,
                .config = "{\"image\":\"busybox\"}",
                .run = configured(),
        };

        return state_container_insert(state, &row, err);
}

static void insert(State *state, unsigned n) {
        char name[32];
        Error err = ERROR_INIT;

        snprintf(name, sizeof(name), "name-%u", n);
        if (try_insert(state, n, name, &err) < 0)
                fail_msg("%s", err.text);
}

/* Rows as they were read, in the order in which they came. */
typedef struct Loaded {
        size_t count;
        unsigned number[4096];
        ContainerRun run[4096];
        char name[4096][32];
        char *last_config;
} Loaded;

static int collect(const ContainerRow *row, void *userdata, Error *err) {
        Loaded *loaded = userdata;

        (void)err;
        assert_true(loaded->count < ARRAY_SIZE(loaded->run));
        loaded->number[loaded->count] = (unsigned)strtoul(row->id, NULL, 16);
        snprintf(loaded->name[loaded->count], sizeof(loaded->name[0]), "%s", row->name);
        free(loaded->last_config);
        loaded->last_config = xstrdup(row->config);
        loaded->run[loaded->count++] = row->run;
        return 0;
}

static Loaded *loaded_free(Loaded *loaded) {
        free(loaded->last_config);
        free(loaded);
        return NULL;
}
DEFINE_CLEANUP(Loaded, loaded_free);

static Loaded *load(State *state) {
        Loaded *loaded = xnew(Loaded, 1);
        Error err = ERROR_INIT;

        if (state_containers_load(state, collect, loaded, &err) < 0)
                fail_msg("%s", err.text);
        return loaded;
}

/* With SQLite's own eyes: sound, and every configuration has its container. */
static void check_integrity(const char *path) {
        sqlite3 *db;
        sqlite3_stmt *statement;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
        sqlite3_finalize(statement);
        assert_int_equal(sqlite3_prepare_v2(db,
                                            "SELECT (SELECT count(*) FROM containers) ="
                                            " (SELECT count(*) FROM container_configs) AND NOT"
                                            " EXISTS (SELECT 1 FROM pragma_foreign_key_check)",
                                            -1, &statement, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(statement, 0), 1);
        sqlite3_finalize(statement);
        sqlite3_close(db);
}

static void run_sql(const char *path, const char *sql) {
        sqlite3 *db;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void every_field_comes_back(void **state) {
        Scratch *scratch = *state;
        State *db = open_state(scratch);
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
        insert(db, 2);
        insert(db, 1);
        assert_int_equal(state_container_update(db, make_id(id, 2), &run, NULL), 0);
        state_close(db);

        db = open_state(scratch);
        _cleanup_(loaded_freep)
        Loaded *loaded = load(db);
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
        check_integrity(scratch->path);
}

static void a_taken_name_or_id_is_named(void **state) {
        State *db = open_state(*state);
        Error err = ERROR_INIT;
        char id[ID_HEX_SIZE + 1];

        insert(db, 1);
        assert_int_equal(try_insert(db, 2, "name-1", &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        assert_string_equal(err.subject, "name-1");
        assert_int_equal(try_insert(db, 1, "other", &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        assert_string_equal(err.subject, make_id(id, 1));
        _cleanup_(loaded_freep)
        Loaded *loaded = load(db);
        assert_int_equal(loaded->count, 1);
        state_close(db);
}

static void a_hidden_container_frees_its_name_and_stays_hidden(void **state) {
        State *db = open_state(*state);
        char id[ID_HEX_SIZE + 1];
        ContainerRun run = configured();

        insert(db, 1);
        assert_int_equal(state_container_hide(db, make_id(id, 1), NULL), 0);
        assert_int_equal(try_insert(db, 2, "name-1", NULL), 0);
        run.status = CONTAINER_EXITED;
        run.intent = CONTAINER_INTENT_NONE;
        assert_int_equal(state_container_update(db, id, &run, NULL), 0);

        _cleanup_(loaded_freep)
        Loaded *loaded = load(db);
        assert_int_equal(loaded->count, 2);
        assert_string_equal(loaded->name[0], "name-1");
        assert_int_equal(loaded->run[0].status, CONTAINER_EXITED);
        assert_int_equal(loaded->run[0].intent, CONTAINER_INTENT_REMOVE);
        assert_int_equal(loaded->run[1].intent, CONTAINER_INTENT_CREATE);
        assert_int_equal(state_container_delete(db, id, NULL), 0);
        assert_int_equal(state_container_delete(db, id, NULL), 0);
        state_close(db);
        check_integrity(((Scratch *)*state)->path);
}

static void a_missing_container_is_not_found(void **state) {
        State *db = open_state(*state);
        Error err = ERROR_INIT;
        ContainerRun run = configured();

        assert_int_equal(state_container_update(db, "nobody", &run, &err), -1);
        assert_int_equal(err.kind, ERR_CONTAINER_NOT_FOUND);
        assert_string_equal(err.subject, "nobody");
        err = (Error)ERROR_INIT;
        assert_int_equal(state_container_hide(db, "nobody", &err), -1);
        assert_int_equal(err.kind, ERR_CONTAINER_NOT_FOUND);
        state_close(db);
}

static void a_configuration_has_a_largest_size(void **state) {
        State *db = open_state(*state);
        Error err = ERROR_INIT;
        _cleanup_free_ char *config = xnew(char, STATE_CONFIG_MAX + 2);
        ContainerRow row = { .id = "a", .name = "a", .config = config, .run = configured() };

        memset(config, ' ', STATE_CONFIG_MAX + 1);
        assert_int_equal(state_container_insert(db, &row, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        config[STATE_CONFIG_MAX] = '\0';
        assert_int_equal(state_container_insert(db, &row, NULL), 0);
        _cleanup_(loaded_freep)
        Loaded *loaded = load(db);
        assert_int_equal(strlen(loaded->last_config), STATE_CONFIG_MAX);
        state_close(db);
}

static int refuse_second(const ContainerRow *row, void *userdata, Error *err) {
        if (++*(int *)userdata == 2)
                return error_set(err, ERR_CANCELLED, row->id, "enough");
        return 0;
}

static void loading_stops_when_told(void **state) {
        State *db = open_state(*state);
        Error err = ERROR_INIT;
        int calls = 0;

        for (unsigned i = 0; i < 3; i++)
                insert(db, i);
        assert_int_equal(state_containers_load(db, refuse_second, &calls, &err), -1);
        assert_int_equal(err.kind, ERR_CANCELLED);
        assert_int_equal(calls, 2);
        insert(db, 9); /* the read transaction is over */
        state_close(db);
}

static void a_status_from_nowhere_is_corrupt(void **state) {
        Scratch *scratch = *state;
        State *db = open_state(scratch);
        Error err = ERROR_INIT;
        char id[ID_HEX_SIZE + 1];
        int calls = 0;

        insert(db, 7);
        state_close(db);
        run_sql(scratch->path, "UPDATE containers SET status=99");
        db = open_state(scratch);
        assert_int_equal(state_containers_load(db, refuse_second, &calls, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_string_equal(err.subject, make_id(id, 7));
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

        state_close(open_state(scratch));
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
        State *db = open_state(scratch);
        Error err = ERROR_INIT;
        char garbage[4096];
        int calls = 2;

        for (unsigned i = 0; i < 100; i++)
                insert(db, i);
        state_close(db);
        memset(garbage, 0xa5, sizeof(garbage));
        int fd = open(scratch->path, O_RDWR | O_CLOEXEC);
        for (off_t at = 4096; at < lseek(fd, 0, SEEK_END); at += 4096)
                assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), sizeof(garbage));
        close(fd);
        db = open_state(scratch);
        assert_int_equal(state_containers_load(db, refuse_second, &calls, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        state_close(db);
}

/*
 * The child works without end and reports each answered step on a pipe; it is killed at a random
 * moment. Container N is inserted, then its exit code becomes N; every third is deleted.
 */
static void crash_child(const Scratch *scratch, int report_fd) {
        State *db = NULL;
        char id[ID_HEX_SIZE + 1];

        if (state_open(&db, scratch->path, NULL) < 0)
                _exit(1);
        Loaded *loaded = load(db);
        unsigned first = loaded->count ? loaded->number[loaded->count - 1] + 1 : 0;
        for (unsigned n = first;; n++) {
                char name[32], steps[] = { 'i', 'u', 'd' };
                ContainerRun run = configured();
                snprintf(name, sizeof(name), "name-%u", n);
                make_id(id, n);
                run.exit_code = (int)n;
                for (unsigned step = 0; step < (n % 3 == 0 ? 3 : 2); step++) {
                        struct {
                                unsigned n;
                                char step;
                        } report = { n, steps[step] };
                        int r = step == 0   ? try_insert(db, n, name, NULL)
                                : step == 1 ? state_container_update(db, id, &run, NULL)
                                            : state_container_delete(db, id, NULL);
                        if (r < 0 || write(report_fd, &report, sizeof(report)) < 0)
                                _exit(1);
                }
        }
}

static void kill_takes_back_nothing_that_was_answered(void **state) {
        Scratch *scratch = *state;
        char acknowledged[4096] = { 0 }; /* last step that was answered, by number */

        for (int round = 0; round < 12; round++) {
                int pipes[2];
                struct {
                        unsigned n;
                        char step;
                } report;
                assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
                pid_t pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        crash_child(scratch, pipes[1]);
                        _exit(0);
                }
                close(pipes[1]);
                uint64_t steps = 1 + random_below(300);
                while (read(pipes[0], &report, sizeof(report)) == sizeof(report)) {
                        assert_true(report.n < sizeof(acknowledged));
                        acknowledged[report.n] = report.step;
                        if (--steps == 0)
                                assert_int_equal(kill(pid, SIGKILL), 0);
                }
                int status;
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
                close(pipes[0]);

                State *db = open_state(scratch);
                _cleanup_(loaded_freep)
                Loaded *loaded = load(db);
                bool is_there[sizeof(acknowledged)] = { false };
                for (size_t i = 0; i < loaded->count; i++) {
                        unsigned n = loaded->number[i];
                        is_there[n] = true;
                        assert_int_not_equal(acknowledged[n], 'd');
                        if (acknowledged[n] == 'u')
                                assert_int_equal(loaded->run[i].exit_code, n);
                }
                for (size_t n = 0; n < sizeof(acknowledged); n++)
                        if (acknowledged[n] == 'i' || (acknowledged[n] == 'u' && n % 3 != 0))
                                assert_true(is_there[n]);
                state_close(db);
                check_integrity(scratch->path);
        }
}

/* The full disk is one of a child with a mount namespace of its own, which reports a line number, or 0. */
#define CHECK(condition)                 \
        do {                             \
                if (!(condition))        \
                        return __LINE__; \
        } while (0)

static int count_rows(const ContainerRow *row, void *userdata, Error *err) {
        (void)row;
        (void)err;
        ++*(unsigned *)userdata;
        return 0;
}

/* Writes until the disk takes no more. */
static int fill_disk(const char *path) {
        static const char block[4096];
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        CHECK(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                continue;
        CHECK(errno == ENOSPC);
        return 0;
}

static int insert_until_full(State *db, unsigned *ret_count, Error *err) {
        static char config[32 * 1024];
        char id[ID_HEX_SIZE + 1], name[32];
        unsigned count = 0;

        memset(config, ' ', sizeof(config) - 1);
        for (;; count++) {
                snprintf(name, sizeof(name), "name-%u", count);
                ContainerRow row = {
                        .id = make_id(id, count),
                        .name = name,
                        .config = config,
                        .run = configured(),
                };
                if (state_container_insert(db, &row, err) < 0)
                        break;
        }
        CHECK(err->kind == ERR_NO_SPACE);
        CHECK(strstr(err->text, "state.db") != NULL);
        *ret_count = count;
        return 0;
}

static int full_disk_child(const Scratch *scratch) {
        _cleanup_free_ char *filler = xasprintf("%s/filler", scratch->dir);
        State *db = NULL;
        Error err = ERROR_INIT;
        char id[ID_HEX_SIZE + 1];
        ContainerRun run = configured();
        unsigned inserted = 0, found = 0;

        CHECK(unshare(CLONE_NEWNS) == 0);
        CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
        CHECK(mount("tmpfs", scratch->dir, "tmpfs", 0, "size=4m") == 0);

        /* A disk without any room: no database can be made, and one clear error says so. */
        CHECK(fill_disk(filler) == 0);
        CHECK(state_open(&db, scratch->path, &err) < 0);
        CHECK(db == NULL);
        CHECK(err.kind == ERR_NO_SPACE);
        CHECK(unlink(filler) == 0);

        CHECK(state_open(&db, scratch->path, &err) == 0);
        CHECK(try_insert(db, 1000000, "first", &err) == 0);
        CHECK(fill_disk(filler) == 0);
        CHECK(insert_until_full(db, &inserted, &err) == 0);
        CHECK(inserted > 0);

        /* What was answered is there, what failed is not; and work on what exists goes on. */
        CHECK(state_containers_load(db, count_rows, &found, &err) == 0);
        CHECK(found == inserted + 1);
        for (unsigned n = 0; n < 1000; n++) {
                run.exit_code = (int)n;
                CHECK(state_container_update(db, make_id(id, n % inserted), &run, &err) == 0);
        }

        /* Nor does a start of the engine need room, and removing containers makes some. */
        state_close(db);
        CHECK(state_open(&db, scratch->path, &err) == 0);
        for (unsigned n = 0; n < inserted; n++) {
                CHECK(state_container_hide(db, make_id(id, n), &err) == 0);
                CHECK(state_container_delete(db, id, &err) == 0);
        }
        CHECK(try_insert(db, 1, "again", &err) == 0);
        state_close(db);
        return 0;
}

static void a_full_disk_leaves_nothing_half_written(void **state) {
        Scratch *scratch = *state;
        int status, pipes[2], line = 0;

        if (geteuid() != 0) {
                print_message("needs root to mount a small disk\n");
                skip();
        }
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                line = full_disk_child(scratch);
                _exit(write(pipes[1], &line, sizeof(line)) != sizeof(line));
        }
        close(pipes[1]);
        assert_int_equal(read(pipes[0], &line, sizeof(line)), sizeof(line));
        close(pipes[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (line)
                fail_msg("the check at line %d failed", line);
        assert_int_equal(status, 0);
}

#define THREADS           8
#define THREAD_CONTAINERS 40

typedef struct Worker {
        pthread_t thread;
        State *state;
        unsigned number;
        unsigned failures;
} Worker;

static void *worker_run(void *argument) {
        Worker *worker = argument;
        char id[ID_HEX_SIZE + 1], name[32];

        for (unsigned i = 0; i < THREAD_CONTAINERS; i++) {
                unsigned n = worker->number * THREAD_CONTAINERS + i, found = 0;
                ContainerRun run = configured();
                snprintf(name, sizeof(name), "name-%u", n);
                worker->failures += try_insert(worker->state, n, name, NULL) < 0;
                run.exit_code = (int)n;
                worker->failures +=
                        state_container_update(worker->state, make_id(id, n), &run, NULL) < 0;
                worker->failures += state_containers_load(worker->state, count_rows, &found, NULL) <
                                    0;
                worker->failures += found == 0;
                if (i % 2) {
                        worker->failures += state_container_hide(worker->state, id, NULL) < 0;
                        worker->failures += state_container_delete(worker->state, id, NULL) < 0;
                }
                /* All threads want one name; whoever is first has it until it hides the container. */
                Error err = ERROR_INIT;
                if (try_insert(worker->state, 100000 + n, "wanted", &err) < 0)
                        worker->failures += err.kind != ERR_EXISTS;
                else
                        worker->failures += state_container_delete(worker->state,
                                                                   make_id(id, 100000 + n),
                                                                   NULL) < 0;
        }
        return NULL;
}

static void eight_threads_share_one_state(void **state) {
        Worker workers[THREADS];
        State *db = open_state(*state);

        for (unsigned i = 0; i < THREADS; i++) {
                workers[i] = (Worker){ .state = db, .number = i };
                assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]),
                                 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
                assert_int_equal(workers[i].failures, 0);
        }
        _cleanup_(loaded_freep)
        Loaded *loaded = load(db);
        assert_int_equal(loaded->count, THREADS * THREAD_CONTAINERS / 2);
        for (size_t i = 0; i < loaded->count; i++)
                assert_int_equal(loaded->run[i].exit_code, loaded->number[i]);
        state_close(db);
        check_integrity(((Scratch *)*state)->path);
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
                WITH_SCRATCH(a_missing_folder_is_an_io_error),
                WITH_SCRATCH(a_damaged_page_is_corrupt),
                WITH_SCRATCH(kill_takes_back_nothing_that_was_answered),
                WITH_SCRATCH(a_full_disk_leaves_nothing_half_written),
                WITH_SCRATCH(eight_threads_share_one_state),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
