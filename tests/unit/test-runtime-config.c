/* SPDX-License-Identifier: Apache-2.0 */

/* The runtime's document: the defaults, every member there is, what is refused; capability sets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "oci/runtime_config.h"

#define TEXTS(...)                \
        (const char *const[]) {   \
                __VA_ARGS__, NULL \
        }

static json_t *format(const RuntimeConfig *config) {
        _cleanup_buffer_ Buffer out = BUFFER_INIT;
        json_error_t position;
        Error err = ERROR_INIT;

        if (runtime_config_format(config, &out, &err) < 0)
                fail_msg("%s", err.text);
        json_t *json = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, &position);
        if (!json)
                fail_msg("column %d: %s: %.*s", position.column, position.text, (int)out.size,
                         out.data);
        return json;
}

static void check_equal(const json_t *found, const json_t *expected) {
        if (json_equal(found, expected))
                return;
        char *a = json_dumps(found, JSON_INDENT(1) | JSON_SORT_KEYS);
        char *b = json_dumps(expected, JSON_INDENT(1) | JSON_SORT_KEYS);
        fail_msg("found %s\nexpected %s", a, b);
}

static json_t *load(const char *name) {
        _cleanup_free_ char *path = xasprintf("%s/tests/unit/%s", getenv("SOURCE_ROOT"), name);
        json_error_t position;
        json_t *json = json_load_file(path, 0, &position);

        if (!json)
                fail_msg("%s:%d: %s", path, position.line, position.text);
        return json;
}

static void set_least(RuntimeConfig *config) {
        static const char *const args[] = { "true", NULL };

        config->args = args;
        config->root_path = "/rootfs";
}

/* What a host decides is taken out before the comparison, and looked at by itself. */
static void test_defaults(void **state) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        json_auto_t *expected = load("runtime-config-defaults.json");
        struct rlimit files;

        (void)state;
        runtime_config_set_defaults(&config, &(RuntimeDefaults){ .shm_size_bytes = 0 });
        set_least(&config);
        assert_int_equal(config.bounding, CAPABILITY_DEFAULT);
        assert_int_equal(config.rlimits.count, 2);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
        assert_string_equal(config.rlimits.items[0].type, "RLIMIT_NOFILE");
        assert_true(config.rlimits.items[0].hard <= 1048576);
        assert_true(config.rlimits.items[0].hard <= files.rlim_max);
        config.rlimits.count = 0;
        config.namespaces[RUNTIME_NAMESPACE_CGROUP].is_used = false;
        json_auto_t *found = format(&config);
        check_equal(found, expected);
}

static void test_host_network_and_shm_size(void **state) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;

        (void)state;
        runtime_config_set_defaults(&config, &(RuntimeDefaults){ .shm_size_bytes = 1025,
                                                                 .has_host_network = true });
        assert_false(config.namespaces[RUNTIME_NAMESPACE_NETWORK].is_used);
        assert_true(config.namespaces[RUNTIME_NAMESPACE_PID].is_used);
        assert_int_equal(config.sysctl.count, 0);
        const RuntimeMount *shm = runtime_config_find_mount(&config, "/dev/shm");
        assert_non_null(shm);
        assert_string_equal(shm->options[4], "size=2k");
}

static void test_least(void **state) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        json_auto_t *expected = json_loads(
                "{\"ociVersion\":\"1.0.2\","
                "\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"true\"],\"cwd\":\"/\","
                "\"capabilities\":{}},\"root\":{\"path\":\"/rootfs\"},\"mounts\":[],"
                "\"linux\":{\"resources\":{},\"namespaces\":[]}}",
                0, NULL);

        (void)state;
        set_least(&config);
        json_auto_t *found = format(&config);
        check_equal(found, expected);
}

static void fill_process(RuntimeConfig *config) {
        static const char *const args[] = { "sh", "-c", "echo \"a\\b\"\n\t\x01 \xc3\xa9", NULL };
        static const char *const env[] = { "A=b", "EMPTY=", NULL };
        static const gid_t gids[] = { 10, 4294967294 };

        config->has_terminal = true;
        config->args = args;
        config->env = env;
        config->cwd = "/work";
        config->uid = 1000;
        config->gid = 4294967294;
        config->additional_gids = gids;
        config->additional_gids_count = ARRAY_SIZE(gids);
        config->umask = 0;
        config->bounding = CAPABILITY_BIT(0) | CAPABILITY_BIT(40);
        config->effective = CAPABILITY_BIT(0);
        config->permitted = CAPABILITY_BIT(1);
        config->inheritable = CAPABILITY_BIT(2);
        config->ambient = CAPABILITY_BIT(3);
        config->no_new_privileges = true;
        runtime_config_set_rlimit(config, "RLIMIT_CORE", 1, 2);
        runtime_config_set_rlimit(config, "RLIMIT_NOFILE", 3, 4);
        runtime_config_set_rlimit(config, "RLIMIT_CORE", 0, 0);
        config->has_oom_score_adj = true;
        config->oom_score_adj = 0;
        config->apparmor_profile = "profile";
        config->selinux_label = "label";
}

static void fill_files(RuntimeConfig *config) {
        static const char *const masked[] = { "/proc/a", NULL };
        static const char *const readonly[] = { "/proc/b", NULL };

        config->root_path = "/rootfs";
        config->is_root_readonly = true;
        config->rootfs_propagation = "rslave";
        config->mount_label = "mount label";
        runtime_config_add_mount(config, &(RuntimeMount){ "/gone", "tmpfs", "tmpfs", NULL });
        for (int i = 0; i < 20; i++) {
                char path[8];
                (void)snprintf(path, sizeof(path), "/m%d", i);
                runtime_config_add_mount(config, &(RuntimeMount){ path, "bind", "/src",
                                                                  TEXTS("rbind", "ro") });
        }
        runtime_config_remove_mount(config, "/gone");
        for (int i = 1; i < 19; i++) {
                char path[8];
                (void)snprintf(path, sizeof(path), "/m%d", i);
                assert_non_null(runtime_config_find_mount(config, path));
                runtime_config_remove_mount(config, path);
        }
        runtime_config_find_mount(config, "/m19")->source = "/other";
        config->masked_paths = masked;
        config->readonly_paths = readonly;
        config->hostname = "host";
}

static void fill_isolation(RuntimeConfig *config) {
        config->namespaces[RUNTIME_NAMESPACE_PID].is_used = true;
        config->namespaces[RUNTIME_NAMESPACE_NETWORK] =
                (RuntimeNamespace){ .is_used = true, .path = "/run/netns/x" };
        config->namespaces[RUNTIME_NAMESPACE_USER].is_used = true;
        config->namespaces[RUNTIME_NAMESPACE_UTS].path = "/not/used";
        runtime_config_add_id_mapping(config, false, &(RuntimeIdMapping){ 0, 100000, 65536 });
        runtime_config_add_id_mapping(config, true, &(RuntimeIdMapping){ 0, 4294967295, 1 });
        runtime_config_add_device(config, &(RuntimeDevice){ .path = "/dev/x",
                                                            .type = 'c',
                                                            .major = 10,
                                                            .minor = 229,
                                                            .mode = S_IFCHR | 0640,
                                                            .uid = 1,
                                                            .gid = 2 });
        runtime_config_set_sysctl(config, "net.a", "0");
        runtime_config_set_sysctl(config, "net.a", "1 2");
        config->seccomp = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";
}

static void fill_resources(RuntimeConfig *config) {
        config->cgroups_path = "/selkie/x";
        runtime_config_add_device_rule(config, &(RuntimeDeviceRule){ .major = RUNTIME_DEVICE_ANY,
                                                                     .minor = RUNTIME_DEVICE_ANY,
                                                                     .access = "rwm" });
        runtime_config_add_device_rule(
                config,
                &(RuntimeDeviceRule){
                        .is_allowed = true, .type = 'b', .major = 8, .minor = 0, .access = "r" });
        config->memory_limit = 1;
        config->memory_reservation = 2;
        config->memory_swap = -1;
        config->memory_kernel = 3;
        config->memory_swappiness = 0;
        config->memory_disable_oom_killer = true;
        config->cpu_shares = 4;
        config->cpu_quota = -1;
        config->cpu_period = 5;
        config->cpu_realtime_runtime = 6;
        config->cpu_realtime_period = 7;
        config->cpuset_cpus = "0-1";
        config->cpuset_mems = "0";
        config->pids_limit = -1;
        config->block_weight = 8;
        config->block_leaf_weight = 9;
        for (unsigned kind = 0; kind < _RUNTIME_BLOCK_MAX; kind++)
                runtime_config_add_block_limit(config, kind,
                                               &(RuntimeBlockLimit){ 8, kind, INT64_MAX });
        runtime_config_add_hugepage_limit(config, &(RuntimeHugepageLimit){ "2MB", 4 << 20 });
        runtime_config_set_unified(config, "memory.high", "1000");
        runtime_config_set_annotation(config, "k\"ey", "value");
}

static void fill_hooks(RuntimeConfig *config) {
        for (unsigned kind = 0; kind < _RUNTIME_HOOK_MAX; kind++)
                runtime_config_add_hook(config, kind,
                                        &(RuntimeHook){ .path = "/bin/hook",
                                                        .args = TEXTS("hook", "x"),
                                                        .env = TEXTS("A=b"),
                                                        .timeout_s = (int)kind });
}

static void test_everything(void **state) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        json_auto_t *expected = load("runtime-config-full.json");

        (void)state;
        fill_process(&config);
        fill_files(&config);
        fill_isolation(&config);
        fill_resources(&config);
        fill_hooks(&config);
        json_auto_t *found = format(&config);
        check_equal(found, expected);
}

/* "Unlimited" is more than jansson reads. */
static void test_unlimited(void **state) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        _cleanup_buffer_ Buffer out = BUFFER_INIT;

        (void)state;
        set_least(&config);
        runtime_config_set_rlimit(&config, "RLIMIT_CORE", 0, UINT64_MAX);
        assert_int_equal(runtime_config_format(&config, &out, NULL), 0);
        buffer_append_byte(&out, '\0');
        assert_non_null(strstr(out.data, "\"hard\":18446744073709551615,\"soft\":0"));
}

static void check_refused(const RuntimeConfig *config, const char *subject) {
        _cleanup_buffer_ Buffer out = BUFFER_INIT;
        Error err = ERROR_INIT;

        buffer_append_string(&out, "before");
        assert_true(runtime_config_format(config, &out, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.subject, subject);
        assert_int_equal(out.size, strlen("before"));
}

static void test_refused(void **state) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;

        (void)state;
        check_refused(&config, "process.args");
        config.args = TEXTS("x");
        check_refused(&config, "root.path");
        config.root_path = "/rootfs";
        config.env = TEXTS("A=\xff");
        check_refused(&config, "env");
        config.env = NULL;
        config.hostname = "\xed\xa0\x80"; /* a lone surrogate */
        check_refused(&config, "hostname");
}

static const char *capability_name(unsigned number, Strings *list) {
        strings_done(list);
        capability_list(CAPABILITY_BIT(number), list);
        assert_int_equal(list->count, 1);
        return list->items[0];
}

static void test_capability_names(void **state) {
        _cleanup_strings_ Strings names = STRINGS_INIT;

        (void)state;
        for (unsigned i = 0; i < CAPABILITY_MAX; i++) {
                const char *name = capability_name(i, &names);
                assert_int_equal(capability_parse(name), i);
                assert_int_equal(capability_parse(name + strlen("CAP_")), i);
        }
        assert_int_equal(capability_parse("cap_sys_admin"), 21);
        assert_int_equal(capability_parse("Net_Raw"), 13);
        assert_true(capability_parse("CAP_") < 0);
        assert_true(capability_parse("") < 0);
        assert_true(capability_parse("BOGUS") < 0);
        strings_done(&names);
        capability_list(CAPABILITY_DEFAULT, &names);
        assert_int_equal(names.count, 11);
        for (size_t i = 1; i < names.count; i++)
                assert_true(strcmp(names.items[i - 1], names.items[i]) < 0);
        assert_string_equal(names.items[0], "CAP_CHOWN");
}

static void test_capability_change(void **state) {
        const CapabilitySet bounding = capability_bounding(), base = CAPABILITY_DEFAULT & bounding;
        _cleanup_strings_ Strings names = STRINGS_INIT;
        CapabilitySet set = 0;
        Error err = ERROR_INIT;

        (void)state;
        assert_int_equal(capability_change(base, NULL, NULL, &set, &err), 0);
        assert_int_equal(set, base);
        assert_int_equal(capability_change(base, TEXTS("ALL"), TEXTS("chown"), &set, &err), 0);
        assert_int_equal(set, bounding & ~CAPABILITY_BIT(0));
        assert_int_equal(capability_change(base, TEXTS("CAP_CHOWN"), TEXTS("all"), &set, &err), 0);
        assert_int_equal(set, bounding & CAPABILITY_BIT(0));
        assert_int_equal(capability_change(base, NULL, TEXTS("KILL", "CAP_KILL"), &set, &err), 0);
        assert_int_equal(set, base & ~CAPABILITY_BIT(5));

        assert_true(capability_change(base, TEXTS("BOGUS"), NULL, &set, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.subject, "create.cap_add");
        assert_non_null(strstr(err.text, "BOGUS"));
        assert_true(capability_change(base, NULL, TEXTS("BOGUS"), &set, &err) < 0);
        assert_string_equal(err.subject, "create.cap_drop");
        assert_true(capability_change(base, TEXTS("KILL"), TEXTS("KILL"), &set, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        for (unsigned i = 0; i < CAPABILITY_MAX; i++) {
                if (bounding & CAPABILITY_BIT(i))
                        continue;
                assert_true(capability_change(base, TEXTS(capability_name(i, &names)), NULL, &set,
                                              &err) < 0);
                assert_int_equal(err.kind, ERR_UNSUPPORTED);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_host_network_and_shm_size),
                cmocka_unit_test(test_least),
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_unlimited),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_capability_names),
                cmocka_unit_test(test_capability_change),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
