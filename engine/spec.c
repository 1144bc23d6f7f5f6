/* SPDX-License-Identifier: Apache-2.0 */

/*
 * config.json of a container. The defaults come from oci/runtime_config; here stands what the
 * configuration changes. Written anew at every start, since users and folders are those of the
 * image as the container left it.
 */

#include "engine/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "engine/object.h"
#include "oci/seccomp.h"
#include "oci/seccomp_filter.h"
#include "oci/user.h"

/* Cgroups of containers: <root of each hierarchy>/selkie/<id>, or a scope of machine.slice. */
static const char *cgroups_path(Container *container, RuntimeConfig *config) {
        return container->engine->runtime->systemd_cgroup
                       ? arena_printf(&config->arena, "machine.slice:selkie:%s", container->id)
                       : arena_printf(&config->arena, CGROUP_PARENT "/%s", container->id);
}

void spec_fill_mounts(_unused_ Container *container, RuntimeConfig *config) {
        runtime_config_set_default_mounts(config, 0);
}

void spec_fill(Container *container, RuntimeConfig *config) {
        const SelkieStateContainer *wanted = &container->config;
        bool has_host_network = text_equal(wanted->netMode, "host");

        runtime_config_set_defaults(config,
                                    &(RuntimeDefaults){ .has_host_network = has_host_network });
        size_t count = wanted->entrypoint.count + wanted->command.count, n = 0;
        const char **args = arena_new(&config->arena, const char *, count + 1);
        for (size_t i = 0; i < wanted->entrypoint.count; i++)
                args[n++] = wanted->entrypoint.items[i];
        for (size_t i = 0; i < wanted->command.count; i++)
                args[n++] = wanted->command.items[i];
        config->args = args;

        const char **env = arena_new(&config->arena, const char *, wanted->env.count + 1);
        for (size_t i = 0; i < wanted->env.count; i++)
                env[i] = wanted->env.items[i];
        config->env = env;

        config->cwd = wanted->workDir;
        config->hostname = wanted->hostname;
        config->has_terminal = wanted->tty;
        config->is_root_readonly = wanted->readonlyRootfs;
        config->cgroups_path = cgroups_path(container, config);
}

/* mkdir -p with the container's root as "/": a link on the way never leads out of it. */
static int make_in_root(int root_fd, const char *wanted, mode_t mode) {
        char path[PATH_MAX];

        int r = path_clean(wanted, path, sizeof(path));
        if (r < 0)
                return r;
        for (char *end = path; end;) {
                end = strchr(end + 1, '/');
                if (end)
                        *end = '\0';
                char *slash = strrchr(path, '/');
                _cleanup_close_ int fd = path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
                if (fd == -ENOENT) {
                        if (slash)
                                *slash = '\0';
                        _cleanup_close_ int parent_fd = path_open_in_root(
                                root_fd, slash ? path : ".", O_PATH | O_DIRECTORY, 0);
                        if (slash)
                                *slash = '/';
                        if (parent_fd < 0)
                                return parent_fd;
                        if (mkdirat(parent_fd, slash ? slash + 1 : path, mode) < 0)
                                return -errno;
                } else if (fd < 0) {
                        return fd;
                }
                if (end)
                        *end = '/';
        }
        return 0;
}

/* The work folder need not be in the image. */
static int make_work_dir(Container *container, int root_fd, Error *err) {
        const char *path = container->config.workDir;

        int r = make_in_root(root_fd, path, 0755);
        if (r < 0)
                return error_errno(err, ERR_INVALID, -r, "create.work_dir",
                                   "cannot make the work folder %s in container %s", path,
                                   container->id);
        return 0;
}

/* crun is spared the compiling; the rules stay in the document for whoever reads it. */
static int set_filter(Container *container, RuntimeConfig *config, Error *err) {
        const Engine *engine = container->engine;
        bool is_crun = text_equal(engine->runtime->name, "crun");
        _cleanup_free_ char *rules = NULL, *filter = NULL;

        if (seccomp_cache_get(engine->seccomp, NULL, config->bounding, &rules,
                              is_crun ? &filter : NULL, err) < 0)
                return -1;
        config->seccomp = arena_strdup(&config->arena, rules);
        if (filter)
                runtime_config_set_annotation(config, SECCOMP_FILTER_ANNOTATION, filter);
        return 0;
}

int spec_build(Container *container, const char *root, Buffer *spec, Error *err) {
        _cleanup_runtime_config_ RuntimeConfig config = RUNTIME_CONFIG_INIT;
        _cleanup_(resolved_user_done)
        ResolvedUser user = RESOLVED_USER_INIT;

        _cleanup_close_ int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return error_errno(err, ERR_IO, errno, root, "cannot open the root of container %s",
                                   container->id);
        spec_fill(container, &config);
        if (make_work_dir(container, root_fd, err) < 0 ||
            user_lookup(root_fd, container->config.user, NULL, &user, err) < 0 ||
            set_filter(container, &config, err) < 0)
                return -1;

        config.root_path = root;
        config.uid = user.uid;
        config.gid = user.gid;
        config.additional_gids = user.additional_gids;
        config.additional_gids_count = user.additional_gids_count;
        if (user.uid != 0) {
                /* An ordinary user gets the bounding set, and nothing in effect: as podman. */
                config.effective = config.permitted = config.inheritable = config.ambient = 0;
        }
        return runtime_config_format(&config, spec, err);
}
