/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/compress.h"

#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <string.h>
#include <zstd.h>

#include "base/fd.h"

#define GZIP_LEVEL       1
#define GZIP_BUFFER_SIZE (64 * 1024)

struct Inflater {
        Compression kind;
        bool is_between; /* members: the stream may end here */
        struct inflate_state gzip;
        ZSTD_DCtx *zstd;
};

Compression compression_detect(const uint8_t *data, size_t size) {
        static const struct {
                Compression kind;
                uint8_t size;
                uint8_t bytes[COMPRESSION_MAGIC_SIZE];
        } magics[] = {
                { COMPRESSION_GZIP, 3, { 0x1f, 0x8b, 0x08 } },
                { COMPRESSION_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
                { COMPRESSION_BZIP2, 3, { 'B', 'Z', 'h' } },
                { COMPRESSION_XZ, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
        };

        for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
                if (size >= magics[i].size && memcmp(data, magics[i].bytes, magics[i].size) == 0)
                        return magics[i].kind;
        return COMPRESSION_NONE;
}

static void begin_gzip_member(Inflater *inflater) {
        isal_inflate_init(&inflater->gzip);
        inflater->gzip.crc_flag = ISAL_GZIP;
}

int inflater_new(Inflater **ret, Compression kind, Error *err) {
        if (kind != COMPRESSION_GZIP && kind != COMPRESSION_ZSTD)
                return error_set(err, ERR_UNSUPPORTED, NULL,
                                 "layers compressed with %s are not supported",
                                 kind == COMPRESSION_XZ ? "xz" : "bzip2");
        Inflater *inflater = xnew(Inflater, 1);
        inflater->kind = kind;
        if (kind == COMPRESSION_GZIP)
                begin_gzip_member(inflater);
        else
                inflater->zstd = ZSTD_createDCtx();
        if (kind == COMPRESSION_ZSTD && !inflater->zstd)
                abort(); /* a small fixed size: see memory.h */
        *ret = inflater;
        return 0;
}

Inflater *inflater_free(Inflater *inflater) {
        if (inflater) {
                (void)ZSTD_freeDCtx(inflater->zstd);
                free(inflater);
        }
        return NULL;
}

bool inflater_is_complete(const Inflater *inflater) {
        return inflater->is_between;
}

/* Without any input there may be no pointer to move either. */
static void input_advance(InflaterInput *input, size_t size) {
        if (size == 0)
                return;
        input->data += size;
        input->size -= size;
}

static int step_gzip(Inflater *inflater, InflaterInput *input, uint8_t *out, size_t out_size,
                     size_t *ret_produced, Error *err) {
        struct inflate_state *state = &inflater->gzip;
        size_t produced = 0;

        while (input->size > 0 || !inflater->is_between) {
                if (inflater->is_between) {
                        begin_gzip_member(inflater);
                        inflater->is_between = false;
                }
                uint32_t chunk = input->size > INT_MAX ? INT_MAX : (uint32_t)input->size;
                uint32_t room = out_size - produced > INT_MAX ? INT_MAX
                                                              : (uint32_t)(out_size - produced);
                state->next_in = (uint8_t *)input->data;
                state->avail_in = chunk;
                state->next_out = out + produced;
                state->avail_out = room;
                int r = isal_inflate(state);
                if (r < 0)
                        return error_set(err, ERR_LAYER_CORRUPT, "gzip", "malformed gzip stream%s",
                                         r == ISAL_INCORRECT_CHECKSUM ? ": wrong checksum" : "");
                input_advance(input, chunk - state->avail_in);
                produced += room - state->avail_out;
                inflater->is_between = state->block_state == ISAL_BLOCK_FINISH;
                if (produced == out_size ||
                    (chunk == state->avail_in && room == state->avail_out && !inflater->is_between))
                        break;
        }
        *ret_produced = produced;
        return 0;
}

static int step_zstd(Inflater *inflater, InflaterInput *input, uint8_t *out, size_t out_size,
                     size_t *ret_produced, Error *err) {
        ZSTD_inBuffer in = { .src = input->data, .size = input->size };
        ZSTD_outBuffer to = { .dst = out, .size = out_size };

        do {
                size_t in_before = in.pos, out_before = to.pos;
                size_t r = ZSTD_decompressStream(inflater->zstd, &to, &in);
                if (ZSTD_isError(r))
                        return error_set(err, ERR_LAYER_CORRUPT, "zstd",
                                         "malformed zstd stream: %s", ZSTD_getErrorName(r));
                /*
                 * A call that neither reads nor writes says nothing about where the stream stands.
                 */
                if (in.pos == in_before && to.pos == out_before)
                        break;
                inflater->is_between = r == 0;
        } while (to.pos < to.size && in.pos < in.size);
        input_advance(input, in.pos);
        *ret_produced = to.pos;
        return 0;
}

int inflater_step(Inflater *inflater, InflaterInput *input, uint8_t *out, size_t out_size,
                  size_t *ret_produced, Error *err) {
        return inflater->kind == COMPRESSION_GZIP
                       ? step_gzip(inflater, input, out, out_size, ret_produced, err)
                       : step_zstd(inflater, input, out, out_size, ret_produced, err);
}

struct GzipWriter {
        int fd;
        struct isal_zstream stream;
        uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
        uint8_t out[GZIP_BUFFER_SIZE];
};

GzipWriter *gzip_writer_new(int fd) {
        GzipWriter *writer = xnew(GzipWriter, 1);

        writer->fd = fd;
        isal_deflate_init(&writer->stream);
        writer->stream.gzip_flag = IGZIP_GZIP;
        writer->stream.level = GZIP_LEVEL;
        writer->stream.level_buf = writer->level_buffer;
        writer->stream.level_buf_size = sizeof(writer->level_buffer);
        writer->stream.next_out = writer->out;
        writer->stream.avail_out = sizeof(writer->out);
        return writer;
}

GzipWriter *gzip_writer_free(GzipWriter *writer) {
        free(writer);
        return NULL;
}

static int flush(GzipWriter *writer) {
        int r = fd_write_all(writer->fd, writer->out,
                             sizeof(writer->out) - writer->stream.avail_out);

        writer->stream.next_out = writer->out;
        writer->stream.avail_out = sizeof(writer->out);
        return r;
}

int gzip_writer_write(GzipWriter *writer, const void *data, size_t size) {
        if (size > INT_MAX)
                return -EFBIG;
        writer->stream.next_in = (uint8_t *)data;
        writer->stream.avail_in = (uint32_t)size;
        while (writer->stream.avail_in > 0) {
                if (isal_deflate(&writer->stream) != COMP_OK)
                        return -EIO;
                int r = writer->stream.avail_out == 0 ? flush(writer) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int gzip_writer_finish(GzipWriter *writer) {
        writer->stream.end_of_stream = 1;
        do {
                if (isal_deflate(&writer->stream) != COMP_OK)
                        return -EIO;
                int r = flush(writer);
                if (r < 0)
                        return r;
        } while (writer->stream.internal_state.state != ZSTATE_END);
        return 0;
}
