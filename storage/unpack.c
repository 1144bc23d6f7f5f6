/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/unpack.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR    "trusted.overlay.opaque"

/* Files smaller than this are written without asking first whether there is room. */
#define ROOM_CHECK_MIN (1024 * 1024)

/* A directory whose times are set at the end: making entries in it changes them. */
typedef struct DirTimes {
        char *path;
        struct timespec times[2];
} DirTimes;

struct Unpacker {
        int root_fd, replaced_fd;
        size_t entries, replaced;
        IdSet uids, gids;
        DirTimes *dirs;
        size_t dirs_count, dirs_capacity;

        /* The last parent directory, since entries come in the order of directories. */
        char parent[TAR_PATH_MAX + 2];
        int parent_fd;
        bool parent_is_plain; /* no symbolic link on the way */

        /* The current entry. */
        char path[TAR_PATH_MAX + 2];
        const char *name; /* its last part */
};

Unpacker *unpacker_new(int root_fd, int replaced_fd) {
        Unpacker *u = xnew(Unpacker, 1);

        u->root_fd = root_fd;
        u->replaced_fd = replaced_fd;
        u->parent_fd = -EBADF;
        return u;
}

Unpacker *unpacker_free(Unpacker *u) {
        if (!u)
                return NULL;
        for (size_t i = 0; i < u->dirs_count; i++)
                free(u->dirs[i].path);
        free(u->dirs);
        id_set_done(&u->uids);
        id_set_done(&u->gids);
        (void)fd_close(u->parent_fd);
        free(u);
        return NULL;
}

bool unpacker_has_replaced(const Unpacker *u) {
        return u->replaced > 0;
}

bool unpacker_path_is_plain(const Unpacker *u) {
        return u->parent_is_plain;
}

const char *unpacker_path(const Unpacker *u) {
        return u->path;
}

const IdSet *unpacker_uids(const Unpacker *u) {
        return &u->uids;
}

const IdSet *unpacker_gids(const Unpacker *u) {
        return &u->gids;
}

/* What the kernel says about a name that the layer chose is the layer's fault, all else is ours. */
static int failed(const Unpacker *u, int errnum, Error *err, const char *what) {
        switch (errnum) {
        case ENOTDIR:
        case ELOOP:
        case ENAMETOOLONG:
        case ENOENT:
        case EXDEV:
        case EINVAL:
        case EMLINK:
                return error_errno(err, ERR_LAYER_CORRUPT, errnum, u->path, "%s %s", what, u->path);
        default:
                return error_errno(err, ERR_IO, errnum, u->path, "%s %s", what, u->path);
        }
}

/* Makes every missing directory of a cleaned path, as root's and readable by all. */
static int make_parents(Unpacker *u, const char *parent) {
        char path[TAR_PATH_MAX + 2];
        size_t length = 0;
        int fd = fcntl(u->root_fd, F_DUPFD_CLOEXEC, 0);

        while (fd >= 0 && parent[length]) {
                size_t start = length + (parent[length] == '/');
                length = start + strcspn(parent + start, "/");
                snprintf(path, sizeof(path), "%.*s", (int)length, parent);
                int next = path_open_in_root(u->root_fd, path, O_PATH | O_DIRECTORY, 0);
                if (next == -ENOENT) {
                        next = mkdirat(fd, path + start, 0755) < 0 ||
                                               fchmodat(fd, path + start, 0755, 0) < 0
                                       ? -errno
                                       : path_open_in_root(u->root_fd, path, O_PATH | O_DIRECTORY,
                                                           0);
                        /* A link that leads nowhere is in the way of the directory. */
                        if (next == -EEXIST)
                                next = -ENOTDIR;
                }
                (void)fd_close(fd);
                fd = next;
        }
        return fd;
}

/* Opens the directory that the entry goes to: u->parent_fd. 0 or -errno. */
static int open_parent(Unpacker *u) {
        char parent[TAR_PATH_MAX + 2];
        char *slash = strrchr(u->path, '/');

        snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - u->path) : 1,
                 slash ? u->path : ".");
        u->name = slash ? slash + 1 : u->path;
        if (u->parent_fd >= 0 && text_equal(parent, u->parent))
                return 0;
        u->parent_fd = fd_close(u->parent_fd);
        int fd = path_open_plain(u->root_fd, parent, O_PATH | O_DIRECTORY);
        u->parent_is_plain = fd != -ELOOP;
        if (fd == -ELOOP)
                fd = path_open_in_root(u->root_fd, parent, O_PATH | O_DIRECTORY, 0);
        if (fd == -ENOENT)
                fd = make_parents(u, parent);
        if (fd < 0)
                return fd;
        u->parent_fd = fd;
        memcpy(u->parent, parent, strlen(parent) + 1);
        return 0;
}

/* Moves what is at the entry's place out of the layer. 0 or -errno. */
static int replace(Unpacker *u) {
        char name[24];

        snprintf(name, sizeof(name), "%zu", u->replaced);
        if (renameat(u->parent_fd, u->name, u->replaced_fd, name) < 0)
                return -errno;
        u->replaced++;
        return 0;
}

static bool is_whiteout(const struct stat *st) {
        return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Directories are opened for reading, since extended attributes want more than O_PATH. */
static int set_opaque(int dir_fd, const char *name) {
        _cleanup_close_ int fd =
                openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0)
                return -errno;
        return 0;
}

/* Hides what lower layers have under the name. What this layer itself has there stays. */
static int make_whiteout(Unpacker *u, const TarEntry *entry) {
        const char *name = u->name + strlen(WHITEOUT_PREFIX);
        struct stat st;

        if (*name == '\0' || text_equal(name, ".") || text_equal(name, ".."))
                return -EINVAL;
        if (mknodat(u->parent_fd, name, S_IFCHR, makedev(0, 0)) == 0)
                return fchownat(u->parent_fd, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0
                               ? -errno
                               : 0;
        if (errno != EEXIST)
                return -errno;
        if (fstatat(u->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? set_opaque(u->parent_fd, name) : 0;
}

static int make_directory(Unpacker *u) {
        struct stat st;

        if (mkdirat(u->parent_fd, u->name, 0700) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (fstatat(u->parent_fd, u->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return 0; /* the later entry's metadata holds */
        int r = replace(u);
        if (r == 0 && mkdirat(u->parent_fd, u->name, 0700) < 0)
                r = -errno;
        if (r == 0 && is_whiteout(&st))
                r = set_opaque(u->parent_fd, u->name);
        return r;
}

/* A second name for a file of this layer; its link is resolved in the layer and not followed. */
static int make_hardlink(Unpacker *u, const TarEntry *entry) {
        char target[TAR_PATH_MAX + 2];

        int r = path_clean(entry->link, target, sizeof(target));
        if (r < 0)
                return r;
        char *slash = strrchr(target, '/');
        if (slash)
                *slash = '\0';
        _cleanup_close_ int dir_fd =
                path_open_in_root(u->root_fd, slash ? target : ".", O_PATH | O_DIRECTORY, 0);
        if (dir_fd < 0)
                return dir_fd;
        return linkat(dir_fd, slash ? slash + 1 : target, u->parent_fd, u->name, 0) < 0 ? -errno
                                                                                        : 0;
}

/* One try to make the thing; -EEXIST when its place is taken. A regular file's descriptor or 0. */
static int make_thing(Unpacker *u, const TarEntry *entry) {
        dev_t device = makedev(entry->major, entry->minor);
        int r = 0;

        switch (entry->kind) {
        case TAR_FILE:
                r = openat(u->parent_fd, u->name,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                return r < 0 ? -errno : r;
        case TAR_HARDLINK:
                return make_hardlink(u, entry);
        case TAR_SYMLINK:
                r = symlinkat(entry->link, u->parent_fd, u->name);
                break;
        case TAR_CHAR_DEVICE:
                r = mknodat(u->parent_fd, u->name, S_IFCHR | 0600, device);
                break;
        case TAR_BLOCK_DEVICE:
                r = mknodat(u->parent_fd, u->name, S_IFBLK | 0600, device);
                break;
        case TAR_FIFO:
                r = mkfifoat(u->parent_fd, u->name, 0600);
                break;
        case TAR_DIRECTORY:
                return make_directory(u);
        case TAR_GLOBAL:
                break;
        }
        return r < 0 ? -errno : 0;
}

static int make_or_replace(Unpacker *u, const TarEntry *entry) {
        size_t replaced = u->replaced;

        int r = make_thing(u, entry);
        if (r == -EEXIST) {
                int moved = replace(u);
                r = moved < 0 ? moved : make_thing(u, entry);
        }
        /*
         * A link on the way to the parent may be what was replaced: it is found anew the next time.
         */
        if (u->replaced != replaced)
                u->parent[0] = '\0';
        return r;
}

static bool is_settable(const char *xattr) {
        /*
         * SELinux labels come from the host's policy; overlay's own would be obeyed by the mount.
         */
        return !text_equal(xattr, "security.selinux") &&
               !text_starts_with(xattr, "trusted.overlay.");
}

/*
 * Attributes through /proc where the thing is no regular file: links and devices cannot be opened.
 */
static int set_xattrs(const Unpacker *u, const TarEntry *entry, int fd) {
        char path[64 + NAME_MAX];

        for (size_t i = 0; i < entry->xattrs_count; i++) {
                const TarXattr *x = &entry->xattrs[i];
                if (!is_settable(x->name))
                        continue;
                int r;
                if (fd >= 0) {
                        r = fsetxattr(fd, x->name, x->value, x->size, 0);
                } else {
                        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", u->parent_fd, u->name);
                        r = lsetxattr(path, x->name, x->value, x->size, 0);
                }
                if (r < 0 && errno != ENOTSUP)
                        return -errno;
        }
        return 0;
}

static void entry_times(const TarEntry *entry, struct timespec times[2]) {
        bool is_older = entry->atime.tv_sec < entry->mtime.tv_sec ||
                        (entry->atime.tv_sec == entry->mtime.tv_sec &&
                         entry->atime.tv_nsec < entry->mtime.tv_nsec);

        times[0] = is_older ? entry->mtime : entry->atime;
        times[1] = entry->mtime;
}

/* Owner first, since chown clears setuid bits and capabilities. */
static int set_metadata(Unpacker *u, const TarEntry *entry) {
        struct timespec times[2];

        entry_times(entry, times);
        if (fchownat(u->parent_fd, u->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (entry->kind != TAR_SYMLINK && fchmodat(u->parent_fd, u->name, entry->mode, 0) < 0)
                return -errno;
        if (entry->kind == TAR_DIRECTORY) {
                GROW(u->dirs, u->dirs_count, u->dirs_capacity);
                u->dirs[u->dirs_count++] =
                        (DirTimes){ .path = xstrdup(u->path), .times = { times[0], times[1] } };
        } else if (utimensat(u->parent_fd, u->name, times, AT_SYMLINK_NOFOLLOW) < 0) {
                return -errno;
        }
        return set_xattrs(u, entry, -EBADF);
}

/* A file that cannot fit is refused before the disk is full for everyone. */
static int check_room(const Unpacker *u, const TarEntry *entry) {
        struct statvfs fs;

        if (entry->size < ROOM_CHECK_MIN || fstatvfs(u->root_fd, &fs) < 0)
                return 0;
        return (uint64_t)entry->size / fs.f_frsize > fs.f_bavail ? -ENOSPC : 0;
}

static int unpack_marker(Unpacker *u, const TarEntry *entry, Error *err) {
        int r = 0;

        if (text_equal(u->name, WHITEOUT_OPAQUE))
                r = set_opaque(u->parent_fd, ".");
        else if (!text_starts_with(u->name, WHITEOUT_META))
                r = make_whiteout(u, entry);
        return r < 0 ? failed(u, -r, err, "cannot apply the marker") : 0;
}

static int too_many_owners(const Unpacker *u, Error *err) {
        return error_set(err, ERR_LIMIT, u->path, "a layer with more than %d owners",
                         LAYER_IDS_MAX);
}

int unpacker_begin(Unpacker *u, const TarEntry *entry, int *ret_fd, Error *err) {
        *ret_fd = -EBADF;
        if (entry->kind == TAR_GLOBAL)
                return 0;
        if (++u->entries > LAYER_ENTRIES_MAX)
                return error_set(err, ERR_LIMIT, entry->name, "a layer of more than %d entries",
                                 LAYER_ENTRIES_MAX);
        int r = path_clean(entry->name, u->path, sizeof(u->path));
        if (r == -EXDEV)
                return error_set(err, ERR_LAYER_CORRUPT, entry->name, "%s leads out of the layer",
                                 entry->name);
        if (r < 0)
                return error_errno(err, ERR_LAYER_CORRUPT, -r, entry->name, "unusable name");
        r = open_parent(u);
        bool is_marker = text_starts_with(u->name, WHITEOUT_PREFIX) != NULL;
        /* A marker below something that this layer has removed already says nothing new. */
        if (r == -ENOTDIR && is_marker)
                return 0;
        if (r < 0)
                return failed(u, -r, err, "cannot create the directory of");
        if (is_marker)
                return unpack_marker(u, entry, err);
        if (id_set_add(&u->uids, entry->uid) < 0 || id_set_add(&u->gids, entry->gid) < 0)
                return too_many_owners(u, err);
        /* The root itself keeps the mode that the store gave it. */
        if (text_equal(u->path, "."))
                return 0;

        r = check_room(u, entry);
        if (r == 0)
                r = make_or_replace(u, entry);
        if (r < 0)
                return failed(u, -r, err, "cannot create");
        if (entry->kind == TAR_FILE) {
                *ret_fd = r;
                return 0;
        }
        if (entry->kind == TAR_HARDLINK)
                return 0; /* the file has its metadata from its first name */
        r = set_metadata(u, entry);
        return r < 0 ? failed(u, -r, err, "cannot set the metadata of") : 0;
}

int unpacker_end(Unpacker *u, const TarEntry *entry, int take_fd, Error *err) {
        _cleanup_close_ int fd = take_fd;
        struct timespec times[2];

        entry_times(entry, times);
        int r = 0;
        if (fchown(fd, entry->uid, entry->gid) < 0 || fchmod(fd, entry->mode) < 0 ||
            futimens(fd, times) < 0)
                r = -errno;
        if (r == 0)
                r = set_xattrs(u, entry, fd);
        return r < 0 ? failed(u, -r, err, "cannot set the metadata of") : 0;
}

int unpacker_finish(Unpacker *u, Error *err) {
        for (size_t i = 0; i < u->dirs_count; i++) {
                const DirTimes *dir = &u->dirs[i];
                _cleanup_close_ int fd = path_open_in_root(
                        u->root_fd, dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0);
                /* Replaced since by something else, which has its own times. */
                if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                        continue;
                if (fd < 0 || futimens(fd, dir->times) < 0)
                        return error_errno(err, ERR_IO, fd < 0 ? -fd : errno, dir->path,
                                           "cannot set the times of %s", dir->path);
        }
        id_set_sort(&u->uids);
        id_set_sort(&u->gids);
        return u->uids.count > LAYER_IDS_MAX || u->gids.count > LAYER_IDS_MAX
                       ? too_many_owners(u, err)
                       : 0;
}
