/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layers as they come: what an import makes of a tarball on disk, in whatever form, however
 * hostile. After every import that succeeds, the stream is rebuilt and must be the one that was
 * imported.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "oci/digest.h"
#include "storage/tar.h"
#include "tests/unit/store-fixture.h"
#include "tests/unit/tar-fixture.h"

static struct stat stat_of(int dir_fd, const char *path) {
        struct stat st = { .st_ino = 0 };

        if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                fail_msg("no %s", path);
        return st;
}

static void expect_content(int dir_fd, const char *path, const char *text) {
        _cleanup_free_ char *data = NULL;

        assert_int_equal(file_read_at(dir_fd, path, 1 << 20, &data, NULL), 0);
        assert_string_equal(data, text);
}

static bool exists(int dir_fd, const char *path) {
        return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void makes_every_kind_of_thing(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT, records = BUFFER_INIT;
        struct stat st;
        char value[32];
        /* VFS_CAP_REVISION_2, effective, cap_net_raw */
        static const char capability[20] = { 1, 0, 0, 2, 0, 0x20, 0, 0 };

        tar_add(&tar, &(TarMember){ .flag = '5', .name = "./", .mode = 0700 });
        tar_add(&tar,
                &(TarMember){ .flag = '5', .name = "d", .mode = 02751, .gid = 5, .mtime = 1000 });
        tar_add(&tar, &(TarMember){ .name = "d/f",
                                    .content = "text",
                                    .size = 4,
                                    .mode = 04755,
                                    .uid = 3000000,
                                    .gid = 4000000,
                                    .mtime = -86400 });
        tar_add_link(&tar, '1', "hard", "d/f");
        tar_add_link(&tar, '2', "soft", "/d/f");
        tar_add(&tar,
                &(TarMember){ .flag = '3', .name = "null", .mode = 0666, .major = 1, .minor = 3 });
        tar_add(&tar,
                &(TarMember){ .flag = '4', .name = "disk", .mode = 0640, .major = 8, .minor = 17 });
        tar_add(&tar, &(TarMember){ .flag = '6', .name = "fifo", .mode = 0600 });
        pax_record(&records, "mtime", "1234567890.123456789", 20);
        pax_record(&records, "atime", "1234567891.5", 12);
        pax_record(&records, "SCHILY.xattr.user.note", "a\0b", 3);
        pax_record(&records, "SCHILY.xattr.security.capability", capability, 20);
        pax_record(&records, "SCHILY.xattr.security.selinux", "label", 5);
        pax_record(&records, "SCHILY.xattr.trusted.overlay.redirect", "/etc", 4);
        tar_add(&tar,
                &(TarMember){
                        .flag = 'x', .name = "x", .content = records.data, .size = records.size });
        tar_add(&tar, &(TarMember){ .name = "ping", .content = "p", .size = 1, .uid = 7 });
        tar_add(&tar, &(TarMember){ .name = "missing/parents/f", .content = "1", .size = 1 });
        tar_add_end(&tar);
        int diff = fixture_import_good(f, &tar);

        st = stat_of(diff, ".");
        assert_int_equal(st.st_mode & 07777, 0555); /* "./" does not change it */
        st = stat_of(diff, "d");
        assert_int_equal(st.st_mode, S_IFDIR | 02751);
        assert_int_equal(st.st_gid, 5);
        assert_int_equal(st.st_mtim.tv_sec, 1000); /* though d/f was made later */
        st = stat_of(diff, "d/f");
        assert_int_equal(st.st_mode, S_IFREG | 04755);
        assert_int_equal(st.st_uid, 3000000);
        assert_int_equal(st.st_gid, 4000000);
        assert_int_equal(st.st_mtim.tv_sec, -86400);
        assert_int_equal(st.st_nlink, 2);
        assert_int_equal(stat_of(diff, "hard").st_ino, st.st_ino);
        assert_true(S_ISLNK(stat_of(diff, "soft").st_mode));
        st = stat_of(diff, "null");
        assert_int_equal(st.st_mode, S_IFCHR | 0666);
        assert_true(st.st_rdev == makedev(1, 3));
        st = stat_of(diff, "disk");
        assert_true(S_ISBLK(st.st_mode) && st.st_rdev == makedev(8, 17));
        assert_true(S_ISFIFO(stat_of(diff, "fifo").st_mode));
        st = stat_of(diff, "missing/parents");
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        st = stat_of(diff, "ping");
        assert_int_equal(st.st_mtim.tv_sec, 1234567890);
        assert_int_equal(st.st_mtim.tv_nsec, 123456789);
        assert_int_equal(st.st_atim.tv_sec, 1234567891);

        int ping = openat(diff, "ping", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fgetxattr(ping, "user.note", value, sizeof(value)), 3);
        assert_memory_equal(value, "a\0b", 3);
        assert_int_equal(fgetxattr(ping, "security.capability", value, sizeof(value)), 20);
        assert_int_equal(fgetxattr(ping, "trusted.overlay.redirect", value, sizeof(value)), -1);
        fd_close(ping);
        fd_close(diff);
        buffer_done(&records);
        buffer_done(&tar);
}

static void makes_whiteouts_and_opaque_directories(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        char value[8];

        tar_add_dir(&tar, "d");
        tar_add_file(&tar, "d/.wh..wh..opq", "");
        tar_add(&tar, &(TarMember){ .name = "d/.wh.gone", .uid = 12 });
        tar_add_file(&tar, "new/.wh.gone", "");
        tar_add_file(&tar, "new/.wh.gone/.wh.below", ""); /* says nothing new */
        tar_add_file(&tar, ".wh..wh.plnk", "");
        tar_add_file(&tar, "own", "kept");
        tar_add_file(&tar, ".wh.own", "");
        tar_add_dir(&tar, "own-dir");
        tar_add_file(&tar, ".wh.own-dir", "");
        tar_add_file(&tar, ".wh.dir-again", "");
        tar_add_dir(&tar, "dir-again");
        tar_add_file(&tar, ".wh.file-again", "content of a marker");
        tar_add_file(&tar, "file-again", "new");
        int diff = fixture_import_good(f, &tar);

        struct stat st = stat_of(diff, "d/gone");
        assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
        assert_int_equal(st.st_uid, 12);
        assert_false(exists(diff, "d/.wh.gone"));
        assert_true(S_ISCHR(stat_of(diff, "new/gone").st_mode));
        assert_false(exists(diff, ".wh..wh.plnk"));
        expect_content(diff, "own", "kept");
        expect_content(diff, "file-again", "new");
        static const char *const opaque[] = { "d", "own-dir", "dir-again" };
        for (size_t i = 0; i < ARRAY_SIZE(opaque); i++) {
                int fd = openat(diff, opaque[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", value, 8), 1);
                assert_int_equal(value[0], 'y');
                fd_close(fd);
        }
        fd_close(diff);
        buffer_done(&tar);
}

/* The last one wins on disk; the stream is rebuilt all the same. */
static void keeps_the_last_of_equal_paths(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;

        tar_add_file(&tar, "a", "first");
        tar_add_link(&tar, '1', "also-first", "a");
        tar_add_file(&tar, "./a", "second!");
        tar_add_dir(&tar, "d");
        tar_add_dir(&tar, "d/");
        tar_add_file(&tar, "d/x", "below a directory");
        tar_add_file(&tar, "d", "that became a file");
        tar_add_file(&tar, "e", "a file");
        tar_add_dir(&tar, "e");
        tar_add_file(&tar, "e/y", "became a directory");
        tar_add_file(&tar, "same", "same");
        tar_add_file(&tar, "same", "same");
        tar_add_dir(&tar, "real");
        tar_add_link(&tar, '2', "alias", "real");
        tar_add_file(&tar, "real/z", "by its name");
        tar_add_file(&tar, "alias/z", "by another name");
        tar_add_end(&tar);
        int diff = fixture_import_good(f, &tar);

        expect_content(diff, "a", "second!");
        expect_content(diff, "also-first", "first");
        expect_content(diff, "d", "that became a file");
        expect_content(diff, "e/y", "became a directory");
        expect_content(diff, "real/z", "by another name");
        fd_close(diff);
        buffer_done(&tar);
}

/* The link by which the last directory was reached becomes a directory of its own. */
static void notices_that_a_way_has_changed(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;

        tar_add_dir(&tar, "d");
        tar_add_link(&tar, '2', "d/s", ".");
        tar_add_file(&tar, "d/s/one", "1"); /* is d/one */
        tar_add_dir(&tar, "d/s/s");         /* replaces d/s itself */
        tar_add_file(&tar, "d/s/two", "2"); /* is now in the new directory */
        int diff = fixture_import_good(f, &tar);

        expect_content(diff, "d/one", "1");
        expect_content(diff, "d/s/two", "2");
        assert_false(exists(diff, "d/two"));
        fd_close(diff);
        buffer_done(&tar);
}

static void stays_inside_the_layer(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        char victim[64], up[128];

        /* A file beside the store, that links of all kinds point to. */
        assert_int_equal(file_write_atomic_at(f->scratch.fd, "victim", "safe", 4, 0600, false), 0);
        snprintf(victim, sizeof(victim), "%s/victim", f->scratch.path);
        snprintf(up, sizeof(up), "../../../../../../../../..%s", f->scratch.path);

        tar_add_file(&tar, "../victim", "bad");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "../victim");
        tar_add_file(&tar, "a/../../victim", "bad");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "a/../../victim");

        tar_add_link(&tar, '2', "link", victim);
        tar_add_file(&tar, "link", "bad"); /* replaces the link */
        tar_add_link(&tar, '2', "dir", f->scratch.path);
        tar_add_link(&tar, '2', "up", up);
        int diff = fixture_import_good(f, &tar);
        expect_content(diff, "link", "bad");
        fd_close(diff);

        /* Through a link to a place that the layer does not have. */
        tar_add_link(&tar, '2', "dir", f->scratch.path);
        tar_add_file(&tar, "dir/victim", "bad");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "dir/victim");
        tar_add_link(&tar, '2', "up", up);
        tar_add_file(&tar, "up/victim", "bad");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "up/victim");
        tar_add_link(&tar, '2', "proc", "/proc/self/root");
        tar_add_file(&tar, "proc/etc/x", "bad");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);

        /* Through a link to a place that it does have: resolved as in a chroot. */
        tar_add_dir(&tar, "tmp/inside");
        tar_add_link(&tar, '2', "in", "/tmp/inside");
        tar_add_file(&tar, "in/f", "fine");
        tar_add_file(&tar, "/absolute", "fine");
        diff = fixture_import_good(f, &tar);
        expect_content(diff, "tmp/inside/f", "fine");
        expect_content(diff, "absolute", "fine");
        fd_close(diff);

        /* Hard links may not reach out, nor to what is not there. */
        tar_add_link(&tar, '1', "hard", victim);
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "hard");
        tar_add_link(&tar, '1', "hard", "../../victim");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "hard");
        tar_add_link(&tar, '2', "up", up);
        tar_add_link(&tar, '1', "hard", "up/victim");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "hard");

        /* Markers with names that mean something else. */
        static const char *const markers[] = { ".wh.", ".wh..", ".wh...", "d/.wh..." };
        for (size_t i = 0; i < ARRAY_SIZE(markers); i++) {
                tar_add_file(&tar, markers[i], "");
                fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        }
        tar_add_file(&tar, "file", "");
        tar_add_file(&tar, "file/below", "");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "file/below");
        tar_add_link(&tar, '2', "loop", "loop");
        tar_add_file(&tar, "loop/x", "");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, "loop/x");

        expect_content(f->scratch.fd, "victim", "safe");
        buffer_done(&tar);
}

static void takes_long_paths(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        char path[TAR_PATH_MAX + 2];

        /* 2,000 levels below each other, each with one character. */
        for (size_t i = 0; i < 4000; i += 2)
                memcpy(path + i, "d/", 2);
        memcpy(path + 4000, "file", 5);
        tar_add(&tar, &(TarMember){ .flag = 'L', .name = "L", .content = path, .size = 4005 });
        tar_add_file(&tar, "x", "deep");
        fd_close(fixture_import_good(f, &tar));

        memset(path, 'n', 256);
        path[256] = '\0';
        tar_add(&tar, &(TarMember){ .flag = 'L', .name = "L", .content = path, .size = 257 });
        tar_add_file(&tar, "x", "a name of 256 bytes");
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_done(&tar);
}

static void computes_chain_ids(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        char text[160], id[65];
        StoreLayerContent base;
        StoreLayer *layer;
        Digest digest;
        Error err = ERROR_INIT;

        tar_add_file(&tar, "a", "base");
        fd_close(fixture_import_good(f, &tar));
        base = f->content;
        assert_string_equal(base.id, digest_hex(base.diff_digest));
        tar_add_file(&tar, "b", "top");
        int fd = fixture_file(f, tar.data, tar.size);
        assert_int_equal(store_layer_import(f->store, base.id, fd, NULL, NULL, &f->content, &err),
                         0);
        fd_close(fd);
        snprintf(text, sizeof(text), "%s+%s", base.id, digest_hex(f->content.diff_digest));
        digest_compute(text, strlen(text), &digest);
        assert_string_equal(f->content.id, digest_format_hex(&digest, id));
        assert_int_equal(store_layer_get(f->store, id, &layer, &err), 0);
        assert_string_equal(layer->parent, base.id);
        assert_int_equal(layer->diff_size, tar.size);
        store_layer_unref(layer);

        fd = fixture_file(f, tar.data, tar.size);
        assert_int_equal(store_layer_import(f->store, "0123", fd, NULL, NULL, &f->content, &err),
                         -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        fd_close(fd);
        buffer_done(&tar);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(makes_every_kind_of_thing),
                TEST(makes_whiteouts_and_opaque_directories),
                TEST(keeps_the_last_of_equal_paths),
                TEST(notices_that_a_way_has_changed),
                TEST(stays_inside_the_layer),
                TEST(takes_long_paths),
                TEST(computes_chain_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
