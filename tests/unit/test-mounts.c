/* SPDX-License-Identifier: Apache-2.0 */

/* Layers mounted and unmounted: counts, read-only ones, many of them, lost links; and measured. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "tests/unit/store-fixture.h"

static void counts_mounts(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], path[200];
        StoreLayerContent base = fixture_layer(f, NULL);
        Error err = ERROR_INIT;
        bool is_mounted;
        int count;

        fixture_image(f, "config", base.id, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "one", image, &err), 0);
        _cleanup_free_ char *merged = NULL, *again = NULL, *third = NULL;
        assert_int_equal(store_layer_mount(f->store, layer, &merged, &err), 0);
        assert_int_equal(store_layer_mount(f->store, layer, &again, &err), 0);
        assert_string_equal(merged, again);
        assert_true(path_is_mount_root(AT_FDCWD, merged));
        assert_int_equal(store_layer_mount_count(f->store, layer, &count, &err), 0);
        assert_int_equal(count, 2);
        snprintf(path, sizeof(path), "%s/written", merged);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(store_layer_unmount(f->store, layer, false, &is_mounted, &err), 0);
        assert_true(is_mounted);
        assert_int_equal(store_layer_unmount(f->store, layer, false, &is_mounted, &err), 0);
        assert_false(is_mounted);
        assert_int_equal(access(merged, F_OK), -1);
        snprintf(path, sizeof(path), "graph/overlay/%s/diff/written", layer);
        assert_true(fixture_exists(f, path));
        assert_int_equal(store_layer_unmount(f->store, layer, false, &is_mounted, &err), 0);

        /* A count without a mount, as after a reboot. */
        _cleanup_free_ char *stale =
                xasprintf("[{\"id\":\"%s\",\"path\":\"%s\",\"count\":5}]", layer, merged);
        fixture_write(f, "run/overlay-layers/mountpoints.json", stale);
        assert_int_equal(store_layer_mount_count(f->store, layer, &count, &err), 0);
        assert_int_equal(count, 0);
        assert_int_equal(store_layer_mount(f->store, layer, &third, &err), 0);
        assert_int_equal(store_layer_mount_count(f->store, layer, &count, &err), 0);
        assert_int_equal(count, 1);

        /* A count that nobody can have reached. */
        _cleanup_free_ char *huge =
                xasprintf("[{\"id\":\"%s\",\"count\":9223372036854775807}]", layer);
        fixture_write(f, "run/overlay-layers/mountpoints.json", huge);
        _cleanup_free_ char *fourth = NULL;
        assert_int_equal(store_layer_mount(f->store, layer, &fourth, &err), 0);
        assert_int_equal(store_layer_mount_count(f->store, layer, &count, &err), 0);
        assert_in_range(count, 2, 1 << 21);

        /* A mount without a count, as after a run root that was wiped. */
        fixture_write(f, "run/overlay-layers/mountpoints.json", "[]");
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        assert_false(path_is_mount_root(AT_FDCWD, merged));

        free(TAKE_PTR(merged));
        assert_int_equal(store_layer_mount(f->store, layer, &merged, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* An image's layer is never mounted for writing. */
static void mounts_image_layers_read_only(void **state) {
        Fixture *f = *state;
        StoreLayerContent base = fixture_layer(f, NULL), top = fixture_layer(f, base.id);
        const char *const layers[] = { base.id, top.id };
        Error err = ERROR_INIT;
        char path[200];

        for (size_t i = 0; i < 2; i++) {
                _cleanup_free_ char *merged = NULL;
                if (store_layer_mount(f->store, layers[i], &merged, &err) < 0)
                        fail_msg("%s", err.text);
                snprintf(path, sizeof(path), "%s/written", merged);
                assert_int_equal(mkdir(path, 0755), -1);
                assert_int_equal(errno, EROFS);
                assert_int_equal(store_layer_unmount(f->store, layers[i], false, NULL, &err), 0);
        }
}

/* A root whose name means something in the option text of a mount; options of storage.conf. */
static void mounts_with_options_and_odd_names(void **state) {
        Fixture *f = *state;
        char graph[96], image[65], id[65], layer[65];
        Error err = ERROR_INIT;
        struct statvfs fs;
        _cleanup_free_ char *merged = NULL;
        Store *usual = f->store;

        snprintf(graph, sizeof(graph), "%s/a:b,c=\\d", f->scratch.path);
        StoreOptions options = { .graph_root = graph,
                                 .run_root = f->run,
                                 .mount_options = "nodev,noatime,index=off" };
        assert_int_equal(store_open(&f->store, &options, &err), 0);
        StoreLayerContent base = fixture_layer(f, NULL);
        fixture_image(f, "config", base.id, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "odd", image, &err), 0);
        if (store_layer_mount(f->store, layer, &merged, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(statvfs(merged, &fs), 0);
        assert_true(fs.f_flag & ST_NODEV && fs.f_flag & ST_NOATIME);
        assert_int_equal(fixture_count(merged), 1);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        store_close(f->store);
        f->store = usual;
}

/* More lower directories than a page of absolute paths holds. */
static void mounts_a_hundred_layers(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], cwd[200], cwd_after[200];
        StoreLayerContent content = fixture_layer(f, NULL);
        _cleanup_free_ char *merged = NULL;
        StoreLayerPaths paths = { .lower = NULL };
        Error err = ERROR_INIT;

        for (int i = 1; i < STORE_LAYERS_MAX; i++)
                content = fixture_layer(f, content.id);
        fixture_image(f, "config", content.id, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "deep", image, &err), 0);
        assert_non_null(getcwd(cwd, sizeof(cwd)));
        if (store_layer_mount(f->store, layer, &merged, &err) < 0)
                fail_msg("%s", err.text);
        assert_non_null(getcwd(cwd_after, sizeof(cwd_after)));
        assert_string_equal(cwd, cwd_after);
        /* Each layer has one file. */
        assert_int_equal(fixture_count(merged), STORE_LAYERS_MAX);

        assert_int_equal(store_layer_paths(f->store, layer, &paths, &err), 0);
        size_t lowers = 1;
        for (const char *p = paths.lower; *p; p++)
                lowers += *p == ':';
        assert_int_equal(lowers, STORE_LAYERS_MAX);
        assert_string_equal(paths.merged, merged);
        assert_non_null(strstr(paths.lower, content.id)); /* resolved, not by short names */
        store_layer_paths_done(&paths);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);

        /* One more is one too many. */
        content = fixture_layer(f, content.id);
        fixture_image(f, "other", content.id, NULL, 0, image);
        assert_int_equal(fixture_container(f->store, id, layer, "deeper", image, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        assert_int_equal(store_image_delete(f->store, image, &err), 0);
}

/* After a power cut the links in l/ may be gone. */
static void makes_lost_links_anew(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65];
        StoreLayerContent base = fixture_layer(f, NULL), top = fixture_layer(f, base.id);
        _cleanup_free_ char *merged = NULL;
        Error err = ERROR_INIT;

        fixture_image(f, "config", top.id, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "one", image, &err), 0);
        assert_int_equal(path_remove_tree(f->scratch.fd, "graph/overlay/l"), 0);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/overlay/l", 0755), 0);
        if (store_layer_mount(f->store, layer, &merged, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
}

static void measures_layers(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], path[200];
        int64_t size;
        Error err = ERROR_INIT;

        fixture_image(f, "config", NULL, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "one", image, &err), 0);
        assert_int_equal(store_layer_disk_usage(f->store, layer, &size, &err), 0);
        assert_int_equal(size, 0);
        snprintf(path, sizeof(path), "graph/overlay/%s/diff/f", layer);
        fixture_write(f, path, "12345");
        assert_int_equal(store_layer_disk_usage(f->store, layer, &size, &err), 0);
        assert_int_equal(size, 5);
        assert_int_equal(store_layer_disk_usage(f->store, image, &size, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(counts_mounts),
                TEST(mounts_image_layers_read_only),
                TEST(mounts_with_options_and_odd_names),
                TEST(mounts_a_hundred_layers),
                TEST(makes_lost_links_anew),
                TEST(measures_layers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
