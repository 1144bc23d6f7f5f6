/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The files of registries.d. libyaml takes the text apart; of its events a small machine here makes
 * scopes. What is not known is skipped, as the containers tools do, but not what is said twice.
 */

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "image/lookaside.h"

typedef struct Reader {
        Lookaside *lookaside;
        const char *path;
        yaml_parser_t parser;
        yaml_event_t event; /* the current one */
        bool has_event;
} Reader;

static void reader_done(Reader *reader) {
        if (reader->has_event)
                yaml_event_delete(&reader->event);
        yaml_parser_delete(&reader->parser);
}

static int fail(const Reader *reader, size_t line, Error *err, const char *reason) {
        return error_set(err, ERR_INVALID, reader->path, "%s:%zu: %s", reader->path, line + 1,
                         reason);
}

static int fail_here(const Reader *reader, Error *err, const char *reason) {
        return fail(reader, reader->event.start_mark.line, err, reason);
}

static int next(Reader *reader, Error *err) {
        if (reader->has_event)
                yaml_event_delete(&reader->event);
        reader->has_event = yaml_parser_parse(&reader->parser, &reader->event);
        if (!reader->has_event)
                return fail(reader, reader->parser.problem_mark.line, err,
                            reader->parser.problem ? reader->parser.problem : "no YAML");
        /* An anchor is a way to let few bytes stand for many. */
        if (reader->event.type == YAML_ALIAS_EVENT)
                return fail_here(reader, err, "aliases are not supported");
        return 0;
}

static const char *scalar(const Reader *reader) {
        return (const char *)reader->event.data.scalar.value;
}

static bool is_null(const Reader *reader) {
        return reader->event.type == YAML_SCALAR_EVENT &&
               (text_equal(scalar(reader), "") || text_equal(scalar(reader), "~") ||
                text_equal(scalar(reader), "null"));
}

/* The current event begins something that is of no interest; afterwards it is its last. */
static int skip(Reader *reader, Error *err) {
        size_t depth = 0;

        for (;;) {
                yaml_event_type_t type = reader->event.type;
                if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
                        depth++;
                else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
                        depth--;
                if (depth == 0)
                        return 0;
                if (depth > LOOKASIDE_DEPTH_MAX)
                        return fail_here(reader, err, "nested too deeply");
                if (next(reader, err) < 0)
                        return -1;
        }
}

/*
 * Each key of a mapping, which the current event begins: @read gets the reader at the value.
 * Null is an empty mapping.
 */
static int read_mapping(Reader *reader, int (*read)(Reader *, const char *key, void *, Error *),
                        void *userdata, Error *err) {
        _cleanup_strings_ Strings seen = STRINGS_INIT;

        if (is_null(reader))
                return 0;
        if (reader->event.type != YAML_MAPPING_START_EVENT)
                return fail_here(reader, err, "expected a mapping");
        while (next(reader, err) == 0) {
                if (reader->event.type == YAML_MAPPING_END_EVENT)
                        return 0;
                if (reader->event.type != YAML_SCALAR_EVENT)
                        return fail_here(reader, err, "expected a key");
                _cleanup_free_ char *key = xstrdup(scalar(reader));
                if (strings_contains(&seen, key))
                        return fail_here(reader, err, "the same key twice");
                if (seen.count == LOOKASIDE_SCOPES_MAX)
                        return fail_here(reader, err, "too many keys");
                strings_add(&seen, key);
                if (next(reader, err) < 0 || read(reader, key, userdata, err) < 0)
                        return -1;
        }
        return -1;
}

typedef struct Section {
        char *lookaside, *sigstore; /* the second is the old word for the first */
} Section;

static int read_section_key(Reader *reader, const char *key, void *userdata, Error *err) {
        Section *section = userdata;
        char **value = text_equal(key, "lookaside")  ? &section->lookaside
                       : text_equal(key, "sigstore") ? &section->sigstore
                                                     : NULL;

        if (!value)
                return skip(reader, err);
        if (reader->event.type != YAML_SCALAR_EVENT)
                return fail_here(reader, err, "expected a URL");
        *value = xstrdup(is_null(reader) ? "" : scalar(reader));
        return 0;
}

static int add_scope(Reader *reader, const char *scope, const char *url, Error *err) {
        Lookaside *lookaside = reader->lookaside;

        for (size_t i = 0; i < lookaside->count; i++)
                if (text_equal(lookaside->scopes[i].scope, scope))
                        return error_set(err, ERR_INVALID, reader->path,
                                         "%s: \"%.200s\" was configured before", reader->path,
                                         *scope ? scope : "default-docker");
        if (lookaside->count == LOOKASIDE_SCOPES_MAX)
                return error_set(err, ERR_LIMIT, reader->path, "%s: more than %d registries",
                                 reader->path, LOOKASIDE_SCOPES_MAX);
        GROW(lookaside->scopes, lookaside->count, lookaside->capacity);
        lookaside->scopes[lookaside->count++] =
                (LookasideScope){ .scope = xstrdup(scope), .url = xstrdup(url) };
        return 0;
}

static int read_section(Reader *reader, const char *scope, void *userdata _unused_, Error *err) {
        Section section = { .lookaside = NULL };

        int r = read_mapping(reader, read_section_key, &section, err);
        if (r == 0) {
                const char *url = !text_is_empty(section.lookaside) ? section.lookaside
                                  : section.sigstore                ? section.sigstore
                                                                    : "";
                r = add_scope(reader, scope, url, err);
        }
        free(section.lookaside);
        free(section.sigstore);
        return r;
}

static int read_top_key(Reader *reader, const char *key, void *userdata _unused_, Error *err) {
        if (text_equal(key, "default-docker"))
                return read_section(reader, "", NULL, err);
        if (text_equal(key, "docker"))
                return read_mapping(reader, read_section, NULL, err);
        return skip(reader, err);
}

/* The event after this one and the next, which only says that a document or the stream begins. */
static int next_but_one(Reader *reader, Error *err) {
        return next(reader, err) < 0 ? -1 : next(reader, err);
}

static int read_document(Reader *reader, Error *err) {
        if (next_but_one(reader, err) < 0)
                return -1;
        if (reader->event.type == YAML_STREAM_END_EVENT)
                return 0; /* nothing but comments */
        if (next(reader, err) < 0 || read_mapping(reader, read_top_key, NULL, err) < 0 ||
            next_but_one(reader, err) < 0)
                return -1;
        return reader->event.type == YAML_STREAM_END_EVENT
                       ? 0
                       : fail_here(reader, err, "more than one document");
}

int lookaside_parse(Lookaside *lookaside, const char *path, const char *text, size_t size,
                    Error *err) {
        _cleanup_(reader_done)
        Reader reader = { .lookaside = lookaside, .path = path };

        if (size > LOOKASIDE_FILE_MAX)
                return error_set(err, ERR_LIMIT, path, "%s has more than %d bytes", path,
                                 LOOKASIDE_FILE_MAX);
        if (!yaml_parser_initialize(&reader.parser))
                abort(); /* a small fixed size: see memory.h */
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
        return read_document(&reader, err);
}
