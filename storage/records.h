/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One of the store's files: a JSON array of records, rewritten whole at every change.
 *
 * A record is immutable and counted: its own text, exactly as it stands in the file, and the typed
 * fields that were read from it. So fields of other tools survive, a save joins texts and encodes
 * nothing, and a load reads only the records whose text it does not have already.
 *
 * Readers take no file lock. The file is replaced by rename, so one read sees one state; the stamp
 * and the file's identity say whether the state in memory is still the file's. A lock would make
 * them wait, for another tool may hold it while it unpacks a layer for seconds. Writers hold the
 * lock.
 *
 * The table in memory has its own mutex, held for as long as records_read() or records_write()
 * holds the table. Order: as the lock files' (see store_private.h), each file lock before its
 * table.
 */

#include <jansson.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/map.h"
#include "storage/lock.h"

typedef struct Record Record;

/* What a file's records are: how one is made from its JSON, and how it is freed. */
typedef struct RecordClass {
        const char *noun; /* "layer" */
        /**
         * decode() - a new record with id set, or NULL after filling @err (ERR_CORRUPT, any
         * subject)
         */
        Record *(*decode)(const json_t *object, Error *err);
        void (*destroy)(Record *record);
} RecordClass;

/* First member of each kind of record. */
struct Record {
        const RecordClass *class;
        atomic_uint refs;
        const char *id; /* borrowed from the typed part */
        char *text;     /* the record's JSON object; not NUL-terminated */
        size_t size;
};

Record *record_ref(Record *record);
Record *record_unref(Record *record);
DEFINE_CLEANUP(Record, record_unref);

/* The file that the records in memory were read from: a later one differs in some field. */
typedef struct FileIdentity {
        ino_t inode;
        off_t size;
        struct timespec mtime;
} FileIdentity;

typedef struct Records {
        const RecordClass *class;
        LockFile lock;
        char *path;
        const char *name; /* of the file in dir_fd; borrowed */
        int dir_fd;       /* borrowed */
        bool sync;

        pthread_mutex_t mutex; /* guards what follows */
        bool is_loaded;
        LockStamp stamp;
        FileIdentity identity;
        Record **items;
        size_t count, capacity;
        Map by_id; /* Record, borrowed from items */
} Records;

#define RECORDS_INIT \
        { .mutex = PTHREAD_MUTEX_INITIALIZER, .lock = LOCK_FILE_INIT, .dir_fd = -EBADF }

/**
 * records_open() - two files in @dir_fd; nothing is read yet. @dir_path: for error texts
 *
 * Also after a failure @records is to be given to records_close(). ERR_IO.
 */
int records_open(Records *records, const RecordClass *class, int dir_fd, const char *dir_path,
                 const char *json_name, const char *lock_name, bool sync, Error *err);
void records_close(Records *records);

/**
 * records_read() - the table as the file is now, for a look; records_end() gives it back
 *
 * Blocks only while another thread of this process looks or changes. ERR_CORRUPT, ERR_LIMIT,
 * ERR_IO.
 */
int records_read(Records *records, Records **ret, Error *err);

/**
 * records_write() - the same with the file locked for a change; records_end_write() gives it back
 */
int records_write(Records *records, Records **ret, Error *err);

void records_end(Records *records);
void records_end_write(Records *records);
static inline void records_endp(Records **records) {
        if (*records)
                records_end(*records);
}
static inline void records_end_writep(Records **records) {
        if (*records)
                records_end_write(*records);
}

/**
 * records_parse() - fill an empty table from the text of a file
 * @known: a table whose records are shared where their text is the same
 *
 * On failure the table holds some of the records. ERR_CORRUPT, naming the file and the position.
 */
int records_parse(Records *records, const Records *known, const char *text, size_t size,
                  Error *err);

/** records_forget() - drop all records; they are read again when they are asked for */
void records_forget(Records *records);

/** records_find() - by id, borrowed, or NULL */
Record *records_find(const Records *records, const char *id);

/*
 * Changes in memory; records_save() makes them real. The texts are ones that we wrote ourselves;
 * the records made from them are borrowed.
 */
Record *records_append_text(Records *records, Buffer *text);
Record *records_replace_text(Records *records, Record *old, Buffer *text);
void records_remove(Records *records, Record *record);

/**
 * records_save() - write the file and the stamp; ERR_NO_SPACE, ERR_IO
 *
 * After a failure the table is empty until it is asked for the next time; then the file is read
 * again.
 */
int records_save(Records *records, Error *err);

/**
 * records_sweep() - remove what dead writers of this file left beside it; the table is held for a
 * change
 */
int records_sweep(Records *records, Error *err);

/* --- for decoders --- */

/**
 * record_get_string() - *ret = heap copy, or NULL when missing or null; -1 and ERR_CORRUPT on
 * another type
 */
int record_get_string(const json_t *object, const char *key, char **ret, Error *err);
/** record_get_int() - 0 when missing */
int record_get_int(const json_t *object, const char *key, int64_t *ret, Error *err);
/** record_get_time() - RFC 3339; TIMESTAMP_ZERO when missing */
int record_get_time(const json_t *object, const char *key, int64_t *ret, Error *err);
/** record_get_id() - a string that is safe as the name of a file; NULL when missing */
int record_get_id(const json_t *object, const char *key, bool is_required, char **ret, Error *err);
