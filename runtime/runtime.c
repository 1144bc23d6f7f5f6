/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "runtime/exec_fifo.h"
#include "runtime/message.h"

static const char *const runtime_candidates[] = {
        "/usr/bin/crun",
        "/usr/sbin/crun",
        "/usr/local/bin/crun",
        "/usr/local/sbin/crun",
        "/sbin/crun",
        "/bin/crun",
        "/usr/bin/runc",
        "/usr/sbin/runc",
        "/usr/local/bin/runc",
        "/sbin/runc",
        "/usr/local/sbin/runc",
        "/bin/runc",
        NULL,
};

static const char *const monitor_candidates[] = {
        "/usr/bin/conmon",
        "/usr/libexec/podman/conmon",
        "/usr/local/libexec/podman/conmon",
        "/usr/local/lib/podman/conmon",
        "/usr/sbin/conmon",
        "/usr/local/bin/conmon",
        "/usr/local/sbin/conmon",
        NULL,
};

static const char *last_component(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool is_program(const char *path) {
        struct stat st;

        return path[0] == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
               access(path, X_OK) == 0;
}

/* crun 1.x gives up on a hybrid layout unless all controllers are on the v1 side. */
static bool refuses_layout(const CgroupLayout *cgroups, const char *path) {
        return text_equal(last_component(path), "crun") && cgroups->mode == CGROUP_MODE_HYBRID &&
               cgroups->has_hybrid_controllers;
}

static int unusable(Error *err, const char *what, const char *const *tried) {
        _cleanup_buffer_ Buffer list = BUFFER_INIT;

        for (size_t i = 0; tried[i]; i++)
                buffer_printf(&list, "%s%s", i ? ", " : "", tried[i]);
        return error_set(err, ERR_UNSUPPORTED, NULL, "no usable %s; tried %.*s", what,
                         (int)list.size, list.size ? list.data : "");
}

/* Named always: the runtimes' own choice depends on the environment, and that changes when the
 * engine is started another way. */
static void choose_state_dir(Runtime *runtime, const RuntimeOptions *options) {
        const char *user_dir = geteuid() == 0 ? NULL : getenv("XDG_RUNTIME_DIR");

        runtime->state_dir = options->state_dir ? xstrdup(options->state_dir)
                                                : xasprintf("%s/%s", user_dir ? user_dir : "/run",
                                                            runtime->name);
}

static int choose_runtime(Runtime *runtime, const RuntimeOptions *options, char **notice,
                          Error *err) {
        const char *const named[] = { options->path, NULL };
        const char *const *candidates = options->path         ? named
                                        : options->candidates ? options->candidates
                                                              : runtime_candidates;
        const char *refused = NULL;

        for (size_t i = 0; candidates[i]; i++) {
                if (!is_program(candidates[i]))
                        continue;
                if (!refuses_layout(&runtime->cgroups, candidates[i])) {
                        runtime->path = xstrdup(candidates[i]);
                        break;
                }
                if (!refused)
                        refused = candidates[i];
        }
        if (!runtime->path && options->path && refused)
                runtime->path = xstrdup(refused);
        if (!runtime->path)
                return unusable(err, "OCI runtime", candidates);
        runtime->name = xstrdup(last_component(runtime->path));
        choose_state_dir(runtime, options);
        if (refused)
                *notice =
                        xasprintf("%s refuses this host's cgroup layout (hybrid, with controllers "
                                  "on the v2 side); using %s",
                                  refused, runtime->path);
        return 0;
}

static int choose_monitor(Runtime *runtime, const RuntimeOptions *options, Error *err) {
        const char *const named[] = { options->monitor_path, NULL };
        const char *const *candidates = options->monitor_path ? named : monitor_candidates;

        for (size_t i = 0; candidates[i] && !runtime->monitor_path; i++)
                if (is_program(candidates[i]))
                        runtime->monitor_path = xstrdup(candidates[i]);
        return runtime->monitor_path ? 0 : unusable(err, "conmon", candidates);
}

static void hold_program(Runtime *runtime) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        _cleanup_close_ int fd =
                open_tree(AT_FDCWD, runtime->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) == 0) {
                /* By this process's number, since conmon and not only its own child executes it. */
                runtime->program = xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
                if (access(runtime->program, X_OK) == 0) {
                        runtime->program_fd = TAKE_FD(fd);
                        return;
                }
                free(runtime->program);
        }
        runtime->program = xstrdup(runtime->path);
}

int runtime_open(Runtime **ret, const RuntimeOptions *options, char **ret_notice, Error *err) {
        _cleanup_(runtime_freep)
        Runtime *runtime = xnew(Runtime, 1);
        _cleanup_free_ char *notice = NULL;

        runtime->program_fd = -EBADF;
        runtime->systemd_cgroup = options->systemd_cgroup;
        runtime->exits_dir = xstrdup(options->exits_dir);
        if (cgroup_layout_load(&runtime->cgroups, err) < 0 ||
            choose_runtime(runtime, options, &notice, err) < 0 ||
            choose_monitor(runtime, options, err) < 0)
                return -1;
        hold_program(runtime);

        if (ret_notice)
                *ret_notice = TAKE_PTR(notice);
        *ret = TAKE_PTR(runtime);
        return 0;
}

Runtime *runtime_free(Runtime *runtime) {
        if (!runtime)
                return NULL;
        cgroup_layout_done(&runtime->cgroups);
        (void)fd_close(runtime->program_fd);
        free(runtime->program);
        free(runtime->path);
        free(runtime->name);
        free(runtime->state_dir);
        free(runtime->monitor_path);
        free(runtime->exits_dir);
        free(runtime);
        return NULL;
}

/* Without a log file, both runtimes write their JSON log lines to stderr: one stream to look at. */
static int run_verb(const Runtime *runtime, const char *id, const char *verb, const char *argument,
                    Buffer *output, Error *err) {
        _cleanup_free_ char *root = xasprintf("--root=%s", runtime->state_dir);
        const char *argv[12];
        size_t n = 0;

        argv[n++] = runtime->program;
        argv[n++] = root;
        argv[n++] = "--log-format=json";
        if (runtime->systemd_cgroup)
                argv[n++] = "--systemd-cgroup";
        argv[n++] = verb;
        if (argument)
                argv[n++] = argument;
        argv[n++] = id;
        argv[n] = NULL;

        SpawnOptions options = SPAWN_OPTIONS_INIT;
        options.argv = argv;
        int r = spawn_run(&options, RUNTIME_VERB_TIMEOUT_MS, RUNTIME_OUTPUT_MAX, output);
        if (r == -ETIMEDOUT)
                return error_set(err, ERR_TIMEOUT, id, "%s %s did not end within %d seconds",
                                 runtime->name, verb, RUNTIME_VERB_TIMEOUT_MS / 1000);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, id, "cannot run %s", runtime->path);
        if (r > 0) {
                _cleanup_free_ char *what = xasprintf("%s %s", runtime->name, verb);
                return message_error(err, id, what, output);
        }
        return 0;
}

int runtime_start(const Runtime *runtime, const char *id, Error *err) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        _cleanup_close_ int hold_fd = -EBADF;

        if (exec_fifo_release(runtime->name, runtime->state_dir, id, &hold_fd))
                return 0;
        return run_verb(runtime, id, "start", NULL, &output, err);
}

/* A verb that needs a living process: ERR_NOT_RUNNING when it has ended. */
static int run_on_living(const Runtime *runtime, const char *id, const char *verb, Error *err) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        Error error = ERROR_INIT;

        if (run_verb(runtime, id, verb, NULL, &output, &error) == 0)
                return 0;
        /* Whether it ended before that is a question of state, not of the runtime's words. */
        RuntimeStatus status = RUNTIME_STATUS_CREATED;
        if (error.kind == ERR_RUNTIME && runtime_state(runtime, id, &status, NULL, NULL) == 0 &&
            (status == RUNTIME_STATUS_STOPPED || status == RUNTIME_STATUS_UNKNOWN))
                error.kind = ERR_NOT_RUNNING;
        return error_copy(err, &error);
}

#define PAUSE_TRIES 4

/* With cgroup v1 a container that starts processes all the time may escape the freezer for a while:
 * then runc gives up, and leaves it thawed. */
int runtime_pause(const Runtime *runtime, const char *id, Error *err) {
        Error failure = ERROR_INIT;
        int r = -1;

        for (int i = 0; i < PAUSE_TRIES; i++) {
                failure = (Error)ERROR_INIT;
                r = run_on_living(runtime, id, "pause", &failure);
                if (r == 0 || failure.kind != ERR_RUNTIME ||
                    !strstr(failure.text, "unable to freeze"))
                        break;
        }
        return r < 0 ? error_copy(err, &failure) : 0;
}

int runtime_resume(const Runtime *runtime, const char *id, Error *err) {
        return run_on_living(runtime, id, "resume", err);
}

/*
 * crun makes a folder below each name in /sys/fs/cgroup, be a hierarchy mounted there or not, and
 * forgets those that are ordinary folders.
 */
static void remove_plain_folder(const char *id) {
        _cleanup_free_ char *path = xasprintf("/sys/fs/cgroup/unified" CGROUP_PARENT "/%s", id);

        (void)rmdir(path);
}

int runtime_delete(const Runtime *runtime, const char *id, bool force, Error *err) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        Error error = ERROR_INIT;

        if (run_verb(runtime, id, "delete", force ? "--force" : NULL, &output, &error) == 0) {
                remove_plain_folder(id);
                return 0;
        }
        RuntimeStatus status = RUNTIME_STATUS_CREATED;
        if (error.kind == ERR_RUNTIME && runtime_state(runtime, id, &status, NULL, NULL) == 0 &&
            status == RUNTIME_STATUS_UNKNOWN)
                return 0;
        return error_copy(err, &error);
}

/*
 * Both runtimes keep one folder for each container and say, in different words, that it is not
 * there. The folder's name is part of crun's message; runc's is a fixed sentence.
 */
static bool says_unknown(const Error *error) {
        return strstr(error->text, "does not exist") || strstr(error->text, "No such file");
}

static RuntimeStatus status_parse(const char *word) {
        static const struct {
                const char *word;
                RuntimeStatus status;
        } words[] = {
                { "creating", RUNTIME_STATUS_CREATED }, { "created", RUNTIME_STATUS_CREATED },
                { "running", RUNTIME_STATUS_RUNNING },  { "paused", RUNTIME_STATUS_PAUSED },
                { "stopped", RUNTIME_STATUS_STOPPED },
        };

        for (size_t i = 0; word && i < ARRAY_SIZE(words); i++)
                if (text_equal(words[i].word, word))
                        return words[i].status;
        return RUNTIME_STATUS_UNKNOWN;
}

int runtime_state(const Runtime *runtime, const char *id, RuntimeStatus *ret, pid_t *ret_pid,
                  Error *err) {
        _cleanup_buffer_ Buffer output = BUFFER_INIT;
        Error error = ERROR_INIT;

        if (run_verb(runtime, id, "state", NULL, &output, &error) < 0) {
                if (error.kind != ERR_RUNTIME || !says_unknown(&error)) {
                        return error_copy(err, &error);
                }
                *ret = RUNTIME_STATUS_UNKNOWN;
                if (ret_pid)
                        *ret_pid = 0;
                return 0;
        }

        json_auto_t *state = json_loadb(output.data ? output.data : "", output.size, 0, NULL);
        RuntimeStatus status = status_parse(json_string_value(json_object_get(state, "status")));
        json_int_t pid = json_integer_value(json_object_get(state, "pid"));
        if (status == RUNTIME_STATUS_UNKNOWN || pid < 0 || pid > INT_MAX)
                return error_set(err, ERR_RUNTIME, id, "%s state gave an answer that is no state",
                                 runtime->name);
        *ret = status;
        if (ret_pid)
                *ret_pid = status == RUNTIME_STATUS_STOPPED ? 0 : (pid_t)pid;
        return 0;
}

void runtime_release_cgroups(const Runtime *runtime) {
        cgroup_layout_remove(&runtime->cgroups, CGROUP_PARENT);
}
