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

int blob_send(int file_fd, int64_t offset, int64_t size, int out_fd, const char *subject,
              const TransferControl *control, Error *err) {
        off_t at = offset;

        while (at < offset + size) {
                int64_t left = offset + size - at;
                if (control_check(control, err) < 0)
                        return -1;
                ssize_t n = sendfile(out_fd, file_fd, &at,
                                     left < BLOB_PIECE_SIZE ? (size_t)left : BLOB_PIECE_SIZE);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return refuse_write(err, errno, subject);
                if (n == 0)
                        return error_set(err, ERR_CORRUPT, subject, "%s ends %lld bytes too early",
                                         subject, (long long)left);
                control_report(control, n);
        }
        return 0;
}

int blob_send_memory(const void *data, size_t size, int out_fd, const char *subject,
                     const TransferControl *control, Error *err) {
        int r = fd_write_all(out_fd, data, size);

        if (r < 0)
                return refuse_write(err, -r, subject);
        control_report(control, (int64_t)size);
        return 0;
}

int blob_detect(int file_fd, int64_t offset, int64_t size, Compression *ret, Error *err) {
        uint8_t magic[COMPRESSION_MAGIC_SIZE];
        size_t want = size < COMPRESSION_MAGIC_SIZE ? (size_t)size : COMPRESSION_MAGIC_SIZE;

        ssize_t n = pread(file_fd, magic, want, offset);
        if (n < 0)
                return error_errno(err, ERR_IO, errno, NULL, "cannot read the archive");
        *ret = compression_detect(magic, (size_t)n);
        return 0;
}

/* --- inflating --- */

typedef struct Inflation {
        int file_fd, out_fd;
        int64_t offset, end;     /* of what is to be read */
        int64_t begin, size;     /* where it began; bytes that came out */
        int64_t size_max;        /* -1: none */
        uint8_t *input, *output; /* buffers */
        InflaterInput pending;   /* in the input buffer */
        const TransferControl *control;
        const char *subject;
} Inflation;

static int refill(Inflation *inflation, Error *err) {
        int64_t left = inflation->end - inflation->offset;
        size_t want = left < INPUT_SIZE ? (size_t)left : INPUT_SIZE;

        ssize_t n = pread(inflation->file_fd, inflation->input, want, inflation->offset);
        if (n <= 0)
                return error_errno(err, ERR_IO, n < 0 ? errno : EIO, inflation->subject,
                                   "cannot read %s", inflation->subject);
        inflation->offset += n;
        inflation->pending = (InflaterInput){ inflation->input, (size_t)n };
        return control_check(inflation->control, err);
}

static int pass_on(Inflation *inflation, size_t size, Error *err) {
        inflation->size += (int64_t)size;
        if (inflation->size_max >= 0 && inflation->size > inflation->size_max)
                return error_set(err, ERR_LIMIT, inflation->subject,
                                 "%s inflates to more than %lld bytes", inflation->subject,
                                 (long long)inflation->size_max);
        if (inflation->size > BLOB_RATIO_FLOOR &&
            inflation->size / BLOB_RATIO_MAX > inflation->offset - inflation->begin)
                return error_set(err, ERR_LIMIT, inflation->subject,
                                 "%s inflates to more than %d times its size", inflation->subject,
                                 BLOB_RATIO_MAX);
        if (inflation->out_fd < 0)
                return 0;
        int r = fd_write_all(inflation->out_fd, inflation->output, size);
        if (r < 0)
                return refuse_write(err, -r, inflation->subject);
        control_report(inflation->control, (int64_t)size);
        return 0;
}

static int inflate_all(Inflation *inflation, Inflater *inflater, Error *err) {
        for (;;) {
                size_t produced;
                if (inflater_step(inflater, &inflation->pending, inflation->output, BLOB_PIECE_SIZE,
                                  &produced, err) < 0)
                        return -1;
                if (produced > 0) {
                        if (pass_on(inflation, produced, err) < 0)
                                return -1;
                        continue;
                }
                if (inflation->pending.size == 0 && inflation->offset == inflation->end)
                        break;
                if (inflation->pending.size == 0 && refill(inflation, err) < 0)
                        return -1;
        }
        if (!inflater_is_complete(inflater))
                return error_set(err, ERR_LAYER_CORRUPT, inflation->subject,
                                 "%s ends inside its compressed stream", inflation->subject);
        return 0;
}

int blob_inflate(int file_fd, int64_t offset, int64_t size, Compression compression, int out_fd,
                 int64_t size_max, int64_t *ret_size, const char *subject,
                 const TransferControl *control, Error *err) {
        _cleanup_(inflater_freep)
        Inflater *inflater = NULL;
        _cleanup_free_ uint8_t *input = NULL, *output = NULL;

        if (inflater_new(&inflater, compression, err) < 0)
                return error_prefix(err, "%s", subject);
        input = xcalloc(1, INPUT_SIZE);
        output = xcalloc(1, BLOB_PIECE_SIZE);
        Inflation inflation = {
                .file_fd = file_fd,
                .out_fd = out_fd,
                .offset = offset,
                .begin = offset,
                .end = offset + size,
                .size_max = size_max,
                .input = input,
                .output = output,
                .control = control,
                .subject = subject,
        };
        if (inflate_all(&inflation, inflater, err) < 0)
                return -1;
        if (ret_size)
                *ret_size = inflation.size;
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
        int64_t size;

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
