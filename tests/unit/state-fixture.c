/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timestamp.h"

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

int scratch_setup(void **state) {
        Scratch *scratch = xnew(Scratch, 1);

        snprintf(scratch->dir, sizeof(scratch->dir), "/tmp/selkie-state-XXXXXX");
        if (!mkdtemp(scratch->dir))
                return -1;
        snprintf(scratch->path, sizeof(scratch->path), "%s/state.db", scratch->dir);
        *state = scratch;
        return 0;
}

int scratch_teardown(void **state) {
        Scratch *scratch = *state;

        int r = nftw(scratch->dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(scratch);
        return r;
}

State *scratch_open(const Scratch *scratch) {
        State *state = NULL;
        Error err = ERROR_INIT;

        if (state_open(&state, scratch->path, &err) < 0)
                fail_msg("%s", err.text);
        return state;
}

const char *row_id(char id[static ID_HEX_SIZE + 1], unsigned n) {
        snprintf(id, ID_HEX_SIZE + 1, "%064x", n);
        return id;
}

ContainerRun run_configured(void) {
        return (ContainerRun){
                .intent = CONTAINER_INTENT_CREATE,
                .started_ns = TIMESTAMP_ZERO,
                .finished_ns = TIMESTAMP_ZERO,
        };
}

int row_try_insert(State *state, unsigned n, const char *name, Error *err) {
        char id[ID_HEX_SIZE + 1];
        ContainerRow row = {
                .id = row_id(id, n),
                .name = name,
                .config = "{\"image\":\"busybox\"}",
                .run = run_configured(),
        };

        return state_container_insert(state, &row, err);
}

void row_insert(State *state, unsigned n) {
        char name[32];
        Error err = ERROR_INIT;

        snprintf(name, sizeof(name), "name-%u", n);
        if (row_try_insert(state, n, name, &err) < 0)
                fail_msg("%s", err.text);
}

static int collect(const ContainerRow *row, void *userdata, Error *err) {
        Rows *loaded = userdata;

        (void)err;
        assert_true(loaded->count < ARRAY_SIZE(loaded->run));
        loaded->number[loaded->count] = (unsigned)strtoul(row->id, NULL, 16);
        snprintf(loaded->name[loaded->count], sizeof(loaded->name[0]), "%s", row->name);
        free(loaded->last_config);
        loaded->last_config = xstrdup(row->config);
        loaded->run[loaded->count++] = row->run;
        return 0;
}

Rows *rows_free(Rows *loaded) {
        free(loaded->last_config);
        free(loaded);
        return NULL;
}
Rows *rows_load(State *state) {
        Rows *loaded = xnew(Rows, 1);
        Error err = ERROR_INIT;

        if (state_containers_load(state, collect, loaded, &err) < 0)
                fail_msg("%s", err.text);
        return loaded;
}

void scratch_check(const Scratch *scratch) {
        sqlite3 *db;
        sqlite3_stmt *statement;

        assert_int_equal(sqlite3_open_v2(scratch->path, &db, SQLITE_OPEN_READWRITE, NULL),
                         SQLITE_OK);
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
