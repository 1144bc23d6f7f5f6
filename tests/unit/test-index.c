/* SPDX-License-Identifier: Apache-2.0 */

/* Indexes: which image a machine takes, how a layout's list changes, what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/buffer.h"
#include "oci/index.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

/* One entry; its digest ends in one hex digit. */
#define ENTRY(digit, more)                                                              \
        "{\"mediaType\":\"" MEDIA_TYPE_OCI_MANIFEST "\",\"digest\":\"sha256:" HEX digit \
        "\",\"size\":7" more "}"
#define PLATFORM(os, arch, variant) \
        ",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch "\"" variant "}"
#define VARIANT(variant) ",\"variant\":\"" variant "\""
#define NAMED(name)      ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"
#define INDEX(entries)   "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static void parse(const char *text, Index *ret) {
        Error err = ERROR_INIT;

        int r = index_parse(text, strlen(text), ret, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(r, 0);
}

static ErrorKind refusal(const char *text, const char *subject) {
        _cleanup_index_ Index index = INDEX_INIT;
        Error err = ERROR_INIT;

        assert_int_equal(index_parse(text, strlen(text), &index, &err), -1);
        assert_string_equal(err.subject, subject);
        return err.kind;
}

/* The last digit of what is chosen; '-' for none. */
static char choose(const Index *index, const char *architecture, const char *variant) {
        Platform platform = { .os = "linux" };
        Error err = ERROR_INIT;

        snprintf(platform.architecture, sizeof(platform.architecture), "%s", architecture);
        snprintf(platform.variant, sizeof(platform.variant), "%s", variant);
        const Descriptor *found = index_choose(index, &platform, &err);
        assert_int_equal(err.kind, found ? ERR_NONE : ERR_NOT_FOUND);
        return found ? found->digest[DIGEST_TEXT_SIZE - 2] : '-';
}

static void the_best_variant_is_chosen(void **state _unused_) {
        _cleanup_index_ Index index = INDEX_INIT, plain = INDEX_INIT;

        parse(INDEX(ENTRY("0", PLATFORM("windows", "amd64",
                                        "")) "," ENTRY("1", PLATFORM("linux", "amd64", "")) "," //
                    ENTRY("2", PLATFORM("linux", "arm", VARIANT("v5"))) "," ENTRY(
                            "3", PLATFORM("linux", "arm", VARIANT("v7"))) "," //
                    ENTRY("4", PLATFORM("linux", "arm", "")) "," ENTRY(
                            "5", PLATFORM("linux", "arm64", VARIANT("v8"))) "," //
                    ENTRY("6", PLATFORM("unknown", "unknown", ""))),
              &index);
        assert_int_equal(choose(&index, "amd64", ""), '1');
        assert_int_equal(choose(&index, "amd64", "v3"), '1');
        assert_int_equal(choose(&index, "arm", "v8"), '3');
        assert_int_equal(choose(&index, "arm", "v7"), '3');
        assert_int_equal(choose(&index, "arm", "v6"), '2');
        assert_int_equal(choose(&index, "arm", "v5"), '2');
        assert_int_equal(choose(&index, "arm", "v4"), '4');
        assert_int_equal(choose(&index, "arm", ""), '4');
        assert_int_equal(choose(&index, "arm64", "v8"), '5');
        assert_int_equal(choose(&index, "arm64", ""), '5');
        assert_int_equal(choose(&index, "s390x", ""), '-');

        parse(INDEX(ENTRY("1", PLATFORM("linux", "arm64", "")) "," ENTRY(
                      "2", PLATFORM("linux", "arm64", VARIANT("v9")))),
              &plain);
        assert_int_equal(choose(&plain, "arm64", "v8"), '1');
        assert_int_equal(choose(&plain, "arm64", "v9"), '2');
}

static void a_failed_choice_lists_what_there_is(void **state _unused_) {
        _cleanup_index_ Index index = INDEX_INIT, empty = INDEX_INIT;
        const Platform platform = { .os = "linux", .architecture = "riscv64" };
        Error err = ERROR_INIT;

        parse(INDEX(ENTRY("1", PLATFORM("linux", "amd64", "")) "," ENTRY(
                      "2", PLATFORM("linux", "arm", VARIANT("v7")))),
              &index);
        assert_null(index_choose(&index, &platform, &err));
        assert_string_equal(err.subject, "linux/riscv64");
        assert_string_equal(err.text, "there is no image for linux/riscv64 among the 2 that the "
                                      "index names: linux/amd64, linux/arm/v7");
        parse(INDEX(""), &empty);
        assert_null(index_choose(&empty, NULL, &err));
        assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void what_names_no_platform_is_the_last_choice(void **state _unused_) {
        _cleanup_index_ Index index = INDEX_INIT;

        parse(INDEX(ENTRY("1", "") "," ENTRY("2", PLATFORM("linux", "amd64", ""))), &index);
        assert_int_equal(choose(&index, "amd64", ""), '2');
        assert_int_equal(choose(&index, "s390x", ""), '1');
}

static void this_host_is_the_default(void **state _unused_) {
        _cleanup_index_ Index index = INDEX_INIT;
        Platform host;

        platform_of_host(&host);
        assert_string_equal(host.os, "linux");
        _cleanup_free_ char *text =
                xasprintf(INDEX(ENTRY("1", PLATFORM("linux", "none", "")) "," ENTRY(
                                  "2", PLATFORM("linux", "%s", VARIANT("%s")))),
                          host.architecture, host.variant);
        parse(text, &index);
        const Descriptor *found = index_choose(&index, NULL, NULL);
        assert_non_null(found);
        assert_int_equal(found->digest[DIGEST_TEXT_SIZE - 2], '2');
}

static void kinds_are_told_apart(void **state _unused_) {
        static const struct {
                const char *text, *media_type;
                bool is_index;
        } rows[] = {
                { "", MEDIA_TYPE_OCI_INDEX, true },
                { "", MEDIA_TYPE_DOCKER_LIST, true },
                { INDEX(""), MEDIA_TYPE_OCI_MANIFEST, false },
                { INDEX(""), "", true },
                { INDEX(""), "application/json", true },
                { INDEX(""), NULL, true },
                { "{\"mediaType\":\"" MEDIA_TYPE_DOCKER_LIST "\"}", NULL, true },
                { "{\"mediaType\":\"" MEDIA_TYPE_OCI_MANIFEST "\",\"manifests\":[]}", NULL, false },
                { "{\"layers\":[]}", NULL, false },
                { "[", NULL, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                assert_int_equal(index_is_index(rows[i].text, strlen(rows[i].text),
                                                rows[i].media_type),
                                 rows[i].is_index);
}

static void what_is_wrong_is_named(void **state _unused_) {
        assert_int_equal(refusal("{\"schemaVersion\":1}", "schemaVersion"), ERR_UNSUPPORTED);
        assert_int_equal(refusal("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_OCI_MANIFEST
                                 "\"}",
                                 "mediaType"),
                         ERR_UNSUPPORTED);
        assert_int_equal(refusal("{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", "layers"),
                         ERR_UNSUPPORTED);
        assert_int_equal(refusal("{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}", "config"),
                         ERR_UNSUPPORTED);
        assert_int_equal(refusal("{\"schemaVersion\":2,\"manifests\":{}}", "manifests"),
                         ERR_INVALID);
        assert_int_equal(refusal(INDEX("7"), "manifests"), ERR_INVALID);
        assert_int_equal(refusal(INDEX("{}"), "manifests[0].digest"), ERR_INVALID);
        assert_int_equal(refusal(INDEX(ENTRY("0", ",\"platform\":7")), "manifests[0].platform"),
                         ERR_INVALID);
        assert_int_equal(refusal(INDEX(ENTRY("0", ",\"platform\":{\"os\":7}")),
                                 "manifests[0].platform.os"),
                         ERR_INVALID);
        assert_int_equal(refusal(INDEX("{\"digest\":\"sha256:" HEX "0\",\"size\":-7}"),
                                 "manifests[0].size"),
                         ERR_INVALID);
        assert_int_equal(refusal("{\"schemaVersion\":2,\"annotations\":{\"a\":1}}",
                                 "annotations.a"),
                         ERR_INVALID);
}

static char *with_entries(size_t count) {
        Buffer text = BUFFER_INIT;

        buffer_append_string(&text, "{\"schemaVersion\":2,\"manifests\":[");
        for (size_t i = 0; i < count; i++)
                buffer_printf(&text, "%s%s", i > 0 ? "," : "", ENTRY("0", NAMED("x")));
        buffer_append_string(&text, "]}");
        return buffer_take_string(&text);
}

static void limits_hold(void **state _unused_) {
        _cleanup_index_ Index index = INDEX_INIT;
        _cleanup_free_ char *most = with_entries(INDEX_ENTRIES_MAX);
        _cleanup_free_ char *more = with_entries(INDEX_ENTRIES_MAX + 1);
        const Descriptor manifest = { (char *)MEDIA_TYPE_OCI_MANIFEST, "sha256:" HEX "1", 7 };
        Error err = ERROR_INIT;

        parse(most, &index);
        assert_int_equal(index_put(&index, "y", &manifest, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(refusal(more, "manifests"), ERR_LIMIT);
}

static void layouts_are_changed_by_name(void **state _unused_) {
        _cleanup_index_ Index index = INDEX_INIT;
        const Descriptor one = { (char *)MEDIA_TYPE_OCI_MANIFEST, "sha256:" HEX "1", 7 };
        const Descriptor two = { (char *)MEDIA_TYPE_OCI_MANIFEST, "sha256:" HEX "2", 7 };
        Error err = ERROR_INIT;

        index_init(&index);
        assert_int_equal(index_put(&index, NULL, &one, &err), 0);
        assert_int_equal(index_put(&index, NULL, &one, &err), 0);
        assert_ptr_equal(index_find(&index, NULL, &err), &index.entries[0]);
        assert_int_equal(index_put(&index, "a", &two, &err), 0);
        assert_int_equal(index_put(&index, "b", &two, &err), 0);
        assert_int_equal(index_put(&index, "a", &one, &err), 0); /* the one without a name goes */
        _cleanup_free_ char *text = index_format(&index, NULL);
        assert_string_equal(text, INDEX(ENTRY("2", NAMED("b")) "," ENTRY("1", NAMED("a"))));

        assert_string_equal(index_find(&index, "a", &err)->descriptor.digest, one.digest);
        assert_null(index_find(&index, "c", &err));
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_null(index_find(&index, NULL, &err));
        assert_int_equal(err.kind, ERR_AMBIGUOUS);
}

static void members_of_others_survive(void **state _unused_) {
        static const char before[] =
                "{\"schemaVersion\":2,\"annotations\":{\"x\":\"y\"},\"future\":[1,2],\"manifests\":"
                "[" ENTRY("3", ",\"urls\":[\"u\"]") "," ENTRY("2",
                                                              NAMED("a") ",\"data\":\"e30=\"") "]}";
        static const char after[] =
                "{\"schemaVersion\":2,\"annotations\":{\"x\":\"y\"},\"future\":[1,2],\"manifests\":"
                "[" ENTRY("3", ",\"urls\":[\"u\"]") "," ENTRY("1", NAMED("a")) "]}";
        const Descriptor one = { (char *)MEDIA_TYPE_OCI_MANIFEST, "sha256:" HEX "1", 7 };
        _cleanup_index_ Index index = INDEX_INIT, none = INDEX_INIT;
        Error err = ERROR_INIT;

        parse(before, &index);
        assert_int_equal(index_put(&index, "a", &one, &err), 0);
        _cleanup_free_ char *text = index_format(&index, NULL);
        assert_string_equal(text, after);

        parse("{\"schemaVersion\":2,\"manifests\":null}", &none);
        assert_int_equal(index_put(&none, "a", &one, &err), 0);
        _cleanup_free_ char *made = index_format(&none, NULL);
        assert_string_equal(made, INDEX(ENTRY("1", NAMED("a"))));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_best_variant_is_chosen),
                cmocka_unit_test(a_failed_choice_lists_what_there_is),
                cmocka_unit_test(what_names_no_platform_is_the_last_choice),
                cmocka_unit_test(this_host_is_the_default),
                cmocka_unit_test(kinds_are_told_apart),
                cmocka_unit_test(what_is_wrong_is_named),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(layouts_are_changed_by_name),
                cmocka_unit_test(members_of_others_survive),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
