/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * registries.conf: which registries are asked for short names, and what is special about some, as
 * containers-registries.conf(5) has it.
 *
 * The main file is CONTAINERS_REGISTRIES_CONF, else $HOME/.config/containers/registries.conf, else
 * /etc/containers/registries.conf. Then come drop-ins, /etc/containers/registries.conf.d and
 * $HOME/.config/containers/registries.conf.d, each in order of names; with a main file of the user
 * only the user's. A later list takes the place of an earlier one, a later [[registry]] that of one
 * with the same prefix, a later alias that of one for the same name. The main file may have the old
 * format, [registries.search]. Last come the aliases that other tools have recorded, in
 * /var/cache/containers/short-name-aliases.conf for root, else below $XDG_CACHE_HOME or
 * $HOME/.cache.
 *
 * What it means for a name: image/short_names.h, image/endpoints.h.
 */

#include "base/error.h"
#include "base/text.h"
#include "oci/pairs.h"

/* For what a mirror may be asked. */
typedef enum MirrorUse {
        MIRROR_USE_ALL,
        MIRROR_USE_DIGEST_ONLY,
        MIRROR_USE_TAG_ONLY,
        _MIRROR_USE_MAX,
} MirrorUse;

typedef struct RegistryMirror {
        char *location;
        bool is_insecure;
        MirrorUse use;
} RegistryMirror;

typedef struct Registry {
        char *prefix;   /* host[:port][/path], or *.host */
        char *location; /* where that is; NULL only for a *.host: wherever the name says */
        bool is_insecure;
        bool is_blocked;
        RegistryMirror *mirrors; /* in the order in which they are asked */
        size_t mirrors_count, mirrors_capacity;
} Registry;

/* What to do with a short name that several registries may have; nobody can be asked here. */
typedef enum ShortNameMode {
        SHORT_NAME_PERMISSIVE, /* try each in turn */
        SHORT_NAME_ENFORCING,  /* refuse it */
        SHORT_NAME_DISABLED,   /* try each in turn */
        _SHORT_NAME_MAX,
} ShortNameMode;

typedef struct Registries {
        Strings search;             /* unqualified-search-registries */
        Strings insecure;           /* prefixes of the insecure ones, for clients that ask */
        Strings credential_helpers; /* empty: only auth files */
        ShortNameMode short_name_mode;
        Pairs aliases; /* short name to `domain/path`, neither with tag or digest */
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

/**
 * registries_parse() - add what one file says to what was read before
 * @name:       the file's, for errors
 * @is_drop_in: the old format is refused
 *
 * `insecure` is not filled: only the whole configuration says who is. After an error @registries
 * may hold a part of the file. Errors: ERR_INVALID, ERR_LIMIT.
 */
int registries_parse(Registries *registries, const char *name, const char *text, size_t size,
                     bool is_drop_in, Error *err);

void registries_done(Registries *registries);
#define _cleanup_registries_ _cleanup_(registries_done)
