/* SPDX-License-Identifier: Apache-2.0 */

/* The engine as a whole: what it is made of, how it begins and ends. */

#include "engine/engine.h"

#include "base/log.h"
#include "engine/freeze.h"
#include "engine/recover.h"
#include "image/unfinished.h"

/*
 * Loading. The more containers there are the longer it takes, 25 us for each, so a worker does it
 * while the first calls come in; what needs a container waits.
 */

static void load(PoolTask *task) {
        Engine *engine = container_of(task, Engine, load);
        Error err = ERROR_INIT;

        int r = recover_load(engine, &engine->load_error);
        loop_post(engine->loop, &engine->loaded);
        if (r < 0)
                return; /* an engine that does not know its containers would harm them */

        pthread_mutex_lock(&engine->registry_lock);
        engine->is_loaded = true;
        pthread_cond_broadcast(&engine->load_ended);
        pthread_mutex_unlock(&engine->registry_lock);
        freeze_recover(engine);
        unfinished_recover(engine->store);
        if (store_sweep(engine->store, &err) < 0)
                log_error("cannot remove what dead writers left in the store: %s", err.text);
}

static void on_loaded(LoopTask *task) {
        Engine *engine = container_of(task, Engine, loaded);

        if (engine->load_error.kind != ERR_NONE)
                loop_stop(engine->loop, ENGINE_LOAD_FAILED);
        else
                exit_watch_scan(engine->exits);
}

int engine_load_error(const Engine *engine, Error *err) {
        return error_copy(err, &engine->load_error);
}

void engine_await_load(Engine *engine) {
        pthread_mutex_lock(&engine->registry_lock);
        while (!engine->is_loaded)
                pthread_cond_wait(&engine->load_ended, &engine->registry_lock);
        pthread_mutex_unlock(&engine->registry_lock);
}

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
        engine->transfer_path = options->transfer_path;
        engine->load.run = load;
        engine->loaded.run = on_loaded;
        list_init(&engine->retries);
        list_init(&engine->transfers);
        pthread_mutex_init(&engine->registry_lock, NULL);
        pthread_cond_init(&engine->load_ended, NULL);
        engine->images = image_catalog_new(engine->store, options->registries);
        engine->seccomp = seccomp_cache_new();

        if (exit_watch_new(&engine->exits, engine->loop, engine->runtime->exits_dir, engine_on_exit,
                           engine, err) < 0)
                return -1;
        pool_submit(engine->pool, &engine->load);
        *ret = TAKE_PTR(engine);
        return 0;
}

Engine *engine_close(Engine *engine) {
        if (!engine)
                return NULL;
        exit_watch_free(engine->exits);
        engine_end_retries(engine);
        runtime_release_cgroups(engine->runtime); /* stays where containers run on */
        MAP_FOREACH (slot, &engine->by_id)
                container_unref(slot->value);
        MAP_FOREACH (slot, &engine->leaving)
                container_unref(slot->value);
        map_done(&engine->by_id);
        map_done(&engine->by_name);
        map_done(&engine->leaving);
        seccomp_cache_free(engine->seccomp);
        image_catalog_free(engine->images);
        pthread_cond_destroy(&engine->load_ended);
        pthread_mutex_destroy(&engine->registry_lock);
        free(engine);
        return NULL;
}

void engine_stop(Engine *engine) {
        atomic_store(&engine->is_stopping, true);
        engine_cancel_transfers(engine);
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
