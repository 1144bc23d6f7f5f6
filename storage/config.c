/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/config.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/config.h"
#include "base/text.h"
#include "base/toml.h"

#define SYSTEM_FILE  "/etc/containers/storage.conf"
#define VENDOR_FILE  "/usr/share/containers/storage.conf"
#define GRAPH_ROOT   "/var/lib/containers/storage"
#define RUN_ROOT     "/run/containers/storage"
#define FILE_ENV     "CONTAINERS_STORAGE_CONF"
#define OPTIONS_ENV  "STORAGE_OPTS"
#define DRIVER_ENV   "STORAGE_DRIVER"
#define MOUNT_OPTION "mountopt"

/*
 * Options below [storage] that this engine does not have. Not among them are those that only steer
 * how pulls or user namespaces are done (pull_options, auto-userns-*), or belong to other drivers.
 */
static const char *const unsupported[] = {
        "storage.imagestore",
        "storage.transient_store",
        "storage.options.additionalimagestores",
        "storage.options.additionallayerstores",
        "storage.options.remap-uids",
        "storage.options.remap-gids",
        "storage.options.remap-user",
        "storage.options.remap-group",
};

/* Options of the overlay driver in [storage.options.overlay], or directly in [storage.options]. */
static const char *const unsupported_overlay[] = {
        "force_mask",    "ignore_chown_errors", "imagestore", "additionallayerstore",
        "inodes",        "mount_program",       "size",       "skip_mount_home",
        "use_composefs",
};

static void set_text(char **text, const char *value) {
        free(*text);
        *text = xstrdup(value);
}

/*
 * Whether a value asks for something: files of distributions spell defaults out, as "" or "false".
 */
static bool asks(const TomlValue *value) {
        switch (value->kind) {
        case TOML_STRING:
                return *value->text && !text_equal(value->text, "false");
        case TOML_BOOLEAN:
                return value->boolean;
        case TOML_ARRAY:
        case TOML_TABLE:
                return value->children.first != NULL;
        case TOML_INTEGER:
        case TOML_FLOAT:
        case TOML_DATE:
        case _TOML_KIND_MAX:
        default:
                return true;
        }
}

static int refuse_option(const TomlValue *root, const char *path, Error *err) {
        const TomlValue *value = toml_find(root, path);

        if (!value || !asks(value))
                return 0;
        return toml_fail(value, ERR_UNSUPPORTED, err, "%s is not supported by this engine", path);
}

static int refuse_unsupported(const TomlValue *root, Error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++)
                if (refuse_option(root, unsupported[i], err) < 0)
                        return -1;
        return 0;
}

static int read_overlay_options(StoreConfig *config, const TomlValue *root, Error *err) {
        static const char *const tables[] = { "storage.options", "storage.options.overlay" };

        for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
                for (size_t i = 0; i < ARRAY_SIZE(unsupported_overlay); i++) {
                        _cleanup_free_ char *path =
                                xasprintf("%s.%s", tables[t], unsupported_overlay[i]);
                        if (refuse_option(root, path, err) < 0)
                                return -1;
                }
                _cleanup_free_ char *path = xasprintf("%s." MOUNT_OPTION, tables[t]);
                const char *options = "";
                if (toml_get_string(root, path, &options, err) < 0)
                        return -1;
                if (*options)
                        set_text(&config->mount_options, options);
        }
        return 0;
}

/* One `driver.name=value` of STORAGE_OPTS. */
static int read_environment_option(StoreConfig *config, const char *option, Error *err) {
        const char *dot = strchr(option, '.'), *equals = strchr(option, '=');
        const char *name = dot && (!equals || dot < equals) ? dot + 1 : option;

        if (!equals)
                return error_set(err, ERR_INVALID, OPTIONS_ENV, OPTIONS_ENV ": \"%s\" has no value",
                                 option);
        if (text_starts_with(name, MOUNT_OPTION "=")) {
                set_text(&config->mount_options, equals + 1);
                return 0;
        }
        if (equals[1] == '\0' || text_equal(equals + 1, "false"))
                return 0;
        return error_set(err, ERR_UNSUPPORTED, OPTIONS_ENV,
                         OPTIONS_ENV ": %.*s is not supported by this engine",
                         (int)(equals - option), option);
}

/* They take the place of the file's options for the driver, all of them. */
static int read_environment_options(StoreConfig *config, const char *text, Error *err) {
        _cleanup_free_ char *copy = xstrdup(text);
        char *rest;

        free(config->mount_options);
        config->mount_options = NULL;
        for (char *option = strtok_r(copy, ",", &rest); option; option = strtok_r(NULL, ",", &rest))
                if (read_environment_option(config, option, err) < 0)
                        return -1;
        return 0;
}

static int read_path(const TomlValue *root, const char *key, char **path, Error *err) {
        const char *text = "";

        if (toml_get_string(root, key, &text, err) < 0)
                return -1;
        if (!*text)
                return 0;
        char *expanded = config_expand(text);
        free(*path);
        *path = expanded;
        if (**path != '/')
                return toml_fail(toml_find(root, key), ERR_INVALID, err,
                                 "%s: \"%s\" is not an absolute path", key, text);
        return 0;
}

static int read_driver(StoreConfig *config, const TomlValue *root, Error *err) {
        const char *driver = "";

        if (toml_get_string(root, "storage.driver", &driver, err) < 0)
                return -1;
        if (*driver)
                set_text(&config->driver, driver);
        return 0;
}

/* The file that counts for this user, in full. */
static int read_file(StoreConfig *config, const TomlValue *root, bool is_root, Error *err) {
        if (read_driver(config, root, err) < 0)
                return -1;
        if (!is_root &&
            read_path(root, "storage.rootless_storage_path", &config->graph_root, err) < 0)
                return -1;
        if (read_path(root, "storage.graphroot", &config->graph_root, err) < 0 ||
            read_path(root, "storage.runroot", &config->run_root, err) < 0 ||
            refuse_unsupported(root, err) < 0)
                return -1;
        if (config_from_environment(OPTIONS_ENV))
                return 0;
        return read_overlay_options(config, root, err);
}

/* What root's file says to a user without a file. */
static int read_file_of_root(StoreConfig *config, const TomlValue *root, Error *err) {
        if (read_driver(config, root, err) < 0)
                return -1;
        return read_path(root, "storage.rootless_storage_path", &config->graph_root, err);
}

static int load_system(Toml **ret, Error *err) {
        _cleanup_free_ char *system = config_system_path(SYSTEM_FILE);
        _cleanup_free_ char *vendor = config_system_path(VENDOR_FILE);
        int r = toml_load(ret, system, err);

        return r == 0 ? toml_load(ret, vendor, err) : r;
}

static int read_files(StoreConfig *config, bool is_root, Error *err) {
        _cleanup_(toml_freep)
        Toml *system = NULL, *own = NULL;
        _cleanup_free_ char *user = config_user_path("containers/storage.conf");
        const char *named = config_from_environment(FILE_ENV);

        if (named) {
                int r = toml_load(&own, named, err);
                if (r == 0)
                        return error_set(err, ERR_NOT_FOUND, named,
                                         FILE_ENV " names %s, which does not exist", named);
                return r < 0 ? r : read_file(config, toml_root(own), is_root, err);
        }
        int r = load_system(&system, err);
        if (r < 0)
                return -1;
        if (is_root)
                return r ? read_file(config, toml_root(system), true, err) : 0;
        if (r && read_file_of_root(config, toml_root(system), err) < 0)
                return -1;
        r = user ? toml_load(&own, user, err) : 0;
        return r <= 0 ? r : read_file(config, toml_root(own), false, err);
}

static int set_defaults(StoreConfig *config, bool is_root, Error *err) {
        const char *home = config_from_environment("HOME");
        const char *data = config_from_environment("XDG_DATA_HOME");
        const char *run = config_from_environment("XDG_RUNTIME_DIR");

        if (!config->driver)
                config->driver = xstrdup("overlay");
        if (!config->graph_root && is_root)
                config->graph_root = xstrdup(GRAPH_ROOT);
        else if (!config->graph_root && data)
                config->graph_root = xasprintf("%s/containers/storage", data);
        else if (!config->graph_root && home)
                config->graph_root = xasprintf("%s/.local/share/containers/storage", home);
        if (!config->run_root && is_root)
                config->run_root = xstrdup(RUN_ROOT);
        else if (!config->run_root && run)
                config->run_root = xasprintf("%s/containers", run);
        else if (!config->run_root)
                config->run_root = xasprintf("/run/user/%u/containers", (unsigned)geteuid());
        if (!config->graph_root)
                return error_set(err, ERR_INVALID, "HOME",
                                 "neither HOME nor XDG_DATA_HOME says where to keep the store");
        return 0;
}

static void drop_trailing_slashes(char *path) {
        for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
                path[length - 1] = '\0';
}

/*
 * Paths below a root go into JSON documents, and as arguments to conmon, which takes the path of a
 * log to end at its first colon.
 */
static int finish_root(char *path, Error *err) {
        drop_trailing_slashes(path);
        if (!text_starts_with(path, "/"))
                return error_set(err, ERR_INVALID, path, "\"%s\" is not an absolute path", path);
        if (strlen(path) > STORE_ROOT_MAX)
                return error_set(err, ERR_LIMIT, path,
                                 "a path of the store is too long: %zu bytes, and %d may be",
                                 strlen(path), STORE_ROOT_MAX);
        if (!text_is_line(path))
                return error_set(err, ERR_INVALID, path,
                                 "a path of the store must be UTF-8 without control characters, "
                                 "unlike \"%s\"",
                                 path);
        if (strchr(path, ':'))
                return error_set(err, ERR_INVALID, path,
                                 "a path of the store must not have a colon, where conmon would "
                                 "cut that of a log: \"%s\"",
                                 path);
        return 0;
}

int store_config_load(StoreConfig *ret, const char *graph_root, const char *run_root, Error *err) {
        _cleanup_store_config_ StoreConfig config = STORE_CONFIG_INIT;
        const char *driver = config_from_environment(DRIVER_ENV);
        const char *options = config_from_environment(OPTIONS_ENV);
        bool is_root = geteuid() == 0;

        if (read_files(&config, is_root, err) < 0)
                return -1;
        if (options && read_environment_options(&config, options, err) < 0)
                return -1;
        if (driver)
                set_text(&config.driver, driver);
        if (config.driver && text_equal(config.driver, "overlay2"))
                set_text(&config.driver, "overlay");
        if (graph_root)
                set_text(&config.graph_root, graph_root);
        if (run_root)
                set_text(&config.run_root, run_root);
        if (set_defaults(&config, is_root, err) < 0 || finish_root(config.graph_root, err) < 0 ||
            finish_root(config.run_root, err) < 0)
                return -1;
        *ret = config;
        config = (StoreConfig)STORE_CONFIG_INIT;
        return 0;
}

void store_config_done(StoreConfig *config) {
        free(config->driver);
        free(config->graph_root);
        free(config->run_root);
        free(config->mount_options);
        *config = (StoreConfig)STORE_CONFIG_INIT;
}
