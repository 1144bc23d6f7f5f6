/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tar_write.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/timestamp.h"
#include "storage/tar_header.h"

/* What is given to the sink at once; content of at least this size goes there without a copy. */
#define PIECE_SIZE (64 * 1024)

/* The largest numbers of the octal fields of 8 and 12 bytes. */
#define OCTAL_7_MAX  INT64_C(07777777)
#define OCTAL_11_MAX INT64_C(077777777777)

/* The header of ustar (POSIX.1-2001, "ustar Interchange Format"). */
typedef struct Header {
        char name[100];
        char mode[8], uid[8], gid[8];
        char size[12], mtime[12];
        char checksum[8];
        char flag;
        char link[100];
        char magic[6], version[2];
        char user[32], group[32];
        char major[8], minor[8];
        char prefix[155];
        char padding[12];
} Header;

_Static_assert(sizeof(Header) == TAR_BLOCK_SIZE, "a header is one block");

struct TarWriter {
        TarSink sink;
        Buffer piece;
        Buffer pax;   /* records for the next member */
        int64_t left; /* of the member's content */
        size_t padding;
};

TarWriter *tar_writer_new(const TarSink *sink) {
        TarWriter *writer = xnew(TarWriter, 1);

        writer->sink = *sink;
        return writer;
}

TarWriter *tar_writer_free(TarWriter *writer) {
        if (!writer)
                return NULL;
        buffer_done(&writer->piece);
        buffer_done(&writer->pax);
        free(writer);
        return NULL;
}

static int flush(TarWriter *writer, Error *err) {
        if (buffer_failed(&writer->piece))
                return error_errno(err, ERR_IO, ENOMEM, "tar", "cannot write a tar");
        if (writer->piece.size == 0)
                return 0;
        int r = writer->sink.write(writer->sink.userdata, writer->piece.data, writer->piece.size,
                                   err);
        writer->piece.size = 0;
        return r < 0 ? -1 : 0;
}

static int put(TarWriter *writer, const void *data, size_t size, Error *err) {
        if (writer->piece.size + size > PIECE_SIZE && flush(writer, err) < 0)
                return -1;
        if (size >= PIECE_SIZE)
                return writer->sink.write(writer->sink.userdata, data, size, err) < 0 ? -1 : 0;
        buffer_append(&writer->piece, data, size);
        return 0;
}

static int put_zeros(TarWriter *writer, size_t size, Error *err) {
        static const char zeros[2 * TAR_BLOCK_SIZE];

        assert(size <= sizeof(zeros));
        return put(writer, zeros, size, err);
}

/* A number in a field of @width bytes, the last a NUL; what does not fit is said in PAX. */
static void put_octal(char *field, size_t width, int64_t value) {
        char text[24];

        int n = snprintf(text, sizeof(text), "%0*" PRIo64, (int)width - 1, (uint64_t)value);
        assert(n == (int)width - 1);
        memcpy(field, text, width);
}

static void put_text(char *field, size_t width, const char *text, size_t length) {
        memcpy(field, text, length < width ? length : width);
}

static void seal(Header *header) {
        const unsigned char *bytes = (const unsigned char *)header;
        unsigned sum = 0;

        memcpy(header->magic, "ustar", sizeof(header->magic));
        memcpy(header->version, "00", sizeof(header->version));
        memset(header->checksum, ' ', sizeof(header->checksum));
        for (size_t i = 0; i < sizeof(*header); i++)
                sum += bytes[i];
        put_octal(header->checksum, sizeof(header->checksum) - 1, sum);
}

/* `<length> <key>=<value>\n`, where the length counts itself. */
static void add_record(Buffer *pax, const char *prefix, const char *key, const void *value,
                       size_t size) {
        size_t rest = strlen(prefix) + strlen(key) + size + 3; /* blank, equals sign, newline */
        size_t total = rest, digits;

        do {
                digits = (size_t)snprintf(NULL, 0, "%zu", total);
                if (rest + digits == total)
                        break;
                total = rest + digits;
        } while (true);
        buffer_printf(pax, "%zu %s%s=", total, prefix, key);
        buffer_append(pax, value, size);
        buffer_append_byte(pax, '\n');
}

static void add_number(Buffer *pax, const char *key, uint64_t value) {
        char text[24];

        int n = snprintf(text, sizeof(text), "%" PRIu64, value);
        add_record(pax, "", key, text, (size_t)n);
}

/* One and a half seconds before 1970 are -2 s and 500,000,000 ns, and are written -1.5. */
static void add_time(Buffer *pax, const char *key, struct timespec time) {
        bool is_negative = time.tv_sec < 0;
        uint64_t seconds = (uint64_t)time.tv_sec;
        char text[40];

        if (is_negative) {
                seconds = -seconds - (time.tv_nsec > 0);
                time.tv_nsec = time.tv_nsec > 0 ? NS_PER_SEC - time.tv_nsec : 0;
        }
        int n = snprintf(text, sizeof(text), "%s%" PRIu64 ".%09ld", is_negative ? "-" : "", seconds,
                         time.tv_nsec);
        while (text[n - 1] == '0')
                n--;
        if (text[n - 1] == '.')
                n--;
        add_record(pax, "", key, text, (size_t)n);
}

static bool is_ascii(const char *s) {
        for (; *s; s++)
                if ((unsigned char)*s >= 0x80)
                        return false;
        return true;
}

/* Splits a name between the two fields for it: false if that cannot be. */
static bool put_name(Header *header, const char *name, size_t length) {
        if (length <= sizeof(header->name)) {
                memcpy(header->name, name, length);
                return true;
        }
        if (length > sizeof(header->name) + 1 + sizeof(header->prefix))
                return false;
        /* The first slash that leaves a short enough rest; the rest of a directory is not empty. */
        const char *slash = strchr(name + length - sizeof(header->name) - 1, '/');
        if (!slash || slash == name || slash[1] == '\0' ||
            (size_t)(slash - name) > sizeof(header->prefix))
                return false;
        memcpy(header->prefix, name, (size_t)(slash - name));
        memcpy(header->name, slash + 1, length - (size_t)(slash - name) - 1);
        return true;
}

static void describe_name(TarWriter *writer, Header *header, const TarEntry *entry) {
        char name[TAR_PATH_MAX + 2];
        size_t length = strlen(entry->name);

        memcpy(name, entry->name, length + 1);
        if (entry->kind == TAR_DIRECTORY && name[length - 1] != '/')
                memcpy(name + length++, "/", 2);
        if (!is_ascii(name) || !put_name(header, name, length)) {
                add_record(&writer->pax, "", "path", name, length);
                put_text(header->name, sizeof(header->name), name, length);
        }
}

static void describe_link(TarWriter *writer, Header *header, const TarEntry *entry) {
        size_t length = strlen(entry->link);

        if (length > sizeof(header->link) || !is_ascii(entry->link))
                add_record(&writer->pax, "", "linkpath", entry->link, length);
        put_text(header->link, sizeof(header->link), entry->link, length);
}

static int64_t describe_number(TarWriter *writer, const char *key, int64_t value, int64_t max) {
        if (value <= max)
                return value;
        add_number(&writer->pax, key, (uint64_t)value);
        return 0;
}

static char flag_of(TarKind kind) {
        static const char flags[] = {
                [TAR_FILE] = '0',        [TAR_HARDLINK] = '1',     [TAR_SYMLINK] = '2',
                [TAR_CHAR_DEVICE] = '3', [TAR_BLOCK_DEVICE] = '4', [TAR_DIRECTORY] = '5',
                [TAR_FIFO] = '6',
        };

        assert((size_t)kind < sizeof(flags));
        return flags[kind];
}

/* Fills the header, and collects in writer->pax what it cannot hold. */
static void describe(TarWriter *writer, Header *header, const TarEntry *entry) {
        int64_t seconds = entry->mtime.tv_sec;

        header->flag = flag_of(entry->kind);
        describe_name(writer, header, entry);
        if (entry->kind == TAR_HARDLINK || entry->kind == TAR_SYMLINK)
                describe_link(writer, header, entry);
        put_octal(header->mode, sizeof(header->mode), entry->mode & 07777);
        put_octal(header->uid, sizeof(header->uid),
                  describe_number(writer, "uid", entry->uid, OCTAL_7_MAX));
        put_octal(header->gid, sizeof(header->gid),
                  describe_number(writer, "gid", entry->gid, OCTAL_7_MAX));
        put_octal(header->size, sizeof(header->size),
                  describe_number(writer, "size", entry->size, OCTAL_11_MAX));
        put_octal(header->major, sizeof(header->major), entry->major & OCTAL_7_MAX);
        put_octal(header->minor, sizeof(header->minor), entry->minor & OCTAL_7_MAX);
        if (seconds < 0 || seconds > OCTAL_11_MAX || entry->mtime.tv_nsec > 0) {
                add_time(&writer->pax, "mtime", entry->mtime);
                seconds = seconds < 0 || seconds > OCTAL_11_MAX ? 0 : seconds;
        }
        put_octal(header->mtime, sizeof(header->mtime), seconds);
        for (size_t i = 0; i < entry->xattrs_count; i++) {
                const TarXattr *x = &entry->xattrs[i];
                if (!strchr(x->name, '='))
                        add_record(&writer->pax, "SCHILY.xattr.", x->name, x->value, x->size);
        }
        seal(header);
}

static size_t padding_of(int64_t size) {
        return (size_t)(-size & (TAR_BLOCK_SIZE - 1));
}

static int put_pax(TarWriter *writer, const TarEntry *entry, Error *err) {
        Header header = { .flag = TAR_FLAG_PAX, .name = "PaxHeaders.0/" };
        const char *slash = strrchr(entry->name, '/');
        const char *base = slash && slash[1] ? slash + 1 : entry->name;
        size_t used = strlen(header.name);

        if (buffer_failed(&writer->pax))
                return error_errno(err, ERR_IO, ENOMEM, entry->name, "cannot write a tar");
        if (writer->pax.size > TAR_PAX_MAX)
                return error_set(err, ERR_LIMIT, entry->name, "%s has attributes of %zu bytes",
                                 entry->name, writer->pax.size);
        put_text(header.name + used, sizeof(header.name) - used, base, strlen(base));
        put_octal(header.mode, sizeof(header.mode), 0);
        put_octal(header.uid, sizeof(header.uid), 0);
        put_octal(header.gid, sizeof(header.gid), 0);
        put_octal(header.size, sizeof(header.size), (int64_t)writer->pax.size);
        put_octal(header.mtime, sizeof(header.mtime), 0);
        put_octal(header.major, sizeof(header.major), 0);
        put_octal(header.minor, sizeof(header.minor), 0);
        seal(&header);
        if (put(writer, &header, sizeof(header), err) < 0 ||
            put(writer, writer->pax.data, writer->pax.size, err) < 0)
                return -1;
        return put_zeros(writer, padding_of((int64_t)writer->pax.size), err);
}

int tar_writer_add(TarWriter *writer, const TarEntry *entry, Error *err) {
        Header header = { .flag = 0 };

        assert(writer->left == 0 && *entry->name);
        assert(entry->size == 0 || entry->kind == TAR_FILE);
        if (strlen(entry->name) >= TAR_PATH_MAX ||
            (entry->link && strlen(entry->link) > TAR_PATH_MAX))
                return error_set(err, ERR_LIMIT, entry->name, "a path of more than %d bytes",
                                 TAR_PATH_MAX - 1);
        buffer_consume(&writer->pax, writer->pax.size);
        describe(writer, &header, entry);
        if ((writer->pax.size > 0 && put_pax(writer, entry, err) < 0) ||
            put(writer, &header, sizeof(header), err) < 0)
                return -1;
        writer->left = entry->size;
        writer->padding = padding_of(entry->size);
        return 0;
}

int tar_writer_data(TarWriter *writer, const void *data, size_t size, Error *err) {
        assert((int64_t)size <= writer->left);
        if (put(writer, data, size, err) < 0)
                return -1;
        writer->left -= (int64_t)size;
        if (writer->left > 0)
                return 0;
        size_t padding = writer->padding;
        writer->padding = 0;
        return put_zeros(writer, padding, err);
}

int64_t tar_writer_left(const TarWriter *writer) {
        return writer->left;
}

int tar_writer_finish(TarWriter *writer, Error *err) {
        assert(writer->left == 0);
        return put_zeros(writer, 2 * TAR_BLOCK_SIZE, err) < 0 ? -1 : flush(writer, err);
}
