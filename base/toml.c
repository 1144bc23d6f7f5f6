/* SPDX-License-Identifier: Apache-2.0 */

/* The document, and the ways to ask it; how it is read: toml_parse.c. */

#include "base/toml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/toml_parser.h"

const char *toml_kind_name(TomlKind kind) {
        static const char *const names[_TOML_KIND_MAX] = {
                [TOML_STRING] = "a string", [TOML_INTEGER] = "an integer",
                [TOML_FLOAT] = "a float",   [TOML_BOOLEAN] = "a boolean",
                [TOML_DATE] = "a date",     [TOML_ARRAY] = "an array",
                [TOML_TABLE] = "a table",
        };

        return names[kind];
}

/* Positions are rarely asked for, so they are counted when they are. */
_printf_(5, 0) static int fail_at(const Toml *toml, const char *at, ErrorKind kind, Error *err,
                                  const char *fmt, va_list args) {
        char sentence[ERROR_TEXT_MAX / 2];
        unsigned line = 1, column = 1;

        for (const char *p = toml->text; p < at; p++) {
                if (*p == '\n') {
                        line++;
                        column = 1;
                } else if (((unsigned char)*p & 0xc0) != 0x80)
                        column++;
        }
        vsnprintf(sentence, sizeof(sentence), fmt, args);
        return error_set(err, kind, toml->name, "%s:%u:%u: %s", toml->name, line, column, sentence);
}

int toml_parse_fail(const TomlParser *parser, const char *at, ErrorKind kind, const char *fmt,
                    ...) {
        va_list args;

        va_start(args, fmt);
        (void)fail_at(parser->toml, at, kind, parser->err, fmt, args);
        va_end(args);
        return -1;
}

int toml_fail(const TomlValue *value, ErrorKind kind, Error *err, const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        (void)fail_at(value->toml, value->toml->text + value->offset, kind, err, fmt, args);
        va_end(args);
        return -1;
}

int toml_parse(Toml **ret, const char *name, const char *text, size_t size, Error *err) {
        _cleanup_(toml_freep)
        Toml *toml = NULL;

        if (size > TOML_SIZE_MAX)
                return error_set(err, ERR_LIMIT, name, "%s has %zu bytes; at most %d can be read",
                                 name, size, TOML_SIZE_MAX);
        toml = xnew(Toml, 1);
        toml->name = arena_strdup(&toml->arena, name);
        toml->text = arena_alloc(&toml->arena, size + 1);
        memcpy(toml->text, text, size);
        TomlParser parser = { .toml = toml, .at = toml->text, .err = err };
        const char *zero = memchr(text, '\0', size);
        if (zero)
                return toml_parse_fail(&parser, toml->text + (zero - text), ERR_INVALID,
                                       "a zero byte cannot stand in a document");
        if (toml_parse_document(&parser) < 0)
                return -1;
        *ret = TAKE_PTR(toml);
        return 0;
}

int toml_load(Toml **ret, const char *path, Error *err) {
        _cleanup_free_ char *text = NULL;
        size_t size;

        int r = file_read_at(AT_FDCWD, path, TOML_SIZE_MAX, &text, &size);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, path, "%s has more than %d bytes", path,
                                 TOML_SIZE_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, path, "cannot read %s", path);
        return toml_parse(ret, path, text, size, err) < 0 ? -1 : 1;
}

Toml *toml_free(Toml *toml) {
        if (!toml)
                return NULL;
        arena_done(&toml->arena);
        free(toml);
        return NULL;
}

const TomlValue *toml_root(const Toml *toml) {
        return toml->root;
}

static int expect(const TomlValue *value, TomlKind kind, const char *path, size_t length,
                  Error *err) {
        if (value->kind == kind)
                return 1;
        return toml_fail(value, ERR_INVALID, err, "%.*s: expected %s, found %s", (int)length, path,
                         toml_kind_name(kind), toml_kind_name(value->kind));
}

static const TomlValue *child_get(const TomlValue *table, const char *key, size_t length) {
        TOML_FOREACH(child, table)
        if (strncmp(child->key, key, length) == 0 && child->key[length] == '\0')
                return child;
        return NULL;
}

int toml_get(const TomlValue *table, const char *path, TomlKind kind, const TomlValue **ret,
             Error *err) {
        for (const char *part = path;; part++) {
                size_t length = strcspn(part, ".");
                const TomlValue *value = child_get(table, part, length);
                part += length;
                if (!value)
                        return 0;
                if (expect(value, *part ? TOML_TABLE : kind, path, (size_t)(part - path), err) < 0)
                        return -1;
                if (*part == '\0') {
                        *ret = value;
                        return 1;
                }
                table = value;
        }
}

const TomlValue *toml_find(const TomlValue *table, const char *path) {
        for (const TomlValue *value = table;; path++) {
                size_t length = strcspn(path, ".");
                value = value->kind == TOML_TABLE ? child_get(value, path, length) : NULL;
                path += length;
                if (!value || *path == '\0')
                        return value;
        }
}

int toml_get_string(const TomlValue *table, const char *path, const char **ret, Error *err) {
        const TomlValue *value;
        int r = toml_get(table, path, TOML_STRING, &value, err);

        if (r > 0)
                *ret = value->text;
        return r;
}

int toml_get_boolean(const TomlValue *table, const char *path, bool *ret, Error *err) {
        const TomlValue *value;
        int r = toml_get(table, path, TOML_BOOLEAN, &value, err);

        if (r > 0)
                *ret = value->boolean;
        return r;
}

int toml_get_strings(const TomlValue *table, const char *path, Strings *list, Error *err) {
        const TomlValue *array;
        int r = toml_get(table, path, TOML_ARRAY, &array, err);

        if (r <= 0)
                return r;
        TOML_FOREACH(item, array)
        if (expect(item, TOML_STRING, path, strlen(path), err) < 0)
                return -1;
        strings_done(list);
        TOML_FOREACH(item, array)
        strings_add(list, item->text);
        return 1;
}
