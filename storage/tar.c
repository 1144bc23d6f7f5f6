/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tar.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "storage/tar_header.h"

struct TarReader {
        TarSource source;
        const uint8_t *chunk; /* what is left of the source's last piece */
        size_t chunk_left;
        int64_t offset;

        int64_t content_left;
        size_t padding; /* after the content */
        bool is_at_end;

        Buffer raw;
        /*
         * What the headers in front of the next entry said; their texts, and what is read from
         * them.
         */
        Buffer pax_text, name_text, link_text;
        TarPax pax;
        TarHeader header;
        TarEntry entry;
};

TarReader *tar_reader_new(const TarSource *source) {
        TarReader *reader = xnew(TarReader, 1);

        reader->source = *source;
        reader->pax = (TarPax)TAR_PAX_INIT;
        return reader;
}

TarReader *tar_reader_free(TarReader *reader) {
        if (!reader)
                return NULL;
        buffer_done(&reader->raw);
        buffer_done(&reader->pax_text);
        buffer_done(&reader->name_text);
        buffer_done(&reader->link_text);
        tar_pax_done(&reader->pax);
        free(reader);
        return NULL;
}

const Buffer *tar_reader_raw(const TarReader *reader) {
        return &reader->raw;
}

static int corrupt(const TarReader *reader, Error *err, const char *what) {
        char where[32];

        snprintf(where, sizeof(where), "offset %" PRId64, reader->offset);
        return error_set(err, ERR_LAYER_CORRUPT, where,
                         "malformed tar stream at byte %" PRId64 ": %s", reader->offset, what);
}

/* Makes sure that the chunk is not empty: 1, or 0 at the end of the source. */
static int fill(TarReader *reader, Error *err) {
        while (reader->chunk_left == 0) {
                int r = reader->source.read(reader->source.userdata, &reader->chunk,
                                            &reader->chunk_left, err);
                if (r <= 0) {
                        reader->chunk_left = 0;
                        return r;
                }
        }
        return 1;
}

/* Up to @size bytes without a copy. */
static int take(TarReader *reader, size_t size, const uint8_t **ret_data, size_t *ret_size,
                Error *err) {
        int r = fill(reader, err);

        if (r <= 0)
                return r;
        *ret_data = reader->chunk;
        *ret_size = size < reader->chunk_left ? size : reader->chunk_left;
        reader->chunk += *ret_size;
        reader->chunk_left -= *ret_size;
        reader->offset += (int64_t)*ret_size;
        return 1;
}

/* Appends @size bytes to the raw bytes; returns how many there were before the source ended. */
static ssize_t read_raw(TarReader *reader, size_t size, Error *err) {
        size_t done = 0;

        if (reader->raw.size + size > TAR_HEADERS_MAX)
                return error_set(err, ERR_LIMIT, "tar",
                                 "more than %d bytes of headers for one entry", TAR_HEADERS_MAX);
        while (done < size) {
                const uint8_t *data;
                size_t n;
                int r = take(reader, size - done, &data, &n, err);
                if (r < 0)
                        return -1;
                if (r == 0)
                        break;
                buffer_append(&reader->raw, data, n);
                done += n;
        }
        if (buffer_failed(&reader->raw))
                return error_errno(err, ERR_IO, ENOMEM, "tar", "cannot read a header");
        return (ssize_t)done;
}

/* The next header block: 1, or 0 where the source ends instead. */
static int read_block(TarReader *reader, const uint8_t **ret, Error *err) {
        ssize_t n = read_raw(reader, TAR_BLOCK_SIZE, err);

        if (n < 0)
                return -1;
        if (n == 0)
                return 0;
        if (n < TAR_BLOCK_SIZE)
                return corrupt(reader, err, "it ends inside a header");
        *ret = (const uint8_t *)reader->raw.data + reader->raw.size - TAR_BLOCK_SIZE;
        return 1;
}

static size_t padding_of(int64_t size) {
        return (size_t)(-size & (TAR_BLOCK_SIZE - 1));
}

/* The content of a header that speaks about the next one, NUL-terminated. */
static int read_extra(TarReader *reader, Buffer *to, Error *err) {
        int64_t size = reader->header.size;

        if (size < 0)
                return corrupt(reader, err, "negative size");
        if (size > TAR_PAX_MAX)
                return error_set(err, ERR_LIMIT, "tar", "a header of %" PRId64 " bytes", size);
        size_t total = (size_t)size + padding_of(size), start = reader->raw.size;
        ssize_t n = read_raw(reader, total, err);
        if (n < 0)
                return -1;
        if ((size_t)n < total)
                return corrupt(reader, err, "it ends inside a header");
        buffer_consume(to, to->size);
        buffer_append(to, reader->raw.data + start, (size_t)size);
        buffer_append_byte(to, '\0');
        return buffer_failed(to) ? error_errno(err, ERR_IO, ENOMEM, "tar", "cannot read a header")
                                 : 0;
}

static int read_pax(TarReader *reader, Error *err) {
        if (read_extra(reader, &reader->pax_text, err) < 0)
                return -1;
        tar_pax_done(&reader->pax);
        if (tar_pax_parse(reader->pax_text.data, reader->pax_text.size - 1, &reader->pax) < 0)
                return corrupt(reader, err, "malformed PAX header");
        return 0;
}

/* Two zero blocks end an archive; so does the end of the source where a header would begin. */
static int read_end(TarReader *reader, Error *err) {
        const uint8_t *block = NULL;

        int r = read_block(reader, &block, err);
        if (r < 0)
                return -1;
        if (r > 0 && !tar_header_is_zero(block))
                return corrupt(reader, err, "one zero block alone");
        reader->is_at_end = true;
        return 0;
}

/* Before there was a flag for directories, they were empty files with a slash. */
static bool is_old_directory(const TarEntry *entry) {
        size_t length = strlen(entry->name);

        return entry->size == 0 && length > 0 && entry->name[length - 1] == '/';
}

static int kind_of(char flag, const TarEntry *entry, TarKind *ret) {
        switch (flag) {
        case '\0':
        case '0':
        case '7':
                *ret = is_old_directory(entry) ? TAR_DIRECTORY : TAR_FILE;
                return 0;
        case '1':
                *ret = TAR_HARDLINK;
                return 0;
        case '2':
                *ret = TAR_SYMLINK;
                return 0;
        case '3':
                *ret = TAR_CHAR_DEVICE;
                return 0;
        case '4':
                *ret = TAR_BLOCK_DEVICE;
                return 0;
        case '5':
                *ret = TAR_DIRECTORY;
                return 0;
        case '6':
                *ret = TAR_FIFO;
                return 0;
        default:
                return -EINVAL;
        }
}

static int check_entry(TarReader *reader, Error *err) {
        const TarEntry *entry = &reader->entry;
        const TarHeader *header = &reader->header;
        const TarPax *pax = &reader->pax;
        int64_t uid = pax->uid >= 0 ? pax->uid : header->uid;
        int64_t gid = pax->gid >= 0 ? pax->gid : header->gid;

        if (!*entry->name)
                return corrupt(reader, err, "an entry without a name");
        if (strlen(entry->name) > TAR_PATH_MAX || strlen(entry->link) > TAR_PATH_MAX)
                return error_set(err, ERR_LIMIT, entry->name, "a path of more than %d bytes",
                                 TAR_PATH_MAX);
        if (header->flag == TAR_FLAG_GNU_SPARSE || pax->is_sparse)
                return error_set(err, ERR_LAYER_CORRUPT, entry->name,
                                 "sparse files in layers are not supported: %s", entry->name);
        if (entry->size < 0 || entry->size > INT64_MAX - TAR_BLOCK_SIZE)
                return error_set(err, ERR_LAYER_CORRUPT, entry->name, "%s has an impossible size",
                                 entry->name);
        /* The largest number is chown's "leave it as it is". */
        if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
                return error_set(err, ERR_LAYER_CORRUPT, entry->name, "%s has an impossible owner",
                                 entry->name);
        if (header->major < 0 || header->major > UINT32_MAX || header->minor < 0 ||
            header->minor > UINT32_MAX)
                return error_set(err, ERR_LAYER_CORRUPT, entry->name,
                                 "%s has an impossible device number", entry->name);
        return 0;
}

/* Puts together what the header and those before it say. */
static int compose_entry(TarReader *reader, Error *err) {
        const TarHeader *header = &reader->header;
        const TarPax *pax = &reader->pax;
        TarEntry *entry = &reader->entry;

        *entry = (TarEntry){
                .name = reader->name_text.size > 1 ? reader->name_text.data
                        : pax->path                ? pax->path
                                                   : header->name,
                .link = reader->link_text.size > 1 ? reader->link_text.data
                        : pax->link                ? pax->link
                                                   : header->link,
                .size = pax->size >= 0 ? pax->size : header->size,
                .mode = (mode_t)header->mode & 07777,
                .uid = (uint32_t)(pax->uid >= 0 ? pax->uid : header->uid),
                .gid = (uint32_t)(pax->gid >= 0 ? pax->gid : header->gid),
                .major = (uint32_t)header->major,
                .minor = (uint32_t)header->minor,
                .mtime = pax->has_mtime ? pax->mtime : (struct timespec){ .tv_sec = header->mtime },
                .xattrs = pax->xattrs,
                .xattrs_count = pax->xattrs_count,
        };
        entry->atime = pax->has_atime              ? pax->atime
                       : header->atime > INT64_MIN ? (struct timespec){ .tv_sec = header->atime }
                                                   : entry->mtime;
        if (check_entry(reader, err) < 0)
                return -1;
        if (kind_of(header->flag, entry, &entry->kind) < 0)
                return error_set(err, ERR_LAYER_CORRUPT, entry->name,
                                 "%s is of a kind that layers cannot have (0x%02x)", entry->name,
                                 (unsigned char)header->flag);
        if (entry->kind != TAR_FILE)
                entry->size = 0;
        reader->content_left = entry->size;
        reader->padding = padding_of(entry->size);
        return 0;
}

/*
 * A global header has no say over members (Go's reader ignores it too), but it is part of the
 * stream.
 */
static int skip_global(TarReader *reader, const TarEntry **ret, Error *err) {
        Buffer text = BUFFER_INIT;

        int r = read_extra(reader, &text, err);
        buffer_done(&text);
        if (r < 0)
                return -1;
        reader->entry = (TarEntry){ .kind = TAR_GLOBAL, .name = "pax_global_header", .link = "" };
        *ret = &reader->entry;
        return 1;
}

static void forget_entry(TarReader *reader) {
        buffer_consume(&reader->raw, reader->raw.size);
        buffer_consume(&reader->pax_text, reader->pax_text.size);
        buffer_consume(&reader->name_text, reader->name_text.size);
        buffer_consume(&reader->link_text, reader->link_text.size);
        tar_pax_done(&reader->pax);
}

int tar_reader_next(TarReader *reader, const TarEntry **ret, Error *err) {
        assert(reader->content_left == 0);
        forget_entry(reader);
        ssize_t padding = read_raw(reader, reader->padding, err);
        if (padding < 0)
                return -1;
        if ((size_t)padding < reader->padding)
                return corrupt(reader, err, "it ends after the content of a file");
        reader->padding = 0;

        for (;;) {
                const uint8_t *block = NULL;
                int r = read_block(reader, &block, err);
                if (r < 0)
                        return -1;
                if (r == 0) {
                        reader->is_at_end = true;
                        return 0;
                }
                if (tar_header_is_zero(block))
                        return read_end(reader, err);
                r = tar_header_parse(block, &reader->header);
                if (r < 0)
                        return corrupt(reader, err,
                                       r == -EBADMSG ? "no tar header (wrong checksum)"
                                                     : "a number in a header is malformed");
                switch (reader->header.flag) {
                case TAR_FLAG_PAX:
                        r = read_pax(reader, err);
                        break;
                case TAR_FLAG_LONG_NAME:
                        r = read_extra(reader, &reader->name_text, err);
                        break;
                case TAR_FLAG_LONG_LINK:
                        r = read_extra(reader, &reader->link_text, err);
                        break;
                case TAR_FLAG_GLOBAL:
                        return skip_global(reader, ret, err);
                default:
                        if (compose_entry(reader, err) < 0)
                                return -1;
                        *ret = &reader->entry;
                        return 1;
                }
                if (r < 0)
                        return -1;
        }
}

int tar_reader_data(TarReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        if (reader->content_left == 0)
                return 0;
        size_t want = (uint64_t)reader->content_left < SIZE_MAX ? (size_t)reader->content_left
                                                                : SIZE_MAX;
        int r = take(reader, want, ret_data, ret_size, err);
        if (r < 0)
                return -1;
        if (r == 0)
                return error_set(err, ERR_LAYER_CORRUPT, reader->entry.name,
                                 "the stream ends inside %s", reader->entry.name);
        reader->content_left -= (int64_t)*ret_size;
        return 1;
}

int tar_reader_skip(TarReader *reader, int (*skip)(void *userdata, int64_t size, Error *err),
                    Error *err) {
        const uint8_t *data;
        size_t size;
        int r;

        if (skip && (uint64_t)reader->content_left > reader->chunk_left) {
                int64_t ahead = reader->content_left - (int64_t)reader->chunk_left;
                if (skip(reader->source.userdata, ahead, err) < 0)
                        return -1;
                reader->offset += reader->content_left;
                reader->content_left = 0;
                reader->chunk_left = 0;
        }
        while ((r = tar_reader_data(reader, &data, &size, err)) > 0) {}
        return r;
}

int64_t tar_reader_offset(const TarReader *reader) {
        return reader->offset;
}

int tar_reader_rest(TarReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        assert(reader->is_at_end);
        return take(reader, SIZE_MAX, ret_data, ret_size, err);
}
