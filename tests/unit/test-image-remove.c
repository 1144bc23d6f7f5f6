/* SPDX-License-Identifier: Apache-2.0 */

/* image/remove, image/prune and image/tag, on a real store with images without layers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "image/prune.h"
#include "image/remove.h"
#include "image/tag.h"
#include "tests/unit/image-fixture.h"

static void expect_missing(Fixture *fixture, const char *word) {
        StoreImage *image;
        Error err = ERROR_INIT;

        assert_int_equal(image_find(fixture->catalog, word, &image, &err), -1);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
}

static char *add_container(Fixture *fixture, const char *image, char digit) {
        char id[65], layer[65];
        Error err = ERROR_INIT;

        memset(id, digit, 64);
        memset(layer, digit, 64);
        id[64] = layer[64] = '\0';
        layer[0] = 'f';
        const StoreContainerSpec spec = {
                .id = id, .layer_id = layer, .name = id, .image = image, .metadata = "{}"
        };
        if (store_container_create(fixture->store, &spec, &err) < 0)
                fail_msg("%s", err.text);
        return xstrdup(id);
}

static void remove_ok(Fixture *fixture, const char *word, bool force, const char *id) {
        _cleanup_image_remove_plan_ ImageRemovePlan plan = IMAGE_REMOVE_PLAN_INIT;
        Error err = ERROR_INIT;

        if (image_remove_plan(fixture->catalog, word, force, &plan, &err) < 0 ||
            image_remove(fixture->catalog, &plan, &err) < 0)
                fail_msg("%s", err.text);
        assert_string_equal(plan.id, id);
}

static const char many_names[] =
        "unable to delete %s (must force) - image is referred to in multiple tags";
static const char is_used[] = "could not remove image %s as it is being used by 1 containers";

static void expect_refusal(Fixture *fixture, const char *word, const char *sentence,
                           const char *id) {
        const char *hole = strstr(sentence, "%s");
        ImageRemovePlan plan;
        Error err = ERROR_INIT;

        _cleanup_free_ char *expected =
                xasprintf("%.*s%s%s", (int)(hole - sentence), sentence, id, hole + 2);
        assert_int_equal(image_remove_plan(fixture->catalog, word, false, &plan, &err), -1);
        assert_int_equal(err.kind, ERR_IN_USE);
        assert_string_equal(err.subject, id);
        assert_string_equal(err.text, expected);
}

static void names_go_before_images(void **state) {
        Fixture *fixture = *state;
        const char *names[] = { "localhost/a:1", "localhost/a:2", "quay.io/a/b:1" };
        _cleanup_free_ char *id = fixture_add_config(fixture, "{}", names, 3);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;

        expect_refusal(fixture, id, many_names, id);
        remove_ok(fixture, "quay.io/a/b:1", false, id);
        remove_ok(fixture, "a:2", true, id); /* force does not make a name mean its image */
        assert_int_equal(store_image_get(fixture->store, id, &image, NULL), 0);
        assert_int_equal(image->names.count, 1);
        assert_string_equal(image->names.items[0], "localhost/a:1");
        expect_missing(fixture, "b:1");
        remove_ok(fixture, "a:1", false, id);
        expect_missing(fixture, id);
}

static void by_id_all_names_need_force(void **state) {
        Fixture *fixture = *state;
        const char *names[] = { "localhost/a:1", "localhost/a:2" };
        _cleanup_free_ char *id = fixture_add_config(fixture, "{}", names, 2);
        _cleanup_free_ char *bare = fixture_add(fixture, "bare", NULL);
        char prefix[13];

        snprintf(prefix, sizeof(prefix), "%.12s", id);
        expect_refusal(fixture, prefix, many_names, id);
        remove_ok(fixture, prefix, true, id);
        expect_missing(fixture, "a:1");
        remove_ok(fixture, bare, false, bare);
        expect_missing(fixture, bare);
}

static void containers_stand_in_the_way(void **state) {
        Fixture *fixture = *state;
        const char *names[] = { "localhost/a:1", "localhost/a:2" };
        _cleanup_free_ char *id = fixture_add_config(fixture, "{}", names, 2);
        _cleanup_free_ char *container = add_container(fixture, id, '1');
        _cleanup_image_remove_plan_ ImageRemovePlan plan = IMAGE_REMOVE_PLAN_INIT;
        Error err = ERROR_INIT;
        char layer[65];

        expect_refusal(fixture, id, is_used, id);
        remove_ok(fixture, "a:2", false, id); /* one of two names: only untags */
        expect_refusal(fixture, "a:1", is_used, id);
        assert_int_equal(image_remove_plan(fixture->catalog, "a:1", true, &plan, &err), 0);
        assert_null(plan.untag);
        assert_int_equal(plan.containers.count, 1);
        assert_string_equal(plan.containers.items[0], container);

        assert_int_equal(image_remove(fixture->catalog, &plan, &err), -1); /* still there */
        assert_int_equal(err.kind, ERR_IN_USE);
        assert_string_equal(err.subject, id);
        assert_non_null(strstr(err.text, container));
        memset(layer, '1', 64);
        layer[0] = 'f';
        layer[64] = '\0';
        assert_int_equal(store_container_delete(fixture->store, container, layer, &err), 0);
        assert_int_equal(image_remove(fixture->catalog, &plan, &err), 0);
        assert_int_equal(image_remove(fixture->catalog, &plan, &err), -1);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
}

#define UNTAG_THREADS 8

typedef struct Untagger {
        Fixture *fixture;
        char name[64];
} Untagger;

static void *untag_one(void *userdata) {
        Untagger *untagger = userdata;
        _cleanup_image_remove_plan_ ImageRemovePlan plan = IMAGE_REMOVE_PLAN_INIT;

        if (image_remove_plan(untagger->fixture->catalog, untagger->name, false, &plan, NULL) == 0)
                (void)image_remove(untagger->fixture->catalog, &plan, NULL);
        return NULL;
}

static void names_removed_at_once_are_all_gone(void **state) {
        Fixture *fixture = *state;
        Untagger untaggers[UNTAG_THREADS];
        pthread_t threads[UNTAG_THREADS];
        const char *names[UNTAG_THREADS + 1];
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;

        for (int i = 0; i < UNTAG_THREADS; i++) {
                untaggers[i].fixture = fixture;
                snprintf(untaggers[i].name, sizeof(untaggers[i].name), "localhost/n:%d", i);
                names[i] = untaggers[i].name;
        }
        names[UNTAG_THREADS] = "localhost/keep:1";
        _cleanup_free_ char *id = fixture_add_config(fixture, "{}", names, UNTAG_THREADS + 1);
        for (int i = 0; i < UNTAG_THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, untag_one, &untaggers[i]), 0);
        for (int i = 0; i < UNTAG_THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(store_image_get(fixture->store, id, &image, NULL), 0);
        assert_int_equal(image->names.count, 1);
        assert_string_equal(image->names.items[0], "localhost/keep:1");
}

static void what_is_tagged_keeps_its_other_names(void **state) {
        Fixture *fixture = *state;
        _cleanup_free_ char *one = fixture_add(fixture, "one", "localhost/a:1");
        _cleanup_free_ char *two = fixture_add(fixture, "two", "quay.io/b:1");
        _cleanup_free_ char *first = NULL, *again = NULL;
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        Error err = ERROR_INIT;
        char *none;

        assert_int_equal(image_tag(fixture->catalog, "a:1", "quay.io/b:1", &first, &err), 0);
        assert_string_equal(first, one);
        assert_int_equal(image_tag(fixture->catalog, one, "c", &again, &err), 0);
        assert_int_equal(store_image_get(fixture->store, one, &image, NULL), 0);
        assert_int_equal(image->names.count, 3);
        assert_string_equal(image->names.items[0], "localhost/a:1");
        assert_string_equal(image->names.items[1], "quay.io/b:1");
        assert_string_equal(image->names.items[2], "localhost/c:latest");
        expect_missing(fixture, "quay.io/b:2");
        assert_int_equal(image_tag(fixture->catalog, "quay.io/b:2", "c", &none, &err), -1);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
        assert_int_equal(image_tag(fixture->catalog, two, "C", &none, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.subject, "C");
}

static bool is_always_cancelled(void *userdata) {
        (void)userdata;
        return true;
}

static void what_nothing_uses_is_pruned(void **state) {
        Fixture *fixture = *state;
        const char *names[] = { "localhost/a:1", "localhost/a:2" };
        _cleanup_free_ char *used = fixture_add(fixture, "used", "localhost/used:1");
        _cleanup_free_ char *named = fixture_add_config(fixture, "{}", names, 2);
        _cleanup_free_ char *bare = fixture_add(fixture, "bare", NULL);
        _cleanup_free_ char *container = add_container(fixture, used, '1');
        _cleanup_strings_ Strings gone = STRINGS_INIT;
        ImageCatalog *catalog = fixture->catalog;
        Error err = ERROR_INIT;

        assert_non_null(container);
        assert_int_equal(strlen(container), 64);
        assert_int_equal(image_prune(catalog, is_always_cancelled, NULL, &gone, &err), 0);
        assert_int_equal(gone.count, 0);
        assert_int_equal(image_prune(catalog, NULL, NULL, &gone, &err), 0);
        assert_int_equal(gone.count, 2);
        assert_string_equal(gone.items[0], named);
        assert_string_equal(gone.items[1], bare);
        expect_missing(fixture, "a:1");
        expect_missing(fixture, bare);
        assert_int_equal(image_prune(catalog, NULL, NULL, &gone, &err), 0);
        assert_int_equal(gone.count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(names_go_before_images),      TEST(by_id_all_names_need_force),
                TEST(containers_stand_in_the_way), TEST(what_is_tagged_keeps_its_other_names),
                TEST(what_nothing_uses_is_pruned), TEST(names_removed_at_once_are_all_gone),
        };
        return cmocka_run_group_tests_name("image removal", tests, NULL, NULL);
}
