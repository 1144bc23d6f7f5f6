/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A few workers take the layers in order, base first. Each fetches one through a pipe (a thread
 * that asks the source) and unpacks it at the other end. Whoever completes a layer commits all that
 * are complete by then, again base first, since a layer needs its parent.
 *
 * A lock for each layer keeps other pulls from fetching the same: they wait, look, and find it. It
 * is a lock on the chain up to that layer, held until it is in the store. A chain contains its
 * parents in any image, so nobody holds one and waits for another who waits for it.
 */

#include "helper/pull_layers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/pull.h"

#define PIPE_SIZE (1024 * 1024) /* bytes between the network and the unpacking */

typedef struct Pull {
        Store *store;
        ImageSource *source;
        const Watch *watch;
        PullLayers *layers;

        pthread_mutex_t lock; /* guards what follows, and staged and is_there of the layers */
        size_t next;          /* to be fetched */
        size_t committed;     /* so many, base first, are in the store */
        Error error;          /* the first */
        atomic_bool has_failed;
} Pull;

/* --- one layer ------------------------------------------------------------------------------- */

typedef struct Fetch {
        Pull *pull;
        const Descriptor *blob;
        int fd;
        atomic_llong done; /* bytes */
        int result;
        Error error;
} Fetch;

static bool is_over(void *userdata) {
        Pull *pull = userdata;

        return atomic_load(&pull->has_failed) || watch_is_cancelled(pull->watch);
}

static bool is_fetch_over(void *userdata) {
        const Fetch *fetch = userdata;

        return is_over(fetch->pull);
}

static void on_bytes(void *userdata, int64_t count) {
        Fetch *fetch = userdata;

        long long done = atomic_fetch_add(&fetch->done, count) + count;
        watch_report(fetch->pull->watch, "layer", fetch->blob->digest, done, fetch->blob->size);
}

static void *run_fetch(void *userdata) {
        Fetch *fetch = userdata;
        ImageSource *source = fetch->pull->source;
        const TransferControl control = { .is_cancelled = is_fetch_over,
                                          .on_bytes = on_bytes,
                                          .userdata = fetch };

        fetch->result =
                source->class->read_blob(source, fetch->blob, fetch->fd, &control, &fetch->error);
        fetch->fd = fd_close(fetch->fd); /* the end, for who unpacks */
        return NULL;
}

/* Only what both the manifest and the config promised becomes a layer. */
static int check_content(const PullLayer *layer, const StoreLayerContent *content, Error *err) {
        const Descriptor *blob = layer->blob;

        if (content->blob_size != blob->size)
                return error_set(err, ERR_CORRUPT, blob->digest,
                                 "layer %s has %lld bytes where the manifest says %lld",
                                 blob->digest, (long long)content->blob_size,
                                 (long long)blob->size);
        if (!text_equal(content->blob_digest, blob->digest))
                return error_set(err, ERR_CORRUPT, blob->digest,
                                 "layer %s is corrupt: its digest is %s", blob->digest,
                                 content->blob_digest);
        if (!text_equal(content->diff_digest, layer->diff_id))
                return error_set(err, ERR_CORRUPT, blob->digest,
                                 "layer %s holds the tar %s where the config says %s", blob->digest,
                                 content->diff_digest, layer->diff_id);
        return 0;
}

/*
 * The two ends of the pipe fail together. What the source says comes first, unless it only noticed
 * that nobody reads any more.
 */
static int unpack(Pull *pull, PullLayer *layer, StoreStagedLayer **ret, Error *err) {
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *staged = NULL;
        const StoreStageOptions options = { .blob_size_max = layer->blob->size,
                                            .diff_size_max = -1,
                                            .is_cancelled = is_over,
                                            .userdata = pull };
        Fetch fetch = { .pull = pull, .blob = layer->blob };
        Error failure = ERROR_INIT;
        pthread_t thread;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_errno(err, ERR_IO, errno, layer->blob->digest, "cannot make a pipe");
        _cleanup_close_ int read_fd = fds[0];
        fetch.fd = fds[1];
        (void)fcntl(read_fd, F_SETPIPE_SZ, PIPE_SIZE);
        int r = pthread_create(&thread, NULL, run_fetch, &fetch);
        if (r != 0) {
                (void)fd_close(fetch.fd);
                return error_errno(err, ERR_IO, r, layer->blob->digest, "cannot start a thread");
        }
        r = store_layer_stage(pull->store, read_fd, &options, &staged, &failure);
        (void)fd_close(TAKE_FD(read_fd)); /* if it failed, the source gets EPIPE */
        (void)pthread_join(thread, NULL);
        if (fetch.result < 0 && (r == 0 || fetch.error.kind != ERR_CANCELLED))
                return error_copy(err, &fetch.error);
        if (r < 0)
                return error_copy(err, &failure);
        if (check_content(layer, store_staged_layer_content(staged), err) < 0)
                return -1;
        *ret = TAKE_PTR(staged);
        return 0;
}

static int look(Pull *pull, const char *id, bool *ret_is_there, Error *err) {
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        Error failure = ERROR_INIT;

        if (store_layer_get(pull->store, id, &layer, &failure) == 0)
                *ret_is_there = !layer->is_incomplete;
        else if (failure.kind == ERR_NOT_FOUND)
                *ret_is_there = false;
        else
                return error_copy(err, &failure);
        return 0;
}

static int fetch_layer(Pull *pull, PullLayer *layer, Error *err) {
        char key[DIGEST_TEXT_SIZE];
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *staged = NULL;
        bool is_there = false;

        (void)snprintf(key, sizeof(key), "sha256:%s", layer->id);
        if (store_blob_lock(pull->store, key, is_over, pull, &layer->lock, err) < 0 ||
            look(pull, layer->id, &is_there, err) < 0)
                return -1;
        if (!is_there && unpack(pull, layer, &staged, err) < 0)
                return -1;
        if (is_there)
                layer->lock = store_blob_unlock(layer->lock);
        watch_report(pull->watch, is_there ? "present" : "unpacked", layer->blob->digest,
                     layer->blob->size, layer->blob->size);

        pthread_mutex_lock(&pull->lock);
        layer->is_there = is_there;
        layer->staged = TAKE_PTR(staged);
        pthread_mutex_unlock(&pull->lock);
        return 0;
}

/* --- all of them ----------------------------------------------------------------------------- */

static int commit_locked(PullLayer *layer, const char *parent, Error *err) {
        Error failure = ERROR_INIT;
        char id[DIGEST_HEX_SIZE + 1];

        int r = store_layer_commit(layer->staged, parent, id, &failure);
        layer->staged = store_staged_layer_free(layer->staged);
        layer->lock = store_blob_unlock(layer->lock);
        if (r < 0 && failure.kind == ERR_NOT_FOUND)
                failure.kind = ERR_IN_USE; /* the parent was taken away */
        if (r < 0)
                return error_copy(err, &failure);
        layer->is_there = layer->is_new = true;
        return 0;
}

static int commit_what_is_ready(Pull *pull, Error *err) {
        PullLayers *layers = pull->layers;
        int r = 0;

        pthread_mutex_lock(&pull->lock);
        while (r == 0 && pull->committed < layers->count) {
                PullLayer *layer = &layers->items[pull->committed];
                if (!layer->is_there && !layer->staged)
                        break;
                if (!layer->is_there)
                        r = commit_locked(layer, pull->committed > 0 ? layer[-1].id : NULL, err);
                if (r == 0)
                        pull->committed++;
        }
        pthread_mutex_unlock(&pull->lock);
        return r;
}

static PullLayer *take_next(Pull *pull) {
        PullLayer *layer = NULL;

        pthread_mutex_lock(&pull->lock);
        if (pull->next < pull->layers->count && !atomic_load(&pull->has_failed))
                layer = &pull->layers->items[pull->next++];
        pthread_mutex_unlock(&pull->lock);
        return layer;
}

static void *work(void *userdata) {
        Pull *pull = userdata;
        Error err = ERROR_INIT;

        for (PullLayer *layer; (layer = take_next(pull));) {
                if (fetch_layer(pull, layer, &err) == 0 && commit_what_is_ready(pull, &err) == 0)
                        continue;
                pthread_mutex_lock(&pull->lock);
                if (!atomic_exchange(&pull->has_failed, true))
                        pull->error = err;
                pthread_mutex_unlock(&pull->lock);
                break;
        }
        return NULL;
}

/* The highest layer that is there has all those below it, too. */
static int skip_what_is_there(Pull *pull, Error *err) {
        PullLayers *layers = pull->layers;

        for (size_t i = 0; i < layers->count; i++)
                if (store_chain_id(i > 0 ? layers->items[i - 1].id : NULL, layers->items[i].diff_id,
                                   layers->items[i].id) < 0)
                        return error_set(err, ERR_INVALID, layers->items[i].diff_id,
                                         "the config names a layer that is no digest");
        for (size_t i = layers->count; i > 0; i--) {
                bool is_there = false;
                if (look(pull, layers->items[i - 1].id, &is_there, err) < 0)
                        return -1;
                if (is_there) {
                        pull->next = pull->committed = i;
                        break;
                }
        }
        for (size_t i = 0; i < layers->count; i++) {
                PullLayer *layer = &layers->items[i];
                layer->is_there = i < pull->next;
                if (layer->is_there)
                        watch_report(pull->watch, "present", layer->blob->digest, layer->blob->size,
                                     layer->blob->size);
        }
        return 0;
}

static void forget_the_rest(PullLayers *layers) {
        for (size_t i = 0; i < layers->count; i++) {
                layers->items[i].staged = store_staged_layer_free(layers->items[i].staged);
                layers->items[i].lock = store_blob_unlock(layers->items[i].lock);
        }
}

int pull_layers(Store *store, ImageSource *source, PullLayers *layers, const Watch *watch,
                Error *err) {
        Pull pull = { .store = store, .source = source, .watch = watch, .layers = layers };
        pthread_t threads[PULL_LAYERS_AT_ONCE - 1];
        size_t count = 0;

        if (skip_what_is_there(&pull, err) < 0)
                return -1;
        pthread_mutex_init(&pull.lock, NULL);
        while (count < ARRAY_SIZE(threads) && pull.next + count + 1 < layers->count &&
               pthread_create(&threads[count], NULL, work, &pull) == 0)
                count++;
        (void)work(&pull);
        while (count > 0)
                (void)pthread_join(threads[--count], NULL);
        pthread_mutex_destroy(&pull.lock);
        forget_the_rest(layers);
        return atomic_load(&pull.has_failed) ? error_copy(err, &pull.error) : 0;
}

void pull_layers_undo(Store *store, const PullLayers *layers) {
        for (size_t i = layers->count; i > 0; i--)
                if (layers->items[i - 1].is_new)
                        (void)store_layer_delete(store, layers->items[i - 1].id, NULL);
}
