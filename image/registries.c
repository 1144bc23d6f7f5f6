/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registries.h"

#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/toml.h"
#include "oci/reference.h"

#define SYSTEM_FILE   "/etc/containers/registries.conf"
#define SYSTEM_FOLDER "/etc/containers/registries.conf.d"
#define USER_FILE     "containers/registries.conf"
#define USER_FOLDER   "containers/registries.conf.d"
#define FILE_ENV      "CONTAINERS_REGISTRIES_CONF"
#define SYSTEM_CACHE  "/var/cache/containers/short-name-aliases.conf"
#define USER_CACHE    "containers/short-name-aliases.conf"

static void registry_done(Registry *registry) {
        for (size_t i = 0; i < registry->mirrors_count; i++)
                free(registry->mirrors[i].location);
        free(registry->mirrors);
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

static int get_mirror_use(const TomlValue *table, MirrorUse *ret, Error *err) {
        static const char *const words[_MIRROR_USE_MAX] = {
                [MIRROR_USE_ALL] = "all",
                [MIRROR_USE_DIGEST_ONLY] = "digest-only",
                [MIRROR_USE_TAG_ONLY] = "tag-only",
        };
        const char *word = "";

        if (toml_get_string(table, "pull-from-mirror", &word, err) < 0)
                return -1;
        for (MirrorUse use = 0; use < _MIRROR_USE_MAX; use++)
                if (text_equal(word, words[use]) || !*word) {
                        *ret = use;
                        return 0;
                }
        return toml_fail(toml_find(table, "pull-from-mirror"), ERR_INVALID, err,
                         "pull-from-mirror: expected all, digest-only or tag-only, found \"%s\"",
                         word);
}

static int read_mirror(Registry *registry, const TomlValue *table, bool only_digests, Error *err) {
        RegistryMirror mirror = { .location = NULL };

        if (table->kind != TOML_TABLE)
                return toml_fail(table, ERR_INVALID, err, "mirror: expected tables, found %s",
                                 toml_kind_name(table->kind));
        if (toml_get_boolean(table, "insecure", &mirror.is_insecure, err) < 0 ||
            get_mirror_use(table, &mirror.use, err) < 0)
                return -1;
        if (only_digests && toml_find(table, "pull-from-mirror"))
                return toml_fail(toml_find(table, "pull-from-mirror"), ERR_INVALID, err,
                                 "pull-from-mirror cannot be set where the registry sets "
                                 "mirror-by-digest-only");
        if (only_digests)
                mirror.use = MIRROR_USE_DIGEST_ONLY;
        if (get_location(table, "location", &mirror.location, err) < 0)
                return -1;
        GROW(registry->mirrors, registry->mirrors_count, registry->mirrors_capacity);
        registry->mirrors[registry->mirrors_count++] = mirror;
        if (*mirror.location)
                return 0;
        return toml_fail(table, ERR_INVALID, err, "a mirror has no location");
}

static int read_mirrors(Registry *registry, const TomlValue *table, Error *err) {
        bool only_digests = false;
        const TomlValue *array, *use = toml_find(table, "pull-from-mirror");

        if (use)
                return toml_fail(use, ERR_INVALID, err,
                                 "pull-from-mirror is for a mirror, not for a registry");
        if (toml_get_boolean(table, "mirror-by-digest-only", &only_digests, err) < 0)
                return -1;
        int r = toml_get(table, "mirror", TOML_ARRAY, &array, err);
        if (r <= 0)
                return r;
        TOML_FOREACH(mirror, array) {
                if (read_mirror(registry, mirror, only_digests, err) < 0)
                        return -1;
        }
        return 0;
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
            toml_get_boolean(table, "blocked", &registry->is_blocked, err) < 0 ||
            read_mirrors(registry, table, err) < 0)
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

static int read_mode(Registries *registries, const TomlValue *root, Error *err) {
        static const char *const words[_SHORT_NAME_MAX] = {
                [SHORT_NAME_PERMISSIVE] = "permissive",
                [SHORT_NAME_ENFORCING] = "enforcing",
                [SHORT_NAME_DISABLED] = "disabled",
        };
        const char *word = "";

        int r = toml_get_string(root, "short-name-mode", &word, err);
        if (r < 0 || !*word)
                return r;
        for (ShortNameMode mode = 0; mode < _SHORT_NAME_MAX; mode++)
                if (text_equal(word, words[mode])) {
                        registries->short_name_mode = mode;
                        return 0;
                }
        return toml_fail(toml_find(root, "short-name-mode"), ERR_INVALID, err,
                         "short-name-mode: expected enforcing, permissive or disabled, found "
                         "\"%s\"",
                         word);
}

/*
 * An empty value erases what an earlier file has said. It is kept as such, so that looking a name
 * up is one step.
 */
static int read_alias(Registries *registries, const TomlValue *alias, Error *err) {
        Reference name = REFERENCE_INIT, target = REFERENCE_INIT;
        Error wrong = ERROR_INIT;

        if (alias->kind != TOML_STRING)
                return toml_fail(alias, ERR_INVALID, err, "aliases.%s: expected a string, found %s",
                                 alias->key, toml_kind_name(alias->kind));
        if (reference_parse(alias->key, &name, &wrong) < 0 ||
            (*alias->text && reference_parse(alias->text, &target, &wrong) < 0))
                return toml_fail(alias, ERR_INVALID, err, "alias: %s", wrong.text);
        if (*name.domain || *name.tag || *name.digest)
                return toml_fail(alias, ERR_INVALID, err,
                                 "alias \"%s\": expected a name without registry, tag and digest",
                                 alias->key);
        if (*alias->text && (!*target.domain || *target.tag || *target.digest))
                return toml_fail(alias, ERR_INVALID, err,
                                 "alias \"%s\": \"%s\" is not a registry and a name without tag "
                                 "and digest",
                                 alias->key, alias->text);
        pairs_set(&registries->aliases, alias->key, alias->text);
        return 0;
}

static int read_aliases(Registries *registries, const TomlValue *root, Error *err) {
        const TomlValue *table;

        int r = toml_get(root, "aliases", TOML_TABLE, &table, err);
        if (r <= 0)
                return r;
        TOML_FOREACH(alias, table) {
                if (read_alias(registries, alias, err) < 0)
                        return -1;
        }
        return 0;
}

static int read_format_2(Registries *registries, const TomlValue *root, Error *err) {
        const TomlValue *array;

        int r = toml_get(root, "registry", TOML_ARRAY, &array, err);
        if (r < 0 || (r > 0 && read_registry_tables(registries, array, err) < 0) ||
            read_mode(registries, root, err) < 0 || read_aliases(registries, root, err) < 0 ||
            toml_get_strings(root, "credential-helpers", &registries->credential_helpers, err) < 0)
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

static int read_document(Registries *registries, const Toml *toml, bool is_drop_in, Error *err) {
        const TomlValue *root = toml_root(toml), *old = toml_find(root, "registries");

        if (!old)
                return read_format_2(registries, root, err);
        if (is_drop_in)
                return toml_fail(old, ERR_INVALID, err,
                                 "the old format, [registries], cannot be used in drop-in files");
        if (toml_find(root, "unqualified-search-registries") || toml_find(root, "registry"))
                return toml_fail(old, ERR_INVALID, err,
                                 "the old format, [registries], is mixed with the new one");
        return read_format_1(registries, root, err);
}

int registries_parse(Registries *registries, const char *name, const char *text, size_t size,
                     bool is_drop_in, Error *err) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;

        if (toml_parse(&toml, name, text, size, err) < 0)
                return -1;
        return read_document(registries, toml, is_drop_in, err) < 0 ? -1 : 0;
}

/* 1, or 0 when there is no such file. */
static int read_file(Registries *registries, const char *path, bool is_drop_in, Error *err) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;

        int r = toml_load(&toml, path, err);
        if (r <= 0)
                return r;
        return read_document(registries, toml, is_drop_in, err) < 0 ? -1 : 1;
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

/* What podman and others have recorded, after all that a person has written. */
static int read_recorded_aliases(Registries *registries, Error *err) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;
        const char *cache = config_from_environment("XDG_CACHE_HOME");
        const char *home = config_from_environment("HOME");
        _cleanup_free_ char *path = geteuid() == 0 ? config_system_path(SYSTEM_CACHE)
                                    : cache        ? xasprintf("%s/" USER_CACHE, cache)
                                    : home         ? xasprintf("%s/.cache/" USER_CACHE, home)
                                                   : NULL;

        int r = path ? toml_load(&toml, path, err) : 0;
        return r <= 0 ? r : read_aliases(registries, toml_root(toml), err);
}

int registries_load(Registries *ret, Error *err) {
        _cleanup_registries_ Registries registries = REGISTRIES_INIT;
        bool is_users;

        if (read_main_file(&registries, &is_users, err) < 0 ||
            read_drop_ins(&registries, is_users, err) < 0 ||
            read_recorded_aliases(&registries, err) < 0)
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
        strings_done(&registries->credential_helpers);
        pairs_done(&registries->aliases);
        *registries = (Registries)REGISTRIES_INIT;
}
