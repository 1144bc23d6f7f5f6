/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A look at a layer's tree that leaves no trace, whatever happens to us.
 *
 * A counted mount would outlive an engine that is killed while it reads. So a layer that nobody has
 * mounted is mounted in a mount namespace of a thread's own, which ends with the thread; the
 * descriptor of its root keeps the mount, and is all that does. One that is mounted is read where
 * it is: its upper directory belongs to that mount, and the descriptor outlives its end too.
 */

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "storage/overlay.h"
#include "storage/store_private.h"

typedef struct View {
        Store *store;
        const char *home, *id;
        const char *merged; /* path of the mount point */
        int fd;
        int result;
        Error err;
} View;

static int open_tree_root(const View *view) {
        return open(view->merged, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* -EBADF: nothing is mounted there. */
static int open_mounted(const View *view) {
        _cleanup_close_ int fd = open_tree_root(view);
        struct statx status;

        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) < 0 ||
            !(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return -EBADF;
        return TAKE_FD(fd);
}

static int mount_and_open(View *view, Error *err) {
        const OverlayMount overlay = {
                .home = view->home,
                .id = view->id,
                .is_read_only = true,
                .options = view->store->mount_options,
        };

        if (unshare(CLONE_FS | CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_errno(err, ERR_IO, errno, view->id,
                                   "cannot make a mount namespace for layer %s", view->id);
        if (overlay_mount(view->store->home_fd, &overlay, err) < 0)
                return -1;
        view->fd = open_tree_root(view);
        if (view->fd < 0)
                return error_errno(err, ERR_IO, errno, view->id, "cannot open layer %s", view->id);
        return 0;
}

static void *run(void *userdata) {
        View *view = userdata;

        view->result = mount_and_open(view, &view->err);
        return NULL;
}

int store_layer_view(Store *store, const char *id, int *ret_fd, Error *err) {
        _cleanup_free_ char *home = store_home(store),
                            *merged = xasprintf("%s/%s/merged", home, id);
        View view = { .store = store, .home = home, .id = id, .merged = merged, .fd = -EBADF };
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        pthread_t thread;

        if (store_layer_get(store, id, &layer, err) < 0)
                return -1;
        view.fd = open_mounted(&view);
        if (view.fd < 0) {
                int r = pthread_create(&thread, NULL, run, &view);
                if (r != 0)
                        return error_errno(err, ERR_IO, r, id, "cannot start a thread");
                (void)pthread_join(thread, NULL);
                if (view.result < 0)
                        return error_copy(err, &view.err);
        }
        *ret_fd = view.fd;
        return 0;
}
