/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `transport:where`, as the tools of the field write it: docker://name, docker-archive:path[:name],
 * oci-archive:path[:tag], oci:path[:tag], dir:path, docker-dir:path.
 */

#include "base/error.h"

typedef enum Transport {
        TRANSPORT_NONE, /* no transport is named: a name that registries know */
        TRANSPORT_DOCKER,
        TRANSPORT_DOCKER_ARCHIVE,
        TRANSPORT_OCI_ARCHIVE,
        TRANSPORT_OCI,
        TRANSPORT_DIR,
        _TRANSPORT_MAX,
} Transport;

/**
 * transport_parse() - take the transport off
 * @ret_where: what follows it; borrowed from @text
 *
 * ERR_INVALID for a word that looks like a transport and is none that is known here.
 */
int transport_parse(const char *text, Transport *ret, const char **ret_where, Error *err);

/** transport_name() - as policy.json calls it: "docker", "oci-archive", ...; static */
const char *transport_name(Transport transport);
