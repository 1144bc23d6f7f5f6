/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * docker-archive: what `docker save` and `podman save` write.
 *
 * A tar with a manifest.json (docker_images.h), configs and layers. Such an archive has no manifest
 * of its own, so one is made up as podman does, with which the layers are known by the digests of
 * their uncompressed tars: a layer that is compressed in the archive is inflated on its way out.
 */

#include "base/text.h"
#include "helper/sink.h"
#include "helper/source.h"

/**
 * docker_archive_source_new() - an image in an archive
 * @where: `path[:name]` or `path:@number`; without either the archive has one image
 *
 * Errors: those of archive_open(), docker_images_parse(), docker_images_find(), and ERR_UNSUPPORTED
 * for archives of docker before 1.10, which have no manifest.json.
 */
int docker_archive_source_new(ImageSource **ret, const char *where, Error *err);

/** docker_archive_source_names() - full names that the image had; borrowed */
const Strings *docker_archive_source_names(const ImageSource *source);

/**
 * docker_archive_sink_new() - a new archive with one image
 * @where: `path[:name]`
 * @names: more names, short or full
 *
 * Errors: ERR_EXISTS (there is such a file, and it is not empty), ERR_INVALID (a name), ERR_IO.
 */
int docker_archive_sink_new(ImageSink **ret, const char *where, const char *const *names,
                            size_t names_count, Error *err);
