/* SPDX-License-Identifier: Apache-2.0 */

/*
 * containers.conf, as a table: a key is a row that says where its value goes and what checks it.
 */

#include "runtime/config.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/toml.h"

#define VENDOR_FILE "/usr/share/containers/containers.conf"
#define SYSTEM_FILE "/etc/containers/containers.conf"
#define USER_FILE   "containers/containers.conf"
#define FILE_ENV    "CONTAINERS_CONF"

/* Where a runtime is looked for when no path of the table is one. */
static const char *const program_folders[] = {
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/bin",
        "/sbin",
        "/run/current-system/sw/bin",
};

/* podman's and its containers.conf's in Debian 12; its man page still has an older list. */
static const char *const default_capabilities[] = {
        "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",       "NET_BIND_SERVICE",
        "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT",
};

typedef enum KeyKind {
        KEY_STRING,  /* char *; "" unsets it */
        KEY_STRINGS, /* Strings */
        KEY_CUSTOM,  /* read() does it all */
} KeyKind;

typedef struct Key {
        const char *path;
        KeyKind kind;
        size_t offset;
        int (*read)(EngineConfig *config, const TomlValue *value, Error *err);
} Key;

/* --- values ----------------------------------------------------------------------------------- */

static int expect(const TomlValue *value, TomlKind kind, Error *err) {
        if (value->kind == kind)
                return 0;
        return toml_fail(value, ERR_INVALID, err, "%s: expected %s, found %s", value->key,
                         toml_kind_name(kind), toml_kind_name(value->kind));
}

static int read_count(const TomlValue *value, int64_t min, int64_t max, int64_t *ret, Error *err) {
        if (expect(value, TOML_INTEGER, err) < 0)
                return -1;
        if (value->integer < min || value->integer > max)
                return toml_fail(value, ERR_INVALID, err, "%s: expected a number from %lld to %lld",
                                 value->key, (long long)min, (long long)max);
        *ret = value->integer;
        return 0;
}

static int read_cgroup_manager(EngineConfig *config, const TomlValue *value, Error *err) {
        if (expect(value, TOML_STRING, err) < 0)
                return -1;
        if (text_equal(value->text, "systemd"))
                config->cgroup_manager = CGROUP_MANAGER_SYSTEMD;
        else if (text_equal(value->text, "cgroupfs"))
                config->cgroup_manager = CGROUP_MANAGER_CGROUPFS;
        else
                return toml_fail(value, ERR_INVALID, err,
                                 "cgroup_manager: expected \"systemd\" or \"cgroupfs\"");
        return 0;
}

static int read_stop_timeout(EngineConfig *config, const TomlValue *value, Error *err) {
        return read_count(value, 0, UINT32_MAX, &config->stop_timeout_s, err);
}

static int read_pids_limit(EngineConfig *config, const TomlValue *value, Error *err) {
        int64_t limit = 0;

        if (read_count(value, -1, INT64_MAX, &limit, err) < 0)
                return -1;
        config->has_pids_limit = true;
        config->pids_limit = limit < 0 ? 0 : limit;
        return 0;
}

static int read_log_size_max(EngineConfig *config, const TomlValue *value, Error *err) {
        int64_t size = 0;

        if (read_count(value, INT64_MIN, INT64_MAX, &size, err) < 0)
                return -1;
        if (size > 0 && size < ENGINE_LOG_SIZE_MIN)
                return toml_fail(value, ERR_INVALID, err,
                                 "log_size_max: expected at least %d bytes, or -1 for no limit",
                                 ENGINE_LOG_SIZE_MIN);
        config->log_size_max = size < 0 ? 0 : size;
        return 0;
}

static int read_umask(EngineConfig *config, const TomlValue *value, Error *err) {
        if (expect(value, TOML_STRING, err) < 0)
                return -1;
        size_t digits = strspn(value->text, "01234567");
        if (digits == 0 || digits > 4 || value->text[digits] != '\0' ||
            strtoul(value->text, NULL, 8) > 0777)
                return toml_fail(value, ERR_INVALID, err,
                                 "umask: expected octal digits from \"0000\" to \"0777\"");
        config->umask = (unsigned)strtoul(value->text, NULL, 8);
        return 0;
}

/* A number and perhaps one of b, k, m, g, each 1024 of the one before. */
static int read_shm_size(EngineConfig *config, const TomlValue *value, Error *err) {
        static const char units[] = "bkmg";
        int64_t size = 0;

        if (expect(value, TOML_STRING, err) < 0)
                return -1;
        size_t digits = strspn(value->text, "0123456789");
        char unit = value->text[digits] ? (char)(value->text[digits] | 0x20) : 'b';
        const char *factor = memchr(units, unit, sizeof(units) - 1);
        bool is_good = digits > 0 && digits < 19 && factor &&
                       (value->text[digits] == '\0' || value->text[digits + 1] == '\0');
        if (is_good)
                size = strtoll(value->text, NULL, 10);
        for (const char *step = units; is_good && step < factor; step++)
                is_good = !__builtin_mul_overflow(size, 1024, &size);
        if (!is_good || size <= 0)
                return toml_fail(value, ERR_INVALID, err,
                                 "shm_size: expected a size such as \"65536k\"");
        config->shm_size = size;
        return 0;
}

static EngineRuntime *find_runtime(const EngineConfig *config, const char *name) {
        for (size_t i = 0; i < config->runtimes_count; i++)
                if (text_equal(config->runtimes[i].name, name))
                        return &config->runtimes[i];
        return NULL;
}

static int read_runtimes(EngineConfig *config, const TomlValue *table, Error *err) {
        if (expect(table, TOML_TABLE, err) < 0)
                return -1;
        TOML_FOREACH(entry, table) {
                EngineRuntime *runtime = find_runtime(config, entry->key);
                if (!runtime) {
                        GROW(config->runtimes, config->runtimes_count, config->runtimes_capacity);
                        runtime = &config->runtimes[config->runtimes_count++];
                        *runtime = (EngineRuntime){ .name = xstrdup(entry->key) };
                }
                if (toml_get_strings(table, entry->key, &runtime->paths, err) < 0)
                        return -1;
        }
        return 0;
}

/* Capabilities are written with and without their prefix. */
static int read_capabilities(EngineConfig *config, const TomlValue *array, Error *err) {
        _cleanup_strings_ Strings list = STRINGS_INIT;

        if (expect(array, TOML_ARRAY, err) < 0)
                return -1;
        TOML_FOREACH(item, array) {
                if (item->kind != TOML_STRING)
                        return toml_fail(item, ERR_INVALID, err,
                                         "default_capabilities: expected a string, found %s",
                                         toml_kind_name(item->kind));
                bool has_prefix = strncasecmp(item->text, "CAP_", 4) == 0;
                strings_add(&list, item->text + (has_prefix ? 4 : 0));
        }
        strings_done(&config->capabilities);
        config->capabilities = list;
        list = (Strings)STRINGS_INIT;
        return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

#define STRING(path, field) \
        { path, KEY_STRING, offsetof(EngineConfig, field), NULL }
#define STRINGS(path, field) \
        { path, KEY_STRINGS, offsetof(EngineConfig, field), NULL }
#define CUSTOM(path, read) \
        { path, KEY_CUSTOM, 0, read }

static const Key keys[] = {
        STRING("engine.runtime", runtime_name),
        CUSTOM("engine.runtimes", read_runtimes),
        STRINGS("engine.conmon_path", conmon_paths),
        STRINGS("engine.conmon_env_vars", conmon_environment),
        CUSTOM("engine.cgroup_manager", read_cgroup_manager),
        CUSTOM("engine.stop_timeout", read_stop_timeout),
        CUSTOM("containers.default_capabilities", read_capabilities),
        STRINGS("containers.default_sysctls", sysctls),
        STRINGS("containers.default_ulimits", ulimits),
        STRINGS("containers.env", environment),
        STRINGS("containers.dns_servers", dns_servers),
        STRINGS("containers.dns_searches", dns_searches),
        STRINGS("containers.dns_options", dns_options),
        STRING("containers.seccomp_profile", seccomp_profile),
        STRING("containers.apparmor_profile", apparmor_profile),
        STRING("containers.log_driver", log_driver),
        CUSTOM("containers.log_size_max", read_log_size_max),
        CUSTOM("containers.pids_limit", read_pids_limit),
        CUSTOM("containers.shm_size", read_shm_size),
        CUSTOM("containers.umask", read_umask),
        STRING("containers.init_path", init_path),
        STRING("containers.tz", timezone),
        STRING("containers.cgroupns", cgroupns),
        STRING("containers.ipcns", ipcns),
        STRING("containers.netns", netns),
        STRING("containers.pidns", pidns),
        STRING("containers.userns", userns),
        STRING("containers.utsns", utsns),
};

static int read_key(EngineConfig *config, const Key *key, const TomlValue *root, Error *err) {
        void *field = (char *)config + key->offset;
        const char *text;

        switch (key->kind) {
        case KEY_STRINGS:
                return toml_get_strings(root, key->path, field, err);
        case KEY_STRING: {
                int r = toml_get_string(root, key->path, &text, err);
                if (r > 0) {
                        free(*(char **)field);
                        *(char **)field = *text ? xstrdup(text) : NULL;
                }
                return r;
        }
        case KEY_CUSTOM:
        default: {
                const TomlValue *value = toml_find(root, key->path);
                return value ? key->read(config, value, err) : 0;
        }
        }
}

static int read_file(EngineConfig *config, const char *path, Error *err) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;

        int r = toml_load(&toml, path, err);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (read_key(config, &keys[i], toml_root(toml), err) < 0)
                        return -1;
        return 1;
}

static int add_file(Strings *paths, char *take_path, Error *err) {
        _cleanup_free_ char *folder = xasprintf("%s.d", take_path);

        strings_take(paths, take_path);
        return config_add_drop_ins(paths, folder, err);
}

static int read_files(EngineConfig *config, Error *err) {
        _cleanup_strings_ Strings paths = STRINGS_INIT;
        const char *named = config_from_environment(FILE_ENV);

        if (named) {
                int r = read_file(config, named, err);
                return r != 0 ? r
                              : error_set(err, ERR_NOT_FOUND, named,
                                          FILE_ENV " names %s, which does not exist", named);
        }
        strings_take(&paths, config_system_path(VENDOR_FILE));
        if (add_file(&paths, config_system_path(SYSTEM_FILE), err) < 0)
                return -1;
        char *user = geteuid() == 0 ? NULL : config_user_path(USER_FILE);
        if (user && add_file(&paths, user, err) < 0)
                return -1;
        for (size_t i = 0; i < paths.count; i++)
                if (read_file(config, paths.items[i], err) < 0)
                        return -1;
        return 0;
}

/* --- what follows ----------------------------------------------------------------------------- */

static char *first_program(const Strings *paths) {
        for (size_t i = 0; i < paths->count; i++)
                if (access(paths->items[i], X_OK) == 0)
                        return xstrdup(paths->items[i]);
        return NULL;
}

/* Where a runtime of this name may be: the table's paths for it, then the usual folders. */
static void add_candidates(const EngineConfig *config, const char *name, Strings *paths) {
        const EngineRuntime *runtime = find_runtime(config, name);

        for (size_t i = 0; runtime && i < runtime->paths.count; i++)
                strings_add(paths, runtime->paths.items[i]);
        for (size_t i = 0; i < ARRAY_SIZE(program_folders); i++)
                strings_printf(paths, "%s/%s", program_folders[i], name);
}

/*
 * When there is no such program, the likeliest path stands, for the error of whoever wants to run
 * it.
 */
static char *resolve_runtime(const EngineConfig *config) {
        _cleanup_strings_ Strings paths = STRINGS_INIT;

        if (!config->runtime_name)
                return NULL;
        if (strchr(config->runtime_name, '/'))
                return xstrdup(config->runtime_name);
        add_candidates(config, config->runtime_name, &paths);
        char *program = first_program(&paths);
        return program ? program : xstrdup(paths.items[0]);
}

int engine_config_load(EngineConfig *ret, Error *err) {
        _cleanup_engine_config_ EngineConfig config = {
                .stop_timeout_s = 10,
                .pids_limit = 2048,
                .shm_size = 65536 * 1024,
                .umask = 0022,
        };

        for (size_t i = 0; i < ARRAY_SIZE(default_capabilities); i++)
                strings_add(&config.capabilities, default_capabilities[i]);
        if (read_files(&config, err) < 0)
                return -1;
        config.runtime = resolve_runtime(&config);
        if (find_runtime(&config, "crun") || find_runtime(&config, "runc")) {
                add_candidates(&config, "crun", &config.runtime_candidates);
                add_candidates(&config, "runc", &config.runtime_candidates);
        }
        config.conmon_path = first_program(&config.conmon_paths);
        *ret = config;
        config = (EngineConfig)ENGINE_CONFIG_INIT;
        return 0;
}

void engine_config_done(EngineConfig *config) {
        for (size_t i = 0; i < config->runtimes_count; i++) {
                free(config->runtimes[i].name);
                strings_done(&config->runtimes[i].paths);
        }
        free(config->runtimes);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                void *field = (char *)config + keys[i].offset;
                if (keys[i].kind == KEY_STRING)
                        free(*(char **)field);
                else if (keys[i].kind == KEY_STRINGS)
                        strings_done(field);
        }
        strings_done(&config->capabilities);
        strings_done(&config->runtime_candidates);
        free(config->runtime);
        free(config->conmon_path);
        *config = (EngineConfig)ENGINE_CONFIG_INIT;
}
