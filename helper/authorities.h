/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The certificate authorities that the system trusts.
 *
 * There are two forms of them: one file with all, which OpenSSL 3 takes 35 ms to read, for each
 * connection; and a folder in which an authority is found by a hash of its name when it is needed.
 */

#include "base/buffer.h"
#include "base/error.h"

#define AUTHORITIES_MAX (16 * 1024 * 1024) /* bytes of the file */

/** authorities_folder() - the folder, if there is one and it can be looked up by hash; heap or NULL
 */
char *authorities_folder(void);

/** authorities_bundle() - append the file; none is fine. ERR_IO, ERR_LIMIT */
int authorities_bundle(Buffer *ret, Error *err);
