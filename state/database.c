/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The connection, its settings and its failures.
 *
 * WAL with synchronous=NORMAL: a commit is one append to the log without waiting for the disk. It
 * survives a crash of the engine at any point; a power cut may lose the newest commits but never
 * damages the file, and the containers they spoke of did not survive it either.
 *
 * Nothing else may open the file while the connection lives: closing any descriptor of it would
 * drop SQLite's POSIX locks. What happens to the file before is in database_file.c.
 *
 * A full disk must not keep anyone from removing containers. Every change is an append to the log,
 * so the log's file has its room from the start and keeps it; and since the log can only be begun
 * anew once its pages went to the database, the database's file is always as large as its content.
 */

#include "state/database.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

static pthread_once_t configured = PTHREAD_ONCE_INIT;

/*
 * Statistics would take a process-wide lock at every allocation. Fails only if SQLite runs
 * already.
 */
static void configure_once(void) {
        (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static ErrorKind kind_of(int code) {
        switch (code & 0xff) {
        case SQLITE_FULL:
                return ERR_NO_SPACE;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return ERR_CORRUPT;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return ERR_IN_USE;
        case SQLITE_TOOBIG:
                return ERR_LIMIT;
        default:
                return ERR_IO;
        }
}

int database_fail(Database *database, const char *subject, Error *err, const char *fmt, ...) {
        int code = sqlite3_extended_errcode(database->handle);
        char what[256];
        va_list args;

        va_start(args, fmt);
        vsnprintf(what, sizeof(what), fmt, args);
        va_end(args);

        int errnum = sqlite3_system_errno(database->handle);
        ErrorKind kind = kind_of(code);
        if (kind == ERR_IO && errnum > 0)
                return error_errno(err, ERR_IO, errnum, subject, "%s in %s", what, database->path);
        return error_set(err, kind, subject, "%s in %s: %s", what, database->path,
                         sqlite3_errmsg(database->handle));
}

static int read_number(Database *database, const char *sql, int *ret, Error *err) {
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql, err);

        if (!statement)
                return -1;
        if (sqlite3_step(statement) != SQLITE_ROW)
                return database_fail(database, database->path, err, "cannot read the header");
        *ret = sqlite3_column_int(statement, 0);
        return 0;
}

int database_version(Database *database, int *ret, Error *err) {
        return read_number(database, "PRAGMA user_version", ret, err);
}

/* Best effort: without the room, changes merely fail on a full disk. */
static void reserve_log(Database *database) {
        int64_t frame_size = 24 + DATABASE_PAGE_BYTES; /* sqlite.org/fileformat2.html section 4.1 */
        _cleanup_free_ char *path = xasprintf("%s-wal", database->path);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

        if (fd >= 0)
                (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0,
                                (DATABASE_WAL_PAGES + DATABASE_RESERVE_PAGES) * frame_size);
}

int database_reserve(Database *database, Error *err) {
        int pages = 0;

        if (read_number(database, "PRAGMA page_count", &pages, err) < 0)
                return -1;
        int64_t size = ((int64_t)pages + DATABASE_RESERVE_PAGES) * DATABASE_PAGE_BYTES;
        if (sqlite3_file_control(database->handle, NULL, SQLITE_FCNTL_SIZE_HINT, &size) !=
            SQLITE_OK)
                return error_set(err, ERR_NO_SPACE, database->path,
                                 "cannot grow %s: there is no room on its disk", database->path);
        return 0;
}

static int start_log(Database *database, Error *err) {
        _cleanup_statement_ sqlite3_stmt *journal =
                database_prepare(database, "PRAGMA journal_mode=WAL", err);

        if (!journal)
                return -1;
        if (sqlite3_step(journal) != SQLITE_ROW)
                return database_fail(database, database->path, err, "cannot start the log");
        const char *mode = (const char *)sqlite3_column_text(journal, 0);
        if (!mode || strcmp(mode, "wal") != 0)
                return error_set(err, ERR_UNSUPPORTED, database->path,
                                 "cannot keep a log for %s: its filesystem has no shared memory",
                                 database->path);
        return 0;
}

static int apply_settings(Database *database, Error *err) {
        int growth = DATABASE_GROWTH_BYTES, keeps_log = 1;
        char text[64];

        (void)sqlite3_file_control(database->handle, NULL, SQLITE_FCNTL_CHUNK_SIZE, &growth);
        (void)sqlite3_file_control(database->handle, NULL, SQLITE_FCNTL_PERSIST_WAL, &keeps_log);
        (void)sqlite3_wal_autocheckpoint(database->handle, DATABASE_WAL_PAGES);
        snprintf(text, sizeof(text), "PRAGMA cache_size=-%d", DATABASE_CACHE_KB);
        if (database_execute(database, text, err) < 0)
                return -1;
        return database_execute(database,
                                "PRAGMA synchronous=NORMAL;"
                                "PRAGMA foreign_keys=ON;"
                                "PRAGMA mmap_size=0;"
                                "PRAGMA temp_store=MEMORY;"
                                "PRAGMA trusted_schema=OFF;"
                                "PRAGMA secure_delete=FAST",
                                err);
}

static int connect_to(Database *database, const char *path, Error *err) {
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

        (void)pthread_once(&configured, configure_once);
        (void)pthread_mutex_init(&database->lock, NULL);
        database->path = xstrdup(path);
        if (sqlite3_open_v2(path, &database->handle, flags, NULL) != SQLITE_OK)
                return database_fail(database, path, err, "cannot open the database");
        (void)sqlite3_busy_timeout(database->handle, DATABASE_BUSY_TIMEOUT_MS);
        (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        return 0;
}

int database_make(Database *database, const char *path, Error *err) {
        if (connect_to(database, path, err) < 0 ||
            database_execute(database, "PRAGMA synchronous=OFF", err) < 0 ||
            start_log(database, err) < 0)
                return -1;
        return database_migrate(database, err);
}

/* What the log holds counts; after a crash it may be ahead of the header that was looked at. */
static int check_version(Database *database, Error *err) {
        int application_id = 0, version = 0;

        if (read_number(database, "PRAGMA application_id", &application_id, err) < 0 ||
            read_number(database, "PRAGMA user_version", &version, err) < 0)
                return -1;
        return database_file_accept(database->path, application_id, version, err);
}

int database_open(Database *database, const char *path, Error *err) {
        if (database_file_prepare(path, err) < 0 || connect_to(database, path, err) < 0)
                return -1;

        /* A file that is refused must stay as it is: closing must not fold the log into it. */
        (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (check_version(database, err) < 0)
                return -1;
        (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);

        if (start_log(database, err) < 0 || apply_settings(database, err) < 0 ||
            database_migrate(database, err) < 0)
                return -1;
        reserve_log(database);
        return 0;
}

void database_close(Database *database) {
        for (size_t i = 0; i < database->statements_count; i++)
                (void)sqlite3_finalize(database->statements[i].handle);
        free(database->statements);
        if (database->handle)
                (void)sqlite3_close(database->handle); /* fails only with statements left open */
        free(database->path);
        (void)pthread_mutex_destroy(&database->lock);
        memset(database, 0, sizeof(*database));
}

sqlite3_stmt *database_prepare(Database *database, const char *sql, Error *err) {
        for (size_t i = 0; i < database->statements_count; i++)
                if (database->statements[i].sql == sql)
                        return database->statements[i].handle;

        sqlite3_stmt *handle = NULL;
        if (sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle,
                               NULL) != SQLITE_OK) {
                (void)database_fail(database, database->path, err, "cannot prepare a statement");
                return NULL;
        }
        GROW(database->statements, database->statements_count, database->statements_capacity);
        database->statements[database->statements_count++] = (DatabaseStatement){ sql, handle };
        return handle;
}

int database_execute(Database *database, const char *sql, Error *err) {
        if (sqlite3_exec(database->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
                return database_fail(database, database->path, err, "cannot run a statement");
        return 0;
}

static int step_once(Database *database, const char *sql, const char *what, Error *err) {
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(database, sql, err);

        if (!statement)
                return -1;
        if (sqlite3_step(statement) != SQLITE_DONE)
                return database_fail(database, database->path, err, "cannot %s a transaction",
                                     what);
        return 0;
}

static int change_locked(Database *database,
                         int (*change)(Database *database, const void *request, Error *err),
                         const void *request, Error *err) {
        if (step_once(database, "BEGIN IMMEDIATE", "begin", err) < 0)
                return -1;
        if (change(database, request, err) >= 0 &&
            step_once(database, "COMMIT", "commit", err) >= 0)
                return 0;
        /* Some failures have rolled back already. */
        if (!sqlite3_get_autocommit(database->handle))
                (void)step_once(database, "ROLLBACK", "roll back", NULL);
        return -1;
}

int database_change(Database *database,
                    int (*change)(Database *database, const void *request, Error *err),
                    const void *request, Error *err) {
        (void)pthread_mutex_lock(&database->lock);
        int r = change_locked(database, change, request, err);
        (void)pthread_mutex_unlock(&database->lock);
        return r;
}
