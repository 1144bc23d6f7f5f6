/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/walk.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "storage/tar.h"

/* A directory on the way from the root to where the walk is. */
typedef struct Level {
        int fd; /* -EBADF: closed for the sake of deeper ones */
        Strings names;
        size_t next;        /* name */
        size_t names_size;  /* bytes */
        size_t path_length; /* of the directory, in Walk.path */
} Level;

typedef struct Walk {
        int root_fd;
        const WalkVisitor *visitor;
        Level *levels;
        size_t depth, capacity;
        size_t names_size;
        char path[TAR_PATH_MAX + 1];
} Walk;

static void level_done(Level *level) {
        (void)fd_close(level->fd);
        strings_done(&level->names);
}

static void walk_done(Walk *walk) {
        while (walk->depth > 0)
                level_done(&walk->levels[--walk->depth]);
        free(walk->levels);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Directories are read without a trace. */
static int open_directory(int path_fd) {
        const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
        int fd = openat(path_fd, ".", flags | O_NOATIME);

        if (fd < 0 && errno == EPERM)
                fd = openat(path_fd, ".", flags);
        return fd < 0 ? -errno : fd;
}

static int read_names(Walk *walk, Level *level, Error *err) {
        int fd = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        int r = 0;

        if (!folder) {
                int errnum = errno;
                (void)fd_close(fd);
                return error_errno(err, ERR_IO, errnum, walk->path, "cannot read %s", walk->path);
        }
        errno = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(folder)); errno = 0) {
                if (text_equal(entry->d_name, ".") || text_equal(entry->d_name, ".."))
                        continue;
                size_t size = strlen(entry->d_name) + 1;
                level->names_size += size;
                if (walk->names_size + level->names_size > WALK_NAMES_MAX)
                        r = error_set(err, ERR_LIMIT, walk->path,
                                      "%s and what is above it hold more than %d bytes of names",
                                      walk->path, WALK_NAMES_MAX);
                else
                        strings_add(&level->names, entry->d_name);
        }
        if (r == 0 && errno != 0)
                r = error_errno(err, ERR_IO, errno, walk->path, "cannot read %s", walk->path);
        closedir(folder);
        if (level->names.count > 1)
                qsort(level->names.items, level->names.count, sizeof(char *), compare_names);
        return r;
}

/* Goes into the directory that the path names; one that is gone is left out. */
static int enter(Walk *walk, int path_fd, Error *err) {
        Level level = { .names = STRINGS_INIT, .path_length = strlen(walk->path) };

        level.fd = open_directory(path_fd);
        if (level.fd == -ENOENT)
                return 0;
        if (level.fd < 0)
                return error_errno(err, ERR_IO, -level.fd, walk->path, "cannot open %s",
                                   walk->path);
        if (read_names(walk, &level, err) < 0) {
                level_done(&level);
                return -1;
        }
        walk->names_size += level.names_size;
        GROW(walk->levels, walk->depth, walk->capacity);
        walk->levels[walk->depth++] = level;
        if (walk->depth > WALK_OPEN_MAX) {
                Level *far = &walk->levels[walk->depth - 1 - WALK_OPEN_MAX];
                far->fd = fd_close(far->fd);
        }
        return 0;
}

/* Back in a directory whose descriptor was closed. */
static int reopen(Walk *walk, Level *level, Error *err) {
        if (level->fd >= 0)
                return 0;
        int fd = path_open_plain(walk->root_fd, *walk->path ? walk->path : ".",
                                 O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return error_errno(err, ERR_IO, -fd, walk->path, "cannot return to %s", walk->path);
        level->fd = fd;
        return 0;
}

static int append_name(Walk *walk, const Level *level, const char *name, Error *err) {
        size_t at = level->path_length, length = strlen(name);

        if (at + 1 + length >= TAR_PATH_MAX)
                return error_set(err, ERR_LIMIT, name, "a path of more than %d bytes in %.200s",
                                 TAR_PATH_MAX - 1, walk->path);
        if (at > 0)
                walk->path[at++] = '/';
        memcpy(walk->path + at, name, length + 1);
        return 0;
}

static int visit(Walk *walk, const Level *level, const char *name, Error *err) {
        WalkEntry entry = { .path = walk->path };
        _cleanup_close_ int fd = openat(level->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &entry.status) < 0)
                return error_errno(err, ERR_IO, errno, walk->path, "cannot examine %s", walk->path);
        entry.fd = fd;
        entry.is_foreign = entry.status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
        int r = walk->visitor->visit(walk->visitor->userdata, &entry, err);
        if (r == WALK_CONTINUE && S_ISDIR(entry.status.stx_mode) && !entry.is_foreign)
                return enter(walk, fd, err);
        return r < 0 ? -1 : 0;
}

int walk_tree(int root_fd, const WalkVisitor *visitor, Error *err) {
        _cleanup_(walk_done)
        Walk walk = { .root_fd = root_fd, .visitor = visitor };

        if (enter(&walk, root_fd, err) < 0)
                return -1;
        while (walk.depth > 0) {
                Level *level = &walk.levels[walk.depth - 1];
                walk.path[level->path_length] = '\0';
                if (level->next == level->names.count) {
                        walk.names_size -= level->names_size;
                        level_done(level);
                        walk.depth--;
                        continue;
                }
                const char *name = level->names.items[level->next++];
                if (reopen(&walk, level, err) < 0 || append_name(&walk, level, name, err) < 0 ||
                    visit(&walk, level, name, err) < 0)
                        return -1;
        }
        return 0;
}
