/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Layers that are made for an image which is not there yet.
 *
 * A complete layer that no image names is read past by every tool and removed by none, since
 * another tool may be about to use it. So whoever makes one for an image writes its id down first:
 * what dies in between is made good by the next start.
 */

#include "base/error.h"
#include "storage/store.h"

/** unfinished_begin() - before a layer of this id is committed; ERR_IO, ERR_NO_SPACE */
int unfinished_begin(Store *store, const char *layer_id, Error *err);

/** unfinished_end() - the image is there, or the layer is gone again */
void unfinished_end(Store *store, const char *layer_id);

/** unfinished_recover() - remove what was begun and not ended; once, at the engine's start */
void unfinished_recover(Store *store);
