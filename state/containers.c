/* SPDX-License-Identifier: Apache-2.0 */

/* Containers on disk; schema and its reasons: migrations.c. */

#include <string.h>

#include "state/database.h"

/* The parameters of a run part, in this order, in insert and update alike. */
enum {
        RUN_STATUS,
        RUN_INTENT,
        RUN_PID,
        RUN_PID_START,
        RUN_MONITOR_PID,
        RUN_MONITOR_START,
        RUN_STARTED,
        RUN_FINISHED,
        RUN_EXIT_CODE,
        RUN_IS_OOM_KILLED,
        _RUN_MAX,
};

static const char sql_load[] =
        "SELECT status, intent, pid, pid_start, monitor_pid, monitor_start, started_ns,"
        " finished_ns, exit_code, is_oom_killed, is_hidden, id, name, config"
        " FROM containers JOIN container_configs ON container = number ORDER BY id";
static const char sql_insert[] =
        "INSERT INTO containers (status, intent, pid, pid_start, monitor_pid, monitor_start,"
        " started_ns, finished_ns, exit_code, is_oom_killed, id, name)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
static const char sql_insert_config[] =
        "INSERT INTO container_configs (container, config) VALUES (?1, ?2)";
static const char sql_update[] =
        "UPDATE containers SET status=?1, intent=?2, pid=?3, pid_start=?4, monitor_pid=?5,"
        " monitor_start=?6, started_ns=?7, finished_ns=?8, exit_code=?9, is_oom_killed=?10"
        " WHERE id=?11";
static const char sql_hide[] = "UPDATE containers SET is_hidden=1 WHERE id=?1";
static const char sql_delete[] = "DELETE FROM containers WHERE id=?1";
static const char sql_has_id[] = "SELECT 1 FROM containers WHERE id=?1";

static int bind_text(sqlite3_stmt *statement, int at, const char *text) {
        return sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* Binding an index that the statement has cannot fail but for memory, which step then reports. */
static void bind_run(sqlite3_stmt *statement, const ContainerRun *run) {
        const int64_t values[_RUN_MAX] = {
                [RUN_STATUS] = run->status,
                [RUN_INTENT] = run->intent,
                [RUN_PID] = run->pid,
                [RUN_PID_START] = (int64_t)run->pid_start,
                [RUN_MONITOR_PID] = run->monitor_pid,
                [RUN_MONITOR_START] = (int64_t)run->monitor_start,
                [RUN_STARTED] = run->started_ns,
                [RUN_FINISHED] = run->finished_ns,
                [RUN_EXIT_CODE] = run->exit_code,
                [RUN_IS_OOM_KILLED] = run->is_oom_killed,
        };

        for (int i = 0; i < _RUN_MAX; i++)
                (void)sqlite3_bind_int64(statement, i + 1, values[i]);
}

static int row_read(sqlite3_stmt *statement, ContainerRow *ret, Error *err) {
        int64_t values[_RUN_MAX];
        ContainerRow row = {
                .id = (const char *)sqlite3_column_text(statement, _RUN_MAX + 1),
                .name = (const char *)sqlite3_column_text(statement, _RUN_MAX + 2),
                .config = (const char *)sqlite3_column_text(statement, _RUN_MAX + 3),
        };

        if (!row.id || !row.name || !row.config)
                return error_set(err, ERR_CORRUPT, row.id, "a container's row has no text");
        for (int i = 0; i < _RUN_MAX; i++)
                values[i] = sqlite3_column_int64(statement, i);
        if (values[RUN_STATUS] < 0 || values[RUN_STATUS] >= _CONTAINER_STATUS_MAX ||
            values[RUN_INTENT] < 0 || values[RUN_INTENT] >= _CONTAINER_INTENT_MAX)
                return error_set(err, ERR_CORRUPT, row.id,
                                 "container %s has a status or intent that does not exist", row.id);

        bool is_hidden = sqlite3_column_int(statement, _RUN_MAX) != 0;
        row.run = (ContainerRun){
                .status = (ContainerStatus)values[RUN_STATUS],
                .intent = is_hidden ? CONTAINER_INTENT_REMOVE : (ContainerIntent)values[RUN_INTENT],
                .pid = (pid_t)values[RUN_PID],
                .pid_start = (uint64_t)values[RUN_PID_START],
                .monitor_pid = (pid_t)values[RUN_MONITOR_PID],
                .monitor_start = (uint64_t)values[RUN_MONITOR_START],
                .started_ns = values[RUN_STARTED],
                .finished_ns = values[RUN_FINISHED],
                .exit_code = (int)values[RUN_EXIT_CODE],
                .is_oom_killed = values[RUN_IS_OOM_KILLED] != 0,
        };
        *ret = row;
        return 0;
}

static int load_locked(Database *database,
                       int (*func)(const ContainerRow *row, void *userdata, Error *err),
                       void *userdata, Error *err) {
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql_load, err);
        int r;

        if (!statement)
                return -1;
        while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
                ContainerRow row;
                if (row_read(statement, &row, err) < 0 || func(&row, userdata, err) < 0)
                        return -1;
        }
        if (r != SQLITE_DONE)
                return database_fail(database, NULL, err, "cannot read the containers");
        return 0;
}

int state_containers_load(State *state,
                          int (*func)(const ContainerRow *row, void *userdata, Error *err),
                          void *userdata, Error *err) {
        (void)pthread_mutex_lock(&state->database.lock);
        int r = load_locked(&state->database, func, userdata, err);
        (void)pthread_mutex_unlock(&state->database.lock);
        return r;
}

/* Which of the two unique columns it was; asked only after an insert found one taken. */
static int fail_taken(Database *database, const ContainerRow *row, Error *err) {
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql_has_id, err);

        if (!statement)
                return -1;
        (void)bind_text(statement, 1, row->id);
        if (sqlite3_step(statement) == SQLITE_ROW)
                return error_set(err, ERR_EXISTS, row->id, "the container id %s is in use",
                                 row->id);
        return error_set(err, ERR_EXISTS, row->name, "the container name %s is in use", row->name);
}

static int insert_row(Database *database, const void *request, Error *err) {
        const ContainerRow *row = request;
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql_insert, err);
        _cleanup_statement_ sqlite3_stmt *config =
                database_prepare(database, sql_insert_config, err);

        if (!statement || !config)
                return -1;
        bind_run(statement, &row->run);
        (void)bind_text(statement, _RUN_MAX + 1, row->id);
        (void)bind_text(statement, _RUN_MAX + 2, row->name);
        int r = sqlite3_step(statement);
        if (r == SQLITE_CONSTRAINT_UNIQUE)
                return fail_taken(database, row, err);
        if (r != SQLITE_DONE)
                return database_fail(database, row->id, err, "cannot add container %s", row->id);

        (void)sqlite3_bind_int64(config, 1, sqlite3_last_insert_rowid(database->handle));
        (void)bind_text(config, 2, row->config);
        if (sqlite3_step(config) != SQLITE_DONE)
                return database_fail(database, row->id, err, "cannot add container %s", row->id);
        return database_reserve(database, err);
}

int state_container_insert(State *state, const ContainerRow *row, Error *err) {
        size_t size = strlen(row->config);

        if (size > STATE_CONFIG_MAX)
                return error_set(err, ERR_LIMIT, row->id,
                                 "the configuration of container %s has %zu bytes; at most %d can "
                                 "be kept",
                                 row->name, size, STATE_CONFIG_MAX);
        return database_change(&state->database, insert_row, row, err);
}

/* Runs a statement that must meet the one row with this id. */
static int step_on_row(Database *database, sqlite3_stmt *statement, const char *id,
                       const char *what, Error *err) {
        if (sqlite3_step(statement) != SQLITE_DONE)
                return database_fail(database, id, err, "cannot %s container %s", what, id);
        if (sqlite3_changes(database->handle) == 0)
                return error_set(err, ERR_CONTAINER_NOT_FOUND, id, "there is no container %s", id);
        return 0;
}

typedef struct UpdateRequest {
        const char *id;
        const ContainerRun *run;
} UpdateRequest;

static int update_row(Database *database, const void *request, Error *err) {
        const UpdateRequest *change = request;
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql_update, err);

        if (!statement)
                return -1;
        bind_run(statement, change->run);
        (void)bind_text(statement, _RUN_MAX + 1, change->id);
        return step_on_row(database, statement, change->id, "update", err);
}

int state_container_update(State *state, const char *id, const ContainerRun *run, Error *err) {
        return database_change(&state->database, update_row, &(UpdateRequest){ id, run }, err);
}

static int hide_row(Database *database, const void *request, Error *err) {
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql_hide, err);

        if (!statement)
                return -1;
        (void)bind_text(statement, 1, request);
        return step_on_row(database, statement, request, "hide", err);
}

int state_container_hide(State *state, const char *id, Error *err) {
        return database_change(&state->database, hide_row, id, err);
}

static int delete_row(Database *database, const void *request, Error *err) {
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql_delete, err);
        const char *id = request;

        if (!statement)
                return -1;
        (void)bind_text(statement, 1, id);
        if (sqlite3_step(statement) != SQLITE_DONE)
                return database_fail(database, id, err, "cannot delete container %s", id);
        return 0;
}

int state_container_delete(State *state, const char *id, Error *err) {
        return database_change(&state->database, delete_row, id, err);
}
