/* SPDX-License-Identifier: Apache-2.0 */

/*
 * storage.conf and containers.conf: search orders, overrides, defaults, and what is refused, and
 * where.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "runtime/config.h"
#include "storage/config.h"
#include "tests/unit/config-fixture.h"

/* --- search orders and expansion -------------------------------------------------------------- */

static void variables_are_expanded(void **state) {
        _cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;
        char uid[32];

        (void)state;
        assert_int_equal(setenv("SELKIE_TEST_A", "x/y", 1), 0);
        a = config_expand("/$SELKIE_TEST_A/${SELKIE_TEST_A}z$SELKIE_TEST_NONE.$");
        assert_string_equal(a, "/x/y/x/yz.$");
        b = config_expand("${open $$ $/");
        assert_string_equal(b, "${open $$ $/");
        (void)unsetenv("UID");
        c = config_expand("$UID");
        snprintf(uid, sizeof(uid), "%u", (unsigned)geteuid());
        assert_string_equal(c, uid);
}

static void drop_ins_come_in_order_of_names(void **state) {
        _cleanup_strings_ Strings paths = STRINGS_INIT;
        char folder[96];

        (void)state;
        (void)config_put("/d/20.conf", "");
        (void)config_put("/d/10.conf", "");
        (void)config_put("/d/15.conf.bak", "");
        (void)config_put("/d/.conf", "");
        (void)config_put("/d/30.conf/file", "");
        snprintf(folder, sizeof(folder), "%s/d", config_root());
        strings_add(&paths, "z");
        assert_int_equal(config_add_drop_ins(&paths, folder, NULL), 0);
        assert_int_equal(paths.count, 3);
        assert_string_equal(paths.items[0], "z");
        assert_non_null(strstr(paths.items[1], "/10.conf"));
        assert_non_null(strstr(paths.items[2], "/20.conf"));
        assert_int_equal(config_add_drop_ins(&paths, "/nonexistent", NULL), 0);
}

/* --- storage.conf ----------------------------------------------------------------------------- */

static StoreConfig load_store(const char *graph_root, const char *run_root) {
        StoreConfig config;
        Error err = ERROR_INIT;

        if (store_config_load(&config, graph_root, run_root, &err) < 0)
                fail_msg("%s", err.text);
        return config;
}

static void the_store_has_defaults(void **state) {
        _cleanup_store_config_ StoreConfig config = load_store(NULL, NULL);

        (void)state;
        assert_string_equal(config.driver, "overlay");
        assert_string_equal(config.graph_root, "/var/lib/containers/storage");
        assert_string_equal(config.run_root, "/run/containers/storage");
        assert_null(config.mount_options);
}

static void one_storage_conf_counts(void **state) {
        (void)state;
        (void)config_put("/usr/share/containers/storage.conf",
                         "[storage]\ngraphroot = '/vendor'\nrunroot = '/vendor-run'\n");
        _cleanup_store_config_ StoreConfig vendor = load_store(NULL, NULL);
        assert_string_equal(vendor.graph_root, "/vendor");

        (void)config_put("/etc/containers/storage.conf",
                         "[storage]\ndriver = 'overlay2'\ngraphroot = '$HOME/graph//'\n"
                         "[storage.options]\nmountopt = 'nosuid'\n");
        _cleanup_store_config_ StoreConfig system = load_store(NULL, NULL);
        _cleanup_free_ char *graph = xasprintf("%s/home/graph", config_root());
        assert_string_equal(system.driver, "overlay");
        assert_string_equal(system.graph_root, graph);
        assert_string_equal(system.run_root, "/run/containers/storage");
        assert_string_equal(system.mount_options, "nosuid");

        assert_int_equal(setenv("CONTAINERS_STORAGE_CONF",
                                config_put("/own.conf",
                                           "[storage]\ndriver = 'vfs'\nrunroot = '/own'\n"
                                           "[storage.options]\nmountopt = 'nosuid'\n"
                                           "[storage.options.overlay]\nmountopt = 'nodev'\n"),
                                1),
                         0);
        _cleanup_store_config_ StoreConfig own = load_store(NULL, NULL);
        assert_string_equal(own.driver, "vfs");
        assert_string_equal(own.graph_root, "/var/lib/containers/storage");
        assert_string_equal(own.run_root, "/own");
        assert_string_equal(own.mount_options, "nodev");

        assert_int_equal(setenv("STORAGE_DRIVER", "overlay", 1), 0);
        assert_int_equal(setenv("STORAGE_OPTS", "overlay.mountopt=noexec,overlay.size=", 1), 0);
        _cleanup_store_config_ StoreConfig environment = load_store("/a/", "/b");
        assert_string_equal(environment.driver, "overlay");
        assert_string_equal(environment.mount_options, "noexec");
        assert_string_equal(environment.graph_root, "/a");
        assert_string_equal(environment.run_root, "/b");
}

/* The error that a storage.conf gives. */
static Error store_error(const char *text) {
        StoreConfig config;
        Error err = ERROR_INIT;

        (void)config_put("/etc/containers/storage.conf", text);
        assert_int_equal(store_config_load(&config, NULL, NULL, &err), -1);
        return err;
}

static void assert_store_error(const char *text, ErrorKind kind, const char *where) {
        _cleanup_free_ char *begin =
                xasprintf("%s/etc/containers/storage.conf:%s", config_root(), where);
        Error err = store_error(text);

        assert_int_equal(err.kind, kind);
        if (strncmp(err.text, begin, strlen(begin)) != 0)
                fail_msg("expected %s, got %s", begin, err.text);
}

static void options_that_change_the_store_are_refused(void **state) {
        static const struct {
                const char *text, *where;
        } cases[] = {
                { "[storage.options]\nmount_program = '/usr/bin/fuse-overlayfs'",
                  "2:17: storage.options.mount_program is not supported" },
                { "[storage.options.overlay]\nmount_program = 'x'",
                  "2:17: storage.options.overlay.mount_program" },
                { "[storage]\nimagestore = '/x'", "2:14: storage.imagestore" },
                { "[storage]\ntransient_store = true", "2:19: storage.transient_store" },
                { "[storage.options]\nadditionalimagestores = ['/x']",
                  "2:25: storage.options.additionalimagestores" },
                { "[storage.options]\nremap-user = 'x'", "2:14: storage.options.remap-user" },
                { "[storage.options.overlay]\nforce_mask = 700",
                  "2:14: storage.options.overlay.force_mask" },
                { "[storage.options.overlay]\nignore_chown_errors = 'true'",
                  "2:23: storage.options.overlay.ignore_chown_errors" },
                { "[storage.options.overlay]\nskip_mount_home = 'true'",
                  "2:19: storage.options.overlay.skip_mount_home" },
                { "[storage.options]\nsize = '10G'", "2:8: storage.options.size" },
        };
        StoreConfig config;
        Error err = ERROR_INIT;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                assert_store_error(cases[i].text, ERR_UNSUPPORTED, cases[i].where);
        assert_int_equal(setenv("STORAGE_OPTS", "overlay.mount_program=/x", 1), 0);
        assert_int_equal(store_config_load(&config, NULL, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_UNSUPPORTED);
        assert_string_equal(err.text,
                            "STORAGE_OPTS: overlay.mount_program is not supported by this engine");
        assert_int_equal(setenv("STORAGE_OPTS", "overlay", 1), 0);
        assert_int_equal(store_config_load(&config, NULL, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
}

static void defaults_that_are_spelled_out_are_no_requests(void **state) {
        (void)state;
        (void)config_put(
                "/etc/containers/storage.conf",
                "[storage]\ndriver = ''\nrunroot = ''\nimagestore = ''\n"
                "[storage.options]\nadditionalimagestores = [\n]\nsize = ''\n"
                "pull_options = {enable_partial_images = 'false', ostree_repos=''}\n"
                "[storage.options.overlay]\nignore_chown_errors = 'false'\nmountopt = 'nodev'\n"
                "skip_mount_home = 'false'\nmount_program = ''\n"
                "[storage.options.thinpool]\nsize = '5G'\n");
        _cleanup_store_config_ StoreConfig config = load_store(NULL, NULL);
        assert_string_equal(config.driver, "overlay");
        assert_string_equal(config.mount_options, "nodev");
}

static void a_bad_storage_conf_says_where(void **state) {
        StoreConfig config;
        Error err = ERROR_INIT;

        (void)state;
        assert_store_error("[storage]\ndriver = 7", ERR_INVALID,
                           "2:10: storage.driver: expected a string, found an integer");
        assert_store_error("[storage]\n\ngraphroot = 'relative'", ERR_INVALID,
                           "3:13: storage.graphroot: \"relative\" is not an absolute path");
        assert_store_error("storage = 1", ERR_INVALID, "1:11: storage: expected a table");
        assert_store_error("[storage", ERR_INVALID, "1:9: expected ] ");
        assert_int_equal(setenv("CONTAINERS_STORAGE_CONF", "/nonexistent/s.conf", 1), 0);
        assert_int_equal(store_config_load(&config, NULL, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_string_equal(err.subject, "/nonexistent/s.conf");
}

static void roots_that_cannot_be_used_are_refused(void **state) {
        static const char *const bad[] = { "", "relative", "/a:b", "/a\nb", "/a\xff" };
        char longest[STORE_ROOT_MAX + 3];
        StoreConfig config;
        Error err = ERROR_INIT;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                assert_int_equal(store_config_load(&config, bad[i], NULL, &err), -1);
                assert_int_equal(err.kind, ERR_INVALID);
                assert_int_equal(store_config_load(&config, NULL, bad[i], &err), -1);
                assert_int_equal(err.kind, ERR_INVALID);
        }
        assert_int_equal(store_error("[storage]\ngraphroot = '/a:b'").kind, ERR_INVALID);
        assert_int_equal(store_error("[storage]\nrunroot = \"/a\\nb\"").kind, ERR_INVALID);
        (void)config_put("/etc/containers/storage.conf", "");

        memset(longest, 'x', sizeof(longest));
        longest[0] = '/';
        longest[STORE_ROOT_MAX] = '/'; /* does not count */
        longest[STORE_ROOT_MAX + 1] = '\0';
        _cleanup_store_config_ StoreConfig taken = load_store(longest, longest);
        assert_int_equal(strlen(taken.graph_root), STORE_ROOT_MAX);
        longest[STORE_ROOT_MAX] = 'x';
        assert_int_equal(store_config_load(&config, longest, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        assert_int_equal(store_config_load(&config, NULL, longest, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
}

/* Runs as a user who is not config_root(), in a child; asserts there end it with a failure. */
static void as_user(void (*check)(void)) {
        int status;

        if (geteuid() != 0) {
                print_message("needs root to become another user\n");
                skip();
        }
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (setresuid(54321, 54321, 54321) < 0)
                        _exit(2);
                check();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

#define CHECK(condition)                                                                  \
        do {                                                                              \
                if (!(condition)) {                                                       \
                        print_error("line %d: %s does not hold\n", __LINE__, #condition); \
                        _exit(1);                                                         \
                }                                                                         \
        } while (0)

static void check_user_store(void) {
        _cleanup_free_ char *path =
                xasprintf("%s/home/.local/share/containers/storage", config_root());
        StoreConfig config;

        CHECK(store_config_load(&config, NULL, NULL, NULL) == 0);
        CHECK(strcmp(config.graph_root, path) == 0);
        CHECK(strcmp(config.run_root, "/run/user/54321/containers") == 0);
        store_config_done(&config);
        CHECK(setenv("XDG_DATA_HOME", "/data", 1) == 0);
        CHECK(setenv("XDG_RUNTIME_DIR", "/xdg-run", 1) == 0);
        CHECK(store_config_load(&config, NULL, NULL, NULL) == 0);
        CHECK(strcmp(config.graph_root, "/data/containers/storage") == 0);
        CHECK(strcmp(config.run_root, "/xdg-run/containers") == 0);
        store_config_done(&config);
}

static void check_user_store_of_root(void) {
        StoreConfig config;

        CHECK(store_config_load(&config, NULL, NULL, NULL) == 0);
        CHECK(strcmp(config.driver, "vfs") == 0);
        CHECK(strcmp(config.graph_root, "/home-of/54321/c") == 0);
        CHECK(!config.mount_options);
        store_config_done(&config);
}

static void check_user_store_own(void) {
        StoreConfig config;

        CHECK(store_config_load(&config, NULL, NULL, NULL) == 0);
        CHECK(strcmp(config.graph_root, "/own") == 0);
        CHECK(strcmp(config.mount_options, "noexec") == 0);
        store_config_done(&config);
}

static void users_have_stores_of_their_own(void **state) {
        (void)state;
        as_user(check_user_store);
        (void)config_put("/etc/containers/storage.conf",
                         "[storage]\ndriver = 'vfs'\ngraphroot = '/roots'\nrunroot = '/roots'\n"
                         "rootless_storage_path = '/home-of/$UID/c'\n"
                         "[storage.options.overlay]\nmountopt = 'nodev'\n");
        as_user(check_user_store_of_root);
        (void)config_put("/home/.config/containers/storage.conf",
                         "[storage]\ngraphroot = '/own'\n[storage.options]\nmountopt = 'noexec'\n");
        as_user(check_user_store_own);
}

/* --- containers.conf -------------------------------------------------------------------------- */

static EngineConfig load_engine(void) {
        EngineConfig config;
        Error err = ERROR_INIT;

        if (engine_config_load(&config, &err) < 0)
                fail_msg("%s", err.text);
        return config;
}

static void the_engine_has_defaults(void **state) {
        _cleanup_engine_config_ EngineConfig config = load_engine();

        (void)state;
        assert_null(config.runtime);
        assert_null(config.conmon_path);
        assert_int_equal(config.runtime_candidates.count, 0);
        assert_int_equal(config.cgroup_manager, CGROUP_MANAGER_DEFAULT);
        assert_int_equal(config.stop_timeout_s, 10);
        assert_int_equal(config.log_size_max, 0);
        assert_false(config.has_pids_limit);
        assert_int_equal(config.pids_limit, 2048);
        assert_int_equal(config.shm_size, 64 * 1024 * 1024);
        assert_int_equal(config.umask, 0022);
        config_assert_list(&config.capabilities,
                           "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE "
                           "SETFCAP SETGID SETPCAP SETUID SYS_CHROOT");
        assert_null(config.seccomp_profile);
}

static void containers_conf_files_add_up(void **state) {
        (void)state;
        (void)config_put(
                "/usr/share/containers/containers.conf",
                "[containers]\nenv = ['A=1']\ntz = 'local'\nnetns = 'host'\n"
                "[engine]\nstop_timeout = 20\n[engine.runtimes]\nx = ['/x1']\ny = ['/y1']\n");
        (void)config_put(
                "/etc/containers/containers.conf",
                "[containers]\nenv = ['B=2', 'C=3']\npids_limit = -1\nlog_size_max = 8192\n"
                "[engine]\nruntime = 'y'\n[engine.runtimes]\ny = ['/none/y2']\n");
        (void)config_put("/etc/containers/containers.conf.d/20.conf",
                         "[engine]\nstop_timeout = 0\n");
        (void)config_put("/etc/containers/containers.conf.d/10.conf",
                         "[engine]\nstop_timeout = 40\ncgroup_manager = 'cgroupfs'\n"
                         "[containers]\numask = '077'\nshm_size = '1M'\nnetns = ''\n"
                         "default_capabilities = ['CAP_KILL', 'cap_setuid', 'CHOWN']\n");
        (void)config_put("/home/.config/containers/containers.conf",
                         "[engine]\nstop_timeout = 99\n");
        _cleanup_engine_config_ EngineConfig config = load_engine();
        config_assert_list(&config.environment, "B=2 C=3");
        assert_string_equal(config.timezone, "local");
        assert_null(config.netns);
        assert_true(config.has_pids_limit);
        assert_int_equal(config.pids_limit, 0);
        assert_int_equal(config.log_size_max, 8192);
        assert_int_equal(config.stop_timeout_s, 0); /* root does not read a user's file */
        assert_int_equal(config.cgroup_manager, CGROUP_MANAGER_CGROUPFS);
        assert_int_equal(config.umask, 077);
        assert_int_equal(config.shm_size, 1024 * 1024);
        config_assert_list(&config.capabilities, "KILL setuid CHOWN");
        assert_int_equal(config.runtimes_count, 2);
        config_assert_list(&config.runtimes[1].paths, "/none/y2");
        assert_string_equal(config.runtime_name, "y");
        assert_string_equal(config.runtime, "/none/y2");

        const char *path = config_put("/own.conf", "[containers]\nenv = []\n");
        assert_int_equal(setenv("CONTAINERS_CONF", path, 1), 0);
        _cleanup_engine_config_ EngineConfig own = load_engine();
        assert_int_equal(own.environment.count, 0);
        assert_int_equal(own.stop_timeout_s, 10);
        assert_null(own.runtime);
}

static void check_user_engine(void) {
        EngineConfig config;

        CHECK(engine_config_load(&config, NULL) == 0);
        CHECK(config.stop_timeout_s == 5);
        CHECK(config.umask == 077);
        engine_config_done(&config);
}

static void users_override_containers_conf(void **state) {
        (void)state;
        (void)config_put("/etc/containers/containers.conf",
                         "[engine]\nstop_timeout = 20\n[containers]\numask = '0077'\n");
        (void)config_put("/home/.config/containers/containers.conf",
                         "[engine]\nstop_timeout = 30\n");
        (void)config_put("/home/.config/containers/containers.conf.d/a.conf",
                         "[engine]\nstop_timeout = 5\n");
        as_user(check_user_engine);
}

static void programs_are_looked_for(void **state) {
        (void)state;
        (void)config_put(
                "/etc/containers/containers.conf",
                "[engine]\nruntime = 'sh'\nconmon_path = ['/nonexistent', '/bin/sh', '/bin/ls']\n"
                "[engine.runtimes]\nsh = ['/nonexistent']\ncrun = ['/opt/crun']\n");
        _cleanup_engine_config_ EngineConfig config = load_engine();
        assert_string_equal(config.runtime, "/usr/bin/sh");
        assert_string_equal(config.conmon_path, "/bin/sh");
        assert_string_equal(config.runtime_candidates.items[0], "/opt/crun");
        assert_true(strings_contains(&config.runtime_candidates, "/usr/bin/crun"));
        assert_true(strings_contains(&config.runtime_candidates, "/usr/sbin/runc"));

        (void)config_put("/etc/containers/containers.conf.d/a.conf",
                         "[engine]\nruntime = '/opt/r'\n");
        _cleanup_engine_config_ EngineConfig named = load_engine();
        assert_string_equal(named.runtime, "/opt/r");
}

static void a_bad_containers_conf_says_where(void **state) {
        static const struct {
                const char *text, *error;
        } cases[] = {
                { "[engine]\nruntime = 1",
                  "2:11: engine.runtime: expected a string, found an integer" },
                { "engine = []", "1:10: engine: expected a table, found an array" },
                { "[engine]\nruntimes = 1", "2:12: runtimes: expected a table, found an integer" },
                { "[engine.runtimes]\nx = 'y'", "2:5: x: expected an array, found a string" },
                { "[engine]\nconmon_path = [1]",
                  "2:16: engine.conmon_path: expected a string, found an integer" },
                { "[engine]\ncgroup_manager = 'x'",
                  "2:18: cgroup_manager: expected \"systemd\" or \"cgroupfs\"" },
                { "[engine]\nstop_timeout = -1",
                  "2:16: stop_timeout: expected a number from 0 to 4294967295" },
                { "[containers]\npids_limit = '1'",
                  "2:14: pids_limit: expected an integer, found a string" },
                { "[containers]\nlog_size_max = 8191",
                  "2:16: log_size_max: expected at least 8192 bytes, or -1 for no limit" },
                { "[containers]\numask = '888'",
                  "2:9: umask: expected octal digits from \"0000\" to \"0777\"" },
                { "[containers]\numask = '1000'",
                  "2:9: umask: expected octal digits from \"0000\" to \"0777\"" },
                { "[containers]\nshm_size = '64x'",
                  "2:12: shm_size: expected a size such as \"65536k\"" },
                { "[containers]\nshm_size = '0'",
                  "2:12: shm_size: expected a size such as \"65536k\"" },
                { "[containers]\nshm_size = '9999999999999999g'",
                  "2:12: shm_size: expected a size such as \"65536k\"" },
                { "[containers]\ndefault_capabilities = [1]",
                  "2:25: default_capabilities: expected a string, found an integer" },
        };
        EngineConfig config;
        Error err = ERROR_INIT;

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const char *path = config_put("/etc/containers/containers.conf", cases[i].text);
                assert_int_equal(engine_config_load(&config, &err), -1);
                _cleanup_free_ char *text = xasprintf("%s:%s", path, cases[i].error);
                assert_int_equal(err.kind, ERR_INVALID);
                assert_string_equal(err.text, text);
        }
        assert_int_equal(setenv("CONTAINERS_CONF", "/nonexistent/c.conf", 1), 0);
        assert_int_equal(engine_config_load(&config, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, config_setup, config_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                IN_ROOT(variables_are_expanded),
                IN_ROOT(drop_ins_come_in_order_of_names),
                IN_ROOT(the_store_has_defaults),
                IN_ROOT(one_storage_conf_counts),
                IN_ROOT(options_that_change_the_store_are_refused),
                IN_ROOT(defaults_that_are_spelled_out_are_no_requests),
                IN_ROOT(a_bad_storage_conf_says_where),
                IN_ROOT(roots_that_cannot_be_used_are_refused),
                IN_ROOT(users_have_stores_of_their_own),
                IN_ROOT(the_engine_has_defaults),
                IN_ROOT(containers_conf_files_add_up),
                IN_ROOT(users_override_containers_conf),
                IN_ROOT(programs_are_looked_for),
                IN_ROOT(a_bad_containers_conf_says_where),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
