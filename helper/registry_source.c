/* SPDX-License-Identifier: Apache-2.0 */

/* The manifests, blobs and signatures of one repository, as a source. */
#include <stdio.h>

#include "helper/download.h"
#include "helper/registry.h"
#include "helper/registry_client.h"
#include "helper/registry_error.h"
#include "helper/registry_signatures.h"
#include "oci/digest.h"

typedef struct RegistrySource {
        ImageSource source;
        RegistryClient *client;
        Reference reference;
        char scope[REFERENCE_TEXT_MAX];
} RegistrySource;

/* Every form that there is: what cannot be used is better told by its name than by a 404. */
static const char accept_manifests[] = "Accept: " MEDIA_TYPE_OCI_MANIFEST
                                       ", " MEDIA_TYPE_DOCKER_MANIFEST ", " MEDIA_TYPE_OCI_INDEX
                                       ", application/vnd.docker.distribution.manifest.list.v2+json"
                                       ", application/vnd.docker.distribution.manifest.v1+prettyjws"
                                       ", application/vnd.docker.distribution.manifest.v1+json";

static RegistrySource *self(ImageSource *source) {
        return container_of(source, RegistrySource, source);
}

/* The media type without its parameters; heap. */
static char *media_type_of(const HttpResponse *response) {
        const char *value = http_response_header(response, "Content-Type", 0);

        return value ? xstrndup(value, strcspn(value, "; \t")) : xstrdup("");
}

static int check_digest(const Buffer *body, const char *digest, Error *err) {
        char text[DIGEST_TEXT_SIZE];
        Digest actual;

        digest_compute(body->data ? body->data : "", body->size, &actual);
        digest_format(&actual, text);
        return text_equal(text, digest)
                       ? 0
                       : error_set(err, ERR_CORRUPT, digest,
                                   "its digest is %s, not the one asked for", text);
}

static int fetch_manifest(RegistrySource *source, const char *what, const char *digest,
                          HttpResponse *response, Error *err) {
        RegistryClient *client = source->client;
        _cleanup_strings_ Strings headers = STRINGS_INIT;
        _cleanup_free_ char *url = NULL;

        if (registry_client_url(client, &url, err, "%s/manifests/%s", client->repository, what) < 0)
                return -1;
        strings_add(&headers, accept_manifests);
        HttpRequest request = {
                .method = "GET", .url = url, .headers = &headers, .body_max = MANIFEST_SIZE_MAX
        };
        if (registry_client_call(client, &request, response, err) < 0)
                return -1;
        if (response->status != 200)
                return registry_error_set(response, err);
        return digest ? check_digest(&response->body, digest, err) : 0;
}

static int source_read_manifest(ImageSource *base, const char *digest, Buffer *ret,
                                char **ret_media_type, Error *err) {
        RegistrySource *source = self(base);
        const Reference *reference = &source->reference;
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;

        if (!digest && *reference->digest)
                digest = reference->digest;
        const char *what = digest ? digest : reference->tag;
        if (fetch_manifest(source, what, digest, &response, err) < 0)
                return error_prefix(err, "registry %s: cannot read manifest of %s%c%s",
                                    source->client->host, source->client->repository,
                                    digest ? '@' : ':', what);
        *ret_media_type = media_type_of(&response);
        *ret = response.body;
        response.body = (Buffer)BUFFER_INIT;
        return 0;
}

static int perform(void *userdata, HttpRequest *request, HttpResponse *response, Error *err) {
        return registry_client_perform(userdata, request, response, err);
}

static int fetch_blob(RegistryClient *client, const Descriptor *blob, int fd,
                      const TransferControl *control, Error *err) {
        _cleanup_http_response_ HttpResponse response = HTTP_RESPONSE_INIT;
        _cleanup_free_ char *url = NULL;

        if (registry_client_url(client, &url, err, "%s/blobs/%s", client->repository,
                                blob->digest) < 0)
                return -1;
        const Download download = { .url = url,
                                    .subject = blob->digest,
                                    .perform = perform,
                                    .userdata = client,
                                    .fd = fd,
                                    .size = blob->size,
                                    .size_max = -1,
                                    .control = control };
        int r = download_run(&download, &response, NULL, err);
        return r > 0 ? registry_error_set(&response, err) : r;
}

static int source_read_blob(ImageSource *base, const Descriptor *blob, int fd,
                            const TransferControl *control, Error *err) {
        RegistryClient *client = self(base)->client;

        if (!digest_is_valid(blob->digest))
                return error_set(err, ERR_INVALID, blob->digest, "\"%.80s\" is no digest",
                                 blob->digest);
        if (fetch_blob(client, blob, fd, control, err) < 0)
                return error_prefix(err, "registry %s: cannot read blob %s of %s", client->host,
                                    blob->digest, client->repository);
        return 0;
}

static int source_read_signatures(ImageSource *base, const char *manifest_digest, Buffer **ret,
                                  size_t *ret_count, Error *err) {
        RegistrySource *source = self(base);

        return registry_signatures_read(&source->reference, manifest_digest, ret, ret_count,
                                        source->client->control, err);
}

static ImageSource *source_free(ImageSource *base) {
        if (!base)
                return NULL;
        RegistrySource *source = self(base);
        (void)registry_client_free(source->client);
        free(source);
        return NULL;
}

int registry_source_new(ImageSource **ret, const RegistryOptions *options,
                        const Reference *reference, Error *err) {
        static const ImageSourceClass class = {
                .read_manifest = source_read_manifest,
                .read_blob = source_read_blob,
                .read_signatures = source_read_signatures,
                .free = source_free,
        };
        _cleanup_free_ char *scope = xasprintf("repository:%s:pull", options->repository);
        RegistryClient *client;

        if (!*reference->tag && !*reference->digest)
                return error_set(err, ERR_INVALID, reference->path,
                                 "the name %s has neither tag nor digest", reference->path);
        if (registry_client_new(&client, options, scope, err) < 0)
                return -1;
        RegistrySource *source = xnew(RegistrySource, 1);
        source->client = client;
        source->reference = *reference;
        (void)reference_format(reference, source->scope);
        source->source.class = &class;
        source->source.transport = "docker";
        source->source.scope = source->scope;
        *ret = &source->source;
        return 0;
}
