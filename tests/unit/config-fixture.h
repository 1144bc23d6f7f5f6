/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A scratch folder that stands for the host's file system, with a home and no variable set that
 * counts.
 */

#include "base/text.h"

/** config_root() - the folder; system paths are looked for below it, and HOME is `home` in it */
const char *config_root(void);

/** config_setup() - make it, for one test; config_teardown() removes it */
int config_setup(void **state);
int config_teardown(void **state);

/**
 * config_put() - write a file at a path below the root; returns its full path until the next call
 */
const char *config_put(const char *path, const char *text);

/** config_assert_list() - the list's items are the words of @expected */
void config_assert_list(const Strings *list, const char *expected);
