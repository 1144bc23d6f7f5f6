/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/dir.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/blob_io.h"
#include "helper/folder.h"
#include "helper/location.h"
#include "helper/new_blobs.h"
#include "oci/index.h"

#define VERSION_FILE  "version"
#define VERSION_TEXT  "Directory Transport Version: 1.1\n"
#define VERSION_START "Directory Transport Version: "
#define MANIFEST_FILE "manifest.json"
#define NAME_SIZE     (DIGEST_HEX_SIZE + 32)

/* --- reading --- */

typedef struct DirSource {
        ImageSource source;
        Location location;
        int fd;
} DirSource;

static DirSource *source_of(ImageSource *source) {
        return container_of(source, DirSource, source);
}

static ImageSource *source_free(ImageSource *source) {
        DirSource *self = source_of(source);

        (void)fd_close(self->fd);
        location_done(&self->location);
        free(self);
        return NULL;
}

static int read_manifest(ImageSource *source, const char *digest, Buffer *ret,
                         char **ret_media_type, Error *err) {
        DirSource *self = source_of(source);
        char name[NAME_SIZE] = MANIFEST_FILE;

        if (digest)
                snprintf(name, sizeof(name), "%s." MANIFEST_FILE, digest_hex(digest));
        if (folder_read_file(self->fd, name, MANIFEST_SIZE_MAX, ret, err) < 0)
                return error_prefix(err, "%s", self->location.path);
        *ret_media_type = xstrdup("");
        return 0;
}

static int read_blob(ImageSource *source, const Descriptor *blob, int fd,
                     const TransferControl *control, Error *err) {
        DirSource *self = source_of(source);
        int64_t size = 0;

        _cleanup_close_ int from = folder_open_file(self->fd, digest_hex(blob->digest), &size, err);
        if (from < 0)
                return error_prefix(err, "%s", self->location.path);
        if (blob->size >= 0 && blob->size != size)
                return error_set(err, ERR_CORRUPT, blob->digest,
                                 "%s has %lld bytes where the manifest says %lld", blob->digest,
                                 (long long)size, (long long)blob->size);
        return blob_send(&(BlobPart){ from, 0, size, blob->digest }, fd, control, err);
}

/* Those of the manifest that was asked for; of one in an index, those with its digest before. */
static int read_signature(const DirSource *self, const char *digest, size_t number, Buffer *ret,
                          Error *err) {
        char name[NAME_SIZE];

        snprintf(name, sizeof(name), "%s%ssignature-%zu", digest ? digest_hex(digest) : "",
                 digest ? "." : "", number);
        return folder_read_file(self->fd, name, DIR_SIGNATURE_SIZE_MAX, ret, err);
}

static int read_signatures(ImageSource *source, const char *manifest_digest, Buffer **ret,
                           size_t *ret_count, Error *err) {
        DirSource *self = source_of(source);
        struct stat status;
        char name[NAME_SIZE];

        snprintf(name, sizeof(name), "%s." MANIFEST_FILE, digest_hex(manifest_digest));
        bool is_of_index = fstatat(self->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
        for (size_t i = 1; i <= DIR_SIGNATURES_MAX; i++) {
                Buffer signature = BUFFER_INIT;
                Error failure = ERROR_INIT;
                if (read_signature(self, is_of_index ? manifest_digest : NULL, i, &signature,
                                   &failure) < 0) {
                        buffer_done(&signature);
                        return failure.kind == ERR_NOT_FOUND ? 0 : error_copy(err, &failure);
                }
                *ret = xrealloc(*ret, *ret_count + 1, sizeof(**ret));
                (*ret)[(*ret_count)++] = signature;
        }
        return error_set(err, ERR_LIMIT, self->location.path, "%s has more than %d signatures",
                         self->location.path, DIR_SIGNATURES_MAX);
}

static const ImageSourceClass dir_source_class = {
        .read_manifest = read_manifest,
        .read_blob = read_blob,
        .read_signatures = read_signatures,
        .free = source_free,
};

int dir_source_new(ImageSource **ret, const char *path, Error *err) {
        DirSource *self = xnew(DirSource, 1);

        *self = (DirSource){ .source = { .class = &dir_source_class, .transport = "dir" },
                             .fd = -EBADF };
        if (location_parse(path, false, &self->location, err) < 0 ||
            (self->fd = folder_open(self->location.path, err)) < 0) {
                source_free(&self->source);
                return -1;
        }
        self->source.scope = self->location.scope;
        *ret = &self->source;
        return 0;
}

/* --- writing --- */

typedef struct DirSink {
        ImageSink sink;
        char *path;
        int fd;
        bool is_new; /* the folder was made for this */
        NewBlobs blobs;
        char *manifest;
        size_t manifest_size;
} DirSink;

static DirSink *sink_of(ImageSink *sink) {
        return container_of(sink, DirSink, sink);
}

static ImageSink *sink_free(ImageSink *sink) {
        DirSink *self = sink_of(sink);

        new_blobs_done(&self->blobs);
        (void)fd_close(self->fd);
        if (self->is_new)
                (void)rmdir(self->path); /* only if it is empty */
        free(self->path);
        free(self->manifest);
        free(self);
        return NULL;
}

/* What an earlier image left goes at the commit, so only what came now counts. */
static int has_blob(ImageSink *sink, const Descriptor *blob, Error *err _unused_) {
        return new_blobs_has(&sink_of(sink)->blobs, blob->digest);
}

static int write_blob(ImageSink *sink, const SinkBlob *blob, int fd, const TransferControl *control,
                      Descriptor *ret, Error *err) {
        return new_blobs_receive(&sink_of(sink)->blobs, blob, fd, control, ret, err);
}

static int write_manifest(ImageSink *sink, const char *media_type _unused_, const void *data,
                          size_t size, Error *err _unused_) {
        DirSink *self = sink_of(sink);

        free(self->manifest);
        self->manifest = xcalloc(1, size + 1);
        memcpy(self->manifest, data, size);
        self->manifest_size = size;
        return 0;
}

/* Whether an image of this kind may have left it. */
static bool is_of_an_image(const char *name) {
        char hex[DIGEST_HEX_SIZE + 1];

        if (text_equal(name, MANIFEST_FILE) || text_equal(name, VERSION_FILE) ||
            text_starts_with(name, "signature-"))
                return true;
        snprintf(hex, sizeof(hex), "%s", name);
        const char *rest = name + strlen(hex);
        return strlen(hex) == DIGEST_HEX_SIZE && text_is_hex(hex) &&
               (!*rest || text_equal(rest, "." MANIFEST_FILE) ||
                text_starts_with(rest, ".signature-"));
}

/* An earlier image goes, its manifest first, so that it is no image any more. */
static int remove_earlier(const DirSink *self, Error *err) {
        if (unlinkat(self->fd, MANIFEST_FILE, 0) < 0 && errno != ENOENT)
                return error_errno(err, ERR_IO, errno, self->path, "cannot empty %s", self->path);
        int fd = openat(self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        if (!folder) {
                (void)error_errno(err, ERR_IO, errno, self->path, "cannot read %s", self->path);
                (void)fd_close(fd);
                return -1;
        }
        int r = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(folder));)
                if (is_of_an_image(entry->d_name) && unlinkat(self->fd, entry->d_name, 0) < 0)
                        r = error_errno(err, ERR_IO, errno, self->path, "cannot remove %s/%s",
                                        self->path, entry->d_name);
        (void)closedir(folder);
        return r;
}

static int commit(ImageSink *sink, Error *err) {
        DirSink *self = sink_of(sink);

        if (remove_earlier(self, err) < 0)
                return -1;
        if (folder_replace_file(self->fd, VERSION_FILE, VERSION_TEXT, strlen(VERSION_TEXT), err) <
                    0 ||
            new_blobs_publish(&self->blobs, err) < 0 ||
            folder_replace_file(self->fd, MANIFEST_FILE, self->manifest, self->manifest_size, err) <
                    0)
                return error_prefix(err, "%s", self->path);
        return 0;
}

static const ImageSinkClass dir_sink_class = {
        .has_blob = has_blob,
        .write_blob = write_blob,
        .write_manifest = write_manifest,
        .commit = commit,
        .free = sink_free,
};

/* Empty, or an earlier image. */
static int check_folder(const DirSink *self, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        int r = folder_is_empty(self->fd);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, self->path, "cannot read %s", self->path);
        if (r > 0)
                return 0;
        r = folder_read_file(self->fd, VERSION_FILE, strlen(VERSION_TEXT) + 16, &text, NULL);
        buffer_append_byte(&text, '\0');
        if (r == 0 && !buffer_failed(&text) && text_starts_with(text.data, VERSION_START))
                return 0;
        return error_set(err, ERR_EXISTS, self->path,
                         "%s is not empty, and not an image; nothing in it is overwritten",
                         self->path);
}

int dir_sink_new(ImageSink **ret, const char *path, const char *manifest_type, Error *err) {
        DirSink *self = xnew(DirSink, 1);

        *self = (DirSink){ .sink = { .class = &dir_sink_class,
                                     .is_parallel = true,
                                     .manifest_type = manifest_type },
                           .path = xstrdup(path) };
        self->is_new = mkdir(path, 0755) == 0;
        self->fd = folder_open(path, err);
        new_blobs_init(&self->blobs, self->fd);
        if (self->fd < 0 || check_folder(self, err) < 0) {
                sink_free(&self->sink);
                return -1;
        }
        *ret = &self->sink;
        return 0;
}
