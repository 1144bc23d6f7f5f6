/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Programs that keep credentials: `docker-credential-NAME get`. */

#include "image/auth.h"

/**
 * auth_helper_get() - ask one
 * @name:   `pass` for docker-credential-pass, found in PATH
 * @server: what it is asked about
 *
 * 1: found, 0: it has none. Errors: as auth_lookup().
 */
int auth_helper_get(const char *name, const char *server, Credentials *ret, Error *err);
