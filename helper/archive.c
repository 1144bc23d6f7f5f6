/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/archive.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/fd.h"
#include "base/map.h"
#include "base/path.h"
#include "base/text.h"
#include "helper/blob_io.h"
#include "storage/tar.h"

#define READ_SIZE (16 * 1024) /* at a time, while listing */

struct Archive {
        char *path;
        int fd;
        int64_t size;
        Map members; /* cleaned name: ArchiveMember */
        size_t names_size;

        int64_t at; /* while listing */
        uint8_t block[READ_SIZE];
};

Archive *archive_free(Archive *archive) {
        if (!archive)
                return NULL;
        MAP_FOREACH (slot, &archive->members) {
                ArchiveMember *member = slot->value;
                free(member->link);
                free(member);
        }
        map_done(&archive->members);
        (void)fd_close(archive->fd);
        free(archive->path);
        free(archive);
        return NULL;
}

int archive_fd(const Archive *archive) {
        return archive->fd;
}

/* --- opening --- */

static int open_file(Archive *archive, Error *err) {
        struct stat status;

        /* Without O_NONBLOCK a pipe of that name would wait for somebody who writes. */
        archive->fd = open(archive->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (archive->fd < 0)
                return error_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                                   archive->path, "cannot open %s", archive->path);
        if (fstat(archive->fd, &status) < 0)
                return error_errno(err, ERR_IO, errno, archive->path, "cannot open %s",
                                   archive->path);
        if (!S_ISREG(status.st_mode))
                return error_set(err, ERR_INVALID, archive->path, "%s is not a regular file",
                                 archive->path);
        archive->size = status.st_size;
        return 0;
}

static int open_scratch(Error *err) {
        const char *folder = config_from_environment("TMPDIR");

        folder = folder ? folder : "/var/tmp"; /* as podman: /tmp may be memory */
        int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EOPNOTSUPP) {
                _cleanup_free_ char *path = xasprintf("%s/selkie-XXXXXX", folder);
                fd = mkostemp(path, O_CLOEXEC);
                if (fd >= 0)
                        (void)unlink(path);
        }
        return fd >= 0 ? fd
                       : error_errno(err, ERR_IO, errno, folder, "cannot make a file in %s",
                                     folder);
}

static int inflate(Archive *archive, Error *err) {
        const BlobPart whole = { archive->fd, 0, archive->size, archive->path };
        Compression compression;
        int64_t size = 0;

        if (blob_detect(&whole, &compression, err) < 0)
                return -1;
        if (compression == COMPRESSION_NONE)
                return 0;
        _cleanup_close_ int scratch = open_scratch(err);
        if (scratch < 0 || blob_inflate(&whole, compression, scratch, &size, NULL, err) < 0)
                return -1;
        (void)fd_close(archive->fd);
        archive->fd = TAKE_FD(scratch);
        archive->size = size;
        return 0;
}

/* --- listing --- */

static int read_block(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        Archive *archive = userdata;

        ssize_t n = pread(archive->fd, archive->block, READ_SIZE, archive->at);
        if (n < 0)
                return error_errno(err, ERR_IO, errno, archive->path, "cannot read %s",
                                   archive->path);
        archive->at += n;
        *ret_data = archive->block;
        *ret_size = (size_t)n;
        return n > 0;
}

static int skip_bytes(void *userdata, int64_t size, Error *err) {
        Archive *archive = userdata;

        if (size > archive->size - archive->at)
                return error_set(err, ERR_LAYER_CORRUPT, archive->path,
                                 "the archive ends inside a member");
        archive->at += size;
        return 0;
}

/* @out has room for any path here; false: it leads out. */
static bool clean(const char *path, char out[static TAR_PATH_MAX * 2 + 4]) {
        return path_clean(path, out, TAR_PATH_MAX * 2 + 4) >= 0;
}

/* Hard links name members from the top, symbolic ones from where they are. */
static char *resolve_link(const TarEntry *entry, const char *name) {
        char joined[TAR_PATH_MAX * 2 + 4], out[TAR_PATH_MAX * 2 + 4];
        const char *slash = strrchr(name, '/');
        const char *target = entry->link;

        if (entry->kind == TAR_SYMLINK && *target != '/' && slash) {
                snprintf(joined, sizeof(joined), "%.*s/%s", (int)(slash - name), name, target);
                target = joined;
        }
        return xstrdup(clean(target, out) ? out : "");
}

static int add_member(Archive *archive, const TarEntry *entry, int64_t offset, Error *err) {
        char name[TAR_PATH_MAX * 2 + 4];

        if (!clean(entry->name, name) || map_get(&archive->members, name))
                return 0;
        if (archive->members.count == ARCHIVE_MEMBERS_MAX)
                return error_set(err, ERR_LIMIT, archive->path, "more than %d members",
                                 ARCHIVE_MEMBERS_MAX);
        ArchiveMember *member = xnew(ArchiveMember, 1);
        *member = (ArchiveMember){ .offset = offset, .size = entry->size };
        if (entry->kind != TAR_FILE)
                member->link = resolve_link(entry, name);
        archive->names_size += strlen(name) + (member->link ? strlen(member->link) : 0);
        (void)map_put(&archive->members, name, member);
        if (archive->names_size > ARCHIVE_NAMES_MAX)
                return error_set(err, ERR_LIMIT, archive->path, "more than %d bytes of names",
                                 ARCHIVE_NAMES_MAX);
        return 0;
}

static int list(Archive *archive, Error *err) {
        _cleanup_(tar_reader_freep)
        TarReader *reader = tar_reader_new(&(TarSource){ read_block, archive });
        const TarEntry *entry;
        int r;

        while ((r = tar_reader_next(reader, &entry, err)) > 0) {
                bool is_wanted = entry->kind == TAR_FILE || entry->kind == TAR_HARDLINK ||
                                 entry->kind == TAR_SYMLINK;
                if (is_wanted && add_member(archive, entry, tar_reader_offset(reader), err) < 0)
                        return -1;
                if (tar_reader_skip(reader, skip_bytes, err) < 0)
                        return -1;
        }
        return r;
}

int archive_open(Archive **ret, const char *path, Error *err) {
        _cleanup_(archive_freep)
        Archive *archive = xnew(Archive, 1);

        archive->fd = -EBADF;
        archive->path = xstrdup(path);
        if (open_file(archive, err) < 0)
                return -1;
        if (inflate(archive, err) < 0 || list(archive, err) < 0)
                return error_prefix(err, "archive %s", path);
        *ret = TAKE_PTR(archive);
        return 0;
}

/* --- finding --- */

bool archive_has(const Archive *archive, const char *name) {
        return map_get(&archive->members, name) != NULL;
}

static const ArchiveMember *refuse(Error *err, ErrorKind kind, const Archive *archive,
                                   const char *name, const char *reason) {
        (void)error_set(err, kind, name, "archive %s: %.200s %s", archive->path, name, reason);
        return NULL;
}

const ArchiveMember *archive_find(const Archive *archive, const char *name, Error *err) {
        char cleaned[TAR_PATH_MAX * 2 + 4];

        if (strlen(name) > TAR_PATH_MAX || !clean(name, cleaned))
                return refuse(err, ERR_INVALID, archive, name, "leads out of the archive");
        const char *at = cleaned;
        for (int i = 0; i <= ARCHIVE_LINKS_MAX; i++) {
                const ArchiveMember *member = map_get(&archive->members, at);
                if (!member)
                        return refuse(err, ERR_NOT_FOUND, archive, name, "is missing");
                if (!member->link)
                        return member;
                if (!*member->link)
                        return refuse(err, ERR_INVALID, archive, name, "leads out of the archive");
                at = member->link;
        }
        return refuse(err, ERR_INVALID, archive, name, "is a link in a circle");
}

int archive_read(const Archive *archive, const char *name, size_t size_max, Buffer *ret,
                 Error *err) {
        const ArchiveMember *member = archive_find(archive, name, err);

        if (!member)
                return -1;
        if ((uint64_t)member->size > size_max)
                return error_set(err, ERR_LIMIT, name,
                                 "archive %s: %.200s has %lld bytes, more than %zu", archive->path,
                                 name, (long long)member->size, size_max);
        char *p = buffer_reserve(ret, (size_t)member->size + 1);
        if (!p)
                return error_errno(err, ERR_IO, ENOMEM, name, "cannot read %.200s", name);
        ssize_t n = pread(archive->fd, p, (size_t)member->size, member->offset);
        if (n != member->size)
                return error_errno(err, ERR_IO, n < 0 ? errno : EIO, name,
                                   "archive %s: cannot read %.200s", archive->path, name);
        ret->size += (size_t)n;
        return 0;
}
