/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/storage/torture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "storage/layers.h"

/* Images that this process made and did not remove yet, at most so many. */
#define IMAGES_MAX 8

typedef struct Torture {
        Store *store;
        char *const *tars;
        int tars_count;
        char images[IMAGES_MAX][65];
        int images_count;
        int number;
} Torture;

static int import_tar(const Torture *t, StoreLayerContent *ret, Error *err) {
        const char *path = t->tars[random_below((uint64_t)t->tars_count)];

        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, path, "cannot open %s", path);
        return store_layer_import(t->store, NULL, fd, NULL, NULL, ret, err);
}

/* An image that podman takes for one: its documents agree with its layer. */
static int make_image(Torture *t, Error *err) {
        char id[65], config_key[DIGEST_TEXT_SIZE], manifest_digest[DIGEST_TEXT_SIZE], key[96],
                tag[64];
        const char *const names[] = { tag };
        StoreLayerContent layer;
        Digest digest;

        if (import_tar(t, &layer, err) < 0)
                return -1;
        snprintf(tag, sizeof(tag), "localhost/torture-%d:%d", getpid(), t->number);
        _cleanup_free_ char *config = xasprintf(
                "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2024-01-01T00:00:00Z\","
                "\"author\":\"%s\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%"
                "s\"]},"
                "\"history\":[{\"created\":\"2024-01-01T00:00:00Z\"}]}",
                tag, layer.diff_digest);
        digest_compute(config, strlen(config), &digest);
        digest_format_hex(&digest, id);
        digest_format(&digest, config_key);
        _cleanup_free_ char *manifest = xasprintf(
                "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
                "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                "\"digest\":\"%s\",\"size\":%zu},\"layers\":[{"
                "\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\","
                "\"size\":%lld}]}",
                config_key, strlen(config), layer.diff_digest, (long long)layer.diff_size);
        digest_compute(manifest, strlen(manifest), &digest);
        digest_format(&digest, manifest_digest);
        snprintf(key, sizeof(key), "manifest-%s", manifest_digest);
        StoreImageItem items[] = { { config_key, config, strlen(config) },
                                   { key, manifest, strlen(manifest) },
                                   { "manifest", manifest, strlen(manifest) } };
        StoreImageSpec spec = { .id = id,
                                .digest = manifest_digest,
                                .layer = layer.id,
                                .created_ns = timestamp_now(),
                                .items = items,
                                .items_count = 3,
                                .names = names,
                                .names_count = 1 };
        Error error = ERROR_INIT;
        if (store_image_create(t->store, &spec, &error) < 0) {
                /*
                 * Between the two, another process may have removed the last image with this layer.
                 */
                if (error.kind == ERR_NOT_FOUND)
                        return 0;
                if (err)
                        *err = error;
                return -1;
        }
        t->number++;
        memcpy(t->images[t->images_count++], id, sizeof(id));
        return 0;
}

static int drop_image(Torture *t, int i, Error *err) {
        if (store_image_delete(t->store, t->images[i], err) < 0)
                return -1;
        memmove(t->images[i], t->images[--t->images_count], sizeof(t->images[i]));
        return 0;
}

static int run_container(Torture *t, const char *image, Error *err) {
        char id[65], layer[65], name[48];
        _cleanup_free_ char *merged = NULL;

        random_hex(id, 64);
        random_hex(layer, 64);
        snprintf(name, sizeof(name), "c-%d-%d", getpid(), t->number++);
        printf("{\"container\":\"%s\",\"layer\":\"%s\"}\n", id, layer);
        if (fflush(stdout) != 0)
                return error_set(err, ERR_IO, NULL, "cannot print");
        StoreContainerSpec spec = { id, layer, name, image, "{}" };
        if (store_container_create(t->store, &spec, err) < 0 ||
            store_layer_mount(t->store, layer, &merged, err) < 0)
                return -1;
        /* Sometimes an engine removes a container without unmounting it first. */
        if (random_below(2) == 0 && store_layer_unmount(t->store, layer, false, NULL, err) < 0)
                return -1;
        return store_container_delete(t->store, id, layer, err);
}

int torture(Store *store, int seconds, char *const *tars, int tars_count, Error *err) {
        Torture t = { .store = store, .tars = tars, .tars_count = tars_count };
        int64_t until = timestamp_now() + seconds * NS_PER_SEC;
        int r = 0;

        while (r == 0 && timestamp_now() < until) {
                uint64_t dice = random_below(10);
                int i = t.images_count > 0 ? (int)random_below((uint64_t)t.images_count) : -1;
                if (i < 0 || (dice < 2 && t.images_count < IMAGES_MAX))
                        r = make_image(&t, err);
                else if (dice < 4)
                        r = drop_image(&t, i, err);
                else
                        r = run_container(&t, t.images[i], err);
        }
        while (r == 0 && t.images_count > 0)
                r = drop_image(&t, 0, err);
        return r;
}

static double now_us(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static int fill_store(Store *store, int count, const char *image, Error *err) {
        for (int i = 0; i < count; i++) {
                char id[65], layer[65], name[32];
                random_hex(id, 64);
                random_hex(layer, 64);
                snprintf(name, sizeof(name), "filler-%d", i);
                StoreContainerSpec spec = { id, layer, name, image, "{\"filler\":true}" };
                if (store_container_create(store, &spec, err) < 0)
                        return -1;
        }
        return 0;
}

enum {
        CREATE,
        MOUNT,
        UNMOUNT,
        DELETE,
        STEPS
};

static int measure_once(Store *store, const char *image, int i, double times[static STEPS],
                        Error *err) {
        char id[65], layer[65], name[32];
        _cleanup_free_ char *merged = NULL;
        double at[STEPS + 1];

        random_hex(id, 64);
        random_hex(layer, 64);
        snprintf(name, sizeof(name), "bench-%d", i);
        StoreContainerSpec spec = { id, layer, name, image, "{\"bench\":true}" };
        at[CREATE] = now_us();
        if (store_container_create(store, &spec, err) < 0)
                return -1;
        at[MOUNT] = now_us();
        if (store_layer_mount(store, layer, &merged, err) < 0)
                return -1;
        at[UNMOUNT] = now_us();
        if (store_layer_unmount(store, layer, false, NULL, err) < 0)
                return -1;
        at[DELETE] = now_us();
        if (store_container_delete(store, id, layer, err) < 0)
                return -1;
        at[STEPS] = now_us();
        for (int k = 0; k < STEPS; k++)
                times[k] = at[k + 1] - at[k];
        return 0;
}

int bench(Store *store, const char *image, int rounds, int others, Error *err) {
        static const char *const words[STEPS] = { "create", "mount", "unmount", "delete" };

        if (rounds <= 0)
                return error_set(err, ERR_INVALID, "rounds", "no rounds");
        if (fill_store(store, others, image, err) < 0)
                return -1;
        _cleanup_free_ double *samples = xnew(double, (size_t)rounds *STEPS);
        for (int i = 0; i < rounds; i++) {
                double times[STEPS];
                if (measure_once(store, image, i, times, err) < 0)
                        return -1;
                for (int k = 0; k < STEPS; k++)
                        samples[k * rounds + i] = times[k];
        }
        for (int k = 0; k < STEPS; k++) {
                double *of_step = samples + (size_t)k * (size_t)rounds;
                qsort(of_step, (size_t)rounds, sizeof(*of_step), compare_doubles);
                printf("{\"what\":\"%s\",\"median_us\":%.0f,\"p90_us\":%.0f}\n", words[k],
                       of_step[rounds / 2], of_step[rounds * 9 / 10]);
        }
        return 0;
}

/* What the threads of bench_stage() share. */
typedef struct Stages {
        Store *store;
        char *const *blobs;
        int count;
        atomic_int next, failed;
        _Atomic int64_t bytes;
        StoreStagedLayer **layers;
        Error *errors;
} Stages;

static void *stage_blobs(void *userdata) {
        Stages *stages = userdata;

        for (int i; (i = atomic_fetch_add(&stages->next, 1)) < stages->count;) {
                _cleanup_close_ int fd = open(stages->blobs[i], O_RDONLY | O_CLOEXEC);
                Error *err = &stages->errors[i];
                int r = fd < 0 ? error_errno(err, ERR_IO, errno, stages->blobs[i], "cannot open %s",
                                             stages->blobs[i])
                               : store_layer_stage(stages->store, fd, NULL, &stages->layers[i],
                                                   err);
                if (r < 0)
                        atomic_store(&stages->failed, i + 1);
                else
                        atomic_fetch_add(&stages->bytes,
                                         store_staged_layer_content(stages->layers[i])->diff_size);
        }
        return NULL;
}

static double seconds_of(struct timeval time) {
        return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int bench_stage(Store *store, int threads, char *const *blobs, int count, Error *err) {
        pthread_t made[16];
        struct rusage usage;
        Stages stages = { .store = store, .blobs = blobs, .count = count };

        if (threads < 1 || threads > (int)ARRAY_SIZE(made))
                return error_set(err, ERR_INVALID, "threads", "1 to 16 threads");
        stages.layers = xnew(StoreStagedLayer *, (size_t)count);
        stages.errors = xnew(Error, (size_t)count);
        double before = now_us();
        for (int i = 0; i < threads; i++)
                if (pthread_create(&made[i], NULL, stage_blobs, &stages) != 0)
                        abort();
        for (int i = 0; i < threads; i++)
                (void)pthread_join(made[i], NULL);
        double wall_s = (now_us() - before) / 1e6;
        (void)getrusage(RUSAGE_SELF, &usage);
        for (int i = 0; i < count; i++)
                (void)store_staged_layer_free(stages.layers[i]);
        int failed = atomic_load(&stages.failed);
        if (failed > 0)
                (void)error_copy(err, &stages.errors[failed - 1]);
        else
                printf("{\"bytes\":%lld,\"seconds\":%.3f,\"user\":%.3f,\"system\":%.3f,"
                       "\"peak_kb\":%ld}\n",
                       (long long)atomic_load(&stages.bytes), wall_s, seconds_of(usage.ru_utime),
                       seconds_of(usage.ru_stime), usage.ru_maxrss);
        free(stages.layers);
        free(stages.errors);
        return failed > 0 ? -1 : 0;
}
