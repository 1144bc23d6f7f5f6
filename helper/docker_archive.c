/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/docker_archive.h"

#include <errno.h>
#include <string.h>

#include "helper/archive.h"
#include "helper/blob_io.h"
#include "helper/docker_images.h"
#include "helper/location.h"
#include "oci/image_config.h"

typedef struct ArchiveLayer {
        const ArchiveMember *member;
        Compression compression;
        int64_t size; /* uncompressed */
        const char *diff_id;
} ArchiveLayer;

typedef struct DockerArchive {
        ImageSource source;
        Location location;
        Archive *archive;
        DockerImages images;
        const DockerImage *image;

        Buffer config_text;
        char config_digest[DIGEST_TEXT_SIZE];
        ImageConfig config;
        ArchiveLayer *layers; /* as many as the config has */

        char *manifest;
        size_t manifest_size;
        char manifest_digest[DIGEST_TEXT_SIZE];
} DockerArchive;

static DockerArchive *cast(const ImageSource *source) {
        return container_of((ImageSource *)source, DockerArchive, source);
}

static ImageSource *docker_archive_free(ImageSource *source) {
        DockerArchive *self = cast(source);

        (void)archive_free(self->archive);
        docker_images_done(&self->images);
        buffer_done(&self->config_text);
        image_config_done(&self->config);
        location_done(&self->location);
        free(self->layers);
        free(self->manifest);
        free(self);
        return NULL;
}

/* --- what is in it --- */

static void digest_text(const void *data, size_t size, char text[static DIGEST_TEXT_SIZE]) {
        Digest digest;

        digest_compute(data, size, &digest);
        (void)digest_format(&digest, text);
}

static int load_images(DockerArchive *self, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (!archive_has(self->archive, "manifest.json") &&
            archive_has(self->archive, "repositories"))
                return error_set(err, ERR_UNSUPPORTED, self->location.path,
                                 "archive %s is of docker before 1.10: it has no manifest.json, "
                                 "and has to be saved again",
                                 self->location.path);
        if (archive_read(self->archive, "manifest.json", DOCKER_IMAGES_SIZE_MAX, &text, err) < 0)
                return -1;
        if (docker_images_parse(text.data, text.size, &self->images, err) < 0)
                return error_prefix(err, "archive %s", self->location.path);
        self->image = docker_images_find(&self->images, self->location.rest, err);
        return self->image ? 0 : error_prefix(err, "archive %s", self->location.path);
}

static int load_config(DockerArchive *self, Error *err) {
        Buffer *text = &self->config_text;

        if (archive_read(self->archive, self->image->config, IMAGE_CONFIG_SIZE_MAX, text, err) < 0)
                return -1;
        digest_text(text->data, text->size, self->config_digest);
        if (image_config_parse(text->data, text->size, &self->config, err) < 0)
                return error_prefix(err, "archive %s: %.200s", self->location.path,
                                    self->image->config);
        if (self->config.diff_ids.count != self->image->layers.count)
                return error_set(err, ERR_INVALID, self->location.path,
                                 "archive %s: the image has %zu layers by its config, and %zu by "
                                 "manifest.json",
                                 self->location.path, self->config.diff_ids.count,
                                 self->image->layers.count);
        return 0;
}

static BlobPart part_of(const DockerArchive *self, const ArchiveLayer *layer) {
        return (BlobPart){ archive_fd(self->archive), layer->member->offset, layer->member->size,
                           layer->diff_id };
}

static int load_layer(DockerArchive *self, size_t i, Error *err) {
        ArchiveLayer *layer = &self->layers[i];

        layer->diff_id = self->config.diff_ids.items[i];
        layer->member = archive_find(self->archive, self->image->layers.items[i], err);
        if (!layer->member)
                return -1;
        const BlobPart part = part_of(self, layer);
        if (blob_detect(&part, &layer->compression, err) < 0)
                return -1;
        layer->size = part.size;
        if (layer->compression == COMPRESSION_NONE)
                return 0;
        return blob_inflate(&part, layer->compression, -EBADF, &layer->size, NULL, err);
}

/* As containers/image makes it, byte for byte: the gzip in the layers' type is no promise. */
static void make_manifest(DockerArchive *self) {
        _cleanup_manifest_ Manifest manifest = { .media_type =
                                                         xstrdup(MEDIA_TYPE_DOCKER_MANIFEST) };

        manifest_set_config(&manifest, self->config_digest, (int64_t)self->config_text.size);
        for (size_t i = 0; i < self->config.diff_ids.count; i++)
                manifest_add_layer(&manifest, MEDIA_TYPE_DOCKER_LAYER_GZIP, self->layers[i].diff_id,
                                   self->layers[i].size);
        self->manifest = manifest_format(&manifest, &self->manifest_size);
        digest_text(self->manifest, self->manifest_size, self->manifest_digest);
}

static int load(DockerArchive *self, Error *err) {
        if (archive_open(&self->archive, self->location.path, err) < 0 ||
            load_images(self, err) < 0 || load_config(self, err) < 0)
                return -1;
        self->layers = xnew(ArchiveLayer, self->config.diff_ids.count);
        for (size_t i = 0; i < self->config.diff_ids.count; i++)
                if (load_layer(self, i, err) < 0)
                        return -1;
        make_manifest(self);
        return 0;
}

/* --- giving it out --- */

static int read_manifest(ImageSource *source, const char *digest, Buffer *ret,
                         char **ret_media_type, Error *err) {
        DockerArchive *self = cast(source);

        if (digest && !text_equal(digest, self->manifest_digest))
                return error_set(err, ERR_NOT_FOUND, digest, "archive %s has no manifest %s",
                                 self->location.path, digest);
        buffer_append(ret, self->manifest, self->manifest_size);
        *ret_media_type = xstrdup(MEDIA_TYPE_DOCKER_MANIFEST);
        return 0;
}

static int send_layer(const DockerArchive *self, const ArchiveLayer *layer, int fd,
                      const TransferControl *control, Error *err) {
        const BlobPart part = part_of(self, layer);

        if (layer->compression == COMPRESSION_NONE)
                return blob_send(&part, fd, control, err);
        return blob_inflate(&part, layer->compression, fd, NULL, control, err);
}

static int read_blob(ImageSource *source, const Descriptor *blob, int fd,
                     const TransferControl *control, Error *err) {
        DockerArchive *self = cast(source);

        if (text_equal(blob->digest, self->config_digest))
                return blob_send_memory(&self->config_text, blob->digest, fd, control, err);
        for (size_t i = 0; i < self->config.diff_ids.count; i++)
                if (text_equal(blob->digest, self->layers[i].diff_id))
                        return send_layer(self, &self->layers[i], fd, control, err);
        return error_set(err, ERR_NOT_FOUND, blob->digest, "archive %s has no blob %s",
                         self->location.path, blob->digest);
}

static const ImageSourceClass docker_archive_class = {
        .read_manifest = read_manifest,
        .read_blob = read_blob,
        .free = docker_archive_free,
};

int docker_archive_source_new(ImageSource **ret, const char *where, Error *err) {
        DockerArchive *self = xnew(DockerArchive, 1);

        self->source =
                (ImageSource){ .class = &docker_archive_class, .transport = "docker-archive" };
        if (location_parse(where, true, &self->location, err) < 0 || load(self, err) < 0) {
                docker_archive_free(&self->source);
                return -1;
        }
        self->source.scope = ""; /* policy.json knows no single archive of this kind */
        *ret = &self->source;
        return 0;
}

const Strings *docker_archive_source_names(const ImageSource *source) {
        return &cast(source)->image->tags;
}
