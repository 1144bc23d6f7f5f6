/* SPDX-License-Identifier: Apache-2.0 */

/*
 * To state.db a container that is held is paused, as any other: it can be stopped, removed, resumed
 * by clients, and nobody waits. Who has paused it stands in the run root, one empty file for each
 * container that is held, written before it is paused and removed after it was resumed. An engine
 * that finds such files at its start resumes what its predecessor held. A reboot takes them away,
 * and with them every process.
 */

#include "engine/freeze.h"

#include <dirent.h>
#include <errno.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "engine/object.h"
#include "runtime/stray.h"

#define THAW_ATTEMPTS_MAX 100 /* while more calls wait for the container than may */

static char *marks_folder(const Engine *engine) {
        return xasprintf("%s/selkie/held", store_run_root(engine->store));
}

static char *mark_path(const Container *container) {
        _cleanup_free_ char *folder = marks_folder(container->engine);

        return xasprintf("%s/%s", folder, container->id);
}

static int put_mark(const char *path, const Container *container, Error *err) {
        _cleanup_free_ char *folder = marks_folder(container->engine);

        int r = path_make_dirs(folder, 0700);
        if (r >= 0)
                r = file_write_atomic_at(AT_FDCWD, path, "", 0, 0600, false);
        return r < 0 ? error_errno(err, ERR_IO, -r, path, "cannot write %s", path) : 0;
}

static int freeze_locked(Container *container, Error *err) {
        _cleanup_free_ char *path = mark_path(container);
        Error failure = ERROR_INIT;

        /* One that is held, or that a dead engine has held and nobody has resumed so far. */
        if (container->holds > 0 || access(path, F_OK) == 0) {
                container->holds++;
                return 1;
        }
        if (container_run(container).status != CONTAINER_RUNNING)
                return 0;
        if (put_mark(path, container, err) < 0)
                return -1;
        if (container_pause(container, &failure) < 0) {
                (void)unlink(path);
                /* It has ended, or was paused, a moment ago. */
                return failure.kind == ERR_STATE ? 0 : error_copy(err, &failure);
        }
        container->holds = 1;
        return 1;
}

int container_freeze(Container *container, Error *err) {
        pthread_mutex_lock(&container->hold_lock);
        int r = freeze_locked(container, err);
        pthread_mutex_unlock(&container->hold_lock);
        return r;
}

/* 0, also when somebody else has resumed, ended or removed it. */
static int resume(Container *container, Error *err) {
        for (int i = 0;; i++) {
                Error failure = ERROR_INIT;
                if (container_unpause(container, &failure) == 0 || failure.kind == ERR_STATE ||
                    failure.kind == ERR_CONTAINER_NOT_FOUND)
                        return 0;
                if (failure.kind != ERR_LIMIT || i == THAW_ATTEMPTS_MAX)
                        return error_copy(err, &failure);
                /* Too many calls wait for it: stand in the line once, not among them. */
                if (container_lock(container, NULL) == 0)
                        container_unlock(container);
        }
}

static void thaw_locked(Container *container) {
        _cleanup_free_ char *path = mark_path(container);
        Error err = ERROR_INIT;

        if (resume(container, &err) == 0)
                (void)unlink(path);
        else /* the mark stays: the next hold or the next engine tries again */
                log_error("cannot resume container %s after its files were copied: %s",
                          container->id, err.text);
}

void container_thaw(Container *container) {
        pthread_mutex_lock(&container->hold_lock);
        if (--container->holds == 0)
                thaw_locked(container);
        pthread_mutex_unlock(&container->hold_lock);
}

/*
 * The runtime may have paused it after the engine was dead, and after its row was compared with
 * what was there: then the row says that it runs.
 */
static void resume_late(Container *container) {
        const Runtime *runtime = container->engine->runtime;
        RuntimeStatus status;

        stray_await_verb(container->id, "pause");
        if (container_lock(container, NULL) < 0)
                return;
        if (container->run.status == CONTAINER_RUNNING &&
            runtime_state(runtime, container->id, &status, NULL, NULL) == 0 &&
            status == RUNTIME_STATUS_PAUSED)
                (void)runtime_resume(runtime, container->id, NULL);
        container_unlock(container);
}

static void recover_one(Engine *engine, const char *folder, const char *id) {
        _cleanup_(container_unrefp)
        Container *container = NULL;
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, id);

        if (engine_find_container(engine, id, &container, NULL) < 0) {
                (void)unlink(path);
                return;
        }
        pthread_mutex_lock(&container->hold_lock);
        if (container->holds == 0 && access(path, F_OK) == 0) {
                log_info("container %s was held while its files were copied: resuming it", id);
                resume_late(container);
                thaw_locked(container);
        }
        pthread_mutex_unlock(&container->hold_lock);
}

void freeze_recover(Engine *engine) {
        _cleanup_free_ char *path = marks_folder(engine);
        DIR *folder = opendir(path);

        if (!folder)
                return; /* nothing was ever held since the host was started */
        for (struct dirent *entry; (entry = readdir(folder));)
                if (strlen(entry->d_name) == ID_HEX_SIZE && text_is_hex(entry->d_name))
                        recover_one(engine, path, entry->d_name);
        (void)closedir(folder);
}
