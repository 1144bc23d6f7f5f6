/* SPDX-License-Identifier: Apache-2.0 */

/* The tar reader: every form that a header can have, and streams that lie. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "storage/tar.h"
#include "tests/unit/tar-fixture.h"

/* Gives a stream out in pieces of one size, as a socket might. */
typedef struct Pieces {
        const Buffer *tar;
        size_t at, piece;
} Pieces;

static int read_piece(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        Pieces *pieces = userdata;
        size_t left = pieces->tar->size - pieces->at;

        (void)err;
        if (left == 0)
                return 0;
        *ret_data = (const uint8_t *)pieces->tar->data + pieces->at;
        *ret_size = left < pieces->piece ? left : pieces->piece;
        pieces->at += *ret_size;
        return 1;
}

/* Reads a whole stream; what it said of each entry, in one line each, and all bytes again. */
static int read_all(const Buffer *tar, size_t piece, Buffer *listing, Buffer *again, Error *err) {
        Pieces pieces = { tar, 0, piece };
        TarReader *reader = tar_reader_new(&(TarSource){ read_piece, &pieces });
        const TarEntry *entry;
        const uint8_t *data;
        size_t size;
        int r;

        while ((r = tar_reader_next(reader, &entry, err)) > 0) {
                const Buffer *raw = tar_reader_raw(reader);
                buffer_append(again, raw->data, raw->size);
                buffer_printf(listing, "%d %s>%s %o %u:%u %lld.%09ld %lld ", entry->kind,
                              entry->name, entry->link, (unsigned)entry->mode, entry->uid,
                              entry->gid, (long long)entry->mtime.tv_sec, entry->mtime.tv_nsec,
                              (long long)entry->size);
                for (size_t i = 0; i < entry->xattrs_count; i++)
                        buffer_printf(listing, "%s=%zu ", entry->xattrs[i].name,
                                      entry->xattrs[i].size);
                int left;
                while ((left = tar_reader_data(reader, &data, &size, err)) > 0) {
                        buffer_append(listing, data, size);
                        buffer_append(again, data, size);
                }
                if (left < 0) {
                        r = -1;
                        break;
                }
                buffer_append_byte(listing, '\n');
        }
        if (r == 0) {
                const Buffer *raw = tar_reader_raw(reader);
                buffer_append(again, raw->data, raw->size);
                while ((r = tar_reader_rest(reader, &data, &size, err)) > 0)
                        buffer_append(again, data, size);
        }
        tar_reader_free(reader);
        return r;
}

static void expect_listing(const Buffer *tar, const char *expected) {
        static const size_t piece_sizes[] = { 1, 7, 511, 512, 513, 1 << 20 };

        for (size_t i = 0; i < ARRAY_SIZE(piece_sizes); i++) {
                Buffer listing = BUFFER_INIT, again = BUFFER_INIT;
                Error err = ERROR_INIT;
                if (read_all(tar, piece_sizes[i], &listing, &again, &err) < 0)
                        fail_msg("%s", err.text);
                _cleanup_free_ char *text = buffer_take_string(&listing);
                assert_string_equal(text, expected);
                assert_int_equal(again.size, tar->size);
                assert_memory_equal(again.data, tar->data, tar->size);
                buffer_done(&again);
        }
}

static void expect_failure(const Buffer *tar, ErrorKind kind, const char *words) {
        Buffer listing = BUFFER_INIT, again = BUFFER_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(read_all(tar, 1000, &listing, &again, &err), -1);
        assert_int_equal(err.kind, kind);
        if (!strstr(err.text, words))
                fail_msg("\"%s\" does not say \"%s\"", err.text, words);
        buffer_done(&listing);
        buffer_done(&again);
}

static void reads_every_kind(void **state) {
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add_dir(&tar, "etc/");
        tar_add_file(&tar, "etc/a", "hello");
        tar_add_link(&tar, '1', "etc/hard", "etc/a");
        tar_add_link(&tar, '2', "etc/soft", "a");
        tar_add(&tar, &(TarMember){ .flag = '3', .name = "null", .major = 1, .minor = 3 });
        tar_add(&tar, &(TarMember){ .flag = '4', .name = "disk", .major = 8, .minor = 1 });
        tar_add(&tar, &(TarMember){ .flag = '6', .name = "fifo", .mode = 04755 });
        tar_add(&tar, &(TarMember){ .flag = '7', .name = "contiguous", .content = "x", .size = 1 });
        tar_add(&tar, &(TarMember){ .name = "old-directory/" });
        tar_add_end(&tar);
        buffer_append(&tar, "trailing", 8);
        expect_listing(&tar, "5 etc/> 755 0:0 0.000000000 0 \n"
                             "0 etc/a> 644 0:0 0.000000000 5 hello\n"
                             "1 etc/hard>etc/a 777 0:0 0.000000000 0 \n"
                             "2 etc/soft>a 777 0:0 0.000000000 0 \n"
                             "3 null> 644 0:0 0.000000000 0 \n"
                             "4 disk> 644 0:0 0.000000000 0 \n"
                             "6 fifo> 4755 0:0 0.000000000 0 \n"
                             "0 contiguous> 644 0:0 0.000000000 1 x\n"
                             "5 old-directory/> 644 0:0 0.000000000 0 \n");
        buffer_done(&tar);
}

static void reads_numbers_in_base_256(void **state) {
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add(&tar,
                &(TarMember){ .name = "a", .uid = 3000000000, .gid = 2097152, .mtime = -86400 });
        expect_listing(&tar, "0 a> 644 3000000000:2097152 -86400.000000000 0 \n");
        /* Nine significant bytes do not fit. */
        memset(tar.data + 124, 0xff, 12);
        tar.data[124] = (char)0x80;
        tar_fix_checksum(&tar, 0);
        expect_failure(&tar, ERR_LAYER_CORRUPT, "number");
        buffer_done(&tar);
}

static void reads_pax(void **state) {
        Buffer tar = BUFFER_INIT, records = BUFFER_INIT;

        (void)state;
        pax_record(&records, "path", "long/name", 9);
        pax_record(&records, "linkpath", "unused", 6);
        pax_record(&records, "uid", "4000000000", 10);
        pax_record(&records, "gid", "7", 1);
        pax_record(&records, "mtime", "-1.5", 4);
        pax_record(&records, "atime", "5", 1);
        pax_record(&records, "size", "3", 1);
        pax_record(&records, "comment", "ignored", 7);
        pax_record(&records, "SCHILY.xattr.user.x", "a\0b=\n", 5);
        pax_record(&records, "SCHILY.xattr.user.x", "a\0b=\nc", 6);
        pax_record(&records, "SCHILY.xattr.security.capability", "", 0);
        tar_add(&tar, &(TarMember){ .flag = 'x',
                                    .name = "pax",
                                    .content = records.data,
                                    .size = records.size });
        tar_add(&tar, &(TarMember){ .name = "short", .uid = 1, .size = 99 });
        buffer_append(&tar, "abc", 3);
        for (int i = 3; i < 512; i++)
                buffer_append_byte(&tar, '\0');
        tar_add_file(&tar, "next", "n");
        expect_listing(&tar, "0 long/name>unused 644 4000000000:7 -2.500000000 3 user.x=6 "
                             "security.capability=0 abc\n"
                             "0 next> 644 0:0 0.000000000 1 n\n");
        buffer_done(&records);
        buffer_done(&tar);
}

static void takes_overrides_back(void **state) {
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add_pax(&tar, 'g', "path", "global", 6);
        tar_add_pax(&tar, 'x', "path", "", 0);
        tar_add_file(&tar, "own", "");
        expect_listing(&tar, "7 pax_global_header> 0 0:0 0.000000000 0 \n"
                             "0 own> 644 0:0 0.000000000 0 \n");
        buffer_done(&tar);
}

static void reads_long_names(void **state) {
        Buffer tar = BUFFER_INIT;
        char name[300], link[280], expected[700];

        (void)state;
        memset(name, 'n', sizeof(name));
        memset(link, 'l', sizeof(link));
        name[299] = link[279] = '\0';
        tar_add(&tar,
                &(TarMember){ .flag = 'K', .name = "././@LongLink", .content = link, .size = 280 });
        tar_add(&tar,
                &(TarMember){ .flag = 'L', .name = "././@LongLink", .content = name, .size = 300 });
        tar_add_link(&tar, '2', "cut", "cut");
        snprintf(expected, sizeof(expected), "2 %s>%s 777 0:0 0.000000000 0 \n", name, link);
        expect_listing(&tar, expected);
        buffer_done(&tar);
}

static void joins_prefix_and_name(void **state) {
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add_file(&tar, "name", "");
        memcpy(tar.data + 345, "some/prefix", 11);
        tar_fix_checksum(&tar, 0);
        expect_listing(&tar, "0 some/prefix/name> 644 0:0 0.000000000 0 \n");
        /* GNU's format has times there instead. */
        memcpy(tar.data + 257, "ustar  ", 8);
        memcpy(tar.data + 345, "00000000017\0", 12);
        tar_fix_checksum(&tar, 0);
        expect_listing(&tar, "0 name> 644 0:0 0.000000000 0 \n");
        /* And what is no ustar at all has neither. */
        memset(tar.data + 257, 0, 8);
        tar_fix_checksum(&tar, 0);
        expect_listing(&tar, "0 name> 644 0:0 0.000000000 0 \n");
        buffer_done(&tar);
}

static void links_have_no_content(void **state) {
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add(&tar, &(TarMember){ .flag = '1', .name = "hard", .link = "a", .size = 1000 });
        tar_add(&tar, &(TarMember){ .flag = '5', .name = "dir", .size = 1000 });
        tar_add_file(&tar, "b", "b");
        tar_add_end(&tar);
        expect_listing(&tar, "1 hard>a 644 0:0 0.000000000 0 \n"
                             "5 dir> 644 0:0 0.000000000 0 \n"
                             "0 b> 644 0:0 0.000000000 1 b\n");
        buffer_done(&tar);
}

static void ends_as_it_may(void **state) {
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add_end(&tar);
        expect_listing(&tar, "");
        tar.size = 512; /* one zero block, then the end */
        expect_listing(&tar, "");
        tar.size = 1024;
        tar.data[1023] = 1;
        expect_failure(&tar, ERR_LAYER_CORRUPT, "one zero block");
        tar.size = 600;
        expect_failure(&tar, ERR_LAYER_CORRUPT, "ends inside a header");
        tar.size = 0;
        tar_add_file(&tar, "a", "aaa");
        tar.size = 512 + 2;
        expect_failure(&tar, ERR_LAYER_CORRUPT, "ends inside a");
        tar.size = 512 + 100;
        expect_failure(&tar, ERR_LAYER_CORRUPT, "after the content");
        buffer_done(&tar);
}

static void refuses_what_is_malformed(void **state) {
        static const char pax_bad[][24] = {
                "5 a=b\n",       "7 a=b\n",  "6 a=b ",         "x a=b\n",      "6 =ab\n",
                "6 abc\n",       "99 a=b\n", "0 a=b\n",        "12 size=x9\n", "11 uid=-1\n",
                "13 mtime=..\n", "3 \n",     "13 path=a\0c\n",
        };
        Buffer tar = BUFFER_INIT;

        (void)state;
        tar_add_file(&tar, "a", "");
        tar.data[0] = 'b';
        expect_failure(&tar, ERR_LAYER_CORRUPT, "checksum");
        tar.data[0] = '\0';
        tar_fix_checksum(&tar, 0);
        expect_failure(&tar, ERR_LAYER_CORRUPT, "without a name");
        tar.data[0] = 'a';
        tar.data[130] = 'x';
        tar_fix_checksum(&tar, 0);
        expect_failure(&tar, ERR_LAYER_CORRUPT, "number");
        for (size_t i = 0; i < ARRAY_SIZE(pax_bad); i++) {
                tar.size = 0;
                size_t size = i == ARRAY_SIZE(pax_bad) - 1 ? 13 : strlen(pax_bad[i]);
                tar_add(&tar,
                        &(TarMember){
                                .flag = 'x', .name = "x", .content = pax_bad[i], .size = size });
                tar_add_file(&tar, "a", "");
                expect_failure(&tar, ERR_LAYER_CORRUPT, "malformed PAX header");
        }
        tar.size = 0;
        tar_add(&tar, &(TarMember){ .flag = 'V', .name = "label" });
        expect_failure(&tar, ERR_LAYER_CORRUPT, "of a kind");
        tar.size = 0;
        tar_add(&tar, &(TarMember){ .flag = 'S', .name = "holes" });
        expect_failure(&tar, ERR_LAYER_CORRUPT, "sparse");
        tar.size = 0;
        tar_add_pax(&tar, 'x', "GNU.sparse.major", "1", 1);
        tar_add_file(&tar, "holes", "");
        expect_failure(&tar, ERR_LAYER_CORRUPT, "sparse");
        tar.size = 0;
        tar_add_pax(&tar, 'x', "uid", "4294967295", 10);
        tar_add_file(&tar, "a", "");
        expect_failure(&tar, ERR_LAYER_CORRUPT, "owner");
        tar.size = 0;
        tar_add(&tar, &(TarMember){ .name = "a", .size = (size_t)-1 });
        expect_failure(&tar, ERR_LAYER_CORRUPT, "size");
        buffer_done(&tar);
}

static void keeps_its_limits(void **state) {
        Buffer tar = BUFFER_INIT;
        char *big = calloc(1, TAR_PAX_MAX + 1);

        (void)state;
        memset(big, 'a', TAR_PAX_MAX);
        tar_add(&tar,
                &(TarMember){ .flag = 'L', .name = "L", .content = big, .size = TAR_PATH_MAX });
        tar_add_file(&tar, "a", "");
        Buffer listing = BUFFER_INIT, again = BUFFER_INIT;
        assert_int_equal(read_all(&tar, 1 << 20, &listing, &again, NULL), 0);
        buffer_done(&listing);
        buffer_done(&again);

        tar.size = 0;
        tar_add(&tar,
                &(TarMember){ .flag = 'L', .name = "L", .content = big, .size = TAR_PATH_MAX + 1 });
        tar_add_file(&tar, "a", "");
        expect_failure(&tar, ERR_LIMIT, "path");

        tar.size = 0;
        tar_add(&tar,
                &(TarMember){ .flag = 'x', .name = "x", .content = big, .size = TAR_PAX_MAX + 1 });
        expect_failure(&tar, ERR_LIMIT, "header of");

        tar.size = 0;
        for (int i = 0; i < TAR_HEADERS_MAX / TAR_PAX_MAX; i++)
                tar_add(&tar,
                        &(TarMember){
                                .flag = 'L', .name = "L", .content = big, .size = TAR_PAX_MAX });
        tar_add_file(&tar, "a", "");
        expect_failure(&tar, ERR_LIMIT, "headers for one entry");
        free(big);
        buffer_done(&tar);
}

typedef struct Skipped {
        Pieces pieces; /* first: the source's userdata */
        int64_t bytes;
} Skipped;

static int skip_bytes(void *userdata, int64_t size, Error *err _unused_) {
        Skipped *skipped = userdata;

        skipped->pieces.at += (size_t)size;
        skipped->bytes += size;
        return 0;
}

static void content_can_be_left_out(void **state _unused_) {
        static const char content[2000];
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;
        const TarEntry *entry;

        tar_add(&tar, &(TarMember){ .name = "a", .content = content, .size = sizeof(content) });
        tar_add_file(&tar, "b", "text");
        tar_add_end(&tar);
        for (int i = 0; i < 2; i++) {
                Skipped skipped = { .pieces = { &tar, 0, 700 } };
                TarReader *reader = tar_reader_new(&(TarSource){ read_piece, &skipped });
                assert_int_equal(tar_reader_next(reader, &entry, &err), 1);
                assert_int_equal(tar_reader_offset(reader), 512);
                assert_int_equal(tar_reader_skip(reader, i ? skip_bytes : NULL, &err), 0);
                assert_int_equal(tar_reader_next(reader, &entry, &err), 1);
                assert_string_equal(entry->name, "b");
                assert_int_equal(tar_reader_offset(reader), 512 + 2048 + 512);
                assert_int_equal(tar_reader_skip(reader, i ? skip_bytes : NULL, &err), 0);
                assert_int_equal(tar_reader_next(reader, &entry, &err), 0);
                assert_int_equal(skipped.bytes, i ? 2000 - (700 - 512) : 0);
                tar_reader_free(reader);
        }
        buffer_done(&tar);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_every_kind),
                cmocka_unit_test(reads_numbers_in_base_256),
                cmocka_unit_test(reads_pax),
                cmocka_unit_test(takes_overrides_back),
                cmocka_unit_test(reads_long_names),
                cmocka_unit_test(joins_prefix_and_name),
                cmocka_unit_test(links_have_no_content),
                cmocka_unit_test(ends_as_it_may),
                cmocka_unit_test(refuses_what_is_malformed),
                cmocka_unit_test(keeps_its_limits),
                cmocka_unit_test(content_can_be_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
