/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The members of a tar archive, found by name and read by offset.
 *
 * The archive is listed once; of what is between the headers nothing is read. So any number of
 * threads can read different members of it at once. One that is compressed as a whole is inflated
 * into a nameless file first, as podman does.
 *
 * Nothing is ever extracted, so names only have to agree with one another: they are cleaned as
 * text, and what would lead out of the archive is not found. Of two members of one name the
 * first counts, as with podman.
 */

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define ARCHIVE_MEMBERS_MAX 65536
#define ARCHIVE_NAMES_MAX   (16 * 1024 * 1024) /* bytes of all names and link targets */
#define ARCHIVE_LINKS_MAX   8                  /* that lead to one another */

typedef struct Archive Archive;

typedef struct ArchiveMember {
        int64_t offset, size;
        char *link; /* another name; NULL: a file; "": one that leads out */
} ArchiveMember;

/**
 * archive_open() - list one
 * @path: trusted, what is in it not
 *
 * Errors: ERR_NOT_FOUND, ERR_LAYER_CORRUPT (no tar, a broken one), ERR_LIMIT, ERR_UNSUPPORTED,
 * ERR_NO_SPACE, ERR_IO.
 */
int archive_open(Archive **ret, const char *path, Error *err);
Archive *archive_free(Archive *archive);
DEFINE_CLEANUP(Archive, archive_free);

/** archive_fd() - where members are read from by offset; borrowed, its position is of no meaning */
int archive_fd(const Archive *archive);

/** archive_has() - whether there is a member of that name, of whatever kind */
bool archive_has(const Archive *archive, const char *name);

/**
 * archive_find() - the file of a name, also through links
 *
 * Borrowed, or NULL: ERR_NOT_FOUND, ERR_INVALID (it leads out of the archive, or in a circle).
 */
const ArchiveMember *archive_find(const Archive *archive, const char *name, Error *err);

/** archive_read() - a whole small file; also ERR_LIMIT (more than @size_max bytes) */
int archive_read(const Archive *archive, const char *name, size_t size_max, Buffer *ret,
                 Error *err);
