/* SPDX-License-Identifier: Apache-2.0 */

/* Containers looked at: lists, one, inspected, its sockets; and the stopped ones swept away. */

#include <inttypes.h>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/inspect.h"
#include "base/timestamp.h"
#include "engine/spec.h"

static const char *inode_text(Arena *arena, uint64_t inode) {
        return inode ? arena_printf(arena, "%" PRIu64, inode) : "";
}

static void fill_command(Arena *arena, const SelkieStateContainer *config,
                         IoPodmanListContainerData *out) {
        size_t n = 0;

        out->command.items =
                arena_new(arena, const char *, config->entrypoint.count + config->command.count);
        for (size_t i = 0; i < config->entrypoint.count; i++)
                out->command.items[n++] = config->entrypoint.items[i];
        for (size_t i = 0; i < config->command.count; i++)
                out->command.items[n++] = config->command.items[i];
        out->command.count = n;
}

/* The mounts' texts are the document's: @spec lives until the reply was encoded. */
static void fill_mounts(Arena *arena, Container *container, RuntimeConfig *spec,
                        IoPodmanListContainerData *out) {
        spec_fill_mounts(container, spec);
        out->mounts.items = arena_new(arena, IoPodmanContainerMount, spec->mounts.count);
        out->mounts.count = spec->mounts.count;
        for (size_t i = 0; i < spec->mounts.count; i++) {
                const RuntimeMount *from = &spec->mounts.items[i];
                IoPodmanContainerMount *to = &out->mounts.items[i];
                to->destination = from->destination;
                to->type = from->type;
                to->source = from->source;
                to->options.items = (const char **)from->options;
                while (from->options && from->options[to->options.count])
                        to->options.count++;
        }
}

/* Texts are the container's own, which the caller keeps referenced, the document's, or in the
 * arena. */
static void fill_container(Arena *arena, Container *container, RuntimeConfig *spec, int64_t now_ns,
                           IoPodmanListContainerData *out) {
        const SelkieStateContainer *config = container_config(container);
        ContainerNamespaces namespaces = container_namespaces(container);
        ContainerRun run = container_run(container);
        char text[TIMESTAMP_TEXT_MAX];

        out->id = container_id(container);
        out->image = config->image;
        out->imageid = config->imageId;
        fill_command(arena, config, out);
        out->createdat = arena_strdup(arena, timestamp_format_go(config->created, text));
        out->runningfor = arena_strdup(arena, duration_format_go(now_ns - config->created, text));
        out->status = container_status_name(run.status);
        out->rootfssize = config->rootfsSize;
        out->rwsize = container_rw_size(container);
        out->names = config->name;
        out->labels.keys = config->labels.keys;
        out->labels.values = config->labels.values;
        out->labels.count = config->labels.count;
        fill_mounts(arena, container, spec, out);
        out->containerrunning = run.status == CONTAINER_RUNNING;
        out->namespaces = (IoPodmanContainerNameSpace){
                .user = inode_text(arena, namespaces.user),
                .uts = inode_text(arena, namespaces.uts),
                .pidns = inode_text(arena, namespaces.pid),
                .pid = arena_printf(arena, "%d", (int)run.pid),
                .cgroup = inode_text(arena, namespaces.cgroup),
                .net = inode_text(arena, namespaces.net),
                .mnt = inode_text(arena, namespaces.mnt),
                .ipc = inode_text(arena, namespaces.ipc),
        };
}

void api_ListContainers(VarlinkCall *call, _unused_ const IoPodmanListContainersIn *in,
                        void *userdata) {
        const Api *api = userdata;
        Arena *arena = varlink_call_arena(call);
        IoPodmanListContainersOut out = { .containers = { .items = NULL } };
        _cleanup_runtime_config_ RuntimeConfig spec = RUNTIME_CONFIG_INIT;
        int64_t now_ns = timestamp_now();
        Containers containers;

        engine_containers(api->engine, &containers);
        out.containers.items = arena_new(arena, IoPodmanListContainerData, containers.count);
        out.containers.count = containers.count;
        for (size_t i = 0; i < containers.count; i++)
                fill_container(arena, containers.items[i], &spec, now_ns, &out.containers.items[i]);
        (void)io_podman_reply_ListContainers(call, &out);
        containers_done(&containers);
}

void api_GetContainer(VarlinkCall *call, const IoPodmanGetContainerIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        IoPodmanGetContainerOut out = { .container = { .id = "" } };
        _cleanup_runtime_config_ RuntimeConfig spec = RUNTIME_CONFIG_INIT;

        if (!container)
                return;
        fill_container(varlink_call_arena(call), container, &spec, timestamp_now(), &out.container);
        (void)io_podman_reply_GetContainer(call, &out);
}

void api_InspectContainer(VarlinkCall *call, const IoPodmanInspectContainerIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);

        if (!container)
                return;
        _cleanup_free_ char *document = inspect_container(container);
        (void)io_podman_reply_InspectContainer(
                call, &(IoPodmanInspectContainerOut){ .container = document });
}

void api_ContainerExists(VarlinkCall *call, const IoPodmanContainerExistsIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = NULL;
        Error err = ERROR_INIT;

        if (engine_find_container(api->engine, in->name, &container, &err) < 0 &&
            err.kind != ERR_CONTAINER_NOT_FOUND) {
                api_reply_error(call, &err, NULL);
                return;
        }
        (void)io_podman_reply_ContainerExists(
                call, &(IoPodmanContainerExistsOut){ .exists = container ? 0 : 1 });
}

void api_GetAttachSockets(VarlinkCall *call, const IoPodmanGetAttachSocketsIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        Error err = ERROR_INIT;

        if (!container)
                return;
        _cleanup_free_ char *folder = NULL;
        if (container_init(container, &err) < 0 || container_io_dir(container, &folder, &err) < 0) {
                api_reply_error(call, &err, in->name);
                return;
        }
        Arena *arena = varlink_call_arena(call);
        const IoPodmanGetAttachSocketsOut out = {
                .sockets = {
                        .container_id = container_id(container),
                        .io_socket = arena_printf(arena, "%s/attach", folder),
                        .control_socket = arena_printf(arena, "%s/ctl", folder),
                },
        };
        (void)io_podman_reply_GetAttachSockets(call, &out);
}

void api_DeleteStoppedContainers(VarlinkCall *call,
                                 _unused_ const IoPodmanDeleteStoppedContainersIn *in,
                                 void *userdata) {
        const Api *api = userdata;
        IoPodmanDeleteStoppedContainersOut out = { .containers = { .items = NULL } };
        Containers containers;

        /* What cannot go, or went by itself meanwhile, is skipped. */
        engine_containers(api->engine, &containers);
        out.containers.items = arena_new(varlink_call_arena(call), const char *, containers.count);
        for (size_t i = 0; i < containers.count; i++) {
                ContainerStatus status = container_run(containers.items[i]).status;
                if (status != CONTAINER_RUNNING && status != CONTAINER_PAUSED &&
                    container_remove(containers.items[i], NULL) == 0)
                        out.containers.items[out.containers.count++] =
                                container_id(containers.items[i]);
        }
        (void)io_podman_reply_DeleteStoppedContainers(call, &out);
        containers_done(&containers);
}
