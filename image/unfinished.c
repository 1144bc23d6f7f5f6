/* SPDX-License-Identifier: Apache-2.0 */
#include "image/unfinished.h"

#include <dirent.h>
#include <errno.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/digest.h"

static char *marks_folder(const Store *store) {
        return xasprintf("%s/selkie/unfinished", store_graph_root(store));
}

int unfinished_begin(Store *store, const char *layer_id, Error *err) {
        _cleanup_free_ char *folder = marks_folder(store);
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, layer_id);

        int r = path_make_dirs(folder, 0700);
        if (r >= 0)
                r = file_write_atomic_at(AT_FDCWD, path, "", 0, 0600, false);
        return r < 0 ? error_errno(err, ERR_IO, -r, path, "cannot write %s", path) : 0;
}

void unfinished_end(Store *store, const char *layer_id) {
        _cleanup_free_ char *folder = marks_folder(store);
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, layer_id);

        (void)unlink(path);
}

void unfinished_recover(Store *store) {
        _cleanup_free_ char *path = marks_folder(store);
        DIR *folder = opendir(path);

        if (!folder)
                return; /* nothing was ever begun in this store */
        for (struct dirent *entry; (entry = readdir(folder));) {
                Error err = ERROR_INIT;
                if (strlen(entry->d_name) != DIGEST_HEX_SIZE || !text_is_hex(entry->d_name))
                        continue;
                /* One that is used by now is somebody's. */
                if (store_layer_delete(store, entry->d_name, &err) == 0 ||
                    err.kind == ERR_NOT_FOUND || err.kind == ERR_IN_USE)
                        unfinished_end(store, entry->d_name);
        }
        (void)closedir(folder);
}
