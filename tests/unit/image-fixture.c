/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/image-fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/spawn.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "oci/manifest.h"

#define BUSYBOX            "/bin/busybox"
#define COMMAND_TIMEOUT_MS 60000
#define OUTPUT_MAX         (1024 * 1024)

char *fixture_run(const char *const *argv) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        SpawnOptions options = SPAWN_OPTIONS_INIT;

        options.argv = argv;
        int status = spawn_run(&options, COMMAND_TIMEOUT_MS, OUTPUT_MAX, &output);
        if (status != 0)
                fail_msg("%s: %d: %.*s", argv[0], status, (int)output.size, output.data);
        return buffer_take_string(&output);
}

int fixture_setup(void **state) {
        Fixture *fixture = xnew(Fixture, 1);
        Error err = ERROR_INIT;

        snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/selkie-image-XXXXXX");
        assert_non_null(mkdtemp(fixture->dir));
        snprintf(fixture->root, sizeof(fixture->root), "%s/root", fixture->dir);
        snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->dir);
        snprintf(fixture->tar, sizeof(fixture->tar), "%s/rootfs.tar", fixture->dir);
        snprintf(fixture->gz, sizeof(fixture->gz), "%s/packed.tar.gz", fixture->dir);
        const StoreOptions options = { .graph_root = fixture->root, .run_root = fixture->run };
        if (store_open(&fixture->store, &options, &err) < 0)
                fail_msg("%s", err.text);
        fixture->catalog = image_catalog_new(fixture->store, NULL);
        *state = fixture;
        return 0;
}

int fixture_teardown(void **state) {
        Fixture *fixture = *state;
        char home[128];

        image_catalog_free(fixture->catalog);
        store_close(fixture->store);
        snprintf(home, sizeof(home), "%s/overlay", fixture->root);
        while (umount2(home, MNT_DETACH) == 0) /* the other tools bind it over itself */
                ;
        assert_int_equal(path_remove_tree(AT_FDCWD, fixture->dir), 0);
        free(fixture);
        return 0;
}

char *fixture_add_config(Fixture *fixture, const char *config, const char *const *names,
                         size_t names_count) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        char config_digest[DIGEST_TEXT_SIZE], manifest_digest[DIGEST_TEXT_SIZE];
        size_t manifest_size;
        Digest digest;
        Error err = ERROR_INIT;

        digest_compute(config, strlen(config), &digest);
        digest_format(&digest, config_digest);
        manifest_set_config(&manifest, config_digest, (int64_t)strlen(config));
        _cleanup_free_ char *manifest_text = manifest_format(&manifest, &manifest_size);
        digest_compute(manifest_text, manifest_size, &digest);
        digest_format(&digest, manifest_digest);
        const StoreImageItem items[] = {
                { config_digest, config, strlen(config) },
                { "manifest", manifest_text, manifest_size },
        };
        const StoreImageSpec spec = {
                .id = digest_hex(config_digest),
                .digest = manifest_digest,
                .created_ns = 42 * NS_PER_SEC,
                .items = items,
                .items_count = ARRAY_SIZE(items),
                .names = names,
                .names_count = names_count,
        };
        if (store_image_create(fixture->store, &spec, &err) < 0)
                fail_msg("%s", err.text);
        return xstrdup(spec.id);
}

char *fixture_add(Fixture *fixture, const char *author, const char *name) {
        _cleanup_free_ char *config =
                xasprintf("{\"author\":\"%s\",\"config\":{\"Labels\":{\"who\":"
                          "\"%s\"}}}",
                          author, author);
        const char *names[] = { name };

        return fixture_add_config(fixture, config, names, name ? 1 : 0);
}

void fixture_make_tarballs(Fixture *fixture) {
        char tree[80], path[128];

        snprintf(tree, sizeof(tree), "%s/tree", fixture->dir);
        snprintf(path, sizeof(path), "%s/bin", tree);
        assert_int_equal(mkdir(tree, 0755), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/bin/sh", tree);
        FIXTURE_RUN("/bin/cp", BUSYBOX, path);
        FIXTURE_RUN("/bin/tar", "--sort=name", "-cf", fixture->tar, "-C", tree, ".");
        snprintf(path, sizeof(path), "%s/packed.tar", fixture->dir);
        FIXTURE_RUN("/bin/cp", fixture->tar, path);
        FIXTURE_RUN("/bin/gzip", path);
        const struct timespec times[] = { { 1700000000, 123456789 }, { 1700000000, 123456789 } };
        assert_int_equal(utimensat(AT_FDCWD, fixture->tar, times, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, fixture->gz, times, 0), 0);
}

char *fixture_import(Fixture *fixture, const ImageImportOptions *options) {
        Error err = ERROR_INIT;
        char *id;

        if (image_import(fixture->catalog, options, &id, &err) < 0)
                fail_msg("%s", err.text);
        return id;
}
