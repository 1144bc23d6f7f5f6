/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The fifo `exec.fifo` in a runtime's state folder of a container, on which a created container's
 * process waits to be started.
 *
 * runc: the process writes one byte, and blocks until somebody opens the fifo to read it.
 * crun: the process reads one byte, which somebody writes.
 * Who starts it removes the fifo: its being there is how both tell "created" from "running".
 */

#include <stdbool.h>

/**
 * exec_fifo_release() - start a created container's process
 * @runtime_name: "crun" or "runc"; any other is not known here
 * @ret_hold_fd:  -EBADF, or a descriptor to close after the runtime was asked: while it is open, a
 *                process that comes late to its fifo does not find it without a reader
 *
 * Returns false when the process was not started: the runtime itself has to be asked, and may say
 * why it cannot.
 */
bool exec_fifo_release(const char *runtime_name, const char *state_dir, const char *id,
                       int *ret_hold_fd);
