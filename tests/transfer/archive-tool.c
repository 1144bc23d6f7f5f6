/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Archives and folders of images from a command line, for tests that read what podman, skopeo and
 * buildah wrote, and have them read what we wrote. No store takes part.
 *
 *     archive-tool raw SOURCE                 the manifest as it is
 *     archive-tool names SOURCE               the names that the image has there
 *     archive-tool blob SOURCE DIGEST         a blob as it is
 *     archive-tool copy SOURCE DESTINATION [NAME...]
 *     archive-tool drop SOURCE DESTINATION    all of a copy but its commit
 *     archive-tool check SOURCE POLICY [NAME] whether policy.json lets the image in, by that name
 *     archive-tool lookaside NAME DIGEST      the first URL, and how many signatures are there
 *
 * A failure is one line `kind: subject: text` on stderr and status 1.
 */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/blob_io.h"
#include "helper/dir.h"
#include "helper/docker_archive.h"
#include "helper/oci_layout.h"
#include "helper/pull_policy.h"
#include "image/lookaside.h"
#include "oci/index.h"

static int open_source(ImageSource **ret, const char *text, Error *err) {
        const char *where;

        if ((where = text_starts_with(text, "docker-archive:")))
                return docker_archive_source_new(ret, where, err);
        if ((where = text_starts_with(text, "oci-archive:")))
                return oci_archive_source_new(ret, where, err);
        if ((where = text_starts_with(text, "oci:")))
                return oci_source_new(ret, where, err);
        if ((where = text_starts_with(text, "dir:")))
                return dir_source_new(ret, where, err);
        return error_set(err, ERR_INVALID, text, "unknown transport");
}

static int open_sink(ImageSink **ret, const char *text, char *const *names, size_t count,
                     Error *err) {
        const char *where;

        if ((where = text_starts_with(text, "docker-archive:")))
                return docker_archive_sink_new(ret, where, (const char *const *)names, count, err);
        if ((where = text_starts_with(text, "oci-archive:")))
                return oci_archive_sink_new(ret, where, err);
        if ((where = text_starts_with(text, "oci:")))
                return oci_sink_new(ret, where, err);
        if ((where = text_starts_with(text, "docker-dir:")))
                return dir_sink_new(ret, where, MEDIA_TYPE_DOCKER_MANIFEST, err);
        if ((where = text_starts_with(text, "dir:")))
                return dir_sink_new(ret, where, NULL, err);
        return error_set(err, ERR_INVALID, text, "unknown transport");
}

/* The manifest of this host, through one index. */
static int read_manifest(ImageSource *source, Buffer *text, Manifest *manifest, Error *err) {
        _cleanup_free_ char *media_type = NULL, *inner_type = NULL;
        _cleanup_index_ Index index = INDEX_INIT;

        if (source->class->read_manifest(source, NULL, text, &media_type, err) < 0)
                return -1;
        if (!index_is_index(text->data, text->size, media_type))
                return manifest_parse(text->data, text->size, manifest, err);
        if (index_parse(text->data, text->size, &index, err) < 0)
                return -1;
        const Descriptor *chosen = index_choose(&index, NULL, err);
        buffer_consume(text, text->size);
        if (!chosen ||
            source->class->read_manifest(source, chosen->digest, text, &inner_type, err) < 0)
                return -1;
        return manifest_parse(text->data, text->size, manifest, err);
}

/* --- copying --- */

typedef struct Transfer {
        ImageSource *source;
        ImageSink *sink;
        Descriptor *blob; /* becomes what the sink has */
        bool is_config;
        int fd; /* the source's end of the pipe */
        int result, read_result;
        Error error, read_error;
} Transfer;

static void *run_reader(void *userdata) {
        Transfer *transfer = userdata;

        transfer->read_result = transfer->source->class->read_blob(
                transfer->source, transfer->blob, transfer->fd, NULL, &transfer->read_error);
        transfer->fd = fd_close(transfer->fd);
        return NULL;
}

/* Straight from the one to the other. */
static int pipe_blob(Transfer *transfer, Descriptor *ret, Error *err) {
        const SinkBlob blob = { .descriptor = *transfer->blob, .is_config = transfer->is_config };
        pthread_t thread;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_errno(err, ERR_IO, errno, NULL, "cannot make a pipe");
        transfer->fd = fds[1];
        if (pthread_create(&thread, NULL, run_reader, transfer) != 0)
                abort();
        int r = transfer->sink->class->write_blob(transfer->sink, &blob, fds[0], NULL, ret, err);
        (void)fd_close(fds[0]);
        (void)pthread_join(thread, NULL);
        if (transfer->read_result < 0 && transfer->read_error.kind != ERR_CANCELLED)
                return error_copy(err, &transfer->read_error);
        return r;
}

/* By way of memory, for sinks that want it inflated. */
static int inflate_blob(Transfer *transfer, Descriptor *ret, Error *err) {
        SinkBlob blob = { .descriptor = { .media_type = (char *)MEDIA_TYPE_DOCKER_LAYER } };
        _cleanup_close_ int packed = memfd_create("packed", MFD_CLOEXEC);
        _cleanup_close_ int plain = memfd_create("plain", MFD_CLOEXEC);
        Compression compression;

        blob.descriptor.size = -1;
        const BlobPart part = { packed, 0, transfer->blob->size, transfer->blob->digest };
        if (transfer->source->class->read_blob(transfer->source, transfer->blob, packed, NULL,
                                               err) < 0 ||
            blob_detect(&part, &compression, err) < 0)
                return -1;
        if (compression == COMPRESSION_NONE)
                return pipe_blob(transfer, ret, err);
        if (blob_inflate(&part, compression, plain, NULL, NULL, err) < 0)
                return -1;
        (void)lseek(plain, 0, SEEK_SET);
        return transfer->sink->class->write_blob(transfer->sink, &blob, plain, NULL, ret, err);
}

static void *run_transfer(void *userdata) {
        Transfer *transfer = userdata;
        Descriptor sent;

        int r = transfer->sink->class->has_blob(transfer->sink, transfer->blob, &transfer->error);
        transfer->result = r < 0 ? -1 : 0;
        if (r != 0)
                return NULL;
        transfer->result = transfer->sink->wants_plain && !transfer->is_config
                                   ? inflate_blob(transfer, &sent, &transfer->error)
                                   : pipe_blob(transfer, &sent, &transfer->error);
        if (transfer->result == 0) {
                free(transfer->blob->media_type);
                *transfer->blob = sent;
        }
        return NULL;
}

static int copy_layers(ImageSource *source, ImageSink *sink, Manifest *manifest, Error *err) {
        Transfer *transfers = xnew(Transfer, manifest->layers_count);
        pthread_t *threads = xnew(pthread_t, manifest->layers_count);
        int r = 0;

        for (size_t i = 0; i < manifest->layers_count; i++) {
                transfers[i] = (Transfer){ source, sink, .blob = &manifest->layers[i] };
                if (!sink->is_parallel)
                        (void)run_transfer(&transfers[i]);
                else if (pthread_create(&threads[i], NULL, run_transfer, &transfers[i]) != 0)
                        abort();
        }
        for (size_t i = 0; i < manifest->layers_count; i++) {
                if (sink->is_parallel)
                        (void)pthread_join(threads[i], NULL);
                if (transfers[i].result < 0 && r == 0)
                        r = error_copy(err, &transfers[i].error);
        }
        free(transfers);
        free(threads);
        return r;
}

static int copy(ImageSource *source, ImageSink *sink, Error *err) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (read_manifest(source, &text, &manifest, err) < 0)
                return -1;
        Transfer config = { source, sink, .blob = &manifest.config, .is_config = true };
        (void)run_transfer(&config);
        if (config.result < 0)
                return error_copy(err, &config.error);
        if (copy_layers(source, sink, &manifest, err) < 0)
                return -1;
        const char *type = sink->manifest_type ? sink->manifest_type : manifest.media_type;
        if (text_equal(type, manifest.media_type) && !sink->wants_plain)
                return sink->class->write_manifest(sink, type, text.data, text.size, err);
        if (manifest_convert(&manifest, type, err) < 0)
                return -1;
        size_t size;
        _cleanup_free_ char *converted = manifest_format(&manifest, &size);
        return sink->class->write_manifest(sink, type, converted, size, err);
}

static int run_copy(ImageSource *source, int argc, char **argv, bool commits, Error *err) {
        ImageSink *sink = NULL;

        if (open_sink(&sink, argv[0], argv + 1, (size_t)argc - 1, err) < 0 || !sink)
                return -1;
        int r = copy(source, sink, err);
        if (r == 0 && commits)
                r = sink->class->commit(sink, err);
        sink->class->free(sink);
        return r;
}

static int run_raw(ImageSource *source, Error *err) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        if (read_manifest(source, &text, &manifest, err) < 0)
                return -1;
        return fwrite(text.data, 1, text.size, stdout) == text.size ? 0 : -1;
}

static int run_blob(ImageSource *source, const char *digest, Error *err) {
        Descriptor blob = { .size = -1 };

        if (!digest_is_valid(digest))
                return error_set(err, ERR_INVALID, digest, "no digest");
        memcpy(blob.digest, digest, DIGEST_TEXT_SIZE);
        return source->class->read_blob(source, &blob, STDOUT_FILENO, NULL, err);
}

static int run_check(ImageSource *source, int argc, char **argv, Error *err) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_policy_ Policy policy = POLICY_INIT;
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        char digest_text[DIGEST_TEXT_SIZE];
        const PullRequest request = { .source = source,
                                      .policy = &policy,
                                      .reference = argc > 1 ? argv[1] : NULL };
        Digest digest;

        if (policy_load(argv[0], &policy, err) < 0 ||
            read_manifest(source, &text, &manifest, err) < 0)
                return -1;
        digest_compute(text.data, text.size, &digest);
        return pull_check_policy(&request, digest_format(&digest, digest_text), err);
}

static int refuse_fetch(void *userdata _unused_, const char *url, Buffer *ret _unused_,
                        Error *err) {
        return error_set(err, ERR_UNSUPPORTED, url, "would fetch %s", url);
}

static int run_lookaside(const char *name, const char *digest, Error *err) {
        _cleanup_lookaside_ Lookaside lookaside = LOOKASIDE_INIT;
        Reference reference = REFERENCE_INIT;
        Buffer *signatures = NULL;
        size_t count = 0;

        if (reference_parse(name, &reference, err) < 0 ||
            reference_normalize(&reference, err) < 0 || lookaside_load(&lookaside, err) < 0)
                return -1;
        int r = lookaside_read(&lookaside, &reference, digest, refuse_fetch, NULL, &signatures,
                               &count, err);
        for (size_t i = 0; i < count; i++)
                buffer_done(&signatures[i]);
        free(signatures);
        _cleanup_free_ char *url = lookaside_url(&lookaside, &reference, digest, 1);
        printf("%s %zu\n", url, count);
        return r;
}

static void run_names(ImageSource *source) {
        if (text_equal(source->transport, "docker-archive")) {
                const Strings *names = docker_archive_source_names(source);
                for (size_t i = 0; i < names->count; i++)
                        puts(names->items[i]);
        } else if (!text_equal(source->transport, "dir")) {
                puts(oci_source_name(source));
        }
        printf("%s:%s\n", source->transport, source->scope);
}

static int run(int argc, char **argv, Error *err) {
        const char *command = argv[1];
        ImageSource *source = NULL;
        int r = 0;

        if (text_equal(command, "lookaside") && argc == 4)
                return run_lookaside(argv[2], argv[3], err);
        if (open_source(&source, argv[2], err) < 0 || !source)
                return -1;
        if (text_equal(command, "raw"))
                r = run_raw(source, err);
        else if (text_equal(command, "names"))
                run_names(source);
        else if (text_equal(command, "blob") && argc == 4)
                r = run_blob(source, argv[3], err);
        else if (text_equal(command, "check") && argc > 3)
                r = run_check(source, argc - 3, argv + 3, err);
        else if ((text_equal(command, "copy") || text_equal(command, "drop")) && argc > 3)
                r = run_copy(source, argc - 3, argv + 3, text_equal(command, "copy"), err);
        else
                r = error_set(err, ERR_INVALID, command, "unknown command");
        source->class->free(source);
        return r;
}

int main(int argc, char **argv) {
        Error err = ERROR_INIT;

        if (argc < 3) {
                fprintf(stderr, "usage: archive-tool COMMAND SOURCE [ARGUMENT...]\n");
                return 2;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        if (run(argc, argv, &err) == 0)
                return 0;
        fprintf(stderr, "%s: %s: %s\n", error_kind_name(err.kind), err.subject, err.text);
        return 1;
}
