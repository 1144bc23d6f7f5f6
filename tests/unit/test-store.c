/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store's records: what is written, what of other tools survives, what is refused; mounts; threads.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/random.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "scratch.h"
#include "storage/json_text.h"
#include "storage/records.h"
#include "storage/store.h"
#include "tar-fixture.h"

typedef struct Fixture {
        Scratch scratch;
        char graph[64], run[64];
        Store *store;
} Fixture;

static Store *open_store(const Fixture *f) {
        StoreOptions options = { .graph_root = f->graph, .run_root = f->run };
        Error err = ERROR_INIT;
        Store *store;

        if (store_open(&store, &options, &err) < 0)
                fail_msg("%s", err.text);
        return store;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        scratch_open(&f->scratch);
        snprintf(f->graph, sizeof(f->graph), "%s/graph", f->scratch.path);
        snprintf(f->run, sizeof(f->run), "%s/run", f->scratch.path);
        f->store = open_store(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char home[96];

        store_close(f->store);
        /* What a failed test left mounted, or one that leaves a mount behind on purpose. */
        snprintf(home, sizeof(home), "%s/overlay", f->graph);
        (void)umount2(home, MNT_DETACH);
        scratch_close(&f->scratch);
        free(f);
        return 0;
}

static char *read_file(const Fixture *f, const char *path) {
        char *text = NULL;

        if (file_read_at(f->scratch.fd, path, 1 << 26, &text, NULL) < 0)
                fail_msg("no %s", path);
        return text;
}

static void write_file(const Fixture *f, const char *path, const char *text) {
        assert_int_equal(file_write_atomic_at(f->scratch.fd, path, text, strlen(text), 0600, false),
                         0);
}

static bool exists(const Fixture *f, const char *path) {
        return faccessat(f->scratch.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A layer with one small file that no other layer has. */
static StoreLayerContent make_layer(const Fixture *f, const char *parent) {
        static atomic_int number;
        StoreLayerContent content;
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;
        char text[32];

        snprintf(text, sizeof(text), "%d", atomic_fetch_add(&number, 1));
        tar_add_file(&tar, text, text);
        int fd = openat(f->scratch.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        assert_int_equal(fd_write_all(fd, tar.data, tar.size), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        if (store_layer_import(f->store, parent, fd, NULL, NULL, &content, &err) < 0)
                fail_msg("%s", err.text);
        fd_close(fd);
        buffer_done(&tar);
        return content;
}

/* An image whose documents are just texts; its id in @id. */
static void make_image(const Fixture *f, const char *config, const char *layer,
                       const char *const *names, size_t names_count, char id[static 65]) {
        char key[DIGEST_TEXT_SIZE], manifest_digest[DIGEST_TEXT_SIZE], manifest_key[96];
        Error err = ERROR_INIT;
        Digest digest;

        digest_compute(config, strlen(config), &digest);
        digest_format_hex(&digest, id);
        digest_format(&digest, key);
        digest_compute("manifest", 8, &digest);
        digest_format(&digest, manifest_digest);
        snprintf(manifest_key, sizeof(manifest_key), "manifest-%s", manifest_digest);
        StoreImageItem items[] = { { key, config, strlen(config) },
                                   { manifest_key, "manifest", 8 },
                                   { "manifest", "manifest", 8 } };
        StoreImageSpec spec = {
                .id = id,
                .digest = manifest_digest,
                .layer = layer,
                .created_ns = 1234567890 * NS_PER_SEC + 5,
                .items = items,
                .items_count = 3,
                .names = names,
                .names_count = names_count,
        };
        if (store_image_create(f->store, &spec, &err) < 0)
                fail_msg("%s", err.text);
}

static void make_ids(char id[static 65], char layer[static 65]) {
        random_hex(id, 64);
        random_hex(layer, 64);
}

static int make_container(Store *store, const char *id, const char *layer, const char *name,
                          const char *image, Error *err) {
        StoreContainerSpec spec = { id, layer, name, image, "{\"name\":\"x\"}" };

        return store_container_create(store, &spec, err);
}

/* --- text and records --- */

static void finds_values_in_text(void **state) {
        static const struct {
                const char *array;
                int count; /* -1: malformed */
        } cases[] = {
                { "[]", 0 },       { " [ ] ", 0 },
                { "[{}]", 1 },     { "[{\"a\":\"]}\\\"\"}, 5 ,null,[[]]]", 4 },
                { "[1,]", -1 },    { "[,1]", -1 },
                { "[1 2]", -1 },   { "[1", -1 },
                { "[\"abc]", -1 }, { "[\"abc\\", -1 },
                { "[1]x", -1 },    { "[[]", -1 },
                { "[}]", -1 },     { "{}", -1 },
                { "", -1 },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                JsonCursor cursor;
                JsonSpan key, value;
                int count = 0;
                int r = json_cursor_open(&cursor, cases[i].array, strlen(cases[i].array), false);
                while (r == 0 && (r = json_cursor_next(&cursor, &key, &value)) > 0) {
                        count++;
                        r = 0;
                        continue;
                }
                assert_int_equal(r < 0 ? -1 : count, cases[i].count);
        }
}

static void replaces_members_as_text(void **state) {
        static const struct {
                const char *object, *key, *value, *result;
        } cases[] = {
                { "{}", "a", "1", "{\"a\":1}" },
                { "{\"a\":1}", "a", NULL, "{}" },
                { "{\"a\" : 1.50, \"b\":[ 2 ]}", "b", "3", "{\"a\" : 1.50,\"b\":3}" },
                { "{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, "{\"a\":1,\"c\":3}" },
                { "{\"a\":1,\"b\":2}", "a", NULL, "{\"b\":2}" },
                { "{\"\\u0061\":1}", "a", "2", "{\"\\u0061\":2}" },
                { "{\"a\":\"}\"}", "b", "\"x\"", "{\"a\":\"}\",\"b\":\"x\"}" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Buffer out = BUFFER_INIT;
                JsonSpan object = { cases[i].object, strlen(cases[i].object) };
                assert_int_equal(json_replace_member(object, cases[i].key, cases[i].value, &out),
                                 0);
                _cleanup_free_ char *text = buffer_take_string(&out);
                assert_string_equal(text, cases[i].result);
        }
}

static void writes_strings(void **state) {
        Buffer out = BUFFER_INIT;

        (void)state;
        json_append_string(&out, "a\"b\\c\n\x01 \xc3\xa4\xf0\x9f\x98\x80 \xff \xc3");
        _cleanup_free_ char *text = buffer_take_string(&out);
        assert_string_equal(text, "\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa4\xf0\x9f\x98\x80 "
                                  "\xef\xbf\xbd \xef\xbf\xbd\"");
}

/* Fields, numbers and escapes that this program does not know stay as they are, byte for byte. */
static void keeps_what_it_does_not_know(void **state) {
        Fixture *f = *state;
        char id[65];
        static const char foreign[] =
                "{\"id\":\"abc\",\"names\":[\"n:1\",\"n:2\"],\"future\":{\"x\":1.50e+3,\"y\":"
                "\"\\u003c\"},"
                "\"big\":123456789012345678901234567890.5,\"created\":\"2020-01-01T00:00:00Z\"}";
        static const char untouched[] = "{ \"id\" : \"other\" , \"z\":  [1 ,2] }";
        _cleanup_free_ char *file = xasprintf("[%s,\n %s]", foreign, untouched);
        const char *const names[] = { "n:2" };

        write_file(f, "graph/overlay-images/images.json", file);
        make_image(f, "config", NULL, names, 1, id);
        _cleanup_free_ char *text = read_file(f, "graph/overlay-images/images.json");
        assert_non_null(strstr(text, untouched));
        assert_non_null(strstr(text, "\"future\":{\"x\":1.50e+3,\"y\":\"\\u003c\"},"
                                     "\"big\":123456789012345678901234567890.5,"));
        assert_non_null(strstr(text, "\"names\":[\"n:1\"]"));
        assert_ptr_equal(strstr(text, "[{\"id\":\"abc\""), text); /* order is kept */
        json_t *parsed = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_int_equal(json_array_size(parsed), 3);
        json_decref(parsed);
}

static void reports_corrupt_files(void **state) {
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "{}", "byte 0: no JSON array" },
                { "[{\"id\":\"a\"},", "byte 12" },
                { "[{\"id\":\"a\"},{\"id\":}]", "byte " },
                { "[{\"id\":\"a\"},{\"id\":\"a\"}]", "byte 12: image a appears twice" },
                { "[{\"id\":\"../x\"}]", "usable id" },
                { "[{\"id\":\".x\"}]", "usable id" },
                { "[{}]", "id is missing" },
                { "[[]]", "no JSON object" },
                { "[{\"id\":\"a\",\"id\":\"b\"}]", "duplicate" },
                { "[{\"id\":\"a\",\"names\":\"n\"}]", "names is no array" },
                { "[{\"id\":\"a\",\"names\":[1]}]", "no string" },
                { "[{\"id\":\"a\",\"created\":\"yesterday\"}]", "RFC 3339" },
                { "[{\"id\":\"a\",\"layer\":7}]", "layer is no string" },
                { "[{\"id\":\"a\",\"big-data-names\":[\"k\"],\"big-data-sizes\":{\"k\":\"1\"}}]",
                  "integer" },
        };
        Fixture *f = *state;
        char id[65];
        const char *const names[] = { "n:1" };
        StoreImage *image;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Error err = ERROR_INIT;
                write_file(f, "graph/overlay-images/images.json", cases[i].text);
                assert_int_equal(store_image_get(f->store, "a", &image, &err), -1);
                assert_int_equal(err.kind, ERR_CORRUPT);
                if (!strstr(err.text, cases[i].words) ||
                    !strstr(err.text, "/overlay-images/images.json"))
                        fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].words);
                assert_int_equal(store_image_set_names(f->store, "a", names, 1, &err), -1);
                _cleanup_free_ char *text = read_file(f, "graph/overlay-images/images.json");
                assert_string_equal(text, cases[i].text); /* nothing was changed */
        }
        write_file(f, "graph/overlay-images/images.json", "[]");
        make_image(f, "config", NULL, names, 1, id);
        assert_int_equal(store_image_get(f->store, id, &image, NULL), 0);
        store_image_unref(image);
}

/* --- opening --- */

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

/* --- images --- */

static void makes_reads_and_deletes_images(void **state) {
        Fixture *f = *state;
        char id[65], path[160];
        StoreLayerContent base = make_layer(f, NULL), top = make_layer(f, base.id);
        const char *const names[] = { "a:1", "a:2", "a:1" };
        StoreImages images;
        StoreImage *image;
        Error err = ERROR_INIT;

        make_image(f, "{\"config\":1}", top.id, names, 3, id);
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
        assert_false(exists(f, path));
        snprintf(path, sizeof(path), "graph/overlay-layers/%s.tar-split.gz", base.id);
        assert_false(exists(f, path));
        snprintf(path, sizeof(path), "graph/overlay-images/%s", id);
        assert_false(exists(f, path));
        StoreLayer *layer;
        assert_int_equal(store_layer_get(f->store, base.id, &layer, &err), -1);
}

static void moves_names(void **state) {
        Fixture *f = *state;
        char first[65], second[65];
        const char *const names[] = { "a:1", "b:1" }, *const other[] = { "c:1", "a:1" };
        StoreImage *image;
        Error err = ERROR_INIT;

        make_image(f, "first", NULL, names, 2, first);
        make_image(f, "second", NULL, names + 1, 1, second);
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
        _cleanup_free_ char *text = read_file(f, "graph/overlay-images/images.json");
        assert_non_null(strstr(text, "\"names-history\":[\"c:1\",\"a:1\",\"b:1\"]"));
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

        make_image(f, "config", NULL, names, 1, id);
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
        assert_true(exists(f, "graph/overlay-images"));
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

/* --- containers and mounts --- */

static void makes_and_deletes_containers(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], other[65], path[200];
        StoreLayerContent base = make_layer(f, NULL);
        StoreContainers containers;
        StoreLayer *record;
        Error err = ERROR_INIT;

        make_image(f, "config", base.id, NULL, 0, image);
        make_ids(id, layer);
        assert_int_equal(make_container(f->store, id, layer, "one", image, &err), 0);
        assert_int_equal(make_container(f->store, id, layer, "two", image, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        random_hex(other, 64);
        assert_int_equal(make_container(f->store, other, other, "one", image, &err), -1);
        assert_int_equal(err.kind, ERR_EXISTS);
        assert_string_equal(err.subject, "one");
        assert_int_equal(make_container(f->store, other, other, "two", other, &err), -1);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
        assert_int_equal(make_container(f->store, "../x", other, "two", image, &err), -1);
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
        assert_false(exists(f, path));
        assert_int_equal(store_image_delete(f->store, image, &err), 0);
}

/* Whatever point a dead engine had reached, deleting with the same ids cleans it. */
static void deletes_what_is_half_made(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], path[200];
        StoreLayerContent base = make_layer(f, NULL);
        Error err = ERROR_INIT;

        make_image(f, "config", base.id, NULL, 0, image);
        _cleanup_free_ char *layers = read_file(f, "graph/overlay-layers/layers.json");
        for (int lost = 0; lost < 3; lost++) {
                make_ids(id, layer);
                assert_int_equal(make_container(f->store, id, layer, "one", image, &err), 0);
                if (lost >= 1)
                        write_file(f, "graph/overlay-containers/containers.json", "[]");
                if (lost >= 2)
                        write_file(f, "graph/overlay-layers/layers.json", layers);
                assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
                snprintf(path, sizeof(path), "graph/overlay/%s", layer);
                assert_false(exists(f, path));
                snprintf(path, sizeof(path), "graph/overlay-containers/%s", id);
                assert_false(exists(f, path));
                _cleanup_free_ char *now = read_file(f, "graph/overlay-layers/layers.json");
                assert_string_equal(now, layers);
        }
}

static void counts_mounts(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], path[200];
        StoreLayerContent base = make_layer(f, NULL);
        Error err = ERROR_INIT;
        bool is_mounted;
        int count;

        make_image(f, "config", base.id, NULL, 0, image);
        make_ids(id, layer);
        assert_int_equal(make_container(f->store, id, layer, "one", image, &err), 0);
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
        assert_true(exists(f, path));
        assert_int_equal(store_layer_unmount(f->store, layer, false, &is_mounted, &err), 0);

        /* A count without a mount, as after a reboot. */
        _cleanup_free_ char *stale =
                xasprintf("[{\"id\":\"%s\",\"path\":\"%s\",\"count\":5}]", layer, merged);
        write_file(f, "run/overlay-layers/mountpoints.json", stale);
        assert_int_equal(store_layer_mount_count(f->store, layer, &count, &err), 0);
        assert_int_equal(count, 0);
        assert_int_equal(store_layer_mount(f->store, layer, &third, &err), 0);
        assert_int_equal(store_layer_mount_count(f->store, layer, &count, &err), 0);
        assert_int_equal(count, 1);

        /* A mount without a count, as after a run root that was wiped. */
        write_file(f, "run/overlay-layers/mountpoints.json", "[]");
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        assert_false(path_is_mount_root(AT_FDCWD, merged));

        free(TAKE_PTR(merged));
        assert_int_equal(store_layer_mount(f->store, layer, &merged, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
}

/* An image's layer is never mounted for writing. */
static void mounts_image_layers_read_only(void **state) {
        Fixture *f = *state;
        StoreLayerContent base = make_layer(f, NULL), top = make_layer(f, base.id);
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

/* More lower directories than a page of absolute paths holds. */
static void mounts_a_hundred_layers(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65], path[200], cwd[200], cwd_after[200];
        StoreLayerContent content = make_layer(f, NULL);
        _cleanup_free_ char *merged = NULL;
        StoreLayerPaths paths = { NULL };
        Error err = ERROR_INIT;

        for (int i = 1; i < STORE_LAYERS_MAX; i++)
                content = make_layer(f, content.id);
        make_image(f, "config", content.id, NULL, 0, image);
        make_ids(id, layer);
        assert_int_equal(make_container(f->store, id, layer, "deep", image, &err), 0);
        assert_non_null(getcwd(cwd, sizeof(cwd)));
        if (store_layer_mount(f->store, layer, &merged, &err) < 0)
                fail_msg("%s", err.text);
        assert_non_null(getcwd(cwd_after, sizeof(cwd_after)));
        assert_string_equal(cwd, cwd_after);
        /* Each layer has one file. */
        snprintf(path, sizeof(path), "ls %s | wc -l", merged);
        FILE *pipe = popen(path, "r");
        int entries = 0;
        assert_int_equal(fscanf(pipe, "%d", &entries), 1);
        pclose(pipe);
        assert_int_equal(entries, STORE_LAYERS_MAX);

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
        content = make_layer(f, content.id);
        make_image(f, "other", content.id, NULL, 0, image);
        assert_int_equal(make_container(f->store, id, layer, "deeper", image, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
        assert_int_equal(store_image_delete(f->store, image, &err), 0);
}

/* After a power cut the links in l/ may be gone. */
static void makes_lost_links_anew(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65];
        StoreLayerContent base = make_layer(f, NULL), top = make_layer(f, base.id);
        _cleanup_free_ char *merged = NULL;
        Error err = ERROR_INIT;

        make_image(f, "config", top.id, NULL, 0, image);
        make_ids(id, layer);
        assert_int_equal(make_container(f->store, id, layer, "one", image, &err), 0);
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

        make_image(f, "config", NULL, NULL, 0, image);
        make_ids(id, layer);
        assert_int_equal(make_container(f->store, id, layer, "one", image, &err), 0);
        assert_int_equal(store_layer_disk_usage(f->store, layer, &size, &err), 0);
        assert_int_equal(size, 0);
        snprintf(path, sizeof(path), "graph/overlay/%s/diff/f", layer);
        write_file(f, path, "12345");
        assert_int_equal(store_layer_disk_usage(f->store, layer, &size, &err), 0);
        assert_int_equal(size, 5);
        assert_int_equal(store_layer_disk_usage(f->store, image, &size, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(store_container_delete(f->store, id, layer, &err), 0);
}

/* --- other writers --- */

/* Another program's store on the same folders: what one writes, the other sees at once. */
static void sees_what_others_write(void **state) {
        Fixture *f = *state;
        char image[65], id[65], layer[65];
        Store *other = open_store(f);
        StoreImages images;
        StoreContainers containers;
        Error err = ERROR_INIT;

        for (int i = 0; i < 20; i++) {
                char config[16];
                snprintf(config, sizeof(config), "c%d", i);
                make_image(f, config, NULL, NULL, 0, image);
                assert_int_equal(store_images(other, &images, &err), 0);
                assert_int_equal(images.count, i + 1);
                store_images_done(&images);
                make_ids(id, layer);
                assert_int_equal(make_container(other, id, layer, config, image, &err), 0);
                assert_int_equal(store_containers(f->store, &containers, &err), 0);
                assert_int_equal(containers.count, i + 1);
                store_containers_done(&containers);
                assert_int_equal(store_image_delete(f->store, image, &err), -1);
        }
        store_close(other);
}

/* Somebody holds the layers' lock for long, as podman does while it unpacks: looking does not wait. */
static void looks_while_others_hold_the_lock(void **state) {
        Fixture *f = *state;
        StoreLayerContent base = make_layer(f, NULL);
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
        StoreLayerContent base = make_layer(f, NULL);
        Error err = ERROR_INIT;
        StoreLayer *layer;
        char path[200], orphan[128], id[65];

        _cleanup_free_ char *text = read_file(f, "graph/overlay-layers/layers.json");
        size_t length = strlen(text);
        _cleanup_free_ char *marked =
                xasprintf("%.*s,\"flags\":{\"incomplete\":true}}]", (int)length - 2, text);
        write_file(f, "graph/overlay-layers/layers.json", marked);
        assert_int_equal(store_layer_get(f->store, base.id, &layer, &err), 0);
        assert_true(layer->is_incomplete);
        store_layer_unref(layer);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/tmp/selkie-0123456789abcdef", 0700), 0);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/tmp/selkie-0123456789abcdef/x", 0700), 0);
        assert_int_equal(mkdirat(f->scratch.fd, "graph/tmp/others", 0700), 0);
        write_file(f, "graph/overlay-layers/.tmp-layers.json-0123", "[");

        random_hex(id, 64);
        snprintf(orphan, sizeof(orphan), "graph/overlay-images/%s", id);
        assert_int_equal(mkdirat(f->scratch.fd, orphan, 0700), 0);
        make_image(f, "config", NULL, NULL, 0, id);

        assert_int_equal(store_sweep(f->store, &err), 0);
        assert_int_equal(store_layer_get(f->store, base.id, &layer, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        snprintf(path, sizeof(path), "graph/overlay/%s", base.id);
        assert_false(exists(f, path));
        assert_false(exists(f, "graph/tmp/selkie-0123456789abcdef"));
        assert_false(exists(f, "graph/overlay-layers/.tmp-layers.json-0123"));
        assert_true(exists(f, "graph/tmp/others"));
        assert_false(exists(f, orphan));
        snprintf(path, sizeof(path), "graph/overlay-images/%s/manifest", id);
        assert_true(exists(f, path));
}

/* The stamp of the last writer, as the format has it. */
static void leaves_stamps(void **state) {
        Fixture *f = *state;
        char id[65];
        struct stat st;
        uint64_t ns;
        uint32_t pid;

        make_image(f, "config", NULL, NULL, 0, id);
        _cleanup_free_ char *stamp = NULL;
        size_t size;
        assert_int_equal(file_read_at(f->scratch.fd, "graph/overlay-images/images.lock", 100,
                                      &stamp, &size),
                         0);
        assert_int_equal(size, LOCK_STAMP_SIZE);
        memcpy(&ns, stamp, 8);
        memcpy(&pid, stamp + 16, 4);
        assert_true(timestamp_now() - (int64_t)ns < 60 * NS_PER_SEC);
        assert_int_equal(pid, getpid());
        assert_int_equal(fstatat(f->scratch.fd, "graph/overlay-images/images.json", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(fstatat(f->scratch.fd, "graph/overlay-images/images.lock", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
}

/* --- threads --- */

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
                make_ids(id, layer);
                snprintf(name, sizeof(name), "w%d-%d", worker->number, i);
                if (make_container(store, id, layer, name, worker->image, NULL) < 0 ||
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
        StoreLayerContent base = make_layer(f, NULL);
        Worker workers[8];
        StoreContainers containers;

        make_image(f, "config", base.id, NULL, 0, image);
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
        _cleanup_free_ char *mounts = read_file(f, "run/overlay-layers/mountpoints.json");
        assert_string_equal(mounts, "[]");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_values_in_text),
                cmocka_unit_test(replaces_members_as_text),
                cmocka_unit_test(writes_strings),
                TEST(keeps_what_it_does_not_know),
                TEST(reports_corrupt_files),
                TEST(refuses_bad_options),
                TEST(says_what_it_stands_on),
                TEST(makes_reads_and_deletes_images),
                TEST(moves_names),
                TEST(adds_to_an_image_that_exists),
                TEST(makes_and_deletes_containers),
                TEST(deletes_what_is_half_made),
                TEST(counts_mounts),
                TEST(mounts_image_layers_read_only),
                TEST(mounts_a_hundred_layers),
                TEST(makes_lost_links_anew),
                TEST(measures_layers),
                TEST(sees_what_others_write),
                TEST(looks_while_others_hold_the_lock),
                TEST(removes_what_dead_writers_left),
                TEST(leaves_stamps),
                TEST(serves_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
