/* SPDX-License-Identifier: Apache-2.0 */

/* Trees and changed layers as tars: what goes in comes out again when the tar is a layer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/text.h"
#include "storage/layers.h"
#include "storage/tar_write.h"
#include "storage/walk.h"
#include "tests/unit/store-fixture.h"
#include "tests/unit/tar-fixture.h"

static int collect(void *userdata, const void *data, size_t size, Error *err) {
        (void)err;
        buffer_append(userdata, data, size);
        return 0;
}

static int read_buffer(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        Buffer *tar = userdata;

        (void)err;
        if (tar->size == 0)
                return 0;
        *ret_data = (const uint8_t *)tar->data;
        *ret_size = tar->size;
        tar->size = 0;
        return 1;
}

/* One line for each member. */
static void list_tar(const Buffer *tar, Buffer *listing) {
        Buffer copy = *tar;
        TarReader *reader = tar_reader_new(&(TarSource){ read_buffer, &copy });
        const TarEntry *entry;
        Error err = ERROR_INIT;
        int r;

        while ((r = tar_reader_next(reader, &entry, &err)) > 0) {
                const uint8_t *data;
                size_t size;
                buffer_printf(listing, "%d %s>%s %o %u:%u %u,%u %lld.%09ld", entry->kind,
                              entry->name, entry->link, (unsigned)entry->mode, entry->uid,
                              entry->gid, entry->major, entry->minor,
                              (long long)entry->mtime.tv_sec, entry->mtime.tv_nsec);
                for (size_t i = 0; i < entry->xattrs_count; i++)
                        buffer_printf(listing, " %s=%.*s", entry->xattrs[i].name,
                                      (int)entry->xattrs[i].size,
                                      (const char *)entry->xattrs[i].value);
                buffer_printf(listing, " %lld ", (long long)entry->size);
                while (tar_reader_data(reader, &data, &size, &err) > 0)
                        if (entry->size < 100)
                                buffer_append(listing, data, size);
                buffer_append_byte(listing, '\n');
        }
        if (r < 0)
                fail_msg("%s", err.text);
        buffer_append_byte(listing, '\0');
        tar_reader_free(reader);
}

static void expect_line(const Buffer *listing, const char *line) {
        if (!strstr(listing->data, line))
                fail_msg("no \"%s\" in\n%s", line, listing->data);
}

static void expect_no_line(const Buffer *listing, const char *line) {
        if (strstr(listing->data, line))
                fail_msg("\"%s\" in\n%s", line, listing->data);
}

/* A name of this many bytes with a slash after each @part of them. */
static char *long_name(size_t length, size_t part) {
        char *name = calloc(1, length + 1);

        for (size_t i = 0; i < length; i++)
                name[i] = i % (part + 1) == part ? '/' : 'n';
        return name;
}

static void writes_what_it_reads(void **state) {
        static const TarXattr xattrs[] = { { "security.capability", "\0\n=", 3 },
                                           { "user.x", "", 0 } };
        static const struct timespec times[] = { { 0, 0 },          { 1, 1 },  { -1, 0 },
                                                 { -2, 500000000 }, { -1, 1 }, { 1LL << 40, 0 } };
        static const size_t lengths[] = { 1,   98,  99,  100, 101, 102, 154,  155, 156,
                                          254, 255, 256, 257, 300, 999, 4093, 4094 };
        Buffer tar = BUFFER_INIT, first = BUFFER_INIT, second = BUFFER_INIT;
        TarWriter *writer = tar_writer_new(&(TarSink){ collect, &tar });
        Error err = ERROR_INIT;

        (void)state;
        for (int kind = TAR_FILE; kind < TAR_GLOBAL; kind++)
                for (size_t i = 0; i < ARRAY_SIZE(lengths) * 2; i++) {
                        char *name = long_name(lengths[i / 2], i % 2 ? 60 : 5000);
                        if (name[lengths[i / 2] - 1] == '/')
                                name[lengths[i / 2] - 1] = 'x';
                        TarEntry entry = {
                                .kind = (TarKind)kind,
                                .name = name,
                                .link = kind == TAR_SYMLINK || kind == TAR_HARDLINK ? name : "",
                                .mode = 07777 >> (i % 4),
                                .uid = i % 3 ? 2097152 + (uint32_t)i : (uint32_t)i,
                                .gid = i % 5 ? UINT32_MAX - 1 : 2097151,
                                .mtime = times[i % ARRAY_SIZE(times)],
                                .major = kind == TAR_CHAR_DEVICE ? 4095 : 0,
                                .minor = kind == TAR_BLOCK_DEVICE ? 1048575 : 0,
                                .xattrs = xattrs,
                                .xattrs_count = i % 3,
                                .size = kind == TAR_FILE ? (int64_t)(i % 4) * 511 : 0,
                        };
                        assert_int_equal(tar_writer_add(writer, &entry, &err), 0);
                        for (int64_t left; (left = tar_writer_left(writer)) > 0;) {
                                size_t size = left > 100 ? 100 : (size_t)left;
                                assert_int_equal(tar_writer_data(writer, name, 1, &err), 0);
                                if (size > 1) {
                                        char content[100] = "content";
                                        assert_int_equal(tar_writer_data(writer, content, size - 1,
                                                                         &err),
                                                         0);
                                }
                        }
                        /* What the reader must say of it. */
                        buffer_printf(&first, "%d %s%s>%s %o %u:%u %u,%u %lld.%09ld", kind, name,
                                      kind == TAR_DIRECTORY ? "/" : "", entry.link,
                                      (unsigned)entry.mode, entry.uid, entry.gid, entry.major,
                                      entry.minor, (long long)entry.mtime.tv_sec,
                                      entry.mtime.tv_nsec);
                        free(name);
                        buffer_append_byte(&first, '\n');
                }
        assert_int_equal(tar_writer_finish(writer, &err), 0);
        tar_writer_free(writer);
        buffer_append_byte(&first, '\0');
        list_tar(&tar, &second);
        char *rest = NULL;
        for (char *line = strtok_r(first.data, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest))
                expect_line(&second, line);
        buffer_done(&tar);
        buffer_done(&first);
        buffer_done(&second);
}

static void refuses_what_no_reader_takes(void **state) {
        Buffer tar = BUFFER_INIT;
        TarWriter *writer = tar_writer_new(&(TarSink){ collect, &tar });
        Error err = ERROR_INIT;
        char *name = long_name(TAR_PATH_MAX, 200);
        TarXattr xattr = { "user.large", calloc(1, TAR_PAX_MAX), TAR_PAX_MAX };

        (void)state;
        assert_int_equal(tar_writer_add(writer, &(TarEntry){ .name = name, .link = "" }, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        TarEntry large = { .name = "x", .link = "", .xattrs = &xattr, .xattrs_count = 1 };
        assert_int_equal(tar_writer_add(writer, &large, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        tar_writer_free(writer);
        free((void *)xattr.value);
        free(name);
        buffer_done(&tar);
}

static void set_times(int dir_fd, const char *name, int64_t seconds, long ns) {
        struct timespec times[2] = { { seconds, ns }, { seconds, ns } };

        assert_int_equal(utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void write_file(int dir_fd, const char *name, const char *text) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        fd_close(fd);
}

/* One of everything. */
static void make_tree(int fd, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char where[256];

        write_file(fd, "a", "content of a");
        assert_int_equal(linkat(fd, "a", fd, "b", 0), 0);
        assert_int_equal(mkdirat(fd, "dir", 0750), 0);
        write_file(fd, "dir/in", "in it");
        assert_int_equal(linkat(fd, "a", fd, "dir/c", 0), 0);
        assert_int_equal(fchownat(fd, "dir", 5, 3000000, 0), 0);
        assert_int_equal(symlinkat("/etc/passwd", fd, "link"), 0);
        assert_int_equal(mknodat(fd, "null", S_IFCHR | 0644, makedev(1, 3)), 0);
        assert_int_equal(mknodat(fd, "loop", S_IFBLK | 0600, makedev(7, 300)), 0);
        assert_int_equal(mkfifoat(fd, "pipe", 0640), 0);
        snprintf(where, sizeof(where), "%s/a", path);
        assert_int_equal(setxattr(where, "user.mark", "1", 1, 0), 0);
        assert_int_equal(setxattr(where, "trusted.mark", "", 0, 0), 0);
        snprintf(where, sizeof(where), "%s/dir", path);
        assert_int_equal(setxattr(where, "user.of-dir", "2", 1, 0), 0);
        write_file(fd, "setuid", "x");
        assert_int_equal(fchmodat(fd, "setuid", 06755, 0), 0);
        snprintf(where, sizeof(where), "%s/setuid", path);
        /* VFS_CAP_REVISION_2, effective: CAP_NET_RAW permitted. */
        static const char capability[20] = "\1\0\0\2\0\40\0\0";
        assert_int_equal(setxattr(where, "security.capability", capability, sizeof(capability), 0),
                         0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", path);
        int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
        fd_close(s);
        set_times(fd, "a", -2, 500000000);
        set_times(fd, "dir/in", 0, 0);
        set_times(fd, "setuid", 1LL << 33, 7);
        set_times(fd, "link", 12345, 678);
        set_times(fd, "dir", 1000, 1);
}

static void write_tree(int fd, Buffer *tar) {
        Error err = ERROR_INIT;

        tar->size = 0;
        if (store_tree_write(fd, &(TarSink){ collect, tar }, &err) < 0)
                fail_msg("%s", err.text);
}

static int make_dir(const Fixture *f, const char *name, char path[static 256]) {
        snprintf(path, 256, "%s/%s", f->scratch.path, name);
        assert_int_equal(mkdir(path, 0700), 0);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void writes_trees(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT, again = BUFFER_INIT, listing = BUFFER_INIT;
        char path[256];
        int fd = make_dir(f, "tree", path);

        make_tree(fd, path);
        write_tree(fd, &tar);
        list_tar(&tar, &listing);
        expect_line(&listing, "0 a> 644 0:0 0,0 -2.500000000 trusted.mark= user.mark=1 12 content");
        expect_line(&listing, "1 b>a 644 0:0");
        expect_line(&listing, "1 dir/c>a 644 0:0");
        expect_line(&listing, "5 dir/> 750 5:3000000 0,0 1000.000000001 user.of-dir=2 0");
        expect_line(&listing, "2 link>/etc/passwd 777 0:0 0,0 12345.000000678 0");
        expect_line(&listing, "3 null> 644 0:0 1,3");
        expect_line(&listing, "4 loop> 600 0:0 7,300");
        expect_line(&listing, "6 pipe> 640");
        expect_line(&listing, "0 setuid> 6755 0:0 0,0 8589934592.000000007 security.capability=");
        expect_no_line(&listing, "socket");
        write_tree(fd, &again);
        assert_int_equal(tar.size, again.size);
        assert_memory_equal(tar.data, again.data, tar.size);
        fd_close(fd);

        /* The same tar comes of the layer that is made of it. */
        again.size = 0;
        buffer_append(&again, tar.data, tar.size);
        int diff = fixture_import_good(f, &again);
        write_tree(diff, &again);
        assert_int_equal(tar.size, again.size);
        assert_memory_equal(tar.data, again.data, tar.size);
        fd_close(diff);
        buffer_done(&tar);
        buffer_done(&again);
        buffer_done(&listing);
}

static void goes_deeper_than_it_has_descriptors(void **state) {
        Fixture *f = *state;
        enum {
                DEPTH = 3 * WALK_OPEN_MAX
        };
        Buffer tar = BUFFER_INIT, listing = BUFFER_INIT, name = BUFFER_INIT;
        char path[256];
        int fd = make_dir(f, "deep", path), at = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        for (int i = 0; i < DEPTH; i++) {
                assert_int_equal(mkdirat(at, "m", 0700), 0);
                write_file(at, "z", "after");
                int next = openat(at, "m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fd_close(at);
                at = next;
        }
        fd_close(at);
        write_tree(fd, &tar);
        list_tar(&tar, &listing);
        for (int i = 0; i < DEPTH; i++) {
                Buffer line = BUFFER_INIT;
                buffer_printf(&line, "0 %.*sz>", (int)name.size, name.data ? name.data : "");
                buffer_append_byte(&line, '\0');
                expect_line(&listing, line.data);
                buffer_done(&line);
                buffer_append(&name, "m/", 2);
        }

        /* Then so deep that no layer can have it. */
        at = openat(fd, "m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char part[201];
        memset(part, 'p', 200);
        part[200] = '\0';
        for (int i = 0; i < 21; i++) {
                assert_int_equal(mkdirat(at, part, 0700), 0);
                int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fd_close(at);
                at = next;
        }
        fd_close(at);
        Error err = ERROR_INIT;
        assert_int_equal(store_tree_write(fd, &(TarSink){ collect, &tar }, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        fd_close(fd);
        buffer_done(&tar);
        buffer_done(&listing);
        buffer_done(&name);
}

static void limits_the_names_in_memory(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;
        char name[256];

        snprintf(f->small, sizeof(f->small), "%s/small", f->scratch.path);
        assert_int_equal(mkdir(f->small, 0700), 0);
        assert_int_equal(mount("tmpfs", f->small, "tmpfs", 0, "nr_inodes=400000"), 0);
        int fd = open(f->small, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < WALK_NAMES_MAX / 250; i++) {
                snprintf(name, sizeof(name), "%0250d", i);
                assert_int_equal(mknodat(fd, name, S_IFREG, 0), 0);
        }
        assert_int_equal(store_tree_write(fd, &(TarSink){ collect, &tar }, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        fd_close(fd);
        buffer_done(&tar);
}

static void stays_in_its_mount(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT, listing = BUFFER_INIT;
        char path[256];
        int fd = make_dir(f, "tree", path);

        snprintf(f->small, sizeof(f->small), "%s/small", path);
        assert_int_equal(mkdir(f->small, 0700), 0);
        assert_int_equal(mount("tmpfs", f->small, "tmpfs", 0, NULL), 0);
        int inside = open(f->small, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        write_file(inside, "not-ours", "x");
        write_file(fd, "ours", "x");
        write_tree(fd, &tar);
        list_tar(&tar, &listing);
        expect_line(&listing, "5 small/>");
        expect_line(&listing, "0 ours>");
        expect_no_line(&listing, "not-ours");
        fd_close(inside);
        fd_close(fd);
        buffer_done(&tar);
        buffer_done(&listing);
}

/* A container on a layer of one tree, mounted; the root of the mount. */
static int make_container(Fixture *f, char id[static 65], char layer[static 65]) {
        Buffer tar = BUFFER_INIT;
        char image[65], path[256];
        _cleanup_free_ char *merged = NULL;
        Error err = ERROR_INIT;
        int fd = make_dir(f, "base", path);

        make_tree(fd, path);
        assert_int_equal(mkdirat(fd, "old", 0755), 0);
        write_file(fd, "old/one", "1");
        write_file(fd, "old/two", "2");
        assert_int_equal(mkdirat(fd, "quiet", 0755), 0);
        write_file(fd, "quiet/file", "as it was");
        write_tree(fd, &tar);
        fd_close(fd);
        fd_close(fixture_import_good(f, &tar));
        fixture_image(f, "{}", f->content.id, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "c", image, &err), 0);
        assert_int_equal(store_layer_mount(f->store, layer, &merged, &err), 0);
        int root = open(merged, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(root >= 0);
        buffer_done(&tar);
        return root;
}

static void change(int root) {
        assert_int_equal(unlinkat(root, "link", 0), 0);
        assert_int_equal(unlinkat(root, "old/one", 0), 0);
        assert_int_equal(unlinkat(root, "old/two", 0), 0);
        assert_int_equal(unlinkat(root, "old", AT_REMOVEDIR), 0);
        assert_int_equal(mkdirat(root, "old", 0700), 0);
        write_file(root, "old/three", "3");
        write_file(root, "dir/in", "changed");
        write_file(root, "dir/new", "new");
        assert_int_equal(unlinkat(root, "dir/c", 0), 0);
        assert_int_equal(mkdirat(root, "fresh", 0755), 0);
        write_file(root, "fresh/x", "x");
        write_file(root, "fresh/.wh.trick", "no file of ours");
        assert_int_equal(linkat(root, "fresh/x", root, "fresh/y", 0), 0);
        /* Copied up, and the same as before but for its content. */
        struct stat before;
        assert_int_equal(fstatat(root, "quiet", &before, 0), 0);
        write_file(root, "quiet/file", "as it is");
}

static void tells_what_changed(void **state) {
        Fixture *f = *state;
        static const char expected[] = "0 /dir,2 /dir/c,0 /dir/in,1 /dir/new,1 /fresh,"
                                       "1 /fresh/.wh.trick,1 /fresh/x,1 /fresh/y,2 /link,2 /old,"
                                       "1 /old/three,0 /quiet/file,";
        char id[65], layer[65];
        Buffer text = BUFFER_INIT;
        StoreChanges changes = STORE_CHANGES_INIT;
        Error err = ERROR_INIT;
        int root = make_container(f, id, layer);

        assert_int_equal(store_layer_changes(f->store, layer, &changes, &err), 0);
        assert_int_equal(changes.count, 0);
        change(root);
        fd_close(root);
        if (store_layer_changes(f->store, layer, &changes, &err) < 0)
                fail_msg("%s", err.text);
        for (size_t i = 0; i < changes.count; i++)
                buffer_printf(&text, "%d %s,", changes.items[i].kind, changes.items[i].path);
        buffer_append_byte(&text, '\0');
        assert_string_equal(text.data, expected);
        store_changes_done(&changes);
        buffer_done(&text);

        assert_int_equal(store_layer_changes(f->store, "0123", &changes, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
}

static void makes_layers_of_changes(void **state) {
        Fixture *f = *state;
        char id[65], layer[65];
        Buffer tar = BUFFER_INIT, listing = BUFFER_INIT, before = BUFFER_INIT, after = BUFFER_INIT;
        StoreLayerContent base, content;
        Error err = ERROR_INIT;
        int root = make_container(f, id, layer), fd;

        base = f->content;
        change(root);
        assert_int_equal(unlinkat(root, "fresh/.wh.trick", 0), 0);
        if (store_layer_write_diff(f->store, layer, &(TarSink){ collect, &tar }, &err) < 0)
                fail_msg("%s", err.text);
        list_tar(&tar, &listing);
        expect_line(&listing, "0 .wh.link> 0 0:0");
        expect_line(&listing, "0 dir/.wh.c> 0 0:0");
        expect_line(&listing, "0 old/.wh..wh..opq> 0 0:0");
        expect_no_line(&listing, "fresh/.wh.");
        expect_line(&listing, "1 fresh/y>fresh/x");

        if (store_layer_commit_changes(f->store, layer, base.id, NULL, &content, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(content.diff_size, tar.size);
        fixture_expect_empty(f, "tmp");
        write_tree(root, &before);
        fd_close(root);
        assert_int_equal(store_layer_view(f->store, content.id, &fd, &err), 0);
        write_tree(fd, &after);
        fd_close(fd);
        assert_int_equal(before.size, after.size);
        assert_memory_equal(before.data, after.data, before.size);

        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        buffer_done(&tar);
        buffer_done(&listing);
        buffer_done(&before);
        buffer_done(&after);
}

static int refuse(void *userdata, const void *data, size_t size, Error *err) {
        int *left = userdata;

        (void)data;
        (void)size;
        return (*left)-- > 0 ? 0 : error_set(err, ERR_NO_SPACE, "sink", "no more");
}

static void passes_on_what_the_sink_says(void **state) {
        Fixture *f = *state;
        Error err = ERROR_INIT;
        int pieces = 2;
        char path[256];
        int fd = make_dir(f, "tree", path);
        char *text = calloc(1, 500001);

        memset(text, 'x', 500000);
        write_file(fd, "large", text);
        free(text);
        assert_int_equal(store_tree_write(fd, &(TarSink){ refuse, &pieces }, &err), -1);
        assert_int_equal(err.kind, ERR_NO_SPACE);
        fd_close(fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_what_it_reads),
                cmocka_unit_test(refuses_what_no_reader_takes),
                TEST(writes_trees),
                TEST(goes_deeper_than_it_has_descriptors),
                TEST(limits_the_names_in_memory),
                TEST(stays_in_its_mount),
                TEST(tells_what_changed),
                TEST(makes_layers_of_changes),
                TEST(passes_on_what_the_sink_says),
        };

        (void)umask(022);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
