/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Removing an image by force removes its containers first, all at the same time: each removal may
 * take as long as its container's stop timeout. The last one to end sends a worker to remove the
 * image.
 */

#include "engine/images.h"

#include <stdatomic.h>

#include "engine/object.h"
#include "image/remove.h"

ImageCatalog *engine_images(Engine *engine) {
        return engine->images;
}

typedef struct ImageRemoval {
        PoolTask task;
        Engine *engine;
        ImageRemovePlan plan;
        atomic_uint remaining; /* containers still going, plus one while they are being begun */
        pthread_mutex_t lock;  /* guards err */
        Error err;             /* of the first container that could not go */
        ImageRemoved done;
        void *userdata;
} ImageRemoval;

static void finish_removal(PoolTask *task) {
        ImageRemoval *removal = container_of(task, ImageRemoval, task);
        bool has_failed = removal->err.kind != ERR_NONE;

        if (!has_failed)
                has_failed = image_remove(removal->engine->images, &removal->plan, &removal->err) <
                             0;
        removal->done(removal->plan.id, has_failed ? &removal->err : NULL, removal->userdata);
        image_remove_plan_done(&removal->plan);
        pthread_mutex_destroy(&removal->lock);
        free(removal);
}

static void one_less(ImageRemoval *removal) {
        if (atomic_fetch_sub(&removal->remaining, 1) == 1)
                pool_submit(removal->engine->pool, &removal->task);
}

static void on_container_removed(Container *container, const Error *err, void *userdata) {
        ImageRemoval *removal = userdata;

        (void)container;
        /* One that somebody else removed meanwhile is as good. */
        if (err && err->kind != ERR_CONTAINER_NOT_FOUND) {
                pthread_mutex_lock(&removal->lock);
                if (removal->err.kind == ERR_NONE)
                        removal->err = *err;
                pthread_mutex_unlock(&removal->lock);
        }
        one_less(removal);
}

void engine_remove_image_begin(Engine *engine, const char *name, bool force, ImageRemoved done,
                               void *userdata) {
        ImageRemoval *removal = xnew(ImageRemoval, 1);

        *removal = (ImageRemoval){ .task = { .run = finish_removal },
                                   .engine = engine,
                                   .remaining = 1,
                                   .done = done,
                                   .userdata = userdata };
        pthread_mutex_init(&removal->lock, NULL);
        if (image_remove_plan(engine->images, name, force, &removal->plan, &removal->err) < 0) {
                done(NULL, &removal->err, userdata);
                pthread_mutex_destroy(&removal->lock);
                free(removal);
                return;
        }
        for (size_t i = 0; i < removal->plan.containers.count; i++) {
                _cleanup_(container_unrefp)
                Container *container = NULL;
                if (engine_find_container(engine, removal->plan.containers.items[i], &container,
                                          NULL) < 0)
                        continue; /* another tool's: the store will say that it is in the way */
                atomic_fetch_add(&removal->remaining, 1);
                container_remove_begin(container, true, on_container_removed, removal);
        }
        one_less(removal);
}
