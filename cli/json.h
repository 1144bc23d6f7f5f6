/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON for people: indented by two, members in the order in which they came, integers exact, and
 * each float as the shortest text that reads back the same.
 */

#include <jansson.h>

#include "base/buffer.h"

/** json_format() - append @value over several lines, without a newline at the end */
void json_format(const json_t *value, Buffer *buffer);
