/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/text.h"

#define CGROUP_ROOT     "/sys/fs/cgroup"
#define CGROUP_HYBRID   CGROUP_ROOT "/unified"
#define CGROUP_FILE_MAX (4 * 1024 * 1024) /* bytes of mountinfo: thousands of container mounts */
#define MONITOR_CGROUP  "conmon"

static bool is_filesystem(const char *path, long magic) {
        struct statfs st;

        return statfs(path, &st) == 0 && (long)st.f_type == magic;
}

static void load_mode(CgroupLayout *layout) {
        _cleanup_free_ char *controllers = NULL;

        if (is_filesystem(CGROUP_ROOT, CGROUP2_SUPER_MAGIC)) {
                layout->mode = CGROUP_MODE_UNIFIED;
                return;
        }
        layout->mode = CGROUP_MODE_LEGACY;
        if (!is_filesystem(CGROUP_HYBRID, CGROUP2_SUPER_MAGIC))
                return;
        layout->mode = CGROUP_MODE_HYBRID;
        if (file_read_at(AT_FDCWD, CGROUP_HYBRID "/cgroup.controllers", 4096, &controllers, NULL) ==
            0)
                layout->has_hybrid_controllers = strspn(controllers, " \n") != strlen(controllers);
}

/* Whether @word is one of the comma-separated words of @list. */
static bool has_word(const char *list, const char *word, size_t length) {
        for (const char *p = list; *p;) {
                size_t n = strcspn(p, ",");
                if (n == length && strncmp(p, word, n) == 0)
                        return true;
                p += n + (p[n] == ',');
        }
        return false;
}

/* The engine's path in the hierarchy of one mount, from the lines "id:controllers:path"; or NULL.
 */
static const char *find_own_path(char *const *lines, size_t count, bool is_v2,
                                 const char *options) {
        for (size_t i = 0; i < count; i++) {
                const char *controllers = strchr(lines[i], ':');
                const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
                if (!path)
                        continue;
                controllers++;
                if (is_v2 ? path == controllers
                          : path != controllers &&
                                    has_word(options, controllers, strcspn(controllers, ",:")))
                        return path + 1;
        }
        return NULL;
}

static void lines_split(char *text, Strings *lines) {
        char *state = NULL;

        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                strings_add(lines, line);
}

static bool has_mount(const CgroupLayout *layout, const char *mount) {
        for (size_t i = 0; i < layout->count; i++)
                if (text_equal(layout->items[i].mount, mount))
                        return true;
        return false;
}

/* One line of mountinfo (proc(5)): "id parent dev root mount-point options tags - type source
 * super". */
static void load_mount(CgroupLayout *layout, char *line, const Strings *own, size_t *capacity) {
        char root[256], mount[256], type[16], super[512];

        const char *separator = strstr(line, " - ");
        if (!separator || sscanf(separator, " - %15s %*s %511s", type, super) != 2)
                return;
        bool is_v2 = text_equal(type, "cgroup2");
        if (!is_v2 && !text_equal(type, "cgroup"))
                return;
        if (sscanf(line, "%*s %*s %*s %255s %255s", root, mount) != 2 || has_mount(layout, mount))
                return;
        const char *path = find_own_path(own->items, own->count, is_v2, super);
        if (!path)
                return;
        GROW(layout->items, layout->count, *capacity);
        layout->items[layout->count++] = (CgroupHierarchy){
                .mount = xstrdup(mount),
                .is_own = !text_equal(path, "/") && !text_equal(path, root),
                .is_cpuset = !is_v2 && has_word(super, "cpuset", strlen("cpuset")),
        };
}

int cgroup_layout_load(CgroupLayout *ret, Error *err) {
        _cleanup_(cgroup_layout_done)
        CgroupLayout layout = CGROUP_LAYOUT_INIT;
        _cleanup_free_ char *mounts_text = NULL, *own_text = NULL;
        _cleanup_strings_ Strings mounts = STRINGS_INIT, own = STRINGS_INIT;
        size_t capacity = 0;

        int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", CGROUP_FILE_MAX, &mounts_text, NULL);
        if (r == 0)
                r = file_read_at(AT_FDCWD, "/proc/self/cgroup", CGROUP_FILE_MAX, &own_text, NULL);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, "/proc/self", "cannot read the cgroup mounts");
        lines_split(mounts_text, &mounts);
        lines_split(own_text, &own);
        for (size_t i = 0; i < mounts.count; i++)
                load_mount(&layout, mounts.items[i], &own, &capacity);
        load_mode(&layout);

        *ret = layout;
        layout = (CgroupLayout)CGROUP_LAYOUT_INIT;
        return 0;
}

void cgroup_layout_done(CgroupLayout *layout) {
        for (size_t i = 0; i < layout->count; i++)
                free(layout->items[i].mount);
        free(layout->items);
        *layout = (CgroupLayout)CGROUP_LAYOUT_INIT;
}

static int make_folder(const char *path) {
        return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_file(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

/* On cgroup v1 a new cpuset is empty and refuses processes until it was given its parent's. */
static int inherit_cpuset(const char *group, const char *from) {
        static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                _cleanup_free_ char *source = xasprintf("%s/%s", from, files[i]);
                _cleanup_free_ char *target = xasprintf("%s/%s", group, files[i]);
                _cleanup_free_ char *text = NULL;
                int r = file_read_at(AT_FDCWD, source, 4096, &text, NULL);
                if (r == 0)
                        r = write_file(target, text);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int make_groups(const CgroupHierarchy *hierarchy, const char *parent, const char *group) {
        _cleanup_free_ char *folder = xasprintf("%s%s", hierarchy->mount, parent);

        int r = make_folder(folder);
        if (r == 0 && hierarchy->is_cpuset)
                r = inherit_cpuset(folder, hierarchy->mount);
        if (r == 0)
                r = make_folder(group);
        if (r == 0 && hierarchy->is_cpuset)
                r = inherit_cpuset(group, folder);
        return r;
}

static int move_in(const CgroupHierarchy *hierarchy, const char *parent, pid_t pid) {
        _cleanup_free_ char *group = xasprintf("%s%s/" MONITOR_CGROUP, hierarchy->mount, parent);
        _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", group);
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", (int)pid);
        int r = write_file(file, text);
        /* Usually it is there. It may also be removed, being empty, right after it was made. */
        for (int tries = 0; (r == -ENOENT || r == -ENODEV) && tries < 3; tries++) {
                r = make_groups(hierarchy, parent, group);
                if (r == 0)
                        r = write_file(file, text);
        }
        return r;
}

int cgroup_layout_move(const CgroupLayout *layout, const char *parent, pid_t pid) {
        int first = 0;

        for (size_t i = 0; i < layout->count; i++) {
                int r = layout->items[i].is_own ? move_in(&layout->items[i], parent, pid) : 0;
                if (r < 0 && first == 0)
                        first = r;
        }
        return first;
}

void cgroup_layout_remove(const CgroupLayout *layout, const char *parent) {
        for (size_t i = 0; i < layout->count; i++) {
                _cleanup_free_ char *group =
                        xasprintf("%s%s/" MONITOR_CGROUP, layout->items[i].mount, parent);
                _cleanup_free_ char *folder = xasprintf("%s%s", layout->items[i].mount, parent);
                /* Refused while anything is in them, which is what is wanted. */
                (void)rmdir(group);
                (void)rmdir(folder);
        }
}
