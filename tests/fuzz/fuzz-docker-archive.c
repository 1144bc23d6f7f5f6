/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Archives: an input that begins with a bracket is a manifest.json, any other a whole archive. An
 * image that can be had from one has a manifest that parses, and what it names can be read.
 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "helper/docker_archive.h"
#include "helper/docker_images.h"
#include "helper/oci_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_images(const char *text, size_t size) {
        _cleanup_docker_images_ DockerImages images = DOCKER_IMAGES_INIT;

        if (docker_images_parse(text, size, &images, NULL) < 0)
                return;
        (void)docker_images_find(&images, NULL, NULL);
        (void)docker_images_find(&images, "@1", NULL);
        for (size_t i = 0; i < images.count; i++) {
                _cleanup_docker_images_ DockerImages again = DOCKER_IMAGES_INIT;
                const DockerImage *image = &images.items[i];
                for (size_t k = 0; k < image->tags.count; k++)
                        assert(docker_images_find(&images, image->tags.items[k], NULL));
                _cleanup_free_ char *formatted = docker_images_format(image, &size);
                int r = docker_images_parse(formatted, size, &again, NULL);
                assert(r == 0);
                assert(again.items[0].layers.count == image->layers.count);
        }
}

/* A blob is written whole or not at all; to a file that is thrown away. */
static void read_blobs(ImageSource *source, const Manifest *manifest) {
        _cleanup_close_ int fd = memfd_create("blob", MFD_CLOEXEC);

        (void)source->class->read_blob(source, &manifest->config, fd, NULL, NULL);
        for (size_t i = 0; i < manifest->layers_count; i++)
                (void)source->class->read_blob(source, &manifest->layers[i], fd, NULL, NULL);
}

static void try_source(int (*open_source)(ImageSource **, const char *, Error *),
                       const char *where) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        _cleanup_free_ char *media_type = NULL;
        Error err = ERROR_INIT;
        ImageSource *source;

        if (open_source(&source, where, &err) < 0) {
                assert(err.kind != ERR_NONE && *err.text);
                return;
        }
        if (source->class->read_manifest(source, NULL, &text, &media_type, &err) == 0 &&
            manifest_parse(text.data, text.size, &manifest, &err) == 0)
                read_blobs(source, &manifest);
        source->class->free(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char where[64];

        if (size > 0 && data[0] == '[') {
                try_images((const char *)data, size);
                return 0;
        }
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        if (fd < 0 || fd_write_all(fd, data, size) < 0)
                return 0;
        snprintf(where, sizeof(where), "/proc/self/fd/%d", fd);
        try_source(docker_archive_source_new, where);
        try_source(oci_archive_source_new, where);
        return 0;
}
