/* SPDX-License-Identifier: Apache-2.0 */

/* The engine itself: alive, which version, on what host. */

#include "api/errors.h"
#include "api/handlers.h"
#include "engine/images.h"
#include "engine/info.h"

void api_Ping(VarlinkCall *call, _unused_ const IoPodmanPingIn *in, _unused_ void *userdata) {
        (void)io_podman_reply_Ping(call, &(IoPodmanPingOut){ .ping = { .message = "OK" } });
}

void api_GetVersion(VarlinkCall *call, _unused_ const IoPodmanGetVersionIn *in, void *userdata) {
        const Api *api = userdata;
        const IoPodmanGetVersionOut out = {
                .version = {
                        .version = api->options.version,
                        .go_version = api->options.compiler, /* what the engine was built with */
                        .git_commit = api->options.git_commit,
                        .built = api->options.built_s,
                        .os_arch = arena_printf(varlink_call_arena(call), "linux/%s", host_arch()),
                },
        };

        (void)io_podman_reply_GetVersion(call, &out);
}

static void fill_list(Arena *arena, const Strings *from, const char ***ret_items,
                      size_t *ret_count) {
        *ret_items = arena_new(arena, const char *, from->count);
        for (size_t i = 0; i < from->count; i++)
                (*ret_items)[i] = from->items[i];
        *ret_count = from->count;
}

static int fill_store(const Api *api, IoPodmanInfoStore *store, Error *err) {
        Store *from = engine_store(api->engine);
        Containers containers;
        StoreImages images;
        StoreStatus status;

        if (store_status(from, &status, err) < 0 || store_images(from, &images, err) < 0)
                return -1;
        store->images = (int64_t)images.count;
        store_images_done(&images);
        engine_containers(api->engine, &containers);
        store->containers = (int64_t)containers.count;
        containers_done(&containers);

        store->graph_driver_name = store_driver(from);
        store->graph_driver_options = api->options.driver_options;
        store->graph_root = store_graph_root(from);
        store->run_root = store_run_root(from);
        store->graph_status = (IoPodmanInfoGraphStatus){
                .backing_filesystem = status.backing_filesystem,
                .native_overlay_diff = status.native_overlay_diff ? "true" : "false",
                .supports_d_type = status.supports_d_type ? "true" : "false",
        };
        return 0;
}

void api_GetInfo(VarlinkCall *call, _unused_ const IoPodmanGetInfoIn *in, void *userdata) {
        const Api *api = userdata;
        Arena *arena = varlink_call_arena(call);
        IoPodmanGetInfoOut out = { .info = { .registries = { .items = NULL } } };
        IoPodmanPodmanInfo *info = &out.info;
        Error err = ERROR_INIT;
        HostInfo host;

        if (fill_store(api, &info->store, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        host_info(arena, &host);
        info->host = (IoPodmanInfoHost){
                .buildah_version = api->options.version, /* the builder is part of the engine */
                .distribution = { .distribution = host.distribution,
                                  .version = host.distribution_version },
                .mem_free = host.mem_free,
                .mem_total = host.mem_total,
                .swap_free = host.swap_free,
                .swap_total = host.swap_total,
                .arch = host.arch,
                .cpus = host.cpus,
                .hostname = host.hostname,
                .kernel = host.kernel,
                .os = host.os,
                .uptime = host.uptime,
        };
        fill_list(arena, api->options.registries, &info->registries.items, &info->registries.count);
        fill_list(arena, api->options.insecure_registries, &info->insecure_registries.items,
                  &info->insecure_registries.count);
        info->podman = (IoPodmanInfoPodmanBinary){
                .compiler = api->options.compiler,
                .go_version = api->options.compiler,
                .podman_version = api->options.version,
                .git_commit = api->options.git_commit,
        };
        (void)io_podman_reply_GetInfo(call, &out);
}
