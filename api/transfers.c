/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Images that come and go. Each method runs one transfer on its worker, and a client that hangs up
 * ends it.
 */

#include "engine/transfer.h"

#include "api/errors.h"
#include "api/handlers.h"
#include "base/log.h"
#include "engine/images.h"
#include "image/transport.h"

static void on_cancel(_unused_ VarlinkCall *call, void *userdata) {
        transfer_cancel(userdata);
}

static Transfer *transfer_begin(VarlinkCall *call, Engine *engine) {
        Transfer *transfer = transfer_new(engine);

        varlink_call_on_cancel(call, on_cancel, transfer);
        return transfer;
}

static void transfer_end(VarlinkCall *call, Transfer *transfer) {
        varlink_call_on_cancel(call, NULL, NULL);
        transfer_unref(transfer);
}

void api_PullImage(VarlinkCall *call, const IoPodmanPullImageIn *in, void *userdata) {
        const Api *api = userdata;
        const SelkieTransferPullIn pull = { .source = in->name };
        _cleanup_free_ char *id = NULL;
        Error err = ERROR_INIT;

        Transfer *transfer = transfer_begin(call, api->engine);
        int r = transfer_pull(transfer, &pull, &id, &err);
        transfer_end(call, transfer);
        if (r < 0) {
                (void)error_prefix(&err, "unable to pull %s", in->name);
                api_reply_error(call, &err, NULL);
                return;
        }
        (void)io_podman_reply_PullImage(call, &(IoPodmanPullImageOut){ .id = id });
}

/* Answers with the error, if there is one. */
static int push(VarlinkCall *call, Engine *engine, const SelkieTransferPushIn *in) {
        _cleanup_free_ char *digest = NULL;
        Error err = ERROR_INIT;

        Transfer *transfer = transfer_begin(call, engine);
        int r = transfer_push(transfer, in, &digest, &err);
        transfer_end(call, transfer);
        if (r < 0)
                api_reply_error(call, &err, NULL);
        return r;
}

/* The image that is meant, or the call is answered. */
static int find(VarlinkCall *call, Engine *engine, const char *name, ImageMatch *ret) {
        Error err = ERROR_INIT;

        int r = image_lookup(engine_images(engine), name, ret, &err);
        if (r < 0)
                api_reply_error(call, &err, name);
        return r;
}

/* Under its own name it goes where it came from. */
static const char *own_name(const ImageMatch *match) {
        return match->name                      ? match->name
               : match->image->names.count == 1 ? match->image->names.items[0]
                                                : NULL;
}

static int choose_destination(Arena *arena, const ImageMatch *match, const char *wanted,
                              const char **ret, Error *err) {
        const char *destination = text_is_empty(wanted) ? own_name(match) : wanted, *where;
        Transport transport;

        if (!destination)
                return error_set(err, ERR_INVALID, "tag",
                                 "image %s has %zu names: say under which it is to be pushed",
                                 match->image->id, match->image->names.count);
        if (transport_parse(destination, &transport, &where, err) < 0)
                return -1;
        *ret = transport == TRANSPORT_NONE ? arena_printf(arena, "docker://%s", destination)
                                           : destination;
        return 0;
}

void api_PushImage(VarlinkCall *call, const IoPodmanPushImageIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_image_match_ ImageMatch match = IMAGE_MATCH_INIT;
        SelkieTransferPushIn request = { .options = { .insecure = !in->tlsverify } };
        Error err = ERROR_INIT;

        if (find(call, api->engine, in->name, &match) < 0)
                return;
        if (choose_destination(varlink_call_arena(call), &match, in->tag, &request.destination,
                               &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        request.image = match.image->id;
        if (push(call, api->engine, &request) == 0)
                (void)io_podman_reply_PushImage(
                        call, &(IoPodmanPushImageOut){ .image = match.image->id });
}

static int check_export(const char *destination, Transport *ret, Error *err) {
        const char *where;

        if (text_is_empty(destination))
                return error_set(err, ERR_INVALID, "destination",
                                 "destination image name must be specified");
        if (transport_parse(destination, ret, &where, err) < 0)
                return -1;
        if (*ret == TRANSPORT_NONE || *ret == TRANSPORT_DOCKER)
                return error_set(
                        err, ERR_INVALID, "destination",
                        "invalid reference format: \"%.600s\" names no place on this host: "
                        "docker-archive:, oci-archive:, oci: or dir: and a path does",
                        destination);
        return 0;
}

void api_ExportImage(VarlinkCall *call, const IoPodmanExportImageIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_image_match_ ImageMatch match = IMAGE_MATCH_INIT;
        SelkieTransferPushIn request = { .destination = in->destination };
        Transport transport = TRANSPORT_NONE;
        Error err = ERROR_INIT;

        if (find(call, api->engine, in->name, &match) < 0)
                return;
        if (check_export(in->destination, &transport, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        request.image = match.image->id;
        /* As podman's save has it: only a folder's layers are compressed or not by choice. */
        request.options.compression = in->compress && transport == TRANSPORT_DIR ? "gzip" : "";
        request.names.items = in->tags.items;
        request.names.count = in->tags.count;
        if (push(call, api->engine, &request) == 0)
                (void)io_podman_reply_ExportImage(
                        call, &(IoPodmanExportImageOut){ .image = match.image->id });
}

void api_SearchImage(VarlinkCall *call, const IoPodmanSearchImageIn *in, void *userdata) {
        const Api *api = userdata;
        Arena *arena = varlink_call_arena(call);
        const SelkieTransferSearchIn request = { .term = in->name, .limit = in->limit };
        SelkieTransferSearchOut found;
        IoPodmanSearchImageOut out = { .images = { .items = NULL } };
        Error err = ERROR_INIT;

        Transfer *transfer = transfer_begin(call, api->engine);
        int r = transfer_search(transfer, &request, arena, &found, &err);
        transfer_end(call, transfer);
        if (r < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        for (size_t i = 0; i < found.problems.count; i++)
                log_warning("search: %s", found.problems.items[i]);
        out.images.items = arena_new(arena, IoPodmanImageSearch, found.results.count);
        out.images.count = found.results.count;
        for (size_t i = 0; i < found.results.count; i++) {
                const SelkieTransferSearchResult *from = &found.results.items[i];
                out.images.items[i] = (IoPodmanImageSearch){ .description = from->description,
                                                             .is_official = from->official,
                                                             .is_automated = from->automated,
                                                             .name = from->name,
                                                             .star_count = from->stars };
        }
        (void)io_podman_reply_SearchImage(call, &out);
}
