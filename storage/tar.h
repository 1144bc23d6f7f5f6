/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A streaming tar reader for layers: ustar, PAX, GNU long names, base-256 numbers.
 *
 * Own code rather than libarchive's because a layer must be rebuilt byte for byte later: besides
 * the meaning of each header the caller gets its raw bytes, and the padding before it. What a
 * header means follows Go's archive/tar, which is what the other tools read with: global PAX
 * headers change nothing, links and directories have no content whatever their size says, sparse
 * files are refused.
 *
 * Input is hostile. Nothing here touches the file system.
 */

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buffer.h"
#include "base/error.h"

#define TAR_BLOCK_SIZE  512
#define TAR_PATH_MAX    4095              /* bytes of a name or link target */
#define TAR_PAX_MAX     (1024 * 1024)     /* bytes of one PAX header or GNU long name */
#define TAR_HEADERS_MAX (4 * 1024 * 1024) /* bytes of all headers in front of one entry */

/*
 * Where the bytes come from: 1 and some bytes that stay until the next call, 0 at the end, -1 and
 * @err.
 */
typedef struct TarSource {
        int (*read)(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err);
        void *userdata;
} TarSource;

/* Takes the bytes of a stream that is written; -1 and @err stop it. */
typedef struct TarSink {
        int (*write)(void *userdata, const void *data, size_t size, Error *err);
        void *userdata;
} TarSink;

typedef enum TarKind {
        TAR_FILE,
        TAR_HARDLINK,
        TAR_SYMLINK,
        TAR_CHAR_DEVICE,
        TAR_BLOCK_DEVICE,
        TAR_DIRECTORY,
        TAR_FIFO,
        TAR_GLOBAL, /* a global PAX header: not a member, passed on for its place in the stream */
} TarKind;

typedef struct TarXattr {
        const char *name; /* without the PAX prefix */
        const void *value;
        size_t size;
} TarXattr;

/* One member; everything it points to stays until the next tar_reader_next(). */
typedef struct TarEntry {
        TarKind kind;
        const char *name; /* as in the header, not cleaned; not empty */
        const char *link; /* target; "" for what is no link */
        int64_t size;     /* bytes of content that follow; 0 unless TAR_FILE */
        mode_t mode;      /* permission bits, setuid, setgid, sticky */
        uint32_t uid, gid;
        struct timespec mtime, atime; /* atime is mtime where the header has none */
        uint32_t major, minor;
        const TarXattr *xattrs;
        size_t xattrs_count;
} TarEntry;

typedef struct TarReader TarReader;

TarReader *tar_reader_new(const TarSource *source);
TarReader *tar_reader_free(TarReader *reader);
DEFINE_CLEANUP(TarReader, tar_reader_free);

/**
 * tar_reader_next() - the next member; the content of the last one was read to its end
 *
 * Returns 1, or 0 at the end of the archive. ERR_LAYER_CORRUPT (subject: the entry, or the offset),
 * ERR_LIMIT, and what the source sets.
 */
int tar_reader_next(TarReader *reader, const TarEntry **ret, Error *err);

/** tar_reader_data() - more of the member's content: 1, or 0 at its end */
int tar_reader_data(TarReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err);

/**
 * tar_reader_skip() - leave out what is left of the member's content
 * @skip: leaves out bytes of the source, with its userdata; NULL: they are read
 */
int tar_reader_skip(TarReader *reader, int (*skip)(void *userdata, int64_t size, Error *err),
                    Error *err);

/** tar_reader_offset() - bytes of the stream up to here: after next(), where the content begins */
int64_t tar_reader_offset(const TarReader *reader);

/**
 * tar_reader_raw() - all bytes since the last content: padding, headers, end blocks; until the next
 * tar_reader_next()
 */
const Buffer *tar_reader_raw(const TarReader *reader);

/** tar_reader_rest() - bytes past the end of the archive: 1, or 0 when there are no more */
int tar_reader_rest(TarReader *reader, const uint8_t **ret_data, size_t *ret_size, Error *err);
