/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Everything at once, again and again: for tests that run it beside other tools, or kill it.
 *
 * Images come and go, and containers on them. Before a container is made, its ids are printed as
 * `{"container":"<id>","layer":"<id>"}`: an engine would have them in its database.
 */

#include "storage/store.h"

/**
 * torture() - for @seconds, with layers made of these tar files; ERR_* of the first thing that
 * fails
 */
int torture(Store *store, int seconds, char *const *tars, int tars_count, Error *err);

/**
 * bench() - medians of the hot path over @rounds containers of @image, with @others in the store
 */
int bench(Store *store, const char *image, int rounds, int others, Error *err);

/**
 * bench_stage() - stage these blobs on @threads threads and discard them; prints what it took
 */
int bench_stage(Store *store, int threads, char *const *blobs, int count, Error *err);
