/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "oci/digest.h"
#include "storage/tar_split.h"
#include "tests/unit/tar-fixture.h"

Store *fixture_open(const Fixture *f) {
        StoreOptions options = { .graph_root = f->graph, .run_root = f->run };
        Error err = ERROR_INIT;
        Store *store;

        if (store_open(&store, &options, &err) < 0)
                fail_msg("%s", err.text);
        return store;
}

int fixture_setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        scratch_open(&f->scratch);
        snprintf(f->graph, sizeof(f->graph), "%s/graph", f->scratch.path);
        snprintf(f->run, sizeof(f->run), "%s/run", f->scratch.path);
        f->store = fixture_open(f);
        *state = f;
        return 0;
}

int fixture_teardown(void **state) {
        Fixture *f = *state;
        char home[96];

        store_close(f->store);
        if (*f->small)
                (void)umount2(f->small, MNT_DETACH);
        /* What a failed test left mounted, or one that leaves a mount behind on purpose. */
        snprintf(home, sizeof(home), "%s/overlay", f->graph);
        (void)umount2(home, MNT_DETACH);
        scratch_close(&f->scratch);
        free(f);
        return 0;
}

char *fixture_read(const Fixture *f, const char *path) {
        char *text = NULL;

        if (file_read_at(f->scratch.fd, path, 1 << 26, &text, NULL) < 0)
                fail_msg("no %s", path);
        return text;
}

void fixture_write(const Fixture *f, const char *path, const char *text) {
        assert_int_equal(file_write_atomic_at(f->scratch.fd, path, text, strlen(text), 0600, false),
                         0);
}

bool fixture_exists(const Fixture *f, const char *path) {
        return faccessat(f->scratch.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

size_t fixture_count(const char *path) {
        DIR *folder = opendir(path);
        size_t count = 0;

        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));)
                count += !text_equal(entry->d_name, ".") && !text_equal(entry->d_name, "..");
        (void)closedir(folder);
        return count;
}

void fixture_expect_empty(const Fixture *f, const char *folder) {
        _cleanup_free_ char *path = xasprintf("%s/%s", f->graph, folder);

        assert_int_equal(fixture_count(path), 0);
}

/* An unlinked file with these bytes, at its start. */
int fixture_file(const Fixture *f, const void *data, size_t size) {
        int fd = openat(f->scratch.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, data, size), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static int hash(void *userdata, const void *data, size_t size, Error *err) {
        (void)err;
        digest_stream_update(userdata, data, size);
        return 0;
}

static int open_diff(const Fixture *f, const char *id) {
        char path[256];

        snprintf(path, sizeof(path), "%s/overlay/%s/diff", f->graph, id);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

/* The layer's stream, rebuilt, has the digest that its record claims. */
static void check_rebuilt(const Fixture *f, const StoreLayerContent *content) {
        DigestStream stream = DIGEST_STREAM_INIT;
        char path[256], text[DIGEST_TEXT_SIZE];
        Error err = ERROR_INIT;
        Digest digest;

        snprintf(path, sizeof(path), "%s/overlay-layers/%s.tar-split.gz", f->graph, content->id);
        int split = open(path, O_RDONLY | O_CLOEXEC), diff = open_diff(f, content->id);
        assert_true(split >= 0);
        digest_stream_begin(&stream);
        if (tar_split_assemble(split, diff, &(TarSink){ hash, &stream }, &err) < 0)
                fail_msg("%s", err.text);
        digest_stream_finish(&stream, &digest);
        digest_stream_done(&stream);
        assert_string_equal(digest_format(&digest, text), content->diff_digest);
        fd_close(split);
        fd_close(diff);
}

int fixture_import(Fixture *f, const void *data, size_t size, Error *err) {
        int fd = fixture_file(f, data, size);
        int r = store_layer_import(f->store, NULL, fd, NULL, NULL, &f->content, err);

        fd_close(fd);
        if (r == 0)
                check_rebuilt(f, &f->content);
        return r;
}

/* Imports; returns the diff directory. */
int fixture_import_good(Fixture *f, Buffer *tar) {
        Error err = ERROR_INIT;

        if (fixture_import(f, tar->data, tar->size, &err) < 0)
                fail_msg("%s", err.text);
        fixture_expect_empty(f, "tmp");
        tar->size = 0;
        return open_diff(f, f->content.id);
}

void fixture_import_bad(Fixture *f, Buffer *tar, ErrorKind kind, const char *subject) {
        Error err = ERROR_INIT;

        assert_int_equal(fixture_import(f, tar->data, tar->size, &err), -1);
        if (err.kind != kind)
                fail_msg("%s: %s", error_kind_name(err.kind), err.text);
        if (subject)
                assert_string_equal(err.subject, subject);
        fixture_expect_empty(f, "tmp");
        tar->size = 0;
}

/* A layer with one small file that no other layer has. */
StoreLayerContent fixture_layer(const Fixture *f, const char *parent) {
        static atomic_int number;
        StoreLayerContent content;
        Buffer tar = BUFFER_INIT;
        Error err = ERROR_INIT;
        char text[32];

        snprintf(text, sizeof(text), "%d", atomic_fetch_add(&number, 1));
        tar_add_file(&tar, text, text);
        int fd = openat(f->scratch.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        assert_int_equal(fd_write_all(fd, tar.data, tar.size), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        if (store_layer_import(f->store, parent, fd, NULL, NULL, &content, &err) < 0)
                fail_msg("%s", err.text);
        fd_close(fd);
        buffer_done(&tar);
        return content;
}

/* An image whose documents are just texts; its id in @id. */
void fixture_image(const Fixture *f, const char *config, const char *layer,
                   const char *const *names, size_t names_count, char id[static 65]) {
        char key[DIGEST_TEXT_SIZE], manifest_digest[DIGEST_TEXT_SIZE], manifest_key[96];
        Error err = ERROR_INIT;
        Digest digest;

        digest_compute(config, strlen(config), &digest);
        digest_format_hex(&digest, id);
        digest_format(&digest, key);
        digest_compute("manifest", 8, &digest);
        digest_format(&digest, manifest_digest);
        snprintf(manifest_key, sizeof(manifest_key), "manifest-%s", manifest_digest);
        StoreImageItem items[] = { { key, config, strlen(config) },
                                   { manifest_key, "manifest", 8 },
                                   { "manifest", "manifest", 8 } };
        StoreImageSpec spec = {
                .id = id,
                .digest = manifest_digest,
                .layer = layer,
                .created_ns = 1234567890 * NS_PER_SEC + 5,
                .items = items,
                .items_count = 3,
                .names = names,
                .names_count = names_count,
        };
        if (store_image_create(f->store, &spec, &err) < 0)
                fail_msg("%s", err.text);
}

void fixture_ids(char id[static 65], char layer[static 65]) {
        random_hex(id, 64);
        random_hex(layer, 64);
}

int fixture_container(Store *store, const char *id, const char *layer, const char *name,
                      const char *image, Error *err) {
        StoreContainerSpec spec = { id, layer, name, image, "{\"name\":\"x\"}" };

        return store_container_create(store, &spec, err);
}
