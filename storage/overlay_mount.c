/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mounting of layers.
 *
 * The mount is made private at once, so that whatever a container mounts below it stays out of
 * other namespaces. mount(2) rather than fsconfig(2): its one limit, a page for all options, is met
 * by short names relative to overlay/ (128 of them fit), and it works the same on every kernel.
 */

#include "storage/overlay.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

/* mount(2) copies one page, the last byte a NUL. */
#define MOUNT_DATA_MAX 4095

static unsigned long mount_flag(const char *word) {
        static const struct {
                const char *word;
                unsigned long flag;
        } flags[] = {
                { "nodev", MS_NODEV },           { "nosuid", MS_NOSUID },
                { "noexec", MS_NOEXEC },         { "noatime", MS_NOATIME },
                { "nodiratime", MS_NODIRATIME }, { "ro", MS_RDONLY },
                { "relatime", MS_RELATIME },
        };

        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (text_equal(word, flags[i].word))
                        return flags[i].flag;
        return 0;
}

/* Splits storage.conf's mount options into flags and what the file system itself reads. */
static unsigned long add_options(const char *options, Buffer *data) {
        _cleanup_free_ char *copy = xstrdup(options ? options : "");
        unsigned long flags = 0;
        char *state = NULL;

        for (char *word = strtok_r(copy, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
                unsigned long flag = mount_flag(word);
                flags |= flag;
                if (flag == 0 && !text_equal(word, "rw"))
                        buffer_printf(data, ",%s", word);
        }
        return flags;
}

/*
 * The option text: a read-only mount has its own diff as the first lower, and needs two of them.
 * @prefix: of every path, "<home>/" or ""
 */
static unsigned long format_data(const OverlayMount *m, const char *prefix, const char *lower,
                                 Buffer *data) {
        _cleanup_free_ char *copy = xstrdup(lower), *empty = xasprintf("%s/empty", m->id);
        const char *separator = "";
        char *state = NULL;

        buffer_append_string(data, "lowerdir=");
        if (m->is_read_only) {
                buffer_printf(data, "%s%s/diff", prefix, m->id);
                separator = ":";
        }
        for (char *part = strtok_r(*copy ? copy : empty, ":", &state); part;
             part = strtok_r(NULL, ":", &state)) {
                buffer_printf(data, "%s%s%s", separator, prefix, part);
                separator = ":";
        }
        if (!m->is_read_only)
                buffer_printf(data, ",upperdir=%s%s/diff,workdir=%s%s/work", prefix, m->id, prefix,
                              m->id);
        unsigned long flags = add_options(m->options, data);
        buffer_append_byte(data, '\0');
        return flags | (m->is_read_only ? MS_RDONLY : 0);
}

/* mount(2) with overlay/ as this thread's working directory, which no other thread sees. */
static int mount_relative(const char *home, const char *target, unsigned long flags,
                          const char *data) {
        _cleanup_close_ int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (before < 0 || unshare(CLONE_FS) < 0 || chdir(home) < 0)
                return -errno;
        int r = mount("overlay", target, "overlay", flags, data) < 0 ? -errno : 0;
        if (fchdir(before) < 0 && r == 0)
                r = -errno;
        return r;
}

static int mount_layer(const OverlayMount *m, const char *target, const char *lower) {
        _cleanup_free_ char *prefix = xasprintf("%s/", m->home);
        _cleanup_buffer_ Buffer data = BUFFER_INIT;

        unsigned long flags = format_data(m, prefix, lower, &data);
        bool is_plain = !strpbrk(m->home, ":,\\"); /* these have a meaning in the option text */
        if (is_plain && data.size - 1 <= MOUNT_DATA_MAX)
                return mount("overlay", target, "overlay", flags, data.data) < 0 ? -errno : 0;
        buffer_consume(&data, data.size);
        flags = format_data(m, "", lower, &data);
        if (data.size - 1 > MOUNT_DATA_MAX)
                return -E2BIG;
        return mount_relative(m->home, target, flags, data.data);
}

static int read_lower(int home_fd, const char *id, char **ret, Error *err) {
        char path[NAME_MAX + 16];

        snprintf(path, sizeof(path), "%s/lower", id);
        int r = file_read_at(home_fd, path, MOUNT_DATA_MAX, ret, NULL);
        if (r == -ENOENT)
                *ret = xstrdup("");
        else if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot read overlay/%s", path);
        return 0;
}

/*
 * The kernel leaves this behind when a volatile mount was not unmounted, and then refuses the next
 * one.
 */
static void clear_volatile_mark(int home_fd, const char *id) {
        char path[NAME_MAX + 40];

        snprintf(path, sizeof(path), "%s/work/work/incompat", id);
        (void)path_remove_tree(home_fd, path);
}

int overlay_mount(int home_fd, const OverlayMount *m, Error *err) {
        _cleanup_free_ char *lower = NULL, *target = xasprintf("%s/%s/merged", m->home, m->id);
        char merged[NAME_MAX + 16];

        if (read_lower(home_fd, m->id, &lower, err) < 0)
                return -1;
        snprintf(merged, sizeof(merged), "%s/merged", m->id);
        if (mkdirat(home_fd, merged, 0700) < 0 && errno != EEXIST)
                return error_errno(err, ERR_IO, errno, m->id, "cannot create %s", target);
        if (m->options && strstr(m->options, "volatile"))
                clear_volatile_mark(home_fd, m->id);

        int r = mount_layer(m, target, lower);
        if (r == -ENOENT && overlay_repair_links(home_fd, NULL) == 0)
                r = mount_layer(m, target, lower);
        if (r == 0 && mount(NULL, target, NULL, MS_PRIVATE, NULL) < 0) {
                r = -errno;
                (void)umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
        }
        if (r == -E2BIG)
                return error_set(err, ERR_LIMIT, m->id, "layer %s has too many lower layers",
                                 m->id);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, m->id, "cannot mount layer %s", m->id);
        return 0;
}

bool overlay_is_mounted(const char *home, const char *id) {
        _cleanup_free_ char *target = xasprintf("%s/%s/merged", home, id);

        return path_is_mount_root(AT_FDCWD, target);
}

int overlay_unmount(int home_fd, const char *home, const char *id, Error *err) {
        _cleanup_free_ char *target = xasprintf("%s/%s/merged", home, id);
        char merged[NAME_MAX + 16];

        /* Until nothing is left there: a crash may have stacked a second mount on the first. */
        while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
                ;
        if (errno != EINVAL && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, id, "cannot unmount layer %s", id);
        snprintf(merged, sizeof(merged), "%s/merged", id);
        if (unlinkat(home_fd, merged, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, id, "cannot remove %s", target);
        return 0;
}
