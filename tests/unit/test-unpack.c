/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Layers as they come: what an import makes of a tarball on disk, in whatever form, however hostile.
 *
 * After every import that succeeds, the tar stream is put together again from the layer and its
 * tar-split file, and must be the one that was imported.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"
#include "oci/digest.h"
#include "scratch.h"
#include "storage/blob.h"
#include "storage/store.h"
#include "storage/tar_split.h"
#include "storage/unpack.h"
#include "tar-fixture.h"

typedef struct Fixture {
        Scratch scratch;
        char graph[64], run[64];
        char small[64]; /* a small disk that a test has mounted */
        Store *store;
        StoreLayerContent content; /* of the last import */
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        Error err = ERROR_INIT;

        scratch_open(&f->scratch);
        snprintf(f->graph, sizeof(f->graph), "%s/graph", f->scratch.path);
        snprintf(f->run, sizeof(f->run), "%s/run", f->scratch.path);
        StoreOptions options = { .graph_root = f->graph, .run_root = f->run };
        if (store_open(&f->store, &options, &err) < 0)
                fail_msg("%s", err.text);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        store_close(f->store);
        if (*f->small)
                (void)umount2(f->small, MNT_DETACH);
        scratch_close(&f->scratch);
        free(f);
        return 0;
}

/* An unlinked file with these bytes, at its start. */
static int file_of(const Fixture *f, const void *data, size_t size) {
        int fd = openat(f->scratch.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, data, size), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static int hash(void *userdata, const void *data, size_t size, Error *err) {
        (void)err;
        digest_stream_update(userdata, data, size);
        return 0;
}

static int open_diff(const Fixture *f, const char *id) {
        char path[256];

        snprintf(path, sizeof(path), "%s/overlay/%s/diff", f->graph, id);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

/* The layer's stream, rebuilt, has the digest that its record claims. */
static void check_rebuilt(const Fixture *f, const StoreLayerContent *content) {
        DigestStream stream = DIGEST_STREAM_INIT;
        char path[256], text[DIGEST_TEXT_SIZE];
        Error err = ERROR_INIT;
        Digest digest;

        snprintf(path, sizeof(path), "%s/overlay-layers/%s.tar-split.gz", f->graph, content->id);
        int split = open(path, O_RDONLY | O_CLOEXEC), diff = open_diff(f, content->id);
        assert_true(split >= 0);
        digest_stream_begin(&stream);
        if (tar_split_assemble(split, diff, &(TarSplitSink){ hash, &stream }, &err) < 0)
                fail_msg("%s", err.text);
        digest_stream_finish(&stream, &digest);
        digest_stream_done(&stream);
        assert_string_equal(digest_format(&digest, text), content->diff_digest);
        fd_close(split);
        fd_close(diff);
}

static int import_bytes(Fixture *f, const void *data, size_t size, Error *err) {
        int fd = file_of(f, data, size);
        int r = store_layer_import(f->store, NULL, fd, NULL, NULL, &f->content, err);

        fd_close(fd);
        if (r == 0)
                check_rebuilt(f, &f->content);
        return r;
}

static size_t count_entries(const char *path) {
        _cleanup_free_ char *command = xasprintf("find '%s' -mindepth 1 | wc -l", path);
        char line[32] = "";
        FILE *pipe = popen(command, "r");

        assert_non_null(pipe);
        assert_non_null(fgets(line, sizeof(line), pipe));
        pclose(pipe);
        return (size_t)atol(line);
}

/* Nothing of a failed import may stay: no staging folder, no layer. */
static void expect_nothing_left(const Fixture *f, const char *folder) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", f->graph, folder);
        assert_int_equal(count_entries(path), 0);
}

/* Imports; returns the diff directory. */
static int import_good(Fixture *f, Buffer *tar) {
        Error err = ERROR_INIT;

        if (import_bytes(f, tar->data, tar->size, &err) < 0)
                fail_msg("%s", err.text);
        expect_nothing_left(f, "tmp");
        tar->size = 0;
        return open_diff(f, f->content.id);
}

static void import_bad(Fixture *f, Buffer *tar, ErrorKind kind, const char *subject) {
        Error err = ERROR_INIT;

        assert_int_equal(import_bytes(f, tar->data, tar->size, &err), -1);
        if (err.kind != kind)
                fail_msg("%s: %s", error_kind_name(err.kind), err.text);
        if (subject)
                assert_string_equal(err.subject, subject);
        expect_nothing_left(f, "tmp");
        tar->size = 0;
}

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
        int diff = import_good(f, &tar);

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
        int diff = import_good(f, &tar);

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
        int diff = import_good(f, &tar);

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
        int diff = import_good(f, &tar);

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
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "../victim");
        tar_add_file(&tar, "a/../../victim", "bad");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "a/../../victim");

        tar_add_link(&tar, '2', "link", victim);
        tar_add_file(&tar, "link", "bad"); /* replaces the link */
        tar_add_link(&tar, '2', "dir", f->scratch.path);
        tar_add_link(&tar, '2', "up", up);
        int diff = import_good(f, &tar);
        expect_content(diff, "link", "bad");
        fd_close(diff);

        /* Through a link to a place that the layer does not have. */
        tar_add_link(&tar, '2', "dir", f->scratch.path);
        tar_add_file(&tar, "dir/victim", "bad");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "dir/victim");
        tar_add_link(&tar, '2', "up", up);
        tar_add_file(&tar, "up/victim", "bad");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "up/victim");
        tar_add_link(&tar, '2', "proc", "/proc/self/root");
        tar_add_file(&tar, "proc/etc/x", "bad");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);

        /* Through a link to a place that it does have: resolved as in a chroot. */
        tar_add_dir(&tar, "tmp/inside");
        tar_add_link(&tar, '2', "in", "/tmp/inside");
        tar_add_file(&tar, "in/f", "fine");
        tar_add_file(&tar, "/absolute", "fine");
        diff = import_good(f, &tar);
        expect_content(diff, "tmp/inside/f", "fine");
        expect_content(diff, "absolute", "fine");
        fd_close(diff);

        /* Hard links may not reach out, nor to what is not there. */
        tar_add_link(&tar, '1', "hard", victim);
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "hard");
        tar_add_link(&tar, '1', "hard", "../../victim");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "hard");
        tar_add_link(&tar, '2', "up", up);
        tar_add_link(&tar, '1', "hard", "up/victim");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "hard");

        /* Markers with names that mean something else. */
        static const char *const markers[] = { ".wh.", ".wh..", ".wh...", "d/.wh..." };
        for (size_t i = 0; i < ARRAY_SIZE(markers); i++) {
                tar_add_file(&tar, markers[i], "");
                import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        }
        tar_add_file(&tar, "file", "");
        tar_add_file(&tar, "file/below", "");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "file/below");
        tar_add_link(&tar, '2', "loop", "loop");
        tar_add_file(&tar, "loop/x", "");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, "loop/x");

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
        fd_close(import_good(f, &tar));

        memset(path, 'n', 256);
        path[256] = '\0';
        tar_add(&tar, &(TarMember){ .flag = 'L', .name = "L", .content = path, .size = 257 });
        tar_add_file(&tar, "x", "a name of 256 bytes");
        import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_done(&tar);
}

static void refuses_streams_that_are_no_layers(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;

        import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_append(&tar, "this is no tar at all", 21);
        import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_append(&tar, "BZh91AY&SY", 10);
        import_bad(f, &tar, ERR_UNSUPPORTED, NULL);
        buffer_append(&tar,
                      "\xfd"
                      "7zXZ\0",
                      6);
        import_bad(f, &tar, ERR_UNSUPPORTED, NULL);
        buffer_append(&tar, "\x1f\x8b\x08garbage that is no deflate stream", 36);
        import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_append(&tar, "\x28\xb5\x2f\xfdgarbage that is no zstd frame", 33);
        import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_done(&tar);
        expect_nothing_left(f, "overlay/l");
}

static void compress_gzip(const void *data, size_t size, Buffer *out) {
        z_stream stream = { .next_in = (Bytef *)data, .avail_in = (uInt)size };

        assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                         Z_OK);
        uLong bound = deflateBound(&stream, (uLong)size);
        stream.next_out = (Bytef *)buffer_reserve(out, bound);
        stream.avail_out = (uInt)bound;
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        out->size += stream.total_out;
        deflateEnd(&stream);
}

static void compress_zstd(const void *data, size_t size, Buffer *out) {
        ZSTD_CCtx *context = ZSTD_createCCtx();
        size_t bound = ZSTD_compressBound(size);

        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        size_t n = ZSTD_compress2(context, buffer_reserve(out, bound), bound, data, size);
        assert_false(ZSTD_isError(n));
        out->size += n;
        ZSTD_freeCCtx(context);
}

/* About three megabytes, half of them random. */
static void make_large(Buffer *tar) {
        Buffer content = BUFFER_INIT;
        unsigned seed = 1;

        for (int i = 0; i < 300; i++) {
                char name[32];
                content.size = 0;
                for (int k = 0; k < 5000; k++)
                        buffer_append_byte(&content, (char)rand_r(&seed));
                for (int k = 0; k < 5000; k++)
                        buffer_append_byte(&content, (char)('a' + k % 16));
                snprintf(name, sizeof(name), "dir-%d/file-%d", i / 50, i);
                tar_add(tar, &(TarMember){
                                     .name = name, .content = content.data, .size = content.size });
        }
        tar_add_end(tar);
        buffer_done(&content);
}

static void inflates_what_is_compressed(void **state) {
        Fixture *f = *state;
        void (*const compress[])(const void *, size_t, Buffer *) = { compress_gzip, compress_zstd };
        static const int kinds[] = { COMPRESSION_GZIP, COMPRESSION_ZSTD };
        Buffer tar = BUFFER_INIT, blob = BUFFER_INIT;
        StoreLayerContent plain;

        make_large(&tar);
        assert_int_equal(import_bytes(f, tar.data, tar.size, NULL), 0);
        plain = f->content;
        assert_string_equal(plain.diff_digest, plain.blob_digest);
        assert_int_equal(plain.diff_size, tar.size);
        for (size_t i = 0; i < ARRAY_SIZE(compress); i++) {
                /* Two members, the second of them short. */
                blob.size = 0;
                compress[i](tar.data, tar.size - 100, &blob);
                compress[i](tar.data + tar.size - 100, 100, &blob);
                assert_int_equal(import_bytes(f, blob.data, blob.size, NULL), 0);
                assert_string_equal(f->content.diff_digest, plain.diff_digest);
                assert_string_equal(f->content.id, plain.id);
                assert_int_equal(f->content.compression, kinds[i]);
                assert_int_equal(f->content.blob_size, blob.size);

                blob.data[blob.size / 2] ^= 0x10;
                import_bad(f, &blob, ERR_LAYER_CORRUPT, NULL);
                compress[i](tar.data, tar.size, &blob);
                blob.size -= 3;
                import_bad(f, &blob, ERR_LAYER_CORRUPT, NULL);
                compress[i](tar.data, tar.size, &blob);
                buffer_append(&blob, "garbage", 7);
                import_bad(f, &blob, ERR_LAYER_CORRUPT, NULL);
        }
        buffer_done(&blob);
        buffer_done(&tar);
}

typedef struct Sender {
        int fd;
        const Buffer *data;
        size_t piece;
} Sender;

static void *send_pieces(void *userdata) {
        const Sender *sender = userdata;

        for (size_t at = 0; at < sender->data->size; at += sender->piece) {
                size_t left = sender->data->size - at;
                if (fd_write_all(sender->fd, sender->data->data + at,
                                 left < sender->piece ? left : sender->piece) < 0)
                        break;
        }
        fd_close(sender->fd);
        return NULL;
}

static void reads_from_sockets(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        pthread_t thread;
        int ends[2];

        make_large(&tar);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        Sender sender = { ends[1], &tar, 1000 };
        assert_int_equal(pthread_create(&thread, NULL, send_pieces, &sender), 0);
        assert_int_equal(fd_set_nonblock(ends[0], true), 0);
        assert_int_equal(store_layer_import(f->store, NULL, ends[0], NULL, NULL, &f->content, NULL),
                         0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(f->content.diff_size, tar.size);
        fd_close(ends[0]);
        buffer_done(&tar);
}

static bool cancel_third(void *userdata) {
        int *asked = userdata;

        return ++*asked >= 3;
}

static void can_be_cancelled(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;
        int ends[2], asked = 0;

        make_large(&tar);
        int fd = file_of(f, tar.data, tar.size);
        assert_int_equal(store_layer_import(f->store, NULL, fd, cancel_third, &asked, &f->content,
                                            &err),
                         -1);
        assert_int_equal(err.kind, ERR_CANCELLED);
        fd_close(fd);

        /* A peer that sends a little and then nothing, and never ends. */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(fd_write_all(ends[1], tar.data, 700), 0);
        asked = 0;
        err = (Error)ERROR_INIT;
        assert_int_equal(store_layer_import(f->store, NULL, ends[0], cancel_third, &asked,
                                            &f->content, &err),
                         -1);
        assert_int_equal(err.kind, ERR_CANCELLED);

        /* And one whose stream is bad: the reading thread must not be waited for. */
        assert_int_equal(fd_write_all(ends[1], "BZh", 3), 0);
        assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
        assert_int_equal(store_layer_import(f->store, NULL, ends[0], NULL, NULL, &f->content, &err),
                         -1);
        fd_close(ends[0]);
        fd_close(ends[1]);
        expect_nothing_left(f, "tmp");
        buffer_done(&tar);
}

/* A run of one byte: gzip makes it a thousand times smaller. */
static void refuses_bombs(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT, blob = BUFFER_INIT;
        Error err = ERROR_INIT;
        const size_t piece = 64 * 1024 * 1024;
        int64_t size = BLOB_RATIO_FLOOR + (int64_t)piece;

        tar_add(&tar, &(TarMember){ .name = "bomb", .size = (size_t)size });
        compress_gzip(tar.data, tar.size, &blob);
        void *zeros = calloc(1, piece);
        Buffer member = BUFFER_INIT;
        compress_gzip(zeros, piece, &member);
        for (int64_t done = 0; done < size; done += (int64_t)piece)
                buffer_append(&blob, member.data, member.size);
        free(zeros);
        assert_int_equal(import_bytes(f, blob.data, blob.size, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        expect_nothing_left(f, "tmp");
        buffer_done(&member);
        buffer_done(&blob);
        buffer_done(&tar);
}

static void refuses_too_many_owners(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;

        for (uint64_t i = 0; i <= LAYER_IDS_MAX; i++)
                tar_add(&tar, &(TarMember){ .flag = '5', .name = "d", .uid = i });
        assert_int_equal(import_bytes(f, tar.data, tar.size, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        tar.size -= 512;
        assert_int_equal(import_bytes(f, tar.data, tar.size, &err), 0);
        buffer_done(&tar);
}

static void refuses_too_many_entries(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;

        tar_add_file(&tar, ".wh..wh.x", ""); /* a marker without a meaning: costs least */
        for (size_t i = 0; i < LAYER_ENTRIES_MAX; i++) {
                char *block = buffer_reserve(&tar, 512);
                memcpy(block, tar.data, 512);
                tar.size += 512;
        }
        assert_int_equal(import_bytes(f, tar.data, tar.size, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        expect_nothing_left(f, "tmp");
        buffer_done(&tar);
}

/* On a disk of eight megabytes: first by a file that says how large it is, then by many small ones. */
static void leaves_nothing_on_a_full_disk(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;
        char graph[80], run[80], tmp[96];
        Error err = ERROR_INIT;
        Store *store = NULL;

        snprintf(f->small, sizeof(f->small), "%s/small", f->scratch.path);
        snprintf(graph, sizeof(graph), "%s/graph", f->small);
        snprintf(run, sizeof(run), "%s/run", f->small);
        snprintf(tmp, sizeof(tmp), "%s/tmp", graph);
        assert_int_equal(mkdir(f->small, 0700), 0);
        assert_int_equal(mount("tmpfs", f->small, "tmpfs", 0, "size=8m"), 0);
        StoreOptions options = { .graph_root = graph, .run_root = run };
        assert_int_equal(store_open(&store, &options, &err), 0);

        make_large(&tar);
        int fd = file_of(f, tar.data, tar.size);
        assert_int_equal(store_layer_import(store, NULL, fd, NULL, NULL, &f->content, &err), 0);
        fd_close(fd);
        assert_int_equal(store_layer_delete(store, f->content.id, &err), 0);
        for (int kind = 0; kind < 2; kind++) {
                tar.size = 0;
                if (kind == 0) {
                        char *content = calloc(1, 12 << 20);
                        tar_add(&tar, &(TarMember){ .name = "big",
                                                    .content = content,
                                                    .size = 12 << 20 });
                        free(content);
                } else {
                        for (int i = 0; i < 3000; i++) {
                                char name[32];
                                snprintf(name, sizeof(name), "f%d", i);
                                tar_add_file(&tar, name, "some text that takes a page");
                        }
                }
                fd = file_of(f, tar.data, tar.size);
                err = (Error)ERROR_INIT;
                assert_int_equal(store_layer_import(store, NULL, fd, NULL, NULL, &f->content, &err),
                                 -1);
                assert_int_equal(err.kind, ERR_NO_SPACE);
                assert_int_equal(count_entries(tmp), 0);
                fd_close(fd);
        }
        store_close(store);
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
        fd_close(import_good(f, &tar));
        base = f->content;
        assert_string_equal(base.id, digest_hex(base.diff_digest));
        tar_add_file(&tar, "b", "top");
        int fd = file_of(f, tar.data, tar.size);
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

        fd = file_of(f, tar.data, tar.size);
        assert_int_equal(store_layer_import(f->store, "0123", fd, NULL, NULL, &f->content, &err),
                         -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        fd_close(fd);
        buffer_done(&tar);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(makes_every_kind_of_thing),
                TEST(makes_whiteouts_and_opaque_directories),
                TEST(keeps_the_last_of_equal_paths),
                TEST(notices_that_a_way_has_changed),
                TEST(stays_inside_the_layer),
                TEST(takes_long_paths),
                TEST(refuses_streams_that_are_no_layers),
                TEST(inflates_what_is_compressed),
                TEST(reads_from_sockets),
                TEST(can_be_cancelled),
                TEST(refuses_bombs),
                TEST(refuses_too_many_owners),
                TEST(refuses_too_many_entries),
                TEST(leaves_nothing_on_a_full_disk),
                TEST(computes_chain_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
