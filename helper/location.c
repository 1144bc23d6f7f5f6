/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/location.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

void location_done(Location *location) {
        free(location->path);
        free(location->rest);
        free(location->scope);
        *location = (Location)LOCATION_INIT;
}

/* The path without links, as far as it exists. */
static char *real_path(const char *path) {
        char resolved[PATH_MAX];

        if (realpath(path, resolved))
                return xstrdup(resolved);
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *folder = slash ? xstrndup(path, (size_t)(slash - path) + 1)
                                            : xstrdup(".");
        if (!realpath(folder, resolved))
                return xstrdup(path);
        return xasprintf("%s/%s", text_equal(resolved, "/") ? "" : resolved,
                         slash ? slash + 1 : path);
}

int location_parse(const char *where, bool has_rest, Location *ret, Error *err) {
        const char *colon = has_rest ? strchr(where, ':') : NULL;
        size_t length = colon ? (size_t)(colon - where) : strlen(where);

        if (length == 0)
                return error_set(err, ERR_INVALID, where, "\"%.200s\" names no path", where);
        if (!text_is_utf8(where, strlen(where)))
                return error_set(err, ERR_INVALID, "path", "the path is not UTF-8");
        Location location = { .path = xstrndup(where, length) };
        if (colon && colon[1])
                location.rest = xstrdup(colon + 1);
        _cleanup_free_ char *real = real_path(location.path);
        location.scope = TAKE_PTR(real);
        *ret = location;
        return 0;
}
