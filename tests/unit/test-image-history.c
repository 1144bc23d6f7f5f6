/* SPDX-License-Identifier: Apache-2.0 */

/* image/history, on a real store: imports with a layer, and configs whose steps have none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/timestamp.h"
#include "image/history.h"
#include "tests/unit/image-fixture.h"

static size_t read_history(Fixture *fixture, const char *word, Arena *arena, ImageStep **ret) {
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        Error err = ERROR_INIT;
        size_t count = 0;

        if (image_find(fixture->catalog, word, &image, &err) < 0 ||
            image_history(fixture->catalog, image, arena, ret, &count, &err) < 0)
                fail_msg("%s", err.text);
        if (!*ret)
                abort();
        return count;
}

static void steps_are_told_newest_first(void **state) {
        static const char config[] =
                "{\"history\":[{\"created\":\"1970-01-01T00:00:01Z\",\"created_by\":\"first\"},"
                "{\"created_by\":\"second\",\"comment\":\"c\",\"empty_layer\":true},"
                "{\"created\":\"1970-01-01T00:00:03Z\"}]}";
        Fixture *fixture = *state;
        _cleanup_free_ char *id = fixture_add_config(fixture, config, NULL, 0);
        _cleanup_free_ char *none = fixture_add_config(fixture, "{}", NULL, 0);
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        ImageStep *steps = NULL;

        assert_int_equal(read_history(fixture, id, &arena, &steps), 3);
        assert_string_equal(steps[0].id, id);
        assert_string_equal(steps[0].created_by, "");
        assert_int_equal(steps[0].created_ns, 3 * NS_PER_SEC);
        assert_string_equal(steps[1].id, IMAGE_STEP_UNKNOWN);
        assert_string_equal(steps[1].comment, "c");
        assert_int_equal(steps[1].created_ns, TIMESTAMP_ZERO);
        assert_string_equal(steps[2].created_by, "first");
        /* It says to have made a layer, and the image has none: told, not believed. */
        assert_int_equal(steps[2].size, 0);
        assert_int_equal(read_history(fixture, none, &arena, &steps), 0);
}

static void a_step_has_the_size_of_its_layer(void **state) {
        Fixture *fixture = *state;
        const char *change = "LABEL=a=b";
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        _cleanup_(store_layer_unrefp)
        StoreLayer *layer = NULL;
        ImageStep *steps = NULL;

        fixture_make_tarballs(fixture);
        _cleanup_free_ char *one = fixture_import(
                fixture, &(ImageImportOptions){ .source = fixture->tar, .message = "one" });
        _cleanup_free_ char *two = fixture_import(
                fixture, &(ImageImportOptions){
                                 .source = fixture->tar, .changes = &change, .changes_count = 1 });
        assert_int_equal(read_history(fixture, one, &arena, &steps), 1);
        assert_string_equal(steps[0].id, one);
        assert_string_equal(steps[0].comment, "one");
        assert_int_equal(store_image_get(fixture->store, one, &image, NULL), 0);
        assert_int_equal(store_layer_get(fixture->store, image->layer, &layer, NULL), 0);
        assert_true(layer->diff_size > 0);
        assert_int_equal(steps[0].size, layer->diff_size);
        assert_int_equal(read_history(fixture, two, &arena, &steps), 1);
        assert_string_equal(steps[0].id, two);
        assert_int_equal(steps[0].size, layer->diff_size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(steps_are_told_newest_first),
                TEST(a_step_has_the_size_of_its_layer),
        };

        return cmocka_run_group_tests_name("image history", tests, NULL, NULL);
}
