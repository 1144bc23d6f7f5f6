/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Containers of busybox under the real conmon: a scratch folder with a root file system and a
 * runtime, and boxes in it. Closing checks that nothing is left.
 */

#include "base/random.h"
#include "runtime/monitor.h"
#include "tests/unit/scratch.h"

#define END_MS 20000 /* for what is bound to end */

/* Which runtime fixture_open() takes; set by main(). */
extern const char *runtime_path;

typedef struct Fixture {
        Scratch scratch;
        char *root, *exits_dir;
        Runtime *runtime;
} Fixture;

/* One container of the fixture's root. */
typedef struct Box {
        Fixture *fixture;
        char id[ID_HEX_SIZE + 1];
        char *bundle, *run_dir, *log_path;
        MonitorOptions options;
        MonitorResult monitor;
} Box;

#define SHELL(script)                                    \
        (const char *const[]) {                          \
                "/bin/busybox", "sh", "-c", script, NULL \
        }

int fixture_open(void **state);
/** fixture_close() - fails if anything is left in the runtime's state or among the exit files */
int fixture_close(void **state);
/** fixture_use() - open another runtime; the old one is freed */
void fixture_use(Fixture *fixture, const char *path);

/** run_with_both() - @round with runc, and with crun where it accepts the cgroups; failures */
int run_with_both(int (*round)(const char *path));

void box_open(Box *box, Fixture *fixture);
/** box_close() - fails if anything is left of the container in folders and cgroups */
void box_close(Box *box);
int box_create(Box *box, const char *const *args, Error *err);
/** box_run() - create and start */
void box_run(Box *box, const char *const *args);
/** box_wait() - the exit code */
int box_wait(Box *box);
/** box_delete() - delete, clean, close */
void box_delete(Box *box, bool force);
char *box_log(const Box *box);
RuntimeStatus box_status(const Box *box, pid_t *ret_pid);
bool file_exists(const char *folder, const char *name);
