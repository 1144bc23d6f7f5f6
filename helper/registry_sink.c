/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A blob is sent in one of two ways. The begin of it is read into memory first: if that is all, its
 * digest is known, one PUT carries it, and that can be tried again. Otherwise what follows can be
 * read once only; it goes out as it comes, in a PUT where digest and size were known before, else
 * in a PATCH, and the digest that was computed meanwhile in a PUT behind it.
 *
 * An upload that was opened and not used, because a mount had been asked for, is kept for the next
 * blob.
 */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "helper/blob_io.h"
#include "helper/registry.h"
#include "helper/registry_client.h"
#include "helper/registry_error.h"
#include "helper/stream.h"
#include "helper/url.h"
#include "oci/digest.h"

#define HEAD_SIZE (1024 * 1024)    /* bytes of a blob that are kept to be sent again */
#define ANSWER_MS (15 * 60 * 1000) /* a registry may copy all of a blob before it answers */

typedef struct RegistrySink {
        ImageSink sink;
        RegistryClient *client;
        Reference reference;
        Strings mount_from;
        pthread_mutex_t mutex; /* guards uploads */
        Strings uploads;       /* URLs of those that are open and free */
        Buffer manifest;       /* until commit */
        char *manifest_type;
} RegistrySink;

static RegistrySink *self(ImageSink *sink) {
        return container_of(sink, RegistrySink, sink);
}

static int blob_failed(const RegistrySink *sink, const char *verb, const char *digest, Error *err) {
        return error_prefix(err, "registry %s: cannot %s blob %s%s%s", sink->client->host, verb,
                            digest, *digest ? " of " : "of ", sink->client->repository);
}

/* --- uploads --------------------------------------------------------------------------------- */

/* Where an upload goes on, by an answer's Location. */
static int read_location(const HttpResponse *response, char **ret, Error *err) {
        const char *location = http_response_header(response, "Location", 0);
        _cleanup_free_ char *url = NULL;

        if (!location)
                return error_set(err, ERR_INVALID, NULL,
                                 "%d without a Location: it does not say where to send to",
                                 response->status);
        if (url_resolve(response->url, location, &url, err) < 0)
                return -1;
        if (url_is_https(response->url) && !url_is_https(url))
                return error_set(err, ERR_INVALID, url, "it wants the blob by plain http: %.200s",
                                 url);
        *ret = TAKE_PTR(url);
        return 0;
}

static char *take_upload(RegistrySink *sink) {
        char *url = NULL;

        pthread_mutex_lock(&sink->mutex);
        if (sink->uploads.count > 0) {
                sink->uploads.count--;
                url = TAKE_PTR(sink->uploads.items[sink->uploads.count]);
        }
        pthread_mutex_unlock(&sink->mutex);
        return url;
}

static void keep_upload(RegistrySink *sink, char *take_url) {
        pthread_mutex_lock(&sink->mutex);
        strings_take(&sink->uploads, take_url);
        pthread_mutex_unlock(&sink->mutex);
}

static int open_upload(RegistrySink *sink, const TransferControl *control, char **ret, Error *err) {
        RegistryClient *client = sink->client;
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = NULL;

        *ret = take_upload(sink);
        if (*ret)
                return 0;
        if (registry_client_url(client, &url, err, "%s/blobs/uploads/", client->repository) < 0)
                return -1;
        HttpRequest request = { .method = "POST", .url = url, .control = control };
        if (registry_client_call(client, &request, &response, err) < 0)
                return -1;
        if (response.status != 202)
                return registry_error_set(&response, err);
        return read_location(&response, ret, err);
}

/* Best effort: the registry forgets it some day anyway. */
static void drop_upload(RegistrySink *sink, const char *url) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        HttpRequest request = { .method = "DELETE", .url = url };

        (void)registry_client_perform(sink->client, &request, &response, NULL);
}

/* --- the blob on its way --------------------------------------------------------------------- */

typedef struct Body {
        const TransferControl *control;
        int fd;
        Buffer head;
        size_t head_sent;
        bool has_ended;
        DigestStream digest;
        int64_t size; /* read so far */
        const Descriptor *wanted;
} Body;

static void body_done(Body *body) {
        buffer_done(&body->head);
        digest_stream_done(&body->digest);
}

static ssize_t body_fetch(Body *body, void *data, size_t size, Error *err) {
        ssize_t n = stream_read(body->fd, data, size, body->control, err);

        if (n < 0)
                return -1;
        body->size += n;
        if (body->wanted->size >= 0 &&
            (n == 0 ? body->size < body->wanted->size : body->size > body->wanted->size))
                return error_set(err, ERR_CORRUPT, body->wanted->digest,
                                 "it is %s than the %" PRId64 " bytes it should have",
                                 n == 0 ? "shorter" : "longer", body->wanted->size);
        if (n == 0) {
                body->has_ended = true;
                return 0;
        }
        digest_stream_update(&body->digest, data, (size_t)n);
        return n;
}

static int body_read_head(Body *body, Error *err) {
        while (body->head.size < HEAD_SIZE) {
                size_t room = HEAD_SIZE - body->head.size;
                char *p = buffer_reserve(&body->head, room);
                if (!p)
                        return error_set(err, ERR_LIMIT, NULL, "out of memory");
                ssize_t n = body_fetch(body, p, room, err);
                if (n < 0)
                        return -1;
                if (n == 0)
                        break;
                body->head.size += (size_t)n;
        }
        return 0;
}

/* For libcurl: the head, then what follows. */
static ssize_t body_read(void *userdata, void *data, size_t size, Error *err) {
        Body *body = userdata;
        size_t left = body->head.size - body->head_sent;
        ssize_t n;

        if (left > 0) {
                n = (ssize_t)(left < size ? left : size);
                memcpy(data, body->head.data + body->head_sent, (size_t)n);
                body->head_sent += (size_t)n;
        } else {
                n = body_fetch(body, data, size, err);
        }
        if (n > 0)
                control_report(body->control, n);
        return n;
}

/* What was read, once all was that a request could carry; whether it is what it should be. */
static int body_finish(Body *body, Descriptor *ret, Error *err) {
        const char *wanted = body->wanted->digest;
        Digest digest;
        char more;

        if (!body->has_ended && body_fetch(body, &more, 1, err) < 0)
                return -1;
        digest_stream_finish(&body->digest, &digest);
        *ret = (Descriptor){ .size = body->size };
        digest_format(&digest, ret->digest);
        if (*wanted && !text_equal(wanted, ret->digest))
                return error_set(err, ERR_CORRUPT, wanted,
                                 "its digest is %s, not what it should be", ret->digest);
        return 0;
}

static int check_created(const HttpResponse *response, Error *err) {
        return response->status == 201 || response->status == 204
                       ? 0
                       : registry_error_set(response, err);
}

/* All of it in one PUT, from memory. */
static int put_memory(RegistrySink *sink, Body *body, char **upload, const char *digest,
                      Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_strings_ Strings headers = STRINGS_INIT;

        if (url_add_query(upload, "digest", digest, err) < 0)
                return -1;
        strings_add(&headers, "Content-Type: application/octet-stream");
        HttpRequest request = { .method = "PUT",
                                .url = *upload,
                                .headers = &headers,
                                .body = body->head.data ? body->head.data : "",
                                .body_size = body->head.size,
                                .answer_ms = ANSWER_MS,
                                .control = body->control };
        if (registry_client_call(sink->client, &request, &response, err) < 0 ||
            check_created(&response, err) < 0)
                return -1;
        control_report(body->control, (int64_t)body->head.size);
        return 0;
}

/* All of it in one request, as it comes. */
static int send_pieces(RegistrySink *sink, Body *body, const char *method, const char *url,
                       int64_t size, HttpResponse *response, Error *err) {
        _cleanup_strings_ Strings headers = STRINGS_INIT;
        HttpRequest request = { .method = method,
                                .url = url,
                                .headers = &headers,
                                .read_body = body_read,
                                .read_size = size,
                                .userdata = body,
                                .is_bulk = true,
                                .answer_ms = ANSWER_MS,
                                .control = body->control };

        strings_add(&headers, "Content-Type: application/octet-stream");
        if (registry_client_perform(sink->client, &request, response, err) < 0)
                return -1;
        return 0;
}

static int put_stream(RegistrySink *sink, Body *body, char **upload, Descriptor *ret, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        const Descriptor *wanted = body->wanted;

        if (url_add_query(upload, "digest", wanted->digest, err) < 0 ||
            send_pieces(sink, body, "PUT", *upload, wanted->size, &response, err) < 0)
                return -1;
        bool is_sent = body->size == wanted->size; /* else the registry did not want all of it */
        if (is_sent && body_finish(body, ret, err) < 0)
                return -1;
        return check_created(&response, err);
}

static int patch_stream(RegistrySink *sink, Body *body, char **upload, Descriptor *ret,
                        Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *next = NULL;

        if (send_pieces(sink, body, "PATCH", *upload, -1, &response, err) < 0)
                return -1;
        if (!http_response_is_success(&response))
                return registry_error_set(&response, err);
        if (read_location(&response, &next, err) < 0)
                return -1;
        free(*upload);
        *upload = TAKE_PTR(next);
        if (body_finish(body, ret, err) < 0 ||
            url_add_query(upload, "digest", ret->digest, err) < 0)
                return -1;
        HttpRequest request = {
                .method = "PUT", .url = *upload, .answer_ms = ANSWER_MS, .control = body->control
        };
        if (registry_client_call(sink->client, &request, &response, err) < 0)
                return -1;
        return check_created(&response, err);
}

static int send_body(RegistrySink *sink, Body *body, char **upload, Descriptor *ret, Error *err) {
        const Descriptor *wanted = body->wanted;

        if (body->has_ended)
                return body_finish(body, ret, err) < 0
                               ? -1
                               : put_memory(sink, body, upload, ret->digest, err);
        if (*wanted->digest && wanted->size >= 0)
                return put_stream(sink, body, upload, ret, err);
        return patch_stream(sink, body, upload, ret, err);
}

static int write_body(RegistrySink *sink, Body *body, Descriptor *ret, Error *err) {
        _cleanup_free_ char *upload = NULL;

        if (body_read_head(body, err) < 0 || open_upload(sink, body->control, &upload, err) < 0)
                return -1;
        if (send_body(sink, body, &upload, ret, err) < 0) {
                drop_upload(sink, upload);
                return -1;
        }
        return 0;
}

static int sink_write_blob(ImageSink *base, const SinkBlob *blob, int fd,
                           const TransferControl *control, Descriptor *ret, Error *err) {
        RegistrySink *sink = self(base);
        const Descriptor *wanted = &blob->descriptor;
        _cleanup_(body_done)
        Body body = { .control = control, .fd = fd, .wanted = wanted };
        Descriptor written;

        digest_stream_begin(&body.digest);
        if (write_body(sink, &body, &written, err) < 0)
                return blob_failed(sink, "send", wanted->digest, err);
        *ret = written;
        ret->media_type = wanted->media_type ? xstrdup(wanted->media_type) : NULL;
        return 0;
}

/* --- what is there already ------------------------------------------------------------------- */

static int ask_for(RegistrySink *sink, const char *digest, Error *err) {
        RegistryClient *client = sink->client;
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = NULL;

        if (registry_client_url(client, &url, err, "%s/blobs/%s", client->repository, digest) < 0)
                return -1;
        HttpRequest request = { .method = "HEAD", .url = url };
        if (registry_client_call(client, &request, &response, err) < 0)
                return -1;
        if (response.status == 404)
                return 0;
        return response.status == 200 ? 1 : registry_error_set(&response, err);
}

/* 1: mounted, 0: not; a refusal is no failure, since the blob can still be sent. */
static int mount_from(RegistrySink *sink, const char *digest, const char *from, Error *err) {
        RegistryClient *client = sink->client;
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = NULL, *upload = NULL;

        if (registry_client_url(client, &url, err, "%s/blobs/uploads/", client->repository) < 0 ||
            url_add_query(&url, "mount", digest, err) < 0 ||
            url_add_query(&url, "from", from, err) < 0)
                return -1;
        HttpRequest request = { .method = "POST", .url = url };
        Error failure = ERROR_INIT;
        if (registry_client_call(client, &request, &response, &failure) < 0)
                return failure.kind == ERR_CANCELLED ? error_copy(err, &failure) : 0;
        if (response.status == 202 && read_location(&response, &upload, NULL) == 0)
                keep_upload(sink, TAKE_PTR(upload));
        return response.status == 201;
}

static int sink_has_blob(ImageSink *base, const Descriptor *blob, Error *err) {
        RegistrySink *sink = self(base);

        if (!digest_is_valid(blob->digest))
                return error_set(err, ERR_INVALID, blob->digest, "\"%.80s\" is no digest",
                                 blob->digest);
        int r = ask_for(sink, blob->digest, err);
        for (size_t i = 0; r == 0 && i < sink->mount_from.count; i++)
                r = mount_from(sink, blob->digest, sink->mount_from.items[i], err);
        return r < 0 ? blob_failed(sink, "look for", blob->digest, err) : r;
}

/* --- the manifest ---------------------------------------------------------------------------- */

static int sink_write_manifest(ImageSink *base, const char *media_type, const void *data,
                               size_t size, Error *err) {
        RegistrySink *sink = self(base);
        const Reference *reference = &sink->reference;
        char text[DIGEST_TEXT_SIZE];
        Digest digest;

        digest_compute(data, size, &digest);
        digest_format(&digest, text);
        if (*reference->digest && !text_equal(reference->digest, text))
                return error_set(err, ERR_INVALID, reference->digest,
                                 "the manifest's digest is %s, and it cannot be pushed as %s", text,
                                 reference->digest);
        buffer_done(&sink->manifest);
        buffer_append(&sink->manifest, data, size);
        if (buffer_failed(&sink->manifest))
                return error_set(err, ERR_LIMIT, NULL, "out of memory");
        free(sink->manifest_type);
        sink->manifest_type = xstrdup(media_type);
        return 0;
}

static int put_manifest(RegistrySink *sink, const char *name, Error *err) {
        RegistryClient *client = sink->client;
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_strings_ Strings headers = STRINGS_INIT;
        _cleanup_free_ char *url = NULL;

        if (registry_client_url(client, &url, err, "%s/manifests/%s", client->repository, name) < 0)
                return -1;
        strings_printf(&headers, "Content-Type: %s", sink->manifest_type);
        HttpRequest request = { .method = "PUT",
                                .url = url,
                                .headers = &headers,
                                .body = sink->manifest.data,
                                .body_size = sink->manifest.size,
                                .answer_ms = ANSWER_MS };
        if (registry_client_call(client, &request, &response, err) < 0)
                return -1;
        return http_response_is_success(&response) ? 0 : registry_error_set(&response, err);
}

static int sink_commit(ImageSink *base, Error *err) {
        RegistrySink *sink = self(base);
        const Reference *reference = &sink->reference;
        const char *name = *reference->tag ? reference->tag : reference->digest;

        assert(sink->manifest_type);
        if (put_manifest(sink, name, err) < 0)
                return error_prefix(err, "registry %s: cannot write manifest of %s%c%s",
                                    sink->client->host, sink->client->repository,
                                    *reference->tag ? ':' : '@', name);
        return 0;
}

static ImageSink *sink_free(ImageSink *base) {
        if (!base)
                return NULL;
        RegistrySink *sink = self(base);
        for (size_t i = 0; i < sink->uploads.count; i++)
                drop_upload(sink, sink->uploads.items[i]);
        strings_done(&sink->uploads);
        strings_done(&sink->mount_from);
        buffer_done(&sink->manifest);
        free(sink->manifest_type);
        (void)pthread_mutex_destroy(&sink->mutex);
        (void)registry_client_free(sink->client);
        free(sink);
        return NULL;
}

/* What tokens are asked for: to push, and to pull from where blobs may be mounted. */
static char *make_scope(const char *repository, const Strings *mounts) {
        Buffer scope = BUFFER_INIT;

        buffer_printf(&scope, "repository:%s:pull,push", repository);
        for (size_t i = 0; i < mounts->count; i++)
                buffer_printf(&scope, " repository:%s:pull", mounts->items[i]);
        char *text = buffer_take_string(&scope);
        assert(text);
        return text;
}

int registry_sink_new(ImageSink **ret, const RegistryOptions *options, const Reference *reference,
                      const Strings *mount_from_names, Error *err) {
        static const ImageSinkClass class = {
                .has_blob = sink_has_blob,
                .write_blob = sink_write_blob,
                .write_manifest = sink_write_manifest,
                .commit = sink_commit,
                .free = sink_free,
        };
        _cleanup_strings_ Strings mounts = STRINGS_INIT;
        RegistryClient *client;

        if (!*reference->tag && !*reference->digest)
                return error_set(err, ERR_INVALID, reference->path,
                                 "the name %s has neither tag nor digest", reference->path);
        for (size_t i = 0; mount_from_names && i < mount_from_names->count; i++) {
                const char *from = mount_from_names->items[i];
                if (mounts.count < REGISTRY_MOUNTS_MAX && !strings_contains(&mounts, from) &&
                    !text_equal(from, options->repository))
                        strings_add(&mounts, from);
        }
        _cleanup_free_ char *scope = make_scope(options->repository, &mounts);
        if (registry_client_new(&client, options, scope, err) < 0)
                return -1;
        RegistrySink *sink = xnew(RegistrySink, 1);
        sink->sink.class = &class;
        sink->sink.is_parallel = true;
        sink->client = client;
        sink->reference = *reference;
        sink->mount_from = mounts;
        mounts = (Strings)STRINGS_INIT;
        int r = pthread_mutex_init(&sink->mutex, NULL);
        assert(r == 0);
        *ret = &sink->sink;
        return 0;
}
