/* SPDX-License-Identifier: Apache-2.0 */
#include "image/inspect.h"

#include "base/timestamp.h"
#include "oci/digest.h"
#include "oci/document.h"
#include "oci/manifest.h"

static json_t *time_of(int64_t t) {
        char text[TIMESTAMP_TEXT_MAX];

        return json_string(timestamp_format_rfc3339(t, text));
}

static json_t *format_settings(const ImageSettings *settings) {
        json_t *json = json_object();

        document_put(json, "User", json_string(settings->user));
        document_put(json, "ExposedPorts", document_set(&settings->exposed_ports));
        document_put(json, "Env", document_list(settings->env.items, settings->env.count));
        document_put(json, "Entrypoint",
                     document_list(settings->entrypoint.items, settings->entrypoint.count));
        document_put(json, "Cmd", document_list(settings->cmd.items, settings->cmd.count));
        document_put(json, "Volumes", document_set(&settings->volumes));
        document_put(json, "WorkingDir", json_string(settings->working_dir));
        document_put(json, "Labels", document_map(&settings->labels));
        document_put(json, "StopSignal", json_string(settings->stop_signal));
        document_put_strings(json, "OnBuild", &settings->on_build);
        return json;
}

static json_t *format_history(const ImageConfig *config) {
        json_t *array = json_array();

        for (size_t i = 0; i < config->history_count; i++) {
                const ImageHistory *h = &config->history[i];
                json_t *entry = json_object();
                document_put(entry, "created", time_of(h->created_ns));
                document_put(entry, "created_by", json_string(h->created_by));
                document_put_text(entry, "author", h->author);
                document_put_text(entry, "comment", h->comment);
                if (h->is_empty_layer)
                        document_put(entry, "empty_layer", json_true());
                document_append(array, entry);
        }
        return array;
}

static json_t *format_rootfs(const Strings *diff_ids) {
        json_t *json = json_object();

        document_put(json, "Type", json_string("layers"));
        document_put(json, "Layers", document_list(diff_ids->items, diff_ids->count));
        return json;
}

static int format_graph_driver(Store *store, const char *layer, json_t *take_json, Error *err) {
        _cleanup_(store_layer_paths_done)
        StoreLayerPaths paths = { .lower = NULL };
        json_t *data = json_object();

        document_put(take_json, "Name", json_string(store_driver(store)));
        document_put(take_json, "Data", data);
        if (!layer)
                return 0;
        if (store_layer_paths(store, layer, &paths, err) < 0)
                return -1;
        document_put_text(data, "LowerDir", paths.lower);
        document_put(data, "MergedDir", json_string(paths.merged));
        document_put(data, "UpperDir", json_string(paths.upper));
        document_put(data, "WorkDir", json_string(paths.work));
        return 0;
}

/*
 * Docker's configs have a comment of their own. OCI's have none: there the original and podman
 * show that of the oldest layer, which an import sets.
 */
static const char *comment_of(const ImageConfig *config, const Manifest *manifest) {
        if (*config->comment || !config->history_count ||
            !text_equal(manifest->media_type, MEDIA_TYPE_OCI_MANIFEST))
                return config->comment;
        return config->history[0].comment;
}

static void put_names(json_t *json, const ImageSummary *summary) {
        document_put(json, "RepoTags", document_list(summary->repo_tags, summary->repo_tags_count));
        document_put(json, "RepoDigests",
                     document_list(summary->repo_digests, summary->repo_digests_count));
}

static void put_config(json_t *json, const ImageConfig *config, const char *comment) {
        document_put(json, "Parent", json_string(""));
        document_put(json, "Comment", json_string(comment));
        document_put(json, "Created", time_of(config->created_ns));
        document_put(json, "Config", format_settings(&config->settings));
        document_put(json, "ContainerConfig", format_settings(&config->settings));
        document_put(json, "Version", json_string(config->docker_version));
        document_put(json, "Author", json_string(config->author));
        document_put(json, "Architecture", json_string(config->architecture));
        document_put(json, "Os", json_string(config->os));
}

static int read_manifest(Store *store, const StoreImage *image, Manifest *ret, Error *err) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (store_image_read(store, image, "manifest", &text, &size, err) < 0)
                return -1;
        if (manifest_parse(text, size, ret, err) < 0)
                return error_prefix(err, "image %s", image->id);
        return 0;
}

int image_inspect(ImageCatalog *catalog, const StoreImage *image, char **ret_json, Error *err) {
        Store *store = image_catalog_store(catalog);
        _cleanup_(image_details_unrefp)
        ImageDetails *details = NULL;
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        json_auto_t *json = json_object(), *graph_driver = json_object();
        ImageSummary summary;

        if (image_details(catalog, image, &details, err) < 0 ||
            image_summarize(catalog, image, &arena, &summary, err) < 0 ||
            read_manifest(store, image, &manifest, err) < 0 ||
            format_graph_driver(store, image->layer, graph_driver, err) < 0)
                return -1;
        const ImageConfig *config = &details->config;
        document_put(json, "Id", json_string(image->id));
        document_put(json, "Digest", json_string(image->digest ? image->digest : ""));
        put_names(json, &summary);
        put_config(json, config, comment_of(config, &manifest));
        document_put(json, "Size", json_integer(summary.size));
        document_put(json, "VirtualSize", json_integer(summary.size));
        document_put(json, "GraphDriver", json_incref(graph_driver));
        document_put(json, "RootFS", format_rootfs(&config->diff_ids));
        document_put(json, "Labels", document_map(&config->settings.labels));
        document_put(json, "Annotations", document_map(&manifest.annotations));
        document_put(json, "ManifestType", json_string(manifest.media_type));
        document_put(json, "User", json_string(config->settings.user));
        document_put(json, "History", format_history(config));
        document_put(json, "NamesHistory",
                     document_list(image->names_history.items, image->names_history.count));
        if (config->settings.healthcheck)
                document_put(json, "Healthcheck",
                             json_loads(config->settings.healthcheck, 0, NULL));
        *ret_json = document_format(json, NULL);
        return 0;
}
