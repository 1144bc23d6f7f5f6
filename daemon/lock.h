/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One engine for each store: a lock file that the kernel gives back when the engine dies.
 *
 * A record lock, not flock(): it belongs to the process alone. A child that was just started still
 * has a copy of every descriptor until its exec, and outlives an engine that is killed at that
 * moment; with flock() the next engine would then find the store in use. The price is that closing
 * any descriptor of the file drops the lock, so nothing else may open it.
 */

#include "base/error.h"

/**
 * engine_lock() - take the store's engine lock
 * @graph_root: made when missing, with its folder `selkie`
 * @ret_fd:     keep it open for as long as the engine lives
 *
 * ERR_IN_USE (another engine; the text has its pid), ERR_IO.
 */
int engine_lock(const char *graph_root, int *ret_fd, Error *err);
