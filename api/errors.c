/* SPDX-License-Identifier: Apache-2.0 */
#include "api/errors.h"

#include "base/log.h"
#include "base/text.h"
#include "idl/io.podman.h"

/* Most failures are ErrorOccurred with a sentence; one about an argument begins with its name. */
static void reply_reason(VarlinkCall *call, const Error *err) {
        bool names_argument = (err->kind == ERR_INVALID || err->kind == ERR_UNSUPPORTED) &&
                              *err->subject && !strstr(err->text, err->subject);
        const char *reason = names_argument ? arena_printf(varlink_call_arena(call), "%s: %s",
                                                           err->subject, err->text)
                                            : err->text;

        (void)io_podman_error_ErrorOccurred(call, &(IoPodmanErrorOccurred){ .reason = reason });
}

void api_reply_error(VarlinkCall *call, const Error *err, const char *name) {
        const char *subject = name ? name : err->subject;

        switch (err->kind) {
        case ERR_CONTAINER_NOT_FOUND:
                (void)io_podman_error_ContainerNotFound(
                        call, &(IoPodmanContainerNotFound){ .name = subject });
                return;
        case ERR_IMAGE_NOT_FOUND:
                (void)io_podman_error_ImageNotFound(call,
                                                    &(IoPodmanImageNotFound){ .name = subject });
                return;
        case ERR_POD_NOT_FOUND:
                (void)io_podman_error_PodNotFound(call, &(IoPodmanPodNotFound){ .name = subject });
                return;
        case ERR_NOT_RUNNING:
                (void)io_podman_error_NoContainerRunning(call);
                return;
        case ERR_CORRUPT:
        case ERR_NO_SPACE:
        case ERR_TIMEOUT:
        case ERR_IO:
                log_error("%s: %s", err->subject, err->text);
                reply_reason(call, err);
                return;
        case ERR_NONE:
        case ERR_INVALID:
        case ERR_NOT_FOUND:
        case ERR_AMBIGUOUS:
        case ERR_EXISTS:
        case ERR_STATE:
        case ERR_IN_USE:
        case ERR_UNSUPPORTED:
        case ERR_LIMIT:
        case ERR_LAYER_CORRUPT:
        case ERR_RUNTIME:
        case ERR_CANCELLED:
        case _ERR_MAX:
                log_debug("%s: %s", err->subject, err->text);
                reply_reason(call, err);
                return;
        }
}

Container *api_find_container(VarlinkCall *call, Engine *engine, const char *name) {
        Container *container;
        Error err = ERROR_INIT;

        if (engine_find_container(engine, name, &container, &err) < 0) {
                api_reply_error(call, &err, name);
                return NULL;
        }
        return container;
}
