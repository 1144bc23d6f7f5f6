/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where configuration files lie: the search orders of the containers tools are made of these parts.
 *
 * Like base/toml this speaks in Errors. SELKIE_CONFIG_ROOT in the environment stands before /etc
 * and /usr in system paths: tests put their files there.
 */

#include "base/error.h"
#include "base/text.h"

/** config_system_path() - a path below /etc or /usr, as a heap string */
char *config_system_path(const char *path);

/** config_home_path() - `$HOME/.config/<name>` as a heap string, or NULL without a home */
char *config_home_path(const char *name);

/** config_user_path() - `$XDG_CONFIG_HOME/<name>`, else config_home_path() */
char *config_user_path(const char *name);

/** config_from_environment() - the value of a variable that is set and not empty, or NULL */
const char *config_from_environment(const char *name);

/**
 * config_add_drop_ins() - append the `*.conf` files of a folder, in order of their names; none is
 * fine
 */
int config_add_drop_ins(Strings *paths, const char *folder, Error *err);

/**
 * config_expand() - replace `$NAME` and `${NAME}` by the environment's values, `$UID` by the
 * user's number; heap string
 */
char *config_expand(const char *text);
