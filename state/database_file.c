/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The file, before SQLite may touch it.
 *
 * Its header is looked at first, so that a file that is something else, or comes from a newer
 * engine, stays as it is to the byte. A database that does not exist yet is made beside its place
 * and moved there when it is whole and on the disk: a power cut leaves none, or one that works, and
 * the move needs one wait for the disk where SQLite's own way to a log takes five.
 */

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "state/database.h"

int database_file_accept(const char *path, int application_id, int version, Error *err) {
        if (application_id != DATABASE_APPLICATION_ID)
                return error_set(err, ERR_CORRUPT, path, "%s is not a database of this engine",
                                 path);
        if (version > database_schema_version())
                return error_set(err, ERR_CORRUPT, path,
                                 "%s has schema version %d, and this engine knows versions up to "
                                 "%d: it was written by a newer one",
                                 path, version, database_schema_version());
        return 0;
}

static int big_endian_32(const unsigned char *p) {
        return (int)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

/*
 * 1, or 0 when there is no file or an empty one.
 * Source: sqlite.org/fileformat2.html section 1.3: magic at 0, user version at 60, application id
 * at 68.
 */
static int check_header(const char *path, Error *err) {
        unsigned char header[100] = { 0 };
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open %s", path);
        ssize_t n = fd_read_full(fd, header, sizeof(header));
        if (n <= 0)
                return n == 0 ? 0 : error_errno(err, ERR_IO, (int)-n, path, "cannot read %s", path);
        bool is_sqlite = memcmp(header, "SQLite format 3", 16) == 0;
        int application_id = is_sqlite ? big_endian_32(header + 68) : 0;
        return database_file_accept(path, application_id, big_endian_32(header + 60), err) < 0 ? -1
                                                                                               : 1;
}

/* The file and what SQLite keeps beside it. */
static void remove_all(const char *path) {
        static const char *const endings[] = { "", "-wal", "-shm", "-journal" };

        for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
                _cleanup_free_ char *name = xasprintf("%s%s", path, endings[i]);
                (void)unlink(name);
        }
}

static int make_at(const char *path, Error *err) {
        _cleanup_(database_close)
        Database database = { .handle = NULL };

        return database_make(&database, path, err);
}

/* @fd stays open across: SQLite takes the mode of the file that it finds. */
static int make_beside(const char *path, const char *beside, Error *err) {
        _cleanup_close_ int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot make %s", path);
        if (make_at(beside, err) < 0)
                return -1;
        if (fdatasync(fd) < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot write %s", path);
        /* A log that outlived its database would be read into the new one. */
        remove_all(path);
        if (rename(beside, path) < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot make %s", path);
        return 0;
}

int database_file_prepare(const char *path, Error *err) {
        _cleanup_free_ char *beside = xasprintf("%s.new", path);

        int r = check_header(path, err);
        if (r != 0)
                return r;
        remove_all(beside);
        r = make_beside(path, beside, err);
        if (r < 0)
                remove_all(beside);
        return r;
}
