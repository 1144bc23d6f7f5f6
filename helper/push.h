/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the store to a sink.
 *
 * Each layer's tar is rebuilt exactly as it was, compressed on the way where the sink wants that,
 * and not even read where the sink has the blob that the layer once came as. If all layers are what
 * the image's manifest names, that manifest goes along unchanged, and with it the image's digest.
 */

#include "helper/sink.h"
#include "helper/watch.h"
#include "storage/layers.h"

#define PUSH_LAYERS_AT_ONCE 2

typedef struct PushRequest {
        Store *store;
        const StoreImage *image;
        ImageSink *sink;
        const char *format;      /* "oci", "docker"; "": as the image is, or as the sink wants it */
        const char *compression; /* "gzip", "zstd", "none"; "": as the sink wants it */
        const Watch *watch;
} PushRequest;

/**
 * push_image() - send one image
 * @ret_digest: of the manifest as it was sent
 *
 * Errors: those of the sink and the store; ERR_CORRUPT (the store's files are not what they were),
 * ERR_INVALID (format, compression), ERR_CANCELLED.
 */
int push_image(const PushRequest *request, char ret_digest[static DIGEST_TEXT_SIZE], Error *err);
