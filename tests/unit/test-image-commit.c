/* SPDX-License-Identifier: Apache-2.0 */

/* image/commit and image/unfinished, on a real store: a container whose files are put there. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/commit.h"
#include "image/unfinished.h"
#include "oci/manifest.h"
#include "storage/layers.h"
#include "tests/unit/image-fixture.h"

#define LAYER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define OWN   "1111111111111111111111111111111111111111111111111111111111111111"

/* The base image, and a container of it with one new file. */
typedef struct Stage {
        Fixture *fixture;
        char *base_id;
        ImageDetails *base;
        ImageSettings settings;
        ImageCommitOptions options;
} Stage;

static void write_file(Fixture *fixture, const char *name, const char *text) {
        _cleanup_(store_layer_paths_done)
        StoreLayerPaths paths = { .lower = NULL };

        assert_int_equal(store_layer_paths(fixture->store, LAYER, &paths, NULL), 0);
        _cleanup_free_ char *path = xasprintf("%s/%s", paths.upper, name);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, text, strlen(text), 0644, false), 0);
}

static Stage *stage_new(Fixture *fixture) {
        Stage *stage = xnew(Stage, 1);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        Error err = ERROR_INIT;

        stage->fixture = fixture;
        fixture_make_tarballs(fixture);
        stage->base_id = fixture_import(fixture, &(ImageImportOptions){ .source = fixture->tar,
                                                                        .reference = "base" });
        assert_int_equal(store_image_get(fixture->store, stage->base_id, &image, NULL), 0);
        assert_int_equal(image_details(fixture->catalog, image, &stage->base, NULL), 0);
        const StoreContainerSpec spec = { .id = OWN,
                                          .layer_id = LAYER,
                                          .name = "own",
                                          .image = stage->base_id,
                                          .metadata = "{}" };
        if (store_container_create(fixture->store, &spec, &err) < 0)
                fail_msg("%s", err.text);
        write_file(fixture, "new", "text\n");
        image_settings_copy(&stage->settings, &stage->base->config.settings);
        stage->options = (ImageCommitOptions){
                .base = stage->base,
                .layer = LAYER,
                .settings = &stage->settings,
                .created_by = "sh -c x",
                .name = "made",
        };
        return stage;
}

static void stage_free(Stage **at) {
        Stage *stage = *at;

        assert_int_equal(store_container_delete(stage->fixture->store, OWN, LAYER, NULL), 0);
        image_details_unref(stage->base);
        image_settings_done(&stage->settings);
        free(stage->base_id);
        free(stage);
}

static size_t count_layers(Fixture *fixture) {
        _cleanup_free_ char *command = xasprintf("ls %s/overlay | grep -c '^[0-9a-f]*$'", //
                                                 fixture->root);
        _cleanup_free_ char *count =
                fixture_run((const char *const[]){ "/bin/sh", "-c", command, NULL });

        return (size_t)atol(count);
}

static int commit(Stage *stage, char **ret_id, Error *err) {
        _cleanup_(image_commit_freep)
        ImageCommit *commit = NULL;

        if (image_commit_new(stage->fixture->catalog, &stage->options, &commit, err) < 0 ||
            image_commit_copy(commit, err) < 0)
                return -1;
        return image_commit_finish(commit, ret_id, err);
}

static void assert_manifest(Stage *stage, const StoreImage *image, const char *type) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(
                store_image_read(stage->fixture->store, image, "manifest", &text, &size, NULL), 0);
        assert_int_equal(manifest_parse(text, size, &manifest, NULL), 0);
        assert_string_equal(manifest.media_type, type);
        assert_int_equal(manifest.layers_count, 2);
        assert_string_equal(manifest.layers[0].digest, stage->base->config.diff_ids.items[0]);
        assert_int_equal(manifest.layers[0].size, stage->base->layers_size);
        assert_true(manifest.layers[1].size > 0);
}

static void a_commit_adds_a_layer_and_a_step(void **state) {
        _cleanup_(stage_free)
        Stage *stage = stage_new(*state);
        const char *changes[] = { "ENV A=B" };
        Store *store = stage->fixture->store;
        _cleanup_free_ char *id = NULL;
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        _cleanup_(image_details_unrefp)
        ImageDetails *details = NULL;
        Error err = ERROR_INIT;

        stage->options.author = "me";
        stage->options.message = "why";
        stage->options.changes = changes;
        stage->options.changes_count = 1;
        if (commit(stage, &id, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(store_image_get(store, id, &image, NULL), 0);
        assert_string_equal(image->names.items[0], "localhost/made:latest");
        assert_manifest(stage, image, MEDIA_TYPE_OCI_MANIFEST);
        assert_int_equal(image_details(stage->fixture->catalog, image, &details, NULL), 0);
        const ImageConfig *config = &details->config;
        assert_string_equal(config->author, "me");
        assert_string_equal(config->comment, "");
        assert_int_equal(config->diff_ids.count, 2);
        assert_int_equal(config->history_count, 2);
        assert_string_equal(config->history[0].comment, stage->base->config.history[0].comment);
        assert_string_equal(config->history[1].comment, "why");
        assert_string_equal(config->history[1].created_by, "sh -c x");
        assert_int_equal(config->history[1].created_ns, config->created_ns);
        assert_string_equal(config->settings.env.items[0], "A=B");
}

static void docker_keeps_the_message_twice(void **state) {
        _cleanup_(stage_free)
        Stage *stage = stage_new(*state);
        _cleanup_free_ char *id = NULL;
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        _cleanup_(image_details_unrefp)
        ImageDetails *details = NULL;

        stage->options.format = "docker";
        stage->options.message = "why";
        assert_int_equal(commit(stage, &id, NULL), 0);
        assert_int_equal(store_image_get(stage->fixture->store, id, &image, NULL), 0);
        assert_manifest(stage, image, MEDIA_TYPE_DOCKER_MANIFEST);
        assert_int_equal(image_details(stage->fixture->catalog, image, &details, NULL), 0);
        assert_string_equal(details->config.comment, "why");
        assert_string_equal(details->config.history[1].comment, "why");
}

static void what_is_refused_changes_nothing(void **state) {
        static const struct {
                const char *name, *format, *change, *subject;
                size_t author_size, message_size;
                ErrorKind kind;
        } cases[] = {
                { .name = "", .subject = "image_name", .kind = ERR_INVALID },
                { .name = "A", .subject = "image_name", .kind = ERR_INVALID },
                { .format = "v2s2", .subject = "manifestType", .kind = ERR_INVALID },
                { .change = "X=1", .subject = "X=1", .kind = ERR_INVALID },
                { .author_size = IMAGE_AUTHOR_MAX + 1, .subject = "author", .kind = ERR_LIMIT },
                { .message_size = IMAGE_COMMIT_MESSAGE_MAX + 1,
                  .subject = "message",
                  .kind = ERR_LIMIT },
        };
        _cleanup_(stage_free)
        Stage *stage = stage_new(*state);
        const ImageCommitOptions usual = stage->options;
        size_t before = count_layers(stage->fixture);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char author[IMAGE_AUTHOR_MAX + 2] = "";
                _cleanup_free_ char *message = xnew(char, IMAGE_COMMIT_MESSAGE_MAX + 2), *id = NULL;
                Error err = ERROR_INIT;
                memset(author, 'x', cases[i].author_size);
                memset(message, 'x', cases[i].message_size);
                stage->options = usual;
                stage->options.name = cases[i].name ? cases[i].name : "made";
                stage->options.format = cases[i].format;
                stage->options.author = author;
                stage->options.message = message;
                stage->options.changes = &cases[i].change;
                stage->options.changes_count = cases[i].change ? 1 : 0;
                assert_int_equal(commit(stage, &id, &err), -1);
                assert_int_equal(err.kind, cases[i].kind);
                assert_string_equal(err.subject, cases[i].subject);
        }
        assert_int_equal(count_layers(stage->fixture), before);
}

static bool is_always_cancelled(void *userdata) {
        (void)userdata;
        return true;
}

static void what_is_not_finished_leaves_nothing(void **state) {
        _cleanup_(stage_free)
        Stage *stage = stage_new(*state);
        ImageCatalog *catalog = stage->fixture->catalog;
        size_t before = count_layers(stage->fixture);
        ImageCommit *commit = NULL;
        Error err = ERROR_INIT;

        assert_int_equal(image_commit_new(catalog, &stage->options, &commit, &err), 0);
        assert_int_equal(image_commit_copy(commit, &err), 0);
        image_commit_free(commit);
        assert_int_equal(count_layers(stage->fixture), before);

        stage->options.is_cancelled = is_always_cancelled;
        assert_int_equal(image_commit_new(catalog, &stage->options, &commit, &err), 0);
        assert_int_equal(image_commit_copy(commit, &err), -1);
        assert_int_equal(err.kind, ERR_CANCELLED);
        image_commit_free(commit);

        stage->options.is_cancelled = NULL;
        stage->options.layer = OWN; /* no such layer */
        assert_int_equal(image_commit_new(catalog, &stage->options, &commit, &err), 0);
        assert_int_equal(image_commit_copy(commit, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        image_commit_free(commit);
        assert_int_equal(count_layers(stage->fixture), before);
}

static void a_layer_whose_image_was_never_made_goes(void **state) {
        _cleanup_(stage_free)
        Stage *stage = stage_new(*state);
        Store *store = stage->fixture->store;
        _cleanup_(store_staged_layer_freep)
        StoreStagedLayer *staged = NULL;
        size_t before = count_layers(stage->fixture);
        char id[65];

        assert_int_equal(store_layer_stage_changes(store, LAYER, NULL, &staged, NULL), 0);
        assert_int_equal(store_chain_id(NULL, store_staged_layer_content(staged)->diff_digest, id),
                         0);
        assert_int_equal(unfinished_begin(store, id, NULL), 0);
        assert_int_equal(store_layer_commit(staged, NULL, id, NULL), 0);
        assert_int_equal(count_layers(stage->fixture), before + 1);
        /* One that somebody uses is no concern of ours: the base's. */
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        assert_int_equal(store_image_get(store, stage->base_id, &image, NULL), 0);
        assert_int_equal(unfinished_begin(store, image->layer, NULL), 0);

        unfinished_recover(store);
        assert_int_equal(count_layers(stage->fixture), before);
        _cleanup_free_ char *folder = xasprintf("%s/selkie/unfinished", stage->fixture->root);
        _cleanup_free_ char *left = fixture_run((const char *const[]){ "/bin/ls", folder, NULL });
        assert_string_equal(left, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_commit_adds_a_layer_and_a_step),
                TEST(docker_keeps_the_message_twice),
                TEST(what_is_refused_changes_nothing),
                TEST(what_is_not_finished_leaves_nothing),
                TEST(a_layer_whose_image_was_never_made_goes),
        };

        return cmocka_run_group_tests_name("image commit", tests, NULL, NULL);
}
