/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* After the engine died, or the machine: what each container needs before anything else touches
 * it. */

#include "engine/object.h"

/**
 * recover_load() - read every container from state.db, take over what runs; loop thread, at start
 */
int recover_load(Engine *engine, Error *err);

/**
 * container_repair_locked() - finish or undo what the last engine left; says in the log what it did
 */
void container_repair_locked(Container *container);

/**
 * container_look_for_end_locked() - see whether it has ended (exit file, dead processes), and act
 */
void container_look_for_end_locked(Container *container);
