/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/search.h"

#include <stdio.h>
#include <string.h>

#include "helper/registry_client.h"
#include "helper/registry_error.h"
#include "helper/url.h"
#include "oci/document.h"

#define PAGE_SIZE 1000 /* names of the catalog at once */

#define HITS_MAX 100 /* that a registry is asked for */

#define HUB            "docker.io"
#define HUB_SEARCH_URL "https://index.docker.io/v1/search" /* its one server that searches */

static void result_done(SearchResult *result) {
        free(result->registry);
        free(result->name);
        free(result->description);
}

void search_results_done(SearchResults *results) {
        for (size_t i = 0; i < results->count; i++)
                result_done(&results->items[i]);
        free(results->items);
        *results = (SearchResults)SEARCH_RESULTS_INIT;
}

static SearchResult *add_result(SearchResults *results, const char *host, const char *name) {
        bool is_official = text_equal(host, HUB) && !strchr(name, '/');

        GROW(results->items, results->count, results->capacity);
        SearchResult *result = &results->items[results->count++];
        *result = (SearchResult){ .registry = xstrdup(host),
                                  .name = xasprintf("%s/%s%s", host, is_official ? "library/" : "",
                                                    name) };
        return result;
}

/* A name of the registry's own that can be shown; whatever else it says is left out. */
static bool is_name(const char *name) {
        return !text_is_empty(name) && strlen(name) <= REFERENCE_NAME_MAX && text_is_line(name);
}

/* --- registries that search ------------------------------------------------------------------ */

static int read_hit(const json_t *hit, const char *host, SearchResults *results, Error *err) {
        _cleanup_free_ char *name = NULL, *description = NULL;
        SearchResult values = { .stars = 0 };

        if (!json_is_object(hit))
                return error_set(err, ERR_INVALID, "results", "a result is no object");
        if (document_text(hit, "results.", "name", &name, err) < 0 ||
            document_text(hit, "results.", "description", &description, err) < 0 ||
            document_integer(hit, "results.", "star_count", &values.stars, err) < 0 ||
            document_boolean(hit, "results.", "is_official", &values.is_official, err) < 0 ||
            document_boolean(hit, "results.", "is_automated", &values.is_automated, err) < 0)
                return -1;
        if (!is_name(name))
                return 0;
        SearchResult *result = add_result(results, host, name);
        text_make_line(description, strlen(description));
        result->description = TAKE_PTR(description);
        result->stars = values.stars;
        result->is_official = values.is_official;
        result->is_automated = values.is_automated;
        return 0;
}

static int read_hits(const Buffer *body, const char *host, size_t limit, SearchResults *results,
                     Error *err) {
        json_t *root = NULL, *hits = NULL;

        int r = document_parse(body->data, body->size, SEARCH_DOCUMENT_MAX, "answer", &root, err);
        if (r == 0)
                r = document_array(root, "", "results", SEARCH_RESULTS_MAX, &hits, err);
        for (size_t i = 0; r == 0 && i < json_array_size(hits) && results->count < limit; i++)
                r = read_hit(json_array_get(hits, i), host, results, err);
        if (root)
                json_decref(root);
        return r;
}

static int add_question(char **url, const char *term, size_t limit, Error *err) {
        char number[24];

        (void)snprintf(number, sizeof(number), "%zu", limit < HITS_MAX ? limit : HITS_MAX);
        return url_add_query(url, "q", term, err) < 0 ? -1 : url_add_query(url, "n", number, err);
}

static int search_hub(RegistryClient *client, const char *term, size_t limit,
                      SearchResults *results, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = xstrdup(HUB_SEARCH_URL);

        if (add_question(&url, term, limit, err) < 0)
                return -1;
        const HttpRequest request = { .method = "GET",
                                      .url = url,
                                      .body_max = SEARCH_DOCUMENT_MAX,
                                      .control = client->control };
        if (http_perform(client->http, &request, &response, err) < 0)
                return -1;
        return http_response_is_success(&response)
                       ? read_hits(&response.body, HUB, limit, results, err)
                       : registry_error_set(&response, err);
}

/* 1: it has answered, 0: it does not search. */
static int search_by_registry(RegistryClient *client, const char *term, size_t limit,
                              SearchResults *results, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *base = NULL, *url = NULL;

        if (registry_client_url(client, &base, err, "%s", "") < 0 ||
            url_resolve(base, "/v1/search", &url, err) < 0 ||
            add_question(&url, term, limit, err) < 0)
                return -1;
        HttpRequest request = { .method = "GET", .url = url, .body_max = SEARCH_DOCUMENT_MAX };
        if (registry_client_call(client, &request, &response, err) < 0)
                return -1;
        return http_response_is_success(&response) &&
               read_hits(&response.body, client->host, limit, results, NULL) == 0;
}

/* --- registries that only tell what they have ------------------------------------------------ */

static int read_page(const Buffer *body, const char *host, const char *term, size_t limit,
                     SearchResults *results, Error *err) {
        _cleanup_strings_ Strings names = STRINGS_INIT;
        json_t *root = NULL;

        int r = document_parse(body->data, body->size, SEARCH_DOCUMENT_MAX, "catalog", &root, err);
        if (r == 0)
                r = document_strings(root, "", "repositories", DOCUMENT_VALUES_MAX, &names, err);
        if (root)
                json_decref(root);
        for (size_t i = 0; r == 0 && i < names.count && results->count < limit; i++)
                if (is_name(names.items[i]) && strstr(names.items[i], term))
                        add_result(results, host, names.items[i])->description = xstrdup("");
        return r;
}

/* `</v2/_catalog?last=a&n=10>; rel="next"`; NULL: that was the last page. */
static int next_page(const HttpResponse *response, char **ret, Error *err) {
        const char *link = http_response_header(response, "Link", 0);

        *ret = NULL;
        if (!link || *link != '<' || !strchr(link, '>') || !strstr(link, "rel=\"next\""))
                return 0;
        _cleanup_free_ char *target = xstrndup(link + 1, strcspn(link + 1, ">"));
        return url_resolve(response->url, target, ret, err);
}

static int search_catalog(RegistryClient *client, const char *term, size_t limit,
                          SearchResults *results, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = NULL;

        if (registry_client_url(client, &url, err, "_catalog?n=%d", PAGE_SIZE) < 0)
                return -1;
        for (unsigned page = 0; url && results->count < limit; page++) {
                _cleanup_free_ char *next = NULL;
                HttpRequest request = { .method = "GET",
                                        .url = url,
                                        .body_max = SEARCH_DOCUMENT_MAX };
                if (page == SEARCH_PAGES_MAX)
                        return error_set(err, ERR_LIMIT, client->host,
                                         "its catalog has more than %d pages", SEARCH_PAGES_MAX);
                if (registry_client_call(client, &request, &response, err) < 0)
                        return -1;
                if (!http_response_is_success(&response))
                        return registry_error_set(&response, err);
                if (read_page(&response.body, client->host, term, limit, results, err) < 0 ||
                    next_page(&response, &next, err) < 0)
                        return -1;
                free(url);
                url = TAKE_PTR(next);
        }
        return 0;
}

static int search(RegistryClient *client, const char *term, size_t limit, SearchResults *results,
                  Error *err) {
        if (text_equal(client->host, HUB))
                return search_hub(client, term, limit, results, err);
        int r = *term ? search_by_registry(client, term, limit, results, err) : 0;
        return r == 0 ? search_catalog(client, term, limit, results, err) : r;
}

int registry_search(const RegistryOptions *options, const char *term, size_t limit,
                    SearchResults *results, Error *err) {
        _cleanup_search_results_ SearchResults found = SEARCH_RESULTS_INIT;
        RegistryOptions host_options = *options;
        RegistryClient *client;

        host_options.repository = "";
        if (registry_client_new(&client, &host_options, "registry:catalog:*", err) < 0)
                return -1;
        limit = limit == 0 || limit > SEARCH_RESULTS_MAX ? SEARCH_RESULTS_MAX : limit;
        int r = search(client, term, limit, &found, err);
        (void)registry_client_free(client);
        if (r < 0)
                return error_prefix(err, "registry %s: cannot search", options->host);
        for (size_t i = 0; i < found.count; i++) {
                GROW(results->items, results->count, results->capacity);
                results->items[results->count++] = found.items[i];
        }
        found.count = 0; /* the array alone is left to free */
        return 0;
}
