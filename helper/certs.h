/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * certs.d: the certificates that are special about one registry, as containers-certs.d(5) has it.
 *
 * A folder named `host:port` holds authorities to trust beside the system's (`*.crt`) and one
 * certificate to show (`*.cert` with its `*.key`). The first folder that exists counts, of
 * $HOME/.config/containers/certs.d, /etc/containers/certs.d and /etc/docker/certs.d.
 */

#include "base/buffer.h"
#include "base/error.h"

#define CERTS_AUTHORITIES_MAX (1024 * 1024) /* bytes of all of a folder's *.crt */
#define CERTS_FILES_MAX       256           /* files in a folder */

typedef struct Certs {
        Buffer authorities;      /* PEM; empty: the system's alone */
        char *certificate, *key; /* paths of PEM files, or both NULL */
} Certs;

#define CERTS_INIT \
        { .authorities = BUFFER_INIT }

void certs_done(Certs *certs);
#define _cleanup_certs_ _cleanup_(certs_done)

/**
 * certs_load() - look for the certificates of a registry
 * @host:   `host` or `host:port`
 * @folder: this folder itself instead, which must exist; NULL: as configured
 *
 * Errors: ERR_NOT_FOUND (@folder), ERR_INVALID (a certificate without key, a key without
 * certificate), ERR_LIMIT, ERR_IO; subject = the path.
 */
int certs_load(const char *host, const char *folder, Certs *ret, Error *err);
