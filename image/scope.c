/* SPDX-License-Identifier: Apache-2.0 */
#include "image/scope.h"

#include <string.h>

static bool is_registry(const char *transport) {
        return text_equal(transport, "docker") || text_equal(transport, "atomic");
}

static bool is_folder(const char *transport) {
        return text_equal(transport, "dir") || text_equal(transport, "oci") ||
               text_equal(transport, "oci-archive");
}

/* What a reference has behind its path begins after the last slash. */
static size_t name_length(const char *reference) {
        const char *slash = strrchr(reference, '/');
        const char *path = slash ? slash : reference;

        return slash ? (size_t)(path - reference) + strcspn(path, ":@") : strlen(reference);
}

static void add_parents(const char *name, size_t length, Strings *to) {
        while (length > 0) {
                strings_take(to, xstrndup(name, length));
                while (length > 0 && name[length - 1] != '/')
                        length--;
                length -= length > 0; /* the slash */
        }
}

static void add_wildcards(const char *reference, Strings *to) {
        _cleanup_free_ char *host = xstrndup(reference, strcspn(reference, "/:"));

        for (const char *dot = strchr(host, '.'); dot; dot = strchr(dot + 1, '.'))
                strings_printf(to, "*%s", dot);
}

void scope_list(const char *transport, const char *scope, Strings *to) {
        if (!*scope)
                return;
        if (is_registry(transport)) {
                strings_add(to, scope);
                add_parents(scope, name_length(scope), to);
                add_wildcards(scope, to);
        } else {
                add_parents(scope, strlen(scope), to);
        }
}

/* An absolute path that is written in the only way there is. */
static bool is_clean_path(const char *path) {
        size_t length = strlen(path);

        if (path[0] != '/' || path[length - 1] == '/')
                return false;
        for (const char *part = path; part < path + length; part += 1 + strcspn(part + 1, "/")) {
                size_t size = strcspn(part + 1, "/");
                if (size == 0 || (size == 1 && part[1] == '.') ||
                    (size == 2 && part[1] == '.' && part[2] == '.'))
                        return false;
        }
        return true;
}

int scope_check(const char *transport, const char *scope, Error *err) {
        if (!*scope)
                return 0;
        if (text_equal(transport, "docker-archive"))
                return error_set(err, ERR_INVALID, scope,
                                 "docker-archive has no scopes but the default, \"\"");
        if (!is_folder(transport))
                return 0;
        if (text_equal(scope, "/"))
                return error_set(err, ERR_INVALID, scope,
                                 "the scope \"/\" is forbidden: the default, \"\", says the same");
        if (!is_clean_path(scope))
                return error_set(err, ERR_INVALID, scope,
                                 "\"%.200s\" is no absolute path without . and .. and //", scope);
        return 0;
}
