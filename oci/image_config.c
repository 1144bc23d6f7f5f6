/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same document both ways: parse_*() and format_*() of one part stand beside each other, so
 * that a member that is read but not written, or written but not read, is seen at once.
 */

#include "oci/image_config.h"

#include <signal.h>
#include <stdio.h>

#include "base/timestamp.h"
#include "oci/digest.h"
#include "oci/document.h"
#include "oci/platform.h"
#include "oci/signal_name.h"

#define WHITE_SPACE " \t\n\v\f\r"

/* --- lifetime --- */

void image_settings_done(ImageSettings *settings) {
        free(settings->user);
        strings_done(&settings->exposed_ports);
        strings_done(&settings->env);
        strings_done(&settings->entrypoint);
        strings_done(&settings->cmd);
        strings_done(&settings->volumes);
        free(settings->working_dir);
        pairs_done(&settings->labels);
        free(settings->stop_signal);
        strings_done(&settings->on_build);
        strings_done(&settings->shell);
        free(settings->healthcheck);
        *settings = (ImageSettings){ .user = NULL };
}

void image_settings_copy(ImageSettings *to, const ImageSettings *from) {
        to->user = xstrdup(from->user);
        strings_copy(&to->exposed_ports, &from->exposed_ports);
        strings_copy(&to->env, &from->env);
        strings_copy(&to->entrypoint, &from->entrypoint);
        strings_copy(&to->cmd, &from->cmd);
        strings_copy(&to->volumes, &from->volumes);
        to->working_dir = xstrdup(from->working_dir);
        pairs_copy(&to->labels, &from->labels);
        to->stop_signal = xstrdup(from->stop_signal);
        strings_copy(&to->on_build, &from->on_build);
        strings_copy(&to->shell, &from->shell);
        to->healthcheck = from->healthcheck ? xstrdup(from->healthcheck) : NULL;
}

void image_config_done(ImageConfig *config) {
        free(config->author);
        free(config->comment);
        free(config->architecture);
        free(config->variant);
        free(config->os);
        free(config->docker_version);
        image_settings_done(&config->settings);
        strings_done(&config->diff_ids);
        for (size_t i = 0; i < config->history_count; i++) {
                free(config->history[i].created_by);
                free(config->history[i].author);
                free(config->history[i].comment);
        }
        free(config->history);
        *config = (ImageConfig)IMAGE_CONFIG_INIT;
}

void image_config_init(ImageConfig *config) {
        Platform host;

        *config = (ImageConfig){ .created_ns = TIMESTAMP_ZERO };
        platform_of_host(&host);
        config->author = xstrdup("");
        config->comment = xstrdup("");
        config->architecture = xstrdup(host.architecture);
        config->variant = xstrdup("");
        config->os = xstrdup(host.os);
        config->docker_version = xstrdup("");
        config->settings.user = xstrdup("");
        config->settings.working_dir = xstrdup("");
        config->settings.stop_signal = xstrdup("");
}

void image_config_add_history(ImageConfig *config, int64_t created_ns, const char *created_by,
                              const char *author, const char *comment, bool is_empty_layer) {
        GROW(config->history, config->history_count, config->history_capacity);
        config->history[config->history_count++] = (ImageHistory){
                .created_ns = created_ns,
                .created_by = xstrdup(created_by ? created_by : ""),
                .author = xstrdup(author ? author : ""),
                .comment = xstrdup(comment ? comment : ""),
                .is_empty_layer = is_empty_layer,
        };
}

/* --- the settings --- */

static int parse_settings(const json_t *json, ImageSettings *ret, Error *err) {
        static const char where[] = "config.";
        static const size_t max = IMAGE_CONFIG_ENTRIES_MAX;
        json_t *healthcheck;

        if (document_text(json, where, "User", &ret->user, err) < 0 ||
            document_keys(json, where, "ExposedPorts", max, &ret->exposed_ports, err) < 0 ||
            document_strings(json, where, "Env", max, &ret->env, err) < 0 ||
            document_strings(json, where, "Entrypoint", max, &ret->entrypoint, err) < 0 ||
            document_strings(json, where, "Cmd", max, &ret->cmd, err) < 0 ||
            document_keys(json, where, "Volumes", max, &ret->volumes, err) < 0 ||
            document_text(json, where, "WorkingDir", &ret->working_dir, err) < 0 ||
            document_pairs(json, where, "Labels", max, &ret->labels, err) < 0 ||
            document_text(json, where, "StopSignal", &ret->stop_signal, err) < 0 ||
            document_strings(json, where, "OnBuild", max, &ret->on_build, err) < 0 ||
            document_strings(json, where, "Shell", max, &ret->shell, err) < 0 ||
            document_object(json, where, "Healthcheck", &healthcheck, err) < 0)
                return -1;
        if (healthcheck)
                ret->healthcheck = document_format(healthcheck, NULL);
        return 0;
}

static json_t *format_settings(const ImageSettings *settings) {
        json_t *json = json_object();

        document_put_text(json, "User", settings->user);
        document_put_keys(json, "ExposedPorts", &settings->exposed_ports);
        document_put_strings(json, "Env", &settings->env);
        document_put_strings(json, "Entrypoint", &settings->entrypoint);
        document_put_strings(json, "Cmd", &settings->cmd);
        document_put_keys(json, "Volumes", &settings->volumes);
        document_put_text(json, "WorkingDir", settings->working_dir);
        document_put_pairs(json, "Labels", &settings->labels);
        document_put_text(json, "StopSignal", settings->stop_signal);
        document_put_strings(json, "OnBuild", &settings->on_build);
        document_put_strings(json, "Shell", &settings->shell);
        if (settings->healthcheck)
                document_put(json, "Healthcheck", json_loads(settings->healthcheck, 0, NULL));
        return json;
}

/* --- the root file system --- */

static int parse_rootfs(const json_t *json, Strings *ret, Error *err) {
        _cleanup_free_ char *type = NULL;

        if (document_text(json, "rootfs.", "type", &type, err) < 0 ||
            document_strings(json, "rootfs.", "diff_ids", IMAGE_LAYERS_MAX, ret, err) < 0)
                return -1;
        if (*type && !text_equal(type, "layers"))
                return error_set(err, ERR_INVALID, "rootfs.type",
                                 "rootfs.type is \"%.64s\", only \"layers\" is known", type);
        for (size_t i = 0; i < ret->count; i++)
                if (!digest_is_valid(ret->items[i]))
                        return error_set(err, ERR_INVALID, "rootfs.diff_ids",
                                         "rootfs.diff_ids[%zu] is no sha256 digest: \"%.100s\"", i,
                                         ret->items[i]);
        return 0;
}

static json_t *format_rootfs(const Strings *diff_ids) {
        json_t *json = json_object();

        document_put(json, "type", json_string("layers"));
        document_put(json, "diff_ids", document_list(diff_ids->items, diff_ids->count));
        return json;
}

/* --- the history --- */

static int parse_history(const json_t *array, ImageConfig *ret, Error *err) {
        json_t *entry;
        size_t i;

        json_array_foreach(array, i, entry) {
                char where[32];
                snprintf(where, sizeof(where), "history[%zu].", i);
                if (!json_is_object(entry))
                        return error_set(err, ERR_INVALID, "history",
                                         "history[%zu] is not an object", i);
                GROW(ret->history, ret->history_count, ret->history_capacity);
                ImageHistory *h = &ret->history[ret->history_count++];
                *h = (ImageHistory){ .created_ns = TIMESTAMP_ZERO };
                if (document_time(entry, where, "created", &h->created_ns, err) < 0 ||
                    document_text(entry, where, "created_by", &h->created_by, err) < 0 ||
                    document_text(entry, where, "author", &h->author, err) < 0 ||
                    document_text(entry, where, "comment", &h->comment, err) < 0 ||
                    document_boolean(entry, where, "empty_layer", &h->is_empty_layer, err) < 0)
                        return -1;
        }
        return 0;
}

static json_t *format_history(const ImageConfig *config) {
        json_t *array = json_array();

        for (size_t i = 0; i < config->history_count; i++) {
                const ImageHistory *h = &config->history[i];
                json_t *entry = json_object();
                document_put_time(entry, "created", h->created_ns);
                document_put_text(entry, "created_by", h->created_by);
                document_put_text(entry, "author", h->author);
                document_put_text(entry, "comment", h->comment);
                if (h->is_empty_layer)
                        document_put(entry, "empty_layer", json_true());
                document_append(array, entry);
        }
        return array;
}

/* --- the whole --- */

static int parse_config(const json_t *json, ImageConfig *ret, Error *err) {
        json_t *settings, *rootfs, *history;

        if (document_time(json, "", "created", &ret->created_ns, err) < 0 ||
            document_text(json, "", "author", &ret->author, err) < 0 ||
            document_text(json, "", "comment", &ret->comment, err) < 0 ||
            document_text(json, "", "architecture", &ret->architecture, err) < 0 ||
            document_text(json, "", "variant", &ret->variant, err) < 0 ||
            document_text(json, "", "os", &ret->os, err) < 0 ||
            document_text(json, "", "docker_version", &ret->docker_version, err) < 0 ||
            document_object(json, "", "config", &settings, err) < 0 ||
            parse_settings(settings, &ret->settings, err) < 0 ||
            document_object(json, "", "rootfs", &rootfs, err) < 0 ||
            parse_rootfs(rootfs, &ret->diff_ids, err) < 0 ||
            document_array(json, "", "history", IMAGE_HISTORY_MAX, &history, err) < 0)
                return -1;
        return parse_history(history, ret, err);
}

int image_config_parse(const char *text, size_t size, ImageConfig *ret, Error *err) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        json_auto_t *json = NULL;

        if (document_parse(text, size, IMAGE_CONFIG_SIZE_MAX, "image config", &json, err) < 0 ||
            parse_config(json, &config, err) < 0)
                return -1;
        *ret = config;
        config = (ImageConfig)IMAGE_CONFIG_INIT;
        return 0;
}

char *image_config_format(const ImageConfig *config, size_t *ret_size) {
        json_auto_t *json = json_object();

        document_put_time(json, "created", config->created_ns);
        document_put_text(json, "author", config->author);
        document_put(json, "architecture", json_string(config->architecture));
        document_put_text(json, "variant", config->variant);
        document_put(json, "os", json_string(config->os));
        document_put(json, "config", format_settings(&config->settings));
        document_put(json, "rootfs", format_rootfs(&config->diff_ids));
        document_put(json, "history", format_history(config));
        document_put_text(json, "comment", config->comment);
        document_put_text(json, "docker_version", config->docker_version);
        return document_format(json, ret_size);
}

/* --- what a container takes from its image --- */

static void append(Strings *to, const Strings *from) {
        for (size_t i = 0; from && i < from->count; i++)
                strings_add(to, from->items[i]);
}

static bool is_empty(const Strings *strings) {
        return !strings || !strings->count;
}

int image_config_command(const ImageConfig *config, const Strings *entrypoint,
                         const Strings *command, Strings *ret, Error *err) {
        const ImageSettings *settings = config ? &config->settings : NULL;
        Strings argv = STRINGS_INIT;

        if (is_empty(command) && is_empty(entrypoint) && settings)
                command = &settings->cmd;
        if (is_empty(entrypoint) && settings)
                entrypoint = &settings->entrypoint;
        bool is_cleared = !is_empty(entrypoint) && entrypoint->count == 1 && !*entrypoint->items[0];
        if (!is_cleared)
                append(&argv, entrypoint);
        append(&argv, command);
        if (!argv.count)
                return error_set(err, ERR_INVALID, "create.command",
                                 "no command given, and the image has neither Cmd nor Entrypoint");
        *ret = argv;
        return 0;
}

int image_config_apply_env(const ImageConfig *config, Pairs *env, Error *err) {
        const Strings *entries = &config->settings.env;

        for (size_t i = 0; i < entries->count; i++) {
                const char *entry = entries->items[i] + strspn(entries->items[i], WHITE_SPACE);
                const char *equals = strchr(entry, '=');
                if (!equals)
                        continue;
                _cleanup_free_ char *name = xstrndup(entry, (size_t)(equals - entry));
                if (!*name || strpbrk(name, WHITE_SPACE))
                        return error_set(err, ERR_CORRUPT, "config.Env",
                                         "the image's Env has an entry without a usable name: "
                                         "\"%.200s\"",
                                         entries->items[i]);
                pairs_set(env, name, equals + 1);
        }
        return 0;
}

int image_config_stop_signal(const ImageConfig *config, int *ret, Error *err) {
        if (!*config->settings.stop_signal) {
                *ret = SIGTERM;
                return 0;
        }
        if (signal_name_parse(config->settings.stop_signal, ret, err) < 0)
                return error_set(err, ERR_CORRUPT, "config.StopSignal",
                                 "the image's StopSignal is no signal: \"%.64s\"",
                                 config->settings.stop_signal);
        return 0;
}
