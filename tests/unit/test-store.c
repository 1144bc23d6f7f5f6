/* SPDX-License-Identifier: Apache-2.0 */

/* The store as a whole: opening, images, containers, other writers, threads. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "tests/unit/store-fixture.h"

static void refuses_bad_options(void **state) {
        Fixture *f = *state;
        Error err = ERROR_INIT;
        Store *store;

        StoreOptions vfs = { .graph_root = f->graph, .run_root = f->run, .driver = "vfs" };
        assert_int_equal(store_open(&store, &vfs, &err), -1);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        StoreOptions relative = { .graph_root = "graph", .run_root = f->run };
        assert_int_equal(store_open(&store, &relative, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        StoreOptions file = { .graph_root = "/dev/null/x", .run_root = f->run };
        assert_int_equal(store_open(&store, &file, &err), -1);
        assert_int_equal(err.kind, ERR_IO);
}

static void says_what_it_stands_on(void **state) {
        Fixture *f = *state;
        StoreStatus status;

        assert_int_equal(store_status(f->store, &status, NULL), 0);
        assert_true(status.supports_d_type);
        assert_non_null(status.backing_filesystem);
        assert_string_equal(store_driver(f->store), "overlay");
        assert_string_equal(store_graph_root(f->store), f->graph);
        assert_string_equal(store_run_root(f->store), f->run);
}

static void makes_reads_and_deletes_images(void **state) {
        Fixture *f = *state;
        char id[65], path[160];
        StoreLayerContent base = fixture_layer(f, NULL), top = fixture_layer(f, base.id);
        const char *const names[] = { "a:1", "a:2", "a:1" };
        StoreImages images;
        StoreImage *image;
        Error err = ERROR_INIT;

        fixture_image(f, "{\"config\":1}", top.id, names, 3, id);
        assert_int_equal(store_images(f->store, &images, &err), 0);
        assert_int_equal(images.count, 1);
        image = images.items[0];
        assert_string_equal(image->id, id);
        assert_string_equal(image->layer, top.id);
        assert_int_equal(image->names.count, 2);
        assert_int_equal(image->created_ns, 1234567890 * NS_PER_SEC + 5);
        assert_int_equal(image->big_data_count, 3);
        for (size_t i = 0; i < image->big_data_count; i++) {
                _cleanup_free_ char *data = NULL;
                size_t size;
                Digest digest;
                char text[DIGEST_TEXT_SIZE];
                assert_int_equal(store_image_read(f->store, image, image->big_data[i].key, &data,
                                                  &size, &err),
                                 0);
                assert_int_equal(size, image->big_data[i].size);
                digest_compute(data, size, &digest);
                assert_string_equal(digest_format(&digest, text), image->big_data[i].digest);
        }
        _cleanup_free_ char *none = NULL;
        assert_int_equal(store_image_read(f->store, image, "nothing", &none, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(store_layer_delete(f->store, top.id, &err), -1);
        assert_int_equal(err.kind, ERR_IN_USE);
        assert_int_equal(store_layer_delete(f->store, base.id, &err), -1);
        assert_int_equal(err.kind, ERR_IN_USE);

        assert_int_equal(store_image_delete(f->store, id, &err), 0);
        assert_int_equal(store_image_delete(f->store, id, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        /* The snapshot is still whole, and knows that its data is gone. */
        assert_string_equal(image->names.items[1], "a:2");
        assert_int_equal(store_image_read(f->store, image, "manifest", &none, NULL, &err), -1);
        store_images_done(&images);
        snprintf(path, sizeof(path), "graph/overlay/%s", top.id);
        assert_false(fixture_exists(f, path));
        snprintf(path, sizeof(path), "graph/overlay-layers/%s.tar-split.gz", base.id);
        assert_false(fixture_exists(f, path));
        snprintf(path, sizeof(path), "graph/overlay-images/%s", id);
        assert_false(fixture_exists(f, path));
        StoreLayer *layer;
        assert_int_equal(store_layer_get(f->store, base.id, &layer, &err), -1);
}

static void moves_names(void **state) {
        Fixture *f = *state;
        char first[65], second[65];
        const char *const names[] = { "a:1", "b:1" }, *const other[] = { "c:1", "a:1" };
        StoreImage *image;
        Error err = ERROR_INIT;

        fixture_image(f, "first", NULL, names, 2, first);
        fixture_image(f, "second", NULL, names + 1, 1, second);
        assert_int_equal(store_image_get(f->store, first, &image, &err), 0);
        assert_int_equal(image->names.count, 1);
        assert_string_equal(image->names.items[0], "a:1");
        store_image_unref(image);

        assert_int_equal(store_image_set_names(f->store, second, other, 2, &err), 0);
        assert_int_equal(store_image_get(f->store, first, &image, &err), 0);
        assert_int_equal(image->names.count, 0);
        store_image_unref(image);
        assert_int_equal(store_image_get(f->store, second, &image, &err), 0);
        assert_int_equal(image->names.count, 2);
        assert_string_equal(image->names.items[0], "c:1");
        store_image_unref(image);
        _cleanup_free_ char *text = fixture_read(f, "graph/overlay-images/images.json");
        assert_non_null(strstr(text, "\"names-history\":[\"a:1\",\"c:1\",\"b:1\"]"));

        assert_int_equal(store_image_add_name(f->store, first, "c:1", &err), 0);
        assert_int_equal(store_image_add_name(f->store, first, "c:1", &err), 0);
        assert_int_equal(store_image_add_name(f->store, first, "d:1", &err), 0);
        assert_int_equal(store_image_remove_name(f->store, first, "c:1", &err), 0);
        assert_int_equal(store_image_remove_name(f->store, first, "a:1", &err), 0);
        assert_int_equal(store_image_get(f->store, first, &image, &err), 0);
        assert_int_equal(image->names.count, 1);
        assert_string_equal(image->names.items[0], "d:1");
        assert_int_equal(image->names_history.count, 4);
        assert_string_equal(image->names_history.items[0], "d:1");
        assert_string_equal(image->names_history.items[3], "a:1");
        store_image_unref(image);
        assert_int_equal(store_image_get(f->store, second, &image, &err), 0);
        assert_int_equal(image->names.count, 1);
        store_image_unref(image);
        assert_int_equal(store_image_add_name(f->store, "0", "e:1", &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(store_image_remove_name(f->store, "0", "e:1", &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(store_image_set_names(f->store, second, NULL, 0, &err), 0);
        assert_int_equal(store_image_set_names(f->store, "0123", NULL, 0, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void adds_to_an_image_that_exists(void **state) {
        Fixture *f = *state;
        char id[65];
        const char *const names[] = { "a:1" }, *const more[] = { "a:2" };
        StoreImage *image;
        Error err = ERROR_INIT;

        fixture_image(f, "config", NULL, names, 1, id);
        StoreImageItem items[] = { { "signatures", "", 0 }, { "manifest", "changed", 7 } };
        StoreImageSpec spec = { .id = id,
                                .digest = "sha256:0",
                                .items = items,
                                .items_count = 2,
                                .names = more,
                                .names_count = 1 };
        assert_int_equal(store_image_create(f->store, &spec, &err), 0);
        assert_int_equal(store_image_get(f->store, id, &image, &err), 0);
        assert_int_equal(image->names.count, 2);
        assert_string_equal(image->names.items[0], "a:2");
        assert_int_equal(image->big_data_count, 4);
        assert_string_equal(image->big_data[2].key, "manifest");
        assert_int_equal(image->big_data[2].size, 7);
        assert_string_equal(image->big_data[3].key, "signatures");
        assert_true(fixture_exists(f, "graph/overlay-images"));
        store_image_unref(image);

        spec.layer = "0123";
        assert_int_equal(store_image_create(f->store, &spec, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        char *big = calloc(1, STORE_BIG_DATA_MAX + 1);
        StoreImageItem large = { "big", big, STORE_BIG_DATA_MAX + 1 };
        spec.layer = NULL;
        spec.items = &large;
        spec.items_count = 1;
        assert_int_equal(store_image_create(f->store, &spec, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        free(big);
}

static void makes_and_deletes_containers(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], other[65], path[200], second[65], second_layer[65];
        StoreLayerContent base = fixture_layer(f, NULL);
        StoreContainers containers;
        StoreLayer *record;
        Error err = ERROR_INIT;

        fixture_image(f, "config", base.id, NULL, 0, image);
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "one", image, &err), 0);
        assert_int_equal(fixture_container(f->store, id, layer, "two", image, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        random_hex(other, 64);
        assert_int_equal(fixture_container(f->store, other, other, "one", image, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        assert_string_equal(err.subject, "one");
        assert_int_equal(fixture_container(f->store, other, other, "two", other, &err), -1);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
        assert_int_equal(fixture_container(f->store, "../x", other, "two", image, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);

        assert_int_equal(store_containers(f->store, &containers, &err), 0);
        assert_int_equal(containers.count, 1);
        assert_string_equal(containers.items[0]->id, id);
        assert_string_equal(containers.items[0]->layer, layer);
        assert_string_equal(containers.items[0]->image, image);
        assert_string_equal(containers.items[0]->names.items[0], "one");
        assert_string_equal(containers.items[0]->metadata, "{\"name\":\"x\"}");
        store_containers_done(&containers);
        assert_int_equal(store_layer_get(f->store, layer, &record, &err), 0);
        assert_string_equal(record->names.items[0], "one-layer");
        /* A container that was renamed: its layer keeps the name, so the next has none. */
        _cleanup_free_ char *file = fixture_read(f, "graph/overlay-containers/containers.json");
        char *name = strstr(file, "[\"one\"]");
        assert_non_null(name);
        name[2] = 'x';
        fixture_write(f, "graph/overlay-containers/containers.json", file);
        fixture_ids(second, second_layer);
        assert_int_equal(fixture_container(f->store, second, second_layer, "one", image, &err), 0);
        StoreLayer *nameless;
        assert_int_equal(store_layer_get(f->store, second_layer, &nameless, &err), 0);
        assert_int_equal(nameless->names.count, 0);
        store_layer_unref(nameless);
        assert_int_equal(store_container_delete(f->store, second, second_layer, &err), 0);
        assert_string_equal(record->parent, base.id);
        store_layer_unref(record);
        _cleanup_free_ char *dir = store_container_dir(f->store, id);
        _cleanup_free_ char *run_dir = store_container_run_dir(f->store, id);
        assert_int_equal(access(dir, F_OK), 0);
        assert_int_equal(access(run_dir, F_OK), 0);
        assert_int_equal(store_image_delete(f->store, image, &err), -1);
        assert_int_equal(err.kind, ERR_IN_USE);
        assert_string_equal(err.subject, id);

        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        assert_int_equal(access(dir, F_OK), -1);
        assert_int_equal(access(run_dir, F_OK), -1);
        snprintf(path, sizeof(path), "graph/overlay/%s", layer);
        assert_false(fixture_exists(f, path));
        assert_int_equal(store_image_delete(f->store, image, &err), 0);
}

/* Whatever point a dead engine had reached, deleting with the same ids cleans it. */
static void deletes_what_is_half_made(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], path[200];
        StoreLayerContent base = fixture_layer(f, NULL);
        Error err = ERROR_INIT;

        fixture_image(f, "config", base.id, NULL, 0, image);
        _cleanup_free_ char *layers = fixture_read(f, "graph/overlay-layers/layers.json");
        for (int lost = 0; lost < 3; lost++) {
                fixture_ids(id, layer);
                assert_int_equal(fixture_container(f->store, id, layer, "one", image, &err), 0);
                if (lost >= 1)
                        fixture_write(f, "graph/overlay-containers/containers.json", "[]");
                if (lost >= 2)
                        fixture_write(f, "graph/overlay-layers/layers.json", layers);
                assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
                snprintf(path, sizeof(path), "graph/overlay/%s", layer);
                assert_false(fixture_exists(f, path));
                snprintf(path, sizeof(path), "graph/overlay-containers/%s", id);
                assert_false(fixture_exists(f, path));
                _cleanup_free_ char *now = fixture_read(f, "graph/overlay-layers/layers.json");
                assert_string_equal(now, layers);
        }
}

/* Newer tools keep some records apart, in files that Debian's podman does not know. */
static void respects_volatile_records(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65];
        StoreLayerContent base = fixture_layer(f, NULL);
        StoreContainers containers;
        StoreLayer *record;
        Error err = ERROR_INIT;

        fixture_image(f, "config", base.id, NULL, 0, image);
        _cleanup_free_ char *layers = xasprintf("[{\"id\":\"0001\",\"parent\":\"%s\"}]", base.id);
        _cleanup_free_ char *others = xasprintf(
                "[{\"id\":\"0002\",\"names\":[\"v\"],\"image\":\"%s\",\"layer\":\"0001\"}]", image);
        fixture_write(f, "graph/overlay-layers/volatile-layers.json", layers);
        fixture_write(f, "graph/overlay-containers/volatile-containers.json", others);

        assert_int_equal(store_containers(f->store, &containers, &err), 0);
        assert_int_equal(containers.count, 1);
        assert_string_equal(containers.items[0]->id, "0002");
        store_containers_done(&containers);
        assert_int_equal(store_layer_get(f->store, "0001", &record, &err), 0);
        store_layer_unref(record);
        assert_int_equal(store_image_delete(f->store, image, &err), -1);
        assert_int_equal(err.kind, ERR_IN_USE);
        assert_string_equal(err.subject, "0002");
        fixture_ids(id, layer);
        assert_int_equal(fixture_container(f->store, id, layer, "v", image, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);

        /* The image goes, its layer is still somebody's parent. */
        fixture_write(f, "graph/overlay-containers/volatile-containers.json", "[]");
        assert_int_equal(store_image_delete(f->store, image, &err), 0);
        assert_int_equal(store_layer_get(f->store, base.id, &record, &err), 0);
        store_layer_unref(record);
        assert_int_equal(store_layer_delete(f->store, base.id, &err), -1);
        assert_int_equal(err.kind, ERR_IN_USE);
        _cleanup_free_ char *kept = fixture_read(f, "graph/overlay-layers/volatile-layers.json");
        assert_string_equal(kept, layers);
}

/* Another program's store on the same folders: what one writes, the other sees at once. */
static void sees_what_others_write(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65];
        Store *other = fixture_open(f);
        StoreImages images;
        StoreContainers containers;
        Error err = ERROR_INIT;

        for (int i = 0; i < 20; i++) {
                char config[16];
                snprintf(config, sizeof(config), "c%d", i);
                fixture_image(f, config, NULL, NULL, 0, image);
                assert_int_equal(store_images(other, &images, &err), 0);
                assert_int_equal(images.count, i + 1);
                store_images_done(&images);
                fixture_ids(id, layer);
                assert_int_equal(fixture_container(other, id, layer, config, image, &err), 0);
                assert_int_equal(store_containers(f->store, &containers, &err), 0);
                assert_int_equal(containers.count, i + 1);
                store_containers_done(&containers);
                assert_int_equal(store_image_delete(f->store, image, &err), -1);
        }
        store_close(other);
}

/*
 * Somebody holds the layers' lock for long, as podman does while it unpacks: looking does not wait.
 */
static void looks_while_others_hold_the_lock(void **state) {
        Fixture *f = *state;
        StoreLayerContent base = fixture_layer(f, NULL);
        struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        StoreLayer *layer;
        char path[128];

        snprintf(path, sizeof(path), "%s/overlay-layers/layers.lock", f->graph);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
        assert_int_equal(store_layer_get(f->store, base.id, &layer, NULL), 0);
        store_layer_unref(layer);
        fd_close(fd);
}

/* A layer that a dead writer left incomplete goes with the next change, and with a sweep. */
static void removes_what_dead_writers_left(void **state) {
        Fixture *f = *state;
        StoreLayerContent base = fixture_layer(f, NULL);
        Error err = ERROR_INIT;
        StoreLayer *layer;
        char path[200], orphan[128], id[65];

        _cleanup_free_ char *text = fixture_read(f, "graph/overlay-layers/layers.json");
        size_t length = strlen(text);
        _cleanup_free_ char *marked =
                xasprintf("%.*s,\"flags\":{\"incomplete\":true}}]", (int)length - 2, text);
        fixture_write(f, "graph/overlay-layers/layers.json", marked);
        assert_int_equal(store_layer_get(f->store, base.id, &layer, &err), 0);
        assert_true(layer->is_incomplete);
        store_layer_unref(layer);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/tmp/selkie-0123456789abcdef", 0700), 0);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/tmp/selkie-0123456789abcdef/x", 0700), 0);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/tmp/others", 0700), 0);
        fixture_write(f, "graph/overlay-layers/.tmp-layers.json-0123", "[");

        random_hex(id, 64);
        snprintf(orphan, sizeof(orphan), "graph/overlay-images/%s", id);
        assert_int_equal(mkdirat(f->scratch.fd, orphan, 0700), 0);
        fixture_image(f, "config", NULL, NULL, 0, id);

        assert_int_equal(store_sweep(f->store, &err), 0);
        assert_int_equal(store_layer_get(f->store, base.id, &layer, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        snprintf(path, sizeof(path), "graph/overlay/%s", base.id);
        assert_false(fixture_exists(f, path));
        assert_false(fixture_exists(f, "graph/tmp/selkie-0123456789abcdef"));
        assert_false(fixture_exists(f, "graph/overlay-layers/.tmp-layers.json-0123"));
        assert_true(fixture_exists(f, "graph/tmp/others"));
        assert_false(fixture_exists(f, orphan));
        snprintf(path, sizeof(path), "graph/overlay-images/%s/manifest", id);
        assert_true(fixture_exists(f, path));
}

typedef struct Worker {
        const Fixture *f;
        const char *image;
        int number;
        pthread_t thread;
} Worker;

static void *come_and_go(void *userdata) {
        const Worker *worker = userdata;
        Store *store = worker->f->store;

        for (int i = 0; i < 10; i++) {
                char id[65], layer[65], name[32];
                _cleanup_free_ char *merged = NULL;
                StoreContainers containers;
                fixture_ids(id, layer);
                snprintf(name, sizeof(name), "w%d-%d", worker->number, i);
                if (fixture_container(store, id, layer, name, worker->image, NULL) < 0 ||
                    store_layer_mount(store, layer, &merged, NULL) < 0 ||
                    store_containers(store, &containers, NULL) < 0)
                        return (void *)1;
                store_containers_done(&containers);
                if (store_layer_unmount(store, layer, false, NULL, NULL) < 0 ||
                    store_container_delete(store, id, layer, NULL) < 0)
                        return (void *)1;
        }
        return NULL;
}

static void serves_threads(void **state) {
        Fixture *f = *state;
        char image[65];
        StoreLayerContent base = fixture_layer(f, NULL);
        Worker workers[8];
        StoreContainers containers;

        fixture_image(f, "config", base.id, NULL, 0, image);
        for (int i = 0; i < 8; i++) {
                workers[i] = (Worker){ .f = f, .image = image, .number = i };
                assert_int_equal(pthread_create(&workers[i].thread, NULL, come_and_go, &workers[i]),
                                 0);
        }
        for (int i = 0; i < 8; i++) {
                void *failed;
                assert_int_equal(pthread_join(workers[i].thread, &failed), 0);
                assert_null(failed);
        }
        assert_int_equal(store_containers(f->store, &containers, NULL), 0);
        assert_int_equal(containers.count, 0);
        store_containers_done(&containers);
        _cleanup_free_ char *mounts = fixture_read(f, "run/overlay-layers/mountpoints.json");
        assert_string_equal(mounts, "[]");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(refuses_bad_options),
                TEST(says_what_it_stands_on),
                TEST(makes_reads_and_deletes_images),
                TEST(moves_names),
                TEST(adds_to_an_image_that_exists),
                TEST(makes_and_deletes_containers),
                TEST(deletes_what_is_half_made),
                TEST(respects_volatile_records),
                TEST(sees_what_others_write),
                TEST(looks_while_others_hold_the_lock),
                TEST(removes_what_dead_writers_left),
                TEST(serves_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
