/* SPDX-License-Identifier: Apache-2.0 */

#include "helper/service.h"

#include <errno.h>
#include <string.h>

#include "helper/download.h"
#include "helper/job.h"
#include "helper/open.h"
#include "helper/pull.h"
#include "helper/push.h"
#include "image/short_names.h"

int service_open(Service *service, const StoreOptions *options, Error *err) {
        if (registries_load(&service->registries, err) < 0)
                return -1;
        return store_open(&service->store, options, err);
}

static TransferControl control_of(const Job *job) {
        return (TransferControl){ .is_cancelled = job->watch.is_cancelled,
                                  .userdata = job->watch.userdata };
}

/* --- pull ------------------------------------------------------------------------------------ */

typedef struct PullCall {
        const Service *service;
        const SelkieTransferPullIn *in;
        Job job;
        Policy policy;
        PullResult result;
        Strings names;
} PullCall;

static int send_pull_progress(VarlinkCall *call, const char *phase, const char *subject,
                              int64_t done, int64_t total) {
        SelkieTransferProgress progress = {
                .phase = phase, .subject = subject, .done = done, .total = total
        };

        return selkie_transfer_continue_Pull(call, &(SelkieTransferPullOut){ .progress = &progress,
                                                                             .id = "" });
}

static int pull_from(PullCall *pull, ImageSource *source, const char *reference, Error *err) {
        const PullRequest request = { .store = pull->service->store,
                                      .source = source,
                                      .policy = &pull->policy,
                                      .reference = reference,
                                      .names = (const char *const *)pull->names.items,
                                      .names_count = pull->names.count,
                                      .watch = &pull->job.watch };

        return pull_image(&request, &pull->result, err);
}

/* The mirrors of one name, then its own place; the error is the last one's. */
static int pull_reference(PullCall *pull, const Reference *reference, Error *err) {
        const Registries *registries = &pull->service->registries;
        _cleanup_endpoints_ Endpoints endpoints = ENDPOINTS_INIT;
        const TransferControl control = control_of(&pull->job);
        char name[REFERENCE_TEXT_MAX];
        int r = -1;

        if (registries_endpoints(registries, reference, &endpoints, err) < 0)
                return -1;
        strings_done(&pull->names);
        strings_add(&pull->names, reference_format(reference, name));
        for (size_t i = 0; r < 0 && i < endpoints.count; i++) {
                ImageSource *source = NULL;
                r = open_registry_source(&source, registries, &endpoints.items[i], reference,
                                         &pull->in->options, &control, err);
                if (r == 0) {
                        r = pull_from(pull, source, name, err);
                        (void)source->class->free(source);
                }
                if (r < 0 && err->kind == ERR_CANCELLED)
                        break;
        }
        return r;
}

/* Each name that it may mean, until one is there. */
static int pull_names(PullCall *pull, const char *name, Error *err) {
        _cleanup_name_candidates_ NameCandidates candidates = NAME_CANDIDATES_INIT;
        int r = -1;

        if (image_names_resolve(&pull->service->registries, name, &candidates, err) < 0)
                return -1;
        for (size_t i = 0; r < 0 && i < candidates.count; i++) {
                r = pull_reference(pull, &candidates.items[i].reference, err);
                if (r < 0 && err->kind == ERR_CANCELLED)
                        break;
        }
        return r;
}

static int pull_registry_name(PullCall *pull, const char *name, Error *err) {
        Reference reference;

        if (reference_parse(name, &reference, err) < 0 || reference_normalize(&reference, err) < 0)
                return -1;
        return pull_reference(pull, &reference, err);
}

static int pull_archive(PullCall *pull, Transport transport, const char *where, Error *err) {
        ImageSource *source;

        if (open_archive_source(&source, transport, where, &pull->names, err) < 0)
                return -1;
        int r = pull_from(pull, source, NULL, err);
        (void)source->class->free(source);
        return r;
}

static int run_pull(PullCall *pull, Error *err) {
        Transport transport;
        const char *where;

        if (policy_load(NULL, &pull->policy, err) < 0 ||
            transport_parse(pull->in->source, &transport, &where, err) < 0)
                return -1;
        if (transport == TRANSPORT_NONE)
                return pull_names(pull, where, err);
        return transport == TRANSPORT_DOCKER ? pull_registry_name(pull, where, err)
                                             : pull_archive(pull, transport, where, err);
}

static void serve_pull(VarlinkCall *call, const SelkieTransferPullIn *in, void *userdata) {
        PullCall pull = {
                .service = userdata, .in = in, .policy = POLICY_INIT, .names = STRINGS_INIT
        };
        Error err = ERROR_INIT;

        job_init(&pull.job, call, send_pull_progress);
        if (run_pull(&pull, &err) < 0) {
                job_fail(&pull.job, &err);
        } else {
                SelkieTransferPullOut out = { .id = pull.result.id };
                out.names.items = (const char **)pull.names.items;
                out.names.count = pull.names.count;
                (void)selkie_transfer_reply_Pull(call, &out);
        }
        job_done(&pull.job);
        policy_done(&pull.policy);
        strings_done(&pull.names);
}

/* --- push ------------------------------------------------------------------------------------ */

static int send_push_progress(VarlinkCall *call, const char *phase, const char *subject,
                              int64_t done, int64_t total) {
        SelkieTransferProgress progress = {
                .phase = phase, .subject = subject, .done = done, .total = total
        };

        return selkie_transfer_continue_Push(call, &(SelkieTransferPushOut){ .progress = &progress,
                                                                             .digest = "" });
}

static int run_push(const Service *service, const SelkieTransferPushIn *in, const Job *job,
                    char ret_digest[static DIGEST_TEXT_SIZE], Error *err) {
        const TransferControl control = control_of(job);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        ImageSink *sink;

        if (store_image_get(service->store, in->image, &image, err) < 0 ||
            open_sink(&sink, &service->registries, in, &image->names, &control, err) < 0)
                return -1;
        const PushRequest request = { .store = service->store,
                                      .image = image,
                                      .sink = sink,
                                      .format = in->options.format,
                                      .compression = in->options.compression,
                                      .watch = &job->watch };
        int r = push_image(&request, ret_digest, err);
        (void)sink->class->free(sink);
        return r;
}

static void serve_push(VarlinkCall *call, const SelkieTransferPushIn *in, void *userdata) {
        char digest[DIGEST_TEXT_SIZE];
        Error err = ERROR_INIT;
        Job job;

        job_init(&job, call, send_push_progress);
        if (run_push(userdata, in, &job, digest, &err) < 0)
                job_fail(&job, &err);
        else
                (void)selkie_transfer_reply_Push(call,
                                                 &(SelkieTransferPushOut){ .digest = digest });
        job_done(&job);
}

/* --- search ---------------------------------------------------------------------------------- */

#define SEARCH_LIMIT 25 /* hits of each registry where nothing is said, as podman has it */

/* All that are searched for short names, or the one that the term begins with. */
static int run_search(const Service *service, const SelkieTransferSearchIn *in, const Job *job,
                      SearchResults *results, Strings *problems, Error *err) {
        const Strings *hosts = &service->registries.search;
        _cleanup_strings_ Strings named = STRINGS_INIT;
        const char *term = in->term, *slash = strchr(in->term, '/');
        size_t first = slash ? (size_t)(slash - term) : 0;
        size_t limit = in->limit > 0 ? (size_t)in->limit : SEARCH_LIMIT;
        const TransferControl control = control_of(job);

        if (slash && (memchr(term, '.', first) || memchr(term, ':', first) ||
                      strncmp(term, "localhost/", first + 1) == 0)) {
                strings_printf(&named, "%.*s", (int)first, term);
                hosts = &named;
                term = slash + 1;
        }
        if (hosts->count == 0)
                return error_set(err, ERR_NOT_FOUND, in->term,
                                 "no registry to search is configured");
        for (size_t i = 0; i < hosts->count; i++) {
                if (search_registry(&service->registries, hosts->items[i], term, limit,
                                    &in->options, &control, results, err) == 0)
                        continue;
                if (err->kind == ERR_CANCELLED)
                        return -1;
                strings_add(problems, err->text);
        }
        return problems->count == hosts->count ? -1 : 0;
}

static void reply_search(VarlinkCall *call, const SearchResults *results, const Strings *problems) {
        SelkieTransferSearchOut out = { .results = { .items = NULL } };

        out.results.items =
                arena_new(varlink_call_arena(call), SelkieTransferSearchResult, results->count);
        out.results.count = results->count;
        for (size_t i = 0; i < results->count; i++) {
                const SearchResult *from = &results->items[i];
                out.results.items[i] =
                        (SelkieTransferSearchResult){ .registry = from->registry,
                                                      .name = from->name,
                                                      .description = from->description,
                                                      .stars = from->stars,
                                                      .official = from->is_official,
                                                      .automated = from->is_automated };
        }
        out.problems.items = (const char **)problems->items;
        out.problems.count = problems->count;
        (void)selkie_transfer_reply_Search(call, &out);
}

static void serve_search(VarlinkCall *call, const SelkieTransferSearchIn *in, void *userdata) {
        _cleanup_search_results_ SearchResults results = SEARCH_RESULTS_INIT;
        _cleanup_strings_ Strings problems = STRINGS_INIT;
        Error err = ERROR_INIT;
        Job job;

        job_init(&job, call, NULL);
        if (run_search(userdata, in, &job, &results, &problems, &err) < 0)
                job_fail(&job, &err);
        else
                reply_search(call, &results, &problems);
        job_done(&job);
}

/* --- fetch ----------------------------------------------------------------------------------- */

#define DATA_FD        4
#define FETCH_SIZE_MAX (INT64_C(1) << 40) /* bytes of a download: a terabyte */

static int send_fetch_progress(VarlinkCall *call, const char *phase, const char *subject,
                               int64_t done, int64_t total) {
        SelkieTransferProgress progress = {
                .phase = phase, .subject = subject, .done = done, .total = total
        };

        return selkie_transfer_continue_Fetch(call,
                                              &(SelkieTransferFetchOut){ .progress = &progress });
}

typedef struct FetchCall {
        Job job;
        const char *url;
        int64_t done;
} FetchCall;

static bool is_fetch_cancelled(void *userdata) {
        const FetchCall *fetch = userdata;

        return watch_is_cancelled(&fetch->job.watch);
}

static void on_fetched(void *userdata, int64_t count) {
        FetchCall *fetch = userdata;

        fetch->done += count;
        watch_report(&fetch->job.watch, "layer", fetch->url, fetch->done, -1);
}

static int run_fetch(FetchCall *fetch, int64_t *ret_size, Error *err) {
        _cleanup_(http_client_freep)
        HttpClient *client = NULL;
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        const TransferControl control = { .is_cancelled = is_fetch_cancelled,
                                          .on_bytes = on_fetched,
                                          .userdata = fetch };
        const HttpClientOptions options = { .certs = NULL };

        if (http_client_new(&client, &options, err) < 0)
                return -1;
        const Download download = { .url = fetch->url,
                                    .subject = fetch->url,
                                    .userdata = client,
                                    .fd = DATA_FD,
                                    .size = -1,
                                    .size_max = FETCH_SIZE_MAX,
                                    .control = &control };
        int r = download_run(&download, &response, ret_size, err);
        if (r < 0)
                return error_prefix(err, "cannot fetch %.600s", fetch->url);
        if (r > 0)
                return error_set(err, response.status == 404 ? ERR_NOT_FOUND : ERR_IO, fetch->url,
                                 "%.600s: the server answers with status %d", fetch->url,
                                 response.status);
        return r;
}

static void serve_fetch(VarlinkCall *call, const SelkieTransferFetchIn *in,
                        _unused_ void *userdata) {
        FetchCall fetch = { .url = in->url };
        Error err = ERROR_INIT;
        int64_t size;

        job_init(&fetch.job, call, send_fetch_progress);
        if (run_fetch(&fetch, &size, &err) < 0)
                job_fail(&fetch.job, &err);
        else
                (void)selkie_transfer_reply_Fetch(call, &(SelkieTransferFetchOut){ .size = size });
        job_done(&fetch.job);
}

int service_register(Service *service, VarlinkServer *server) {
        static const SelkieTransferHandlers handlers = {
                .Pull = serve_pull,
                .Push = serve_push,
                .Search = serve_search,
                .Fetch = serve_fetch,
        };

        return varlink_server_add_interface(server, &selkie_transfer_interface, &handlers, service);
}
