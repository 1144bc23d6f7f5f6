/* SPDX-License-Identifier: Apache-2.0 */

/*
 * First the documents, each checked against who named it: the manifest (through indexes, for this
 * host's platform), then policy.json's word on it, then the config. An image that is here already
 * costs no more than that. Then the layers, and last the image's record, which makes it visible.
 */

#include "helper/pull.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"
#include "helper/pull_layers.h"
#include "helper/pull_policy.h"
#include "oci/image_config.h"
#include "oci/index.h"

#define REPEATS_MAX 3 /* when other tools take layers away that are just being put together */

typedef struct Document {
        Buffer text;
        char digest[DIGEST_TEXT_SIZE];
} Document;

typedef struct Documents {
        Document list; /* the index that was asked for; empty if there was none */
        Document manifest;
        Document config;
        Manifest parsed_manifest;
        ImageConfig parsed_config;
} Documents;

#define DOCUMENTS_INIT \
        { .parsed_manifest = MANIFEST_INIT, .parsed_config = IMAGE_CONFIG_INIT, }

static void documents_done(Documents *documents) {
        buffer_done(&documents->list.text);
        buffer_done(&documents->manifest.text);
        buffer_done(&documents->config.text);
        manifest_done(&documents->parsed_manifest);
        image_config_done(&documents->parsed_config);
}

/* --- documents ------------------------------------------------------------------------------- */

static int describe(Document *document, const Descriptor *promised, Error *err) {
        Digest digest;

        if (buffer_failed(&document->text))
                return error_set(err, ERR_LIMIT, NULL, "out of memory");
        digest_compute(document->text.data, document->text.size, &digest);
        digest_format(&digest, document->digest);
        if (promised && (!text_equal(document->digest, promised->digest) ||
                         (int64_t)document->text.size != promised->size))
                return error_set(
                        err, ERR_CORRUPT, promised->digest,
                        "document %s of %lld bytes was asked for, and %s of %zu bytes came",
                        promised->digest, (long long)promised->size, document->digest,
                        document->text.size);
        return 0;
}

static int read_manifest(const PullRequest *request, const Descriptor *promised, Document *ret,
                         char **ret_media_type, Error *err) {
        ImageSource *source = request->source;

        if (watch_check(request->watch, err) < 0 ||
            source->class->read_manifest(source, promised ? promised->digest : NULL, &ret->text,
                                         ret_media_type, err) < 0)
                return -1;
        return describe(ret, promised, err);
}

/* From what the name leads to down to one manifest. */
static int read_manifests(const PullRequest *request, Documents *documents, Error *err) {
        Descriptor chosen = { .size = -1 };
        Document *document = &documents->manifest;
        int r = 0;

        for (int depth = 0;; depth++) {
                _cleanup_free_ char *media_type = NULL;
                _cleanup_index_ Index index = INDEX_INIT;

                r = read_manifest(request, depth > 0 ? &chosen : NULL, document, &media_type, err);
                free(chosen.media_type);
                chosen.media_type = NULL;
                if (r < 0)
                        return -1;
                if (!index_is_index(document->text.data, document->text.size, media_type))
                        return manifest_parse(document->text.data, document->text.size,
                                              &documents->parsed_manifest, err);
                if (depth == PULL_INDEX_DEPTH)
                        return error_set(err, ERR_LIMIT, document->digest,
                                         "indexes name one another more than %d deep",
                                         PULL_INDEX_DEPTH);
                if (index_parse(document->text.data, document->text.size, &index, err) < 0)
                        return -1;
                const Descriptor *found = index_choose(&index, NULL, err);
                if (!found)
                        return -1;
                chosen = *found;
                chosen.media_type = xstrdup(found->media_type);
                if (depth == 0)
                        documents->list = *document;
                else
                        buffer_done(&document->text);
                *document = (Document){ .text = BUFFER_INIT };
        }
}

/* A blob that is small enough to be looked at as a whole. */
static int read_config(const PullRequest *request, Documents *documents, Error *err) {
        const Descriptor *blob = &documents->parsed_manifest.config;
        const TransferControl control = { .is_cancelled = request->watch->is_cancelled,
                                          .on_bytes = NULL,
                                          .userdata = request->watch->userdata };
        Document *config = &documents->config;

        if (blob->size < 0 || blob->size > IMAGE_CONFIG_SIZE_MAX)
                return error_set(err, ERR_LIMIT, blob->digest,
                                 "the config of the image has %lld bytes, more than %d",
                                 (long long)blob->size, IMAGE_CONFIG_SIZE_MAX);
        _cleanup_close_ int fd = memfd_create("config", MFD_CLOEXEC);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, blob->digest, "cannot keep the config");
        if (request->source->class->read_blob(request->source, blob, fd, &control, err) < 0)
                return -1;
        char *p = buffer_reserve(&config->text, (size_t)blob->size + 1);
        if (!p || lseek(fd, 0, SEEK_SET) < 0)
                return error_set(err, ERR_LIMIT, blob->digest, "out of memory");
        ssize_t n = fd_read_full(fd, p, (size_t)blob->size + 1);
        if (n < 0)
                return error_errno(err, ERR_IO, (int)-n, blob->digest, "cannot read the config");
        config->text.size += (size_t)n;
        if (describe(config, blob, err) < 0)
                return -1;
        return image_config_parse(config->text.data, config->text.size, &documents->parsed_config,
                                  err);
}

static int check_documents(const Documents *documents, Error *err) {
        const Manifest *manifest = &documents->parsed_manifest;
        const ImageConfig *config = &documents->parsed_config;

        if (manifest->layers_count != config->diff_ids.count)
                return error_set(err, ERR_INVALID, documents->manifest.digest,
                                 "the manifest names %zu layers, and the config %zu",
                                 manifest->layers_count, config->diff_ids.count);
        for (size_t i = 0; i < manifest->layers_count; i++) {
                Compression compression;
                if (layer_type_parse(manifest->layers[i].media_type, manifest->layers[i].digest,
                                     &compression, err) < 0)
                        return -1;
        }
        return 0;
}

/* --- the record ------------------------------------------------------------------------------ */

static int record(const PullRequest *request, const Documents *documents, const char *top_layer,
                  Error *err) {
        char manifest_key[sizeof("manifest-") + DIGEST_TEXT_SIZE];
        char list_key[sizeof("manifest-") + DIGEST_TEXT_SIZE];
        const Document *manifest = &documents->manifest, *config = &documents->config,
                       *list = &documents->list;
        StoreImageItem items[4] = { { config->digest, config->text.data, config->text.size } };
        size_t count = 1;

        (void)snprintf(manifest_key, sizeof(manifest_key), "manifest-%s", manifest->digest);
        (void)snprintf(list_key, sizeof(list_key), "manifest-%s", list->digest);
        items[count++] = (StoreImageItem){ manifest_key, manifest->text.data, manifest->text.size };
        if (*list->digest)
                items[count++] = (StoreImageItem){ list_key, list->text.data, list->text.size };
        items[count++] = (StoreImageItem){ "manifest", manifest->text.data, manifest->text.size };
        const StoreImageSpec spec = {
                .id = digest_hex(config->digest),
                .digest = manifest->digest,
                .layer = top_layer,
                .created_ns = documents->parsed_config.created_ns,
                .items = items,
                .items_count = count,
                .names = request->names,
                .names_count = request->names_count,
        };
        return store_image_create(request->store, &spec, err);
}

static int fetch_and_record(const PullRequest *request, const Documents *documents,
                            PullLayers *layers, Error *err) {
        Error failure = ERROR_INIT;
        int r = -1;

        for (int i = 0; r < 0 && i < REPEATS_MAX; i++) {
                failure = (Error)ERROR_INIT;
                r = pull_layers(request->store, request->source, layers, request->watch, &failure);
                if (r < 0 && failure.kind != ERR_IN_USE)
                        break;
                if (r < 0)
                        continue;
                watch_report(request->watch, "commit", documents->config.digest, 0, -1);
                r = record(request, documents,
                           layers->count > 0 ? layers->items[layers->count - 1].id : NULL,
                           &failure);
                if (r < 0 && failure.kind != ERR_NOT_FOUND) /* the top layer was taken away */
                        break;
        }
        if (r < 0) {
                pull_layers_undo(request->store, layers);
                return error_copy(err, &failure);
        }
        return 0;
}

int pull_image(const PullRequest *request, PullResult *ret, Error *err) {
        _cleanup_(documents_done)
        Documents documents = DOCUMENTS_INIT;

        watch_report(request->watch, "resolve", request->reference ? request->reference : "", 0,
                     -1);
        if (read_manifests(request, &documents, err) < 0 ||
            pull_check_policy(request, documents.manifest.digest, err) < 0)
                return -1;
        watch_report(request->watch, "config", documents.parsed_manifest.config.digest, 0,
                     documents.parsed_manifest.config.size);
        if (read_config(request, &documents, err) < 0 || check_documents(&documents, err) < 0)
                return -1;

        size_t count = documents.parsed_manifest.layers_count;
        PullLayers layers = { .items = xnew(PullLayer, count), .count = count };
        for (size_t i = 0; i < count; i++) {
                layers.items[i].blob = &documents.parsed_manifest.layers[i];
                layers.items[i].diff_id = documents.parsed_config.diff_ids.items[i];
        }
        int r = fetch_and_record(request, &documents, &layers, err);
        free(layers.items);
        if (r < 0)
                return r;
        (void)snprintf(ret->id, sizeof(ret->id), "%s", digest_hex(documents.config.digest));
        (void)snprintf(ret->digest, sizeof(ret->digest), "%s", documents.manifest.digest);
        return 0;
}
