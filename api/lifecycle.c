/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Start, stop, wait, remove: what changes a container's state.
 *
 * A method that takes as long as the container likes leaves a Pending behind, which keeps the call
 * and the container, and is answered from wherever the engine says that it is over.
 */

#include "api/errors.h"
#include "api/handlers.h"

typedef int (*Reply)(VarlinkCall *call, const char *id);

typedef struct Pending {
        VarlinkCall *call;
        const char *name; /* as the client gave it; in the call's arena */
        Reply reply;
} Pending;

static Pending *pending_new(VarlinkCall *call, const char *name, Reply reply) {
        Pending *pending = xnew(Pending, 1);

        *pending = (Pending){ .call = varlink_call_ref(call), .name = name, .reply = reply };
        return pending;
}

static void on_done(Container *container, const Error *err, void *userdata) {
        Pending *pending = userdata;

        if (err)
                api_reply_error(pending->call, err, pending->name);
        else
                (void)pending->reply(pending->call, container_id(container));
        varlink_call_unref(pending->call);
        free(pending);
}

/* Short operations: find, do, answer. */
static void run_now(VarlinkCall *call, Engine *engine, const char *name,
                    int (*operation)(Container *container, Error *err), Reply reply) {
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, engine, name);
        Error err = ERROR_INIT;

        if (!container)
                return;
        if (operation(container, &err) < 0)
                api_reply_error(call, &err, name);
        else
                (void)reply(call, container_id(container));
}

#define DEFINE_REPLY(method)                                                                  \
        static int reply_##method(VarlinkCall *call, const char *id) {                        \
                return io_podman_reply_##method(call,                                         \
                                                &(IoPodman##method##Out){ .container = id }); \
        }

DEFINE_REPLY(StartContainer)
DEFINE_REPLY(StopContainer)
DEFINE_REPLY(RestartContainer)
DEFINE_REPLY(PauseContainer)
DEFINE_REPLY(UnpauseContainer)
DEFINE_REPLY(RemoveContainer)

void api_StartContainer(VarlinkCall *call, const IoPodmanStartContainerIn *in, void *userdata) {
        const Api *api = userdata;

        run_now(call, api->engine, in->name, container_start, reply_StartContainer);
}

void api_PauseContainer(VarlinkCall *call, const IoPodmanPauseContainerIn *in, void *userdata) {
        const Api *api = userdata;

        run_now(call, api->engine, in->name, container_pause, reply_PauseContainer);
}

void api_UnpauseContainer(VarlinkCall *call, const IoPodmanUnpauseContainerIn *in, void *userdata) {
        const Api *api = userdata;

        run_now(call, api->engine, in->name, container_unpause, reply_UnpauseContainer);
}

void api_KillContainer(VarlinkCall *call, const IoPodmanKillContainerIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);
        Error err = ERROR_INIT;

        if (!container)
                return;
        if (container_kill(container, in->signal, &err) < 0) {
                api_reply_error(call, &err, in->name);
                return;
        }
        (void)io_podman_reply_KillContainer(
                call, &(IoPodmanKillContainerOut){ .container = container_id(container) });
}

void api_StopContainer(VarlinkCall *call, const IoPodmanStopContainerIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);

        if (container)
                container_stop_begin(container, in->timeout, on_done,
                                     pending_new(call, in->name, reply_StopContainer));
}

void api_RestartContainer(VarlinkCall *call, const IoPodmanRestartContainerIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);

        if (container)
                container_restart_begin(container, in->timeout, on_done,
                                        pending_new(call, in->name, reply_RestartContainer));
}

void api_RemoveContainer(VarlinkCall *call, const IoPodmanRemoveContainerIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(container_unrefp)
        Container *container = api_find_container(call, api->engine, in->name);

        if (container)
                container_remove_begin(container, in->force, on_done,
                                       pending_new(call, in->name, reply_RemoveContainer));
}

/* --- wait ------------------------------------------------------------------------------------ */

/*
 * Lives in the call's arena. The waiter holds a reference of the call while it is in the
 * container's list; the end of the container and the peer's hang-up race for taking it out, and the
 * winner drops that.
 */
typedef struct Wait {
        ContainerWaiter waiter;
        VarlinkCall *call;
        Container *container;
        const char *name;
} Wait;

static void reply_exit_code(VarlinkCall *call, int exit_code) {
        (void)io_podman_reply_WaitContainer(call,
                                            &(IoPodmanWaitContainerOut){ .exitcode = exit_code });
}

static void on_container_end(ContainerWaiter *waiter, bool is_removed, int exit_code) {
        Wait *wait = container_of(waiter, Wait, waiter);

        if (is_removed)
                (void)io_podman_error_ContainerNotFound(
                        wait->call, &(IoPodmanContainerNotFound){ .name = wait->name });
        else
                reply_exit_code(wait->call, exit_code);
        varlink_call_unref(wait->call);
}

static void on_hangup(_unused_ VarlinkCall *call, void *userdata) {
        Wait *wait = userdata;

        if (container_wait_cancel(wait->container, &wait->waiter))
                varlink_call_unref(wait->call);
}

static void release_container(void *container) {
        container_unref(container);
}

void api_WaitContainer(VarlinkCall *call, const IoPodmanWaitContainerIn *in, void *userdata) {
        const Api *api = userdata;
        Container *container = api_find_container(call, api->engine, in->name);
        Arena *arena = varlink_call_arena(call);
        int exit_code;

        if (!container)
                return;
        arena_add_destructor(arena, release_container, container);
        if (varlink_call_is_oneway(call))
                return; /* waiting changes nothing, and nobody would hear of it */
        Wait *wait = arena_new(arena, Wait, 1);
        *wait = (Wait){ .waiter = { .done = on_container_end },
                        .call = varlink_call_ref(call),
                        .container = container,
                        .name = in->name };
        list_init(&wait->waiter.link);
        switch (container_wait_begin(container, &wait->waiter, &exit_code)) {
        case CONTAINER_WAIT_BEGUN:
                varlink_call_on_cancel(call, on_hangup, wait);
                return;
        case CONTAINER_WAIT_ENDED:
                reply_exit_code(call, exit_code);
                break;
        case CONTAINER_WAIT_REMOVED:
                (void)io_podman_error_ContainerNotFound(
                        call, &(IoPodmanContainerNotFound){ .name = in->name });
                break;
        }
        varlink_call_unref(call);
}
