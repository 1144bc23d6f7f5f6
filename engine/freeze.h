/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Holding a container still for a moment, and letting go whatever happens. */

#include "engine/container.h"

/**
 * container_freeze() - pause it if it runs
 *
 * 1: it is held, container_thaw() is due; 0: it does not run, or somebody has paused it; -1: error.
 * Several may hold one container; the last one to let go resumes it. Errors: those of
 * container_pause().
 */
int container_freeze(Container *container, Error *err);

/** container_thaw() - let go */
void container_thaw(Container *container);

/** freeze_recover() - resume what an engine that died was holding; once, at the engine's start */
void freeze_recover(Engine *engine);
