/* SPDX-License-Identifier: Apache-2.0 */

/* base/path: names that want out, trees that are too deep. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "tests/unit/scratch.h"

static void cleans_paths(void **state) {
        static const struct {
                const char *path, *clean; /* NULL: leads out */
        } cases[] = {
                { "a/b", "a/b" },     { "/a/b", "a/b" },
                { "./a//b/", "a/b" }, { "a/./b/.", "a/b" },
                { "a/../b", "b" },    { "a/b/../../c", "c" },
                { "", "." },          { ".", "." },
                { "/", "." },         { "a/..", "." },
                { "///", "." },       { "..", NULL },
                { "../a", NULL },     { "a/../../b", NULL },
                { "/..", "." },       { "/../../etc", "etc" },
                { "...", "..." },     { "a/...", "a/..." },
                { "a/b/..", "a" },    { "ab/cd/../..", "." },
        };
        char out[64];

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int r = path_clean(cases[i].path, out, sizeof(out));
                if (!cases[i].clean) {
                        assert_int_equal(r, -EXDEV);
                        continue;
                }
                assert_int_equal(r, 0);
                assert_string_equal(out, cases[i].clean);
        }
        assert_int_equal(path_clean("abcd", out, 4), -ENAMETOOLONG);
        assert_int_equal(path_clean("abc", out, 1), -ENAMETOOLONG);
}

static void links_stay_in_the_root(void **state) {
        Scratch scratch;
        char text[16] = "";

        (void)state;
        scratch_open(&scratch);
        assert_int_equal(mkdirat(scratch.fd, "root", 0755), 0);
        assert_int_equal(mkdirat(scratch.fd, "root/etc", 0755), 0);
        assert_int_equal(file_write_atomic_at(scratch.fd, "secret", "no", 2, 0600, false), 0);
        assert_int_equal(file_write_atomic_at(scratch.fd, "root/etc/x", "yes", 3, 0600, false), 0);
        assert_int_equal(symlinkat("/etc/x", scratch.fd, "root/absolute"), 0);
        assert_int_equal(symlinkat("../../../../../../etc", scratch.fd, "root/climb"), 0);
        assert_int_equal(symlinkat("../secret", scratch.fd, "root/out"), 0);
        assert_int_equal(symlinkat("/proc/self/root", scratch.fd, "root/magic"), 0);
        int root = openat(scratch.fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(root >= 0);

        int fd = path_open_in_root(root, "absolute", O_RDONLY, 0);
        assert_true(fd >= 0);
        assert_int_equal(fd_read_full(fd, text, sizeof(text)), 3);
        fd_close(fd);
        fd = path_open_in_root(root, "climb/x", O_RDONLY, 0);
        assert_true(fd >= 0);
        fd_close(fd);
        assert_int_equal(path_open_in_root(root, "out", O_RDONLY, 0), -ENOENT);
        assert_int_equal(path_open_in_root(root, "../secret", O_RDONLY, 0), -ENOENT);
        assert_int_equal(path_open_in_root(root, "magic", O_RDONLY, 0), -ENOENT);

        fd = path_open_plain(root, "etc/x", O_RDONLY);
        assert_true(fd >= 0);
        fd_close(fd);
        assert_int_equal(path_open_plain(root, "climb/x", O_RDONLY), -ELOOP);
        assert_int_equal(path_open_plain(root, "../secret", O_RDONLY), -EXDEV);
        fd_close(root);
        scratch_close(&scratch);
}

static void makes_directories(void **state) {
        Scratch scratch;
        struct stat st;
        char path[64];

        (void)state;
        scratch_open(&scratch);
        snprintf(path, sizeof(path), "%s/a/b/c", scratch.path);
        assert_int_equal(path_make_dirs(path, 0711), 0);
        assert_int_equal(path_make_dirs(path, 0700), 0);
        assert_int_equal(fstatat(scratch.fd, "a/b/c", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0711);
        assert_int_equal(file_write_atomic_at(scratch.fd, "file", "", 0, 0600, false), 0);
        snprintf(path, sizeof(path), "%s/file/x", scratch.path);
        assert_int_equal(path_make_dirs(path, 0700), -ENOTDIR);
        scratch_close(&scratch);
}

/* Nested by one descriptor at a time, as a container could: no path reaches the bottom. */
static void make_deep_tree(int dir_fd, int depth) {
        int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);

        for (int i = 0; i < depth; i++) {
                assert_int_equal(mkdirat(fd, "d", 0700), 0);
                assert_int_equal(file_write_atomic_at(fd, "f", "x", 1, 0600, false), 0);
                int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                fd_close(fd);
                fd = next;
        }
        fd_close(fd);
}

static void removes_trees_of_any_depth(void **state) {
        Scratch scratch;

        (void)state;
        scratch_open(&scratch);
        assert_int_equal(mkdirat(scratch.fd, "t", 0700), 0);
        assert_int_equal(file_write_atomic_at(scratch.fd, "kept", "", 0, 0600, false), 0);
        assert_int_equal(symlinkat("../kept", scratch.fd, "t/link"), 0);
        assert_int_equal(mkdirat(scratch.fd, "kept-dir", 0700), 0);
        assert_int_equal(symlinkat("../kept-dir", scratch.fd, "t/link-dir"), 0);
        int top = openat(scratch.fd, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        make_deep_tree(top, 5000);
        /* Others beside it, that are walked after something was moved out of the first. */
        for (int i = 0; i < 8; i++) {
                char name[8];
                snprintf(name, sizeof(name), "s%d", i);
                assert_int_equal(mkdirat(top, name, 0700), 0);
                int side = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                make_deep_tree(side, i * 50);
                fd_close(side);
        }
        fd_close(top);
        int64_t size = 0;
        assert_int_equal(path_tree_size(scratch.fd, "t", &size), -ELOOP);
        assert_int_equal(path_remove_tree(scratch.fd, "t"), 0);
        assert_int_equal(faccessat(scratch.fd, "t", F_OK, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(faccessat(scratch.fd, "kept", F_OK, 0), 0);
        assert_int_equal(faccessat(scratch.fd, "kept-dir", F_OK, 0), 0);
        assert_int_equal(path_remove_tree(scratch.fd, "t"), 0);
        assert_int_equal(path_remove_tree(scratch.fd, "kept"), 0);
        scratch_close(&scratch);
}

static void measures_trees(void **state) {
        Scratch scratch;
        int64_t size = 0;

        (void)state;
        scratch_open(&scratch);
        assert_int_equal(mkdirat(scratch.fd, "t", 0700), 0);
        int top = openat(scratch.fd, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        make_deep_tree(top, PATH_DEPTH_MAX - 1);
        fd_close(top);
        assert_int_equal(symlinkat("../../../../../usr", scratch.fd, "t/link"), 0);
        assert_int_equal(path_tree_size(scratch.fd, "t", &size), 0);
        assert_int_equal(size, PATH_DEPTH_MAX - 1);
        assert_int_equal(path_tree_size(scratch.fd, "none", &size), -ENOENT);
        scratch_close(&scratch);
}

static void knows_mount_roots(void **state) {
        (void)state;
        assert_true(path_is_mount_root(AT_FDCWD, "/proc"));
        assert_false(path_is_mount_root(AT_FDCWD, "/proc/self"));
        assert_false(path_is_mount_root(AT_FDCWD, "/no/such/path"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(cleans_paths),      cmocka_unit_test(links_stay_in_the_root),
                cmocka_unit_test(makes_directories), cmocka_unit_test(removes_trees_of_any_depth),
                cmocka_unit_test(measures_trees),    cmocka_unit_test(knows_mount_roots),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
