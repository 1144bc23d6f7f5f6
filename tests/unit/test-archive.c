/* SPDX-License-Identifier: Apache-2.0 */

/* Archives and folders of images: the limits, and what the end-to-end tests cannot make easily. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/archive.h"
#include "helper/archive_writer.h"
#include "helper/blob_io.h"
#include "helper/dir.h"
#include "helper/docker_archive.h"
#include "helper/docker_images.h"
#include "helper/new_blobs.h"
#include "storage/blob.h"
#include "storage/compress.h"
#include "storage/tar.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tar-fixture.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

/* A file in memory, and the path that opens it. */
typedef struct Memory {
        int fd;
        char path[32];
} Memory;

static Memory memory_of(const Buffer *tar) {
        Memory memory = { .fd = memfd_create("archive", MFD_CLOEXEC) };

        assert_true(memory.fd >= 0);
        assert_int_equal(fd_write_all(memory.fd, tar->data, tar->size), 0);
        snprintf(memory.path, sizeof(memory.path), "/proc/self/fd/%d", memory.fd);
        return memory;
}

static Archive *open_tar(Buffer *tar) {
        Memory memory = memory_of(tar);
        Archive *archive = NULL;
        Error err = ERROR_INIT;

        int r = archive_open(&archive, memory.path, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(r, 0);
        memory.fd = fd_close(memory.fd);
        buffer_done(tar);
        return archive;
}

static ErrorKind refusal(Buffer *tar, const char *reason) {
        Memory memory = memory_of(tar);
        Archive *archive = NULL;
        Error err = ERROR_INIT;

        assert_int_equal(archive_open(&archive, memory.path, &err), -1);
        if (!strstr(err.text, reason))
                fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
        memory.fd = fd_close(memory.fd);
        buffer_done(tar);
        return err.kind;
}

static void names_are_found_however_written(void **state _unused_) {
        Buffer tar = BUFFER_INIT, text = BUFFER_INIT;
        Error err = ERROR_INIT;

        tar_add_file(&tar, "./a/b", "first");
        tar_add_file(&tar, "a//b", "second");
        tar_add_file(&tar, "../out", "never");
        tar_add_dir(&tar, "a/");
        tar_add_link(&tar, '2', "a/l", "../a/./b");
        tar_add_link(&tar, '1', "h", "/a/l");
        tar_add_link(&tar, '2', "x", "../../etc/passwd");
        tar_add_end(&tar);
        Archive *archive = open_tar(&tar);
        assert_int_equal(archive_read(archive, "/a/../a/b", 5, &text, &err), 0);
        assert_int_equal(archive_read(archive, "h", 5, &text, &err), 0);
        assert_int_equal(text.size, 10);
        assert_memory_equal(text.data, "firstfirst", 10);
        assert_int_equal(archive_read(archive, "a/b", 4, &text, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_null(archive_find(archive, "out", &err));
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_null(archive_find(archive, "a", &err));
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_null(archive_find(archive, "../out", &err));
        assert_int_equal(err.kind, ERR_INVALID);
        assert_null(archive_find(archive, "x", &err));
        assert_int_equal(err.kind, ERR_INVALID);
        archive_free(archive);
        buffer_done(&text);
}

static void chains_of_links_end(void **state _unused_) {
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;
        char name[16], target[16];

        tar_add_file(&tar, "l0", "x");
        for (int i = 1; i <= ARCHIVE_LINKS_MAX + 1; i++) {
                snprintf(name, sizeof(name), "l%d", i);
                snprintf(target, sizeof(target), "l%d", i - 1);
                tar_add_link(&tar, '2', name, target);
        }
        tar_add_end(&tar);
        Archive *archive = open_tar(&tar);
        snprintf(name, sizeof(name), "l%d", ARCHIVE_LINKS_MAX);
        assert_non_null(archive_find(archive, name, &err));
        snprintf(name, sizeof(name), "l%d", ARCHIVE_LINKS_MAX + 1);
        assert_null(archive_find(archive, name, &err));
        assert_int_equal(err.kind, ERR_INVALID);
        archive_free(archive);
}

static void members_are_limited(void **state _unused_) {
        Buffer tar = BUFFER_INIT, names = BUFFER_INIT;
        char name[2048], number[16];

        for (int i = 0; i <= ARCHIVE_MEMBERS_MAX; i++) {
                snprintf(number, sizeof(number), "%d", i);
                tar_add_file(&tar, number, "");
        }
        tar_add_end(&tar);
        assert_int_equal(refusal(&tar, "more than 65536 members"), ERR_LIMIT);

        for (size_t i = 0; i <= ARCHIVE_NAMES_MAX / 2000; i++) {
                snprintf(name, sizeof(name), "%02000zu", i);
                tar_add_pax(&names, 'x', "path", name, strlen(name));
                tar_add_file(&names, "short", "");
        }
        tar_add_end(&names);
        assert_int_equal(refusal(&names, "bytes of names"), ERR_LIMIT);
}

static void what_is_no_tar_is_refused(void **state _unused_) {
        Buffer cut = BUFFER_INIT, text = BUFFER_INIT;
        static const char content[4096];

        tar_add(&cut, &(TarMember){ .name = "a", .content = content, .size = sizeof(content) });
        cut.size -= 1024;
        assert_int_equal(refusal(&cut, "ends"), ERR_LAYER_CORRUPT);
        for (int i = 0; i < 100; i++)
                buffer_append_string(&text, "this is no tar ");
        assert_int_equal(refusal(&text, "no tar header"), ERR_LAYER_CORRUPT);
}

static char *many(const char *head, const char *item, size_t count, const char *tail) {
        Buffer text = BUFFER_INIT;

        buffer_append_string(&text, head);
        for (size_t i = 0; i < count; i++) {
                buffer_append_string(&text, i > 0 ? "," : "");
                buffer_append_string(&text, item);
        }
        buffer_append_string(&text, tail);
        return buffer_take_string(&text);
}

static void images_are_limited(void **state _unused_) {
        char *const texts[] = {
                many("[", "{\"Config\":\"c\"}", DOCKER_IMAGES_MAX + 1, "]"),
                many("[{\"Config\":\"c\",\"RepoTags\":[", "\"x:1\"", DOCKER_TAGS_MAX + 1, "]}]"),
                many("[{\"Config\":\"c\",\"Layers\":[", "\"x\"", 10000, "]}]"),
                many("[{\"Config\":\"", "xxxxxxx", DOCKER_IMAGES_SIZE_MAX / 8 + 1, "\"}]"),
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_docker_images_ DockerImages images = DOCKER_IMAGES_INIT;
                Error err = ERROR_INIT;
                assert_int_equal(docker_images_parse(texts[i], strlen(texts[i]), &images, &err),
                                 -1);
                assert_int_equal(err.kind, ERR_LIMIT);
                free(texts[i]);
        }
}

/* A few megabytes of gzip that become more than a gigabyte. */
static void bombs_are_defused(void **state _unused_) {
        _cleanup_close_ int fd = memfd_create("bomb", MFD_CLOEXEC);
        _cleanup_free_ char *zeros = xcalloc(1, BLOB_PIECE_SIZE);
        GzipWriter *writer = gzip_writer_new(fd);
        Error err = ERROR_INIT;

        for (int64_t i = 0; i <= BLOB_RATIO_FLOOR; i += BLOB_PIECE_SIZE)
                assert_int_equal(gzip_writer_write(writer, zeros, BLOB_PIECE_SIZE), 0);
        assert_int_equal(gzip_writer_finish(writer), 0);
        gzip_writer_free(writer);
        const BlobPart part = { fd, 0, lseek(fd, 0, SEEK_END), "bomb" };
        assert_int_equal(blob_inflate(&part, COMPRESSION_GZIP, -EBADF, NULL, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
}

static bool is_cancelled(void *userdata) {
        int *left = userdata;

        return (*left)-- == 0;
}

static void transfers_are_cancelled_and_broken(void **state _unused_) {
        _cleanup_close_ int from = memfd_create("from", MFD_CLOEXEC);
        _cleanup_close_ int to = memfd_create("to", MFD_CLOEXEC);
        int left = 2, fds[2];
        const TransferControl control = { .is_cancelled = is_cancelled, .userdata = &left };
        Error err = ERROR_INIT;

        assert_int_equal(ftruncate(from, 8 * BLOB_PIECE_SIZE), 0);
        const BlobPart whole = { from, 0, 8 * BLOB_PIECE_SIZE, "blob" };
        assert_int_equal(blob_send(&whole, to, &control, &err), -1);
        assert_int_equal(err.kind, ERR_CANCELLED);
        assert_int_equal(lseek(to, 0, SEEK_END), 2 * BLOB_PIECE_SIZE);

        const BlobPart long_one = { from, 0, 9 * BLOB_PIECE_SIZE, "blob" };
        assert_int_equal(blob_send(&long_one, to, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);

        (void)signal(SIGPIPE, SIG_IGN);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        (void)fd_close(fds[0]);
        assert_int_equal(blob_send(&whole, fds[1], NULL, &err), -1);
        assert_int_equal(err.kind, ERR_CANCELLED);
        (void)fd_close(fds[1]);
}

static void what_comes_is_what_was_promised(void **state _unused_) {
        static const struct {
                const char *digest;
                int64_t size;
                ErrorKind kind;
        } rows[] = {
                { "", -1, ERR_NONE },
                { "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0,
                  ERR_NONE },
                { DIGEST, -1, ERR_CORRUPT },
                { "", 7, ERR_CORRUPT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_close_ int from = memfd_create("from", MFD_CLOEXEC);
                _cleanup_close_ int to = memfd_create("to", MFD_CLOEXEC);
                SinkBlob blob = { .descriptor = { .size = rows[i].size } };
                Descriptor received = { .media_type = NULL };
                Error err = ERROR_INIT;
                snprintf(blob.descriptor.digest, sizeof(blob.descriptor.digest), "%s",
                         rows[i].digest);
                int r = blob_receive(from, to, &blob, NULL, &received, &err);
                assert_int_equal(r, rows[i].kind == ERR_NONE ? 0 : -1);
                assert_int_equal(err.kind, rows[i].kind);
                free(received.media_type);
        }
}

/* --- writing --- */

static void sizes_beyond_octal_digits_are_written(void **state _unused_) {
        const int64_t size = INT64_C(9) << 30;
        Scratch scratch;
        ArchiveWriter *writer = NULL;
        Archive *archive = NULL;
        Error err = ERROR_INIT;
        int fd = -EBADF;

        scratch_open(&scratch);
        _cleanup_free_ char *path = xasprintf("%s/a.tar", scratch.path);
        assert_int_equal(archive_writer_open(&writer, path, false, &err), 0);
        assert_int_equal(archive_writer_begin(writer, &fd, &err), 0);
        assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_CUR) + size), 0); /* a hole */
        assert_int_equal(archive_writer_end(writer, "large", size, &err), 0);
        assert_int_equal(archive_writer_add(writer, "small", "x", 1, &err), 0);
        assert_int_equal(archive_writer_begin(writer, &fd, &err), 0);
        assert_int_equal(fd_write_all(fd, "not wanted", 10), 0);
        assert_int_equal(archive_writer_drop(writer, &err), 0);
        assert_int_equal(archive_writer_commit(writer, &err), 0);
        writer = archive_writer_free(writer);

        assert_int_equal(archive_open(&archive, path, &err), 0);
        assert_int_equal(archive_find(archive, "large", &err)->size, size);
        assert_int_equal(archive_find(archive, "small", &err)->size, 1);
        archive = archive_free(archive);
        assert_int_equal(archive_writer_open(&writer, path, false, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        scratch_close(&scratch);
}

static void an_archive_that_came_meanwhile_stays(void **state _unused_) {
        Scratch scratch;
        ArchiveWriter *one = NULL, *two = NULL;
        Error err = ERROR_INIT;

        scratch_open(&scratch);
        _cleanup_free_ char *path = xasprintf("%s/a.tar", scratch.path);
        assert_int_equal(archive_writer_open(&one, path, false, &err), 0);
        assert_int_equal(archive_writer_open(&two, path, false, &err), 0);
        assert_int_equal(archive_writer_add(one, "one", "x", 1, &err), 0);
        assert_int_equal(archive_writer_commit(one, &err), 0);
        assert_int_equal(archive_writer_commit(two, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        one = archive_writer_free(one);
        two = archive_writer_free(two);
        scratch_close(&scratch);
}

static int receive(NewBlobs *blobs, const char *text, Error *err) {
        _cleanup_close_ int fd = memfd_create("blob", MFD_CLOEXEC);
        const SinkBlob blob = { .descriptor = { .size = -1 } };
        Descriptor received = { .media_type = NULL };

        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        (void)lseek(fd, 0, SEEK_SET);
        int r = new_blobs_receive(blobs, &blob, fd, NULL, &received, err);
        if (r == 0)
                assert_true(new_blobs_has(blobs, received.digest));
        free(received.media_type);
        return r;
}

static void blobs_of_one_image_are_limited(void **state _unused_) {
        Scratch scratch;
        NewBlobs blobs;
        Error err = ERROR_INIT;
        char text[16];

        scratch_open(&scratch);
        new_blobs_init(&blobs, scratch.fd);
        for (int i = 0; i < NEW_BLOBS_MAX; i++) {
                snprintf(text, sizeof(text), "%d", i);
                assert_int_equal(receive(&blobs, text, &err), 0);
        }
        assert_int_equal(receive(&blobs, "0", &err), 0); /* that is there */
        assert_int_equal(blobs.count, NEW_BLOBS_MAX);
        assert_int_equal(receive(&blobs, "one more", &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        new_blobs_done(&blobs);
        scratch_close(&scratch);
}

typedef struct Receiver {
        NewBlobs *blobs;
        int number, result;
} Receiver;

static void *run_receiver(void *userdata) {
        Receiver *receiver = userdata;
        char text[16];

        for (int i = 0; i < 50 && receiver->result == 0; i++) {
                snprintf(text, sizeof(text), "%d", i + receiver->number % 2);
                receiver->result = receive(receiver->blobs, text, NULL);
        }
        return NULL;
}

static void blobs_come_on_several_threads(void **state _unused_) {
        Scratch scratch;
        NewBlobs blobs;
        pthread_t threads[4];
        Receiver receivers[ARRAY_SIZE(threads)];
        Error err = ERROR_INIT;

        scratch_open(&scratch);
        new_blobs_init(&blobs, scratch.fd);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                receivers[i] = (Receiver){ .blobs = &blobs, .number = (int)i };
                assert_int_equal(pthread_create(&threads[i], NULL, run_receiver, &receivers[i]), 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(receivers[i].result, 0);
        }
        assert_int_equal(blobs.count, 51);
        assert_int_equal(new_blobs_publish(&blobs, &err), 0);
        new_blobs_done(&blobs);
        assert_int_equal(
                faccessat(scratch.fd,
                          "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9", R_OK,
                          0),
                0); /* of "0" */
        scratch_close(&scratch);
}

static void signatures_of_folders_are_limited(void **state _unused_) {
        Scratch scratch;
        ImageSource *source = NULL;
        Buffer *signatures = NULL;
        size_t count = 0;
        Error err = ERROR_INIT;
        char name[32];

        scratch_open(&scratch);
        assert_int_equal(dir_source_new(&source, scratch.path, &err), 0);
        for (int i = 1; i <= DIR_SIGNATURES_MAX; i++) {
                snprintf(name, sizeof(name), "signature-%d", i);
                assert_int_equal(file_write_atomic_at(scratch.fd, name, "x", 1, 0600, false), 0);
        }
        assert_int_equal(source->class->read_signatures(source, DIGEST, &signatures, &count, &err),
                         -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(count, DIR_SIGNATURES_MAX);
        for (size_t i = 0; i < count; i++)
                buffer_done(&signatures[i]);
        free(signatures);
        source->class->free(source);
        scratch_close(&scratch);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_found_however_written),
                cmocka_unit_test(chains_of_links_end),
                cmocka_unit_test(members_are_limited),
                cmocka_unit_test(what_is_no_tar_is_refused),
                cmocka_unit_test(images_are_limited),
                cmocka_unit_test(bombs_are_defused),
                cmocka_unit_test(transfers_are_cancelled_and_broken),
                cmocka_unit_test(what_comes_is_what_was_promised),
                cmocka_unit_test(sizes_beyond_octal_digits_are_written),
                cmocka_unit_test(an_archive_that_came_meanwhile_stays),
                cmocka_unit_test(blobs_of_one_image_are_limited),
                cmocka_unit_test(blobs_come_on_several_threads),
                cmocka_unit_test(signatures_of_folders_are_limited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
