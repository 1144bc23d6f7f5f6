/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A state database in a scratch folder, and containers numbered from 0 in it. */

#include "base/random.h"
#include "state/state.h"

#define ROWS_MAX 4096

typedef struct Scratch {
        char dir[64];
        char path[96];
} Scratch;

/** scratch_setup() - make the folder, for one test; scratch_teardown() removes it */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/** scratch_open() - the database, made when missing */
State *scratch_open(const Scratch *scratch);

/** scratch_check() - with SQLite's own eyes: sound, and every configuration has its container */
void scratch_check(const Scratch *scratch);

/** row_id() - the id of container @n */
const char *row_id(char id[static ID_HEX_SIZE + 1], unsigned n);

/** run_configured() - what a container begins with */
ContainerRun run_configured(void);

/** row_try_insert() - add container @n; row_insert() names it name-<n> and must succeed */
int row_try_insert(State *state, unsigned n, const char *name, Error *err);
void row_insert(State *state, unsigned n);

/* Rows as they were read, in the order in which they came. */
typedef struct Rows {
        size_t count;
        unsigned number[ROWS_MAX];
        ContainerRun run[ROWS_MAX];
        char name[ROWS_MAX][32];
        char *last_config;
} Rows;

Rows *rows_load(State *state);
Rows *rows_free(Rows *rows);
DEFINE_CLEANUP(Rows, rows_free);
