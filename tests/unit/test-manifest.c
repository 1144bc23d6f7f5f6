/* SPDX-License-Identifier: Apache-2.0 */

/* Manifests as docker and OCI write them, turned into one another; what layers are called. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/buffer.h"
#include "oci/image_config.h"
#include "oci/manifest.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

/* The text that podman 4.3.1 saved for `--format docker-dir`, but for its digests. */
#define DOCKER_TEXT                                                                          \
        "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_DOCKER_MANIFEST "\",\"config\":"  \
        "{\"mediaType\":\"" MEDIA_TYPE_DOCKER_CONFIG "\",\"size\":1232,\"digest\":\"" DIGEST \
        "\"},\"layers\":[{\"mediaType\":\"" MEDIA_TYPE_DOCKER_LAYER "\",\"size\":1984512,"   \
        "\"digest\":\"" DIGEST "\"},{\"mediaType\":\"" MEDIA_TYPE_DOCKER_LAYER_GZIP "\","    \
        "\"size\":2560,\"digest\":\"" DIGEST "\"}]}"

#define OCI_TEXT                                                                                  \
        "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_OCI_MANIFEST "\",\"config\":"          \
        "{\"mediaType\":\"" MEDIA_TYPE_OCI_CONFIG "\",\"digest\":\"" DIGEST "\",\"size\":1232},"  \
        "\"layers\":[{\"mediaType\":\"" MEDIA_TYPE_OCI_LAYER "\",\"digest\":\"" DIGEST "\","      \
        "\"size\":1984512},{\"mediaType\":\"" MEDIA_TYPE_OCI_LAYER_GZIP "\",\"digest\":\"" DIGEST \
        "\",\"size\":2560}]}"

static void parse(const char *text, Manifest *ret) {
        Error err = ERROR_INIT;

        int r = manifest_parse(text, strlen(text), ret, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(r, 0);
}

static ErrorKind refusal(const char *text, const char *subject) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(manifest_parse(text, strlen(text), &manifest, &err), -1);
        assert_string_equal(err.subject, subject);
        return err.kind;
}

static void what_docker_writes_is_written(void **state _unused_) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;

        parse(DOCKER_TEXT, &manifest);
        _cleanup_free_ char *text = manifest_format(&manifest, NULL);
        assert_string_equal(text, DOCKER_TEXT);
}

static void each_kind_becomes_the_other(void **state _unused_) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
        Error err = ERROR_INIT;

        parse(DOCKER_TEXT, &manifest);
        assert_int_equal(manifest_convert(&manifest, MEDIA_TYPE_OCI_MANIFEST, &err), 0);
        _cleanup_free_ char *oci = manifest_format(&manifest, NULL);
        assert_string_equal(oci, OCI_TEXT);
        pairs_set(&manifest.annotations, "k", "v");
        assert_int_equal(manifest_convert(&manifest, MEDIA_TYPE_OCI_MANIFEST, &err), 0);
        assert_int_equal(manifest.annotations.count, 1);
        assert_int_equal(manifest_convert(&manifest, MEDIA_TYPE_DOCKER_MANIFEST, &err), 0);
        _cleanup_free_ char *docker = manifest_format(&manifest, NULL);
        assert_string_equal(docker, DOCKER_TEXT);
}

static void what_has_no_counterpart_stays(void **state _unused_) {
        static const struct {
                const char *config, *layer, *to;
        } rows[] = {
                { MEDIA_TYPE_OCI_CONFIG, MEDIA_TYPE_OCI_LAYER_ZSTD, MEDIA_TYPE_DOCKER_MANIFEST },
                { MEDIA_TYPE_DOCKER_CONFIG,
                  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                  MEDIA_TYPE_OCI_MANIFEST },
                { MEDIA_TYPE_OCI_CONFIG, "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                  MEDIA_TYPE_OCI_MANIFEST },
                { "application/vnd.cncf.helm.config.v1+json", MEDIA_TYPE_OCI_LAYER,
                  MEDIA_TYPE_OCI_MANIFEST },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;
                _cleanup_free_ char *text = xasprintf(
                        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"%s\",\"digest\":\"" DIGEST
                        "\",\"size\":1},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"" DIGEST
                        "\",\"size\":1}]}",
                        rows[i].config, rows[i].layer);
                Error err = ERROR_INIT;
                parse(text, &manifest);
                assert_int_equal(manifest_convert(&manifest, rows[i].to, &err), -1);
                assert_int_equal(err.kind, ERR_UNSUPPORTED);
                assert_string_equal(err.subject, DIGEST);
                assert_string_equal(manifest.layers[0].media_type, rows[i].layer);
                assert_string_equal(manifest.config.media_type, rows[i].config);
        }
}

static void layers_say_what_they_are(void **state _unused_) {
        static const struct {
                const char *media_type;
                int compression; /* -1: refused */
                const char *reason;
        } rows[] = {
                { MEDIA_TYPE_OCI_LAYER, COMPRESSION_NONE, NULL },
                { MEDIA_TYPE_OCI_LAYER_GZIP, COMPRESSION_GZIP, NULL },
                { MEDIA_TYPE_OCI_LAYER_ZSTD, COMPRESSION_ZSTD, NULL },
                { MEDIA_TYPE_DOCKER_LAYER, COMPRESSION_NONE, NULL },
                { MEDIA_TYPE_DOCKER_LAYER_GZIP, COMPRESSION_GZIP, NULL },
                { MEDIA_TYPE_DOCKER_LAYER ".zstd", COMPRESSION_ZSTD, NULL },
                { "application/vnd.docker.image.rootfs.foreign.diff.tar", -1, "foreign" },
                { "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", -1, "foreign" },
                { "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", -1, "foreign" },
                { "application/vnd.oci.image.layer.v1.tar+encrypted", -1, "media type" },
                { "", -1, "media type" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                Compression compression;
                Error err = ERROR_INIT;
                int r = layer_type_parse(rows[i].media_type, "x", &compression, &err);
                assert_int_equal(r, rows[i].compression < 0 ? -1 : 0);
                assert_int_equal(err.kind, r < 0 ? ERR_UNSUPPORTED : ERR_NONE);
                if (r == 0)
                        assert_int_equal(compression, rows[i].compression);
                else
                        assert_non_null(strstr(err.text, rows[i].reason));
        }
}

#define DESCRIPTOR(size) "{\"mediaType\":\"x\",\"digest\":\"" DIGEST "\",\"size\":" size "}"
#define WITH_CONFIG      "{\"schemaVersion\":2,\"config\":" DESCRIPTOR("1")

static void sizes_are_possible(void **state _unused_) {
        _cleanup_manifest_ Manifest manifest = MANIFEST_INIT;

        parse(WITH_CONFIG ",\"layers\":[" DESCRIPTOR("17592186044416") "]}", &manifest);
        assert_int_equal(manifest.layers[0].size, BLOB_SIZE_MAX);
        assert_int_equal(refusal(WITH_CONFIG ",\"layers\":[" DESCRIPTOR("17592186044417") "]}",
                                 "layers[0].size"),
                         ERR_LIMIT);
        assert_int_equal(refusal(WITH_CONFIG ",\"layers\":[" DESCRIPTOR("9223372036854775807") "]}",
                                 "layers[0].size"),
                         ERR_LIMIT);
        assert_int_equal(refusal(WITH_CONFIG ",\"layers\":[" DESCRIPTOR("-1") "]}",
                                 "layers[0].size"),
                         ERR_INVALID);
        assert_int_equal(refusal(WITH_CONFIG ",\"layers\":[" DESCRIPTOR("1e3") "]}",
                                 "layers[0].size"),
                         ERR_INVALID);
        /* More than 64 bits are no number to the parser. */
        assert_int_equal(
                refusal(WITH_CONFIG ",\"layers\":[" DESCRIPTOR("99999999999999999999") "]}", ""),
                ERR_INVALID);
}

static void no_document_is_two_things(void **state _unused_) {
        assert_int_equal(refusal(WITH_CONFIG ",\"layers\":[],\"manifests\":[]}", "manifests"),
                         ERR_UNSUPPORTED);
        assert_int_equal(refusal(WITH_CONFIG ",\"layers\":[],\"fsLayers\":[]}", "fsLayers"),
                         ERR_UNSUPPORTED);
        assert_int_equal(refusal("{\"schemaVersion\":1,\"fsLayers\":[],\"history\":[]}",
                                 "schemaVersion"),
                         ERR_UNSUPPORTED);
}

static char *with_annotations(size_t count) {
        Buffer text = BUFFER_INIT;

        buffer_append_string(&text, WITH_CONFIG ",\"annotations\":{");
        for (size_t i = 0; i < count; i++)
                buffer_printf(&text, "%s\"%zu\":\"\"", i > 0 ? "," : "", i);
        buffer_append_string(&text, "}}");
        return buffer_take_string(&text);
}

static char *with_layers(size_t count) {
        Buffer text = BUFFER_INIT;

        buffer_append_string(&text, WITH_CONFIG ",\"layers\":[");
        for (size_t i = 0; i < count; i++)
                buffer_printf(&text, "%s%s", i > 0 ? "," : "", DESCRIPTOR("1"));
        buffer_append_string(&text, "]}");
        return buffer_take_string(&text);
}

static void limits_hold(void **state _unused_) {
        _cleanup_manifest_ Manifest most = MANIFEST_INIT, annotated = MANIFEST_INIT;
        _cleanup_free_ char *layers = with_layers(IMAGE_LAYERS_MAX);
        _cleanup_free_ char *many_layers = with_layers(10000);
        _cleanup_free_ char *annotations = with_annotations(ANNOTATIONS_MAX);
        _cleanup_free_ char *many_annotations = with_annotations(ANNOTATIONS_MAX + 1);
        _cleanup_free_ char *padding = xcalloc(1, MANIFEST_SIZE_MAX);

        parse(layers, &most);
        assert_int_equal(most.layers_count, IMAGE_LAYERS_MAX);
        parse(annotations, &annotated);
        assert_int_equal(annotated.annotations.count, ANNOTATIONS_MAX);
        assert_int_equal(refusal(many_layers, "layers"), ERR_LIMIT);
        assert_int_equal(refusal(many_annotations, "annotations"), ERR_LIMIT);

        memset(padding, 'x', MANIFEST_SIZE_MAX - 1);
        _cleanup_free_ char *large =
                xasprintf(WITH_CONFIG ",\"annotations\":{\"k\":\"%s\"}}", padding);
        assert_int_equal(refusal(large, ""), ERR_LIMIT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_docker_writes_is_written),
                cmocka_unit_test(each_kind_becomes_the_other),
                cmocka_unit_test(what_has_no_counterpart_stays),
                cmocka_unit_test(layers_say_what_they_are),
                cmocka_unit_test(sizes_are_possible),
                cmocka_unit_test(no_document_is_two_things),
                cmocka_unit_test(limits_hold),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
