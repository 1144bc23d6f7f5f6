/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tar reader. The first byte is the size of the pieces in which the stream comes. Whatever it
 * makes of it, the raw bytes and the contents together are the stream as far as it was read.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Pieces {
        const uint8_t *data;
        size_t size, at, piece;
} Pieces;

static int read_piece(void *userdata, const uint8_t **ret_data, size_t *ret_size, Error *err) {
        Pieces *pieces = userdata;
        size_t left = pieces->size - pieces->at;

        (void)err;
        if (left == 0)
                return 0;
        *ret_data = pieces->data + pieces->at;
        *ret_size = left < pieces->piece ? left : pieces->piece;
        pieces->at += *ret_size;
        return 1;
}

static void expect_next(const Pieces *pieces, size_t *at, const void *data, size_t size) {
        if (size == 0)
                return;
        if (size > pieces->size - *at || memcmp(pieces->data + *at, data, size) != 0)
                abort();
        *at += size;
}

static void read_all(TarReader *reader, const Pieces *pieces) {
        const TarEntry *entry;
        const uint8_t *data;
        size_t size, at = 0;
        int r;

        while ((r = tar_reader_next(reader, &entry, NULL)) > 0) {
                const Buffer *raw = tar_reader_raw(reader);
                expect_next(pieces, &at, raw->data, raw->size);
                if (!*entry->name || strlen(entry->name) > TAR_PATH_MAX ||
                    strlen(entry->link) > TAR_PATH_MAX || entry->size < 0)
                        abort();
                while ((r = tar_reader_data(reader, &data, &size, NULL)) > 0)
                        expect_next(pieces, &at, data, size);
                if (r < 0)
                        return;
        }
        if (r < 0)
                return;
        const Buffer *raw = tar_reader_raw(reader);
        expect_next(pieces, &at, raw->data, raw->size);
        while (tar_reader_rest(reader, &data, &size, NULL) > 0)
                expect_next(pieces, &at, data, size);
        if (at != pieces->size)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        Pieces pieces = { data + 1, size - 1, 0, data[0] ? data[0] : 4096 };
        TarReader *reader = tar_reader_new(&(TarSource){ read_piece, &pieces });
        read_all(reader, &pieces);
        tar_reader_free(reader);
        return 0;
}
