/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a container has made of its files: listed, exported, made an image of. */

#include "engine/container.h"

/* Asked now and then by what may take long. */
typedef struct FilesControl {
        bool (*is_cancelled)(void *userdata); /* NULL: never */
        void *userdata;
} FilesControl;

/* Paths in which a container differs from its image, each list sorted. */
typedef struct ContainerChanges {
        Strings changed, added, deleted;
} ContainerChanges;

#define CONTAINER_CHANGES_INIT \
        { .changed = STRINGS_INIT }

void container_changes_done(ContainerChanges *changes);
#define _cleanup_container_changes_ _cleanup_(container_changes_done)

/**
 * container_changes() - as `podman diff`: what the runtime itself puts there is left out
 *
 * Errors: ERR_CONTAINER_NOT_FOUND (removed meanwhile), ERR_LIMIT, ERR_IO.
 */
int container_changes(Container *container, ContainerChanges *ret, Error *err);

/**
 * container_export() - all files of a container as a tar
 * @path: absolute; a file that is there is replaced, when the new one is complete
 *
 * Errors: ERR_CONTAINER_NOT_FOUND, ERR_INVALID (subject = `path`), ERR_NO_SPACE, ERR_CANCELLED,
 * ERR_IO.
 */
int container_export(Container *container, const char *path, const FilesControl *control,
                     Error *err);

typedef struct ContainerCommitOptions {
        const char *name; /* of the image; these as in image/commit.h */
        const char *author, *message, *format;
        const char *const *changes;
        size_t changes_count;
        bool pauses; /* a running one, while its files are copied */
        FilesControl control;
} ContainerCommitOptions;

/**
 * container_commit() - make an image of what a container is now
 * @ret_id: heap, 64 hex digits
 *
 * The container's settings become the image's. Errors: those of image/commit.h;
 * ERR_CONTAINER_NOT_FOUND, ERR_RUNTIME (it could not be paused).
 */
int container_commit(Container *container, const ContainerCommitOptions *options, char **ret_id,
                     Error *err);
