/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which method is served by what. A method that is missing here answers MethodNotImplemented: the
 * eight that io.podman never implements, and those that the engine cannot do yet.
 */

#include "api/api.h"

#include "api/handlers.h"

static const IoPodmanHandlers handlers = {
        .Ping = api_Ping,
        .GetVersion = api_GetVersion,
        .GetInfo = api_GetInfo,
        .ListContainers = api_ListContainers,
        .GetContainer = api_GetContainer,
        .CreateContainer = api_CreateContainer,
        .InspectContainer = api_InspectContainer,
        .GetContainerLogs = api_GetContainerLogs,
        .StartContainer = api_StartContainer,
        .StopContainer = api_StopContainer,
        .RestartContainer = api_RestartContainer,
        .KillContainer = api_KillContainer,
        .PauseContainer = api_PauseContainer,
        .UnpauseContainer = api_UnpauseContainer,
        .GetAttachSockets = api_GetAttachSockets,
        .WaitContainer = api_WaitContainer,
        .RemoveContainer = api_RemoveContainer,
        .DeleteStoppedContainers = api_DeleteStoppedContainers,
        .ContainerExists = api_ContainerExists,
        .ListContainerChanges = api_ListContainerChanges,
        .ExportContainer = api_ExportContainer,
        .Commit = api_Commit,
        .ListImages = api_ListImages,
        .GetImage = api_GetImage,
        .InspectImage = api_InspectImage,
        .HistoryImage = api_HistoryImage,
        .ImageExists = api_ImageExists,
        .TagImage = api_TagImage,
        .DeleteUnusedImages = api_DeleteUnusedImages,
        .RemoveImage = api_RemoveImage,
        .ImportImage = api_ImportImage,
        .PullImage = api_PullImage,
        .PushImage = api_PushImage,
        .ExportImage = api_ExportImage,
        .SearchImage = api_SearchImage,
};

int api_register(VarlinkServer *server, Api *api) {
        int r = varlink_server_add_interface(server, &io_podman_interface, &handlers, api);

        if (r < 0)
                return r;
        varlink_server_set_inline(server, &io_podman_interface, IO_PODMAN_METHOD_Ping);
        varlink_server_set_inline(server, &io_podman_interface, IO_PODMAN_METHOD_GetVersion);
        return 0;
}
