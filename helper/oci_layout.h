/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OCI image layouts: a folder (`oci:path[:name]`), or a tar of it (`oci-archive:path[:name]`).
 *
 * index.json lists the images, each perhaps with a name; blobs lie under their digests. A layout
 * that is a folder may come from anywhere, so no link in it is followed.
 *
 * Source: OCI image-spec v1.1 image-layout.md.
 */

#include "helper/sink.h"
#include "helper/source.h"

/**
 * oci_source_new() - an image of a folder
 * @where: `path[:name]`; without a name the layout has one image
 *
 * Errors: ERR_NOT_FOUND, ERR_AMBIGUOUS, ERR_INVALID (no layout, a link), ERR_UNSUPPORTED (its
 * version), ERR_LIMIT, ERR_IO.
 */
int oci_source_new(ImageSource **ret, const char *where, Error *err);

/** oci_archive_source_new() - an image of a tar; also the errors of archive_open() */
int oci_archive_source_new(ImageSource **ret, const char *where, Error *err);

/** oci_source_name() - the name that the image has in its layout, of either kind; "" if none */
const char *oci_source_name(const ImageSource *source);

/**
 * oci_sink_new() - a further image for a folder, which is made if it is not there
 * @where: as above
 *
 * An image of the same name is replaced in the index; its blobs stay, others may use them.
 */
int oci_sink_new(ImageSink **ret, const char *where, Error *err);

/** oci_archive_sink_new() - a new tar with one image; a file that is there is replaced */
int oci_archive_sink_new(ImageSink **ret, const char *where, Error *err);
