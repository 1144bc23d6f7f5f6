/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dir: one image as a folder of files: manifest.json, blobs under the hex digits of their digests,
 * `version`, and signatures as signature-1, signature-2, ...
 *
 * No standard, but what the containers tools have (and once called docker-dir when its manifest was
 * docker's). Such a folder may come from anywhere, so no link in it is followed.
 */

#include "helper/sink.h"
#include "helper/source.h"

#define DIR_SIGNATURES_MAX     128
#define DIR_SIGNATURE_SIZE_MAX (64 * 1024) /* bytes */

/** dir_source_new() - errors: ERR_NOT_FOUND, ERR_INVALID (a link), ERR_LIMIT, ERR_IO */
int dir_source_new(ImageSource **ret, const char *path, Error *err);

/**
 * dir_sink_new() - a folder, made if it is not there
 * @manifest_type: what the sink is to ask for; NULL: either
 *
 * Another image of this kind is replaced at the commit. ERR_EXISTS: there is something else.
 */
int dir_sink_new(ImageSink **ret, const char *path, const char *manifest_type, Error *err);
