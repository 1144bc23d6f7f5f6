/* SPDX-License-Identifier: Apache-2.0 */
#include "image/transport.h"

#include <string.h>

#include "base/text.h"

typedef struct Row {
        const char *prefix;
        Transport transport;
} Row;

static const Row rows[] = {
        { "docker://", TRANSPORT_DOCKER },
        { "docker-archive:", TRANSPORT_DOCKER_ARCHIVE },
        { "oci-archive:", TRANSPORT_OCI_ARCHIVE },
        { "oci:", TRANSPORT_OCI },
        { "dir:", TRANSPORT_DIR },
        { "docker-dir:", TRANSPORT_DIR },
};

/* Known elsewhere, and no registry's host: better told than looked up. */
static const char *const unknown[] = {
        "containers-storage:", "docker-daemon:", "atomic:", "ostree:", "tarball:", "sif:",
        "openshift:"
};

int transport_parse(const char *text, Transport *ret, const char **ret_where, Error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const char *where = text_starts_with(text, rows[i].prefix);
                if (!where)
                        continue;
                if (text_is_empty(where))
                        return error_set(err, ERR_INVALID, text, "\"%s\" names no image", text);
                *ret = rows[i].transport;
                *ret_where = where;
                return 0;
        }
        for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
                if (text_starts_with(text, unknown[i]))
                        return error_set(err, ERR_INVALID, text,
                                         "\"%.200s\": %.*s is a transport that is not supported",
                                         text, (int)strlen(unknown[i]) - 1, unknown[i]);
        if (strstr(text, "://"))
                return error_set(err, ERR_INVALID, text, "\"%.200s\": unknown transport", text);
        *ret = TRANSPORT_NONE;
        *ret_where = text;
        return 0;
}

const char *transport_name(Transport transport) {
        static const char *const names[_TRANSPORT_MAX] = {
                [TRANSPORT_NONE] = "docker",
                [TRANSPORT_DOCKER] = "docker",
                [TRANSPORT_DOCKER_ARCHIVE] = "docker-archive",
                [TRANSPORT_OCI_ARCHIVE] = "oci-archive",
                [TRANSPORT_OCI] = "oci",
                [TRANSPORT_DIR] = "dir",
        };

        return transport < _TRANSPORT_MAX ? names[transport] : "unknown";
}
