/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * registries.conf: which registries are asked for short names, and what is special about some, as
 * containers-registries.conf(5) has it.
 *
 * The main file is CONTAINERS_REGISTRIES_CONF, else $HOME/.config/containers/registries.conf, else
 * /etc/containers/registries.conf. Then come drop-ins, /etc/containers/registries.conf.d and
 * $HOME/.config/containers/registries.conf.d, each in order of names; with a main file of the user
 * only the user's. A later list of search registries takes the place of an earlier one, a later
 * [[registry]] that of one with the same prefix. The main file may have the old format,
 * [registries.search].
 */

#include "base/error.h"
#include "base/text.h"

typedef struct Registry {
        char *prefix;   /* host[:port][/path], or *.host */
        char *location; /* where that is; NULL only for a *.host: wherever the name says */
        bool is_insecure;
        bool is_blocked;
} Registry;

typedef struct Registries {
        Strings search;   /* unqualified-search-registries */
        Strings insecure; /* prefixes of the insecure ones, for clients that ask */
        Registry *items;
        size_t count, capacity;
} Registries;

#define REGISTRIES_INIT \
        { .items = NULL }

/**
 * registries_load() - read the configuration of the user who runs this
 * @ret: written on success only; registries_done() frees it
 *
 * Errors: ERR_INVALID with file, line and column, ERR_NOT_FOUND (the file that the environment
 * names), ERR_LIMIT, ERR_IO.
 */
int registries_load(Registries *ret, Error *err);

void registries_done(Registries *registries);
#define _cleanup_registries_ _cleanup_(registries_done)
