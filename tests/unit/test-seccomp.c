/* SPDX-License-Identifier: Apache-2.0 */

/* The system call filter: the rules built in against the installed file, conditions, bad profiles.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/text.h"
#include "oci/seccomp.h"
#include "oci/seccomp_filter.h"

#define CAP_NUMBER_SYS_ADMIN   21
#define CAP_NUMBER_AUDIT_WRITE 29

static json_t *translate(const char *profile, CapabilitySet capabilities) {
        _cleanup_free_ char *text = NULL;
        json_error_t position;
        Error err = ERROR_INIT;

        if (seccomp_translate(profile, profile ? strlen(profile) : 0, "test", capabilities, &text,
                              &err) < 0)
                fail_msg("%s", err.text);
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &position);
        if (!json)
                fail_msg("%s: %s", position.text, text);
        return json;
}

/* "name action errno [args]" of each system call in each rule, as the keys of an object. */
static json_t *flatten(const json_t *filter) {
        json_t *flat = json_object();
        size_t i, j;
        json_t *rule, *name;

        json_array_foreach(json_object_get(filter, "syscalls"), i, rule) {
                _cleanup_free_ char *arguments =
                        json_dumps(json_object_get(rule, "args"), JSON_COMPACT | JSON_SORT_KEYS);
                json_array_foreach(json_object_get(rule, "names"), j, name) {
                        _cleanup_free_ char *key =
                                xasprintf("%s %s %lld %s", json_string_value(name),
                                          json_string_value(json_object_get(rule, "action")),
                                          json_integer_value(json_object_get(rule, "errnoRet")),
                                          arguments ? arguments : "");
                        json_object_set_new(flat, key, json_true());
                }
        }
        return flat;
}

static void check_same(const char *profile, CapabilitySet capabilities) {
        json_auto_t *ours = translate(NULL, capabilities);
        json_auto_t *theirs = translate(profile, capabilities);
        json_auto_t *a = flatten(ours);
        json_auto_t *b = flatten(theirs);
        const char *key;
        json_t *value;

        json_object_foreach(a, key, value) if (!json_object_get(b, key))
                fail_msg("only built in: %s", key);
        json_object_foreach(b, key, value) if (!json_object_get(a, key))
                fail_msg("only in the file: %s", key);
        assert_int_equal(json_object_size(a), json_object_size(b));
        assert_true(json_equal(json_object_get(ours, "architectures"),
                               json_object_get(theirs, "architectures")));
        assert_true(json_equal(json_object_get(ours, "defaultAction"),
                               json_object_get(theirs, "defaultAction")));
        assert_true(json_equal(json_object_get(ours, "defaultErrnoRet"),
                               json_object_get(theirs, "defaultErrnoRet")));
}

static void test_builtin_is_the_file(void **state) {
        _cleanup_free_ char *profile = NULL;

        (void)state;
        if (file_read_at(AT_FDCWD, SECCOMP_PROFILE_PATH, SECCOMP_PROFILE_MAX, &profile, NULL) < 0) {
                print_message("skipped: %s is not installed\n", SECCOMP_PROFILE_PATH);
                skip();
        }
        check_same(profile, 0);
        check_same(profile, CAPABILITY_DEFAULT);
        check_same(profile, CAPABILITY_BIT(CAP_NUMBER_AUDIT_WRITE));
        check_same(profile, CAPABILITY_BIT(CAPABILITY_MAX) - 1);
}

static bool allows(const json_t *filter, const char *name) {
        _cleanup_free_ char *key = xasprintf("%s SCMP_ACT_ALLOW 0 ", name);
        json_auto_t *flat = flatten(filter);

        return json_object_get(flat, key) != NULL;
}

static void test_capabilities_open_calls(void **state) {
        json_auto_t *plain = translate(NULL, CAPABILITY_DEFAULT);
        json_auto_t *admin = translate(NULL, CAPABILITY_BIT(CAP_NUMBER_SYS_ADMIN));

        (void)state;
        assert_true(allows(plain, "read"));
        assert_true(allows(plain, "chroot"));
        assert_false(allows(plain, "bpf"));
        assert_true(allows(admin, "bpf"));
        assert_false(allows(admin, "chroot"));
}

static void test_conditions(void **state) {
        json_auto_t *filter =
                translate("{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":["
                          "{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{"
                          "\"minKernel\":\"4.8\"}},"
                          "{\"names\":[\"b\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{"
                          "\"minKernel\":\"99.0\"}},"
                          "{\"names\":[\"c\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{"
                          "\"arches\":[\"none\"]}},"
                          "{\"names\":[\"d\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{"
                          "\"arches\":[\"none\"]}},"
                          "{\"names\":[\"e\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":"
                          "[\"CAP_NEW\"]}},"
                          "{\"name\":\"f\",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":null}]}",
                          CAPABILITY_DEFAULT);

        (void)state;
        assert_true(allows(filter, "a"));
        assert_false(allows(filter, "b"));
        assert_false(allows(filter, "c"));
        assert_true(allows(filter, "d"));
        assert_false(allows(filter, "e"));
        assert_true(allows(filter, "f"));
}

static void test_errno_by_name(void **state) {
        json_auto_t *filter =
                translate("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"EPERM\"}", 0);

        (void)state;
        assert_int_equal(json_integer_value(json_object_get(filter, "defaultErrnoRet")), 1);
}

static void test_bad_profiles(void **state) {
        static const struct {
                const char *profile, *says;
        } cases[] = {
                { "{\n \"defaultAction\": nonsense}", "line 2, column " },
                { "[]", "the document is no object" },
                { "{}", "defaultAction is no action" },
                { "{\"defaultAction\":\"SCMP_ACT_NICE\"}", "defaultAction is no action" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":{}}", "syscalls is no list" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[7]}",
                  "syscalls[0].rule is no object" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{\"action\":\"SCMP_ACT_LOG\"}"
                  "]}",
                  "syscalls[0].names is missing" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{\"names\":[\"a b\"]}]}",
                  "syscalls[0].names holds what is no name" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{\"names\":[\"a\"],"
                  "\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":9,\"op\":\"SCMP_CMP_EQ\"}]}]}",
                  "index that no system call has" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{\"names\":[\"a\"],"
                  "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":\"x\"}]}",
                  "syscalls[0].errnoRet is no errno value" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{\"names\":[\"a\"],"
                  "\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"value\":-1,"
                  "\"op\":\"SCMP_CMP_EQ\"}]}]}",
                  "syscalls[0].value is no number" },
                { "{\"defaultAction\":\"SCMP_ACT_KILL\",\"defaultAction\":\"SCMP_ACT_LOG\"}",
                  "duplicate" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char *text = NULL;
                Error err = ERROR_INIT;
                int r = seccomp_translate(cases[i].profile, strlen(cases[i].profile), "/the/file",
                                          0, &text, &err);
                assert_true(r < 0);
                assert_int_equal(err.kind, ERR_INVALID);
                assert_string_equal(err.subject, "/the/file");
                if (!strstr(err.text, cases[i].says))
                        fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.text, cases[i].says);
        }
}

static void test_limits(void **state) {
        _cleanup_buffer_ Buffer profile = BUFFER_INIT;
        char *text = NULL;
        Error err = ERROR_INIT;

        (void)state;
        buffer_append_string(&profile, "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[0");
        for (int i = 0; i < 5000; i++)
                buffer_append_string(&profile, ",0");
        buffer_append_string(&profile, "]}");
        assert_true(seccomp_translate(profile.data, profile.size, "big", 0, &text, &err) < 0);
        assert_int_equal(err.kind, ERR_LIMIT);
}

static void write_file(const char *path, const void *data, size_t size) {
        assert_int_equal(file_write_atomic_at(AT_FDCWD, path, data, size, 0600, false), 0);
}

static void test_cache_follows_the_file(void **state) {
        static const char kill[] = "{\"defaultAction\":\"SCMP_ACT_KILL\"}";
        static const char allow[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";
        _cleanup_(seccomp_cache_freep)
        SeccompCache *cache = seccomp_cache_new();
        char path[] = "/tmp/test-seccomp-XXXXXX";
        Error err = ERROR_INIT;

        (void)state;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        (void)close(fd);
        write_file(path, kill, sizeof(kill) - 1);
        for (int i = 0; i < 3; i++) {
                _cleanup_free_ char *text = NULL;
                assert_int_equal(seccomp_cache_get(cache, path, 0, &text, NULL, &err), 0);
                assert_non_null(strstr(text, "SCMP_ACT_KILL"));
        }
        write_file(path, allow, sizeof(allow) - 1);
        _cleanup_free_ char *text = NULL;
        assert_int_equal(seccomp_cache_get(cache, path, 0, &text, NULL, &err), 0);
        assert_non_null(strstr(text, "SCMP_ACT_ALLOW"));

        /* More sets of capabilities than are kept. */
        for (CapabilitySet i = 0; i < 3 * SECCOMP_CACHE_ENTRIES; i++) {
                _cleanup_free_ char *more = NULL;
                assert_int_equal(seccomp_cache_get(cache, path, i, &more, NULL, &err), 0);
        }

        assert_int_equal(truncate(path, SECCOMP_PROFILE_MAX + 1), 0);
        char *none = NULL;
        assert_true(seccomp_cache_get(cache, path, 0, &none, NULL, &err) < 0);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(unlink(path), 0);
        assert_true(seccomp_cache_get(cache, path, 0, &none, NULL, &err) < 0);
        assert_int_equal(err.kind, ERR_IO);
}

static void test_default_needs_no_path(void **state) {
        _cleanup_(seccomp_cache_freep)
        SeccompCache *cache = seccomp_cache_new();
        _cleanup_free_ char *text = NULL;
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(seccomp_cache_get(cache, NULL, CAPABILITY_DEFAULT, &text, NULL, &err), 0);
        assert_non_null(strstr(text, "\"syscalls\":[{"));
}

/* Work that all threads of this process have done. */
static int64_t cpu_ns(void) {
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
        return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void *get_filter(void *cache) {
        char *text = NULL, *filter = NULL;
        Error err = ERROR_INIT;

        (void)seccomp_cache_get(cache, NULL, CAPABILITY_DEFAULT, &text, &filter, &err);
        free(text);
        return filter;
}

static void test_filter_is_compiled_once(void **state) {
        _cleanup_(seccomp_cache_freep)
        SeccompCache *alone = seccomp_cache_new();
        _cleanup_(seccomp_cache_freep)
        SeccompCache *shared = seccomp_cache_new();
        _cleanup_free_ char *text = NULL;
        pthread_t threads[16];
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(seccomp_cache_get(alone, NULL, CAPABILITY_DEFAULT, &text, NULL, &err), 0);
        int64_t begin = cpu_ns();
        _cleanup_free_ char *filter = get_filter(alone);
        int64_t once = cpu_ns() - begin;
        assert_non_null(filter);

        begin = cpu_ns();
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, get_filter, shared), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                void *theirs;
                assert_int_equal(pthread_join(threads[i], &theirs), 0);
                assert_non_null(theirs);
                assert_string_equal(theirs, filter);
                free(theirs);
        }
        int64_t together = cpu_ns() - begin;
        if (together > 8 * once)
                fail_msg("16 threads took %lld us, one %lld us", (long long)together / 1000,
                         (long long)once / 1000);
}

static void test_filter_is_the_text_compiled(void **state) {
        _cleanup_(seccomp_cache_freep)
        SeccompCache *cache = seccomp_cache_new();
        _cleanup_free_ char *text = NULL, *filter = NULL, *again = NULL;
        _cleanup_buffer_ Buffer compiled = BUFFER_INIT;
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(seccomp_cache_get(cache, NULL, 0, &text, &filter, &err), 0);
        assert_int_equal(seccomp_filter_compile(text, strlen(text), &compiled, &err), 0);
        again = base64_encode(compiled.data, compiled.size);
        assert_string_equal(filter, again);
}

/* The rules are well-formed, but no filter can be made of them. */
static void test_filter_that_cannot_be(void **state) {
        static const char profile[] =
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}";
        _cleanup_(seccomp_cache_freep)
        SeccompCache *cache = seccomp_cache_new();
        _cleanup_free_ char *text = NULL;
        char *none = NULL, *filter = NULL;
        char path[] = "/tmp/test-seccomp-XXXXXX";
        Error err = ERROR_INIT;

        (void)state;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        (void)close(fd);
        write_file(path, profile, sizeof(profile) - 1);
        assert_int_equal(seccomp_cache_get(cache, path, 0, &text, NULL, &err), 0);
        assert_true(seccomp_cache_get(cache, path, 0, &none, &filter, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.subject, path);
        assert_non_null(strstr(err.text, "SCMP_ACT_ALLOW takes no defaultErrnoRet"));
        assert_null(none);
        assert_null(filter);
        assert_int_equal(unlink(path), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_builtin_is_the_file),
                cmocka_unit_test(test_capabilities_open_calls),
                cmocka_unit_test(test_conditions),
                cmocka_unit_test(test_errno_by_name),
                cmocka_unit_test(test_bad_profiles),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_cache_follows_the_file),
                cmocka_unit_test(test_default_needs_no_path),
                cmocka_unit_test(test_filter_is_compiled_once),
                cmocka_unit_test(test_filter_is_the_text_compiled),
                cmocka_unit_test(test_filter_that_cannot_be),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
