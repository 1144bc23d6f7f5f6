/* SPDX-License-Identifier: Apache-2.0 */

/* Images: listed, looked up, inspected, imported, removed. */

#include "engine/images.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "base/timestamp.h"
#include "image/import.h"
#include "image/inspect.h"

static void fill_image(Arena *arena, Engine *engine, const ImageSummary *from,
                       IoPodmanImageInList *out) {
        char created[TIMESTAMP_TEXT_MAX];

        out->id = from->id;
        out->repoTags.items = (const char **)from->repo_tags;
        out->repoTags.count = from->repo_tags_count;
        out->repoDigests.items = (const char **)from->repo_digests;
        out->repoDigests.count = from->repo_digests_count;
        out->created = arena_strdup(arena, timestamp_format_go(from->created_ns, created));
        out->size = from->size;
        out->containers = (int64_t)engine_count_users(engine, from->id);
        out->labels.keys = arena_new(arena, const char *, from->labels_count);
        out->labels.values = arena_new(arena, const char *, from->labels_count);
        out->labels.count = from->labels_count;
        for (size_t i = 0; i < from->labels_count; i++) {
                out->labels.keys[i] = from->labels[i].key;
                out->labels.values[i] = from->labels[i].value;
        }
}

void api_ListImages(VarlinkCall *call, _unused_ const IoPodmanListImagesIn *in, void *userdata) {
        const Api *api = userdata;
        Arena *arena = varlink_call_arena(call);
        IoPodmanListImagesOut out = { .images = { .items = NULL } };
        ImageSummary *images;
        Error err = ERROR_INIT;
        size_t count;

        if (image_list(engine_images(api->engine), arena, &images, &count, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        out.images.items = arena_new(arena, IoPodmanImageInList, count);
        out.images.count = count;
        for (size_t i = 0; i < count; i++)
                fill_image(arena, api->engine, &images[i], &out.images.items[i]);
        (void)io_podman_reply_ListImages(call, &out);
}

/* The image that @name means, or the call is answered. Referenced. */
static StoreImage *find_image(VarlinkCall *call, const Api *api, const char *name) {
        StoreImage *image;
        Error err = ERROR_INIT;

        if (image_find(engine_images(api->engine), name, &image, &err) < 0) {
                api_reply_error(call, &err, name);
                return NULL;
        }
        return image;
}

void api_GetImage(VarlinkCall *call, const IoPodmanGetImageIn *in, void *userdata) {
        const Api *api = userdata;
        Arena *arena = varlink_call_arena(call);
        IoPodmanGetImageOut out = { .image = { .id = "" } };
        ImageSummary summary;
        Error err = ERROR_INIT;

        _cleanup_(store_image_unrefp)
        StoreImage *image = find_image(call, api, in->name);
        if (!image)
                return;
        if (image_summarize(engine_images(api->engine), image, arena, &summary, &err) < 0) {
                api_reply_error(call, &err, in->name);
                return;
        }
        fill_image(arena, api->engine, &summary, &out.image);
        (void)io_podman_reply_GetImage(call, &out);
}

void api_InspectImage(VarlinkCall *call, const IoPodmanInspectImageIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_free_ char *document = NULL;
        Error err = ERROR_INIT;

        _cleanup_(store_image_unrefp)
        StoreImage *image = find_image(call, api, in->name);
        if (!image)
                return;
        if (image_inspect(engine_images(api->engine), image, &document, &err) < 0) {
                api_reply_error(call, &err, in->name);
                return;
        }
        (void)io_podman_reply_InspectImage(call, &(IoPodmanInspectImageOut){ .image = document });
}

void api_ImageExists(VarlinkCall *call, const IoPodmanImageExistsIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;
        Error err = ERROR_INIT;

        if (image_find(engine_images(api->engine), in->name, &image, &err) < 0 &&
            err.kind != ERR_IMAGE_NOT_FOUND) {
                api_reply_error(call, &err, NULL);
                return;
        }
        (void)io_podman_reply_ImageExists(call,
                                          &(IoPodmanImageExistsOut){ .exists = image ? 0 : 1 });
}

/* Lives in the call's arena. */
typedef struct Removal {
        VarlinkCall *call;
        const char *name; /* as the client gave it */
} Removal;

static void on_removed(const char *id, const Error *err, void *userdata) {
        const Removal *removal = userdata;
        VarlinkCall *call = removal->call;

        if (err)
                api_reply_error(call, err, removal->name);
        else
                (void)io_podman_reply_RemoveImage(call, &(IoPodmanRemoveImageOut){ .image = id });
        varlink_call_unref(call);
}

void api_RemoveImage(VarlinkCall *call, const IoPodmanRemoveImageIn *in, void *userdata) {
        const Api *api = userdata;
        Removal *removal = arena_new(varlink_call_arena(call), Removal, 1);

        *removal = (Removal){ .call = varlink_call_ref(call), .name = in->name };
        engine_remove_image_begin(api->engine, in->name, in->force, on_removed, removal);
}

typedef struct Import {
        VarlinkCall *call;
        Engine *engine;
} Import;

static bool import_is_cancelled(void *userdata) {
        const Import *import = userdata;

        return varlink_call_is_cancelled(import->call) || engine_is_stopping(import->engine);
}

void api_ImportImage(VarlinkCall *call, const IoPodmanImportImageIn *in, void *userdata) {
        const Api *api = userdata;
        Import import = { .call = call, .engine = api->engine };
        const ImageImportOptions options = {
                .source = in->source,
                .reference = in->reference,
                .message = in->message,
                .changes = in->changes.items,
                .changes_count = in->changes.count,
                .is_cancelled = import_is_cancelled,
                .userdata = &import,
        };
        _cleanup_free_ char *id = NULL;
        Error err = ERROR_INIT;

        if (image_import(engine_images(api->engine), &options, &id, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        (void)io_podman_reply_ImportImage(call, &(IoPodmanImportImageOut){ .image = id });
}
