/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where an image goes: a registry, an archive, a folder. The counterpart of source.h.
 *
 * Blobs first, layers in any order or at once if `is_parallel`, then the manifest, then commit.
 * What was not committed leaves nothing behind that anybody would take for an image.
 */

#include "helper/source.h"

typedef struct ImageSink ImageSink;

/* What may be known of a blob before it is sent. */
typedef struct SinkBlob {
        Descriptor descriptor; /* digest "": only known once it was read; size -1: likewise */
        bool is_config;
} SinkBlob;

typedef struct ImageSinkClass {
        /* 1: it is there already (a registry also tries to mount it from elsewhere), 0: send it. */
        int (*has_blob)(ImageSink *sink, const Descriptor *blob, Error *err);

        /*
         * Read @fd to its end and store it. @ret: digest and size of what was read, and the media
         * type copied from @blob. If @blob names a digest, it must be that.
         */
        int (*write_blob)(ImageSink *sink, const SinkBlob *blob, int fd,
                          const TransferControl *control, Descriptor *ret, Error *err);

        /* The manifest under the name or names that the sink was opened for. */
        int (*write_manifest)(ImageSink *sink, const char *media_type, const void *data,
                              size_t size, Error *err);

        /* Make it visible, all at once. */
        int (*commit)(ImageSink *sink, Error *err);

        ImageSink *(*free)(ImageSink *sink); /* without commit: as if nothing had been; NULL */
} ImageSinkClass;

/* The first member of each kind of sink. */
struct ImageSink {
        const ImageSinkClass *class;
        bool is_parallel; /* write_blob may run on several threads at once */
        bool wants_plain; /* layers uncompressed (docker-archive) */
        bool wants_config_first;
        /* Media type of the manifests that it takes; NULL: any. */
        const char *manifest_type;
};
