/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* After the engine died, or the machine, or some step failed: what each container needs before
 * anything else touches it. */

#include "engine/object.h"

/** recover_load() - read every container from state.db, take over what runs; once, at start */
int recover_load(Engine *engine, Error *err);

/**
 * container_repair_locked() - finish or undo what the last engine, or this one, left half done
 *
 * Says in the log what it did, or why it could not: then it is tried again later.
 */
int container_repair_locked(Container *container, Error *err);

/**
 * container_look_for_end_locked() - see whether it has ended (exit file, dead processes), and act
 *
 * Fails where that cannot be told now.
 */
int container_look_for_end_locked(Container *container, Error *err);
