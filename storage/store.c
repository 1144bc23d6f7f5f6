/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store.h"

#include <dirent.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/path.h"
#include "storage/staging.h"
#include "storage/store_private.h"

#define DRIVER "overlay"

const char *store_graph_root(const Store *store) {
        return store->graph_root;
}

const char *store_run_root(const Store *store) {
        return store->run_root;
}

const char *store_driver(const Store *store _unused_) {
        return DRIVER;
}

char *store_home(const Store *store) {
        return xasprintf("%s/" DRIVER, store->graph_root);
}

int id_check(const char *id, Error *err) {
        if (!*id || id[0] == '.' || strchr(id, '/') || strlen(id) > ID_MAX)
                return error_set(err, ERR_INVALID, id, "\"%s\" is no id", id);
        return 0;
}

int record_get_names(const json_t *object, const char *key, Strings *ret, Error *err) {
        const json_t *list = json_object_get(object, key), *item;
        size_t i;

        if (!list || json_is_null(list))
                return 0;
        if (!json_is_array(list))
                return error_set(err, ERR_CORRUPT, key, "member %s is no array", key);
        json_array_foreach(list, i, item) {
                if (!json_is_string(item))
                        return error_set(err, ERR_CORRUPT, key,
                                         "member %s has an item that is "
                                         "no string",
                                         key);
                strings_add(ret, json_string_value(item));
        }
        return 0;
}

/* The root, as a descriptor in a detached clone of its mount where the kernel lets us make one. */
static int open_root(const char *path) {
        int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd < 0)
                fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* A directory of a root, made if it is missing. */
static int open_dir(int root_fd, const char *root, const char *name, mode_t mode, int *ret,
                    Error *err) {
        if (mkdirat(root_fd, name, mode) < 0 && errno != EEXIST)
                return error_errno(err, ERR_IO, errno, name, "cannot create %s/%s", root, name);
        int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, name, "cannot open %s/%s", root, name);
        *ret = fd;
        return 0;
}

static int open_dirs(Store *store, Error *err) {
        _cleanup_close_ int run_fd = -EBADF, link_fd = -EBADF;
        const char *graph = store->graph_root, *run = store->run_root;

        int r = path_make_dirs(graph, 0700);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, graph, "cannot create %s", graph);
        r = path_make_dirs(run, 0700);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, run, "cannot create %s", run);
        store->graph_fd = open_root(graph);
        if (store->graph_fd < 0)
                return error_errno(err, ERR_IO, -store->graph_fd, graph, "cannot open %s", graph);
        run_fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (run_fd < 0)
                return error_errno(err, ERR_IO, errno, run, "cannot open %s", run);

        if (open_dir(store->graph_fd, graph, DRIVER, 0700, &store->home_fd, err) < 0 ||
            open_dir(store->home_fd, graph, "l", 0755, &link_fd, err) < 0 ||
            open_dir(store->graph_fd, graph, "tmp", 0700, &store->tmp_fd, err) < 0 ||
            open_dir(store->graph_fd, graph, DRIVER "-layers", 0700, &store->layers_fd, err) < 0 ||
            open_dir(store->graph_fd, graph, DRIVER "-images", 0700, &store->images_fd, err) < 0 ||
            open_dir(store->graph_fd, graph, DRIVER "-containers", 0700, &store->containers_fd,
                     err) < 0 ||
            open_dir(run_fd, run, DRIVER "-layers", 0700, &store->run_layers_fd, err) < 0 ||
            open_dir(run_fd, run, DRIVER "-containers", 0700, &store->run_containers_fd, err) < 0)
                return -1;
        return 0;
}

/*
 * Every JSON file with its lock; those that another tool may not know share a lock with one it
 * does.
 */
static int open_tables(Store *store, Error *err) {
        const char *graph = store->graph_root, *run = store->run_root;
        const struct {
                Records *records;
                const RecordClass *class;
                int dir_fd;
                const char *root, *folder, *file, *lock;
        } rows[] = {
                { &store->layers, &layer_record_class, store->layers_fd, graph, "layers",
                  "layers.json", "layers.lock" },
                { &store->images, &image_record_class, store->images_fd, graph, "images",
                  "images.json", "images.lock" },
                { &store->containers, &container_record_class, store->containers_fd, graph,
                  "containers", "containers.json", "containers.lock" },
                { &store->volatile_layers, &layer_record_class, store->layers_fd, graph, "layers",
                  "volatile-layers.json", "layers.lock" },
                { &store->volatile_containers, &container_record_class, store->containers_fd, graph,
                  "containers", "volatile-containers.json", "containers.lock" },
                { &store->mounts, &mount_record_class, store->run_layers_fd, run, "layers",
                  "mountpoints.json", "mountpoints.lock" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_free_ char *path =
                        xasprintf("%s/" DRIVER "-%s", rows[i].root, rows[i].folder);
                if (records_open(rows[i].records, rows[i].class, rows[i].dir_fd, path, rows[i].file,
                                 rows[i].lock, store->sync, err) < 0)
                        return -1;
        }
        return 0;
}

int store_open(Store **ret, const StoreOptions *options, Error *err) {
        if (options->driver && *options->driver && strcmp(options->driver, DRIVER) != 0)
                return error_set(err, ERR_UNSUPPORTED, options->driver,
                                 "storage driver %s is not supported, only " DRIVER " is",
                                 options->driver);
        if (options->graph_root[0] != '/' || options->run_root[0] != '/')
                return error_set(err, ERR_INVALID, options->graph_root,
                                 "the roots of the store must be absolute paths");

        _cleanup_(store_closep)
        Store *store = xnew(Store, 1);
        *store = (Store){
                .graph_root = xstrdup(options->graph_root),
                .run_root = xstrdup(options->run_root),
                .mount_options = options->mount_options ? xstrdup(options->mount_options) : NULL,
                .sync = options->sync,
                .graph_fd = -EBADF,
                .home_fd = -EBADF,
                .tmp_fd = -EBADF,
                .layers_fd = -EBADF,
                .images_fd = -EBADF,
                .containers_fd = -EBADF,
                .run_layers_fd = -EBADF,
                .run_containers_fd = -EBADF,
                .storage_lock = LOCK_FILE_INIT,
                .layers = RECORDS_INIT,
                .images = RECORDS_INIT,
                .containers = RECORDS_INIT,
                .mounts = RECORDS_INIT,
                .volatile_layers = RECORDS_INIT,
                .volatile_containers = RECORDS_INIT,
        };
        _cleanup_free_ char *lock_path = xasprintf("%s/storage.lock", store->graph_root);

        if (open_dirs(store, err) < 0 ||
            lock_file_open(&store->storage_lock, store->graph_fd, "storage.lock", lock_path, err) <
                    0 ||
            open_tables(store, err) < 0 || mounts_hold_home(store, err) < 0)
                return -1;
        *ret = TAKE_PTR(store);
        return 0;
}

Store *store_close(Store *store) {
        if (!store)
                return NULL;
        if (store->mounts.lock.fd >= 0)
                mounts_release_home(store);
        records_close(&store->mounts);
        records_close(&store->volatile_containers);
        records_close(&store->volatile_layers);
        records_close(&store->containers);
        records_close(&store->images);
        records_close(&store->layers);
        lock_file_close(&store->storage_lock);
        (void)fd_close(store->run_containers_fd);
        (void)fd_close(store->run_layers_fd);
        (void)fd_close(store->containers_fd);
        (void)fd_close(store->images_fd);
        (void)fd_close(store->layers_fd);
        (void)fd_close(store->tmp_fd);
        (void)fd_close(store->home_fd);
        (void)fd_close(store->graph_fd);
        free(store->mount_options);
        free(store->run_root);
        free(store->graph_root);
        free(store);
        return NULL;
}

/* Whether a parameter of the overlay module is off, as differing layers natively needs. */
static bool parameter_is_off(const char *name) {
        _cleanup_free_ char *path = xasprintf("/sys/module/overlay/parameters/%s", name);
        _cleanup_free_ char *value = NULL;

        return file_read_at(AT_FDCWD, path, 16, &value, NULL) < 0 || value[0] == 'N';
}

/*
 * Whether readdir() tells the kinds of entries, which overlay needs; overlay/ holds at least "l".
 */
static bool has_entry_types(int home_fd) {
        int fd = openat(home_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
        bool has_types = false;

        if (!folder) {
                (void)fd_close(fd);
                return false;
        }
        for (struct dirent *entry; (entry = readdir(folder));)
                if (strcmp(entry->d_name, "l") == 0)
                        has_types = entry->d_type == DT_DIR;
        closedir(folder);
        return has_types;
}

int store_status(Store *store, StoreStatus *ret, Error *err) {
        static const struct {
                long magic;
                const char *name;
        } names[] = {
                { EXT4_SUPER_MAGIC, "extfs" },
                { XFS_SUPER_MAGIC, "xfs" },
                { BTRFS_SUPER_MAGIC, "btrfs" },
                { TMPFS_MAGIC, "tmpfs" },
                { 0x2fc12fc1, "zfs" },
                { OVERLAYFS_SUPER_MAGIC, "overlayfs" },
                { F2FS_SUPER_MAGIC, "f2fs" },
                { NFS_SUPER_MAGIC, "nfs" },
                { REISERFS_SUPER_MAGIC, "reiserfs" },
        };
        struct statfs fs;

        if (fstatfs(store->graph_fd, &fs) < 0)
                return error_errno(err, ERR_IO, errno, store->graph_root, "cannot examine %s",
                                   store->graph_root);
        ret->backing_filesystem = "<unknown>";
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (fs.f_type == names[i].magic)
                        ret->backing_filesystem = names[i].name;
        ret->native_overlay_diff = parameter_is_off("redirect_dir") && parameter_is_off("metacopy");
        ret->supports_d_type = has_entry_types(store->home_fd);
        return 0;
}

int store_sweep(Store *store, Error *err) {
        _cleanup_(tables_end)
        StoreTables tables = { .layers = NULL };

        if (staging_sweep(store->tmp_fd, err) < 0 || tables_write(store, &tables, err) < 0 ||
            records_sweep(tables.layers, err) < 0 || records_sweep(tables.images, err) < 0 ||
            records_sweep(tables.containers, err) < 0)
                return -1;
        return images_sweep(store, tables.images, err);
}
