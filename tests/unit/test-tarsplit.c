/* SPDX-License-Identifier: Apache-2.0 */

/* tar-split files: written, read back, put together with a layer's files, and malformed ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/text.h"
#include "storage/compress.h"
#include "storage/tar_split.h"
#include "tests/unit/scratch.h"

static void checksum_is_the_format_s(void **state) {
        (void)state;
        assert_int_equal(tar_split_checksum(0, "", 0), 0);
        assert_int_equal(tar_split_checksum(0, "123456789", 9), UINT64_C(0xb90956c775a41001));
        assert_int_equal(tar_split_checksum(tar_split_checksum(0, "1234", 4), "56789", 5),
                         UINT64_C(0xb90956c775a41001));
}

static int collect(void *userdata, const void *data, size_t size, Error *err) {
        (void)err;
        buffer_append(userdata, data, size);
        return 0;
}

static int open_file(const Scratch *scratch) {
        int fd = openat(scratch->fd, "split.gz", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        return fd;
}

static void comes_back_as_it_was_written(void **state) {
        Scratch scratch;
        Buffer big = BUFFER_INIT;
        TarSplitEntry entry;
        size_t total = 0;

        (void)state;
        scratch_open(&scratch);
        for (int i = 0; i < 200000; i++)
                buffer_append_byte(&big, (char)(i * 7));
        int fd = open_file(&scratch);
        TarSplitWriter *writer = tar_split_writer_new(fd);
        assert_int_equal(tar_split_write_file(writer, "a \"<&>\n\\ \xc3\xbc", 3, 17, NULL), 0);
        assert_int_equal(tar_split_write_segment(writer, big.data, big.size, NULL), 0);
        assert_int_equal(tar_split_write_segment(writer, "", 0, NULL), 0);
        assert_int_equal(tar_split_write_file(writer, "raw\xff", 0, 0, NULL), 0);
        assert_int_equal(tar_split_writer_finish(writer, NULL), 0);
        tar_split_writer_free(writer);

        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        TarSplitReader *reader = tar_split_reader_new(fd);
        assert_int_equal(tar_split_read(reader, &entry, NULL), 1);
        assert_true(entry.is_file);
        assert_string_equal(entry.name, "a \"<&>\n\\ \xc3\xbc");
        assert_int_equal(entry.size, 3);
        assert_int_equal(entry.crc, 17);
        while (total < big.size) {
                assert_int_equal(tar_split_read(reader, &entry, NULL), 1);
                assert_false(entry.is_file);
                assert_memory_equal(entry.data, big.data + total, entry.data_size);
                total += entry.data_size;
        }
        assert_int_equal(total, big.size);
        assert_int_equal(tar_split_read(reader, &entry, NULL), 1);
        assert_string_equal(entry.name, "raw\xff");
        assert_int_equal(entry.size, 0);
        assert_int_equal(tar_split_read(reader, &entry, NULL), 0);
        tar_split_reader_free(reader);
        fd_close(fd);
        buffer_done(&big);
        scratch_close(&scratch);
}

static int assemble(const Scratch *scratch, int fd, Buffer *out, Error *err) {
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return tar_split_assemble(fd, scratch->fd, &(TarSink){ collect, out }, err);
}

static void is_put_together_with_files(void **state) {
        Scratch scratch;
        Buffer out = BUFFER_INIT;
        Error err = ERROR_INIT;

        (void)state;
        scratch_open(&scratch);
        int fd = open_file(&scratch);
        TarSplitWriter *writer = tar_split_writer_new(fd);
        tar_split_write_segment(writer, "<", 1, NULL);
        tar_split_write_file(writer, "./dir/", 0, 0, NULL);
        tar_split_write_file(writer, "./f", 5, tar_split_checksum(0, "hello", 5), NULL);
        tar_split_write_segment(writer, ">", 1, NULL);
        tar_split_writer_finish(writer, NULL);
        tar_split_writer_free(writer);

        assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT); /* no file */
        file_write_atomic_at(scratch.fd, "f", "hello", 5, 0600, false);
        out.size = 0;
        assert_int_equal(assemble(&scratch, fd, &out, &err), 0);
        assert_int_equal(out.size, 7);
        assert_memory_equal(out.data, "<hello>", 7);

        static const char *const others[] = { "hellO", "hell", "hello!" };
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
                file_write_atomic_at(scratch.fd, "f", others[i], strlen(others[i]), 0600, false);
                err = (Error)ERROR_INIT;
                assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
                assert_int_equal(err.kind, ERR_CORRUPT);
                assert_string_equal(err.subject, "./f");
        }
        unlinkat(scratch.fd, "f", 0);
        assert_int_equal(mkfifoat(scratch.fd, "f", 0600), 0); /* must not wait for a writer */
        assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
        unlinkat(scratch.fd, "f", 0);
        assert_int_equal(symlinkat("/etc/hostname", scratch.fd, "f"), 0);
        assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
        fd_close(fd);
        buffer_done(&out);
        scratch_close(&scratch);
}

static void refuses_what_is_malformed(void **state) {
        static const char *const cases[] = {
                "[]",
                "{",
                "{\"type\":3}",
                "{}",
                "{\"type\":2,\"payload\":\"?\"}",
                "{\"type\":2,\"payload\":5}",
                "{\"type\":1}",
                "{\"type\":1,\"name_raw\":\"AAA=\"}",
                "{\"type\":1,\"name\":\"a\",\"size\":-1}",
                "{\"type\":1,\"name\":\"a\",\"size\":\"5\"}",
                "{\"type\":1,\"name\":\"a\",\"size\":5}",
                "{\"type\":1,\"name\":\"a\",\"size\":5,\"payload\":\"AAAA\"}",
                "{\"type\":1,\"name\":\"../a\",\"size\":5,\"payload\":\"AAAAAAAAAAA=\"}",
        };
        Scratch scratch;
        Buffer out = BUFFER_INIT;

        (void)state;
        scratch_open(&scratch);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Error err = ERROR_INIT;
                int fd = open_file(&scratch);
                GzipWriter *gzip = gzip_writer_new(fd);
                gzip_writer_write(gzip, cases[i], strlen(cases[i]));
                gzip_writer_finish(gzip);
                gzip_writer_free(gzip);
                assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
                assert_int_equal(err.kind, ERR_CORRUPT);
                fd_close(fd);
        }
        buffer_done(&out);
        scratch_close(&scratch);
}

static void refuses_what_is_cut_short(void **state) {
        Scratch scratch;
        Buffer out = BUFFER_INIT;
        Error err = ERROR_INIT;
        struct stat st;

        (void)state;
        scratch_open(&scratch);
        int fd = open_file(&scratch);
        TarSplitWriter *writer = tar_split_writer_new(fd);
        tar_split_write_segment(writer, "something", 9, NULL);
        tar_split_writer_finish(writer, NULL);
        tar_split_writer_free(writer);
        assert_int_equal(fstat(fd, &st), 0);
        /* The checksum is wrong: the store's fault, and not the layer's. */
        assert_int_equal(pwrite(fd, "\1\2\3\4", 4, st.st_size - 8), 4);
        assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        for (off_t size = st.st_size - 1; size > 0; size--) {
                assert_int_equal(ftruncate(fd, size), 0);
                assert_int_equal(assemble(&scratch, fd, &out, NULL), -1);
        }
        fd_close(fd);
        buffer_done(&out);
        scratch_close(&scratch);
}

static void refuses_endless_lines(void **state) {
        Scratch scratch;
        Buffer out = BUFFER_INIT;
        Error err = ERROR_INIT;
        static const char spaces[64 * 1024];

        (void)state;
        scratch_open(&scratch);
        int fd = open_file(&scratch);
        GzipWriter *gzip = gzip_writer_new(fd);
        for (size_t i = 0; i <= TAR_SPLIT_LINE_MAX / sizeof(spaces); i++)
                assert_int_equal(gzip_writer_write(gzip, spaces, sizeof(spaces)), 0);
        gzip_writer_finish(gzip);
        gzip_writer_free(gzip);
        assert_int_equal(assemble(&scratch, fd, &out, &err), -1);
        assert_non_null(strstr(err.text, "too long"));
        fd_close(fd);
        buffer_done(&out);
        scratch_close(&scratch);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(checksum_is_the_format_s),
                cmocka_unit_test(comes_back_as_it_was_written),
                cmocka_unit_test(is_put_together_with_files),
                cmocka_unit_test(refuses_what_is_malformed),
                cmocka_unit_test(refuses_what_is_cut_short),
                cmocka_unit_test(refuses_endless_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
