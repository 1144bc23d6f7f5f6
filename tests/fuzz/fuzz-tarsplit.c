/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The reader of tar-split files. An input that begins with gzip's first byte is a file as it is,
 * any other is the text inside of one. What was read is written again, and must read the same.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "storage/compress.h"
#include "storage/tar_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int make_file(const uint8_t *data, size_t size) {
        int fd = memfd_create("tar-split", MFD_CLOEXEC);

        if (fd < 0)
                abort();
        if (size > 0 && data[0] == 0x1f) {
                if (fd_write_all(fd, data, size) < 0)
                        abort();
        } else {
                GzipWriter *gzip = gzip_writer_new(fd);
                if (gzip_writer_write(gzip, data, size) < 0 || gzip_writer_finish(gzip) < 0)
                        abort();
                gzip_writer_free(gzip);
        }
        if (lseek(fd, 0, SEEK_SET) < 0)
                abort();
        return fd;
}

/* Appends what the entries say to @text, and writes them again if @writer is there. */
static int read_all(int fd, TarSplitWriter *writer, Buffer *text) {
        TarSplitReader *reader = tar_split_reader_new(fd);
        TarSplitEntry entry;
        int r;

        while ((r = tar_split_read(reader, &entry, NULL)) > 0) {
                if (entry.is_file)
                        buffer_printf(text, "<%s %lld %llx>", entry.name, (long long)entry.size,
                                      (unsigned long long)entry.crc);
                else
                        buffer_append(text, entry.data, entry.data_size);
                if (!writer)
                        continue;
                int w = entry.is_file ? tar_split_write_file(writer, entry.name, entry.size,
                                                             entry.crc, NULL)
                                      : tar_split_write_segment(writer, entry.data, entry.data_size,
                                                                NULL);
                if (w < 0)
                        abort();
        }
        tar_split_reader_free(reader);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = make_file(data, size);
        _cleanup_close_ int again = memfd_create("tar-split", MFD_CLOEXEC);
        _cleanup_buffer_ Buffer first = BUFFER_INIT, second = BUFFER_INIT;

        TarSplitWriter *writer = tar_split_writer_new(again);
        int r = read_all(fd, writer, &first);
        if (tar_split_writer_finish(writer, NULL) < 0)
                abort();
        tar_split_writer_free(writer);
        if (r < 0)
                return 0;
        if (lseek(again, 0, SEEK_SET) < 0 || read_all(again, NULL, &second) < 0 ||
            second.size != first.size)
                abort();
        if (first.size > 0 && memcmp(first.data, second.data, first.size) != 0)
                abort();
        return 0;
}
