/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store from a command line, for tests that drive it beside podman, skopeo and buildah.
 *
 *     store-tool GRAPH_ROOT RUN_ROOT COMMAND [ARGUMENT...]
 *
 * Prints JSON lines on stdout. A failure is one line `kind: subject: text` on stderr and status 1.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "storage/store.h"
#include "tests/storage/torture.h"

typedef struct Command {
        const char *name;
        int arguments; /* at least */
        int (*run)(Store *store, int argc, char **argv, Error *err);
} Command;

/* "-" is no parent. */
static const char *or_null(const char *word) {
        return strcmp(word, "-") == 0 ? NULL : word;
}

static int run_import(Store *store, int argc _unused_, char **argv, Error *err) {
        StoreLayerContent content;

        _cleanup_close_ int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, argv[1], "cannot open %s", argv[1]);
        if (store_layer_import(store, or_null(argv[0]), fd, NULL, NULL, &content, err) < 0)
                return -1;
        printf("{\"id\":\"%s\",\"diff\":\"%s\",\"diff_size\":%" PRId64
               ",\"blob\":\"%s\",\"blob_size\":%" PRId64 ",\"compression\":%d}\n",
               content.id, content.diff_digest, content.diff_size, content.blob_digest,
               content.blob_size, content.compression);
        return 0;
}

/* image LAYER|- CONFIG_FILE MANIFEST_FILE NAME... */
static int run_image(Store *store, int argc, char **argv, Error *err) {
        _cleanup_free_ char *config = NULL, *manifest = NULL;
        char id[65], config_key[DIGEST_TEXT_SIZE], digest_text[DIGEST_TEXT_SIZE], key[96];
        size_t config_size, manifest_size;
        Digest digest;

        if (file_read_at(AT_FDCWD, argv[1], 1 << 20, &config, &config_size) < 0 ||
            file_read_at(AT_FDCWD, argv[2], 1 << 20, &manifest, &manifest_size) < 0)
                return error_set(err, ERR_IO, argv[1], "cannot read the documents");
        digest_compute(config, config_size, &digest);
        digest_format_hex(&digest, id);
        digest_format(&digest, config_key);
        digest_compute(manifest, manifest_size, &digest);
        digest_format(&digest, digest_text);
        snprintf(key, sizeof(key), "manifest-%s", digest_text);
        StoreImageItem items[] = {
                { config_key, config, config_size },
                { key, manifest, manifest_size },
                { "manifest", manifest, manifest_size },
        };
        StoreImageSpec spec = {
                .id = id,
                .digest = digest_text,
                .layer = or_null(argv[0]),
                .created_ns = timestamp_now(),
                .items = items,
                .items_count = ARRAY_SIZE(items),
                .names = (const char *const *)argv + 3,
                .names_count = (size_t)argc - 3,
        };
        if (store_image_create(store, &spec, err) < 0)
                return -1;
        printf("{\"id\":\"%s\"}\n", id);
        return 0;
}

static int run_images(Store *store, int argc _unused_, char **argv _unused_, Error *err) {
        StoreImages images;

        if (store_images(store, &images, err) < 0)
                return -1;
        for (size_t i = 0; i < images.count; i++) {
                const StoreImage *image = images.items[i];
                printf("{\"id\":\"%s\",\"digest\":\"%s\",\"layer\":\"%s\",\"names\":[", image->id,
                       image->digest ? image->digest : "", image->layer ? image->layer : "");
                for (size_t k = 0; k < image->names.count; k++)
                        printf("%s\"%s\"", k > 0 ? "," : "", image->names.items[k]);
                printf("],\"items\":{");
                for (size_t k = 0; k < image->big_data_count; k++) {
                        _cleanup_free_ char *data = NULL;
                        size_t size;
                        const StoreBigData *item = &image->big_data[k];
                        char text[DIGEST_TEXT_SIZE];
                        Digest digest;
                        if (store_image_read(store, image, item->key, &data, &size, err) < 0) {
                                store_images_done(&images);
                                return -1;
                        }
                        digest_compute(data, size, &digest);
                        printf("%s\"%s\":\"%s\"", k > 0 ? "," : "", item->key,
                               digest_format(&digest, text));
                }
                printf("}}\n");
        }
        store_images_done(&images);
        return 0;
}

static int run_containers(Store *store, int argc _unused_, char **argv _unused_, Error *err) {
        StoreContainers containers;

        if (store_containers(store, &containers, err) < 0)
                return -1;
        for (size_t i = 0; i < containers.count; i++) {
                const StoreContainer *container = containers.items[i];
                printf("{\"id\":\"%s\",\"image\":\"%s\",\"layer\":\"%s\",\"name\":\"%s\"}\n",
                       container->id, container->image, container->layer ? container->layer : "",
                       container->names.count > 0 ? container->names.items[0] : "");
        }
        store_containers_done(&containers);
        return 0;
}

/* names IMAGE NAME... */
static int run_names(Store *store, int argc, char **argv, Error *err) {
        return store_image_set_names(store, argv[0], (const char *const *)argv + 1,
                                     (size_t)argc - 1, err);
}

static int run_image_delete(Store *store, int argc _unused_, char **argv, Error *err) {
        return store_image_delete(store, argv[0], err);
}

static int run_layer_delete(Store *store, int argc _unused_, char **argv, Error *err) {
        return store_layer_delete(store, argv[0], err);
}

/* create CONTAINER LAYER NAME IMAGE|- */
static int run_create(Store *store, int argc _unused_, char **argv, Error *err) {
        StoreContainerSpec spec = {
                .id = argv[0],
                .layer_id = argv[1],
                .name = argv[2],
                .image = or_null(argv[3]) ? argv[3] : "",
                .metadata = "{}",
        };
        return store_container_create(store, &spec, err);
}

static int run_delete(Store *store, int argc _unused_, char **argv, Error *err) {
        return store_container_delete(store, argv[0], argv[1], err);
}

static int run_mount(Store *store, int argc _unused_, char **argv, Error *err) {
        _cleanup_free_ char *path = NULL;

        if (store_layer_mount(store, argv[0], &path, err) < 0)
                return -1;
        printf("{\"path\":\"%s\"}\n", path);
        return 0;
}

static int run_unmount(Store *store, int argc _unused_, char **argv, Error *err) {
        bool is_mounted;

        if (store_layer_unmount(store, argv[0], false, &is_mounted, err) < 0)
                return -1;
        printf("{\"mounted\":%s}\n", is_mounted ? "true" : "false");
        return 0;
}

static int run_count(Store *store, int argc _unused_, char **argv, Error *err) {
        int count;

        if (store_layer_mount_count(store, argv[0], &count, err) < 0)
                return -1;
        printf("{\"count\":%d}\n", count);
        return 0;
}

static int run_sweep(Store *store, int argc _unused_, char **argv _unused_, Error *err) {
        return store_sweep(store, err);
}

/* bench IMAGE ROUNDS OTHERS */
static int run_bench(Store *store, int argc _unused_, char **argv, Error *err) {
        return bench(store, argv[0], (int)strtol(argv[1], NULL, 10), (int)strtol(argv[2], NULL, 10),
                     err);
}

/* stage THREADS BLOB...: unpack all and discard; time, processor time and memory */
static int run_stage(Store *store, int argc, char **argv, Error *err) {
        return bench_stage(store, (int)strtol(argv[0], NULL, 10), argv + 1, argc - 1, err);
}

/* torture SECONDS TAR... */
static int run_torture(Store *store, int argc, char **argv, Error *err) {
        return torture(store, (int)strtol(argv[0], NULL, 10), argv + 1, argc - 1, err);
}

static const Command commands[] = {
        { "import", 2, run_import },         { "image", 4, run_image },
        { "images", 0, run_images },         { "names", 1, run_names },
        { "rmi", 1, run_image_delete },      { "rm-layer", 1, run_layer_delete },
        { "create", 4, run_create },         { "delete", 2, run_delete },
        { "containers", 0, run_containers }, { "mount", 1, run_mount },
        { "unmount", 1, run_unmount },       { "count", 1, run_count },
        { "sweep", 0, run_sweep },           { "bench", 3, run_bench },
        { "stage", 2, run_stage },           { "torture", 2, run_torture },
};

int main(int argc, char **argv) {
        _cleanup_(store_closep)
        Store *store = NULL;
        Error err = ERROR_INIT;

        if (argc < 4) {
                fprintf(stderr, "usage: store-tool GRAPH_ROOT RUN_ROOT COMMAND [ARGUMENT...]\n");
                return 2;
        }
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                const Command *command = &commands[i];
                if (strcmp(argv[3], command->name) != 0 || argc - 4 < command->arguments)
                        continue;
                StoreOptions options = { .graph_root = argv[1], .run_root = argv[2] };
                if (store_open(&store, &options, &err) == 0 &&
                    command->run(store, argc - 4, argv + 4, &err) == 0)
                        return 0;
                fprintf(stderr, "%s: %s: %s\n", error_kind_name(err.kind), err.subject, err.text);
                return 1;
        }
        fprintf(stderr, "store-tool: no such command, or too few arguments: %s\n", argv[3]);
        return 2;
}
