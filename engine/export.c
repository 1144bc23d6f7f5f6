/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tar grows in a file without a name, which takes the place of the old one when it is complete:
 * an export that fails or is cut off leaves the old file, and nothing else. The tree is seen
 * through a mount that ends with its descriptor (store_layer_view()).
 */

#include "engine/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/object.h"
#include "storage/layers.h"

#define CHUNK_SIZE (256 * 1024) /* bytes that are written at once */

typedef struct Export {
        const FilesControl *control;
        char path[PATH_MAX]; /* of the file that is made, links followed */
        char folder[PATH_MAX];
        char *temporary; /* the name of what is written, if it has one */
        int fd;
        Buffer chunk;
} Export;

static void export_done(Export *export) {
        export->fd = fd_close(export->fd);
        if (export->temporary)
                (void)unlink(export->temporary);
        free(export->temporary);
        buffer_done(&export->chunk);
}

/* --- the tar --- */

static int flush(Export *export, Error *err) {
        const FilesControl *control = export->control;
        int r = fd_write_all(export->fd, export->chunk.data, export->chunk.size);

        export->chunk.size = 0;
        if (r < 0)
                return error_errno(err, ERR_IO, -r, export->path, "cannot write %s", export->path);
        if (control->is_cancelled && control->is_cancelled(control->userdata))
                return error_set(err, ERR_CANCELLED, export->path, "the export was given up");
        return 0;
}

static int write_tar(void *userdata, const void *data, size_t size, Error *err) {
        Export *export = userdata;

        for (const char *p = data; size > 0;) {
                size_t room = CHUNK_SIZE - export->chunk.size, part = size < room ? size : room;
                buffer_append(&export->chunk, p, part);
                if (buffer_failed(&export->chunk))
                        return error_set(err, ERR_IO, export->path, "out of memory");
                p += part;
                size -= part;
                if (export->chunk.size == CHUNK_SIZE && flush(export, err) < 0)
                        return -1;
        }
        return 0;
}

/* --- the file --- */

/* A link is followed to where it leads, as when a file is opened to be written. */
static int find_target(const char *path, Export *export, Error *err) {
        struct stat status;

        if (path[0] != '/')
                return error_set(
                        err, ERR_INVALID, "path",
                        "cannot export to \"%.600s\": the path does not begin with a slash", path);
        if (stat(path, &status) == 0) {
                if (!S_ISREG(status.st_mode))
                        return error_set(err, ERR_INVALID, "path",
                                         "cannot export to %.600s: it is %s", path,
                                         S_ISDIR(status.st_mode) ? "a folder" : "no regular file");
                if (!realpath(path, export->path))
                        return error_errno(err, ERR_IO, errno, path, "cannot find %.600s", path);
        } else if ((size_t)snprintf(export->path, PATH_MAX, "%s", path) >= PATH_MAX) {
                return error_set(err, ERR_INVALID, "path", "the path is longer than %d bytes",
                                 PATH_MAX - 1);
        }
        size_t folder_size = (size_t)(strrchr(export->path, '/') - export->path);
        snprintf(export->folder, PATH_MAX, "%.*s", folder_size ? (int)folder_size : 1,
                 export->path);
        if (export->path[folder_size + 1] == '\0')
                return error_set(err, ERR_INVALID, "path",
                                 "cannot export to %.600s: it ends in a slash", path);
        return 0;
}

static int open_file(Export *export, Error *err) {
        char suffix[16 + 1];

        random_hex(suffix, sizeof(suffix) - 1);
        _cleanup_free_ char *temporary = xasprintf("%s/.tmp-%s", export->folder, suffix);
        export->fd = open(export->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (export->fd < 0 && errno == EOPNOTSUPP) { /* as on network file systems */
                export->fd = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
                if (export->fd >= 0)
                        export->temporary = TAKE_PTR(temporary);
        }
        if (export->fd < 0)
                return error_errno(err, ERR_IO, errno, export->path, "cannot create %s",
                                   export->path);
        return 0;
}

/* A file without a name cannot be put over another: it has one for a moment. */
static int give_name(Export *export, Error *err) {
        _cleanup_free_ char *self = xasprintf("/proc/self/fd/%d", export->fd);
        char suffix[16 + 1];

        random_hex(suffix, sizeof(suffix) - 1);
        _cleanup_free_ char *temporary = xasprintf("%s/.tmp-%s", export->folder, suffix);
        if (linkat(AT_FDCWD, self, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) < 0)
                return error_errno(err, ERR_IO, errno, export->path, "cannot create %s",
                                   export->path);
        export->temporary = TAKE_PTR(temporary);
        return 0;
}

static int put_in_place(Export *export, Error *err) {
        if (!export->temporary && give_name(export, err) < 0)
                return -1;
        if (rename(export->temporary, export->path) < 0)
                return error_errno(err, ERR_IO, errno, export->path, "cannot replace %s",
                                   export->path);
        free(export->temporary);
        export->temporary = NULL;
        return 0;
}

static int open_tree(Container *container, int *ret_fd, Error *err) {
        Error cause = ERROR_INIT;

        if (store_layer_view(container->engine->store, container->config.layer, ret_fd, &cause) ==
            0)
                return 0;
        if (cause.kind != ERR_NOT_FOUND)
                return error_copy(err, &cause);
        return error_set(err, ERR_CONTAINER_NOT_FOUND, container->id,
                         "container %s is being removed", container->id);
}

int container_export(Container *container, const char *path, const FilesControl *control,
                     Error *err) {
        _cleanup_(export_done)
        Export export = { .control = control, .fd = -EBADF, .chunk = BUFFER_INIT };
        const TarSink sink = { .write = write_tar, .userdata = &export };
        _cleanup_close_ int root_fd = -EBADF;

        if (find_target(path, &export, err) < 0 || open_tree(container, &root_fd, err) < 0 ||
            open_file(&export, err) < 0)
                return -1;
        if (store_tree_write(root_fd, &sink, err) < 0 || flush(&export, err) < 0)
                return error_prefix(err, "cannot export container %s", container->id);
        return put_in_place(&export, err);
}
