/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * storage.conf: where the store is and how it is mounted, as containers-storage.conf(5) has it.
 *
 * One file counts, they do not add up: CONTAINERS_STORAGE_CONF, else for root
 * /etc/containers/storage.conf, else /usr/share/containers/storage.conf. A user's own is
 * $XDG_CONFIG_HOME/containers/storage.conf; from root's file a user takes the driver and
 * rootless_storage_path. STORAGE_DRIVER and STORAGE_OPTS override the file. An option that would
 * change what the store holds or how it looks, and that this engine does not have, is refused by
 * its name.
 */

#include "base/error.h"

/*
 * Bytes of a root's path, without slashes at its end. What is built on it has to fit where it goes:
 * SQLite opens files whose path, with the ending of its log, has less than 512.
 */
#define STORE_ROOT_MAX 480

typedef struct StoreConfig {
        char *driver;        /* as configured; "overlay" where nothing is */
        char *graph_root;    /* absolute, UTF-8, without control characters and colons */
        char *run_root;      /* the same */
        char *mount_options; /* comma separated, e.g. "nodev"; NULL: none */
} StoreConfig;

#define STORE_CONFIG_INIT \
        { .driver = NULL }

/**
 * store_config_load() - read the configuration of the user who runs this
 * @graph_root: from the command line, or NULL
 * @run_root:   the same
 * @ret:        written on success only; store_config_done() frees it
 *
 * Errors: ERR_INVALID with file, line and column, or about a root, ERR_UNSUPPORTED (subject = the
 * file or variable), ERR_NOT_FOUND (the file that the environment names), ERR_LIMIT (a file, or
 * STORE_ROOT_MAX), ERR_IO.
 */
int store_config_load(StoreConfig *ret, const char *graph_root, const char *run_root, Error *err);

void store_config_done(StoreConfig *config);
#define _cleanup_store_config_ _cleanup_(store_config_done)
