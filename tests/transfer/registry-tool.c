/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A registry from a command line, for tests against real and hostile servers.
 *
 *     registry-tool [OPTION...] COMMAND [ARGUMENT...]
 *
 * A failure is one line `kind: text` on stderr and status 1.
 */

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "helper/download.h"
#include "helper/registry.h"
#include "helper/search.h"

#define THREADS_MAX 16

typedef struct Settings {
        RegistryOptions registry;
        const char *auth_file;
        const char *host;   /* asked instead of the reference's */
        int64_t cancel_ns;  /* when to cancel; 0: never */
        unsigned slow_ms;   /* the reader begins so late */
        int64_t reader_max; /* the reader ends after so many bytes; -1: never */
        Strings mount_from;
        Credentials credentials;
        atomic_llong moved;
} Settings;

typedef struct Command {
        const char *name;
        int arguments; /* at least */
        int (*run)(Settings *settings, int argc, char **argv, Error *err);
} Command;

static int64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

static bool is_cancelled(void *userdata) {
        const Settings *settings = userdata;

        return settings->cancel_ns != 0 && now_ns() >= settings->cancel_ns;
}

static void on_bytes(void *userdata, int64_t count) {
        Settings *settings = userdata;

        atomic_fetch_add(&settings->moved, count);
}

static TransferControl control_of(Settings *settings) {
        return (TransferControl){ is_cancelled, on_bytes, settings };
}

static int prepare(Settings *settings, const char *name, Reference *reference, Error *err) {
        if (reference_parse(name, reference, err) < 0 || reference_normalize(reference, err) < 0)
                return -1;
        settings->registry.host = settings->host ? settings->host : reference->domain;
        settings->registry.repository = reference->path;
        if (!settings->registry.credentials &&
            auth_lookup(settings->auth_file, NULL, settings->registry.host, reference->path,
                        &settings->credentials, err) < 0)
                return -1;
        if (!settings->registry.credentials)
                settings->registry.credentials = &settings->credentials;
        return 0;
}

static int open_source(Settings *settings, const char *name, ImageSource **ret, Error *err) {
        Reference reference;

        return prepare(settings, name, &reference, err) < 0
                       ? -1
                       : registry_source_new(ret, &settings->registry, &reference, err);
}

static int open_sink(Settings *settings, const char *name, ImageSink **ret, Error *err) {
        Reference reference;

        return prepare(settings, name, &reference, err) < 0
                       ? -1
                       : registry_sink_new(ret, &settings->registry, &reference,
                                           &settings->mount_from, err);
}

static int open_file(const char *path, int flags, Error *err) {
        int fd = open(path, flags | O_CLOEXEC, 0644);

        return fd < 0 ? error_errno(err, ERR_IO, errno, path, "cannot open %s", path) : fd;
}

/* --- reading --------------------------------------------------------------------------------- */

/* REFERENCE DIGEST|- FILE: prints the media type */
static int run_manifest(Settings *settings, int argc _unused_, char **argv, Error *err) {
        _cleanup_free_ char *media_type = NULL;
        _cleanup_buffer_ Buffer text = BUFFER_INIT;
        ImageSource *source;

        if (open_source(settings, argv[0], &source, err) < 0)
                return -1;
        int r = source->class->read_manifest(source, text_equal(argv[1], "-") ? NULL : argv[1],
                                             &text, &media_type, err);
        if (r == 0) {
                _cleanup_close_ int fd = open_file(argv[2], O_WRONLY | O_CREAT | O_TRUNC, err);
                r = fd < 0 ? -1 : fd_write_all(fd, text.data, text.size);
                printf("%s %s %s\n", media_type, source->transport, source->scope);
        }
        (void)source->class->free(source);
        return r;
}

/* Who reads what a source writes. */
typedef struct Reader {
        const Settings *settings;
        int in, out; /* out -EBADF: nowhere */
        int64_t count;
} Reader;

static void *run_reader(void *userdata) {
        Reader *reader = userdata;
        char *data = xnew(char, 1024 * 1024);
        ssize_t n;

        if (reader->settings->slow_ms > 0)
                (void)poll(NULL, 0, (int)reader->settings->slow_ms);
        while ((n = read(reader->in, data, 1024 * 1024)) > 0) {
                if (reader->out >= 0 && fd_write_all(reader->out, data, (size_t)n) < 0)
                        break;
                reader->count += n;
                if (reader->settings->reader_max >= 0 &&
                    reader->count >= reader->settings->reader_max)
                        break;
        }
        reader->in = fd_close(reader->in);
        free(data);
        return NULL;
}

typedef struct BlobJob {
        Settings *settings;
        ImageSource *source;
        Descriptor blob;
        const char *file; /* "-": nowhere */
        int64_t count;
        int result;
        Error error;
} BlobJob;

static int read_blob(BlobJob *job, Error *err) {
        const TransferControl control = control_of(job->settings);
        Reader reader = { .settings = job->settings, .out = -EBADF };
        pthread_t thread;
        int fds[2];

        _cleanup_close_ int out = -EBADF;
        if (!text_equal(job->file, "-")) {
                out = open_file(job->file, O_WRONLY | O_CREAT | O_TRUNC, err);
                if (out < 0)
                        return -1;
        }
        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_errno(err, ERR_IO, errno, NULL, "cannot make a pipe");
        reader.in = fds[0];
        reader.out = out;
        int r = pthread_create(&thread, NULL, run_reader, &reader);
        if (r != 0)
                return error_errno(err, ERR_IO, r, NULL, "cannot start a thread");
        r = job->source->class->read_blob(job->source, &job->blob, fds[1], &control, err);
        (void)fd_close(fds[1]);
        (void)pthread_join(thread, NULL);
        job->count = reader.count;
        return r;
}

static void *run_blob_job(void *userdata) {
        BlobJob *job = userdata;

        job->result = read_blob(job, &job->error);
        return NULL;
}

/* DIGEST=SIZE */
static int parse_blob(const char *text, Descriptor *ret, Error *err) {
        const char *size = strchr(text, '=');

        if (!size || (size_t)(size - text) >= sizeof(ret->digest))
                return error_set(err, ERR_INVALID, text, "%s is not DIGEST=SIZE", text);
        *ret = (Descriptor){ .size = strtoll(size + 1, NULL, 10) };
        (void)snprintf(ret->digest, sizeof(ret->digest), "%.*s", (int)(size - text), text);
        return 0;
}

static int run_jobs(BlobJob *jobs, int count, Error *err) {
        pthread_t threads[THREADS_MAX];
        int r = 0;

        for (int i = 0; i < count; i++)
                if (pthread_create(&threads[i], NULL, run_blob_job, &jobs[i]) != 0)
                        return error_set(err, ERR_IO, NULL, "cannot start a thread");
        for (int i = 0; i < count; i++) {
                (void)pthread_join(threads[i], NULL);
                printf("%" PRId64 "\n", jobs[i].count);
                if (jobs[i].result < 0)
                        r = error_copy(err, &jobs[i].error);
        }
        return r;
}

/* REFERENCE FILE|- DIGEST=SIZE...: all at once; prints the bytes of each that came */
static int run_blob(Settings *settings, int argc, char **argv, Error *err) {
        BlobJob jobs[THREADS_MAX] = { { .settings = NULL } };
        ImageSource *source;
        int count = argc - 2;

        if (count > THREADS_MAX)
                return error_set(err, ERR_INVALID, NULL, "more than %d blobs", THREADS_MAX);
        if (open_source(settings, argv[0], &source, err) < 0)
                return -1;
        int r = 0;
        for (int i = 0; r == 0 && i < count; i++) {
                jobs[i] = (BlobJob){ .settings = settings, .source = source, .file = argv[1] };
                r = parse_blob(argv[2 + i], &jobs[i].blob, err);
        }
        if (r == 0)
                r = run_jobs(jobs, count, err);
        (void)source->class->free(source);
        return r;
}

/* URL FILE MAX: prints the size */
static int run_fetch(Settings *settings, int argc _unused_, char **argv, Error *err) {
        const HttpClientOptions options = { .stall_ms = settings->registry.stall_ms,
                                            .is_unverified = settings->registry.is_insecure };
        const TransferControl control = control_of(settings);
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_(http_client_freep)
        HttpClient *client = NULL;
        int64_t size = 0;

        _cleanup_close_ int fd = open_file(argv[1], O_WRONLY | O_CREAT | O_TRUNC, err);
        if (fd < 0 || http_client_new(&client, &options, err) < 0)
                return -1;
        const Download download = { .url = argv[0],
                                    .subject = argv[0],
                                    .userdata = client,
                                    .fd = fd,
                                    .size = -1,
                                    .size_max = strtoll(argv[2], NULL, 10),
                                    .control = &control };
        int r = download_run(&download, &response, &size, err);
        if (r > 0)
                return error_set(err, ERR_IO, argv[0], "status %d", response.status);
        printf("%" PRId64 "\n", size);
        return r;
}

/* --- writing --------------------------------------------------------------------------------- */

/* REFERENCE DIGEST: prints 1 or 0 */
static int run_has(Settings *settings, int argc _unused_, char **argv, Error *err) {
        Descriptor blob = { .size = -1 };
        ImageSink *sink;

        (void)snprintf(blob.digest, sizeof(blob.digest), "%s", argv[1]);
        if (open_sink(settings, argv[0], &sink, err) < 0)
                return -1;
        int r = sink->class->has_blob(sink, &blob, err);
        if (r >= 0)
                printf("%d\n", r);
        (void)sink->class->free(sink);
        return r < 0 ? r : 0;
}

/* REFERENCE FILE DIGEST|- SIZE|-1: prints digest and size; FILE may be a fifo */
static int run_send(Settings *settings, int argc _unused_, char **argv, Error *err) {
        SinkBlob blob = { .descriptor = { .media_type = (char *)MEDIA_TYPE_OCI_LAYER,
                                          .size = strtoll(argv[3], NULL, 10) } };
        const TransferControl control = control_of(settings);
        Descriptor sent = { .size = -1 };
        ImageSink *sink;

        _cleanup_close_ int fd = open_file(argv[1], O_RDONLY, err);
        if (!text_equal(argv[2], "-"))
                (void)snprintf(blob.descriptor.digest, sizeof(blob.descriptor.digest), "%s",
                               argv[2]);
        if (fd < 0 || open_sink(settings, argv[0], &sink, err) < 0)
                return -1;
        int r = 0;
        if (*blob.descriptor.digest)
                r = sink->class->has_blob(sink, &blob.descriptor, err);
        if (r == 0)
                r = sink->class->write_blob(sink, &blob, fd, &control, &sent, err);
        if (r == 0)
                printf("%s %" PRId64 " %s\n", sent.digest, sent.size, sent.media_type);
        else if (r > 0)
                printf("there\n");
        free(sent.media_type);
        (void)sink->class->free(sink);
        return r < 0 ? r : 0;
}

/* REFERENCE TYPE FILE: the manifest */
static int run_push(Settings *settings, int argc _unused_, char **argv, Error *err) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        ImageSink *sink;

        if (file_read_at(AT_FDCWD, argv[2], MANIFEST_SIZE_MAX, &text, &size) < 0)
                return error_set(err, ERR_IO, argv[2], "cannot read %s", argv[2]);
        if (open_sink(settings, argv[0], &sink, err) < 0)
                return -1;
        int r = sink->class->write_manifest(sink, argv[1], text, size, err);
        if (r == 0)
                r = sink->class->commit(sink, err);
        (void)sink->class->free(sink);
        return r;
}

/* --- asking ---------------------------------------------------------------------------------- */

/* HOST TERM LIMIT */
static int run_search(Settings *settings, int argc _unused_, char **argv, Error *err) {
        _cleanup_search_results_ SearchResults results = SEARCH_RESULTS_INIT;

        settings->registry.host = argv[0];
        if (registry_search(&settings->registry, argv[1], strtoul(argv[2], NULL, 10), &results,
                            err) < 0)
                return -1;
        for (size_t i = 0; i < results.count; i++) {
                const SearchResult *result = &results.items[i];
                printf("%s %s %" PRId64 " %d %d %s\n", result->registry, result->name,
                       result->stars, result->is_official, result->is_automated,
                       result->description);
        }
        return 0;
}

static const Command commands[] = {
        { "manifest", 3, run_manifest }, { "blob", 3, run_blob }, { "fetch", 3, run_fetch },
        { "has", 2, run_has },           { "send", 4, run_send }, { "push", 3, run_push },
        { "search", 3, run_search },
};

static int run(Settings *settings, int argc, char **argv, Error *err) {
        for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(commands); i++)
                if (text_equal(argv[0], commands[i].name) && argc - 1 >= commands[i].arguments)
                        return commands[i].run(settings, argc - 1, argv + 1, err);
        return error_set(err, ERR_INVALID, NULL, "no such command, or too few arguments");
}

static int parse_option(Settings *settings, int option, Error *err) {
        RegistryOptions *registry = &settings->registry;

        switch (option) {
        case 'i':
                registry->is_insecure = true;
                return 0;
        case 'd':
                registry->cert_dir = optarg;
                return 0;
        case 'c':
                registry->credentials = &settings->credentials;
                return credentials_parse(optarg, &settings->credentials, err);
        case 'a':
                settings->auth_file = optarg;
                return 0;
        case 'h':
                settings->host = optarg;
                return 0;
        case 's':
                registry->stall_ms = (unsigned)strtoul(optarg, NULL, 10);
                return 0;
        case 'x':
                settings->cancel_ns = now_ns() + strtoll(optarg, NULL, 10) * NS_PER_MSEC;
                return 0;
        case 'w':
                settings->slow_ms = (unsigned)strtoul(optarg, NULL, 10);
                return 0;
        case 'e':
                settings->reader_max = strtoll(optarg, NULL, 10);
                return 0;
        case 'm':
                strings_add(&settings->mount_from, optarg);
                return 0;
        default:
                return error_set(err, ERR_INVALID, NULL, "no such option");
        }
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "insecure", no_argument, NULL, 'i' },
                { "cert-dir", required_argument, NULL, 'd' },
                { "creds", required_argument, NULL, 'c' },
                { "auth-file", required_argument, NULL, 'a' },
                { "host", required_argument, NULL, 'h' },
                { "stall-ms", required_argument, NULL, 's' },
                { "cancel-ms", required_argument, NULL, 'x' },
                { "slow-reader-ms", required_argument, NULL, 'w' },
                { "reader-max", required_argument, NULL, 'e' },
                { "mount-from", required_argument, NULL, 'm' },
                { NULL, 0, NULL, 0 },
        };
        Settings settings = { .reader_max = -1 };
        Error err = ERROR_INIT;
        int option, r = 0;

        (void)signal(SIGPIPE, SIG_IGN);
        const TransferControl control = control_of(&settings);
        settings.registry.control = &control;
        while (r == 0 && (option = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                r = parse_option(&settings, option, &err);
        if (r == 0)
                r = run(&settings, argc - optind, argv + optind, &err);
        if (r < 0)
                (void)fprintf(stderr, "%s: %s\n", error_kind_name(err.kind), err.text);
        strings_done(&settings.mount_from);
        credentials_done(&settings.credentials);
        return r < 0;
}
