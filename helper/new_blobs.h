/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Blobs on their way into a folder: complete files without names, until all get theirs at once.
 *
 * So who gives up, or is killed, leaves nothing behind. Thread: any, several at once, but for
 * new_blobs_publish() and new_blobs_done().
 */

#include <pthread.h>

#include "helper/new_file.h"
#include "helper/sink.h"

#define NEW_BLOBS_MAX 256 /* each holds a descriptor; an image has at most 130 */

typedef struct NewBlob {
        NewFile file;
        char digest[DIGEST_TEXT_SIZE];
        int64_t size;
} NewBlob;

typedef struct NewBlobs {
        int dir_fd;           /* borrowed */
        pthread_mutex_t lock; /* guards what follows */
        NewBlob *items;
        size_t count, capacity;
} NewBlobs;

/** new_blobs_init() - for files in a folder, which stays open longer */
void new_blobs_init(NewBlobs *blobs, int dir_fd);
void new_blobs_done(NewBlobs *blobs);

/** new_blobs_has() - whether one was received */
bool new_blobs_has(NewBlobs *blobs, const char *digest);

/** new_blobs_receive() - see write_blob() of sink.h; one that is there already is dropped */
int new_blobs_receive(NewBlobs *blobs, const SinkBlob *blob, int fd, const TransferControl *control,
                      Descriptor *ret, Error *err);

/** new_blobs_publish() - name them by the hex digits of their digests; one that is there stays */
int new_blobs_publish(NewBlobs *blobs, Error *err);
