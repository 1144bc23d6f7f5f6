/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/new_blobs.h"

#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/blob_io.h"

void new_blobs_init(NewBlobs *blobs, int dir_fd) {
        *blobs = (NewBlobs){ .dir_fd = dir_fd };
        pthread_mutex_init(&blobs->lock, NULL);
}

void new_blobs_done(NewBlobs *blobs) {
        for (size_t i = 0; i < blobs->count; i++)
                new_file_done(&blobs->items[i].file);
        free(blobs->items);
        pthread_mutex_destroy(&blobs->lock);
        *blobs = (NewBlobs){ .dir_fd = -EBADF };
}

static bool has_locked(const NewBlobs *blobs, const char *digest) {
        for (size_t i = 0; i < blobs->count; i++)
                if (text_equal(blobs->items[i].digest, digest))
                        return true;
        return false;
}

bool new_blobs_has(NewBlobs *blobs, const char *digest) {
        pthread_mutex_lock(&blobs->lock);
        bool has = has_locked(blobs, digest);
        pthread_mutex_unlock(&blobs->lock);
        return has;
}

/* Takes the file in, unless there is one of its digest. */
static int add(NewBlobs *blobs, NewFile *file, const Descriptor *received, Error *err) {
        int r = 0;

        pthread_mutex_lock(&blobs->lock);
        if (!has_locked(blobs, received->digest) && blobs->count == NEW_BLOBS_MAX) {
                r = error_set(err, ERR_LIMIT, received->digest, "more than %d blobs for one image",
                              NEW_BLOBS_MAX);
        } else if (!has_locked(blobs, received->digest)) {
                GROW(blobs->items, blobs->count, blobs->capacity);
                NewBlob *blob = &blobs->items[blobs->count++];
                *blob = (NewBlob){ .file = *file, .size = received->size };
                memcpy(blob->digest, received->digest, DIGEST_TEXT_SIZE);
                *file = (NewFile)NEW_FILE_INIT;
        }
        pthread_mutex_unlock(&blobs->lock);
        return r;
}

int new_blobs_receive(NewBlobs *blobs, const SinkBlob *blob, int fd, const TransferControl *control,
                      Descriptor *ret, Error *err) {
        _cleanup_new_file_ NewFile file = NEW_FILE_INIT;
        Descriptor received;

        if (new_file_open(&file, blobs->dir_fd, 0644, err) < 0 ||
            blob_receive(fd, file.fd, blob, control, &received, err) < 0)
                return -1;
        if (add(blobs, &file, &received, err) < 0) {
                free(received.media_type);
                return -1;
        }
        *ret = received;
        return 0;
}

/* What is there under a digest is that blob, unless it was cut short. */
static bool is_there(const NewBlobs *blobs, const char *name, int64_t size) {
        struct stat status;

        return fstatat(blobs->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(status.st_mode) && status.st_size == size;
}

int new_blobs_publish(NewBlobs *blobs, Error *err) {
        for (size_t i = 0; i < blobs->count; i++) {
                NewBlob *blob = &blobs->items[i];
                const char *name = digest_hex(blob->digest);
                if (!is_there(blobs, name, blob->size) &&
                    new_file_publish(&blob->file, name, true, err) < 0)
                        return -1;
        }
        return 0;
}
