/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The 512-byte tar header and the records of a PAX header, without the stream they come in. */

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "storage/tar.h"

/* Type flags that carry something about the next header. */
#define TAR_FLAG_PAX        'x'
#define TAR_FLAG_GLOBAL     'g'
#define TAR_FLAG_LONG_NAME  'L'
#define TAR_FLAG_LONG_LINK  'K'
#define TAR_FLAG_GNU_SPARSE 'S'

/* What one header block says; numbers that do not fit are an error of tar_header_parse(). */
typedef struct TarHeader {
        char flag;
        char name[256 + 2]; /* prefix '/' name */
        char link[101];
        int64_t size, mtime, atime; /* atime: INT64_MIN if the format has none */
        int64_t mode, uid, gid, major, minor;
} TarHeader;

/** tar_header_is_zero() - an end-of-archive block */
bool tar_header_is_zero(const uint8_t block[static TAR_BLOCK_SIZE]);

/** tar_header_parse() - 0, or -EBADMSG (checksum), -EINVAL (a malformed number) */
int tar_header_parse(const uint8_t block[static TAR_BLOCK_SIZE], TarHeader *ret);

/* What the records of a PAX header override; strings point into the parsed text. */
typedef struct TarPax {
        const char *path, *link; /* NULL: not given */
        int64_t size, uid, gid;  /* -1: not given */
        struct timespec mtime, atime;
        bool has_mtime, has_atime;
        bool is_sparse;
        TarXattr *xattrs; /* heap */
        size_t xattrs_count, xattrs_capacity;
} TarPax;

#define TAR_PAX_INIT \
        { .size = -1, .uid = -1, .gid = -1 }

void tar_pax_done(TarPax *pax);

/**
 * tar_pax_parse() - read all records of a PAX header
 * @text: its content; changed, and borrowed for as long as @pax is used
 *
 * Later records win. 0 or -EINVAL.
 */
int tar_pax_parse(char *text, size_t size, TarPax *pax);
