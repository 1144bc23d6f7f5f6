/* SPDX-License-Identifier: Apache-2.0 */

/*
 * runc and crun in turn. crun refuses a hybrid cgroup layout with controllers on the v2 side: its
 * turn comes last, in a mount namespace of this process without that side.
 */

#include "tests/unit/runtime-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "oci/runtime_config.h"
#include "runtime/exits.h"

const char *runtime_path;

static const char *const mount_points[] = { "dev", "proc", "sys" };

static void copy_busybox(const char *root) {
        _cleanup_free_ char *bin = xasprintf("%s/bin", root);
        _cleanup_free_ char *target = xasprintf("%s/busybox", bin);
        _cleanup_free_ char *data = NULL;
        size_t size;

        assert_int_equal(mkdir(root, 0755), 0);
        assert_int_equal(mkdir(bin, 0755), 0);
        /* Several containers share this root: each would make what is missing, and crun fails when
         * another was quicker. */
        for (size_t i = 0; i < ARRAY_SIZE(mount_points); i++) {
                _cleanup_free_ char *path = xasprintf("%s/%s", root, mount_points[i]);
                assert_int_equal(mkdir(path, 0755), 0);
        }
        assert_int_equal(file_read_at(AT_FDCWD, "/bin/busybox", 16 << 20, &data, &size), 0);
        assert_int_equal(file_write_atomic_at(AT_FDCWD, target, data, size, 0755, false), 0);
}

void fixture_use(Fixture *fixture, const char *path) {
        _cleanup_free_ char *state_dir = xasprintf("%s/state", fixture->scratch.path);
        const RuntimeOptions options = { .path = path,
                                         .exits_dir = fixture->exits_dir,
                                         .state_dir = state_dir };
        Error err = ERROR_INIT;

        fixture->runtime = runtime_free(fixture->runtime);
        if (runtime_open(&fixture->runtime, &options, NULL, &err) < 0)
                fail_msg("%s", err.text);
}

int fixture_open(void **state) {
        Fixture *fixture = xnew(Fixture, 1);

        scratch_open(&fixture->scratch);
        fixture->root = xasprintf("%s/rootfs", fixture->scratch.path);
        fixture->exits_dir = xasprintf("%s/exits", fixture->scratch.path);
        assert_int_equal(mkdir(fixture->exits_dir, 0700), 0);
        copy_busybox(fixture->root);
        fixture_use(fixture, runtime_path);
        *state = fixture;
        return 0;
}

static bool is_empty(const char *folder) {
        return rmdir(folder) == 0 || errno == ENOENT;
}

/* Nothing of any container may be left in the runtime's state or among the exit files. */
int fixture_close(void **state) {
        Fixture *fixture = *state;
        bool is_clean = is_empty(fixture->runtime->state_dir) && is_empty(fixture->exits_dir);

        runtime_release_cgroups(fixture->runtime);
        runtime_free(fixture->runtime);
        scratch_close(&fixture->scratch);
        free(fixture->root);
        free(fixture->exits_dir);
        free(fixture);
        return is_clean ? 0 : -1;
}

static char *cgroup_of(const Box *box) {
        return xasprintf("/selkie-test/%s", box->id);
}

static void write_config(const Box *box, const char *const *args, bool has_terminal) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        _cleanup_buffer_ Buffer document = BUFFER_INIT;
        _cleanup_free_ char *path = xasprintf("%s/config.json", box->bundle);
        _cleanup_free_ char *cgroup = cgroup_of(box);
        const char *const environment[] = { "PATH=/bin", NULL };
        Error err = ERROR_INIT;

        runtime_config_set_defaults(&config, &(RuntimeDefaults){ .shm_size_bytes = 0 });
        config.args = args;
        config.env = environment;
        config.root_path = box->fixture->root;
        config.hostname = "box";
        config.has_terminal = has_terminal;
        config.cgroups_path = cgroup;
        if (runtime_config_format(&config, &document, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(
                file_write_atomic_at(AT_FDCWD, path, document.data, document.size, 0600, false), 0);
}

void box_open(Box *box, Fixture *fixture) {
        *box = (Box){ .fixture = fixture };
        random_hex(box->id, ID_HEX_SIZE);
        box->bundle = xasprintf("%s/%s", fixture->scratch.path, box->id);
        box->run_dir = xasprintf("%s/run", box->bundle);
        box->log_path = xasprintf("%s/ctr.log", box->bundle);
        assert_int_equal(mkdir(box->bundle, 0700), 0);
        assert_int_equal(mkdir(box->run_dir, 0700), 0);
        box->options = (MonitorOptions){ .id = box->id,
                                         .name = "box",
                                         .bundle = box->bundle,
                                         .run_dir = box->run_dir,
                                         .log_path = box->log_path };
}

int box_create(Box *box, const char *const *args, Error *err) {
        write_config(box, args, box->options.wants_terminal);
        return monitor_create(box->fixture->runtime, &box->options, &box->monitor, err);
}

void box_run(Box *box, const char *const *args) {
        Error err = ERROR_INIT;

        if (box_create(box, args, &err) < 0 ||
            runtime_start(box->fixture->runtime, box->id, &err) < 0)
                fail_msg("%s", err.text);
}

/* conmon ends after it wrote the exit file. */
int box_wait(Box *box) {
        struct pollfd poll_fd = { .events = POLLIN };
        int64_t finished_ns;
        int code = -1;

        poll_fd.fd = process_open(box->monitor.monitor_pid, box->monitor.monitor_start);
        if (poll_fd.fd >= 0)
                assert_int_equal(poll(&poll_fd, 1, END_MS), 1);
        (void)fd_close(poll_fd.fd);
        assert_int_equal(exit_read(box->fixture->exits_dir, box->id, &code, &finished_ns, NULL), 1);
        assert_true(finished_ns > 0);
        return code;
}

bool file_exists(const char *folder, const char *name) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

        return access(path, F_OK) == 0;
}

/* What create, start and end left in the folders is gone; the cgroup too. */
static void box_check_clean(const Box *box) {
        static const char *const bundle_files[] = { "attach", "ctl", "winsz", "oom" };
        _cleanup_free_ char *cgroup = cgroup_of(box);
        _cleanup_free_ char *pids = xasprintf("/sys/fs/cgroup/pids%s", cgroup);
        _cleanup_free_ char *unified = xasprintf("/sys/fs/cgroup%s", cgroup);

        for (size_t i = 0; i < ARRAY_SIZE(bundle_files); i++)
                if (file_exists(box->bundle, bundle_files[i]))
                        fail_msg("%s is left in the bundle", bundle_files[i]);
        assert_false(file_exists(box->fixture->exits_dir, box->id));
        assert_false(file_exists(box->fixture->runtime->state_dir, box->id));
        assert_int_equal(access(pids, F_OK), -1);
        assert_int_equal(access(unified, F_OK), -1);
        assert_int_equal(rmdir(box->run_dir), 0);
}

void box_close(Box *box) {
        box_check_clean(box);
        free(box->bundle);
        free(box->run_dir);
        free(box->log_path);
}

void box_delete(Box *box, bool force) {
        Error err = ERROR_INIT;

        if (runtime_delete(box->fixture->runtime, box->id, force, &err) < 0)
                fail_msg("%s", err.text);
        monitor_clean(box->fixture->runtime, box->id, box->bundle, box->run_dir);
        box_close(box);
}

char *box_log(const Box *box) {
        char *text = NULL;

        assert_int_equal(file_read_at(AT_FDCWD, box->log_path, 1 << 20, &text, NULL), 0);
        return text;
}

RuntimeStatus box_status(const Box *box, pid_t *ret_pid) {
        RuntimeStatus status;
        Error err = ERROR_INIT;

        if (runtime_state(box->fixture->runtime, box->id, &status, ret_pid, &err) < 0)
                fail_msg("%s", err.text);
        return status;
}

/* The cgroup that this test's containers shared. */
static void remove_test_cgroups(void) {
        CgroupLayout layout = CGROUP_LAYOUT_INIT;

        if (cgroup_layout_load(&layout, NULL) == 0)
                cgroup_layout_remove(&layout, "/selkie-test");
        cgroup_layout_done(&layout);
}

int run_with_both(int (*round)(const char *path)) {
        if (geteuid() != 0) {
                print_message("skipped: containers need root\n");
                return 77;
        }
        int failures = round("/usr/sbin/runc");
        remove_test_cgroups();
        /* Only this process sees the change. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 1;
        (void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
        failures += round("/usr/bin/crun");
        remove_test_cgroups();
        return failures;
}
