/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image/inspect, and the store as other tools see it: podman and skopeo, where they are installed,
 * must find in our image what we say of it, and we in theirs what they say.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/inspect.h"
#include "image/remove.h"
#include "tests/unit/image-fixture.h"

static const char *const inspect_changes[] = {
        "USER=1000",     "EXPOSE=80", "ENV=A=B",       "ENTRYPOINT=[\"/bin/a\",\"b\"]",
        "CMD=[\"c\"]",   "VOLUME=/v", "WORKDIR=/root", "LABEL=x=y",
        "STOPSIGNAL=15",
};

static char *import_for_inspection(Fixture *fixture) {
        const ImageImportOptions options = { .source = fixture->gz,
                                             .reference = "foo",
                                             .message = "hello msg",
                                             .changes = inspect_changes,
                                             .changes_count = ARRAY_SIZE(inspect_changes) };
        return fixture_import(fixture, &options);
}

static json_t *inspect(Fixture *fixture, const char *word) {
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        _cleanup_free_ char *text = NULL;
        Error err = ERROR_INIT;

        if (image_find(fixture->catalog, word, &image, &err) < 0 ||
            image_inspect(fixture->catalog, image, &text, &err) < 0)
                fail_msg("%s", err.text);
        json_t *json = json_loads(text, 0, NULL);
        assert_non_null(json);
        return json;
}

static void inspection_shows_every_member(void **state) {
        Fixture *fixture = *state;
        static const struct {
                const char *name;
                json_type type;
        } members[] = {
                { "Id", JSON_STRING },
                { "Digest", JSON_STRING },
                { "RepoTags", JSON_ARRAY },
                { "RepoDigests", JSON_ARRAY },
                { "Parent", JSON_STRING },
                { "Comment", JSON_STRING },
                { "Created", JSON_STRING },
                { "Config", JSON_OBJECT },
                { "ContainerConfig", JSON_OBJECT },
                { "Version", JSON_STRING },
                { "Author", JSON_STRING },
                { "Architecture", JSON_STRING },
                { "Os", JSON_STRING },
                { "Size", JSON_INTEGER },
                { "VirtualSize", JSON_INTEGER },
                { "GraphDriver", JSON_OBJECT },
                { "RootFS", JSON_OBJECT },
                { "Labels", JSON_OBJECT },
                { "Annotations", JSON_OBJECT },
                { "ManifestType", JSON_STRING },
                { "User", JSON_STRING },
                { "History", JSON_ARRAY },
                { "NamesHistory", JSON_ARRAY },
        };
        const ImageImportOptions bare = { .source = fixture->tar };
        _cleanup_free_ char *id = fixture_import(fixture, &bare);
        json_auto_t *json = inspect(fixture, id);

        for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
                json_t *member = json_object_get(json, members[i].name);
                if (!member || json_typeof(member) != members[i].type)
                        fail_msg("%s is missing or of the wrong type", members[i].name);
        }
        assert_int_equal(json_object_size(json), ARRAY_SIZE(members));
        assert_string_equal(json_string_value(json_object_get(json, "Comment")),
                            "imported from tarball");
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(json, "Config"), key, value)
                assert_false(json_is_null(value));
        json_t *driver = json_object_get(json_object_get(json, "GraphDriver"), "Data");
        assert_non_null(strstr(json_string_value(json_object_get(driver, "UpperDir")), "/diff"));
        assert_non_null(strstr(json_string_value(json_object_get(driver, "MergedDir")), "/merged"));
}

static char *podman(Fixture *fixture, const char *const *words) {
        char tmp[96];
        const char *argv[64] = { "/usr/bin/podman",
                                 "--root",
                                 fixture->root,
                                 "--runroot",
                                 fixture->run,
                                 "--tmpdir",
                                 tmp,
                                 "--storage-driver",
                                 "overlay",
                                 "--cgroup-manager",
                                 "cgroupfs",
                                 "--events-backend",
                                 "none" };
        size_t n = 13;

        snprintf(tmp, sizeof(tmp), "%s/podman", fixture->dir);
        while (*words) {
                assert_true(n + 1 < ARRAY_SIZE(argv));
                argv[n++] = *words++;
        }
        return fixture_run(argv);
}

#define PODMAN(fixture, ...) podman(fixture, (const char *const[]){ __VA_ARGS__, NULL })

static void needs(const char *program) {
        if (access(program, X_OK) < 0) {
                print_message("%s is not installed\n", program);
                skip();
        }
}

/* What podman says of an image must be in what we say; more is fine. */
static void expect_contained(json_t *theirs, json_t *ours, const char *where) {
        const char *key;
        json_t *value;

        if (!json_is_object(theirs)) {
                if (!json_equal(theirs, ours)) {
                        _cleanup_free_ char *a = json_dumps(theirs, JSON_ENCODE_ANY);
                        _cleanup_free_ char *b = json_dumps(ours, JSON_ENCODE_ANY);
                        fail_msg("%s: podman has %s, we have %s", where, a, b);
                }
                return;
        }
        json_object_foreach(theirs, key, value)
                expect_contained(value, json_object_get(ours, key), key);
}

static void podman_and_skopeo_see_our_image(void **state) {
        Fixture *fixture = *state;
        needs("/usr/bin/podman");
        needs("/usr/bin/skopeo");
        _cleanup_free_ char *id = import_for_inspection(fixture);
        json_auto_t *ours = inspect(fixture, "foo");

        _cleanup_free_ char *text = PODMAN(fixture, "image", "inspect", "foo");
        json_auto_t *theirs = json_loads(text, 0, NULL);
        expect_contained(json_array_get(theirs, 0), ours, "image");

        /* podman does the same import: the same config, hence the same id. */
        _cleanup_free_ char *output = PODMAN(fixture, "import", "-q", "-m", "hello msg", "-c",
                                             "USER=1000", "-c", "EXPOSE=80", "-c", "ENV=A=B", "-c",
                                             "ENTRYPOINT=[\"/bin/a\",\"b\"]", "-c", "CMD=[\"c\"]",
                                             "-c", "VOLUME=/v", "-c", "WORKDIR=/root", "-c",
                                             "LABEL=x=y", "-c", "STOPSIGNAL=15", fixture->gz);
        if (!strstr(output, id))
                fail_msg("podman made %s, we %s", output, id);

        char source[256];
        snprintf(source, sizeof(source), "containers-storage:[overlay@%s+%s]localhost/foo:latest",
                 fixture->root, fixture->run);
        char copy[96];
        snprintf(copy, sizeof(copy), "dir:%s/copy", fixture->dir);
        FIXTURE_RUN("/usr/bin/skopeo", "inspect", source);
        FIXTURE_RUN("/usr/bin/skopeo", "--insecure-policy", "copy", source, copy);
        free(PODMAN(fixture, "rmi", "-f", id));
        StoreImage *image;
        Error err = ERROR_INIT;
        assert_int_equal(image_find(fixture->catalog, "foo", &image, &err), -1);
        assert_int_equal(err.kind, ERR_IMAGE_NOT_FOUND);
}

static void we_see_podmans_image(void **state) {
        Fixture *fixture = *state;
        needs("/usr/bin/podman");
        free(PODMAN(fixture, "import", "-q", "-c", "LABEL=x=y", fixture->tar, "quay.io/p/q:1"));
        _cleanup_free_ char *text = PODMAN(fixture, "image", "inspect", "quay.io/p/q:1");
        json_auto_t *theirs = json_loads(text, 0, NULL), *ours = inspect(fixture, "q:1");
        _cleanup_image_remove_plan_ ImageRemovePlan plan = IMAGE_REMOVE_PLAN_INIT;
        Error err = ERROR_INIT;

        expect_contained(json_array_get(theirs, 0), ours, "image");
        if (image_remove_plan(fixture->catalog, "q:1", false, &plan, &err) < 0 ||
            image_remove(fixture->catalog, &plan, &err) < 0)
                fail_msg("%s", err.text);
        _cleanup_free_ char *left = PODMAN(fixture, "images", "-aq");
        assert_string_equal(left, "");
}

/* Docker's manifest, several layers, docker's own members: what a build leaves behind. */
static void we_see_what_a_build_made(void **state) {
        Fixture *fixture = *state;
        static const char dockerfile[] = "FROM scratch\nCOPY rootfs.tar /a\nCOPY packed.tar.gz /b\n"
                                         "HEALTHCHECK --interval=30s CMD true\nONBUILD RUN x\n"
                                         "SHELL [\"/bin/ash\", \"-c\"]\nCMD ls\n";
        char path[96];

        needs("/usr/bin/podman");
        snprintf(path, sizeof(path), "%s/Dockerfile", fixture->dir);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, dockerfile, strlen(dockerfile), 0600,
                                              false),
                         0);
        free(PODMAN(fixture, "build", "-q", "--format", "docker", "--layers", "-t", "built", "-f",
                    path, fixture->dir));
        _cleanup_free_ char *text = PODMAN(fixture, "image", "inspect", "built");
        json_auto_t *theirs = json_loads(text, 0, NULL), *ours = inspect(fixture, "built");
        json_t *first = json_array_get(theirs, 0);

        assert_true(json_array_size(json_object_get(json_object_get(ours, "RootFS"), "Layers")) >
                    1);
        assert_non_null(json_object_get(ours, "Healthcheck"));
        /* The parent is found by comparing histories, which is not done here. */
        assert_int_equal(json_object_del(first, "Parent"), 0);
        expect_contained(first, ours, "image");
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
                TEST(inspection_shows_every_member),
                TEST(podman_and_skopeo_see_our_image),
                TEST(we_see_podmans_image),
                TEST(we_see_what_a_build_made),
        };
        return cmocka_run_group_tests_name("image inspection", tests, NULL, NULL);
}
