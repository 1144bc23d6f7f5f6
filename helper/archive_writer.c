/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/archive_writer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "helper/new_file.h"

#define BLOCK_SIZE 512
#define OCTAL_MAX  INT64_C(077777777777) /* of the 11 digits that a size has */

/* The header of ustar: where its fields are. */
typedef struct Header {
        char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
        char flag, link[100], magic[6], version[2], user[32], group[32], major[8], minor[8];
        char prefix[155], padding[12];
} Header;
_Static_assert(sizeof(Header) == BLOCK_SIZE, "a header is one block");

struct ArchiveWriter {
        char *path;
        const char *base; /* of the path */
        int dir_fd;
        NewFile file;
        bool replace;
        int64_t at; /* where the next member begins */
};

ArchiveWriter *archive_writer_free(ArchiveWriter *writer) {
        if (!writer)
                return NULL;
        new_file_done(&writer->file);
        (void)fd_close(writer->dir_fd);
        free(writer->path);
        free(writer);
        return NULL;
}

static int refuse_existing(const ArchiveWriter *writer, Error *err) {
        return error_set(err, ERR_EXISTS, writer->path,
                         "%s exists: docker-archive doesn't support modifying existing images",
                         writer->path);
}

/* An empty file is as good as none: that is what mktemp makes. */
static int check_existing(ArchiveWriter *writer, Error *err) {
        struct stat status;

        if (fstatat(writer->dir_fd, writer->base, &status, 0) < 0)
                return errno == ENOENT ? 0
                                       : error_errno(err, ERR_IO, errno, writer->path,
                                                     "cannot look at %s", writer->path);
        if (!S_ISREG(status.st_mode))
                return error_set(err, ERR_INVALID, writer->path, "%s is not a regular file",
                                 writer->path);
        if (!writer->replace && status.st_size > 0)
                return refuse_existing(writer, err);
        writer->replace = true;
        return 0;
}

static int open_folder(ArchiveWriter *writer, Error *err) {
        const char *slash = strrchr(writer->path, '/');
        _cleanup_free_ char *folder =
                slash ? xstrndup(writer->path, (size_t)(slash - writer->path) + 1) : xstrdup(".");

        writer->base = slash ? slash + 1 : writer->path;
        if (!*writer->base)
                return error_set(err, ERR_INVALID, writer->path, "%s is a folder", writer->path);
        writer->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (writer->dir_fd < 0)
                return error_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, folder,
                                   "cannot open the folder %s", folder);
        return 0;
}

int archive_writer_open(ArchiveWriter **ret, const char *path, bool replace, Error *err) {
        _cleanup_(archive_writer_freep)
        ArchiveWriter *writer = xnew(ArchiveWriter, 1);

        *writer = (ArchiveWriter){
                .path = xstrdup(path), .dir_fd = -EBADF, .file = NEW_FILE_INIT, .replace = replace
        };
        if (open_folder(writer, err) < 0 || check_existing(writer, err) < 0)
                return -1;
        if (new_file_open(&writer->file, writer->dir_fd, 0644, err) < 0)
                return error_prefix(err, "%s", path);
        *ret = TAKE_PTR(writer);
        return 0;
}

/* --- members --- */

static int fail(const ArchiveWriter *writer, int r, Error *err) {
        return error_errno(err, ERR_IO, -r, writer->path, "cannot write %s", writer->path);
}

/* What is larger than octal digits can say is a big-endian number after a marked byte (GNU). */
static void put_size(char field[static 12], int64_t size) {
        if (size <= OCTAL_MAX) {
                snprintf(field, 12, "%011llo", (unsigned long long)size);
                return;
        }
        memset(field, 0, 12);
        field[0] = (char)0x80;
        for (int i = 11; size > 0; i--, size >>= 8)
                field[i] = (char)(size & 0xff);
}

static int put_header(ArchiveWriter *writer, char flag, const char *name, const char *link,
                      int64_t size, Error *err) {
        Header header = { .flag = flag, .magic = "ustar", .version = { '0', '0' } };
        unsigned sum = 0;

        assert(strlen(name) <= ARCHIVE_WRITER_NAME_MAX && strlen(link) <= ARCHIVE_WRITER_NAME_MAX);
        memcpy(header.name, name, strlen(name));
        memcpy(header.link, link, strlen(link));
        snprintf(header.mode, sizeof(header.mode), "%07o",
                 flag == '5'   ? 0755u
                 : flag == '2' ? 0777u
                               : 0644u);
        snprintf(header.uid, sizeof(header.uid), "%07o", 0u);
        snprintf(header.gid, sizeof(header.gid), "%07o", 0u);
        snprintf(header.mtime, sizeof(header.mtime), "%011o", 0u);
        put_size(header.size, size);
        memset(header.checksum, ' ', sizeof(header.checksum));
        for (size_t i = 0; i < sizeof(header); i++)
                sum += ((const unsigned char *)&header)[i];
        snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);

        ssize_t n = pwrite(writer->file.fd, &header, sizeof(header), writer->at);
        if (n != sizeof(header))
                return fail(writer, n < 0 ? -errno : -ENOSPC, err);
        int64_t padded = (size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
        writer->at += BLOCK_SIZE + padded;
        return 0;
}

int archive_writer_begin(ArchiveWriter *writer, int *ret_fd, Error *err) {
        if (lseek(writer->file.fd, writer->at + BLOCK_SIZE, SEEK_SET) < 0)
                return fail(writer, -errno, err);
        *ret_fd = writer->file.fd;
        return 0;
}

int archive_writer_end(ArchiveWriter *writer, const char *name, int64_t size, Error *err) {
        return put_header(writer, '0', name, "", size, err);
}

int archive_writer_drop(ArchiveWriter *writer, Error *err) {
        return ftruncate(writer->file.fd, writer->at) < 0 ? fail(writer, -errno, err) : 0;
}

int archive_writer_add(ArchiveWriter *writer, const char *name, const void *data, size_t size,
                       Error *err) {
        int fd = -EBADF;

        if (archive_writer_begin(writer, &fd, err) < 0)
                return -1;
        int r = fd_write_all(fd, data, size);
        return r < 0 ? fail(writer, r, err) : archive_writer_end(writer, name, (int64_t)size, err);
}

int archive_writer_add_symlink(ArchiveWriter *writer, const char *name, const char *target,
                               Error *err) {
        return put_header(writer, '2', name, target, 0, err);
}

int archive_writer_add_folder(ArchiveWriter *writer, const char *name, Error *err) {
        return put_header(writer, '5', name, "", 0, err);
}

int archive_writer_commit(ArchiveWriter *writer, Error *err) {
        Error failure = ERROR_INIT;

        /* The two blocks of zeros at the end, and the padding of the last member. */
        if (ftruncate(writer->file.fd, writer->at + 2 * BLOCK_SIZE) < 0)
                return fail(writer, -errno, err);
        if (new_file_publish(&writer->file, writer->base, writer->replace, &failure) == 0)
                return 0;
        return failure.kind == ERR_EXISTS ? refuse_existing(writer, err)
                                          : error_copy(err, &failure);
}
