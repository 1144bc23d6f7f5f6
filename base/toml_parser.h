/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the two halves of the TOML parser share: toml_parse.c (structure) and toml_scalar.c. */

#include "base/arena.h"
#include "base/toml.h"

struct Toml {
        Arena arena;
        char *name;
        char *text; /* ends in NUL, contains none: the parser's sentinel */
        size_t count;
        TomlValue *root;
};

typedef struct TomlParser {
        Toml *toml;
        const char *at;
        unsigned depth;
        Error *err;
} TomlParser;

/** toml_parse_document() - check the characters of the text, then read all of it into the root */
int toml_parse_document(TomlParser *parser);

/** toml_parse_fail() - an error at @at in the text; returns -1 */
int toml_parse_fail(const TomlParser *parser, const char *at, ErrorKind kind, const char *fmt, ...)
        _printf_(4, 5);

/**
 * toml_parse_text() - the string at a quote, of any of the four types, or of the two of one line
 */
int toml_parse_text(TomlParser *parser, bool allows_lines, const char **ret);

/** toml_parse_scalar() - a boolean, date or number into @value */
int toml_parse_scalar(TomlParser *parser, TomlValue *value);
