/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/records.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "storage/json_scan.h"
#include "storage/store_private.h"

/* How far a load looks ahead among the known records for the text that it found in the file. */
#define REUSE_WINDOW 16

Record *record_ref(Record *record) {
        atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
        return record;
}

Record *record_unref(Record *record) {
        if (record && atomic_fetch_sub_explicit(&record->refs, 1, memory_order_acq_rel) == 1) {
                free(record->text);
                record->class->destroy(record);
        }
        return NULL;
}

/* Decodes a record from its text, which stands at @offset of @file. */
static int record_new(const RecordClass *class, const char *text, size_t size, const char *file,
                      size_t offset, Record **ret, Error *err) {
        json_error_t reason;
        Error inner = ERROR_INIT;

        /* jansson reads over a NUL behind a number, and then not a second time. */
        const char *nul = memchr(text, '\0', size);
        if (nul)
                return error_set(err, ERR_CORRUPT, file, "%s: byte %zu: a NUL byte", file,
                                 offset + (size_t)(nul - text));
        json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &reason);
        if (!object)
                return error_set(err, ERR_CORRUPT, file, "%s: byte %zu: %s", file,
                                 offset + (size_t)reason.position, reason.text);
        Record *record = NULL;
        if (!json_is_object(object))
                error_set(&inner, ERR_CORRUPT, NULL, "a %s is no JSON object", class->noun);
        else
                record = class->decode(object, &inner);
        json_decref(object);
        if (!record)
                return error_set(err, inner.kind, file, "%s: %s at byte %zu: %s", file, class->noun,
                                 offset, inner.text);
        record->class = class;
        atomic_init(&record->refs, 1);
        record->text = memcpy(xcalloc(size, 1), text, size);
        record->size = size;
        *ret = record;
        return 0;
}

int records_open(Records *records, const RecordClass *class, int dir_fd, const char *dir_path,
                 const char *json_name, const char *lock_name, bool sync, Error *err) {
        _cleanup_free_ char *lock_path = xasprintf("%s/%s", dir_path, lock_name);

        records->class = class;
        records->dir_fd = dir_fd;
        records->name = json_name;
        records->path = xasprintf("%s/%s", dir_path, json_name);
        records->sync = sync;
        return lock_file_open(&records->lock, dir_fd, lock_name, lock_path, err);
}

void records_forget(Records *records) {
        for (size_t i = 0; i < records->count; i++)
                record_unref(records->items[i]);
        free(records->items);
        records->items = NULL;
        records->count = records->capacity = 0;
        map_done(&records->by_id);
        records->is_loaded = false;
}

void records_close(Records *records) {
        records_forget(records);
        lock_file_close(&records->lock);
        free(records->path);
        records->path = NULL;
}

static FileIdentity identity_of(const struct stat *st) {
        return (FileIdentity){ .inode = st->st_ino, .size = st->st_size, .mtime = st->st_mtim };
}

static bool identity_equal(const FileIdentity *a, const FileIdentity *b) {
        return a->inode == b->inode && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
               a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* A file that does not exist is one without records, and has the identity zero. */
static int read_identity(const Records *records, FileIdentity *ret, Error *err) {
        struct stat st;

        if (fstatat(records->dir_fd, records->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno != ENOENT)
                        return error_errno(err, ERR_IO, errno, records->path, "cannot read %s",
                                           records->path);
                *ret = (FileIdentity){ .inode = 0 };
                return 0;
        }
        *ret = identity_of(&st);
        return 0;
}

static void append(Records *records, Record *take_record) {
        if (records->count == records->capacity) {
                records->capacity = records->capacity ? records->capacity * 2 : 16;
                records->items = xrealloc(records->items, records->capacity, sizeof(void *));
        }
        records->items[records->count++] = take_record;
        map_put(&records->by_id, take_record->id, take_record);
}

/* The known record with exactly this text, near *at, where the last one was found. */
static Record *find_same_text(const Records *records, size_t *at, JsonSpan text) {
        for (size_t i = *at; i < records->count && i < *at + REUSE_WINDOW; i++) {
                Record *record = records->items[i];
                if (record->size == text.size && memcmp(record->text, text.data, text.size) == 0) {
                        *at = i + 1;
                        return record;
                }
        }
        return NULL;
}

int records_parse(Records *records, const Records *known, const char *text, size_t size,
                  Error *err) {
        JsonCursor cursor;
        JsonSpan key, value;
        size_t reuse = 0;
        int r;

        if (size == 0)
                return 0;
        if (json_cursor_open(&cursor, text, size, false) < 0)
                return error_set(err, ERR_CORRUPT, records->path, "%s: byte 0: no JSON array",
                                 records->path);
        while ((r = json_cursor_next(&cursor, &key, &value)) > 0) {
                Record *record = find_same_text(known, &reuse, value);
                if (record)
                        record_ref(record);
                else if (record_new(records->class, value.data, value.size, records->path,
                                    (size_t)(value.data - text), &record, err) < 0)
                        return -1;
                if (map_get(&records->by_id, record->id)) {
                        error_set(err, ERR_CORRUPT, records->path,
                                  "%s: byte %zu: %s %s appears twice", records->path,
                                  (size_t)(value.data - text), records->class->noun, record->id);
                        record_unref(record);
                        return -1;
                }
                append(records, record);
        }
        if (r < 0)
                return error_set(err, ERR_CORRUPT, records->path, "%s: byte %zu: malformed JSON",
                                 records->path, json_cursor_offset(&cursor));
        return 0;
}

/* Reads the file as it is now; the table changes only when all of it made sense. */
static int load(Records *records, const LockStamp *stamp, Error *err) {
        _cleanup_free_ char *text = NULL;
        struct stat st = { .st_ino = 0 };
        size_t size = 0;

        _cleanup_close_ int fd =
                openat(records->dir_fd, records->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, records->path, "cannot open %s",
                                   records->path);
        if (fd >= 0) {
                if (fstat(fd, &st) < 0)
                        return error_errno(err, ERR_IO, errno, records->path, "cannot read %s",
                                           records->path);
                if (st.st_size > STORE_JSON_MAX)
                        return error_set(err, ERR_LIMIT, records->path,
                                         "%s is larger than %d bytes", records->path,
                                         STORE_JSON_MAX);
                text = malloc((size_t)st.st_size + 1);
                ssize_t n = text ? fd_read_full(fd, text, (size_t)st.st_size) : -ENOMEM;
                if (n < 0)
                        return error_errno(err, ERR_IO, (int)-n, records->path, "cannot read %s",
                                           records->path);
                size = (size_t)n;
        }

        Records fresh = { .class = records->class, .path = records->path };
        if (records_parse(&fresh, records, text, size, err) < 0) {
                records_forget(&fresh);
                return -1;
        }
        records_forget(records);
        records->items = fresh.items;
        records->count = fresh.count;
        records->capacity = fresh.capacity;
        records->by_id = fresh.by_id;
        records->identity = fd >= 0 ? identity_of(&st) : (FileIdentity){ .inode = 0 };
        records->stamp = *stamp;
        records->is_loaded = true;
        return 0;
}

/* The stamp is read before the file: a change in between shows as another stamp the next time. */
static int refresh(Records *records, Error *err) {
        LockStamp stamp;
        FileIdentity identity = { .inode = 0 };

        if (lock_file_read_stamp(&records->lock, &stamp, err) < 0)
                return -1;
        if (records->is_loaded && memcmp(&stamp, &records->stamp, sizeof(stamp)) == 0) {
                if (read_identity(records, &identity, err) < 0)
                        return -1;
                if (identity_equal(&identity, &records->identity))
                        return 0;
        }
        return load(records, &stamp, err);
}

int records_read(Records *records, Records **ret, Error *err) {
        (void)pthread_mutex_lock(&records->mutex);
        if (refresh(records, err) < 0) {
                (void)pthread_mutex_unlock(&records->mutex);
                return -1;
        }
        *ret = records;
        return 0;
}

void records_end(Records *records) {
        (void)pthread_mutex_unlock(&records->mutex);
}

int records_write(Records *records, Records **ret, Error *err) {
        _cleanup_(lock_file_releasep)
        LockFile *lock = NULL;

        if (lock_file_acquire(&records->lock, &lock, err) < 0 ||
            records_read(records, ret, err) < 0)
                return -1;
        (void)TAKE_PTR(lock); /* records_end_write() releases it */
        return 0;
}

void records_end_write(Records *records) {
        records_end(records);
        lock_file_release(&records->lock);
}

Record *records_find(const Records *records, const char *id) {
        return map_get(&records->by_id, id);
}

static size_t index_of(const Records *records, const Record *record) {
        size_t i = records->count;

        /* Mostly the newest: containers come and go at the end. */
        do
                assert(i > 0);
        while (records->items[--i] != record);
        return i;
}

void records_remove(Records *records, Record *record) {
        size_t i = index_of(records, record);

        map_remove(&records->by_id, record->id);
        memmove(records->items + i, records->items + i + 1,
                (records->count - i - 1) * sizeof(void *));
        records->count--;
        record_unref(record);
}

/* Text that this program wrote decodes, or the program is wrong. */
static Record *decode_own(const Records *records, Buffer *text) {
        Error err = ERROR_INIT;
        Record *record = NULL;

        assert(!buffer_failed(text));
        int r = record_new(records->class, text->data, text->size, records->path, 0, &record, &err);
        assert(r == 0);
        return record;
}

Record *records_append_text(Records *records, Buffer *text) {
        Record *record = decode_own(records, text);

        assert(!map_get(&records->by_id, record->id));
        append(records, record);
        return record;
}

Record *records_replace_text(Records *records, Record *old, Buffer *text) {
        Record *record = decode_own(records, text);

        assert(strcmp(old->id, record->id) == 0);
        records->items[index_of(records, old)] = record;
        map_put(&records->by_id, record->id, record);
        record_unref(old);
        return record;
}

static int write_file(Records *records, Error *err) {
        size_t size = 2, at = 0;

        for (size_t i = 0; i < records->count; i++)
                size += records->items[i]->size + 1;
        _cleanup_free_ char *text = malloc(size);
        if (!text)
                return error_errno(err, ERR_IO, ENOMEM, records->path, "cannot write %s",
                                   records->path);
        text[at++] = '[';
        for (size_t i = 0; i < records->count; i++) {
                if (i > 0)
                        text[at++] = ',';
                memcpy(text + at, records->items[i]->text, records->items[i]->size);
                at += records->items[i]->size;
        }
        text[at++] = ']';
        int r = file_write_atomic_at(records->dir_fd, records->name, text, at, 0600, records->sync);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, records->path, "cannot write %s",
                                   records->path);
        return 0;
}

int records_save(Records *records, Error *err) {
        if (write_file(records, err) < 0 ||
            lock_file_write_stamp(&records->lock, &records->stamp, err) < 0 ||
            read_identity(records, &records->identity, err) < 0) {
                records_forget(records);
                return -1;
        }
        return 0;
}

int records_sweep(Records *records, Error *err) {
        _cleanup_free_ char *prefix = xasprintf(".tmp-%s", records->name);
        int fd = openat(records->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

        if (!folder) {
                int errnum = errno;
                (void)fd_close(fd);
                return error_errno(err, ERR_IO, errnum, records->path,
                                   "cannot read the folder of %s", records->path);
        }
        for (struct dirent *entry; (entry = readdir(folder));)
                if (text_starts_with(entry->d_name, prefix))
                        (void)unlinkat(records->dir_fd, entry->d_name, 0);
        (void)closedir(folder);
        return 0;
}

static int wrong_type(Error *err, const char *key, const char *wanted) {
        return error_set(err, ERR_CORRUPT, key, "member %s is no %s", key, wanted);
}

int record_get_string(const json_t *object, const char *key, char **ret, Error *err) {
        const json_t *value = json_object_get(object, key);

        if (!value || json_is_null(value)) {
                *ret = NULL;
                return 0;
        }
        if (!json_is_string(value))
                return wrong_type(err, key, "string");
        *ret = xstrdup(json_string_value(value));
        return 0;
}

int record_get_int(const json_t *object, const char *key, int64_t *ret, Error *err) {
        const json_t *value = json_object_get(object, key);

        if (value && !json_is_null(value) && !json_is_integer(value))
                return wrong_type(err, key, "integer");
        *ret = value ? json_integer_value(value) : 0;
        return 0;
}

int record_get_time(const json_t *object, const char *key, int64_t *ret, Error *err) {
        const json_t *value = json_object_get(object, key);

        *ret = TIMESTAMP_ZERO;
        if (!value || json_is_null(value))
                return 0;
        if (!json_is_string(value) || timestamp_parse_rfc3339(json_string_value(value), ret) < 0)
                return wrong_type(err, key, "RFC 3339 time");
        return 0;
}

int record_get_id(const json_t *object, const char *key, bool is_required, char **ret, Error *err) {
        _cleanup_free_ char *id = NULL;

        if (record_get_string(object, key, &id, err) < 0)
                return -1;
        if (text_is_empty(id)) {
                if (is_required)
                        return error_set(err, ERR_CORRUPT, key, "member %s is missing", key);
                *ret = NULL;
                return 0;
        }
        if (id[0] == '.' || strchr(id, '/') || strlen(id) > ID_MAX)
                return wrong_type(err, key, "usable id");
        *ret = TAKE_PTR(id);
        return 0;
}
