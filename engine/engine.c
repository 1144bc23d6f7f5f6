/* SPDX-License-Identifier: Apache-2.0 */

/* The engine as a whole: what it is made of, how it begins and ends. */

#include "engine/engine.h"

#include "engine/recover.h"

int engine_open(Engine **ret, const EngineOptions *options, Error *err) {
        _cleanup_(engine_closep)
        Engine *engine = xnew(Engine, 1);

        engine->loop = options->loop;
        engine->pool = options->pool;
        engine->store = options->store;
        engine->state = options->state;
        engine->runtime = options->runtime;
        engine->default_stop_timeout_s = options->default_stop_timeout_s;
        engine->log_size_max = options->log_size_max;
        engine->exit_command = options->exit_command;
        pthread_mutex_init(&engine->registry_lock, NULL);
        engine->images = image_catalog_new(engine->store);
        engine->seccomp = seccomp_cache_new();

        if (exit_watch_new(&engine->exits, engine->loop, engine->runtime->exits_dir, engine_on_exit,
                           engine, err) < 0 ||
            recover_load(engine, err) < 0)
                return -1;
        exit_watch_scan(engine->exits);
        *ret = TAKE_PTR(engine);
        return 0;
}

Engine *engine_close(Engine *engine) {
        if (!engine)
                return NULL;
        exit_watch_free(engine->exits);
        runtime_release_cgroups(engine->runtime); /* stays where containers run on */
        MAP_FOREACH (slot, &engine->by_id)
                container_unref(slot->value);
        map_done(&engine->by_id);
        map_done(&engine->by_name);
        seccomp_cache_free(engine->seccomp);
        image_catalog_free(engine->images);
        pthread_mutex_destroy(&engine->registry_lock);
        free(engine);
        return NULL;
}

void engine_stop(Engine *engine) {
        atomic_store(&engine->is_stopping, true);
}

void engine_abandon(Engine *engine) {
        engine_stop(engine);
        MAP_FOREACH (slot, &engine->by_id)
                container_notify_locked(slot->value, true, true);
        loop_drain(engine->loop);
}

bool engine_is_stopping(const Engine *engine) {
        return atomic_load(&engine->is_stopping);
}

Store *engine_store(Engine *engine) {
        return engine->store;
}

const Runtime *engine_runtime(Engine *engine) {
        return engine->runtime;
}

int64_t engine_log_size_max(const Engine *engine) {
        return engine->log_size_max;
}

const char *const *engine_exit_command(const Engine *engine) {
        return engine->exit_command;
}
