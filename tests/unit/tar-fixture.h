/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tar streams for tests, made field by field, so that each field can also be made wrong. */

#include <stdint.h>

#include "base/buffer.h"

typedef struct TarMember {
        char flag; /* '0' when 0 */
        const char *name;
        const char *link;
        const void *content;
        size_t size;
        unsigned mode; /* 0644 when 0 */
        uint64_t uid, gid;
        int64_t mtime;
        unsigned major, minor;
} TarMember;

/** tar_add() - one header block, the content, the padding */
void tar_add(Buffer *tar, const TarMember *member);

/** tar_add_file() - a regular file with text in it */
void tar_add_file(Buffer *tar, const char *name, const char *text);
void tar_add_dir(Buffer *tar, const char *name);
void tar_add_link(Buffer *tar, char flag, const char *name, const char *target);

/** tar_add_pax() - a PAX header ('x' or 'g') with one record; call pax_record() for more in one */
void tar_add_pax(Buffer *tar, char flag, const char *key, const void *value, size_t size);

/** pax_record() - append `<length> <key>=<value>\n` */
void pax_record(Buffer *records, const char *key, const void *value, size_t size);

/** tar_add_end() - two zero blocks */
void tar_add_end(Buffer *tar);

/** tar_fix_checksum() - make the checksum of the header block at @offset right again */
void tar_fix_checksum(Buffer *tar, size_t offset);
