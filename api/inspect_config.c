/* SPDX-License-Identifier: Apache-2.0 */

/* The member Config: what the container is in itself, wherever it runs. */

#include "api/inspection.h"

#include <stdio.h>

static void add_user(const Inspection *inspection, Buffer *out) {
        const json_t *gid;
        size_t i;

        member_open(out, "User", '{');
        member_integer(out, "uid", inspection->uid);
        member_integer(out, "gid", inspection->gid);
        member_open(out, "additionalGids", '[');
        json_array_foreach(inspection->additional_gids, i, gid)
                member_integer(out, NULL, json_integer_value(gid));
        member_close(out, ']');
        member_text(out, "username", inspection->config->user);
        member_close(out, '}');
}

/* Words joined by blanks: the original's form, and podman's. */
static void add_entrypoint(const SelkieStateContainer *config, Buffer *out) {
        Buffer words = BUFFER_INIT;

        for (size_t i = 0; i < config->entrypoint.count; i++) {
                if (i > 0)
                        buffer_append_byte(&words, ' ');
                buffer_append_string(&words, config->entrypoint.items[i]);
        }
        _cleanup_free_ char *text = buffer_take_string(&words);
        member_text(out, "Entrypoint", text);
}

static void add_labels(const SelkieStateContainer *config, Buffer *out) {
        member_open(out, "Labels", '{');
        for (size_t i = 0; i < config->labels.count; i++)
                member_text(out, config->labels.keys[i], config->labels.values[i]);
        member_close(out, '}');
}

static void add_umask(const RuntimeConfig *spec, Buffer *out) {
        char text[16] = "";

        if (spec->umask >= 0)
                snprintf(text, sizeof(text), "%04o", (unsigned)spec->umask);
        member_text(out, "Umask", text);
}

void inspect_config(const Inspection *inspection, Buffer *out) {
        static const InspectBlank blanks[] = {
                { "Domainname", BLANK_TEXT },      { "AttachStdin", BLANK_BOOLEAN },
                { "AttachStdout", BLANK_BOOLEAN }, { "AttachStderr", BLANK_BOOLEAN },
                { "StdinOnce", BLANK_BOOLEAN },    { "Volumes", BLANK_MAP },
                { "OnBuild", BLANK_LIST },         { "HealthcheckOnFailureAction", BLANK_TEXT },
                { "CreateCommand", BLANK_LIST },   { "Timezone", BLANK_TEXT },
                { "Timeout", BLANK_NUMBER },       { "Passwd", BLANK_BOOLEAN },
                { "sdNotifyMode", BLANK_TEXT },
        };
        const SelkieStateContainer *config = inspection->config;
        const RuntimeConfig *spec = &inspection->spec;

        member_open(out, "Config", '{');
        member_text(out, "Hostname", config->hostname);
        add_user(inspection, out);
        member_boolean(out, "Tty", config->tty);
        member_boolean(out, "OpenStdin", config->interactive);
        member_texts(out, "Env", config->env.items, config->env.count);
        member_texts(out, "Cmd", config->command.items, config->command.count);
        member_text(out, "Image", config->image);
        member_text(out, "WorkingDir", config->workDir);
        add_entrypoint(config, out);
        add_labels(config, out);
        inspect_pairs(out, "Annotations", spec->annotations.items, spec->annotations.count);
        member_integer(out, "StopSignal", config->stopSignal);
        member_integer(out, "StopTimeout", config->stopTimeout);
        add_umask(spec, out);
        inspect_blanks(out, blanks, ARRAY_SIZE(blanks));
        member_close(out, '}');
}
