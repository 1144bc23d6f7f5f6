/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A tarball of a root file system becomes an image of one layer.
 *
 * The same content with the same settings gives the same id again, as it did in the original: the
 * date in the config is the tarball's modification time, not the moment of the import.
 */

#include "base/error.h"
#include "image/catalog.h"

#define IMAGE_MESSAGE_MAX (64 * 1024) /* bytes of an import's message */

typedef struct ImageImportOptions {
        const char *source;         /* path of a tar file, plain or compressed with gzip or zstd */
        const char *reference;      /* a name in its local meaning; NULL or "": untagged */
        const char *message;        /* the history's comment; NULL or "": `imported from tarball` */
        const char *const *changes; /* see image/changes.h */
        size_t changes_count;
        bool (*is_cancelled)(void *userdata); /* NULL: never */
        /* How to come by a source that is no path: a readable regular file. NULL: it is a path. */
        int (*open_source)(void *userdata, const char *source, int *ret_fd, Error *err);
        void *userdata;
} ImageImportOptions;

/**
 * image_import() - make the image
 * @ret_id: heap, 64 hex digits
 *
 * Reference and changes are checked before the file is touched. Whatever fails, the store is left
 * as it was.
 * Errors: ERR_INVALID (subject = `reference`, `message`, the bad change, or the source that is a
 * folder or otherwise no file), ERR_NOT_FOUND (no such source), ERR_LAYER_CORRUPT (subject = entry
 * path), ERR_LIMIT, ERR_NO_SPACE, ERR_CANCELLED, ERR_IO, and what open_source() fails with.
 */
int image_import(ImageCatalog *catalog, const ImageImportOptions *options, char **ret_id,
                 Error *err);
