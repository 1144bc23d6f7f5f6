/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The settings of the new image are the container's, as podman's commit has them: what it runs, its
 * environment, labels, user and work folder; the rest is its image's.
 */

#include "image/commit.h"
#include "engine/files.h"
#include "engine/freeze.h"
#include "engine/images.h"
#include "engine/object.h"

static void replace_list(Strings *list, const char *const *items, size_t count) {
        strings_done(list);
        for (size_t i = 0; i < count; i++)
                strings_add(list, items[i]);
}

static void replace_text(char **text, const char *by) {
        free(*text);
        *text = xstrdup(by);
}

/* Index of the entry of the same variable as @entry, or list->count. */
static size_t find_variable(const Strings *list, const char *entry) {
        size_t size = strcspn(entry, "="), i = 0;

        while (i < list->count && (strncmp(list->items[i], entry, size) != 0 ||
                                   (list->items[i][size] != '=' && list->items[i][size] != '\0')))
                i++;
        return i;
}

/*
 * In the image's order, then what came with the container. Its hostname is no setting: in other
 * containers of the image it would be wrong.
 */
static void set_env(Strings *env, const SelkieStateContainer *container) {
        _cleanup_free_ char *hostname = xasprintf("HOSTNAME=%s", container->hostname);

        for (size_t i = 0; i < container->env.count; i++) {
                const char *entry = container->env.items[i];
                size_t at = find_variable(env, entry);
                if (at < env->count)
                        replace_text(&env->items[at], entry);
                else if (!text_equal(entry, hostname))
                        strings_add(env, entry);
        }
}

static int set_stop_signal(ImageSettings *settings, const ImageConfig *base, int64_t signal,
                           Error *err) {
        int usual;

        if (image_config_stop_signal(base, &usual, err) < 0)
                return -1;
        if (usual != signal) {
                free(settings->stop_signal);
                settings->stop_signal = xasprintf("%d", (int)signal);
        }
        return 0;
}

static int make_settings(const SelkieStateContainer *container, const ImageConfig *base,
                         ImageSettings *settings, Error *err) {
        image_settings_copy(settings, &base->settings);
        replace_list(&settings->entrypoint, container->entrypoint.items,
                     container->entrypoint.count);
        replace_list(&settings->cmd, container->command.items, container->command.count);
        set_env(&settings->env, container);
        for (size_t i = 0; i < container->labels.count; i++)
                pairs_set(&settings->labels, container->labels.keys[i],
                          container->labels.values[i]);
        if (*container->user)
                replace_text(&settings->user, container->user);
        if (*settings->working_dir || !text_equal(container->workDir, "/"))
                replace_text(&settings->working_dir, container->workDir);
        return set_stop_signal(settings, base, container->stopSignal, err);
}

/* The words of what ran, for the history. */
static char *describe(const SelkieStateContainer *container) {
        Buffer text = BUFFER_INIT;

        for (size_t i = 0; i < container->entrypoint.count; i++)
                buffer_printf(&text, "%s%s", text.size ? " " : "", container->entrypoint.items[i]);
        for (size_t i = 0; i < container->command.count; i++)
                buffer_printf(&text, "%s%s", text.size ? " " : "", container->command.items[i]);
        return buffer_take_string(&text);
}

static int copy(Container *container, ImageCommit *commit, Error *err) {
        Error failure = ERROR_INIT;

        if (image_commit_copy(commit, &failure) == 0)
                return 0;
        if (failure.kind != ERR_NOT_FOUND)
                return error_copy(err, &failure);
        return error_set(err, ERR_CONTAINER_NOT_FOUND, container->id,
                         "container %s is being removed", container->id);
}

/* Held still only while the files are read. */
static int copy_still(Container *container, bool pauses, ImageCommit *commit, Error *err) {
        int is_held = pauses ? container_freeze(container, err) : 0;

        if (is_held < 0)
                return -1;
        int r = copy(container, commit, err);
        if (is_held)
                container_thaw(container);
        return r;
}

static int find_base(Container *container, ImageDetails **ret, Error *err) {
        ImageCatalog *images = engine_images(container->engine);
        _cleanup_(store_image_unrefp)
        StoreImage *image = NULL;

        if (store_image_get(container->engine->store, container->config.imageId, &image, err) < 0)
                return error_prefix(err, "cannot read the image of container %s", container->id);
        return image_details(images, image, ret, err);
}

int container_commit(Container *container, const ContainerCommitOptions *options, char **ret_id,
                     Error *err) {
        _cleanup_(image_details_unrefp)
        ImageDetails *base = NULL;
        _cleanup_(image_commit_freep)
        ImageCommit *commit = NULL;
        _cleanup_(image_settings_done)
        ImageSettings settings = { .user = NULL };

        if (find_base(container, &base, err) < 0 ||
            make_settings(&container->config, &base->config, &settings, err) < 0)
                return -1;
        _cleanup_free_ char *created_by = describe(&container->config);
        const ImageCommitOptions asked = {
                .base = base,
                .layer = container->config.layer,
                .settings = &settings,
                .created_by = created_by,
                .name = options->name,
                .author = options->author,
                .message = options->message,
                .changes = options->changes,
                .changes_count = options->changes_count,
                .format = options->format,
                .is_cancelled = options->control.is_cancelled,
                .userdata = options->control.userdata,
        };
        if (image_commit_new(engine_images(container->engine), &asked, &commit, err) < 0 ||
            copy_still(container, options->pauses, commit, err) < 0)
                return -1;
        return image_commit_finish(commit, ret_id, err);
}
