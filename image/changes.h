/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Changes to an image's settings, as Import and Commit take them and a build's instructions make
 * them.
 *
 * A change is an instruction's word, then `=` or white space, then its value: `CMD=["sh"]`, `ENV
 * A=B`. The word may be in any case. A list of changes is applied to all or nothing.
 */

#include "base/error.h"
#include "oci/image_config.h"

#define IMAGE_CHANGES_MAX      1024 /* changes in one request */
#define IMAGE_CHANGE_ITEMS_MAX 1000 /* ports or paths that one EXPOSE or VOLUME may name */

/**
 * image_settings_apply() - apply changes in their order
 *
 * CMD, ENTRYPOINT: JSON array, or words (quotes and backslash as in a shell); ENTRYPOINT leaves
 * Cmd alone. ENV, LABEL: `NAME=value`, `NAME value`; one pair, quotes around all of the value are
 * taken off. EXPOSE: ports and ranges, `80`, `53/udp`, `8000-8010`. VOLUME: JSON array or words,
 * absolute paths. WORKDIR: relative to the one before. STOPSIGNAL: see signal_name_parse(). USER,
 * ONBUILD: as they are.
 *
 * Errors: ERR_INVALID (subject = the change), ERR_LIMIT (subject `changes`). @settings is then
 * untouched.
 */
int image_settings_apply(ImageSettings *settings, const char *const *changes, size_t count,
                         Error *err);
