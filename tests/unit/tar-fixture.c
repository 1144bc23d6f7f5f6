/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tar-fixture.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512

static void put_octal(char *field, size_t size, uint64_t value) {
        char text[32];

        snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
        memcpy(field, text, size);
}

/* Base 256 for what is negative or does not fit. */
static void put_number(char *field, size_t size, int64_t value) {
        if (value >= 0 && (uint64_t)value >> (3 * (size - 1)) == 0) {
                put_octal(field, size, (uint64_t)value);
                return;
        }
        for (size_t i = size; i-- > 0; value >>= 8)
                field[i] = (char)value;
        field[0] |= (char)0x80;
}

void tar_fix_checksum(Buffer *tar, size_t offset) {
        unsigned char *block = (unsigned char *)tar->data + offset;
        unsigned sum = 0;
        char text[16];

        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < BLOCK; i++)
                sum += block[i];
        snprintf(text, sizeof(text), "%06o", sum);
        memcpy(block + 148, text, 7);
}

static void pad(Buffer *tar, size_t size) {
        static const char zero[BLOCK];

        buffer_append(tar, zero, (BLOCK - size % BLOCK) % BLOCK);
}

void tar_add(Buffer *tar, const TarMember *member) {
        static const char magic[8] = { 'u', 's', 't', 'a', 'r', 0, '0', '0' };
        char block[BLOCK] = "";
        size_t offset = tar->size;

        strncpy(block, member->name, 100);
        put_octal(block + 100, 8, member->mode ? member->mode : 0644);
        put_number(block + 108, 8, (int64_t)member->uid);
        put_number(block + 116, 8, (int64_t)member->gid);
        put_number(block + 124, 12, (int64_t)member->size);
        put_number(block + 136, 12, member->mtime);
        block[156] = member->flag ? member->flag : '0';
        if (member->link)
                strncpy(block + 157, member->link, 100);
        memcpy(block + 257, magic, sizeof(magic));
        put_octal(block + 329, 8, member->major);
        put_octal(block + 337, 8, member->minor);
        buffer_append(tar, block, BLOCK);
        tar_fix_checksum(tar, offset);
        if (member->content) {
                buffer_append(tar, member->content, member->size);
                pad(tar, member->size);
        }
}

void tar_add_file(Buffer *tar, const char *name, const char *text) {
        tar_add(tar, &(TarMember){ .name = name, .content = text, .size = strlen(text) });
}

void tar_add_dir(Buffer *tar, const char *name) {
        tar_add(tar, &(TarMember){ .flag = '5', .name = name, .mode = 0755 });
}

void tar_add_link(Buffer *tar, char flag, const char *name, const char *target) {
        tar_add(tar, &(TarMember){ .flag = flag, .name = name, .link = target, .mode = 0777 });
}

void pax_record(Buffer *records, const char *key, const void *value, size_t size) {
        size_t rest = strlen(key) + size + 3, length = rest + 1;

        /* The length counts its own digits. */
        while (length != rest + (size_t)snprintf(NULL, 0, "%zu", length))
                length = rest + (size_t)snprintf(NULL, 0, "%zu", length);
        buffer_printf(records, "%zu %s=", length, key);
        buffer_append(records, value, size);
        buffer_append_byte(records, '\n');
}

void tar_add_pax(Buffer *tar, char flag, const char *key, const void *value, size_t size) {
        Buffer records = BUFFER_INIT;

        pax_record(&records, key, value, size);
        tar_add(tar, &(TarMember){ .flag = flag,
                                   .name = "PaxHeaders/x",
                                   .content = records.data,
                                   .size = records.size });
        buffer_done(&records);
}

void tar_add_end(Buffer *tar) {
        static const char zero[2 * BLOCK];

        buffer_append(tar, zero, sizeof(zero));
}
