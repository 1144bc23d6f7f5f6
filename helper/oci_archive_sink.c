/* SPDX-License-Identifier: Apache-2.0 */

/* Writing a layout as a tar: blobs go into it as they come, index.json comes last. */

#include "base/map.h"
#include "base/text.h"
#include "helper/archive_writer.h"
#include "helper/blob_io.h"
#include "helper/location.h"
#include "helper/oci_layout.h"
#include "helper/oci_layout_private.h"

typedef struct OciArchiveSink {
        ImageSink sink;
        Location location;
        ArchiveWriter *writer;
        Map written; /* digests: any pointer */
} OciArchiveSink;

static OciArchiveSink *cast(ImageSink *sink) {
        return container_of(sink, OciArchiveSink, sink);
}

static ImageSink *sink_free(ImageSink *sink) {
        OciArchiveSink *self = cast(sink);

        (void)archive_writer_free(self->writer);
        location_done(&self->location);
        map_done(&self->written);
        free(self);
        return NULL;
}

static int has_blob(ImageSink *sink, const Descriptor *blob, Error *err _unused_) {
        return map_get(&cast(sink)->written, blob->digest) != NULL;
}

static int write_blob(ImageSink *sink, const SinkBlob *blob, int fd, const TransferControl *control,
                      Descriptor *ret, Error *err) {
        OciArchiveSink *self = cast(sink);
        Descriptor received;
        char name[OCI_BLOB_NAME];
        int to_fd;

        if (archive_writer_begin(self->writer, &to_fd, err) < 0 ||
            blob_receive(fd, to_fd, blob, control, &received, err) < 0)
                return -1;
        int r = has_blob(sink, &received, NULL)
                        ? archive_writer_drop(self->writer, err)
                        : archive_writer_end(self->writer, oci_blob_name(received.digest, name),
                                             received.size, err);
        if (r < 0) {
                free(received.media_type);
                return -1;
        }
        (void)map_put(&self->written, received.digest, self);
        *ret = received;
        return 0;
}

static int write_manifest(ImageSink *sink, const char *media_type, const void *data, size_t size,
                          Error *err) {
        OciArchiveSink *self = cast(sink);
        _cleanup_index_ Index index = INDEX_INIT;
        char name[OCI_BLOB_NAME];
        Descriptor manifest;
        size_t text_size;

        if (oci_describe_manifest(media_type, data, size, &manifest, err) < 0)
                return -1;
        index_init(&index);
        if (archive_writer_add(self->writer, oci_blob_name(manifest.digest, name), data, size,
                               err) < 0 ||
            index_put(&index, self->location.rest, &manifest, err) < 0)
                return -1;
        _cleanup_free_ char *text = index_format(&index, &text_size);
        if (archive_writer_add(self->writer, OCI_INDEX_FILE, text, text_size, err) < 0)
                return -1;
        return archive_writer_add(self->writer, OCI_LAYOUT_FILE, OCI_LAYOUT_TEXT,
                                  strlen(OCI_LAYOUT_TEXT), err);
}

static int commit(ImageSink *sink, Error *err) {
        return archive_writer_commit(cast(sink)->writer, err);
}

static const ImageSinkClass oci_archive_sink_class = {
        .has_blob = has_blob,
        .write_blob = write_blob,
        .write_manifest = write_manifest,
        .commit = commit,
        .free = sink_free,
};

int oci_archive_sink_new(ImageSink **ret, const char *where, Error *err) {
        OciArchiveSink *self = xnew(OciArchiveSink, 1);

        self->sink = (ImageSink){ .class = &oci_archive_sink_class,
                                  .manifest_type = MEDIA_TYPE_OCI_MANIFEST };
        if (location_parse(where, true, &self->location, err) < 0 ||
            archive_writer_open(&self->writer, self->location.path, true, err) < 0 ||
            archive_writer_add_folder(self->writer, "blobs/", err) < 0 ||
            archive_writer_add_folder(self->writer, OCI_BLOBS "/", err) < 0) {
                sink_free(&self->sink);
                return -1;
        }
        *ret = &self->sink;
        return 0;
}
