/* SPDX-License-Identifier: Apache-2.0 */

/* image/import, on a real store, with a root file system made of Debian's busybox. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "image/remove.h"
#include "oci/digest.h"
#include "tests/unit/image-fixture.h"

/* How many images, layers or, in `tmp`, anything at all a folder below the store's root holds. */
static size_t entries(Fixture *fixture, const char *name) {
        bool takes_all = text_equal(name, "tmp");
        char path[128];
        size_t count = 0;

        snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
        DIR *folder = opendir(path);
        if (!folder)
                return 0;
        for (struct dirent *entry; (entry = readdir(folder));)
                count += entry->d_name[0] != '.' &&
                         (takes_all || strlen(entry->d_name) == DIGEST_HEX_SIZE);
        assert_int_equal(closedir(folder), 0);
        return count;
}

typedef struct Count {
        size_t images, layers, folders, staging;
} Count;

static Count count(Fixture *fixture) {
        _cleanup_(store_images_done)
        StoreImages images = { .items = NULL };

        assert_int_equal(store_images(fixture->store, &images, NULL), 0);
        return (Count){ images.count, entries(fixture, "overlay"),
                        entries(fixture, "overlay-images"), entries(fixture, "tmp") };
}

static void expect_same_count(Fixture *fixture, Count before) {
        Count after = count(fixture);

        assert_int_equal(after.images, before.images);
        assert_int_equal(after.layers, before.layers);
        assert_int_equal(after.folders, before.folders);
        assert_int_equal(after.staging, before.staging);
}

static void expect_failure(Fixture *fixture, const ImageImportOptions *options, ErrorKind kind,
                           const char *words) {
        Count before = count(fixture);
        Error err = ERROR_INIT;
        char *id;

        if (image_import(fixture->catalog, options, &id, &err) == 0)
                fail_msg("%s was imported", options->source);
        if (err.kind != kind || !strstr(err.text, words))
                fail_msg("%s: %s", error_kind_name(err.kind), err.text);
        expect_same_count(fixture, before);
}

static void a_tarball_becomes_an_image(void **state) {
        Fixture *fixture = *state;
        const char *changes[] = { "CMD=/bin/sh", "ENV=A=B", "LABEL=a=b" };
        const ImageImportOptions options = { .source = fixture->tar,
                                             .reference = "busybox",
                                             .message = "for the test",
                                             .changes = changes,
                                             .changes_count = 3 };
        _cleanup_free_ char *id = fixture_import(fixture, &options);
        _cleanup_(image_details_unrefp)
        ImageDetails *details = NULL;
        _cleanup_image_match_ ImageMatch match = IMAGE_MATCH_INIT;
        struct stat status;
        char text[TIMESTAMP_TEXT_MAX];

        assert_int_equal(image_lookup(fixture->catalog, "busybox", &match, NULL), 0);
        assert_string_equal(match.name, "localhost/busybox:latest");
        assert_string_equal(match.image->id, id);
        assert_int_equal(image_details(fixture->catalog, match.image, &details, NULL), 0);
        const ImageConfig *config = &details->config;
        assert_string_equal(timestamp_format_rfc3339(config->created_ns, text),
                            "2023-11-14T22:13:20.123456789Z");
        assert_int_equal(match.image->created_ns, config->created_ns);
        assert_string_equal(config->os, "linux");
        assert_int_equal(config->settings.cmd.count, 1);
        assert_string_equal(config->settings.cmd.items[0], "/bin/sh");
        assert_int_equal(config->settings.env.count, 1);
        assert_string_equal(config->settings.env.items[0], "A=B");
        assert_int_equal(config->diff_ids.count, 1);
        assert_string_equal(config->diff_ids.items[0] + strlen("sha256:"), match.image->layer);
        assert_int_equal(config->history_count, 1);
        assert_string_equal(config->history[0].comment, "for the test");
        assert_non_null(strstr(config->history[0].created_by, match.image->layer));

        assert_int_equal(stat(fixture->tar, &status), 0);
        assert_int_equal(details->layers_size, status.st_size);
        int64_t documents = 0;
        for (size_t i = 0; i < match.image->big_data_count; i++)
                documents += match.image->big_data[i].size;
        assert_true(documents > 500);
        assert_int_equal(image_size(match.image, details), status.st_size + documents);
}

static void the_same_content_is_the_same_image(void **state) {
        Fixture *fixture = *state;
        ImageImportOptions options = { .source = fixture->tar };
        _cleanup_free_ char *untagged = fixture_import(fixture, &options);
        options.reference = "quay.io/a/b:1";
        _cleanup_free_ char *tagged = fixture_import(fixture, &options);
        options.reference = "again";
        options.source = fixture->gz;
        _cleanup_free_ char *compressed = fixture_import(fixture, &options);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL, *other = NULL;

        assert_string_equal(untagged, tagged);
        assert_string_equal(untagged, compressed);
        assert_int_equal(store_image_get(fixture->store, untagged, &image, NULL), 0);
        assert_int_equal(image->names.count, 2);
        assert_true(strings_contains(&image->names, "quay.io/a/b:1"));
        assert_true(strings_contains(&image->names, "localhost/again:latest"));

        options.message = "other"; /* another image, to which the name moves */
        _cleanup_free_ char *different = fixture_import(fixture, &options);
        assert_string_not_equal(untagged, different);
        assert_int_equal(store_image_get(fixture->store, different, &other, NULL), 0);
        assert_string_equal(other->layer, image->layer);
        store_image_unref(image);
        assert_int_equal(store_image_get(fixture->store, untagged, &image, NULL), 0);
        assert_int_equal(image->names.count, 1);
}

static void a_bad_request_reads_nothing(void **state) {
        Fixture *fixture = *state;
        const char *change = "FOO";
        char *long_message = xnew(char, IMAGE_MESSAGE_MAX + 2);
        const ImageImportOptions bad_reference = { .source = "/nosuch.tar",
                                                   .reference = "Bad Ref" };
        const ImageImportOptions digest = {
                .source = "/nosuch.tar",
                .reference =
                        "a@sha256:11beee1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62f5"
        };
        const ImageImportOptions bad_change = { .source = "/nosuch.tar",
                                                .changes = &change,
                                                .changes_count = 1 };
        const ImageImportOptions bad_message = { .source = "/nosuch.tar", .message = "\xff" };
        ImageImportOptions long_one = { .source = fixture->tar, .message = long_message };

        expect_failure(fixture, &bad_reference, ERR_INVALID, "\"Bad Ref\"");
        expect_failure(fixture, &digest, ERR_INVALID, "digest");
        expect_failure(fixture, &bad_change, ERR_INVALID, "no value given for instruction \"FOO\"");
        expect_failure(fixture, &bad_message, ERR_INVALID, "UTF-8");
        memset(long_message, 'm', IMAGE_MESSAGE_MAX + 1);
        expect_failure(fixture, &long_one, ERR_LIMIT, "message");
        long_message[IMAGE_MESSAGE_MAX] = '\0';
        free(fixture_import(fixture, &long_one));
        free(long_message);
}

static void write_file(const char *path, const void *data, size_t size) {
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, data, size, 0600, false), 0);
}

static void bad_sources_leave_nothing(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *tar = NULL;
        char path[96];
        size_t size;
        ImageImportOptions options = { .source = path, .reference = "x" };

        snprintf(path, sizeof(path), "/nosuch.tar");
        expect_failure(fixture, &options, ERR_NOT_FOUND, "No such file");
        snprintf(path, sizeof(path), "%s", fixture->dir);
        expect_failure(fixture, &options, ERR_INVALID, "folder");
        snprintf(path, sizeof(path), "/dev/zero");
        expect_failure(fixture, &options, ERR_INVALID, "no regular file");
        snprintf(path, sizeof(path), "%s/fifo", fixture->dir);
        assert_int_equal(mkfifo(path, 0600), 0);
        expect_failure(fixture, &options, ERR_INVALID, "no regular file");
        snprintf(path, sizeof(path), "http://127.0.0.1:1/x.tar");
        expect_failure(fixture, &options, ERR_NOT_FOUND, "http://127.0.0.1:1/x.tar");
        *path = '\0';
        expect_failure(fixture, &options, ERR_INVALID, "no source");

        snprintf(path, sizeof(path), "%s/bad.tar", fixture->dir);
        write_file(path, "this is no tar archive, just words\n", 35);
        expect_failure(fixture, &options, ERR_LAYER_CORRUPT, path);
        assert_int_equal(file_read_at(AT_FDCWD, fixture->tar, 64 << 20, &tar, &size), 0);
        write_file(path, tar, size / 2);
        expect_failure(fixture, &options, ERR_LAYER_CORRUPT, path);
        free(TAKE_PTR(tar));
        assert_int_equal(file_read_at(AT_FDCWD, fixture->gz, 64 << 20, &tar, &size), 0);
        write_file(path, tar, size / 2);
        expect_failure(fixture, &options, ERR_LAYER_CORRUPT, path);
        tar[size / 2] = (char)~tar[size / 2];
        write_file(path, tar, size);
        expect_failure(fixture, &options, ERR_LAYER_CORRUPT, path);
}

static bool cancel(void *userdata) {
        size_t *asked = userdata;

        (*asked)++;
        return true;
}

static void imports_can_be_cancelled(void **state) {
        Fixture *fixture = *state;
        size_t asked = 0;
        const ImageImportOptions options = { .source = fixture->tar,
                                             .is_cancelled = cancel,
                                             .userdata = &asked };

        expect_failure(fixture, &options, ERR_CANCELLED, fixture->tar);
        assert_true(asked > 0);
}

#define IMPORT_THREADS 4
#define IMPORT_ROUNDS  10

static void *import_and_remove(void *userdata) {
        Fixture *fixture = userdata;
        const ImageImportOptions options = { .source = fixture->tar };
        uintptr_t failures = 0;

        for (int i = 0; i < IMPORT_ROUNDS; i++) {
                _cleanup_image_remove_plan_ ImageRemovePlan plan = IMAGE_REMOVE_PLAN_INIT;
                Error err = ERROR_INIT;
                char *id = NULL;
                if (image_import(fixture->catalog, &options, &id, &err) < 0) {
                        print_message("%s\n", err.text);
                        failures++;
                        continue;
                }
                /* Another thread may remove it first: the same content is the same image. */
                if (image_remove_plan(fixture->catalog, id, true, &plan, NULL) == 0)
                        (void)image_remove(fixture->catalog, &plan, NULL);
                free(id);
        }
        return (void *)failures;
}

static void imports_and_removals_of_one_image_at_once(void **state) {
        Fixture *fixture = *state;
        Count before = count(fixture);
        pthread_t threads[IMPORT_THREADS];

        for (int i = 0; i < IMPORT_THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, import_and_remove, fixture), 0);
        uintptr_t failures = 0;
        for (int i = 0; i < IMPORT_THREADS; i++) {
                void *result;
                assert_int_equal(pthread_join(threads[i], &result), 0);
                failures += (uintptr_t)result;
        }
        assert_int_equal(failures, 0);
        expect_same_count(fixture, before);
}

static int setup(void **state) {
        if (fixture_setup(state) < 0)
                return -1;
        fixture_make_tarballs(*state);
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_tarball_becomes_an_image),  TEST(the_same_content_is_the_same_image),
                TEST(a_bad_request_reads_nothing), TEST(bad_sources_leave_nothing),
                TEST(imports_can_be_cancelled),    TEST(imports_and_removals_of_one_image_at_once),
        };
        return cmocka_run_group_tests_name("image import", tests, NULL, NULL);
}
