/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TOML 1.0, the language of the containers tools' configuration files.
 *
 * A file becomes one read-only tree, freed in one step; every value knows where it stood. Unlike
 * the rest of base/ this speaks in Errors: what there is to say about a file is for the person who
 * wrote it, a sentence with path, line and column (in characters, from 1). Dates are checked and
 * kept as text; a string that contains U+0000 is refused, so that every string is a C string.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

#define TOML_SIZE_MAX   (1024 * 1024) /* bytes of a document */
#define TOML_DEPTH_MAX  64            /* arrays and inline tables in each other; parts of one key */
#define TOML_VALUES_MAX 16384         /* values and tables in a document */
#define TOML_NUMBER_MAX 64            /* characters of a number, underscores not counted */

typedef enum TomlKind {
        TOML_STRING,
        TOML_INTEGER,
        TOML_FLOAT,
        TOML_BOOLEAN,
        TOML_DATE, /* any of the four date and time types */
        TOML_ARRAY,
        TOML_TABLE,
        _TOML_KIND_MAX,
} TomlKind;

/* How a table or array came to be, which decides who may still add to it. */
typedef enum TomlOrigin {
        TOML_ORIGIN_IMPLICIT, /* named on the way by a header: [a] of [a.b] */
        TOML_ORIGIN_DOTTED,   /* named on the way by a key: a of a.b = 1 */
        TOML_ORIGIN_HEADER,   /* [a] or [[a]] */
        TOML_ORIGIN_VALUE,    /* { } or [ ]: complete */
} TomlOrigin;

typedef struct Toml Toml;
typedef struct TomlValue TomlValue;
struct TomlValue {
        TomlKind kind;
        uint32_t offset; /* where it stands in the document's text */
        const Toml *toml;
        const char *key; /* in a table, else NULL */
        TomlValue *next; /* in the same table or array, in the order of the text */
        union {
                const char *text; /* string, date */
                int64_t integer;
                double real;
                bool boolean;
                struct {
                        TomlValue *first, *last;
                        TomlOrigin origin;
                } children; /* array, table */
        };
};

/* Visits the children of an array or table. */
#define TOML_FOREACH(child, parent) \
        for (const TomlValue *child = (parent)->children.first; child; child = child->next)

/**
 * toml_parse() - read a document
 * @name: stands before the position in messages; a path as a rule
 * @text: @size bytes, need not end in NUL
 *
 * Errors (subject = @name): ERR_INVALID with line and column, ERR_LIMIT.
 */
int toml_parse(Toml **ret, const char *name, const char *text, size_t size, Error *err);

/** toml_load() - read a file; 1, or 0 when there is none; errors of toml_parse(), ERR_IO */
int toml_load(Toml **ret, const char *path, Error *err);

Toml *toml_free(Toml *toml);
DEFINE_CLEANUP(Toml, toml_free);

/** toml_root() - the table of the whole document; borrowed, like all that is found in it */
const TomlValue *toml_root(const Toml *toml);

/** toml_find() - the value of a dotted path below a table, of whatever kind, or NULL */
const TomlValue *toml_find(const TomlValue *table, const char *path);

/**
 * toml_get() - find a value by dotted path below a table
 * @path: bare keys joined by dots
 * @kind: what it has to be
 *
 * Returns 1, or 0 without touching @ret when it is absent; ERR_INVALID when it, or a table on the
 * way, is of another kind. The getters below do the same for one kind each.
 */
int toml_get(const TomlValue *table, const char *path, TomlKind kind, const TomlValue **ret,
             Error *err);
int toml_get_string(const TomlValue *table, const char *path, const char **ret, Error *err);
int toml_get_boolean(const TomlValue *table, const char *path, bool *ret, Error *err);

/** toml_get_strings() - an array of strings, which takes the place of what is in @list */
int toml_get_strings(const TomlValue *table, const char *path, Strings *list, Error *err);

/** toml_fail() - an error about a value: "path:line:column: " and the sentence; returns -1 */
int toml_fail(const TomlValue *value, ErrorKind kind, Error *err, const char *fmt, ...)
        _printf_(4, 5);

/** toml_kind_name() - "a string", "an array" */
const char *toml_kind_name(TomlKind kind);
