/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing into a layout that is a folder. The blobs come first, several at a time, and have no
 * names before the commit; then they get them, and last the index names the manifest. Others may
 * write into the same layout: the index is changed under a lock on the folder.
 */

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/text.h"
#include "helper/folder.h"
#include "helper/location.h"
#include "helper/new_blobs.h"
#include "helper/oci_layout.h"
#include "helper/oci_layout_private.h"

typedef struct OciSink {
        ImageSink sink;
        Location location;
        int dir_fd, blobs_fd;
        bool is_new; /* the folder was made for this */
        NewBlobs blobs;
        char *manifest;
        size_t manifest_size;
        Descriptor descriptor; /* of the manifest */
} OciSink;

static OciSink *cast(ImageSink *sink) {
        return container_of(sink, OciSink, sink);
}

int oci_describe_manifest(const char *media_type, const void *data, size_t size, Descriptor *ret,
                          Error *err) {
        Digest digest;

        if (!text_equal(media_type, MEDIA_TYPE_OCI_MANIFEST))
                return error_set(err, ERR_UNSUPPORTED, media_type,
                                 "OCI layouts hold OCI manifests only");
        *ret = (Descriptor){ .media_type = (char *)media_type, .size = (int64_t)size };
        digest_compute(data, size, &digest);
        (void)digest_format(&digest, ret->digest);
        return 0;
}

static ImageSink *sink_free(ImageSink *sink) {
        OciSink *self = cast(sink);

        new_blobs_done(&self->blobs);
        if (self->is_new) { /* only what is empty goes */
                (void)unlinkat(self->dir_fd, OCI_BLOBS, AT_REMOVEDIR);
                (void)unlinkat(self->dir_fd, "blobs", AT_REMOVEDIR);
                (void)rmdir(self->location.path);
        }
        (void)fd_close(self->blobs_fd);
        (void)fd_close(self->dir_fd);
        location_done(&self->location);
        free(self->manifest);
        free(self);
        return NULL;
}

/* 1: it is there, whole. */
static int has_blob(ImageSink *sink, const Descriptor *blob, Error *err _unused_) {
        OciSink *self = cast(sink);
        struct stat status;

        if (new_blobs_has(&self->blobs, blob->digest))
                return 1;
        return fstatat(self->blobs_fd, digest_hex(blob->digest), &status, AT_SYMLINK_NOFOLLOW) ==
                       0 &&
               S_ISREG(status.st_mode) && status.st_size == blob->size;
}

static int write_blob(ImageSink *sink, const SinkBlob *blob, int fd, const TransferControl *control,
                      Descriptor *ret, Error *err) {
        return new_blobs_receive(&cast(sink)->blobs, blob, fd, control, ret, err);
}

static int write_manifest(ImageSink *sink, const char *media_type, const void *data, size_t size,
                          Error *err) {
        OciSink *self = cast(sink);

        if (oci_describe_manifest(media_type, data, size, &self->descriptor, err) < 0)
                return -1;
        self->descriptor.media_type = (char *)MEDIA_TYPE_OCI_MANIFEST;
        free(self->manifest);
        self->manifest = xcalloc(1, size + 1);
        memcpy(self->manifest, data, size);
        self->manifest_size = size;
        return 0;
}

/* --- the commit --- */

static int read_index(const OciSink *self, Index *ret, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        Error failure = ERROR_INIT;

        if (folder_read_file(self->dir_fd, OCI_INDEX_FILE, MANIFEST_SIZE_MAX, &text, &failure) == 0)
                return index_parse(text.data, text.size, ret, err);
        if (failure.kind != ERR_NOT_FOUND)
                return error_copy(err, &failure);
        index_init(ret);
        return 0;
}

static int publish_index(const OciSink *self, Error *err) {
        _cleanup_index_ Index index = INDEX_INIT;
        size_t size;

        if (read_index(self, &index, err) < 0 ||
            index_put(&index, self->location.rest, &self->descriptor, err) < 0)
                return -1;
        _cleanup_free_ char *text = index_format(&index, &size);
        if (size > MANIFEST_SIZE_MAX)
                return error_set(err, ERR_LIMIT, OCI_INDEX_FILE,
                                 "the index would have more than %d bytes", MANIFEST_SIZE_MAX);
        if (folder_replace_file(self->dir_fd, OCI_LAYOUT_FILE, OCI_LAYOUT_TEXT,
                                strlen(OCI_LAYOUT_TEXT), err) < 0)
                return -1;
        return folder_replace_file(self->dir_fd, OCI_INDEX_FILE, text, size, err);
}

static int commit(ImageSink *sink, Error *err) {
        OciSink *self = cast(sink);

        if (new_blobs_publish(&self->blobs, err) < 0 ||
            folder_replace_file(self->blobs_fd, digest_hex(self->descriptor.digest), self->manifest,
                                self->manifest_size, err) < 0)
                return error_prefix(err, "layout %s", self->location.path);
        while (flock(self->dir_fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return error_errno(err, ERR_IO, errno, self->location.path,
                                           "cannot lock %s", self->location.path);
        int r = publish_index(self, err);
        (void)flock(self->dir_fd, LOCK_UN);
        return r < 0 ? error_prefix(err, "layout %s", self->location.path) : 0;
}

/* --- opening --- */

static const ImageSinkClass oci_sink_class = {
        .has_blob = has_blob,
        .write_blob = write_blob,
        .write_manifest = write_manifest,
        .commit = commit,
        .free = sink_free,
};

static int make_folder(int dir_fd, const char *name, Error *err) {
        if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
                return error_errno(err, ERR_IO, errno, name, "cannot make the folder %s", name);
        return 0;
}

/* A folder with other things in it is not ours to fill. */
static int check_folder(const OciSink *self, Error *err) {
        struct stat status;

        if (fstatat(self->dir_fd, OCI_LAYOUT_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0 ||
            fstatat(self->dir_fd, OCI_INDEX_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        int r = folder_is_empty(self->dir_fd);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, self->location.path, "cannot read %s",
                                   self->location.path);
        return r > 0 ? 0
                     : error_set(err, ERR_EXISTS, self->location.path,
                                 "%s is no OCI layout, and not empty", self->location.path);
}

static int open_folders(OciSink *self, Error *err) {
        self->is_new = mkdir(self->location.path, 0755) == 0;
        self->dir_fd = folder_open(self->location.path, err);
        if (self->dir_fd < 0 || check_folder(self, err) < 0 ||
            make_folder(self->dir_fd, "blobs", err) < 0 ||
            make_folder(self->dir_fd, OCI_BLOBS, err) < 0)
                return -1;
        self->blobs_fd = path_open_plain(self->dir_fd, OCI_BLOBS, O_RDONLY | O_DIRECTORY);
        if (self->blobs_fd < 0)
                return error_errno(err, ERR_IO, -self->blobs_fd, self->location.path,
                                   "cannot open %s/" OCI_BLOBS, self->location.path);
        return 0;
}

int oci_sink_new(ImageSink **ret, const char *where, Error *err) {
        OciSink *self = xnew(OciSink, 1);

        *self = (OciSink){ .sink = { .class = &oci_sink_class,
                                     .is_parallel = true,
                                     .manifest_type = MEDIA_TYPE_OCI_MANIFEST },
                           .dir_fd = -EBADF,
                           .blobs_fd = -EBADF };
        int r = location_parse(where, true, &self->location, err);
        if (r == 0)
                r = open_folders(self, err);
        new_blobs_init(&self->blobs, self->blobs_fd);
        if (r < 0) {
                sink_free(&self->sink);
                return -1;
        }
        *ret = &self->sink;
        return 0;
}
