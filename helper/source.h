/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where an image comes from: a registry, an archive, a folder. One shape for all, so that a pull is
 * written once.
 *
 * What a source gives is untrusted: the pull checks every byte against its descriptor. A source
 * only has to bound what it reads itself (documents, its own index).
 */

#include "base/buffer.h"
#include "base/error.h"
#include "oci/manifest.h"

typedef struct ImageSource ImageSource;

/* Asked and told by whoever moves a blob; any thread. */
typedef struct TransferControl {
        bool (*is_cancelled)(void *userdata);
        void (*on_bytes)(void *userdata, int64_t count); /* so many more bytes have come or gone */
        void *userdata;
} TransferControl;

typedef struct ImageSourceClass {
        /*
         * A manifest or index. @digest NULL: the one that the source was opened for.
         * @ret_media_type: heap, as the source says, "" if it does not.
         * At most MANIFEST_SIZE_MAX bytes. ERR_NOT_FOUND (no such image), ERR_IO, ERR_LIMIT, ...
         */
        int (*read_manifest)(ImageSource *source, const char *digest, Buffer *ret,
                             char **ret_media_type, Error *err);

        /*
         * Write a blob's bytes to @fd (a pipe), as they are stored there, and return when all are
         * written. Called from several threads at once for different blobs. A source that can
         * takes up a broken transfer where it broke. It writes no more than @blob->size bytes when
         * that is known (>= 0), and says so when there are fewer. EPIPE: the reader gave up; return
         * ERR_CANCELLED.
         */
        int (*read_blob)(ImageSource *source, const Descriptor *blob, int fd,
                         const TransferControl *control, Error *err);

        /* Simple signatures of a manifest, appended; none is fine. NULL: the source has none. */
        int (*read_signatures)(ImageSource *source, const char *manifest_digest, Buffer **ret,
                               size_t *ret_count, Error *err);

        ImageSource *(*free)(ImageSource *source); /* returns NULL */
} ImageSourceClass;

/* The first member of each kind of source. */
struct ImageSource {
        const ImageSourceClass *class;
        /* What policy.json and signatures call it: transport and scope, e.g. "docker" and
         * "quay.io/a/b:c", "docker-archive" and the path. */
        const char *transport, *scope;
};
