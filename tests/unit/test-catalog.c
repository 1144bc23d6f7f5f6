/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image/catalog, image/lookup, on a real store whose images are documents without
 * layers: what they are made of does not matter here.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "image/lookup.h"
#include "tests/unit/image-fixture.h"

static void expect_found(Fixture *fixture, const char *word, const char *id, const char *name) {
        _cleanup_image_match_ ImageMatch match = IMAGE_MATCH_INIT;
        Error err = ERROR_INIT;

        if (image_lookup(fixture->catalog, word, &match, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(match.image->id, id);
        if (name)
                assert_string_equal(match.name, name);
        else
                assert_null(match.name);
}

static void expect_missing(Fixture *fixture, const char *word) {
        ImageMatch match;
        Error err = ERROR_INIT;

        if (image_lookup(fixture->catalog, word, &match, &err) == 0)
                fail_msg("\"%s\" means %s", word, match.image->id);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
        assert_string_equal(err.subject, word);
}

static void images_are_found_by_what_people_type(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *busybox =
                fixture_add(fixture, "one", "docker.io/library/busybox:latest");
        _cleanup_free_ char *local = fixture_add(fixture, "two", "localhost/tool:1");
        _cleanup_free_ char *deep = fixture_add(fixture, "three", "quay.io:8443/a/b/tool2:latest");
        _cleanup_free_ char *untagged = fixture_add(fixture, "four", NULL);
        static const char *const busybox_words[] = {
                "busybox",
                "busybox:latest",
                "library/busybox",
                "docker.io/busybox",
                "docker.io/library/busybox",
                "index.docker.io/library/busybox",
                "docker://busybox",
                "containers-storage:busybox",
        };
        static const char *const missing[] = {
                "",
                "busyb",
                "busybox:1",
                "quay.io/busybox",
                "localhost/busybox",
                "Busybox",
                "box",
                "tool",
                "y/tool:1",
                "A/B:c:d",
                "a b",
                "/busybox",
                "docker://",
                "sha256:",
                "sha256:zz",
                "e/b/tool2",
                "quay.io:8443/tool2",
                "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        };

        for (size_t i = 0; i < ARRAY_SIZE(busybox_words); i++)
                expect_found(fixture, busybox_words[i], busybox,
                             "docker.io/library/busybox:latest");
        expect_found(fixture, "tool:1", local, "localhost/tool:1");
        expect_found(fixture, "localhost/tool:1", local, "localhost/tool:1");
        expect_found(fixture, "tool2", deep, "quay.io:8443/a/b/tool2:latest");
        expect_found(fixture, "b/tool2", deep, "quay.io:8443/a/b/tool2:latest");
        expect_found(fixture, "a/b/tool2", deep, "quay.io:8443/a/b/tool2:latest");
        expect_found(fixture, "quay.io:8443/a/b/tool2", deep, "quay.io:8443/a/b/tool2:latest");
        expect_found(fixture, untagged, untagged, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
                expect_missing(fixture, missing[i]);
}

static void ids_prefixes_and_digests(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *id = fixture_add(fixture, "one", "quay.io/x/y:1");
        _cleanup_free_ char *other = fixture_add(fixture, "two", "quay.io/x/z:1");
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        char word[256];

        assert_int_equal(store_image_get(fixture->store, id, &image, NULL), 0);
        expect_found(fixture, id, id, NULL);
        snprintf(word, sizeof(word), "sha256:%s", id);
        expect_found(fixture, word, id, NULL);
        snprintf(word, sizeof(word), "sha256:%.10s", id);
        expect_found(fixture, word, id, NULL);
        snprintf(word, sizeof(word), "%.10s", id);
        expect_found(fixture, word, id, NULL);
        snprintf(word, sizeof(word), "containers-storage:%.63s", id);
        expect_found(fixture, word, id, NULL);
        snprintf(word, sizeof(word), "quay.io/x/y@%s", image->digest);
        expect_found(fixture, word, id, NULL);
        snprintf(word, sizeof(word), "y@%s", image->digest);
        expect_found(fixture, word, id, NULL);
        snprintf(word, sizeof(word), "y:gone@%s",
                 image->digest); /* the digest says more than the tag */
        expect_found(fixture, word, id, NULL);
        expect_found(fixture, image->digest, id, NULL);
        snprintf(word, sizeof(word), "z@%s", image->digest);
        expect_missing(fixture, word);
        expect_found(fixture, "z:1", other, "quay.io/x/z:1");
        snprintf(word, sizeof(word), "%.10sX", id);
        expect_missing(fixture, word);
}

static void the_most_literal_meaning_wins(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *a = fixture_add(fixture, "a", "quay.io/tool:latest");
        char prefix_name[64];

        expect_found(fixture, "tool", a, "quay.io/tool:latest");
        _cleanup_free_ char *b = fixture_add(fixture, "b", "docker.io/library/tool:latest");
        expect_found(fixture, "tool", b, "docker.io/library/tool:latest");
        _cleanup_free_ char *c = fixture_add(fixture, "c", "localhost/tool:latest");
        expect_found(fixture, "tool", c, "localhost/tool:latest");
        _cleanup_free_ char *d = fixture_add(fixture, "d", "localhost/sub/tool:latest");
        expect_found(fixture, "tool", c, "localhost/tool:latest");

        /* A name beats the id of another image that begins the same. */
        snprintf(prefix_name, sizeof(prefix_name), "localhost/%.6s:latest", a);
        _cleanup_free_ char *e = fixture_add(fixture, "e", prefix_name);
        snprintf(prefix_name, sizeof(prefix_name), "%.6s", a);
        _cleanup_free_ char *full = xasprintf("localhost/%s:latest", prefix_name);
        expect_found(fixture, prefix_name, e, full);
        (void)d;
}

static void registries_conf_gives_short_names_a_meaning(void **state) {
        static const char conf[] = "unqualified-search-registries = ['b.example', 'a.example']\n"
                                   "[aliases]\nnick = 'c.example/real'\ngone = ''\n";
        Fixture *fixture = *state;
        _cleanup_registries_ Registries registries = REGISTRIES_INIT;

        assert_int_equal(registries_parse(&registries, "t", conf, strlen(conf), false, NULL), 0);
        image_catalog_free(fixture->catalog);
        fixture->catalog = image_catalog_new(fixture->store, &registries);
        _cleanup_free_ char *a = fixture_add(fixture, "a", "docker.io/library/tool:1");
        expect_found(fixture, "tool:1", a, "docker.io/library/tool:1");
        _cleanup_free_ char *b = fixture_add(fixture, "b", "a.example/tool:1");
        expect_found(fixture, "tool:1", b, "a.example/tool:1");
        _cleanup_free_ char *c = fixture_add(fixture, "c", "b.example/tool:1");
        expect_found(fixture, "tool:1", c, "b.example/tool:1");
        _cleanup_free_ char *d = fixture_add(fixture, "d", "localhost/tool:1");
        expect_found(fixture, "tool:1", d, "localhost/tool:1");
        _cleanup_free_ char *e = fixture_add(fixture, "e", "localhost/nick:latest");
        expect_found(fixture, "nick", e, "localhost/nick:latest");
        _cleanup_free_ char *f = fixture_add(fixture, "f", "c.example/real:latest");
        expect_found(fixture, "nick", f, "c.example/real:latest");
        expect_missing(fixture, "gone");
        image_catalog_free(fixture->catalog);
        fixture->catalog = image_catalog_new(fixture->store, NULL);
}

static void what_means_several_images_is_refused(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *a = fixture_add(fixture, "a", "quay.io/x/tool:latest");
        _cleanup_free_ char *b = fixture_add(fixture, "b", "ghcr.io/x/tool:latest");
        const char *more[] = { "quay.io/x/same:latest", "ghcr.io/x/same:latest" };
        _cleanup_free_ char *c = fixture_add_config(fixture, "{}", more, 2);
        ImageMatch match;
        Error err = ERROR_INIT;

        assert_int_equal(image_lookup(fixture->catalog, "tool", &match, &err), -1);
        assert_int_equal(err.kind, ERR_AMBIGUOUS);
        assert_string_equal(err.subject, "tool");
        assert_non_null(strstr(err.text, "quay.io/x/tool:latest"));
        assert_non_null(strstr(err.text, "ghcr.io/x/tool:latest"));
        expect_found(fixture, "quay.io/x/tool", a, "quay.io/x/tool:latest");
        expect_found(fixture, "same", c, "quay.io/x/same:latest"); /* two names of one image */

        /* Twenty images share one of sixteen first digits somewhere. */
        char digits[16] = { 0 }, prefix[2] = "";
        for (int i = 0; i < 20 && !*prefix; i++) {
                char author[8];
                snprintf(author, sizeof(author), "n%d", i);
                _cleanup_free_ char *id = fixture_add(fixture, author, NULL);
                int digit = *id <= '9' ? *id - '0' : *id - 'a' + 10;
                if (digits[digit]++)
                        *prefix = *id;
        }
        assert_int_equal(image_lookup(fixture->catalog, prefix, &match, &err), -1);
        assert_int_equal(err.kind, ERR_AMBIGUOUS);
        (void)b;
}

static const char by_digest[] =
        "quay.io/b@sha256:11beee1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62f5";

static void a_list_shows_names_digests_labels(void **state) {
        Fixture *fixture = *state;
        const char *names[] = { "localhost:5077/x/y:t", "quay.io/a:1", "quay.io/a:2", by_digest };
        static const char config[] = "{\"config\":{\"Labels\":{\"b\":\"2\",\"a\":\"1\"}}}";
        _cleanup_free_ char *id = fixture_add_config(fixture, config, names, ARRAY_SIZE(names));
        _cleanup_free_ char *bare = fixture_add(fixture, "bare", NULL);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        ImageSummary *list, one;
        size_t count;
        char digest[256];

        assert_int_equal(image_list(fixture->catalog, &arena, &list, &count, NULL), 0);
        assert_int_equal(count, 2);
        assert_int_equal(store_image_get(fixture->store, id, &image, NULL), 0);
        assert_string_equal(list[0].id, id);
        assert_int_equal(list[0].created_ns, 42 * NS_PER_SEC);
        assert_int_equal(list[0].repo_tags_count, 3);
        assert_string_equal(list[0].repo_tags[0], "localhost:5077/x/y:t");
        assert_int_equal(list[0].repo_digests_count, 4); /* quay.io/a once, quay.io/b by both */
        snprintf(digest, sizeof(digest), "localhost:5077/x/y@%s", image->digest);
        assert_string_equal(list[0].repo_digests[0], digest);
        assert_string_equal(list[0].repo_digests[3], names[3]);
        assert_int_equal(list[0].labels_count, 2);
        assert_string_equal(list[0].labels[0].key, "a");
        assert_string_equal(list[0].labels[1].value, "2");
        /* No layers: only the documents. */
        assert_int_equal(list[0].size, image->big_data[0].size + image->big_data[1].size);
        assert_true(list[0].size > (int64_t)strlen(config));
        assert_string_equal(list[1].id, bare);
        assert_int_equal(list[1].repo_tags_count, 0);
        assert_int_equal(list[1].repo_digests_count, 0);

        assert_int_equal(image_summarize(fixture->catalog, image, &arena, &one, NULL), 0);
        assert_string_equal(one.id, id);
        assert_int_equal(one.size, list[0].size);
}

static void broken_images_do_not_break_the_list(void **state) {
        Fixture *fixture = *state;
        static const char *const configs[] = { "{\"config\":{\"Env\":1}}", "no json", "{}" };
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        ImageSummary *list;
        size_t count;

        for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
                _cleanup_free_ char *id = fixture_add_config(fixture, configs[i], NULL, 0);
                _cleanup_(store_image_unrefp)
                StoreImage *image = NULL;
                ImageDetails *details;
                Error err = ERROR_INIT;
                assert_int_equal(store_image_get(fixture->store, id, &image, NULL), 0);
                if (i == 2) { /* not what the digest says: flip a byte of the file */
                        char path[512], pattern[512];
                        _cleanup_free_ char *key = xasprintf("sha256:%s", id);
                        _cleanup_free_ char *name = base64_encode(key, strlen(key));
                        snprintf(pattern, sizeof(pattern), "%s/overlay-images/%s", fixture->root,
                                 id);
                        snprintf(path, sizeof(path), "%s/=%s", pattern, name);
                        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, "[]", 2, 0600, false),
                                         0);
                }
                assert_int_equal(image_details(fixture->catalog, image, &details, &err), -1);
                assert_int_equal(err.kind, ERR_CORRUPT);
                assert_non_null(strstr(err.text, id));
        }
        assert_int_equal(image_list(fixture->catalog, &arena, &list, &count, NULL), 0);
        assert_int_equal(count, 3);
        assert_int_equal(list[0].labels_count, 0);
}

static void details_are_kept_and_forgotten(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *id = fixture_add(fixture, "one", "localhost/one:latest");
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        ImageDetails *first, *second, *third;

        assert_int_equal(store_image_get(fixture->store, id, &image, NULL), 0);
        assert_int_equal(image_details(fixture->catalog, image, &first, NULL), 0);
        assert_int_equal(image_details(fixture->catalog, image, &second, NULL), 0);
        assert_ptr_equal(first, second);
        assert_string_equal(first->config.author, "one");
        image_catalog_forget(fixture->catalog, id);
        image_catalog_forget(fixture->catalog, id);
        assert_int_equal(image_details(fixture->catalog, image, &third, NULL), 0);
        assert_ptr_not_equal(first, third);
        assert_string_equal(first->config.author, "one"); /* still ours */
        image_details_unref(first);
        image_details_unref(second);
        image_details_unref(third);
}

static double now_ms(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void five_hundred_images_are_listed_quickly(void **state) {
        Fixture *fixture = *state;
        double best = 1e9, found = 1e9;
        char text[64];

        for (int i = 0; i < 500; i++) {
                char name[64];
                snprintf(text, sizeof(text), "author %d", i);
                snprintf(name, sizeof(name), "quay.io/somebody/image-%d:latest", i);
                free(fixture_add(fixture, text, name));
        }
        for (int round = 0; round < 10; round++) {
                Arena arena = ARENA_INIT;
                ImageSummary *list;
                StoreImage *image;
                size_t count;
                double start = now_ms();
                assert_int_equal(image_list(fixture->catalog, &arena, &list, &count, NULL), 0);
                double end = now_ms();
                best = end - start < best ? end - start : best;
                assert_int_equal(count, 500);
                arena_done(&arena);
                start = now_ms();
                assert_int_equal(image_find(fixture->catalog, "image-250", &image, NULL), 0);
                end = now_ms();
                found = end - start < found ? end - start : found;
                store_image_unref(image);
        }
        print_message("list of 500: %.3f ms, lookup among 500: %.3f ms\n", best, found);
        assert_true(best < 10);
        assert_true(found < 10);
}

static void the_cache_is_bounded(void **state) {
        Fixture *fixture = *state;
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        /* Configs of 1 MiB: one more than the cache may hold. */
        const size_t size = 1024 * 1024, n = IMAGE_CACHE_BYTES_MAX / size + 1;
        char *text = xnew(char, size + 1);
        ImageSummary *list;
        size_t count, kept = 0;
        Strings ids = STRINGS_INIT;

        for (size_t i = 0; i < n; i++) {
                memset(text, ' ', size);
                int head = snprintf(text, size, "{\"author\":\"%zu\"}", i);
                text[head] = ' ';
                strings_take(&ids, fixture_add_config(fixture, text, NULL, 0));
        }
        assert_int_equal(image_list(fixture->catalog, &arena, &list, &count, NULL), 0);
        for (int round = 0; round < 2; round++) {
                kept = 0;
                for (size_t i = 0; i < n; i++) {
                        _cleanup_(store_image_unrefp)
                        StoreImage *image = NULL;
                        ImageDetails *first, *second;
                        if (store_image_get(fixture->store, ids.items[i], &image, NULL) < 0)
                                continue;
                        assert_int_equal(image_details(fixture->catalog, image, &first, NULL), 0);
                        assert_int_equal(image_details(fixture->catalog, image, &second, NULL), 0);
                        kept += first == second;
                        image_details_unref(first);
                        image_details_unref(second);
                }
                assert_int_equal(kept, n - 1);
                /* An image that another tool removes makes room for the one left out. */
                if (round == 0)
                        assert_int_equal(store_image_delete(fixture->store, ids.items[0], NULL), 0);
        }
        strings_done(&ids);
        free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(images_are_found_by_what_people_type),
                TEST(ids_prefixes_and_digests),
                TEST(the_most_literal_meaning_wins),
                TEST(registries_conf_gives_short_names_a_meaning),
                TEST(what_means_several_images_is_refused),
                TEST(a_list_shows_names_digests_labels),
                TEST(broken_images_do_not_break_the_list),
                TEST(details_are_kept_and_forgotten),
                TEST(five_hundred_images_are_listed_quickly),
                TEST(the_cache_is_bounded),
        };
        return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
