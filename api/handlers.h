/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The handlers, one for each method, named as on the wire. All run on a worker thread, but Ping and
 * GetVersion. The userdata of each is the Api.
 */

#include "api/api.h"
#include "idl/io.podman.h"

#define API_HANDLER(method) \
        void api_##method(VarlinkCall *call, const IoPodman##method##In *in, void *userdata)

/* system.c */
API_HANDLER(Ping);
API_HANDLER(GetVersion);
API_HANDLER(GetInfo);

/* create.c */
API_HANDLER(CreateContainer);

/* containers.c */
API_HANDLER(ListContainers);
API_HANDLER(GetContainer);
API_HANDLER(InspectContainer);
API_HANDLER(ContainerExists);
API_HANDLER(GetAttachSockets);
API_HANDLER(DeleteStoppedContainers);

/* lifecycle.c */
API_HANDLER(StartContainer);
API_HANDLER(StopContainer);
API_HANDLER(RestartContainer);
API_HANDLER(KillContainer);
API_HANDLER(PauseContainer);
API_HANDLER(UnpauseContainer);
API_HANDLER(WaitContainer);
API_HANDLER(RemoveContainer);

/* logs.c */
API_HANDLER(GetContainerLogs);

/* files.c */
API_HANDLER(ListContainerChanges);
API_HANDLER(ExportContainer);
API_HANDLER(Commit);

/* images.c */
API_HANDLER(ListImages);
API_HANDLER(GetImage);
API_HANDLER(InspectImage);
API_HANDLER(HistoryImage);
API_HANDLER(ImageExists);
API_HANDLER(TagImage);
API_HANDLER(DeleteUnusedImages);
API_HANDLER(RemoveImage);
API_HANDLER(ImportImage);

/* transfers.c */
API_HANDLER(PullImage);
API_HANDLER(PushImage);
API_HANDLER(ExportImage);
API_HANDLER(SearchImage);
