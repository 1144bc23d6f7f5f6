/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One SQLite connection behind one lock: statements prepared once, changes as transactions,
 * SQLite's failures as our errors. Private to state/.
 */

#include <pthread.h>
#include <sqlite3.h>

#include "state/state.h"

#define DATABASE_APPLICATION_ID \
        0x53656c6b                    /* "Selk" in the file's header: tells ours from any other */
#define DATABASE_BUSY_TIMEOUT_MS 2000 /* for a person who looks into the file with a shell */
#define DATABASE_PAGE_BYTES      4096 /* SQLite's default: one row to a page or less */
#define DATABASE_CACHE_KB        256
#define DATABASE_WAL_PAGES       250 /* checkpoint at 1 MB: what a start has to read back */

/*
 * Room that is taken in advance, so that changes which do not grow the database, such as those that
 * remove a container, succeed on a full disk: pages of the log beyond its checkpoint, pages of the
 * database beyond its content, and the step in which the database file grows.
 */
#define DATABASE_RESERVE_PAGES 64
#define DATABASE_GROWTH_BYTES  (256 * 1024)

/* Keyed by the address of its SQL text, a constant beside the code that uses it. */
typedef struct DatabaseStatement {
        const char *sql;
        sqlite3_stmt *handle;
} DatabaseStatement;

typedef struct Database {
        pthread_mutex_t lock; /* guards everything below; the innermost lock of the engine */
        sqlite3 *handle;
        char *path;
        DatabaseStatement *statements;
        size_t statements_count, statements_capacity;
} Database;

struct State {
        Database database;
};

/**
 * database_open() - open or make the file, and bring its schema up to date
 * @database: zeroed; to be given to database_close() whatever comes back
 *
 * Errors: ERR_CORRUPT (not ours, damaged, or newer: untouched), ERR_IN_USE, ERR_NO_SPACE,
 * ERR_UNSUPPORTED (a file system without shared memory), ERR_IO.
 */
int database_open(Database *database, const char *path, Error *err);
void database_close(Database *database);

/** database_make() - open an empty file and give it the schema, without waiting for the disk */
int database_make(Database *database, const char *path, Error *err);

/**
 * database_file_prepare() - check a file before it is opened, or make it; errors of
 * database_open()
 */
int database_file_prepare(const char *path, Error *err);

/** database_file_accept() - whether a file with these numbers is ours and not newer; ERR_CORRUPT */
int database_file_accept(const char *path, int application_id, int version, Error *err);

/** database_migrate() - run the migrations that are missing */
int database_migrate(Database *database, Error *err);

/** database_schema_version() - the version that this program writes */
int database_schema_version(void);

/** database_version() - the version that the file has, its log included */
int database_version(Database *database, int *ret, Error *err);

/** database_fail() - fill @err from the connection's last failure; returns -1 */
int database_fail(Database *database, const char *subject, Error *err, const char *fmt, ...)
        _printf_(4, 5);

/**
 * database_prepare() - the prepared form of a constant SQL text, ready to be bound; lock held
 *
 * NULL with @err filled when the statement cannot be made. The cache owns it: give it back with
 * `_cleanup_statement_`, which also drops the bindings.
 */
sqlite3_stmt *database_prepare(Database *database, const char *sql, Error *err);

static inline void statement_releasep(sqlite3_stmt **statement) {
        if (*statement) {
                (void)sqlite3_reset(*statement); /* repeats the failure that step reported */
                (void)sqlite3_clear_bindings(*statement);
        }
}
#define _cleanup_statement_ _cleanup_(statement_releasep)

/** database_execute() - run SQL without rows or parameters; lock held */
int database_execute(Database *database, const char *sql, Error *err);

/**
 * database_reserve() - see to it that all pages of the database, and some more, have room in its
 * file
 *
 * To be called by changes that add rows, at their end; lock held. ERR_NO_SPACE.
 */
int database_reserve(Database *database, Error *err);

/**
 * database_change() - one transaction; takes the lock
 * @change: makes the change with prepared statements
 *
 * Commits when @change returns >= 0, else leaves no trace.
 */
int database_change(Database *database,
                    int (*change)(Database *database, const void *request, Error *err),
                    const void *request, Error *err);
