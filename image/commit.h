/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a container has become, as an image: its image's layers, and one more of its changes.
 *
 * In three steps, so that whoever knows containers may hold one still for the second only: check
 * all that was asked, copy the changes, make the image.
 */

#include "base/error.h"
#include "image/catalog.h"

#define IMAGE_AUTHOR_MAX         4096        /* bytes */
#define IMAGE_COMMIT_MESSAGE_MAX (64 * 1024) /* bytes */

typedef struct ImageCommitOptions {
        const ImageDetails *base;      /* the image that the container was made from */
        const char *layer;             /* the container's own, in the store */
        const ImageSettings *settings; /* what containers of the new image start with */
        const char *created_by;        /* what ran in the container */
        const char *name;              /* of the new image, in its local meaning */
        const char *author;            /* NULL or "": the base's */
        const char *message;           /* the history's comment; NULL or "": none */
        const char *const *changes;    /* to the settings; see image/changes.h */
        size_t changes_count;
        const char *format;                   /* "oci", "docker"; NULL or "": oci */
        bool (*is_cancelled)(void *userdata); /* NULL: never */
        void *userdata;
} ImageCommitOptions;

typedef struct ImageCommit ImageCommit;

/**
 * image_commit_new() - check what was asked; the store is not touched
 * @options: what it points to is borrowed until the commit is freed
 *
 * Errors: ERR_INVALID (subject = `image_name`, `manifestType`, `author`, `message`, or the bad
 * change), ERR_LIMIT.
 */
int image_commit_new(ImageCatalog *catalog, const ImageCommitOptions *options, ImageCommit **ret,
                     Error *err);

/**
 * image_commit_copy() - read the changes; the container had better not change meanwhile
 *
 * Once. Errors: ERR_NOT_FOUND (the container's layer is gone), ERR_CANCELLED, ERR_LIMIT,
 * ERR_NO_SPACE, ERR_IO.
 */
int image_commit_copy(ImageCommit *commit, Error *err);

/**
 * image_commit_finish() - make the image of what was copied; once
 * @ret_id: heap, 64 hex digits
 *
 * Errors: ERR_INVALID, ERR_LIMIT (the changes make an invalid image, or one of too many layers),
 * ERR_CORRUPT (the base is not what it says), those of the store.
 */
int image_commit_finish(ImageCommit *commit, char **ret_id, Error *err);

/** image_commit_free() - without finish the store is as it was; returns NULL */
ImageCommit *image_commit_free(ImageCommit *commit);
DEFINE_CLEANUP(ImageCommit, image_commit_free);
