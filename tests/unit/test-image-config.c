/* SPDX-License-Identifier: Apache-2.0 */

/* oci/document, oci/image_config, oci/manifest: what is read is written, what is wrong is named. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/timestamp.h"
#include "oci/document.h"
#include "oci/image_config.h"
#include "oci/manifest.h"

#define HEX    "11beee1544b1d3b748bd18ac7586793c25cc89c4ef299e41f3411a1291da62f5"
#define DIGEST "sha256:" HEX

static const char everything[] =
        "{\"created\":\"2026-11-23T18:55:59.890207008Z\",\"author\":\"me\",\"architecture\":"
        "\"arm64\","
        "\"variant\":\"v8\",\"os\":\"linux\",\"config\":{\"User\":\"1000:1000\","
        "\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}},\"Env\":[\"PATH=/bin\",\"A=B=C\"],"
        "\"Entrypoint\":[\"/bin/sh\",\"-c\"],\"Cmd\":[\"echo \\u00e4\"],\"Volumes\":{\"/v\":{}},"
        "\"WorkingDir\":\"/"
        "root\",\"Labels\":{\"a\":\"b\",\"c\":\"\"},\"StopSignal\":\"SIGRTMIN+3\","
        "\"OnBuild\":[\"RUN x\"],\"Shell\":[\"/bin/ash\",\"-c\"],"
        "\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":30000000000}},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]},"
        "\"history\":[{\"created\":\"2026-11-23T18:55:59.890207008Z\",\"created_by\":\"ADD\","
        "\"comment\":\"c\"},{\"created_by\":\"CMD\",\"author\":\"me\",\"empty_layer\":true}],"
        "\"comment\":\"top\",\"docker_version\":\"20.10\"}";

static void parse(const char *text, ImageConfig *config) {
        Error err = ERROR_INIT;

        if (image_config_parse(text, strlen(text), config, &err) < 0)
                fail_msg("%s", err.text);
}

static void every_member_is_read(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        char text[TIMESTAMP_TEXT_MAX];

        (void)state;
        parse(everything, &config);
        assert_string_equal(timestamp_format_rfc3339(config.created_ns, text),
                            "2026-11-23T18:55:59.890207008Z");
        assert_string_equal(config.author, "me");
        assert_string_equal(config.architecture, "arm64");
        assert_string_equal(config.variant, "v8");
        assert_string_equal(config.os, "linux");
        assert_string_equal(config.comment, "top");
        assert_string_equal(config.docker_version, "20.10");
        const ImageSettings *settings = &config.settings;
        assert_string_equal(settings->user, "1000:1000");
        assert_int_equal(settings->exposed_ports.count, 2);
        assert_string_equal(settings->exposed_ports.items[1], "80/tcp");
        assert_string_equal(settings->env.items[1], "A=B=C");
        assert_string_equal(settings->entrypoint.items[0], "/bin/sh");
        assert_string_equal(settings->cmd.items[0], "echo \xc3\xa4");
        assert_string_equal(settings->volumes.items[0], "/v");
        assert_string_equal(settings->working_dir, "/root");
        assert_string_equal(pairs_get(&settings->labels, "a"), "b");
        assert_string_equal(pairs_get(&settings->labels, "c"), "");
        assert_null(pairs_get(&settings->labels, "b"));
        assert_string_equal(settings->on_build.items[0], "RUN x");
        assert_string_equal(settings->shell.items[0], "/bin/ash");
        assert_non_null(strstr(settings->healthcheck, "30000000000"));
        assert_string_equal(config.diff_ids.items[0], DIGEST);
        assert_int_equal(config.history_count, 2);
        assert_int_equal(config.history[1].created_ns, TIMESTAMP_ZERO);
        assert_string_equal(config.history[1].created_by, "CMD");
        assert_true(config.history[1].is_empty_layer);
        assert_string_equal(config.history[0].comment, "c");
}

static void what_is_read_is_written(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        _cleanup_free_ char *text = NULL, *again = NULL;
        ImageSettings copy;
        size_t size;

        (void)state;
        parse(everything, &config);
        text = image_config_format(&config, &size);
        assert_int_equal(size, strlen(text));
        _cleanup_free_ char *expected = NULL;
        json_auto_t *json = json_loads(everything, 0, NULL);
        expected = json_dumps(json, JSON_COMPACT);
        assert_string_equal(text, expected);

        image_settings_copy(&copy, &config.settings);
        image_settings_done(&config.settings);
        config.settings = copy;
        again = image_config_format(&config, &size);
        assert_string_equal(again, text);
}

static void order_of_the_input_does_not_matter(void **state) {
        _cleanup_image_config_ ImageConfig a = IMAGE_CONFIG_INIT, b = IMAGE_CONFIG_INIT;
        size_t size;

        (void)state;
        parse("{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Labels\":{\"b\":\"2\","
              "\"a\":"
              "\"1\"},\"Volumes\":{\"/z\":{},\"/a\":{}},\"Cmd\":null,\"Unknown\":1}}",
              &a);
        parse("{\"architecture\":\"amd64\",\"config\":{\"Volumes\":{\"/a\":{},\"/"
              "z\":null},\"Labels\":"
              "{\"a\":\"1\",\"b\":\"2\"},\"Env\":[]},\"os\":\"linux\",\"x\":[{}]}",
              &b);
        _cleanup_free_ char *one = image_config_format(&a, &size);
        _cleanup_free_ char *two = image_config_format(&b, &size);
        assert_string_equal(one, two);
}

static void an_empty_config_is_usable(void **state) {
        _cleanup_image_config_ ImageConfig parsed = IMAGE_CONFIG_INIT, made = IMAGE_CONFIG_INIT;
        _cleanup_strings_ Strings argv = STRINGS_INIT;
        size_t size;
        int signal;

        (void)state;
        parse("{}", &parsed);
        assert_string_equal(parsed.settings.user, "");
        assert_int_equal(parsed.created_ns, TIMESTAMP_ZERO);
        assert_int_equal(image_config_stop_signal(&parsed, &signal, NULL), 0);
        assert_int_equal(signal, SIGTERM);
        assert_int_equal(image_config_command(&parsed, NULL, NULL, &argv, NULL), -1);

        image_config_init(&made);
        _cleanup_free_ char *text = image_config_format(&made, &size);
#ifdef __x86_64__
        assert_string_equal(text,
                            "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},"
                            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"history\":[]}");
#endif
        assert_null(strstr(text, "created"));
}

static void what_is_wrong_is_named(void **state) {
        static const struct {
                const char *text, *subject;
        } rows[] = {
                { "", "" },
                { "[]", "" },
                { "{", "" },
                { "{}x", "" },
                { "{\"os\":1}", "os" },
                { "{\"os\":\"a\",\"os\":\"b\"}", "" },
                { "{\"os\":\"\xff\"}", "" },
                { "{\"os\":\"a\\u0000b\"}", "" },
                { "{\"created\":\"yesterday\"}", "created" },
                { "{\"created\":5}", "created" },
                { "{\"config\":[]}", "config" },
                { "{\"config\":{\"User\":0}}", "config.User" },
                { "{\"config\":{\"Env\":{}}}", "config.Env" },
                { "{\"config\":{\"Env\":[\"A=B\",null]}}", "config.Env[1]" },
                { "{\"config\":{\"Cmd\":\"sh\"}}", "config.Cmd" },
                { "{\"config\":{\"Volumes\":[\"/v\"]}}", "config.Volumes" },
                { "{\"config\":{\"Labels\":{\"x\":1}}}", "config.Labels.x" },
                { "{\"config\":{\"Healthcheck\":\"x\"}}", "config.Healthcheck" },
                { "{\"rootfs\":{\"type\":\"tree\"}}", "rootfs.type" },
                { "{\"rootfs\":{\"diff_ids\":[\"sha256:\"]}}", "rootfs.diff_ids" },
                { "{\"rootfs\":{\"diff_ids\":[1]}}", "rootfs.diff_ids[0]" },
                { "{\"history\":{}}", "history" },
                { "{\"history\":[{},1]}", "history" },
                { "{\"history\":[{},{\"empty_layer\":\"true\"}]}", "history[1].empty_layer" },
                { "{\"history\":[{\"created\":\"x\"}]}", "history[0].created" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                ImageConfig config;
                Error err = ERROR_INIT;
                if (image_config_parse(rows[i].text, strlen(rows[i].text), &config, &err) == 0)
                        fail_msg("%s was accepted", rows[i].text);
                assert_int_equal(err.kind, ERR_INVALID);
                assert_string_equal(err.subject, rows[i].subject);
                assert_true(*err.text);
        }
}

/* `head`, then `piece` @n times with commas between, then `tail`. */
static char *repeat(const char *head, const char *piece, size_t n, const char *tail) {
        _cleanup_buffer_ Buffer text = BUFFER_INIT;

        buffer_append_string(&text, head);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buffer_append_byte(&text, ',');
                buffer_append_string(&text, piece);
        }
        buffer_append_string(&text, tail);
        return buffer_take_string(&text);
}

static void expect_limit(char *take_text, bool is_over) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        _cleanup_free_ char *text = take_text;
        Error err = ERROR_INIT;

        int r = image_config_parse(text, strlen(text), &config, &err);
        assert_int_equal(r, is_over ? -1 : 0);
        assert_int_equal(err.kind, is_over ? ERR_LIMIT : ERR_NONE);
}

static void limits_hold(void **state) {
        (void)state;
        for (size_t over = 0; over < 2; over++) {
                expect_limit(repeat("{\"rootfs\":{\"diff_ids\":[", "\"" DIGEST "\"",
                                    IMAGE_LAYERS_MAX + over, "]}}"),
                             over);
                expect_limit(repeat("{\"history\":[", "{}", IMAGE_HISTORY_MAX + over, "]}"), over);
                expect_limit(repeat("{\"config\":{\"Env\":[", "\"A=B\"",
                                    IMAGE_CONFIG_ENTRIES_MAX + over, "]}}"),
                             over);
                /* The object, its member's list, and its elements count. */
                expect_limit(repeat("{\"x\":[", "1", DOCUMENT_VALUES_MAX - 2 + over, "]}"), over);

                _cleanup_buffer_ Buffer deep = BUFFER_INIT;
                buffer_append_string(&deep, "{\"x\":");
                for (size_t i = 0; i < DOCUMENT_DEPTH_MAX - 1 + over; i++)
                        buffer_append_byte(&deep, '[');
                for (size_t i = 0; i < DOCUMENT_DEPTH_MAX - 1 + over; i++)
                        buffer_append_byte(&deep, ']');
                buffer_append_byte(&deep, '}');
                expect_limit(buffer_take_string(&deep), over);

                _cleanup_buffer_ Buffer large = BUFFER_INIT;
                buffer_append_string(&large, "{}");
                while (large.size < IMAGE_CONFIG_SIZE_MAX + over)
                        buffer_append_byte(&large, ' ');
                expect_limit(buffer_take_string(&large), over);
        }
}

/* A list from a text with spaces between the items; "-" is an empty item. */
static Strings list(const char *text) {
        Strings strings = STRINGS_INIT;

        for (const char *p = text; p && *p;) {
                size_t size = strcspn(p, " ");
                strings_take(&strings, xstrndup(p, *p == '-' ? 0 : size));
                p += size + (p[size] == ' ');
        }
        return strings;
}

static void commands_follow_podmans_rules(void **state) {
        static const struct {
                const char *image_entrypoint, *image_cmd, *entrypoint, *command, *expected;
        } rows[] = {
                { "", "sh", "", "", "sh" },      { "", "sh", "", "ls /", "ls /" },
                { "e", "c d", "", "", "e c d" }, { "e", "c d", "", "x", "e x" },
                { "e", "c d", "r", "", "r" },    { "e", "c d", "r s", "x", "r s x" },
                { "e", "c d", "-", "x", "x" },   { "e", "c d", "-", "", NULL },
                { "-", "c", "", "", "c" },       { "e f", "", "", "", "e f" },
                { "", "", "", "", NULL },        { "", "", "", "x", "x" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
                _cleanup_strings_ Strings entrypoint = list(rows[i].entrypoint);
                _cleanup_strings_ Strings command = list(rows[i].command);
                _cleanup_strings_ Strings expected = list(rows[i].expected), argv = STRINGS_INIT;
                Error err = ERROR_INIT;
                image_config_init(&config);
                config.settings.entrypoint = list(rows[i].image_entrypoint);
                config.settings.cmd = list(rows[i].image_cmd);
                int r = image_config_command(&config, &entrypoint, &command, &argv, &err);
                assert_int_equal(r, rows[i].expected ? 0 : -1);
                assert_int_equal(argv.count, expected.count);
                for (size_t j = 0; j < argv.count; j++)
                        assert_string_equal(argv.items[j], expected.items[j]);
        }
}

static void environment_comes_from_the_image_alone(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        _cleanup_pairs_ Pairs env = PAIRS_INIT;
        Error err = ERROR_INIT;

        (void)state;
        image_config_init(&config);
        pairs_set(&env, "PATH", "/default");
        pairs_set(&env, "TERM", "xterm");
        config.settings.env = list("PATH=/a:/b HOME A=B=C E=");
        assert_int_equal(image_config_apply_env(&config, &env, &err), 0);
        assert_string_equal(pairs_get(&env, "PATH"), "/a:/b");
        assert_string_equal(pairs_get(&env, "TERM"), "xterm");
        assert_string_equal(pairs_get(&env, "A"), "B=C");
        assert_string_equal(pairs_get(&env, "E"), "");
        assert_null(pairs_get(&env, "HOME")); /* the engine's own is not the image's to read */

        strings_add(&config.settings.env, "=x");
        assert_int_equal(image_config_apply_env(&config, &env, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "\"=x\""));
        free(config.settings.env.items[config.settings.env.count - 1]);
        config.settings.env.items[config.settings.env.count - 1] = xstrdup("A B=x");
        assert_int_equal(image_config_apply_env(&config, &env, &err), -1);
}

static void stop_signals_of_images(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        Error err = ERROR_INIT;
        int signal;

        (void)state;
        parse(everything, &config);
        assert_int_equal(image_config_stop_signal(&config, &signal, &err), 0);
        assert_int_equal(signal, 37);
        free(config.settings.stop_signal);
        config.settings.stop_signal = xstrdup("SIGNONE");
        assert_int_equal(image_config_stop_signal(&config, &signal, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "SIGNONE"));
}

static void pairs_stay_sorted(void **state) {
        _cleanup_pairs_ Pairs pairs = PAIRS_INIT, copy = PAIRS_INIT;
        char key[16];

        (void)state;
        for (int i = 0; i < 1000; i++) {
                snprintf(key, sizeof(key), "%d", i * 7919 % 1000);
                pairs_set(&pairs, key, key);
        }
        pairs_set(&pairs, "500", "x");
        pairs_set(&pairs, "500", pairs_get(&pairs, "500"));
        assert_int_equal(pairs.count, 1000);
        for (size_t i = 1; i < pairs.count; i++)
                assert_true(strcmp(pairs.items[i - 1].key, pairs.items[i].key) < 0);
        assert_string_equal(pairs_get(&pairs, "500"), "x");
        pairs_copy(&copy, &pairs);
        assert_int_equal(copy.count, 1000);
        assert_null(pairs_get(&copy, "1000"));
        assert_string_equal(pairs_get(&copy, "999"), "999");
}

static void manifests_go_both_ways(void **state) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT, again = MANIFEST_INIT;
        size_t size;
        Error err = ERROR_INIT;

        (void)state;
        manifest_set_config(&manifest, DIGEST, 12);
        manifest_add_layer(&manifest, MEDIA_TYPE_OCI_LAYER, DIGEST, INT64_C(1) << 40);
        pairs_set(&manifest.annotations, "k", "v");
        _cleanup_free_ char *text = manifest_format(&manifest, &size);
        assert_string_equal(text,
                            "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_OCI_MANIFEST "\","
                            "\"config\":{\"mediaType\":\"" MEDIA_TYPE_OCI_CONFIG
                            "\",\"digest\":\"" DIGEST
                            "\",\"size\":12},\"layers\":[{\"mediaType\":\"" MEDIA_TYPE_OCI_LAYER
                            "\",\"digest\":\"" DIGEST
                            "\",\"size\":1099511627776}],\"annotations\":{\"k\":\"v\"}}");
        assert_int_equal(manifest_parse(text, size, &again, &err), 0);
        assert_int_equal(again.layers[0].size, INT64_C(1) << 40);
        assert_string_equal(again.config.digest, DIGEST);
        assert_string_equal(pairs_get(&again.annotations, "k"), "v");
}

#define CONFIG(type) "\"config\":{\"mediaType\":\"" type "\",\"digest\":\"" DIGEST "\",\"size\":1}"

static void kinds_of_manifests_are_told_apart(void **state) {
        static const struct {
                const char *text, *media_type; /* NULL: refused */
                ErrorKind kind;
                const char *subject;
        } rows[] = {
                { "{\"schemaVersion\":2," CONFIG(MEDIA_TYPE_OCI_CONFIG) ",\"layers\":[]}",
                  MEDIA_TYPE_OCI_MANIFEST, ERR_NONE, "" },
                { "{\"schemaVersion\":2," CONFIG(
                          "application/vnd.docker.container.image.v1+json") ",\"layers\":[]}",
                  MEDIA_TYPE_DOCKER_MANIFEST, ERR_NONE, "" },
                { "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_DOCKER_MANIFEST
                  "\"," CONFIG("x") "}",
                  MEDIA_TYPE_DOCKER_MANIFEST, ERR_NONE, "" },
                { "{\"schemaVersion\":1}", NULL, ERR_UNSUPPORTED, "schemaVersion" },
                { "{}", NULL, ERR_UNSUPPORTED, "schemaVersion" },
                { "{\"schemaVersion\":2,\"manifests\":[]}", NULL, ERR_UNSUPPORTED, "manifests" },
                { "{\"schemaVersion\":2,\"mediaType\":\"text/plain\"," CONFIG("x") "}", NULL,
                  ERR_UNSUPPORTED, "mediaType" },
                { "{\"schemaVersion\":2}", NULL, ERR_INVALID, "config.digest" },
                { "{\"schemaVersion\":2,\"config\":{\"digest\":\"" DIGEST "\",\"size\":-1}}", NULL,
                  ERR_INVALID, "config.size" },
                { "{\"schemaVersion\":2," CONFIG("x") ",\"layers\":[{\"digest\":\"x\"}]}", NULL,
                  ERR_INVALID, "layers[0].digest" },
                { "{\"schemaVersion\":2," CONFIG("x") ",\"layers\":[7]}", NULL, ERR_INVALID,
                  "layers" },
                { "{\"schemaVersion\":2," CONFIG("x") ",\"annotations\":{\"a\":1}}", NULL,
                  ERR_INVALID, "annotations.a" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
                Error err = ERROR_INIT;
                int r = manifest_parse(rows[i].text, strlen(rows[i].text), &manifest, &err);
                assert_int_equal(r, rows[i].media_type ? 0 : -1);
                assert_int_equal(err.kind, rows[i].kind);
                assert_string_equal(err.subject, rows[i].subject);
                if (rows[i].media_type)
                        assert_string_equal(manifest.media_type, rows[i].media_type);
        }

        Manifest manifest;
        Error err = ERROR_INIT;
        _cleanup_free_ char *layers = repeat("{\"schemaVersion\":2," CONFIG("x") ",\"layers\":[",
                                             "{}", IMAGE_LAYERS_MAX + 1, "]}");
        assert_int_equal(manifest_parse(layers, strlen(layers), &manifest, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        _cleanup_free_ char *large = repeat("{\"schemaVersion\":2,\"x\":\"", "xxxxxxxxxxxxxxx",
                                            MANIFEST_SIZE_MAX / 16, "\"}");
        assert_int_equal(manifest_parse(large, strlen(large), &manifest, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_member_is_read),
                cmocka_unit_test(what_is_read_is_written),
                cmocka_unit_test(order_of_the_input_does_not_matter),
                cmocka_unit_test(an_empty_config_is_usable),
                cmocka_unit_test(what_is_wrong_is_named),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(commands_follow_podmans_rules),
                cmocka_unit_test(environment_comes_from_the_image_alone),
                cmocka_unit_test(stop_signals_of_images),
                cmocka_unit_test(pairs_stay_sorted),
                cmocka_unit_test(manifests_go_both_ways),
                cmocka_unit_test(kinds_of_manifests_are_told_apart),
        };
        return cmocka_run_group_tests_name("image config", tests, NULL, NULL);
}
