/* SPDX-License-Identifier: Apache-2.0 */

/* Reading a layout: the folder and the tar differ only in how a file is opened. */

#include "helper/oci_layout.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/archive.h"
#include "helper/blob_io.h"
#include "helper/folder.h"
#include "helper/location.h"
#include "helper/oci_layout_private.h"
#include "oci/document.h"

typedef struct OciSource {
        ImageSource source;
        Location location;
        int dir_fd; /* one of these two */
        Archive *archive;
        Index index;
        const IndexEntry *entry;
} OciSource;

/* A part of an open file. */
typedef struct OciFile {
        int fd;
        bool is_own; /* to be closed */
        int64_t offset, size;
} OciFile;

static void oci_file_done(OciFile *file) {
        if (file->is_own)
                (void)fd_close(file->fd);
}

static OciSource *cast(const ImageSource *source) {
        return container_of((ImageSource *)source, OciSource, source);
}

static ImageSource *oci_source_free(ImageSource *source) {
        OciSource *self = cast(source);

        (void)fd_close(self->dir_fd);
        (void)archive_free(self->archive);
        index_done(&self->index);
        location_done(&self->location);
        free(self);
        return NULL;
}

const char *oci_blob_name(const char *digest, char name[static OCI_BLOB_NAME]) {
        snprintf(name, OCI_BLOB_NAME, OCI_BLOBS "/%s", digest_hex(digest));
        return name;
}

/* --- its files --- */

static int open_file(const OciSource *self, const char *name, OciFile *ret, Error *err) {
        if (self->archive) {
                const ArchiveMember *member = archive_find(self->archive, name, err);
                if (!member)
                        return -1;
                *ret = (OciFile){ .fd = archive_fd(self->archive),
                                  .offset = member->offset,
                                  .size = member->size };
                return 0;
        }
        OciFile file = { .is_own = true };
        file.fd = folder_open_file(self->dir_fd, name, &file.size, err);
        if (file.fd < 0)
                return error_prefix(err, "layout %s", self->location.path);
        *ret = file;
        return 0;
}

static int read_file(const OciSource *self, const char *name, size_t size_max, Buffer *ret,
                     Error *err) {
        if (self->archive)
                return archive_read(self->archive, name, size_max, ret, err);
        if (folder_read_file(self->dir_fd, name, size_max, ret, err) < 0)
                return error_prefix(err, "layout %s", self->location.path);
        return 0;
}

static int check_version(const OciSource *self, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        _cleanup_free_ char *version = NULL;
        json_auto_t *json = NULL;

        if (read_file(self, OCI_LAYOUT_FILE, OCI_LAYOUT_MAX, &text, err) < 0)
                return -1;
        if (document_parse(text.data, text.size, OCI_LAYOUT_MAX, OCI_LAYOUT_FILE " file", &json,
                           err) < 0 ||
            document_text(json, "", "imageLayoutVersion", &version, err) < 0)
                return error_prefix(err, "layout %s", self->location.path);
        if (!text_starts_with(version, "1."))
                return error_set(err, ERR_UNSUPPORTED, self->location.path,
                                 "layout %s has version \"%.40s\", only 1 is known",
                                 self->location.path, version);
        return 0;
}

static int load(OciSource *self, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (check_version(self, err) < 0 ||
            read_file(self, OCI_INDEX_FILE, MANIFEST_SIZE_MAX, &text, err) < 0)
                return -1;
        if (index_parse(text.data, text.size, &self->index, err) < 0)
                return error_prefix(err, "layout %s", self->location.path);
        self->entry = index_find(&self->index, self->location.rest, err);
        return self->entry ? 0 : error_prefix(err, "layout %s", self->location.path);
}

/* --- giving them out --- */

/* Nobody else can check the first document: what its digest is, only index.json says. */
static int check_digest(const Buffer *text, const char *digest, Error *err) {
        char actual[DIGEST_TEXT_SIZE];
        Digest computed;

        digest_compute(text->data, text->size, &computed);
        if (!text_equal(digest_format(&computed, actual), digest))
                return error_set(err, ERR_CORRUPT, digest,
                                 "the document named %s has the digest %s", digest, actual);
        return 0;
}

static int read_manifest(ImageSource *source, const char *digest, Buffer *ret,
                         char **ret_media_type, Error *err) {
        OciSource *self = cast(source);
        const Descriptor *wanted = &self->entry->descriptor;
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        char name[OCI_BLOB_NAME];

        if (!digest)
                digest = wanted->digest;
        if (read_file(self, oci_blob_name(digest, name), MANIFEST_SIZE_MAX, &text, err) < 0 ||
            check_digest(&text, digest, err) < 0)
                return -1;
        buffer_append(ret, text.data, text.size);
        *ret_media_type = xstrdup(text_equal(digest, wanted->digest) ? wanted->media_type : "");
        return 0;
}

static int read_blob(ImageSource *source, const Descriptor *blob, int fd,
                     const TransferControl *control, Error *err) {
        OciSource *self = cast(source);
        char name[OCI_BLOB_NAME];
        _cleanup_(oci_file_done)
        OciFile file = { .fd = -EBADF };

        if (open_file(self, oci_blob_name(blob->digest, name), &file, err) < 0)
                return -1;
        if (blob->size >= 0 && blob->size != file.size)
                return error_set(err, ERR_CORRUPT, blob->digest,
                                 "%s has %lld bytes where the manifest says %lld", blob->digest,
                                 (long long)file.size, (long long)blob->size);
        const BlobPart part = { file.fd, file.offset, file.size, blob->digest };
        return blob_send(&part, fd, control, err);
}

static const ImageSourceClass oci_source_class = {
        .read_manifest = read_manifest,
        .read_blob = read_blob,
        .free = oci_source_free,
};

static int new_source(ImageSource **ret, const char *where, bool is_archive, Error *err) {
        OciSource *self = xnew(OciSource, 1);

        *self = (OciSource){ .source = { .class = &oci_source_class,
                                         .transport = is_archive ? "oci-archive" : "oci" },
                             .dir_fd = -EBADF };
        int r = location_parse(where, true, &self->location, err);
        if (r == 0 && is_archive)
                r = archive_open(&self->archive, self->location.path, err);
        else if (r == 0)
                r = self->dir_fd = folder_open(self->location.path, err);
        if (r < 0 || load(self, err) < 0) {
                oci_source_free(&self->source);
                return -1;
        }
        self->source.scope = self->location.scope;
        *ret = &self->source;
        return 0;
}

int oci_source_new(ImageSource **ret, const char *where, Error *err) {
        return new_source(ret, where, false, err);
}

int oci_archive_source_new(ImageSource **ret, const char *where, Error *err) {
        return new_source(ret, where, true, err);
}

const char *oci_source_name(const ImageSource *source) {
        return cast(source)->entry->name;
}
