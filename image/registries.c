/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registries.h"

#include <string.h>

#include "base/config.h"
#include "base/toml.h"

#define SYSTEM_FILE   "/etc/containers/registries.conf"
#define SYSTEM_FOLDER "/etc/containers/registries.conf.d"
#define USER_FILE     "containers/registries.conf"
#define USER_FOLDER   "containers/registries.conf.d"
#define FILE_ENV      "CONTAINERS_REGISTRIES_CONF"

static void registry_done(Registry *registry) {
        free(registry->prefix);
        free(registry->location);
        *registry = (Registry){ .prefix = NULL };
}
#define _cleanup_registry_ _cleanup_(registry_done)

static Registry *find_registry(const Registries *registries, const char *prefix) {
        for (size_t i = 0; i < registries->count; i++)
                if (text_equal(registries->items[i].prefix, prefix))
                        return &registries->items[i];
        return NULL;
}

/* An empty one of this prefix, or the one that there is. */
static Registry *get_registry(Registries *registries, const char *prefix) {
        Registry *registry = find_registry(registries, prefix);

        if (registry)
                return registry;
        GROW(registries->items, registries->count, registries->capacity);
        registry = &registries->items[registries->count++];
        *registry = (Registry){ .prefix = xstrdup(prefix) };
        return registry;
}

/*
 * A host or prefix without trailing slashes, as a heap string; "" stays. A URL is a common
 * mistake.
 */
static char *clean_location(const TomlValue *value, const char *text, Error *err) {
        size_t length = strlen(text);

        if (text_starts_with(text, "http://") || text_starts_with(text, "https://")) {
                (void)toml_fail(value, ERR_INVALID, err,
                                "\"%s\" is a URL; expected host[:port] or a prefix of image names",
                                text);
                return NULL;
        }
        while (length > 0 && text[length - 1] == '/')
                length--;
        return xstrndup(text, length);
}

static int get_location(const TomlValue *table, const char *key, char **ret, Error *err) {
        const char *text = "";

        if (toml_get_string(table, key, &text, err) < 0)
                return -1;
        const TomlValue *value = toml_find(table, key);
        *ret = clean_location(value ? value : table, text, err);
        return *ret ? 0 : -1;
}

static bool is_wildcard(const char *prefix) {
        return prefix[0] == '*';
}

static int check_registry(const TomlValue *table, const Registry *registry, Error *err) {
        const char *prefix = registry->prefix;

        if (!*prefix)
                return toml_fail(table, ERR_INVALID, err,
                                 "a [[registry]] has neither a prefix nor a location");
        if (is_wildcard(prefix) && (!text_starts_with(prefix, "*.") || strpbrk(prefix + 2, "*/:@")))
                return toml_fail(table, ERR_INVALID, err,
                                 "\"%s\": a wildcard stands for subdomains of a host, as in "
                                 "*.example.com",
                                 prefix);
        if (!is_wildcard(prefix) && !registry->location)
                return toml_fail(table, ERR_INVALID, err, "registry %s has no location", prefix);
        return 0;
}

static int read_registry(Registry *registry, const TomlValue *table, Error *err) {
        if (table->kind != TOML_TABLE)
                return toml_fail(table, ERR_INVALID, err, "registry: expected tables, found %s",
                                 toml_kind_name(table->kind));
        if (get_location(table, "prefix", &registry->prefix, err) < 0 ||
            get_location(table, "location", &registry->location, err) < 0 ||
            toml_get_boolean(table, "insecure", &registry->is_insecure, err) < 0 ||
            toml_get_boolean(table, "blocked", &registry->is_blocked, err) < 0)
                return -1;
        if (!*registry->prefix) {
                free(registry->prefix);
                registry->prefix = xstrdup(registry->location);
        }
        if (!*registry->location) {
                free(registry->location);
                registry->location = NULL;
        }
        return check_registry(table, registry, err);
}

/* Within one file the entries of a prefix must agree; a later file may differ. */
static int read_registry_tables(Registries *registries, const TomlValue *array, Error *err) {
        _cleanup_strings_ Strings seen = STRINGS_INIT;

        TOML_FOREACH(table, array) {
                _cleanup_registry_ Registry registry = { .prefix = NULL };
                if (read_registry(&registry, table, err) < 0)
                        return -1;
                Registry *known = get_registry(registries, registry.prefix);
                if (strings_contains(&seen, registry.prefix) &&
                    (known->is_insecure != registry.is_insecure ||
                     known->is_blocked != registry.is_blocked))
                        return toml_fail(table, ERR_INVALID, err,
                                         "registry %s is defined twice, in different ways",
                                         registry.prefix);
                strings_add(&seen, registry.prefix);
                registry_done(known);
                *known = registry;
                registry = (Registry){ .prefix = NULL };
        }
        return 0;
}

static int read_format_2(Registries *registries, const TomlValue *root, Error *err) {
        const TomlValue *array;

        int r = toml_get(root, "registry", TOML_ARRAY, &array, err);
        if (r < 0 || (r > 0 && read_registry_tables(registries, array, err) < 0))
                return -1;
        return toml_get_strings(root, "unqualified-search-registries", &registries->search, err);
}

/* The hosts of one list of the old format, each marked by @mark. */
static int read_old_list(Registries *registries, const TomlValue *root, const char *path,
                         void (*mark)(Registry *registry), Error *err) {
        _cleanup_strings_ Strings hosts = STRINGS_INIT;

        if (toml_get_strings(root, path, &hosts, err) < 0)
                return -1;
        for (size_t i = 0; i < hosts.count; i++) {
                _cleanup_free_ char *host =
                        clean_location(toml_find(root, path), hosts.items[i], err);
                if (!host)
                        return -1;
                Registry *registry = get_registry(registries, host);
                if (!registry->location)
                        registry->location = xstrdup(host);
                mark(registry);
        }
        return 0;
}

static void mark_insecure(Registry *registry) {
        registry->is_insecure = true;
}

static void mark_blocked(Registry *registry) {
        registry->is_blocked = true;
}

static int read_format_1(Registries *registries, const TomlValue *root, Error *err) {
        if (toml_get_strings(root, "registries.search.registries", &registries->search, err) < 0 ||
            read_old_list(registries, root, "registries.insecure.registries", mark_insecure, err) <
                    0)
                return -1;
        return read_old_list(registries, root, "registries.block.registries", mark_blocked, err);
}

/* 1, or 0 when there is no such file. */
static int read_file(Registries *registries, const char *path, bool is_drop_in, Error *err) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;

        int r = toml_load(&toml, path, err);
        if (r <= 0)
                return r;
        const TomlValue *root = toml_root(toml), *old = toml_find(root, "registries");
        const TomlValue *new_list = toml_find(root, "unqualified-search-registries");
        if (!old)
                return read_format_2(registries, root, err) < 0 ? -1 : 1;
        if (is_drop_in)
                return toml_fail(old, ERR_INVALID, err,
                                 "the old format, [registries], cannot be used in drop-in files");
        if (new_list || toml_find(root, "registry"))
                return toml_fail(old, ERR_INVALID, err,
                                 "the old format, [registries], is mixed with the new one");
        return read_format_1(registries, root, err) < 0 ? -1 : 1;
}

/* Reads the main file and says whether it is the user's own. */
static int read_main_file(Registries *registries, bool *ret_is_users, Error *err) {
        const char *named = config_from_environment(FILE_ENV);
        _cleanup_free_ char *user = config_home_path(USER_FILE);
        _cleanup_free_ char *system = config_system_path(SYSTEM_FILE);

        *ret_is_users = false;
        if (named) {
                int r = read_file(registries, named, false, err);
                return r != 0 ? r
                              : error_set(err, ERR_NOT_FOUND, named,
                                          FILE_ENV " names %s, which does not exist", named);
        }
        int r = user ? read_file(registries, user, false, err) : 0;
        *ret_is_users = r > 0;
        return r != 0 ? r : read_file(registries, system, false, err);
}

static int read_drop_ins(Registries *registries, bool only_users, Error *err) {
        _cleanup_strings_ Strings paths = STRINGS_INIT;
        _cleanup_free_ char *system = config_system_path(SYSTEM_FOLDER);
        _cleanup_free_ char *user = config_home_path(USER_FOLDER);

        if (!only_users && config_add_drop_ins(&paths, system, err) < 0)
                return -1;
        if (user && config_add_drop_ins(&paths, user, err) < 0)
                return -1;
        for (size_t i = 0; i < paths.count; i++)
                if (read_file(registries, paths.items[i], true, err) < 0)
                        return -1;
        return 0;
}

int registries_load(Registries *ret, Error *err) {
        _cleanup_registries_ Registries registries = REGISTRIES_INIT;
        bool is_users;

        if (read_main_file(&registries, &is_users, err) < 0 ||
            read_drop_ins(&registries, is_users, err) < 0)
                return -1;
        for (size_t i = 0; i < registries.count; i++)
                if (registries.items[i].is_insecure)
                        strings_add(&registries.insecure, registries.items[i].prefix);
        *ret = registries;
        registries = (Registries)REGISTRIES_INIT;
        return 0;
}

void registries_done(Registries *registries) {
        for (size_t i = 0; i < registries->count; i++)
                registry_done(&registries->items[i]);
        free(registries->items);
        strings_done(&registries->search);
        strings_done(&registries->insecure);
        *registries = (Registries)REGISTRIES_INIT;
}
