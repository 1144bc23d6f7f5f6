/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The schema, as the list of steps that lead to it.
 *
 * Entry N brings a file from version N to N + 1, in one transaction with the new version number, so
 * a crash leaves the old version or the new one. Entries are history: a released one never changes,
 * a change of the schema is a new entry at the end.
 */

#include <stdio.h>

#include "state/database.h"

/*
 * A container is two rows. What changes while it lives is short and fixed in size, so that an
 * update writes one page; its configuration, which may have kilobytes, is written once and read at
 * start. A container that is being removed keeps its name for messages, but no longer occupies it.
 */
static const char *const migrations[] = {
        "PRAGMA application_id=0x53656c6b;"
        "CREATE TABLE containers ("
        "        number INTEGER PRIMARY KEY,"
        "        id TEXT NOT NULL UNIQUE,"
        "        name TEXT NOT NULL,"
        "        is_hidden INTEGER NOT NULL DEFAULT 0,"
        "        status INTEGER NOT NULL,"
        "        intent INTEGER NOT NULL,"
        "        pid INTEGER NOT NULL,"
        "        pid_start INTEGER NOT NULL,"
        "        monitor_pid INTEGER NOT NULL,"
        "        monitor_start INTEGER NOT NULL,"
        "        started_ns INTEGER NOT NULL,"
        "        finished_ns INTEGER NOT NULL,"
        "        exit_code INTEGER NOT NULL,"
        "        is_oom_killed INTEGER NOT NULL"
        ") STRICT;"
        "CREATE UNIQUE INDEX containers_name ON containers (name) WHERE NOT is_hidden;"
        "CREATE TABLE container_configs ("
        "        container INTEGER PRIMARY KEY REFERENCES containers ON DELETE CASCADE,"
        "        config TEXT NOT NULL"
        ") STRICT;",
};

int database_schema_version(void) {
        return (int)ARRAY_SIZE(migrations);
}

static int migration_run(Database *database, const void *request, Error *err) {
        const int *version = request;
        char text[64];

        if (database_execute(database, migrations[*version], err) < 0)
                return -1;
        snprintf(text, sizeof(text), "PRAGMA user_version=%d", *version + 1);
        return database_execute(database, text, err);
}

int database_migrate(Database *database, Error *err) {
        int version = 0;

        if (database_version(database, &version, err) < 0)
                return -1;
        for (; version < database_schema_version(); version++)
                if (database_change(database, migration_run, &version, err) < 0)
                        return error_prefix(err, "cannot bring the schema from version %d to %d",
                                            version, version + 1);
        return 0;
}
