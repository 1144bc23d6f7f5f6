/* SPDX-License-Identifier: Apache-2.0 */

/* What containers have made of their files: changes, exports, commits. */

#include "engine/files.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "api/waiting.h"

void api_ListContainerChanges(VarlinkCall *call, const IoPodmanListContainerChangesIn *in,
                              void *userdata) {
        const Api *api = userdata;
        IoPodmanListContainerChangesOut out = { .container = { .changed = { .items = NULL } } };
        _cleanup_container_changes_ ContainerChanges changes = CONTAINER_CHANGES_INIT;
        Error err = ERROR_INIT;

        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        if (!container)
                return;
        if (container_changes(container, &changes, &err) < 0) {
                api_reply_error(call, &err, in->name);
                return;
        }
        out.container.changed.items = (const char **)changes.changed.items;
        out.container.changed.count = changes.changed.count;
        out.container.added.items = (const char **)changes.added.items;
        out.container.added.count = changes.added.count;
        out.container.deleted.items = (const char **)changes.deleted.items;
        out.container.deleted.count = changes.deleted.count;
        (void)io_podman_reply_ListContainerChanges(call, &out);
}

void api_ExportContainer(VarlinkCall *call, const IoPodmanExportContainerIn *in, void *userdata) {
        const Api *api = userdata;
        Waiting waiting = { .call = call, .engine = api->engine };
        const FilesControl control = { .is_cancelled = waiting_is_over, .userdata = &waiting };
        Error err = ERROR_INIT;

        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        if (!container)
                return;
        if (container_export(container, in->path, &control, &err) < 0) {
                api_reply_error(call, &err, err.kind == ERR_CONTAINER_NOT_FOUND ? in->name : NULL);
                return;
        }
        (void)io_podman_reply_ExportContainer(call,
                                              &(IoPodmanExportContainerOut){ .tarfile = in->path });
}

void api_Commit(VarlinkCall *call, const IoPodmanCommitIn *in, void *userdata) {
        const Api *api = userdata;
        Waiting waiting = { .call = call, .engine = api->engine };
        const ContainerCommitOptions options = {
                .name = in->image_name,
                .author = in->author,
                .message = in->message,
                .format = in->manifestType,
                .changes = in->changes.items,
                .changes_count = in->changes.count,
                .pauses = in->pause,
                .control = { .is_cancelled = waiting_is_over, .userdata = &waiting },
        };
        _cleanup_free_ char *id = NULL;
        Error err = ERROR_INIT;

        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        if (!container)
                return;
        if (container_commit(container, &options, &id, &err) < 0) {
                api_reply_error(call, &err, err.kind == ERR_CONTAINER_NOT_FOUND ? in->name : NULL);
                return;
        }
        (void)io_podman_reply_Commit(call, &(IoPodmanCommitOut){ .image = id });
}
