/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image/changes, image/import, image/inspect on a real store, with a root file system made of Debian's
 * busybox. podman and skopeo, where they are installed, must see the same image.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/timestamp.h"
#include "image/catalog.h"
#include "image/changes.h"
#include "image/import.h"
#include "image/inspect.h"
#include "image/remove.h"
#include "oci/digest.h"

#define BUSYBOX            "/bin/busybox"
#define COMMAND_TIMEOUT_MS 60000

typedef struct Fixture {
        char dir[64], root[80], run[80], tar[80], gz[80];
        Store *store;
        ImageCatalog *catalog;
} Fixture;

/* Run a program; its output, heap, or NULL if it failed. */
static char *run(const char *const *argv, int *ret_status) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        SpawnOptions options = SPAWN_OPTIONS_INIT;

        options.argv = argv;
        int status = spawn_run(&options, COMMAND_TIMEOUT_MS, 1024 * 1024, &output);
        if (ret_status)
                *ret_status = status;
        else if (status != 0)
                fail_msg("%s: %d: %.*s", argv[0], status, (int)output.size, output.data);
        return buffer_take_string(&output);
}

#define RUN(...) free(run((const char *const[]){ __VA_ARGS__, NULL }, NULL))

static void make_tar(Fixture *fixture) {
        char tree[80], path[128];

        snprintf(tree, sizeof(tree), "%s/tree", fixture->dir);
        snprintf(path, sizeof(path), "%s/bin", tree);
        assert_int_equal(mkdir(tree, 0755), 0);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/bin/sh", tree);
        RUN("/bin/cp", BUSYBOX, path);
        RUN("/bin/tar", "--sort=name", "-cf", fixture->tar, "-C", tree, ".");
        snprintf(path, sizeof(path), "%s/packed.tar", fixture->dir);
        RUN("/bin/cp", fixture->tar, path);
        RUN("/bin/gzip", path);
        const struct timespec times[] = { { 1700000000, 123456789 }, { 1700000000, 123456789 } };
        assert_int_equal(utimensat(AT_FDCWD, fixture->tar, times, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, fixture->gz, times, 0), 0);
}

static int setup(void **state) {
        Fixture *fixture = xnew(Fixture, 1);
        Error err = ERROR_INIT;

        snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/selkie-import-XXXXXX");
        assert_non_null(mkdtemp(fixture->dir));
        snprintf(fixture->root, sizeof(fixture->root), "%s/root", fixture->dir);
        snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->dir);
        snprintf(fixture->tar, sizeof(fixture->tar), "%s/rootfs.tar", fixture->dir);
        snprintf(fixture->gz, sizeof(fixture->gz), "%s/packed.tar.gz", fixture->dir);
        make_tar(fixture);
        const StoreOptions options = { .graph_root = fixture->root, .run_root = fixture->run };
        if (store_open(&fixture->store, &options, &err) < 0)
                fail_msg("%s", err.text);
        fixture->catalog = image_catalog_new(fixture->store);
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
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

static char *import(Fixture *fixture, const ImageImportOptions *options) {
        Error err = ERROR_INIT;
        char *id;

        if (image_import(fixture->catalog, options, &id, &err) < 0)
                fail_msg("%s", err.text);
        return id;
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

/* --- changes ----------------------------------------------------------------------------------- */

static void apply_ok(ImageSettings *settings, const char *change) {
        Error err = ERROR_INIT;

        if (image_settings_apply(settings, &change, 1, &err) < 0)
                fail_msg("%s", err.text);
}

static void expect_list(const Strings *list, const char *expected) {
        _cleanup_buffer_ Buffer joined = BUFFER_INIT;

        for (size_t i = 0; i < list->count; i++)
                buffer_printf(&joined, "%s%s", i > 0 ? "|" : "", list->items[i]);
        buffer_append_byte(&joined, '\0');
        assert_string_equal(joined.data, expected);
}

static void changes_in_both_styles(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        ImageSettings *s = &config.settings;
        static const struct {
                const char *change, *expected;
        } commands[] = {
                { "CMD=/bin/sh", "/bin/sh" },
                { "cmd ls -l  /", "ls|-l|/" },
                { "CMD=[\"a\", \"b c\"]", "a|b c" },
                { "CMD [\"\\u00e4\",\"\"]", "\xc3\xa4|" },
                { "CMD=sh -c 'echo \"a  b\"' \"c d\\\"\" e\\ f \"\"",
                  "sh|-c|echo \"a  b\"|c d\"|e f|" },
                { "CMD=[ -f /x ]", "[|-f|/x|]" },
                { "CMD=[]", "" },
                { "CMD=a=b", "a=b" },
        };

        (void)state;
        image_config_init(&config);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                apply_ok(s, commands[i].change);
                expect_list(&s->cmd, commands[i].expected);
        }
        apply_ok(s, "ENTRYPOINT=a b");
        expect_list(&s->entrypoint, "a|b");
        apply_ok(s, "ENV=A=B=C");
        apply_ok(s, "ENV B two words");
        apply_ok(s, "ENV C=\"quoted text\"");
        apply_ok(s, "ENV A=other");
        apply_ok(s, "ENV=D=");
        expect_list(&s->env, "A=other|B=two words|C=quoted text|D=");
        apply_ok(s, "LABEL=x=y");
        apply_ok(s, "LABEL maintainer 'me too'");
        assert_string_equal(pairs_get(&s->labels, "x"), "y");
        assert_string_equal(pairs_get(&s->labels, "maintainer"), "me too");
        apply_ok(s, "EXPOSE=80");
        apply_ok(s, "EXPOSE 53/udp 8000-8002/TCP 80/tcp");
        expect_list(&s->exposed_ports, "53/udp|80/tcp|8000/tcp|8001/tcp|8002/tcp");
        apply_ok(s, "VOLUME=/v");
        apply_ok(s, "VOLUME [\"/a b\", \"/v\"]");
        expect_list(&s->volumes, "/a b|/v");
        apply_ok(s, "WORKDIR=/root");
        apply_ok(s, "WORKDIR sub");
        assert_string_equal(s->working_dir, "/root/sub");
        apply_ok(s, "USER=1000:1000");
        assert_string_equal(s->user, "1000:1000");
        apply_ok(s, "STOPSIGNAL=SIGRTMIN+3");
        assert_string_equal(s->stop_signal, "SIGRTMIN+3");
        apply_ok(s, "ONBUILD=RUN x");
        apply_ok(s, "ONBUILD RUN y");
        expect_list(&s->on_build, "RUN x|RUN y");
}

static void wrong_changes_are_refused_whole(void **state) {
        static const struct {
                const char *change, *words;
        } rows[] = {
                { "FOO", "no value given for instruction \"FOO\"" },
                { "CMD", "no value given for instruction \"CMD\"" },
                { "CMD=", "no value given for instruction \"CMD\"" },
                { "", "no value given for instruction \"\"" },
                { "FOO=1", "FOO=1" },
                { "FROM scratch", "FROM scratch" },
                { "=x", "=x" },
                { "CMD=[\"a\"", "JSON" },
                { "CMD=[\"a\",1]", "strings" },
                { "CMD=[\"a\"] x", "JSON" },
                { "CMD='open", "quote" },
                { "ENV==x", "name" },
                { "LABEL==x", "name" },
                { "EXPOSE=0", "ports" },
                { "EXPOSE=65536", "ports" },
                { "EXPOSE=999999", "ports" },
                { "EXPOSE=80/icmp", "ports" },
                { "EXPOSE=90-80", "ports" },
                { "EXPOSE=80-", "ports" },
                { "EXPOSE=http", "ports" },
                { "EXPOSE=80/", "ports" },
                { "VOLUME=v", "absolute" },
                { "STOPSIGNAL=NOPE", "signal" },
                { "STOPSIGNAL=0", "signal" },
                { "USER=\xff", "UTF-8" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
                const char *changes[] = { "USER=before", rows[i].change };
                Error err = ERROR_INIT;
                image_config_init(&config);
                if (image_settings_apply(&config.settings, changes, 2, &err) == 0)
                        fail_msg("%s was accepted", rows[i].change);
                assert_int_equal(err.kind, ERR_INVALID);
                if (!strstr(err.text, rows[i].words))
                        fail_msg("%s", err.text);
                assert_string_equal(config.settings.user, "");
        }
}

static void changes_have_limits(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        const char *many[IMAGE_CHANGES_MAX + 1];
        Error err = ERROR_INIT;

        (void)state;
        image_config_init(&config);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = "USER=x";
        assert_int_equal(image_settings_apply(&config.settings, many, IMAGE_CHANGES_MAX, &err), 0);
        assert_int_equal(image_settings_apply(&config.settings, many, IMAGE_CHANGES_MAX + 1, &err),
                         -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        apply_ok(&config.settings, "EXPOSE=1-1000");
        const char *ports = "EXPOSE=1-1000 1001";
        assert_int_equal(image_settings_apply(&config.settings, &ports, 1, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        for (size_t over = 0; over < 2; over++) {
                _cleanup_buffer_ Buffer text = BUFFER_INIT;
                buffer_append_string(&text, "VOLUME");
                for (size_t i = 0; i < IMAGE_CHANGE_ITEMS_MAX + over; i++)
                        buffer_printf(&text, " /%zu", i);
                _cleanup_free_ char *change = buffer_take_string(&text);
                const char *volumes = change;
                assert_int_equal(image_settings_apply(&config.settings, &volumes, 1, &err),
                                 over ? -1 : 0);
        }
}

/* --- import ------------------------------------------------------------------------------------ */

static void a_tarball_becomes_an_image(void **state) {
        Fixture *fixture = *state;
        const char *changes[] = { "CMD=/bin/sh", "ENV=A=B", "LABEL=a=b" };
        const ImageImportOptions options = { .source = fixture->tar,
                                             .reference = "busybox",
                                             .message = "for the test",
                                             .changes = changes,
                                             .changes_count = 3 };
        _cleanup_free_ char *id = import(fixture, &options);
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
        expect_list(&config->settings.cmd, "/bin/sh");
        expect_list(&config->settings.env, "A=B");
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
        _cleanup_free_ char *untagged = import(fixture, &options);
        options.reference = "quay.io/a/b:1";
        _cleanup_free_ char *tagged = import(fixture, &options);
        options.reference = "again";
        options.source = fixture->gz;
        _cleanup_free_ char *compressed = import(fixture, &options);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL, *other = NULL;

        assert_string_equal(untagged, tagged);
        assert_string_equal(untagged, compressed);
        assert_int_equal(store_image_get(fixture->store, untagged, &image, NULL), 0);
        assert_int_equal(image->names.count, 2);
        assert_true(strings_contains(&image->names, "quay.io/a/b:1"));
        assert_true(strings_contains(&image->names, "localhost/again:latest"));

        options.message = "other"; /* another image, to which the name moves */
        _cleanup_free_ char *different = import(fixture, &options);
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
        free(import(fixture, &long_one));
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
        expect_failure(fixture, &options, ERR_UNSUPPORTED, "http://127.0.0.1:1/x.tar");
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

/* --- inspect ----------------------------------------------------------------------------------- */

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
        return import(fixture, &options);
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
        _cleanup_free_ char *id = import(fixture, &bare);
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

/* --- other tools ------------------------------------------------------------------------------- */

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
        return run(argv, NULL);
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
        RUN("/usr/bin/skopeo", "inspect", source);
        RUN("/usr/bin/skopeo", "--insecure-policy", "copy", source, copy);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(changes_in_both_styles),
                cmocka_unit_test(wrong_changes_are_refused_whole),
                cmocka_unit_test(changes_have_limits),
                TEST(a_tarball_becomes_an_image),
                TEST(the_same_content_is_the_same_image),
                TEST(a_bad_request_reads_nothing),
                TEST(bad_sources_leave_nothing),
                TEST(imports_can_be_cancelled),
                TEST(imports_and_removals_of_one_image_at_once),
                TEST(inspection_shows_every_member),
                TEST(podman_and_skopeo_see_our_image),
                TEST(we_see_podmans_image),
        };
        return cmocka_run_group_tests_name("image import", tests, NULL, NULL);
}
