/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One engine for each store: a lock file that the kernel gives back when the engine dies. */

#include "base/error.h"

/**
 * engine_lock() - take the store's engine lock
 * @graph_root: made when missing, with its folder `selkie`
 * @ret_fd:     keep it open for as long as the engine lives
 *
 * ERR_IN_USE (another engine; the text has its pid), ERR_IO.
 */
int engine_lock(const char *graph_root, int *ret_fd, Error *err);
