/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/text.h"

/* How often a resolution that raced with a rename is tried again. */
#define OPENAT2_TRIES_MAX 64

int path_clean(const char *path, char *out, size_t size) {
        bool is_absolute = *path == '/';
        size_t length = 0;

        if (size < 2)
                return -ENAMETOOLONG;
        while (*path) {
                size_t n = strcspn(path, "/");
                const char *part = path;
                path += n;
                path += strspn(path, "/");
                if (n == 0 || (n == 1 && part[0] == '.'))
                        continue;
                if (n == 2 && part[0] == '.' && part[1] == '.') {
                        if (length == 0 && !is_absolute)
                                return -EXDEV;
                        while (length > 0 && out[--length] != '/')
                                ;
                        continue;
                }
                if (length + n + 2 > size)
                        return -ENAMETOOLONG;
                if (length > 0)
                        out[length++] = '/';
                memcpy(out + length, part, n);
                length += n;
        }
        if (length == 0)
                out[length++] = '.';
        out[length] = '\0';
        return 0;
}

static int open_resolved(int root_fd, const char *path, int flags, mode_t mode, uint64_t resolve) {
        struct open_how how = {
                .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                .mode = mode,
                .resolve = resolve,
        };

        /*
         * EAGAIN: a rename somewhere on the system kept the kernel from proving that ".." is safe.
         */
        for (int tries = 0; tries < OPENAT2_TRIES_MAX; tries++) {
                long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
                if (fd >= 0)
                        return (int)fd;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
        }
        return -EAGAIN;
}

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode) {
        return open_resolved(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_plain(int root_fd, const char *path, int flags) {
        return open_resolved(root_fd, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* One directory of a trusted path; an existing one is left as it is. */
static int make_dir(const char *path, mode_t mode) {
        if (mkdir(path, mode) < 0)
                return errno == EEXIST ? 0 : -errno;
        return chmod(path, mode) < 0 ? -errno : 0;
}

int path_make_dirs(const char *path, mode_t mode) {
        _cleanup_free_ char *copy = xstrdup(path);

        for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                int r = make_dir(copy, mode);
                if (r < 0)
                        return r;
                *slash = '/';
        }
        return make_dir(copy, mode);
}

static bool is_dot(const char *name) {
        return text_equal(name, ".") || text_equal(name, "..");
}

/* Removal of one tree: where too deep directories are moved, and whether any was. */
typedef struct Removal {
        int top_fd;
        bool has_moved;
} Removal;

static int remove_entry(Removal *removal, int dir_fd, const char *name, unsigned type,
                        unsigned depth);

static int remove_children(Removal *removal, int fd, unsigned depth) {
        _Alignas(struct dirent64) char entries[4096];

        for (;;) {
                ssize_t n = getdents64(fd, entries, sizeof(entries));
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                for (ssize_t at = 0; at < n;) {
                        struct dirent64 *entry = (struct dirent64 *)(void *)(entries + at);
                        at += entry->d_reclen;
                        if (is_dot(entry->d_name))
                                continue;
                        int r = remove_entry(removal, fd, entry->d_name, entry->d_type, depth);
                        if (r < 0)
                                return r;
                }
        }
}

/* A directory that is too deep goes up to the top, where a later pass finds it. */
static int move_to_top(Removal *removal, int dir_fd, const char *name) {
        char moved[40] = ".moved-";

        random_hex(moved + strlen(moved), 24);
        if (renameat(dir_fd, name, removal->top_fd, moved) < 0)
                return -errno;
        removal->has_moved = true;
        return 0;
}

static int remove_entry(Removal *removal, int dir_fd, const char *name, unsigned type,
                        unsigned depth) {
        if (type != DT_DIR) {
                if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                        return 0;
                if (errno != EISDIR)
                        return -errno;
        }
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
                return -errno;
        if (depth >= PATH_DEPTH_MAX)
                return move_to_top(removal, dir_fd, name);

        _cleanup_close_ int fd =
                openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (depth == 0)
                removal->top_fd = fd;
        int r = remove_children(removal, fd, depth + 1);
        while (r == 0 && depth == 0 && removal->has_moved) {
                removal->has_moved = false;
                r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : remove_children(removal, fd, depth + 1);
        }
        if (r < 0)
                return r;
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int path_remove_tree(int dir_fd, const char *name) {
        Removal removal = { .top_fd = -EBADF };

        return remove_entry(&removal, dir_fd, name, DT_UNKNOWN, 0);
}

static int add_size(int dir_fd, const char *name, unsigned depth, int64_t *total) {
        _Alignas(struct dirent64) char entries[4096];
        struct stat st;

        if (depth >= PATH_DEPTH_MAX)
                return -ELOOP;
        _cleanup_close_ int fd =
                openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return depth > 0 && errno == ENOENT ? 0 : -errno;
        for (;;) {
                ssize_t n = getdents64(fd, entries, sizeof(entries));
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                for (ssize_t at = 0; at < n;) {
                        struct dirent64 *entry = (struct dirent64 *)(void *)(entries + at);
                        at += entry->d_reclen;
                        if (is_dot(entry->d_name))
                                continue;
                        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                                continue; /* gone since: a running container writes here */
                        if (S_ISREG(st.st_mode))
                                *total += st.st_size;
                        int r = S_ISDIR(st.st_mode) ? add_size(fd, entry->d_name, depth + 1, total)
                                                    : 0;
                        if (r < 0)
                                return r;
                }
        }
}

int path_tree_size(int dir_fd, const char *name, int64_t *ret) {
        int64_t total = 0;

        int r = add_size(dir_fd, name, 0, &total);
        if (r < 0)
                return r;
        *ret = total;
        return 0;
}

bool path_is_mount_root(int dir_fd, const char *path) {
        struct statx stx;

        if (statx(dir_fd, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &stx) < 0)
                return false;
        return stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}
