/* SPDX-License-Identifier: Apache-2.0 */

/* Images: listed, looked up, inspected, named, imported, removed. */

#include "engine/images.h"

#include <errno.h>
#include <fcntl.h>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/waiting.h"
#include "base/fd.h"
#include "base/timestamp.h"
#include "engine/transfer.h"
#include "image/history.h"
#include "image/import.h"
#include "image/inspect.h"
#include "image/prune.h"
#include "image/tag.h"

static void fill_image(Arena *arena, const ImageSummary *from, IoPodmanImageInList *out) {
        char created[TIMESTAMP_TEXT_MAX];

        out->id = from->id;
        out->repoTags.items = (const char **)from->repo_tags;
        out->repoTags.count = from->repo_tags_count;
        out->repoDigests.items = (const char **)from->repo_digests;
        out->repoDigests.count = from->repo_digests_count;
        out->created = arena_strdup(arena, timestamp_format_go(from->created_ns, created));
        out->size = from->size;
        out->containers = (int64_t)from->users_count;
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
                fill_image(arena, &images[i], &out.images.items[i]);
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
        fill_image(arena, &summary, &out.image);
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

void api_HistoryImage(VarlinkCall *call, const IoPodmanHistoryImageIn *in, void *userdata) {
        const Api *api = userdata;
        Arena *arena = varlink_call_arena(call);
        IoPodmanHistoryImageOut out = { .history = { .items = NULL } };
        char created[TIMESTAMP_TEXT_MAX];
        ImageSummary summary;
        ImageStep *steps;
        Error err = ERROR_INIT;
        size_t count;

        _cleanup_(store_image_unrefp)
        StoreImage *image = find_image(call, api, in->name);
        if (!image)
                return;
        if (image_summarize(engine_images(api->engine), image, arena, &summary, &err) < 0 ||
            image_history(engine_images(api->engine), image, arena, &steps, &count, &err) < 0) {
                api_reply_error(call, &err, in->name);
                return;
        }
        out.history.items = arena_new(arena, IoPodmanImageHistory, count);
        out.history.count = count;
        for (size_t i = 0; i < count; i++) {
                IoPodmanImageHistory *entry = &out.history.items[i];
                entry->id = steps[i].id;
                entry->created =
                        arena_strdup(arena, timestamp_format_go(steps[i].created_ns, created));
                entry->createdBy = steps[i].created_by;
                entry->tags.items = (const char **)summary.repo_tags;
                entry->tags.count = summary.repo_tags_count;
                entry->size = steps[i].size;
                entry->comment = steps[i].comment;
        }
        (void)io_podman_reply_HistoryImage(call, &out);
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

void api_TagImage(VarlinkCall *call, const IoPodmanTagImageIn *in, void *userdata) {
        const Api *api = userdata;
        _cleanup_free_ char *id = NULL;
        Error err = ERROR_INIT;

        if (image_tag(engine_images(api->engine), in->name, in->tagged, &id, &err) < 0) {
                api_reply_error(call, &err, err.kind == ERR_IMAGE_NOT_FOUND ? in->name : NULL);
                return;
        }
        (void)io_podman_reply_TagImage(call, &(IoPodmanTagImageOut){ .image = id });
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

void api_DeleteUnusedImages(VarlinkCall *call, _unused_ const IoPodmanDeleteUnusedImagesIn *in,
                            void *userdata) {
        const Api *api = userdata;
        Waiting waiting = { .call = call, .engine = api->engine };
        _cleanup_strings_ Strings ids = STRINGS_INIT;
        Error err = ERROR_INIT;

        if (image_prune(engine_images(api->engine), waiting_is_over, &waiting, &ids, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        (void)io_podman_reply_DeleteUnusedImages(
                call,
                &(IoPodmanDeleteUnusedImagesOut){
                        .images = { .items = (const char **)ids.items, .count = ids.count } });
}

static void on_cancel(_unused_ VarlinkCall *call, void *userdata) {
        transfer_cancel(userdata);
}

/* The helper downloads what a URL names to a file that nobody else sees. */
static int fetch_source(void *userdata, const char *url, int *ret_fd, Error *err) {
        const Waiting *waiting = userdata;
        const char *folder = store_graph_root(engine_store(waiting->engine));
        const SelkieTransferFetchIn in = { .url = url };

        _cleanup_close_ int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_errno(err, ERR_IO, errno, folder, "cannot create a file in %s",
                                   folder);
        Transfer *transfer = transfer_new(waiting->engine);
        varlink_call_on_cancel(waiting->call, on_cancel, transfer);
        int r = transfer_fetch(transfer, &in, fd, err);
        varlink_call_on_cancel(waiting->call, NULL, NULL);
        transfer_unref(transfer);
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

static bool is_url(const char *source) {
        return text_starts_with(source, "http://") || text_starts_with(source, "https://");
}

void api_ImportImage(VarlinkCall *call, const IoPodmanImportImageIn *in, void *userdata) {
        const Api *api = userdata;
        Waiting waiting = { .call = call, .engine = api->engine };
        const ImageImportOptions options = {
                .source = in->source,
                .reference = in->reference,
                .message = in->message,
                .changes = in->changes.items,
                .changes_count = in->changes.count,
                .is_cancelled = waiting_is_over,
                .open_source = is_url(in->source) ? fetch_source : NULL,
                .userdata = &waiting,
        };
        _cleanup_free_ char *id = NULL;
        Error err = ERROR_INIT;

        if (image_import(engine_images(api->engine), &options, &id, &err) < 0) {
                api_reply_error(call, &err, NULL);
                return;
        }
        (void)io_podman_reply_ImportImage(call, &(IoPodmanImportImageOut){ .image = id });
}
