/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/compress_writer.h"

#include <errno.h>
#include <zstd.h>

#include "base/fd.h"

#define ZSTD_BUFFER_SIZE (128 * 1024)
#define ZSTD_LEVEL       3 /* the library's own choice: half the time of gzip, and smaller */

struct CompressWriter {
        int fd;
        Compression kind;
        GzipWriter *gzip;
        ZSTD_CCtx *zstd;
        char *out; /* ZSTD_BUFFER_SIZE bytes */
};

CompressWriter *compress_writer_new(int fd, Compression kind) {
        CompressWriter *writer = xnew(CompressWriter, 1);

        writer->fd = fd;
        writer->kind = kind;
        if (kind == COMPRESSION_GZIP)
                writer->gzip = gzip_writer_new(fd);
        if (kind == COMPRESSION_ZSTD) {
                writer->out = xnew(char, ZSTD_BUFFER_SIZE);
                writer->zstd = ZSTD_createCCtx();
                if (!writer->zstd)
                        abort();
                (void)ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
                (void)ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
        }
        return writer;
}

CompressWriter *compress_writer_free(CompressWriter *writer) {
        if (!writer)
                return NULL;
        gzip_writer_free(writer->gzip);
        ZSTD_freeCCtx(writer->zstd);
        free(writer->out);
        free(writer);
        return NULL;
}

static int run_zstd(CompressWriter *writer, const void *data, size_t size, ZSTD_EndDirective end) {
        ZSTD_inBuffer in = { .src = data, .size = size };
        size_t left;

        do {
                ZSTD_outBuffer out = { .dst = writer->out, .size = ZSTD_BUFFER_SIZE };
                left = ZSTD_compressStream2(writer->zstd, &out, &in, end);
                if (ZSTD_isError(left))
                        return -EIO;
                int r = fd_write_all(writer->fd, writer->out, out.pos);
                if (r < 0)
                        return r;
        } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
        return 0;
}

int compress_writer_write(CompressWriter *writer, const void *data, size_t size) {
        switch (writer->kind) {
        case COMPRESSION_GZIP:
                return gzip_writer_write(writer->gzip, data, size);
        case COMPRESSION_ZSTD:
                return run_zstd(writer, data, size, ZSTD_e_continue);
        case COMPRESSION_NONE:
        case COMPRESSION_BZIP2:
        case COMPRESSION_XZ:
                break;
        }
        return fd_write_all(writer->fd, data, size);
}

int compress_writer_finish(CompressWriter *writer) {
        if (writer->kind == COMPRESSION_GZIP)
                return gzip_writer_finish(writer->gzip);
        return writer->kind == COMPRESSION_ZSTD ? run_zstd(writer, NULL, 0, ZSTD_e_end) : 0;
}
