/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mount counts, shared with the other tools through mountpoints.json in the run root.
 *
 * A count may be stale: the run root outlives a crash, the mount may not. So a count is believed
 * only when something is mounted there. The file is saved before the mount and after the unmount: a
 * crash leaves a count without a mount, which everyone corrects, never a mount without a count.
 *
 * overlay/ is bound over itself, privately, while anything is mounted in it. The other tools do so
 * at each start if it is not; a mount of ours that they covered by that would be out of reach for
 * good. They undo it only while no mount is counted.
 */

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/json_text.h"
#include "base/path.h"
#include "storage/overlay.h"
#include "storage/store_private.h"

/* More than this nobody mounts; what a file claims beyond it is cut. */
#define COUNT_MAX (1 << 20)

static void mount_record_destroy(Record *record) {
        MountRecord *mount = container_of(record, MountRecord, record);

        free(mount->id);
        free(mount);
}

static Record *mount_record_decode(const json_t *object, Error *err) {
        MountRecord *mount = xnew(MountRecord, 1);

        if (record_get_id(object, "id", true, &mount->id, err) < 0 ||
            record_get_int(object, "count", &mount->count, err) < 0) {
                mount_record_destroy(&mount->record);
                return NULL;
        }
        if (mount->count < 0 || mount->count > COUNT_MAX)
                mount->count = mount->count < 0 ? 0 : COUNT_MAX;
        mount->record.id = mount->id;
        return &mount->record;
}

const RecordClass mount_record_class = { "mount point", mount_record_decode, mount_record_destroy };

/* Sets a layer's count and saves; 0 removes the record. */
static int set_count(Store *store, Records *mounts, const char *id, int64_t count, Error *err) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        Record *old = records_find(mounts, id);

        if (count == 0) {
                if (!old)
                        return 0;
                records_remove(mounts, old);
                return records_save(mounts, err);
        }
        _cleanup_free_ char *merged = xasprintf("%s/overlay/%s/merged", store->graph_root, id);
        member_open(&text, NULL, '{');
        member_text(&text, "id", id);
        member_text(&text, "path", merged);
        member_integer(&text, "count", count);
        member_close(&text, '}');
        if (old)
                (void)records_replace_text(mounts, old, &text);
        else
                (void)records_append_text(mounts, &text);
        return records_save(mounts, err);
}

static int64_t get_count(const Records *mounts, const char *id) {
        Record *record = records_find(mounts, id);

        return record ? container_of(record, MountRecord, record)->count : 0;
}

static int bind_home(const char *home, Error *err) {
        if (path_is_mount_root(AT_FDCWD, home))
                return 0;
        if (mount(home, home, NULL, MS_BIND, NULL) < 0)
                return error_errno(err, ERR_IO, errno, home, "cannot bind %s over itself", home);
        if (mount(NULL, home, NULL, MS_PRIVATE, NULL) < 0) {
                int errnum = errno;
                (void)umount2(home, MNT_DETACH | UMOUNT_NOFOLLOW);
                return error_errno(err, ERR_IO, errnum, home, "cannot make %s private", home);
        }
        return 0;
}

int mounts_hold_home(Store *store, Error *err) {
        _cleanup_free_ char *home = store_home(store);
        _cleanup_(lock_file_releasep)
        LockFile *storage_lock = NULL;

        if (lock_file_acquire(&store->storage_lock, &storage_lock, err) < 0)
                return -1;
        return bind_home(home, err);
}

void mounts_release_home(Store *store) {
        _cleanup_free_ char *home = store_home(store);
        _cleanup_(lock_file_releasep)
        LockFile *storage_lock = NULL;
        _cleanup_(records_end_writep)
        Records *mounts = NULL;
        struct stat inner, outer;

        if (!path_is_mount_root(AT_FDCWD, home) ||
            lock_file_acquire(&store->storage_lock, &storage_lock, NULL) < 0)
                return;
        if (records_write(&store->mounts, &mounts, NULL) < 0 || mounts->count > 0)
                return;
        /* A disk of its own mounted there is the administrator's and stays. */
        if (stat(home, &inner) == 0 && stat(store->graph_root, &outer) == 0 &&
            inner.st_dev == outer.st_dev)
                (void)umount2(home, MNT_DETACH | UMOUNT_NOFOLLOW);
}

int store_layer_mount(Store *store, const char *id, char **ret_path, Error *err) {
        _cleanup_free_ char *home = store_home(store);
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        _cleanup_(lock_file_releasep)
        LockFile *storage_lock = NULL;
        _cleanup_(records_end_writep)
        Records *mounts = NULL;

        if (lock_file_acquire(&store->storage_lock, &storage_lock, err) < 0)
                return -1;
        if (store_layer_get(store, id, &layer, err) < 0 ||
            records_write(&store->mounts, &mounts, err) < 0 || bind_home(home, err) < 0)
                return -1;

        int64_t count = get_count(mounts, id);
        bool is_mounted = overlay_is_mounted(home, id);
        if (!is_mounted)
                count = 0;
        if (set_count(store, mounts, id, count + 1, err) < 0)
                return -1;
        OverlayMount mount = {
                .home = home,
                .id = id,
                .is_read_only = layer->diff_digest != NULL, /* an image's layer */
                .options = store->mount_options,
        };
        if (!is_mounted && overlay_mount(store->home_fd, &mount, err) < 0) {
                (void)set_count(store, mounts, id, 0, NULL);
                return -1;
        }
        *ret_path = xasprintf("%s/%s/merged", home, id);
        return 0;
}

int store_layer_unmount(Store *store, const char *id, bool force, bool *ret_is_mounted,
                        Error *err) {
        _cleanup_free_ char *home = store_home(store);
        _cleanup_(records_end_writep)
        Records *mounts = NULL;

        if (id_check(id, err) < 0 || records_write(&store->mounts, &mounts, err) < 0)
                return -1;
        int64_t count = get_count(mounts, id);
        bool stays = count > 1 && !force && overlay_is_mounted(home, id);
        if (!stays && overlay_unmount(store->home_fd, home, id, err) < 0)
                return -1;
        if (set_count(store, mounts, id, stays ? count - 1 : 0, err) < 0)
                return -1;
        if (ret_is_mounted)
                *ret_is_mounted = stays;
        return 0;
}

int store_layer_mount_count(Store *store, const char *id, int *ret, Error *err) {
        _cleanup_free_ char *home = store_home(store);
        _cleanup_(records_endp)
        Records *mounts = NULL;

        if (records_read(&store->mounts, &mounts, err) < 0)
                return -1;
        *ret = overlay_is_mounted(home, id) ? (int)get_count(mounts, id) : 0;
        return 0;
}
