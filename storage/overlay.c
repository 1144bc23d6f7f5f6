/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/overlay.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"
#include "base/text.h"

/* Room for 128 names of the form `l/<link>:`; what is longer is no lower file of ours. */
#define LOWER_TEXT_MAX (STORE_LAYERS_MAX * (OVERLAY_LINK_SIZE + 3))

static bool is_link(const char *s) {
        return strlen(s) == OVERLAY_LINK_SIZE &&
               strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == OVERLAY_LINK_SIZE;
}

static void make_link_name(char link[static OVERLAY_LINK_SIZE + 1]) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

        random_bytes(link, OVERLAY_LINK_SIZE);
        for (int i = 0; i < OVERLAY_LINK_SIZE; i++)
                link[i] = alphabet[(unsigned char)link[i] & 31];
        link[OVERLAY_LINK_SIZE] = '\0';
}

/* The small text file overlay/<id>/<name>; a missing one is "". */
static int read_text(int home_fd, const char *id, const char *name, char **ret, Error *err) {
        char path[NAME_MAX + 16];

        snprintf(path, sizeof(path), "%s/%s", id, name);
        int r = file_read_at(home_fd, path, LOWER_TEXT_MAX, ret, NULL);
        if (r == -ENOENT) {
                *ret = xstrdup("");
                return 0;
        }
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot read overlay/%s", path);
        return 0;
}

static int read_link(int home_fd, const char *id, char **ret, Error *err) {
        if (read_text(home_fd, id, "link", ret, err) < 0)
                return -1;
        if (is_link(*ret))
                return 0;
        free(TAKE_PTR(*ret));
        return error_set(err, ERR_CORRUPT, id, "overlay/%s/link holds no link name", id);
}

static size_t count_lowers(const char *lower) {
        size_t count = *lower != '\0';

        for (; *lower; lower++)
                count += *lower == ':';
        return count;
}

/* `l/<parent's link>:<parent's lower>` */
static int format_lower(int home_fd, const char *parent, char **ret, Error *err) {
        _cleanup_free_ char *link = NULL, *lower = NULL;

        if (read_link(home_fd, parent, &link, err) < 0 ||
            read_text(home_fd, parent, "lower", &lower, err) < 0)
                return -1;
        if (count_lowers(lower) + 1 > STORE_LAYERS_MAX)
                return error_set(err, ERR_LIMIT, parent, "more than %d layers", STORE_LAYERS_MAX);
        *ret = xasprintf("l/%s%s%s", link, *lower ? ":" : "", lower);
        return 0;
}

static int write_text(int dir_fd, const char *name, const char *text, bool sync) {
        _cleanup_close_ int fd =
                openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;
        int r = fd_write_all(fd, text, strlen(text));
        if (r == 0 && sync && fdatasync(fd) < 0)
                r = -errno;
        return r;
}

/* A layer's root has its parent's mode, a base layer's is read-only for all. */
static mode_t diff_mode(int home_fd, const char *parent) {
        char path[NAME_MAX + 16];
        struct stat st;

        if (!parent)
                return 0555;
        snprintf(path, sizeof(path), "%s/diff", parent);
        return fstatat(home_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0555 : st.st_mode & 07777;
}

int overlay_make(int dir_fd, const char *name, bool sync, Error *err) {
        char link[OVERLAY_LINK_SIZE + 1];

        make_link_name(link);
        if (mkdirat(dir_fd, name, 0700) < 0)
                return error_errno(err, ERR_IO, errno, name, "cannot create layer %s", name);
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 || mkdirat(fd, "diff", 0700) < 0 || mkdirat(fd, "work", 0700) < 0 ? -errno
                                                                                         : 0;
        if (r == 0)
                r = write_text(fd, "link", link, sync);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, name, "cannot create layer %s", name);
        return 0;
}

int overlay_stack(int dir_fd, const char *name, int home_fd, const char *parent, bool sync,
                  Error *err) {
        _cleanup_free_ char *lower = NULL;
        int r = 0;

        if (parent && format_lower(home_fd, parent, &lower, err) < 0)
                return -1;
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fchmodat(fd, "diff", diff_mode(home_fd, parent), 0) < 0)
                r = -errno;
        if (r == 0 && lower)
                r = write_text(fd, "lower", lower, sync);
        if (r == 0 && !lower && mkdirat(fd, "empty", 0700) < 0)
                r = -errno;
        if (r < 0)
                return error_errno(err, ERR_IO, -r, name, "cannot create layer %s", name);
        return 0;
}

static int link_layer(int home_fd, const char *id, const char *link) {
        char path[OVERLAY_LINK_SIZE + 3], target[NAME_MAX + 16];

        snprintf(path, sizeof(path), "l/%s", link);
        snprintf(target, sizeof(target), "../%s/diff", id);
        return symlinkat(target, home_fd, path) < 0 ? -errno : 0;
}

int overlay_link(int home_fd, const char *id, Error *err) {
        _cleanup_free_ char *link = NULL;

        if (read_link(home_fd, id, &link, err) < 0)
                return -1;
        int r = link_layer(home_fd, id, link);
        if (r < 0 && r != -EEXIST)
                return error_errno(err, ERR_IO, -r, id, "cannot link layer %s", id);
        return 0;
}

void overlay_unlink(int home_fd, const char *id) {
        _cleanup_free_ char *link = NULL;
        char path[OVERLAY_LINK_SIZE + 3];

        if (read_link(home_fd, id, &link, NULL) < 0)
                return;
        snprintf(path, sizeof(path), "l/%s", link);
        (void)unlinkat(home_fd, path, 0);
}

int overlay_repair_links(int home_fd, Error *err) {
        int fd = openat(home_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        if (!folder) {
                int errnum = errno;
                (void)fd_close(fd);
                return error_errno(err, ERR_IO, errnum, "overlay", "cannot read overlay/");
        }
        int r = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(folder));) {
                _cleanup_free_ char *link = NULL;
                if (entry->d_name[0] == '.' || read_link(home_fd, entry->d_name, &link, NULL) < 0)
                        continue;
                r = link_layer(home_fd, entry->d_name, link);
                if (r == -EEXIST)
                        r = 0;
        }
        closedir(folder);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, "overlay", "cannot repair overlay/l");
        return 0;
}

/* The directory that `l/<link>` stands for, as an absolute path; links are made anew where lost. */
static int append_lower(int home_fd, const char *home, const char *short_path, Buffer *lowers,
                        Error *err) {
        char target[NAME_MAX + 16];

        ssize_t n = readlinkat(home_fd, short_path, target, sizeof(target) - 1);
        if (n < 0 && errno == ENOENT) {
                if (overlay_repair_links(home_fd, err) < 0)
                        return -1;
                n = readlinkat(home_fd, short_path, target, sizeof(target) - 1);
        }
        if (n < 0)
                return error_errno(err, ERR_CORRUPT, errno, short_path, "cannot read overlay/%s",
                                   short_path);
        target[n] = '\0';
        const char *rest = text_starts_with(target, "../");
        if (!rest)
                return error_set(err, ERR_CORRUPT, short_path, "overlay/%s leads to %s", short_path,
                                 target);
        if (lowers->size > 0)
                buffer_append_byte(lowers, ':');
        buffer_printf(lowers, "%s/%s", home, rest);
        return 0;
}

int overlay_paths(int home_fd, const char *home, const char *id, StoreLayerPaths *ret, Error *err) {
        _cleanup_free_ char *lower = NULL;
        _cleanup_buffer_ Buffer lowers = BUFFER_INIT;
        char *state = NULL;

        if (read_text(home_fd, id, "lower", &lower, err) < 0)
                return -1;
        for (char *part = strtok_r(lower, ":", &state); part; part = strtok_r(NULL, ":", &state))
                if (append_lower(home_fd, home, part, &lowers, err) < 0)
                        return -1;
        ret->lower = buffer_take_string(&lowers);
        ret->upper = xasprintf("%s/%s/diff", home, id);
        ret->work = xasprintf("%s/%s/work", home, id);
        ret->merged = xasprintf("%s/%s/merged", home, id);
        return 0;
}
