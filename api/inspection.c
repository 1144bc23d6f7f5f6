/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inspection.h"

#include <string.h>

#include "base/fd.h"
#include "base/text.h"
#include "engine/spec.h"
#include "oci/user.h"
#include "storage/json_scan.h"

#define BUNDLE_CONFIG_MAX (64 * 1024 * 1024) /* bytes of config.json; usually some 30 kB */

static void take_process(Inspection *inspection, const json_t *process) {
        const json_t *user = json_object_get(process, "user");
        const json_t *capabilities = json_object_get(process, "capabilities");
        const json_t *name;
        size_t i;

        inspection->uid = json_integer_value(json_object_get(user, "uid"));
        inspection->gid = json_integer_value(json_object_get(user, "gid"));
        inspection->additional_gids = json_incref(json_object_get(user, "additionalGids"));
        json_array_foreach(json_object_get(capabilities, "effective"), i, name) {
                const char *text = json_string_value(name);
                int number = text ? capability_parse(text) : -EINVAL;
                if (number >= 0)
                        inspection->effective |= CAPABILITY_BIT(number);
        }
}

/* One member of a document, parsed without the others; NULL if it is not there. New reference. */
static json_t *find_member(const char *text, size_t size, const char *name) {
        JsonCursor cursor;
        JsonSpan key, value;

        if (json_cursor_open(&cursor, text, size, true) < 0)
                return NULL;
        while (json_cursor_next(&cursor, &key, &value) > 0)
                if (key.size == strlen(name) && memcmp(key.data, name, key.size) == 0)
                        return json_loadb(value.data, value.size, JSON_DECODE_ANY, NULL);
        return NULL;
}

/*
 * What the runtime was given at the last start: the name of a user means something in the image
 * only. Most of the document is the system call filter, and is skipped.
 */
static void read_document(Inspection *inspection) {
        _cleanup_free_ char *path = xasprintf("%s/config.json", inspection->bundle);
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (file_read_at(AT_FDCWD, path, BUNDLE_CONFIG_MAX, &text, &size) < 0)
                return;
        json_t *process = find_member(text, size, "process");
        inspection->has_document = process != NULL;
        inspection->oci_version = find_member(text, size, "ociVersion");
        if (process)
                take_process(inspection, process);
        json_decref(process);
}

/* Before the first start only numbers say who the user is; root is 0 in every image. */
static void guess_user(Inspection *inspection) {
        const char *wanted = inspection->config->user;
        _cleanup_(resolved_user_done)
        ResolvedUser user = RESOLVED_USER_INIT;

        if (!text_equal(wanted, "root") && user_lookup(-EBADF, wanted, NULL, &user, NULL) < 0)
                return;
        inspection->uid = user.uid;
        inspection->gid = user.gid;
        if (user.uid == 0)
                inspection->effective = inspection->spec.effective;
}

void inspection_done(Inspection *inspection) {
        runtime_config_done(&inspection->spec);
        json_decref(inspection->additional_gids);
        json_decref(inspection->oci_version);
        free(inspection->bundle);
        free(inspection->run_dir);
        free(inspection->log_path);
}

void inspection_gather(Inspection *inspection, Container *container) {
        inspection->container = container;
        inspection->engine = container_engine(container);
        inspection->config = container_config(container);
        inspection->run = container_run(container);
        inspection->is_alive = container_status_is_alive(inspection->run.status);
        inspection->bundle = container_bundle_dir(container);
        inspection->run_dir = container_run_dir(container);
        inspection->log_path = container_log_path(container);
        spec_fill(container, &inspection->spec);
        read_document(inspection);
        if (!inspection->has_document)
                guess_user(inspection);
}

void inspect_pairs(Buffer *out, const char *key, const RuntimePair *pairs, size_t count) {
        member_open(out, key, '{');
        for (size_t i = 0; i < count; i++)
                member_text(out, pairs[i].key, pairs[i].value);
        member_close(out, '}');
}

void inspect_capabilities(Buffer *out, const char *key, CapabilitySet set) {
        _cleanup_strings_ Strings names = STRINGS_INIT;

        capability_list(set, &names);
        member_texts(out, key, (const char *const *)names.items, names.count);
}

void inspect_blanks(Buffer *out, const InspectBlank *blanks, size_t count) {
        for (size_t i = 0; i < count; i++)
                member_verbatim(out, blanks[i].key, blanks[i].json);
}
