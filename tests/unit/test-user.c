/* SPDX-License-Identifier: Apache-2.0 */

/* Users and groups by the image's own files, which may be missing, hostile, or too long. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "oci/user.h"
#include "tests/unit/scratch.h"

#define TEXTS(...)                \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "nonsense\n"
                             "bad:x:-1:0::/:\n"
                             "alice:x:1000:1000:Alice,,,:/home/alice:/bin/sh\n"
                             "nohome:x:1001:1001:::/bin/sh\n"
                             "1000:x:77:77::/number:/bin/sh\n"
                             "alice:x:2000:2000:second:/other:/bin/sh\n";
static const char group[] = "root:x:0:\n"
                            "broken\n"
                            "wheel:x:10:root,alice\n"
                            "alice:x:1000:alice\n"
                            "video:x:44:bob,alice,carol\n"
                            "alices:x:45:alices\n";

static int fixture_open(void **state) {
        Scratch *scratch = xnew(Scratch, 1);

        scratch_open(scratch);
        assert_int_equal(mkdirat(scratch->fd, "etc", 0755), 0);
        *state = scratch;
        return 0;
}

static int fixture_close(void **state) {
        scratch_close(*state);
        free(*state);
        return 0;
}

static void write_files(const Scratch *scratch) {
        assert_int_equal(file_write_atomic_at(scratch->fd, "etc/passwd", passwd, sizeof(passwd) - 1,
                                              0644, false),
                         0);
        assert_int_equal(file_write_atomic_at(scratch->fd, "etc/group", group, sizeof(group) - 1,
                                              0644, false),
                         0);
}

static void check(int fd, const char *spec, const char *const *add, uid_t uid, gid_t gid,
                  const char *home, const gid_t *gids, size_t gids_count) {
        ResolvedUser user = RESOLVED_USER_INIT;
        Error err = ERROR_INIT;

        if (user_lookup(fd, spec, add, &user, &err) < 0)
                fail_msg("%s: %s", spec, err.text);
        assert_int_equal(user.uid, uid);
        assert_int_equal(user.gid, gid);
        assert_string_equal(user.home, home);
        assert_int_equal(user.additional_gids_count, gids_count);
        for (size_t i = 0; i < gids_count; i++)
                assert_int_equal(user.additional_gids[i], gids[i]);
        resolved_user_done(&user);
}

#define GIDS(...) (const gid_t[]){ __VA_ARGS__ }, ARRAY_SIZE(((const gid_t[]){ __VA_ARGS__ }))

static void test_known(void **state) {
        const Scratch *scratch = *state;
        int fd = scratch->fd;

        write_files(scratch);
        check(fd, NULL, NULL, 0, 0, "/root", GIDS(10));
        check(fd, "", NULL, 0, 0, "/root", GIDS(10));
        check(fd, "root", NULL, 0, 0, "/root", GIDS(10));
        check(fd, "alice", NULL, 1000, 1000, "/home/alice", GIDS(10, 44));
        check(fd, "alice:video", NULL, 1000, 44, "/home/alice", NULL, 0);
        check(fd, "alice:5", NULL, 1000, 5, "/home/alice", NULL, 0);
        check(fd, "0:video", NULL, 0, 44, "/root", NULL, 0);
        check(fd, "nohome", NULL, 1001, 1001, "/", NULL, 0);
        check(fd, "1001", NULL, 1001, 1001, "/", NULL, 0);
        check(fd, "4242", NULL, 4242, 0, "/", NULL, 0);
        check(fd, "4242:4243", NULL, 4242, 4243, "/", NULL, 0);
        check(fd, "alice", TEXTS("alices", "7", "wheel"), 1000, 1000, "/home/alice",
              GIDS(7, 10, 44, 45));
        check(fd, "alice:wheel", TEXTS("7"), 1000, 10, "/home/alice", GIDS(7));
}

static void check_refused(int fd, const char *spec, const char *const *add, ErrorKind kind,
                          const char *subject, const char *says) {
        ResolvedUser user = RESOLVED_USER_INIT;
        Error err = ERROR_INIT;

        assert_true(user_lookup(fd, spec, add, &user, &err) < 0);
        assert_int_equal(err.kind, kind);
        assert_string_equal(err.subject, subject);
        if (!strstr(err.text, says))
                fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

static void test_unknown(void **state) {
        const Scratch *scratch = *state;
        int fd = scratch->fd;

        write_files(scratch);
        check_refused(fd, "nobody", NULL, ERR_INVALID, "create.user", "nobody");
        check_refused(fd, "bad", NULL, ERR_INVALID, "create.user", "bad");
        check_refused(fd, "alice:nogroup", NULL, ERR_INVALID, "create.user", "nogroup");
        check_refused(fd, "alice", TEXTS("nogroup"), ERR_INVALID, "create.group_add", "nogroup");
        check_refused(fd, "4294967295", NULL, ERR_INVALID, "create.user", "4294967295");
        check_refused(fd, "-1", NULL, ERR_INVALID, "create.user", "-1");
        check_refused(fd, "alice:", NULL, ERR_INVALID, "create.user", "alice:");
        check_refused(fd, ":5", NULL, ERR_INVALID, "create.user", ":5");
}

static void test_without_files(void **state) {
        const Scratch *scratch = *state;

        check(scratch->fd, NULL, NULL, 0, 0, "/", NULL, 0);
        check(scratch->fd, "1000:50", NULL, 1000, 50, "/", NULL, 0);
        check_refused(scratch->fd, "alice", NULL, ERR_INVALID, "create.user", "alice");
        check_refused(scratch->fd, "0:wheel", NULL, ERR_INVALID, "create.user", "wheel");
        check(-EBADF, "1000", TEXTS("5"), 1000, 0, "/", GIDS(5));
        check_refused(-EBADF, "alice", NULL, ERR_INVALID, "create.user", "alice");
}

/* The files are the image's: links stay inside its root, a fifo is not waited for. */
static void test_hostile_files(void **state) {
        const Scratch *scratch = *state;

        write_files(scratch);
        assert_int_equal(renameat(scratch->fd, "etc/passwd", scratch->fd, "own"), 0);
        assert_int_equal(symlinkat("/own", scratch->fd, "etc/passwd"), 0);
        check(scratch->fd, "alice", NULL, 1000, 1000, "/home/alice", GIDS(10, 44));
        assert_int_equal(unlinkat(scratch->fd, "etc/passwd", 0), 0);

        /* The host's own file has this user. */
        assert_int_equal(symlinkat("../../../../../../etc/passwd", scratch->fd, "etc/passwd"), 0);
        check_refused(scratch->fd, "daemon", NULL, ERR_IO, "/etc/passwd", "passwd");
        assert_int_equal(unlinkat(scratch->fd, "etc/passwd", 0), 0);

        assert_int_equal(mkfifoat(scratch->fd, "etc/passwd", 0644), 0);
        check_refused(scratch->fd, "alice", NULL, ERR_INVALID, "create.user", "regular");
        assert_int_equal(unlinkat(scratch->fd, "etc/passwd", 0), 0);

        int fd = openat(scratch->fd, "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, USER_FILE_MAX + 1), 0);
        assert_int_equal(close(fd), 0);
        check_refused(scratch->fd, "alice", NULL, ERR_LIMIT, "create.user", "longer");
}

static void test_too_many_groups(void **state) {
        const Scratch *scratch = *state;
        _cleanup_free_ char *text = xnew(char, (USER_GROUPS_MAX + 1) * 32);
        size_t size = 0;

        write_files(scratch);
        for (int i = 0; i <= USER_GROUPS_MAX; i++)
                size += (size_t)snprintf(text + size, 32, "g%d:x:%d:alice\n", i, 5000 + i);
        assert_int_equal(file_write_atomic_at(scratch->fd, "etc/group", text, size, 0644, false),
                         0);
        check_refused(scratch->fd, "alice", NULL, ERR_LIMIT, "create.user", "groups");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_known, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(test_unknown, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(test_without_files, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(test_hostile_files, fixture_open, fixture_close),
                cmocka_unit_test_setup_teardown(test_too_many_groups, fixture_open, fixture_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
