/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/blob_io.h"

#include <errno.h>
#include <sys/sendfile.h>

#include "base/fd.h"
#include "base/text.h"
#include "oci/digest.h"
#include "storage/blob.h"
#include "storage/compress.h"

#define INPUT_SIZE (64 * 1024)

int control_check(const TransferControl *control, Error *err) {
        if (control && control->is_cancelled && control->is_cancelled(control->userdata))
                return error_set(err, ERR_CANCELLED, NULL, "the transfer was cancelled");
        return 0;
}

void control_report(const TransferControl *control, int64_t count) {
        if (control && control->on_bytes)
                control->on_bytes(control->userdata, count);
}

static int refuse_write(Error *err, int errnum, const char *subject) {
        if (errnum == EPIPE)
                return error_set(err, ERR_CANCELLED, subject, "nobody reads %s any more", subject);
        return error_errno(err, ERR_IO, errnum, subject, "cannot pass on %s", subject);
}

/* --- out of a file --- */

int blob_send(const BlobPart *part, int out_fd, const TransferControl *control, Error *err) {
        off_t at = part->offset, end = part->offset + part->size;

        while (at < end) {
                size_t piece = end - at < BLOB_PIECE_SIZE ? (size_t)(end - at) : BLOB_PIECE_SIZE;
                if (control_check(control, err) < 0)
                        return -1;
                ssize_t n = sendfile(out_fd, part->fd, &at, piece);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return refuse_write(err, errno, part->name);
                if (n == 0)
                        return error_set(err, ERR_CORRUPT, part->name,
                                         "%s ends %lld bytes too early", part->name,
                                         (long long)(end - at));
                control_report(control, n);
        }
        return 0;
}

int blob_send_memory(const Buffer *data, const char *name, int out_fd,
                     const TransferControl *control, Error *err) {
        int r = fd_write_all(out_fd, data->data, data->size);

        if (r < 0)
                return refuse_write(err, -r, name);
        control_report(control, (int64_t)data->size);
        return 0;
}

int blob_detect(const BlobPart *part, Compression *ret, Error *err) {
        uint8_t magic[COMPRESSION_MAGIC_SIZE];
        size_t want = part->size < COMPRESSION_MAGIC_SIZE ? (size_t)part->size
                                                          : COMPRESSION_MAGIC_SIZE;

        ssize_t n = pread(part->fd, magic, want, part->offset);
        if (n < 0)
                return error_errno(err, ERR_IO, errno, part->name, "cannot read %s", part->name);
        *ret = compression_detect(magic, (size_t)n);
        return 0;
}

/* --- inflating --- */

typedef struct Inflation {
        const BlobPart *part;
        int out_fd;
        int64_t consumed, produced; /* bytes */
        uint8_t *input, *output;    /* buffers */
        InflaterInput pending;      /* in the input buffer */
        const TransferControl *control;
} Inflation;

static int refill(Inflation *inflation, Error *err) {
        const BlobPart *part = inflation->part;
        int64_t left = part->size - inflation->consumed;
        size_t want = left < INPUT_SIZE ? (size_t)left : INPUT_SIZE;

        ssize_t n = pread(part->fd, inflation->input, want, part->offset + inflation->consumed);
        if (n <= 0)
                return error_errno(err, ERR_IO, n < 0 ? errno : EIO, part->name, "cannot read %s",
                                   part->name);
        inflation->consumed += n;
        inflation->pending = (InflaterInput){ inflation->input, (size_t)n };
        return control_check(inflation->control, err);
}

static int pass_on(Inflation *inflation, size_t size, Error *err) {
        const char *name = inflation->part->name;

        inflation->produced += (int64_t)size;
        if (inflation->produced > BLOB_SIZE_MAX)
                return error_set(err, ERR_LIMIT, name, "%s inflates to more than %lld bytes", name,
                                 (long long)BLOB_SIZE_MAX);
        if (inflation->produced > BLOB_RATIO_FLOOR &&
            inflation->produced / BLOB_RATIO_MAX > inflation->consumed)
                return error_set(err, ERR_LIMIT, name, "%s inflates to more than %d times its size",
                                 name, BLOB_RATIO_MAX);
        if (inflation->out_fd < 0)
                return 0;
        int r = fd_write_all(inflation->out_fd, inflation->output, size);
        if (r < 0)
                return refuse_write(err, -r, name);
        control_report(inflation->control, (int64_t)size);
        return 0;
}

static int inflate_all(Inflation *inflation, Inflater *inflater, Error *err) {
        const BlobPart *part = inflation->part;

        for (;;) {
                size_t produced;
                if (inflater_step(inflater, &inflation->pending, inflation->output, BLOB_PIECE_SIZE,
                                  &produced, err) < 0)
                        return error_prefix(err, "%s", part->name);
                if (produced > 0 && pass_on(inflation, produced, err) < 0)
                        return -1;
                if (produced > 0 || inflation->pending.size > 0)
                        continue;
                if (inflation->consumed == part->size)
                        break;
                if (refill(inflation, err) < 0)
                        return -1;
        }
        if (!inflater_is_complete(inflater))
                return error_set(err, ERR_LAYER_CORRUPT, part->name,
                                 "%s ends inside its compressed stream", part->name);
        return 0;
}

int blob_inflate(const BlobPart *part, Compression compression, int out_fd, int64_t *ret_size,
                 const TransferControl *control, Error *err) {
        _cleanup_(inflater_freep)
        Inflater *inflater = NULL;
        _cleanup_free_ uint8_t *input = NULL, *output = NULL;

        if (inflater_new(&inflater, compression, err) < 0)
                return error_prefix(err, "%s", part->name);
        input = xcalloc(1, INPUT_SIZE);
        output = xcalloc(1, BLOB_PIECE_SIZE);
        Inflation inflation = {
                .part = part, .out_fd = out_fd, .input = input, .output = output, .control = control
        };
        if (inflate_all(&inflation, inflater, err) < 0)
                return -1;
        if (ret_size)
                *ret_size = inflation.produced;
        return 0;
}

/* --- into a file --- */

static int check_received(const SinkBlob *blob, const char *digest, int64_t size, Error *err) {
        const Descriptor *wanted = &blob->descriptor;

        if (*wanted->digest && !text_equal(wanted->digest, digest))
                return error_set(err, ERR_CORRUPT, wanted->digest, "%s came where %s was expected",
                                 digest, wanted->digest);
        if (wanted->size >= 0 && wanted->size != size)
                return error_set(err, ERR_CORRUPT, digest,
                                 "%s has %lld bytes where %lld were expected", digest,
                                 (long long)size, (long long)wanted->size);
        return 0;
}

static int receive_all(int in_fd, int out_fd, DigestStream *stream, const TransferControl *control,
                       int64_t *ret_size, Error *err) {
        _cleanup_free_ char *piece = xcalloc(1, BLOB_PIECE_SIZE);
        int64_t size = 0;

        for (;;) {
                if (control_check(control, err) < 0)
                        return -1;
                ssize_t n = read(in_fd, piece, BLOB_PIECE_SIZE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_errno(err, ERR_IO, errno, NULL, "cannot receive a blob");
                if (n == 0)
                        break;
                size += n;
                if (size > BLOB_SIZE_MAX)
                        return error_set(err, ERR_LIMIT, NULL, "a blob of more than %lld bytes",
                                         (long long)BLOB_SIZE_MAX);
                digest_stream_update(stream, piece, (size_t)n);
                int r = fd_write_all(out_fd, piece, (size_t)n);
                if (r < 0)
                        return error_errno(err, ERR_IO, -r, NULL, "cannot write a blob");
                control_report(control, n);
        }
        *ret_size = size;
        return 0;
}

int blob_receive(int in_fd, int out_fd, const SinkBlob *blob, const TransferControl *control,
                 Descriptor *ret, Error *err) {
        _cleanup_digest_stream_ DigestStream stream = DIGEST_STREAM_INIT;
        char text[DIGEST_TEXT_SIZE];
        Digest digest;
        int64_t size = 0;

        digest_stream_begin(&stream);
        if (receive_all(in_fd, out_fd, &stream, control, &size, err) < 0)
                return -1;
        digest_stream_finish(&stream, &digest);
        digest_format(&digest, text);
        if (check_received(blob, text, size, err) < 0)
                return -1;
        const char *media_type = blob->descriptor.media_type;
        *ret = (Descriptor){ .media_type = xstrdup(media_type ? media_type : ""), .size = size };
        memcpy(ret->digest, text, sizeof(text));
        return 0;
}
