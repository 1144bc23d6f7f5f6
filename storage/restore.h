/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The tar-split of a layer in which entries took the place of earlier ones.
 *
 * When the stream was described, a file that is replaced later was still in its place. Afterwards
 * its name leads to other content, or to nothing. Such files were moved aside; here their content
 * goes into the description itself, so that the stream can be rebuilt from the layer alone.
 */

#include "base/error.h"
#include "oci/digest.h"

/**
 * restore_replaced() - write the tar-split file anew
 * @dir_fd, @name: the file, replaced when all is well
 * @diff_fd:       the unpacked layer
 * @replaced_fd:   things that were moved out of it
 * @digest:        what the rebuilt stream must hash to
 *
 * Cost: reads the layer's files twice. ERR_CORRUPT if the stream cannot be rebuilt; ERR_IO.
 */
int restore_replaced(int dir_fd, const char *name, int diff_fd, int replaced_fd,
                     const Digest *digest, Error *err);
