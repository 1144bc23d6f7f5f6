/* SPDX-License-Identifier: Apache-2.0 */

/* state/: what a crash, a full disk and eight threads may not break. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "tests/unit/state-fixture.h"

/*
 * The child works without end and reports each answered step on a pipe; it is killed at a random
 * moment. Container N is inserted, then its exit code becomes N; every third is deleted.
 */
static void crash_child(const Scratch *scratch, int report_fd) {
        State *db = NULL;
        char id[ID_HEX_SIZE + 1];

        if (state_open(&db, scratch->path, NULL) < 0)
                _exit(1);
        Rows *loaded = rows_load(db);
        unsigned first = loaded->count ? loaded->number[loaded->count - 1] + 1 : 0;
        for (unsigned n = first;; n++) {
                char name[32], steps[] = { 'i', 'u', 'd' };
                ContainerRun run = run_configured();
                snprintf(name, sizeof(name), "name-%u", n);
                row_id(id, n);
                run.exit_code = (int)n;
                for (unsigned step = 0; step < (n % 3 == 0 ? 3 : 2); step++) {
                        struct {
                                unsigned n;
                                char step;
                        } report = { n, steps[step] };
                        int r = step == 0   ? row_try_insert(db, n, name, NULL)
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

                State *db = scratch_open(scratch);
                _cleanup_(rows_freep)
                Rows *loaded = rows_load(db);
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
                scratch_check(scratch);
        }
}

/*
 * The full disk is one of a child with a mount namespace of its own, which reports a line number,
 * or 0.
 */
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
                        .id = row_id(id, count),
                        .name = name,
                        .config = config,
                        .run = run_configured(),
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
        ContainerRun run = run_configured();
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
        CHECK(row_try_insert(db, 1000000, "first", &err) == 0);
        CHECK(fill_disk(filler) == 0);
        CHECK(insert_until_full(db, &inserted, &err) == 0);
        CHECK(inserted > 0);

        /* What was answered is there, what failed is not; and work on what exists goes on. */
        CHECK(state_containers_load(db, count_rows, &found, &err) == 0);
        CHECK(found == inserted + 1);
        for (unsigned n = 0; n < 1000; n++) {
                run.exit_code = (int)n;
                CHECK(state_container_update(db, row_id(id, n % inserted), &run, &err) == 0);
        }

        /* Nor does a start of the engine need room, and removing containers makes some. */
        state_close(db);
        CHECK(state_open(&db, scratch->path, &err) == 0);
        for (unsigned n = 0; n < inserted; n++) {
                CHECK(state_container_hide(db, row_id(id, n), &err) == 0);
                CHECK(state_container_delete(db, id, &err) == 0);
        }
        CHECK(row_try_insert(db, 1, "again", &err) == 0);
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
                ContainerRun run = run_configured();
                snprintf(name, sizeof(name), "name-%u", n);
                worker->failures += row_try_insert(worker->state, n, name, NULL) < 0;
                run.exit_code = (int)n;
                worker->failures +=
                        state_container_update(worker->state, row_id(id, n), &run, NULL) < 0;
                worker->failures += state_containers_load(worker->state, count_rows, &found, NULL) <
                                    0;
                worker->failures += found == 0;
                if (i % 2) {
                        worker->failures += state_container_hide(worker->state, id, NULL) < 0;
                        worker->failures += state_container_delete(worker->state, id, NULL) < 0;
                }
                /*
                 * All threads want one name; whoever is first has it until it hides the container.
                 */
                Error err = ERROR_INIT;
                if (row_try_insert(worker->state, 100000 + n, "wanted", &err) < 0)
                        worker->failures += err.kind != ERR_EXISTS;
                else
                        worker->failures += state_container_delete(worker->state,
                                                                   row_id(id, 100000 + n),
                                                                   NULL) < 0;
        }
        return NULL;
}

static void eight_threads_share_one_state(void **state) {
        Worker workers[THREADS];
        State *db = scratch_open(*state);

        for (unsigned i = 0; i < THREADS; i++) {
                workers[i] = (Worker){ .state = db, .number = i };
                assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]),
                                 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
                assert_int_equal(workers[i].failures, 0);
        }
        _cleanup_(rows_freep)
        Rows *loaded = rows_load(db);
        assert_int_equal(loaded->count, THREADS * THREAD_CONTAINERS / 2);
        for (size_t i = 0; i < loaded->count; i++)
                assert_int_equal(loaded->run[i].exit_code, loaded->number[i]);
        state_close(db);
        scratch_check(*state);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_SCRATCH(kill_takes_back_nothing_that_was_answered),
                WITH_SCRATCH(a_full_disk_leaves_nothing_half_written),
                WITH_SCRATCH(eight_threads_share_one_state),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
