/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tar_header.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/timestamp.h"

/* Fields of the header block, as POSIX.1-1988 and GNU tar lay them out. */
#define NAME         0, 100
#define MODE         100, 8
#define UID          108, 8
#define GID          116, 8
#define SIZE         124, 12
#define MTIME        136, 12
#define CHECKSUM     148
#define CHECKSUM_END 156
#define FLAG         156
#define LINK         157, 100
#define MAGIC        257
#define MAJOR        329, 8
#define MINOR        337, 8
#define PREFIX       345, 155
#define STAR_PREFIX  345, 131
#define STAR_MAGIC   508
#define GNU_ATIME    345, 12

bool tar_header_is_zero(const uint8_t block[static TAR_BLOCK_SIZE]) {
        static const uint8_t zero[TAR_BLOCK_SIZE];

        return memcmp(block, zero, TAR_BLOCK_SIZE) == 0;
}

/* Base 256, big-endian two's complement; the top bit of the first byte only marks the encoding. */
static int parse_binary(const uint8_t *field, size_t size, int64_t *ret) {
        bool is_negative = field[0] & 0x40;
        uint64_t value = is_negative ? UINT64_MAX : 0;

        for (size_t i = 0; i < size; i++) {
                uint8_t byte = i > 0 ? field[i] : is_negative ? field[0] | 0x80 : field[0] & 0x7f;
                if (value >> 55 != (is_negative ? 0x1ff : 0))
                        return -EINVAL;
                value = value << 8 | byte;
        }
        *ret = (int64_t)value;
        return 0;
}

/* Octal digits between spaces and NULs; an empty field is 0. */
static int parse_number(const uint8_t *block, size_t offset, size_t size, int64_t *ret) {
        const uint8_t *field = block + offset, *end = field + size;
        int64_t value = 0;

        if (field[0] & 0x80)
                return parse_binary(field, size, ret);
        while (field < end && (*field == ' ' || *field == '\0'))
                field++;
        for (; field < end && *field >= '0' && *field <= '7'; field++)
                value = value * 8 + (*field - '0'); /* 12 digits at most: fits */
        if (field < end && *field != ' ' && *field != '\0')
                return -EINVAL;
        *ret = value;
        return 0;
}

static size_t copy_text(char *to, const uint8_t *block, size_t offset, size_t size) {
        size_t length = strnlen((const char *)block + offset, size);

        memcpy(to, block + offset, length);
        to[length] = '\0';
        return length;
}

/* The sum of all bytes, the checksum's own counting as spaces; some tars summed signed bytes. */
static bool checksum_is_right(const uint8_t *block) {
        int64_t stored, sum = 0, signed_sum = 0;

        if (parse_number(block, CHECKSUM, CHECKSUM_END - CHECKSUM, &stored) < 0)
                return false;
        for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
                uint8_t byte = i >= CHECKSUM && i < CHECKSUM_END ? ' ' : block[i];
                sum += byte;
                signed_sum += (int8_t)byte;
        }
        return stored == sum || stored == signed_sum;
}

/* The fields past the magic, whose meaning depends on it. */
static int parse_extension(const uint8_t *block, TarHeader *header) {
        const char *magic = (const char *)block + MAGIC;
        bool is_posix = memcmp(magic, "ustar\0", 6) == 0;
        bool is_gnu = memcmp(magic, "ustar  ", 8) == 0;
        char prefix[156];

        if (!is_posix && !is_gnu)
                return 0;
        if (parse_number(block, MAJOR, &header->major) < 0 ||
            parse_number(block, MINOR, &header->minor) < 0)
                return -EINVAL;
        if (is_gnu) {
                /* Old writers put other things there: what is no number is no time either. */
                if (block[345] != 0 && parse_number(block, GNU_ATIME, &header->atime) < 0)
                        header->atime = INT64_MIN;
                return 0;
        }
        size_t n = memcmp(block + STAR_MAGIC, "tar\0", 4) == 0
                           ? copy_text(prefix, block, STAR_PREFIX)
                           : copy_text(prefix, block, PREFIX);
        if (n > 0) {
                size_t length = strlen(header->name);
                memmove(header->name + n + 1, header->name, length + 1);
                memcpy(header->name, prefix, n);
                header->name[n] = '/';
        }
        return 0;
}

int tar_header_parse(const uint8_t block[static TAR_BLOCK_SIZE], TarHeader *ret) {
        TarHeader header = { .flag = (char)block[FLAG], .atime = INT64_MIN };

        if (!checksum_is_right(block))
                return -EBADMSG;
        (void)copy_text(header.name, block, NAME);
        (void)copy_text(header.link, block, LINK);
        if (parse_number(block, MODE, &header.mode) < 0 ||
            parse_number(block, UID, &header.uid) < 0 ||
            parse_number(block, GID, &header.gid) < 0 ||
            parse_number(block, SIZE, &header.size) < 0 ||
            parse_number(block, MTIME, &header.mtime) < 0 || parse_extension(block, &header) < 0)
                return -EINVAL;
        *ret = header;
        return 0;
}

void tar_pax_done(TarPax *pax) {
        free(pax->xattrs);
        *pax = (TarPax)TAR_PAX_INIT;
}

static int parse_decimal(const char *text, int64_t *ret) {
        char *end;

        if (*text < '0' || *text > '9')
                return -EINVAL;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (errno != 0 || *end != '\0')
                return -EINVAL;
        *ret = value;
        return 0;
}

/* `-1.5` is one and a half seconds before 1970: -2 s and 500,000,000 ns. */
static int parse_time(const char *text, struct timespec *ret) {
        bool is_negative = *text == '-';
        const char *point = strchr(text, '.');
        long fraction = 0;
        int64_t seconds;

        _cleanup_free_ char *whole =
                xstrndup(text + is_negative,
                         (size_t)((point ? point : text + strlen(text)) - text) - is_negative);
        if (parse_decimal(whole, &seconds) < 0)
                return -EINVAL;
        if (point) {
                long unit = NS_PER_SEC / 10;
                for (const char *p = point + 1; *p; p++, unit /= 10) {
                        if (*p < '0' || *p > '9')
                                return -EINVAL;
                        fraction += (*p - '0') * unit;
                }
        }
        if (is_negative) {
                seconds = -seconds - (fraction > 0);
                fraction = fraction > 0 ? NS_PER_SEC - fraction : 0;
        }
        *ret = (struct timespec){ .tv_sec = seconds, .tv_nsec = fraction };
        return 0;
}

static void add_xattr(TarPax *pax, const char *name, const char *value, size_t size) {
        for (size_t i = 0; i < pax->xattrs_count; i++)
                if (text_equal(pax->xattrs[i].name, name)) {
                        pax->xattrs[i] = (TarXattr){ name, value, size };
                        return;
                }
        GROW(pax->xattrs, pax->xattrs_count, pax->xattrs_capacity);
        pax->xattrs[pax->xattrs_count++] = (TarXattr){ name, value, size };
}

/* An empty value takes an override back. */
static int apply_record(TarPax *pax, const char *key, char *value, size_t size) {
        const char *xattr = text_starts_with(key, "SCHILY.xattr.");
        bool has_nul = strlen(value) != size;

        if (xattr) {
                add_xattr(pax, xattr, value, size);
                return 0;
        }
        if (text_equal(key, "path") || text_equal(key, "linkpath")) {
                const char **field = *key == 'p' ? &pax->path : &pax->link;
                *field = size > 0 ? value : NULL;
                return has_nul ? -EINVAL : 0;
        }
        if (text_equal(key, "size"))
                return size == 0 ? 0 : parse_decimal(value, &pax->size);
        if (text_equal(key, "uid"))
                return size == 0 ? 0 : parse_decimal(value, &pax->uid);
        if (text_equal(key, "gid"))
                return size == 0 ? 0 : parse_decimal(value, &pax->gid);
        if (text_equal(key, "mtime") && size > 0) {
                pax->has_mtime = true;
                return parse_time(value, &pax->mtime);
        }
        if (text_equal(key, "atime") && size > 0) {
                pax->has_atime = true;
                return parse_time(value, &pax->atime);
        }
        if (text_starts_with(key, "GNU.sparse."))
                pax->is_sparse = true;
        return 0;
}

/* Records are `<length> <key>=<value>\n`; the length counts all of it, itself included. */
int tar_pax_parse(char *text, size_t size, TarPax *pax) {
        char *at = text, *end = text + size;

        while (at < end) {
                size_t length = 0;
                char *p = at;
                for (; p < end && *p >= '0' && *p <= '9' && length <= TAR_PAX_MAX; p++)
                        length = length * 10 + (size_t)(*p - '0');
                if (p == at || p == end || *p != ' ' || length > (size_t)(end - at))
                        return -EINVAL;
                char *key = p + 1, *last = at + length - 1;
                if (key >= last || *last != '\n')
                        return -EINVAL;
                char *equals = memchr(key, '=', (size_t)(last - key));
                if (!equals || equals == key || memchr(key, '\0', (size_t)(equals - key)))
                        return -EINVAL;
                *equals = *last = '\0';
                if (apply_record(pax, key, equals + 1, (size_t)(last - equals) - 1) < 0)
                        return -EINVAL;
                at = last + 1;
        }
        return 0;
}
