/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing docker-archive: blobs under their digests as they come, then what names them.
 *
 * Besides manifest.json there is what docker before 1.10 read (`repositories`, and for each layer a
 * folder with a `json`), since podman and docker write it to this day.
 */

#include <stdio.h>

#include "base/map.h"
#include "base/text.h"
#include "helper/archive_writer.h"
#include "helper/blob_io.h"
#include "helper/docker_archive.h"
#include "helper/docker_images.h"
#include "helper/location.h"
#include "oci/document.h"
#include "oci/image_config.h"

#define NAME_SIZE (DIGEST_HEX_SIZE + 16) /* a digest and what stands behind it */

typedef struct DockerSink {
        ImageSink sink;
        ArchiveWriter *writer;
        Strings tags;
        Map written; /* digests: any pointer */
} DockerSink;

static DockerSink *cast(ImageSink *sink) {
        return container_of(sink, DockerSink, sink);
}

static ImageSink *docker_sink_free(ImageSink *sink) {
        DockerSink *self = cast(sink);

        (void)archive_writer_free(self->writer);
        strings_done(&self->tags);
        map_done(&self->written);
        free(self);
        return NULL;
}

static int has_blob(ImageSink *sink, const Descriptor *blob, Error *err _unused_) {
        return map_get(&cast(sink)->written, blob->digest) != NULL;
}

static void blob_name(const char *digest, bool is_config, char name[static NAME_SIZE]) {
        snprintf(name, NAME_SIZE, "%s%s", digest_hex(digest), is_config ? ".json" : ".tar");
}

static int write_blob(ImageSink *sink, const SinkBlob *blob, int fd, const TransferControl *control,
                      Descriptor *ret, Error *err) {
        DockerSink *self = cast(sink);
        Descriptor received;
        char name[NAME_SIZE];
        int to_fd;

        if (archive_writer_begin(self->writer, &to_fd, err) < 0 ||
            blob_receive(fd, to_fd, blob, control, &received, err) < 0)
                return -1;
        blob_name(received.digest, blob->is_config, name);
        int r = has_blob(sink, &received, NULL)
                        ? archive_writer_drop(self->writer, err)
                        : archive_writer_end(self->writer, name, received.size, err);
        if (r < 0) {
                free(received.media_type);
                return -1;
        }
        (void)map_put(&self->written, received.digest, self);
        *ret = received;
        return 0;
}

/* --- what old dockers read --- */

/* An id that no other layer has, on no other parent. */
static void legacy_id(const char *parent, const char *digest,
                      char ret[static DIGEST_HEX_SIZE + 1]) {
        _cleanup_free_ char *text = xasprintf("%s %s", parent, digest);
        Digest id;

        digest_compute(text, strlen(text), &id);
        (void)digest_format_hex(&id, ret);
}

static int add_legacy_layer(DockerSink *self, const char *parent, const char *id,
                            const char *digest, Error *err) {
        char name[DIGEST_HEX_SIZE + 16], target[NAME_SIZE + 4], file[NAME_SIZE];
        json_auto_t *json = json_object();

        blob_name(digest, false, file);
        snprintf(target, sizeof(target), "../%s", file);
        document_put(json, "id", json_string(id));
        document_put_text(json, "parent", parent);
        size_t size;
        _cleanup_free_ char *text = document_format(json, &size);
        snprintf(name, sizeof(name), "%s/layer.tar", id);
        if (archive_writer_add_symlink(self->writer, name, target, err) < 0)
                return -1;
        snprintf(name, sizeof(name), "%s/VERSION", id);
        if (archive_writer_add(self->writer, name, "1.0", 3, err) < 0)
                return -1;
        snprintf(name, sizeof(name), "%s/json", id);
        return archive_writer_add(self->writer, name, text, size, err);
}

static int add_repositories(DockerSink *self, const char *id, Error *err) {
        json_auto_t *json = json_object();
        size_t size;

        for (size_t i = 0; i < self->tags.count; i++) {
                const char *colon = strrchr(self->tags.items[i], ':'); /* each has a tag */
                _cleanup_free_ char *name =
                        xstrndup(self->tags.items[i], (size_t)(colon - self->tags.items[i]));
                json_t *repository = json_object_get(json, name);
                if (!repository) {
                        repository = json_object();
                        document_put(json, name, repository);
                }
                document_put(repository, colon + 1, json_string(id));
        }
        _cleanup_free_ char *text = document_format(json, &size);
        return archive_writer_add(self->writer, "repositories", text, size, err);
}

static int add_legacy(DockerSink *self, const Manifest *manifest, Error *err) {
        char parent[DIGEST_HEX_SIZE + 1] = "", id[DIGEST_HEX_SIZE + 1];

        for (size_t i = 0; i < manifest->layers_count; i++) {
                legacy_id(parent, manifest->layers[i].digest, id);
                if (add_legacy_layer(self, parent, id, manifest->layers[i].digest, err) < 0)
                        return -1;
                memcpy(parent, id, sizeof(id));
        }
        return *parent ? add_repositories(self, parent, err) : 0;
}

/* --- what names them --- */

static int check_written(DockerSink *self, const Descriptor *blob, Error *err) {
        if (!has_blob(&self->sink, blob, NULL))
                return error_set(err, ERR_NOT_FOUND, blob->digest,
                                 "the manifest names %s, which was not written", blob->digest);
        return 0;
}

static int write_manifest(ImageSink *sink, const char *media_type, const void *data, size_t size,
                          Error *err) {
        DockerSink *self = cast(sink);
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        DockerImage image = { .tags = self->tags };
        char name[NAME_SIZE];

        if (!text_equal(media_type, MEDIA_TYPE_DOCKER_MANIFEST))
                return error_set(err, ERR_UNSUPPORTED, media_type,
                                 "docker-archive has manifests of docker only");
        if (manifest_parse(data, size, &manifest, err) < 0 ||
            check_written(self, &manifest.config, err) < 0)
                return -1;
        _cleanup_strings_ Strings layers = STRINGS_INIT;
        for (size_t i = 0; i < manifest.layers_count; i++) {
                if (check_written(self, &manifest.layers[i], err) < 0)
                        return -1;
                blob_name(manifest.layers[i].digest, false, name);
                strings_add(&layers, name);
        }
        if (add_legacy(self, &manifest, err) < 0)
                return -1;
        blob_name(manifest.config.digest, true, name);
        image.config = name;
        image.layers = layers;
        size_t text_size;
        _cleanup_free_ char *text = docker_images_format(&image, &text_size);
        return archive_writer_add(self->writer, "manifest.json", text, text_size, err);
}

static int commit(ImageSink *sink, Error *err) {
        return archive_writer_commit(cast(sink)->writer, err);
}

static const ImageSinkClass docker_sink_class = {
        .has_blob = has_blob,
        .write_blob = write_blob,
        .write_manifest = write_manifest,
        .commit = commit,
        .free = docker_sink_free,
};

static int add_tag(DockerSink *self, const char *name, Error *err) {
        _cleanup_free_ char *full = docker_name(name, err);

        if (!full)
                return -1;
        if (!strings_contains(&self->tags, full))
                strings_add(&self->tags, full);
        return 0;
}

int docker_archive_sink_new(ImageSink **ret, const char *where, const char *const *names,
                            size_t names_count, Error *err) {
        _cleanup_location_ Location location = LOCATION_INIT;
        DockerSink *self = xnew(DockerSink, 1);

        self->sink = (ImageSink){ .class = &docker_sink_class,
                                  .wants_plain = true,
                                  .manifest_type = MEDIA_TYPE_DOCKER_MANIFEST };
        int r = location_parse(where, true, &location, err);
        if (r == 0 && location.rest)
                r = add_tag(self, location.rest, err);
        for (size_t i = 0; r == 0 && i < names_count; i++)
                r = add_tag(self, names[i], err);
        if (r == 0)
                r = archive_writer_open(&self->writer, location.path, false, err);
        if (r < 0) {
                docker_sink_free(&self->sink);
                return -1;
        }
        *ret = &self->sink;
        return 0;
}
