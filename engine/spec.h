/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From a container's configuration to the OCI document that its runtime is given. */

#include "base/buffer.h"
#include "engine/container.h"
#include "oci/runtime_config.h"

/**
 * spec_build() - append config.json
 * @root: the mounted root file system; users are looked up and the work folder is made inside it
 *
 * ERR_INVALID (subject create.user, create.work_dir ...), ERR_IO.
 */
int spec_build(Container *container, const char *root, Buffer *spec, Error *err);

/**
 * spec_fill_mounts() - only the mounts, replacing those that @config had
 *
 * Mounts of an earlier container that @config was filled for stay valid until
 * runtime_config_done().
 */
void spec_fill_mounts(Container *container, RuntimeConfig *config);

/**
 * spec_fill() - what of the document depends on the configuration alone: all but root, user and
 * filter
 * @config: RUNTIME_CONFIG_INIT; borrows from @container
 */
void spec_fill(Container *container, RuntimeConfig *config);
