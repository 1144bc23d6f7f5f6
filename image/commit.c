/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The new config is the base's with the container's settings, one more layer and one more step. All
 * of it but the layer is known before anything is copied.
 */

#include "image/commit.h"

#include <string.h>

#include "base/timestamp.h"
#include "image/changes.h"
#include "image/compose.h"
#include "image/unfinished.h"
#include "oci/media_type.h"
#include "oci/reference.h"
#include "storage/layers.h"

struct ImageCommit {
        ImageCatalog *catalog;
        ImageCommitOptions options;
        const char *manifest_type;
        char name[REFERENCE_TEXT_MAX];
        ImageSettings settings;
        char *parent; /* layer that the container stands on; NULL: none */
        StoreStagedLayer *staged;
};

/* --- what was asked --- */

static int check_name(const char *name, ImageCommit *commit, Error *err) {
        Reference reference;
        Error cause = ERROR_INIT;

        if (reference_parse_local(name, &reference, &cause) < 0)
                return error_set(err, ERR_INVALID, "image_name",
                                 "error parsing target image name: %s", cause.text);
        reference_format(&reference, commit->name);
        return 0;
}

static int check_format(const char *format, ImageCommit *commit, Error *err) {
        if (text_is_empty(format) || text_equal(format, "oci"))
                commit->manifest_type = MEDIA_TYPE_OCI_MANIFEST;
        else if (text_equal(format, "docker"))
                commit->manifest_type = MEDIA_TYPE_DOCKER_MANIFEST;
        else
                return error_set(err, ERR_INVALID, "manifestType",
                                 "unrecognized image format \"%.64s\": oci and docker are", format);
        return 0;
}

static int check_text(const char *what, const char *text, size_t max, Error *err) {
        size_t size = text ? strlen(text) : 0;

        if (size > max)
                return error_set(err, ERR_LIMIT, what, "the %s has %zu bytes, more than %zu", what,
                                 size, max);
        if (size > 0 && !text_is_utf8(text, size))
                return error_set(err, ERR_INVALID, what, "the %s is not UTF-8", what);
        return 0;
}

int image_commit_new(ImageCatalog *catalog, const ImageCommitOptions *options, ImageCommit **ret,
                     Error *err) {
        _cleanup_(image_commit_freep)
        ImageCommit *commit = xnew(ImageCommit, 1);

        commit->catalog = catalog;
        commit->options = *options;
        image_settings_copy(&commit->settings, options->settings);
        if (check_format(options->format, commit, err) < 0 ||
            check_name(options->name, commit, err) < 0 ||
            check_text("author", options->author, IMAGE_AUTHOR_MAX, err) < 0 ||
            check_text("message", options->message, IMAGE_COMMIT_MESSAGE_MAX, err) < 0 ||
            image_settings_apply(&commit->settings, options->changes, options->changes_count, err) <
                    0)
                return -1;
        *ret = TAKE_PTR(commit);
        return 0;
}

/* --- the layer --- */

int image_commit_copy(ImageCommit *commit, Error *err) {
        const ImageCommitOptions *options = &commit->options;
        Store *store = image_catalog_store(commit->catalog);
        StoreStageOptions stage = STORE_STAGE_OPTIONS_INIT;
        _cleanup_(store_layer_unrefp)
        StoreLayer *own = NULL;

        stage.is_cancelled = options->is_cancelled;
        stage.userdata = options->userdata;
        if (store_layer_get(store, options->layer, &own, err) < 0)
                return -1;
        commit->parent = own->parent ? xstrdup(own->parent) : NULL;
        return store_layer_stage_changes(store, options->layer, &stage, &commit->staged, err);
}

/*
 * The sizes of all layers, base first, for the manifest. The store's layers have to be those of
 * the config: else it would describe an image that is not there.
 */
static int read_sizes(Store *store, const char *top, const Strings *diff_ids, int64_t *sizes,
                      Error *err) {
        _cleanup_free_ char *id = xstrdup(top);

        for (size_t i = diff_ids->count; i > 0; i--) {
                _cleanup_(store_layer_unrefp)
                StoreLayer *layer = NULL;
                if (id && store_layer_get(store, id, &layer, err) < 0)
                        return -1;
                if (!layer || !layer->diff_digest ||
                    !text_equal(layer->diff_digest, diff_ids->items[i - 1]))
                        return error_set(err, ERR_CORRUPT, top,
                                         "the layers of the image are not those that its "
                                         "configuration names");
                sizes[i - 1] = layer->diff_size > 0 ? layer->diff_size : 0;
                free(id);
                id = layer->parent ? xstrdup(layer->parent) : NULL;
        }
        return 0;
}

/* --- the image --- */

static void replace(char **text, const char *by) {
        free(*text);
        *text = xstrdup(by);
}

/* The base's config up to here, and this step. */
static void compose(const ImageCommit *commit, ImageConfig *config) {
        const ImageCommitOptions *options = &commit->options;
        const ImageConfig *base = &options->base->config;
        const char *message = options->message ? options->message : "";

        image_config_init(config);
        config->created_ns = timestamp_now();
        replace(&config->author, text_is_empty(options->author) ? base->author : options->author);
        if (text_equal(commit->manifest_type, MEDIA_TYPE_DOCKER_MANIFEST))
                replace(&config->comment, message);
        replace(&config->architecture, base->architecture);
        replace(&config->variant, base->variant);
        replace(&config->os, base->os);
        image_settings_done(&config->settings);
        image_settings_copy(&config->settings, &commit->settings);
        for (size_t i = 0; i < base->diff_ids.count; i++)
                strings_add(&config->diff_ids, base->diff_ids.items[i]);
        strings_add(&config->diff_ids, store_staged_layer_content(commit->staged)->diff_digest);
        for (size_t i = 0; i < base->history_count; i++) {
                const ImageHistory *step = &base->history[i];
                image_config_add_history(config, step->created_ns, step->created_by, step->author,
                                         step->comment, step->is_empty_layer);
        }
        image_config_add_history(config, config->created_ns, options->created_by, options->author,
                                 message, false);
}

/* With its layer in the store, which is @layer_id. */
static int make_image(ImageCommit *commit, const char *layer_id, char **ret_id, Error *err) {
        Store *store = image_catalog_store(commit->catalog);
        _cleanup_image_documents_ ImageDocuments documents = IMAGE_DOCUMENTS_INIT;
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;

        compose(commit, &config);
        _cleanup_free_ int64_t *sizes = xnew(int64_t, config.diff_ids.count);
        if (read_sizes(store, layer_id, &config.diff_ids, sizes, err) < 0 ||
            image_documents_make(&config, sizes, commit->manifest_type, &documents, err) < 0 ||
            image_documents_record(&documents, store, layer_id, config.created_ns, commit->name,
                                   err) < 0)
                return -1;
        *ret_id = xstrdup(digest_hex(documents.config_digest));
        return 0;
}

static int commit_layer_and_image(ImageCommit *commit, const char *layer_id, char **ret_id,
                                  Error *err) {
        Store *store = image_catalog_store(commit->catalog);
        char id[DIGEST_HEX_SIZE + 1];

        if (store_layer_commit(commit->staged, commit->parent, id, err) < 0)
                return -1;
        if (make_image(commit, layer_id, ret_id, err) == 0)
                return 0;
        /* It stays if anything else is made of it. */
        (void)store_layer_delete(store, id, NULL);
        return -1;
}

/* No image of ours that has the same layer goes between the two, and takes it away. */
int image_commit_finish(ImageCommit *commit, char **ret_id, Error *err) {
        Store *store = image_catalog_store(commit->catalog);
        char id[DIGEST_HEX_SIZE + 1];

        if (store_chain_id(commit->parent, store_staged_layer_content(commit->staged)->diff_digest,
                           id) < 0 ||
            unfinished_begin(store, id, err) < 0)
                return -1;
        image_catalog_lock_names(commit->catalog);
        int r = commit_layer_and_image(commit, id, ret_id, err);
        image_catalog_unlock_names(commit->catalog);
        unfinished_end(store, id);
        return r;
}

ImageCommit *image_commit_free(ImageCommit *commit) {
        if (!commit)
                return NULL;
        store_staged_layer_free(commit->staged);
        image_settings_done(&commit->settings);
        free(commit->parent);
        free(commit);
        return NULL;
}
