/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A few workers take the layers in order. For each, the sink is asked for the blob that the layer
 * came as; if it has that, there is nothing to send. Else a thread rebuilds the tar, compresses it
 * into a pipe, and the sink reads at the other end. Then the config, and last the manifest.
 */

#include "helper/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/compress_writer.h"
#include "oci/image_config.h"

#define PIPE_SIZE (1024 * 1024)

typedef struct Push {
        const PushRequest *request;
        char *manifest_text, *config_text; /* as the store has them */
        size_t manifest_size, config_size;
        Manifest manifest;
        StoreLayer **layers; /* base first, as many as the manifest has */
        Descriptor *sent;    /* of each layer, what the sink has now */

        pthread_mutex_t lock; /* guards what follows */
        size_t next;
        Error error;
        atomic_bool has_failed;
} Push;

static void push_done(Push *push) {
        for (size_t i = 0; i < push->manifest.layers_count; i++) {
                if (push->layers)
                        store_layer_unref(push->layers[i]);
                if (push->sent)
                        free(push->sent[i].media_type);
        }
        free(push->layers);
        free(push->sent);
        free(push->manifest_text);
        free(push->config_text);
        manifest_done(&push->manifest);
        pthread_mutex_destroy(&push->lock);
}

static bool is_over(void *userdata) {
        Push *push = userdata;

        return atomic_load(&push->has_failed) || watch_is_cancelled(push->request->watch);
}

/* --- what the store has ---------------------------------------------------------------------- */

static int load_documents(Push *push, Error *err) {
        const PushRequest *request = push->request;
        char config_key[DIGEST_TEXT_SIZE];

        (void)snprintf(config_key, sizeof(config_key), "sha256:%s", request->image->id);
        if (store_image_read(request->store, request->image, "manifest", &push->manifest_text,
                             &push->manifest_size, err) < 0 ||
            store_image_read(request->store, request->image, config_key, &push->config_text,
                             &push->config_size, err) < 0)
                return -1;
        return manifest_parse(push->manifest_text, push->manifest_size, &push->manifest, err);
}

static int load_layers(Push *push, Error *err) {
        const StoreImage *image = push->request->image;
        size_t count = push->manifest.layers_count;
        const char *id = image->layer;

        push->layers = xnew(StoreLayer *, count);
        push->sent = xnew(Descriptor, count);
        for (size_t i = count; i > 0; i--) {
                if (!id || store_layer_get(push->request->store, id, &push->layers[i - 1], err) < 0)
                        return id ? -1
                                  : error_set(err, ERR_CORRUPT, image->id,
                                              "image %s has fewer layers than its manifest names",
                                              image->id);
                id = push->layers[i - 1]->parent;
        }
        if (id)
                return error_set(err, ERR_CORRUPT, image->id,
                                 "image %s has more layers than its manifest names", image->id);
        return 0;
}

/* Static. A manifest need not name its own type; then it is OCI's. */
static const char *own_type(const Push *push) {
        return text_equal(push->manifest.media_type, MEDIA_TYPE_DOCKER_MANIFEST)
                       ? MEDIA_TYPE_DOCKER_MANIFEST
                       : MEDIA_TYPE_OCI_MANIFEST;
}

/* --- one layer ------------------------------------------------------------------------------- */

typedef struct Producer {
        Push *push;
        const StoreLayer *layer;
        Compression compression;
        int fd;
        CompressWriter *writer;
        int result;
        Error error;
} Producer;

static int on_tar(void *userdata, const void *data, size_t size, Error *err) {
        Producer *producer = userdata;

        if (is_over(producer->push))
                return error_set(err, ERR_CANCELLED, NULL, "the transfer was cancelled");
        int r = compress_writer_write(producer->writer, data, size);
        if (r == -EPIPE)
                return error_set(err, ERR_CANCELLED, NULL, "nobody reads the layer any more");
        return r < 0 ? error_errno(err, ERR_IO, -r, producer->layer->id, "cannot pass on layer %s",
                                   producer->layer->id)
                     : 0;
}

static void *run_producer(void *userdata) {
        Producer *producer = userdata;
        const TarSink sink = { .write = on_tar, .userdata = producer };

        /* A plain tar's digest is the blob's, which the sink checks. */
        producer->writer = compress_writer_new(producer->fd, producer->compression);
        producer->result = store_layer_assemble(producer->push->request->store, producer->layer->id,
                                                producer->compression != COMPRESSION_NONE, &sink,
                                                &producer->error);
        if (producer->result == 0) {
                int r = compress_writer_finish(producer->writer);
                if (r < 0)
                        producer->result =
                                error_errno(&producer->error, r == -EPIPE ? ERR_CANCELLED : ERR_IO,
                                            -r, producer->layer->id, "cannot pass on layer %s",
                                            producer->layer->id);
        }
        producer->writer = compress_writer_free(producer->writer);
        producer->fd = fd_close(producer->fd);
        return NULL;
}

typedef struct Progress {
        Push *push;
        const StoreLayer *layer;
        atomic_llong done;
} Progress;

static void on_bytes(void *userdata, int64_t count) {
        Progress *progress = userdata;

        long long done = atomic_fetch_add(&progress->done, count) + count;
        watch_report(progress->push->request->watch, "layer", progress->layer->diff_digest, done,
                     -1);
}

static bool is_progress_over(void *userdata) {
        const Progress *progress = userdata;

        return is_over(progress->push);
}

static int send_layer(Push *push, const StoreLayer *layer, const SinkBlob *blob,
                      Compression compression, Descriptor *ret, Error *err) {
        ImageSink *sink = push->request->sink;
        Producer producer = { .push = push, .layer = layer, .compression = compression };
        Progress progress = { .push = push, .layer = layer };
        const TransferControl control = { .is_cancelled = is_progress_over,
                                          .on_bytes = on_bytes,
                                          .userdata = &progress };
        Error failure = ERROR_INIT;
        pthread_t thread;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_errno(err, ERR_IO, errno, layer->id, "cannot make a pipe");
        _cleanup_close_ int read_fd = fds[0];
        producer.fd = fds[1];
        (void)fcntl(read_fd, F_SETPIPE_SZ, PIPE_SIZE);
        int r = pthread_create(&thread, NULL, run_producer, &producer);
        if (r != 0) {
                (void)fd_close(producer.fd);
                return error_errno(err, ERR_IO, r, layer->id, "cannot start a thread");
        }
        r = sink->class->write_blob(sink, blob, read_fd, &control, ret, &failure);
        (void)fd_close(TAKE_FD(read_fd));
        (void)pthread_join(thread, NULL);
        if (producer.result < 0 && (r == 0 || producer.error.kind != ERR_CANCELLED))
                return error_copy(err, &producer.error);
        return r < 0 ? error_copy(err, &failure) : 0;
}

/* 1: the sink has this blob, so it is what the layer will be called; 0: it has not. */
static int offer(Push *push, const Descriptor *blob, Descriptor *ret, Error *err) {
        ImageSink *sink = push->request->sink;

        int r = sink->class->has_blob(sink, blob, err);
        if (r > 0) {
                *ret = *blob;
                ret->media_type = xstrdup(blob->media_type);
        }
        return r;
}

static int choose_compression(const PushRequest *request, Compression *ret, Error *err) {
        const char *wanted = request->compression;

        if (text_is_empty(wanted))
                *ret = request->sink->wants_plain ? COMPRESSION_NONE : COMPRESSION_GZIP;
        else if (text_equal(wanted, "none"))
                *ret = COMPRESSION_NONE;
        else if (text_equal(wanted, "gzip"))
                *ret = COMPRESSION_GZIP;
        else if (text_equal(wanted, "zstd"))
                *ret = COMPRESSION_ZSTD;
        else
                return error_set(err, ERR_INVALID, "compression",
                                 "\"%s\" is no compression: gzip, zstd, none are", wanted);
        return 0;
}

static int push_layer(Push *push, size_t index, Error *err) {
        const StoreLayer *layer = push->layers[index];
        const Descriptor *original = &push->manifest.layers[index];
        Descriptor *sent = &push->sent[index];
        SinkBlob blob = { .descriptor = { .size = -1 } };
        Compression compression = COMPRESSION_NONE;

        if (choose_compression(push->request, &compression, err) < 0)
                return -1;
        bool wants_original = text_is_empty(push->request->compression) &&
                              !(push->request->sink->wants_plain &&
                                !text_equal(original->digest, layer->diff_digest));
        if (wants_original) {
                int r = offer(push, original, sent, err);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        blob.descriptor.media_type = (char *)manifest_layer_type(own_type(push), compression);
        if (compression == COMPRESSION_NONE) {
                (void)snprintf(blob.descriptor.digest, sizeof(blob.descriptor.digest), "%s",
                               layer->diff_digest);
                blob.descriptor.size = layer->diff_size;
                int r = offer(push, &blob.descriptor, sent, err);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        if (send_layer(push, layer, &blob, compression, sent, err) < 0)
                return -1;
        watch_report(push->request->watch, "sent", layer->diff_digest, sent->size, sent->size);
        return 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

static void *work(void *userdata) {
        Push *push = userdata;
        Error err = ERROR_INIT;

        for (;;) {
                pthread_mutex_lock(&push->lock);
                size_t index = push->next;
                bool is_last = index >= push->manifest.layers_count || is_over(push);
                push->next += !is_last;
                pthread_mutex_unlock(&push->lock);
                if (is_last)
                        return NULL;
                if (push_layer(push, index, &err) == 0)
                        continue;
                pthread_mutex_lock(&push->lock);
                if (!atomic_exchange(&push->has_failed, true))
                        push->error = err;
                pthread_mutex_unlock(&push->lock);
                return NULL;
        }
}

static int push_layers(Push *push, Error *err) {
        pthread_t threads[PUSH_LAYERS_AT_ONCE - 1];
        size_t count = 0;

        while (push->request->sink->is_parallel && count < ARRAY_SIZE(threads) &&
               count + 1 < push->manifest.layers_count &&
               pthread_create(&threads[count], NULL, work, push) == 0)
                count++;
        (void)work(push);
        while (count > 0)
                (void)pthread_join(threads[--count], NULL);
        if (atomic_load(&push->has_failed))
                return error_copy(err, &push->error);
        return watch_check(push->request->watch, err);
}

static int push_config(Push *push, Error *err) {
        ImageSink *sink = push->request->sink;
        SinkBlob blob = { .descriptor = push->manifest.config, .is_config = true };
        Progress progress = { .push = push, .layer = NULL };
        const TransferControl control = { .is_cancelled = is_progress_over, .userdata = &progress };
        Descriptor sent = { .size = -1 };

        int r = sink->class->has_blob(sink, &blob.descriptor, err);
        if (r != 0)
                return r < 0 ? r : 0;
        _cleanup_close_ int fd = memfd_create("config", MFD_CLOEXEC);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, NULL, "cannot keep the config");
        r = fd_write_all(fd, push->config_text, push->config_size);
        if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return error_errno(err, ERR_IO, r < 0 ? -r : errno, NULL, "cannot keep the config");
        r = sink->class->write_blob(sink, &blob, fd, &control, &sent, err);
        free(sent.media_type);
        return r;
}

static bool is_unchanged(const Push *push, const char *type) {
        if (!text_equal(type, own_type(push)))
                return false;
        for (size_t i = 0; i < push->manifest.layers_count; i++)
                if (!text_equal(push->sent[i].digest, push->manifest.layers[i].digest))
                        return false;
        return true;
}

static int choose_type(const Push *push, const char **ret, Error *err) {
        const PushRequest *request = push->request;

        if (text_equal(request->format, "oci") || text_equal(request->format, "v2s2") ||
            text_equal(request->format, "docker"))
                *ret = text_equal(request->format, "oci") ? MEDIA_TYPE_OCI_MANIFEST
                                                          : MEDIA_TYPE_DOCKER_MANIFEST;
        else if (!text_is_empty(request->format))
                return error_set(err, ERR_INVALID, "format",
                                 "\"%s\" is no format: oci, v2s2, docker are", request->format);
        else
                *ret = request->sink->manifest_type ? request->sink->manifest_type : own_type(push);
        return 0;
}

static int push_manifest(Push *push, char ret_digest[static DIGEST_TEXT_SIZE], Error *err) {
        ImageSink *sink = push->request->sink;
        _cleanup_free_ char *text = NULL;
        const char *data = push->manifest_text, *type = NULL;
        size_t size = push->manifest_size;
        Digest digest;

        if (choose_type(push, &type, err) < 0)
                return -1;
        if (!is_unchanged(push, type)) {
                for (size_t i = 0; i < push->manifest.layers_count; i++) {
                        Descriptor *layer = &push->manifest.layers[i];
                        free(layer->media_type);
                        *layer = push->sent[i];
                        push->sent[i].media_type = NULL;
                }
                if (manifest_convert(&push->manifest, type, err) < 0)
                        return -1;
                text = manifest_format(&push->manifest, &size);
                data = text;
        }
        digest_compute(data, size, &digest);
        digest_format(&digest, ret_digest);
        watch_report(push->request->watch, "manifest", ret_digest, 0, (int64_t)size);
        return sink->class->write_manifest(sink, type, data, size, err);
}

int push_image(const PushRequest *request, char ret_digest[static DIGEST_TEXT_SIZE], Error *err) {
        ImageSink *sink = request->sink;
        _cleanup_(push_done)
        Push push = { .request = request, .manifest = MANIFEST_INIT };

        pthread_mutex_init(&push.lock, NULL);
        if (load_documents(&push, err) < 0 || load_layers(&push, err) < 0)
                return -1;
        if (sink->wants_config_first && push_config(&push, err) < 0)
                return -1;
        if (push_layers(&push, err) < 0)
                return -1;
        if (!sink->wants_config_first && push_config(&push, err) < 0)
                return -1;
        if (push_manifest(&push, ret_digest, err) < 0)
                return -1;
        return sink->class->commit(sink, err);
}
