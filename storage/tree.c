/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/text.h"
#include "storage/layers.h"

#define CONTENT_SIZE (256 * 1024)

/* A descriptor that was opened by name alone has content and attributes only by way of /proc. */
#define PROC_PATH "/proc/self/fd/%d"

void tree_writer_init(TreeWriter *writer, const TarSink *sink) {
        *writer = (TreeWriter){
                .tar = tar_writer_new(sink),
                .links = MAP_INIT,
                .content = xnew(uint8_t, CONTENT_SIZE),
        };
}

void tree_writer_done(TreeWriter *writer) {
        (void)tar_writer_free(writer->tar);
        MAP_FOREACH (slot, &writer->links)
                free(slot->value);
        map_done(&writer->links);
        buffer_done(&writer->xattr_names);
        buffer_done(&writer->xattr_values);
        free(writer->xattrs);
        free(writer->content);
}

/*
 * What goes into a tar: neither labels of the host's policy, nor marks of overlay, nor the kernel's
 * form of access lists.
 */
static bool is_portable(const char *xattr) {
        return (text_starts_with(xattr, "security.") && !text_equal(xattr, "security.selinux")) ||
               (text_starts_with(xattr, "user.") && !text_starts_with(xattr, "user.overlay.")) ||
               (text_starts_with(xattr, "trusted.") &&
                !text_starts_with(xattr, OVERLAY_XATTR_PREFIX));
}

static int compare_xattrs(const void *a, const void *b) {
        return strcmp(((const TarXattr *)a)->name, ((const TarXattr *)b)->name);
}

static int list_xattrs(const WalkEntry *entry, Buffer *names) {
        char path[32];

        snprintf(path, sizeof(path), PROC_PATH, entry->fd);
        names->size = 0;
        char *room = buffer_reserve(names, XATTR_LIST_MAX);
        if (!room)
                return -ENOMEM;
        ssize_t n = listxattr(path, room, XATTR_LIST_MAX);
        if (n < 0)
                return errno == ENOTSUP ? 0 : -errno;
        names->size = (size_t)n;
        return 0;
}

static int add_xattr(TreeWriter *writer, const WalkEntry *entry, const char *name) {
        char path[32];

        snprintf(path, sizeof(path), PROC_PATH, entry->fd);
        char *room = buffer_reserve(&writer->xattr_values, XATTR_SIZE_MAX);
        if (!room)
                return -ENOMEM;
        ssize_t n = getxattr(path, name, room, XATTR_SIZE_MAX);
        if (n < 0)
                return errno == ENODATA ? 0 : -errno;
        writer->xattr_values.size += (size_t)n;
        GROW(writer->xattrs, writer->xattrs_count, writer->xattrs_capacity);
        writer->xattrs[writer->xattrs_count++] = (TarXattr){ .name = name, .size = (size_t)n };
        return 0;
}

static int read_xattrs(TreeWriter *writer, const WalkEntry *entry) {
        const Buffer *names = &writer->xattr_names;

        writer->xattrs_count = 0;
        writer->xattr_values.size = 0;
        int r = list_xattrs(entry, &writer->xattr_names);
        for (size_t at = 0; r == 0 && at < names->size; at += strlen(names->data + at) + 1)
                if (is_portable(names->data + at))
                        r = add_xattr(writer, entry, names->data + at);
        if (r < 0)
                return r;
        /* Only now do the values stay where they are. */
        const char *value = writer->xattr_values.data;
        for (size_t i = 0; i < writer->xattrs_count; i++) {
                writer->xattrs[i].value = value;
                value += writer->xattrs[i].size;
        }
        if (writer->xattrs_count > 1)
                qsort(writer->xattrs, writer->xattrs_count, sizeof(TarXattr), compare_xattrs);
        return 0;
}

static int kind_of(mode_t mode, TarKind *ret) {
        switch (mode & S_IFMT) {
        case S_IFREG:
                *ret = TAR_FILE;
                return 0;
        case S_IFDIR:
                *ret = TAR_DIRECTORY;
                return 0;
        case S_IFLNK:
                *ret = TAR_SYMLINK;
                return 0;
        case S_IFCHR:
                *ret = TAR_CHAR_DEVICE;
                return 0;
        case S_IFBLK:
                *ret = TAR_BLOCK_DEVICE;
                return 0;
        case S_IFIFO:
                *ret = TAR_FIFO;
                return 0;
        default:
                return -ENOTSUP; /* a socket means nothing without who listens on it */
        }
}

/* The path of the first name of a file with several; NULL: this is the first, and is noted. */
static const char *find_link(TreeWriter *writer, const WalkEntry *entry) {
        const struct statx *status = &entry->status;
        char key[64];

        snprintf(key, sizeof(key), "%u:%u:%llu", status->stx_dev_major, status->stx_dev_minor,
                 (unsigned long long)status->stx_ino);
        const char *first = map_get(&writer->links, key);
        if (!first)
                (void)map_put(&writer->links, key, xstrdup(entry->path));
        return first;
}

static int read_failed(const WalkEntry *entry, int errnum, Error *err) {
        return error_errno(err, ERR_IO, errnum, entry->path, "cannot read %s", entry->path);
}

static int open_content(const WalkEntry *entry) {
        const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
        char path[32];

        snprintf(path, sizeof(path), PROC_PATH, entry->fd);
        int fd = open(path, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM)
                fd = open(path, flags);
        return fd < 0 ? -errno : fd;
}

static int copy_content(TreeWriter *writer, const WalkEntry *entry, Error *err) {
        _cleanup_close_ int fd = open_content(entry);

        if (fd < 0)
                return read_failed(entry, -fd, err);
        for (int64_t left; (left = tar_writer_left(writer->tar)) > 0;) {
                size_t want = left < CONTENT_SIZE ? (size_t)left : CONTENT_SIZE;
                ssize_t n = fd_read_full(fd, writer->content, want);
                if (n < 0)
                        return read_failed(entry, (int)-n, err);
                memset(writer->content + n, 0, want - (size_t)n);
                if (tar_writer_data(writer->tar, writer->content, want, err) < 0)
                        return -1;
        }
        return 0;
}

static void describe(const WalkEntry *entry, TarEntry *ret) {
        const struct statx *status = &entry->status;

        ret->name = entry->path;
        ret->link = "";
        ret->mode = status->stx_mode & 07777;
        ret->uid = status->stx_uid;
        ret->gid = status->stx_gid;
        ret->major = status->stx_rdev_major;
        ret->minor = status->stx_rdev_minor;
        ret->mtime = (struct timespec){ .tv_sec = status->stx_mtime.tv_sec,
                                        .tv_nsec = status->stx_mtime.tv_nsec };
}

int tree_writer_add(TreeWriter *writer, const WalkEntry *entry, Error *err) {
        TarEntry member = { .kind = TAR_FILE };
        char target[TAR_PATH_MAX + 1];

        if (kind_of(entry->status.stx_mode, &member.kind) < 0)
                return 0;
        describe(entry, &member);
        if (member.kind != TAR_DIRECTORY && entry->status.stx_nlink > 1) {
                const char *first = find_link(writer, entry);
                if (first) {
                        member.kind = TAR_HARDLINK;
                        member.link = first;
                        return tar_writer_add(writer->tar, &member, err);
                }
        }
        if (member.kind == TAR_SYMLINK) {
                ssize_t n = readlinkat(entry->fd, "", target, sizeof(target) - 1);
                if (n < 0)
                        return read_failed(entry, errno, err);
                target[n] = '\0';
                member.link = target;
        }
        int r = read_xattrs(writer, entry);
        if (r < 0)
                return read_failed(entry, -r, err);
        member.xattrs = writer->xattrs;
        member.xattrs_count = writer->xattrs_count;
        if (member.kind == TAR_FILE && !entry->is_foreign)
                member.size = (int64_t)entry->status.stx_size;
        if (tar_writer_add(writer->tar, &member, err) < 0)
                return -1;
        return member.size > 0 ? copy_content(writer, entry, err) : 0;
}

int tree_writer_add_marker(TreeWriter *writer, const WalkEntry *entry, const char *path,
                           Error *err) {
        TarEntry member = { .kind = TAR_FILE };

        describe(entry, &member);
        member.name = path;
        member.mode = 0;
        member.major = member.minor = 0;
        return tar_writer_add(writer->tar, &member, err);
}

bool walk_entry_has(const WalkEntry *entry, const char *xattr) {
        char path[32];

        snprintf(path, sizeof(path), PROC_PATH, entry->fd);
        return getxattr(path, xattr, NULL, 0) >= 0;
}

bool walk_entry_is_opaque(const WalkEntry *entry) {
        char path[32], value[2];

        snprintf(path, sizeof(path), PROC_PATH, entry->fd);
        return S_ISDIR(entry->status.stx_mode) &&
               getxattr(path, OVERLAY_OPAQUE, value, sizeof(value)) == 1 && value[0] == 'y';
}

static int add_entry(void *userdata, const WalkEntry *entry, Error *err) {
        return tree_writer_add(userdata, entry, err) < 0 ? -1 : WALK_CONTINUE;
}

int store_tree_write(int root_fd, const TarSink *sink, Error *err) {
        _cleanup_(tree_writer_done)
        TreeWriter writer;
        WalkVisitor visitor = { add_entry, &writer };

        tree_writer_init(&writer, sink);
        if (walk_tree(root_fd, &visitor, err) < 0)
                return -1;
        return tar_writer_finish(writer.tar, err);
}
