/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tar_split.h"

#include <endian.h>
#include <isa-l/crc64.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json_text.h"
#include "base/path.h"
#include "base/text.h"
#include "storage/compress.h"

#define TYPE_FILE    1
#define TYPE_SEGMENT 2

/* Bytes of one segment; longer ones are written as several. */
#define SEGMENT_SIZE (64 * 1024)
#define COPY_SIZE    (128 * 1024)

uint64_t tar_split_checksum(uint64_t crc, const void *data, size_t size) {
        return crc64_iso_refl(crc, data, size);
}

struct TarSplitWriter {
        GzipWriter *gzip;
        uint64_t position;
        Buffer line;
};

TarSplitWriter *tar_split_writer_new(int fd) {
        TarSplitWriter *writer = xnew(TarSplitWriter, 1);

        writer->gzip = gzip_writer_new(fd);
        return writer;
}

TarSplitWriter *tar_split_writer_free(TarSplitWriter *writer) {
        if (writer) {
                (void)gzip_writer_free(writer->gzip);
                buffer_done(&writer->line);
                free(writer);
        }
        return NULL;
}

static int write_failed(int r, Error *err) {
        return error_errno(err, ERR_IO, -r, "tar-split", "cannot write the tar-split file");
}

static void begin_line(Buffer *line, int type) {
        member_open(line, NULL, '{');
        member_integer(line, "type", type);
}

static int write_line(TarSplitWriter *writer, Error *err) {
        member_unsigned(&writer->line, "position", writer->position++);
        buffer_append_string(&writer->line, "}\n");
        int r = buffer_failed(&writer->line)
                        ? -ENOMEM
                        : gzip_writer_write(writer->gzip, writer->line.data, writer->line.size);
        buffer_consume(&writer->line, writer->line.size);
        return r < 0 ? write_failed(r, err) : 0;
}

static void append_payload(Buffer *line, const void *data, size_t size) {
        _cleanup_free_ char *encoded = base64_encode(data, size);

        member_text(line, "payload", encoded);
}

int tar_split_write_segment(TarSplitWriter *writer, const void *data, size_t size, Error *err) {
        const char *at = data;

        while (size > 0) {
                size_t n = size < SEGMENT_SIZE ? size : SEGMENT_SIZE;
                begin_line(&writer->line, TYPE_SEGMENT);
                append_payload(&writer->line, at, n);
                if (write_line(writer, err) < 0)
                        return -1;
                at += n;
                size -= n;
        }
        return 0;
}

int tar_split_write_file(TarSplitWriter *writer, const char *name, int64_t size, uint64_t crc,
                         Error *err) {
        begin_line(&writer->line, TYPE_FILE);
        if (text_is_utf8(name, strlen(name))) {
                member_text(&writer->line, "name", name);
        } else {
                _cleanup_free_ char *raw = base64_encode(name, strlen(name));
                member_text(&writer->line, "name_raw", raw);
        }
        if (size > 0) {
                uint64_t big_endian = htobe64(crc);
                member_integer(&writer->line, "size", size);
                append_payload(&writer->line, &big_endian, sizeof(big_endian));
        } else {
                member_verbatim(&writer->line, "payload", "null");
        }
        return write_line(writer, err);
}

int tar_split_writer_finish(TarSplitWriter *writer, Error *err) {
        int r = gzip_writer_finish(writer->gzip);

        return r < 0 ? write_failed(r, err) : 0;
}

struct TarSplitReader {
        int fd;
        Inflater *inflater;
        InflaterInput input;
        Buffer text; /* inflated, from the next line on */
        size_t searched;
        bool is_at_end;
        json_t *line; /* of the last entry: its name */
        void *payload;
        char *raw_name;
        uint8_t chunk[32 * 1024];
};

TarSplitReader *tar_split_reader_new(int fd) {
        TarSplitReader *reader = xnew(TarSplitReader, 1);

        reader->fd = fd;
        reader->input.data = reader->chunk;
        (void)inflater_new(&reader->inflater, COMPRESSION_GZIP, NULL);
        return reader;
}

static void forget_entry(TarSplitReader *reader) {
        json_decref(reader->line);
        reader->line = NULL;
        free(TAKE_PTR(reader->payload));
        free(TAKE_PTR(reader->raw_name));
}

TarSplitReader *tar_split_reader_free(TarSplitReader *reader) {
        if (reader) {
                forget_entry(reader);
                (void)inflater_free(reader->inflater);
                buffer_done(&reader->text);
                free(reader);
        }
        return NULL;
}

static int corrupt(Error *err, const char *subject, const char *what) {
        return error_set(err, ERR_CORRUPT, subject, "tar-split file: %s: %s", subject, what);
}

/* Inflates some more text: 1, or 0 at the end. */
static int read_text(TarSplitReader *reader, Error *err) {
        size_t produced = 0;

        char *room = buffer_reserve(&reader->text, sizeof(reader->chunk));
        if (!room)
                return error_errno(err, ERR_IO, ENOMEM, "tar-split", "cannot read a line");
        for (;;) {
                if (inflater_step(reader->inflater, &reader->input, (uint8_t *)room,
                                  sizeof(reader->chunk), &produced, NULL) < 0)
                        return corrupt(err, "gzip", "the stream is malformed");
                if (produced > 0)
                        break;
                ssize_t n = fd_read_full(reader->fd, reader->chunk, sizeof(reader->chunk));
                if (n < 0)
                        return error_errno(err, ERR_IO, (int)-n, "tar-split", "cannot read it");
                if (n == 0 && !inflater_is_complete(reader->inflater))
                        return corrupt(err, "end", "it is cut short");
                if (n == 0)
                        return 0;
                reader->input = (InflaterInput){ reader->chunk, (size_t)n };
        }
        reader->text.size += produced;
        return 1;
}

/* The next line without its newline: 1, or 0 at the end. It is at the front of reader->text. */
static int read_line(TarSplitReader *reader, size_t *ret_size, Error *err) {
        for (;;) {
                char *newline = NULL;
                if (reader->text.size > reader->searched)
                        newline = memchr(reader->text.data + reader->searched, '\n',
                                         reader->text.size - reader->searched);
                if (newline) {
                        *ret_size = (size_t)(newline - reader->text.data);
                        return 1;
                }
                reader->searched = reader->text.size;
                if (reader->text.size > TAR_SPLIT_LINE_MAX)
                        return corrupt(err, "line", "it is too long");
                int r = reader->is_at_end ? 0 : read_text(reader, err);
                if (r < 0)
                        return -1;
                if (r == 0) {
                        reader->is_at_end = true;
                        *ret_size = reader->text.size;
                        return reader->text.size > 0;
                }
        }
}

/* A base64 member, decoded; empty when missing or null. */
static int decode_member(const json_t *line, const char *key, void **ret, size_t *ret_size,
                         Error *err) {
        const json_t *value = json_object_get(line, key);

        *ret = NULL;
        *ret_size = 0;
        if (!value || json_is_null(value))
                return 0;
        if (!json_is_string(value) ||
            base64_decode(json_string_value(value), json_string_length(value), ret, ret_size) < 0)
                return corrupt(err, key, "no base64 text");
        return 0;
}

static int decode_file(TarSplitReader *reader, size_t payload_size, TarSplitEntry *ret,
                       Error *err) {
        const json_t *size = json_object_get(reader->line, "size");
        const char *name = json_string_value(json_object_get(reader->line, "name"));
        size_t raw_size;
        uint64_t crc = 0;

        if (!name) {
                void *raw;
                if (decode_member(reader->line, "name_raw", &raw, &raw_size, err) < 0)
                        return -1;
                reader->raw_name = raw;
                if (!raw || strlen(raw) != raw_size)
                        return corrupt(err, "name", "a file without a name");
                name = raw;
        }
        if (size && (!json_is_integer(size) || json_integer_value(size) < 0))
                return corrupt(err, name, "impossible size");
        ret->size = json_integer_value(size);
        if (ret->size > 0 && payload_size != sizeof(crc))
                return corrupt(err, name, "no checksum");
        if (ret->size > 0)
                memcpy(&crc, reader->payload, sizeof(crc));
        ret->is_file = true;
        ret->name = name;
        ret->crc = be64toh(crc);
        return 0;
}

static int decode_line(TarSplitReader *reader, const char *text, size_t size, TarSplitEntry *ret,
                       Error *err) {
        size_t payload_size;

        forget_entry(reader);
        *ret = (TarSplitEntry){ .is_file = false };
        reader->line = json_loadb(text, size, 0, NULL);
        if (!json_is_object(reader->line))
                return corrupt(err, "line", "no JSON object");
        if (decode_member(reader->line, "payload", &reader->payload, &payload_size, err) < 0)
                return -1;
        switch (json_integer_value(json_object_get(reader->line, "type"))) {
        case TYPE_FILE:
                return decode_file(reader, payload_size, ret, err);
        case TYPE_SEGMENT:
                ret->data = reader->payload;
                ret->data_size = payload_size;
                return 0;
        default:
                return corrupt(err, "type", "unknown kind of entry");
        }
}

int tar_split_read(TarSplitReader *reader, TarSplitEntry *ret, Error *err) {
        size_t size = 0;

        int r = read_line(reader, &size, err);
        if (r <= 0)
                return r;
        if (decode_line(reader, reader->text.data, size, ret, err) < 0)
                return -1;
        buffer_consume(&reader->text, size < reader->text.size ? size + 1 : size);
        reader->searched = 0;
        return 1;
}

/* Passes a file's content on if it is what it was. */
static int copy_file(int root_fd, const TarSplitEntry *entry, const TarSink *sink, Error *err) {
        char path[4096];
        _cleanup_free_ char *buffer = malloc(COPY_SIZE);
        uint64_t crc = 0;
        int64_t left = entry->size;

        if (!buffer)
                return error_errno(err, ERR_IO, ENOMEM, entry->name, "cannot read %s", entry->name);
        if (path_clean(entry->name, path, sizeof(path)) < 0)
                return corrupt(err, entry->name, "unusable name");
        /* Rebuilding a layer leaves no trace in it. */
        const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
        _cleanup_close_ int fd = path_open_in_root(root_fd, path, flags | O_NOATIME, 0);
        if (fd == -EPERM)
                fd = path_open_in_root(root_fd, path, flags, 0);
        if (fd < 0)
                return error_errno(err, ERR_CORRUPT, -fd, entry->name, "cannot open %s",
                                   entry->name);
        struct stat st;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != entry->size)
                return corrupt(err, entry->name, "the file has another size");
        while (left > 0) {
                ssize_t n = fd_read_full(fd, buffer, left < COPY_SIZE ? (size_t)left : COPY_SIZE);
                if (n < 0)
                        return error_errno(err, ERR_IO, (int)-n, entry->name, "cannot read %s",
                                           entry->name);
                if (n == 0)
                        return corrupt(err, entry->name, "the file has another size");
                crc = tar_split_checksum(crc, buffer, (size_t)n);
                if (sink->write(sink->userdata, buffer, (size_t)n, err) < 0)
                        return -1;
                left -= n;
        }
        if (crc != entry->crc)
                return corrupt(err, entry->name, "the file has another content");
        return 0;
}

int tar_split_assemble(int fd, int root_fd, const TarSink *sink, Error *err) {
        _cleanup_(tar_split_reader_freep)
        TarSplitReader *reader = tar_split_reader_new(fd);
        TarSplitEntry entry;
        int r;

        while ((r = tar_split_read(reader, &entry, err)) > 0) {
                if (entry.is_file && entry.size > 0)
                        r = copy_file(root_fd, &entry, sink, err);
                else if (!entry.is_file && entry.data_size > 0)
                        r = sink->write(sink->userdata, entry.data, entry.data_size, err);
                if (r < 0)
                        return -1;
        }
        return r;
}
