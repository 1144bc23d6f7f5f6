/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/restore.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "storage/tar_split.h"

#define COPY_SIZE (128 * 1024)
#define TEMPORARY "restored"

/* A file that was moved aside, known by what the description says of it: size and checksum. */
typedef struct Replaced {
        char *path;
        int64_t size;
        uint64_t crc;
} Replaced;

typedef struct Restore {
        int diff_fd, replaced_fd;
        Replaced *files;
        size_t files_count, files_capacity;
        TarSplitWriter *writer;
        DigestStream digest;
        uint8_t *buffer;
} Restore;

static void restore_done(Restore *restore) {
        for (size_t i = 0; i < restore->files_count; i++)
                free(restore->files[i].path);
        free(restore->files);
        (void)tar_split_writer_free(restore->writer);
        digest_stream_done(&restore->digest);
        free(restore->buffer);
}

/* Takes the pieces of a file as they are read; NULL: nobody wants them. */
typedef int (*PieceHandler)(Restore *restore, const void *data, size_t size, Error *err);

/* Reads a regular file to its end; its size and checksum. */
static int read_file(Restore *restore, int fd, PieceHandler handle, int64_t *ret_size,
                     uint64_t *ret_crc, Error *err) {
        int64_t size = 0;
        uint64_t crc = 0;

        for (;;) {
                ssize_t n = fd_read_full(fd, restore->buffer, COPY_SIZE);
                if (n < 0)
                        return error_errno(err, ERR_IO, (int)-n, "layer", "cannot read the layer");
                if (n == 0)
                        break;
                crc = tar_split_checksum(crc, restore->buffer, (size_t)n);
                size += n;
                if (handle && handle(restore, restore->buffer, (size_t)n, err) < 0)
                        return -1;
        }
        *ret_size = size;
        *ret_crc = crc;
        return 0;
}

static int write_segment(Restore *restore, const void *data, size_t size, Error *err) {
        digest_stream_update(&restore->digest, data, size);
        return tar_split_write_segment(restore->writer, data, size, err);
}

static int hash_piece(Restore *restore, const void *data, size_t size, Error *err _unused_) {
        digest_stream_update(&restore->digest, data, size);
        return 0;
}

static int open_regular(int root_fd, const char *path) {
        struct stat st;

        _cleanup_close_ int fd = path_open_plain(
                root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_NOATIME);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return -ENOENT;
        return TAKE_FD(fd);
}

static int collect_file(Restore *restore, const char *path, Error *err) {
        Replaced file;

        _cleanup_close_ int fd = open_regular(restore->replaced_fd, path);
        if (fd < 0)
                return 0;
        if (read_file(restore, fd, NULL, &file.size, &file.crc, err) < 0)
                return -1;
        file.path = xstrdup(path);
        GROW(restore->files, restore->files_count, restore->files_capacity);
        restore->files[restore->files_count++] = file;
        return 0;
}

/*
 * All regular files below a directory; the open ones are never more than one, however deep it is.
 */
static int collect(Restore *restore, Error *err) {
        _cleanup_strings_ Strings pending = STRINGS_INIT;

        strings_add(&pending, ".");
        for (size_t i = 0; i < pending.count; i++) {
                int fd = path_open_plain(restore->replaced_fd, pending.items[i],
                                         O_RDONLY | O_DIRECTORY);
                DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
                if (!folder) {
                        (void)fd_close(fd);
                        return error_set(err, ERR_IO, pending.items[i],
                                         "cannot read a replaced directory");
                }
                int r = 0;
                for (struct dirent *entry; r == 0 && (entry = readdir(folder));) {
                        if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, ".."))
                                continue;
                        _cleanup_free_ char *path =
                                xasprintf("%s/%s", pending.items[i], entry->d_name);
                        if (entry->d_type == DT_DIR)
                                strings_add(&pending, path);
                        else if (entry->d_type == DT_REG)
                                r = collect_file(restore, path, err);
                }
                closedir(folder);
                if (r < 0)
                        return -1;
        }
        return 0;
}

static int embed(Restore *restore, const TarSplitEntry *entry, Error *err) {
        int64_t size;
        uint64_t crc;

        for (size_t i = 0; i < restore->files_count; i++) {
                const Replaced *file = &restore->files[i];
                if (file->size != entry->size || file->crc != entry->crc)
                        continue;
                _cleanup_close_ int fd = open_regular(restore->replaced_fd, file->path);
                if (fd < 0)
                        break;
                return read_file(restore, fd, write_segment, &size, &crc, err);
        }
        return error_set(err, ERR_CORRUPT, entry->name, "the content of %s is lost", entry->name);
}

/* Whether the layer still has the content that the entry stands for. */
static bool is_in_place(Restore *restore, int fd, const TarSplitEntry *entry) {
        int64_t size = -1;
        uint64_t crc = 0;

        return fd >= 0 && read_file(restore, fd, NULL, &size, &crc, NULL) == 0 &&
               size == entry->size && crc == entry->crc && lseek(fd, 0, SEEK_SET) == 0;
}

static int restore_entry(Restore *restore, const TarSplitEntry *entry, Error *err) {
        char path[4096];
        int64_t size = entry->size;
        uint64_t crc = entry->crc;

        if (!entry->is_file)
                return write_segment(restore, entry->data, entry->data_size, err);
        if (entry->size == 0)
                return tar_split_write_file(restore->writer, entry->name, 0, 0, err);
        if (path_clean(entry->name, path, sizeof(path)) < 0)
                return embed(restore, entry, err);
        _cleanup_close_ int fd = open_regular(restore->diff_fd, path);
        if (!is_in_place(restore, fd, entry))
                return embed(restore, entry, err);
        if (read_file(restore, fd, hash_piece, &size, &crc, err) < 0)
                return -1;
        return tar_split_write_file(restore->writer, entry->name, size, crc, err);
}

static int rewrite(Restore *restore, int from_fd, const Digest *digest, Error *err) {
        _cleanup_(tar_split_reader_freep)
        TarSplitReader *reader = tar_split_reader_new(from_fd);
        TarSplitEntry entry;
        Digest rebuilt;
        int r;

        digest_stream_begin(&restore->digest);
        while ((r = tar_split_read(reader, &entry, err)) > 0)
                if (restore_entry(restore, &entry, err) < 0)
                        return -1;
        if (r < 0)
                return -1;
        digest_stream_finish(&restore->digest, &rebuilt);
        if (!digest_equal(&rebuilt, digest))
                return error_set(err, ERR_CORRUPT, "tar-split",
                                 "the layer's tar stream cannot be rebuilt");
        return tar_split_writer_finish(restore->writer, err);
}

int restore_replaced(int dir_fd, const char *name, int diff_fd, int replaced_fd,
                     const Digest *digest, Error *err) {
        _cleanup_(restore_done)
        Restore restore = {
                .diff_fd = diff_fd,
                .replaced_fd = replaced_fd,
                .digest = DIGEST_STREAM_INIT,
                .buffer = xnew(uint8_t, COPY_SIZE),
        };
        _cleanup_close_ int from_fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int to_fd =
                openat(dir_fd, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (from_fd < 0 || to_fd < 0)
                return error_errno(err, ERR_IO, errno, name, "cannot open %s", name);
        restore.writer = tar_split_writer_new(to_fd);
        if (collect(&restore, err) < 0 || rewrite(&restore, from_fd, digest, err) < 0)
                return -1;
        if (renameat(dir_fd, TEMPORARY, dir_fd, name) < 0)
                return error_errno(err, ERR_IO, errno, name, "cannot replace %s", name);
        return 0;
}
