/* SPDX-License-Identifier: Apache-2.0 */

/* Layers as streams: compressed, cut short, slow, endless, too large; and a disk that is full. */

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
#include <zlib.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/text.h"
#include "storage/blob.h"
#include "storage/unpack.h"
#include "tests/unit/store-fixture.h"
#include "tests/unit/tar-fixture.h"

static void refuses_streams_that_are_no_layers(void **state) {
        Fixture *f = *state;
        Buffer tar = BUFFER_INIT;

        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_append(&tar, "this is no tar at all", 21);
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_append(&tar, "BZh91AY&SY", 10);
        fixture_import_bad(f, &tar, ERR_UNSUPPORTED, NULL);
        buffer_append(&tar,
                      "\xfd"
                      "7zXZ\0",
                      6);
        fixture_import_bad(f, &tar, ERR_UNSUPPORTED, NULL);
        buffer_append(&tar, "\x1f\x8b\x08garbage that is no deflate stream", 36);
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_append(&tar, "\x28\xb5\x2f\xfdgarbage that is no zstd frame", 33);
        fixture_import_bad(f, &tar, ERR_LAYER_CORRUPT, NULL);
        buffer_done(&tar);
        fixture_expect_empty(f, "overlay/l");
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
        assert_int_equal(fixture_import(f, tar.data, tar.size, NULL), 0);
        plain = f->content;
        assert_string_equal(plain.diff_digest, plain.blob_digest);
        assert_int_equal(plain.diff_size, tar.size);
        for (size_t i = 0; i < ARRAY_SIZE(compress); i++) {
                /* Two members, the second of them short. */
                blob.size = 0;
                compress[i](tar.data, tar.size - 100, &blob);
                compress[i](tar.data + tar.size - 100, 100, &blob);
                assert_int_equal(fixture_import(f, blob.data, blob.size, NULL), 0);
                assert_string_equal(f->content.diff_digest, plain.diff_digest);
                assert_string_equal(f->content.id, plain.id);
                assert_int_equal(f->content.compression, kinds[i]);
                assert_int_equal(f->content.blob_size, blob.size);

                if (!blob.data)
                        abort();
                blob.data[blob.size / 2] ^= 0x10;
                fixture_import_bad(f, &blob, ERR_LAYER_CORRUPT, NULL);
                compress[i](tar.data, tar.size, &blob);
                blob.size -= 3;
                fixture_import_bad(f, &blob, ERR_LAYER_CORRUPT, NULL);
                compress[i](tar.data, tar.size, &blob);
                buffer_append(&blob, "garbage", 7);
                fixture_import_bad(f, &blob, ERR_LAYER_CORRUPT, NULL);
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
        int fd = fixture_file(f, tar.data, tar.size);
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
        fixture_expect_empty(f, "tmp");
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
        assert_int_equal(fixture_import(f, blob.data, blob.size, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        fixture_expect_empty(f, "tmp");
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
        assert_int_equal(fixture_import(f, tar.data, tar.size, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        tar.size -= 512;
        assert_int_equal(fixture_import(f, tar.data, tar.size, &err), 0);
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
        assert_int_equal(fixture_import(f, tar.data, tar.size, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        fixture_expect_empty(f, "tmp");
        buffer_done(&tar);
}

/*
 * On a disk of eight megabytes: first by a file that says how large it is, then by many small ones.
 */
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
        int fd = fixture_file(f, tar.data, tar.size);
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
                fd = fixture_file(f, tar.data, tar.size);
                err = (Error)ERROR_INIT;
                assert_int_equal(store_layer_import(store, NULL, fd, NULL, NULL, &f->content, &err),
                                 -1);
                assert_int_equal(err.kind, ERR_NO_SPACE);
                assert_int_equal(fixture_count(tmp), 0);
                fd_close(fd);
        }
        store_close(store);
        buffer_done(&tar);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(refuses_streams_that_are_no_layers),
                TEST(inflates_what_is_compressed),
                TEST(reads_from_sockets),
                TEST(can_be_cancelled),
                TEST(refuses_bombs),
                TEST(refuses_too_many_owners),
                TEST(refuses_too_many_entries),
                TEST(leaves_nothing_on_a_full_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
