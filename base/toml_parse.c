/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The structure of a document: lines, keys, headers, arrays and tables.
 *
 * The rules about who may add to a table are the language's only hard part. Each table remembers
 * its origin: one that a header merely passed through may get its own header later; one that a
 * dotted key made grows by dotted keys and gets no header, but may have sub-tables; one with a
 * header has just one; one written as a value is complete. Values are placed in the tree as they
 * are read, and a document that fails is thrown away whole.
 */

#include <string.h>

#include "base/toml_parser.h"

typedef struct KeyPart {
        const char *text;
        const char *at;
} KeyPart;

typedef struct Key {
        KeyPart parts[TOML_DEPTH_MAX];
        size_t count;
} Key;

static int parse_pair(TomlParser *parser, TomlValue *table);

static void skip_blank(TomlParser *parser) {
        parser->at += strspn(parser->at, " \t");
}

static bool at_newline(const TomlParser *parser) {
        return parser->at[0] == '\n' || (parser->at[0] == '\r' && parser->at[1] == '\n');
}

/* Blanks, comments and newlines. */
static void skip_lines(TomlParser *parser) {
        for (;;) {
                parser->at += strspn(parser->at, " \t\r\n");
                if (*parser->at != '#')
                        return;
                parser->at += strcspn(parser->at, "\n");
        }
}

static int expect_line_end(TomlParser *parser) {
        skip_blank(parser);
        if (*parser->at == '#')
                parser->at += strcspn(parser->at, "\n");
        if (*parser->at != '\0' && !at_newline(parser))
                return toml_parse_fail(parser, parser->at, ERR_INVALID,
                                       "expected the end of the line");
        return 0;
}

/* TOML allows no control character but tab and the newlines, in strings and comments alike. */
static int check_characters(TomlParser *parser) {
        const char *text = parser->toml->text;

        if (!text_is_utf8(text, strlen(text))) {
                const char *line = text;
                for (size_t n; n = strcspn(line, "\n"), text_is_utf8(line, n);)
                        line += n + 1;
                return toml_parse_fail(parser, line, ERR_INVALID, "this line is not UTF-8");
        }
        for (const char *p = text; *p; p++) {
                bool is_control = (unsigned char)*p < ' ' || *p == 0x7f;
                if (is_control && *p != '\t' && *p != '\n' && !(p[0] == '\r' && p[1] == '\n'))
                        return toml_parse_fail(parser, p, ERR_INVALID,
                                               "the control character U+%04X cannot stand here",
                                               (unsigned)*p);
        }
        return 0;
}

/* --- the tree --------------------------------------------------------------------------------- */

static TomlValue *value_new(TomlParser *parser, const char *key, const char *at) {
        if (parser->toml->count++ >= TOML_VALUES_MAX) {
                (void)toml_parse_fail(parser, at, ERR_LIMIT, "there are more than %d values",
                                      TOML_VALUES_MAX);
                return NULL;
        }
        TomlValue *value = arena_new(&parser->toml->arena, TomlValue, 1);
        value->toml = parser->toml;
        value->key = key;
        value->offset = (uint32_t)(at - parser->toml->text);
        return value;
}

static void value_add(TomlValue *parent, TomlValue *value) {
        if (parent->children.last)
                parent->children.last->next = value;
        else
                parent->children.first = value;
        parent->children.last = value;
}

static TomlValue *add_child(TomlParser *parser, TomlValue *parent, const KeyPart *part,
                            TomlKind kind, TomlOrigin origin) {
        TomlValue *value = value_new(parser, part->text, part->at);

        if (!value)
                return NULL;
        value->kind = kind;
        value->children.origin = origin;
        value_add(parent, value);
        return value;
}

static TomlValue *find_child(TomlValue *table, const char *key) {
        for (TomlValue *child = table->children.first; child; child = child->next)
                if (text_equal(child->key, key))
                        return child;
        return NULL;
}

static TomlValue *fail_exists(TomlParser *parser, const KeyPart *part, const TomlValue *value) {
        (void)toml_parse_fail(parser, part->at, ERR_INVALID,
                              "%s is already %s, and cannot be defined again", part->text,
                              toml_kind_name(value->kind));
        return NULL;
}

/*
 * The table that a header passes through: `a` of [a.b]. The last one of an array of tables counts.
 */
static TomlValue *pass_header(TomlParser *parser, TomlValue *table, const KeyPart *part) {
        TomlValue *child = find_child(table, part->text);

        if (!child)
                return add_child(parser, table, part, TOML_TABLE, TOML_ORIGIN_IMPLICIT);
        if (child->kind == TOML_TABLE && child->children.origin != TOML_ORIGIN_VALUE)
                return child;
        if (child->kind == TOML_ARRAY && child->children.origin == TOML_ORIGIN_HEADER)
                return child->children.last;
        return fail_exists(parser, part, child);
}

/* The table that a dotted key passes through: `a` of a.b = 1. */
static TomlValue *pass_dotted(TomlParser *parser, TomlValue *table, const KeyPart *part) {
        TomlValue *child = find_child(table, part->text);

        if (!child)
                return add_child(parser, table, part, TOML_TABLE, TOML_ORIGIN_DOTTED);
        if (child->kind != TOML_TABLE || child->children.origin == TOML_ORIGIN_HEADER ||
            child->children.origin == TOML_ORIGIN_VALUE)
                return fail_exists(parser, part, child);
        child->children.origin = TOML_ORIGIN_DOTTED;
        return child;
}

static TomlValue *open_table(TomlParser *parser, TomlValue *table, const KeyPart *part) {
        TomlValue *child = find_child(table, part->text);

        if (!child)
                return add_child(parser, table, part, TOML_TABLE, TOML_ORIGIN_HEADER);
        if (child->kind != TOML_TABLE || child->children.origin != TOML_ORIGIN_IMPLICIT)
                return fail_exists(parser, part, child);
        child->children.origin = TOML_ORIGIN_HEADER;
        return child;
}

static TomlValue *open_array_table(TomlParser *parser, TomlValue *table, const KeyPart *part) {
        TomlValue *array = find_child(table, part->text);

        if (!array)
                array = add_child(parser, table, part, TOML_ARRAY, TOML_ORIGIN_HEADER);
        else if (array->kind != TOML_ARRAY || array->children.origin != TOML_ORIGIN_HEADER)
                return fail_exists(parser, part, array);
        if (!array)
                return NULL;
        return add_child(parser, array, &(KeyPart){ .at = part->at }, TOML_TABLE,
                         TOML_ORIGIN_HEADER);
}

/* --- keys and values -------------------------------------------------------------------------- */

static int parse_key_part(TomlParser *parser, KeyPart *ret) {
        static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_-";

        *ret = (KeyPart){ "", parser->at };
        if (*parser->at == '"' || *parser->at == '\'')
                return toml_parse_text(parser, false, &ret->text);
        size_t length = strspn(parser->at, bare);
        if (length == 0)
                return toml_parse_fail(parser, parser->at, ERR_INVALID, "expected a key");
        ret->text = arena_strndup(&parser->toml->arena, parser->at, length);
        parser->at += length;
        return 0;
}

static int parse_key(TomlParser *parser, Key *ret) {
        for (ret->count = 0;;) {
                skip_blank(parser);
                if (ret->count == TOML_DEPTH_MAX)
                        return toml_parse_fail(parser, parser->at, ERR_LIMIT,
                                               "a key has more than %d parts", TOML_DEPTH_MAX);
                if (parse_key_part(parser, &ret->parts[ret->count]) < 0)
                        return -1;
                ret->count++;
                skip_blank(parser);
                if (*parser->at != '.')
                        return 0;
                parser->at++;
        }
}

static int parse_value(TomlParser *parser, TomlValue *value);

static int parse_array(TomlParser *parser, TomlValue *array) {
        const char *begin = parser->at++;

        array->kind = TOML_ARRAY;
        array->children.origin = TOML_ORIGIN_VALUE;
        for (;;) {
                skip_lines(parser);
                if (*parser->at == '\0')
                        return toml_parse_fail(parser, begin, ERR_INVALID, "an array has no end");
                if (*parser->at == ']')
                        break;
                TomlValue *item = value_new(parser, NULL, parser->at);
                if (!item || parse_value(parser, item) < 0)
                        return -1;
                value_add(array, item);
                skip_lines(parser);
                if (*parser->at == ',')
                        parser->at++;
                else if (*parser->at != ']' && *parser->at != '\0')
                        return toml_parse_fail(parser, parser->at, ERR_INVALID,
                                               "expected , or ] in an array");
        }
        parser->at++;
        return 0;
}

static int parse_inline_table(TomlParser *parser, TomlValue *table) {
        parser->at++;
        table->kind = TOML_TABLE;
        skip_blank(parser);
        if (*parser->at != '}') {
                /* While it is read, the table may grow; its own keys never meet another origin. */
                table->children.origin = TOML_ORIGIN_HEADER;
                for (;;) {
                        if (parse_pair(parser, table) < 0)
                                return -1;
                        skip_blank(parser);
                        if (*parser->at != ',')
                                break;
                        parser->at++;
                }
                if (*parser->at != '}')
                        return toml_parse_fail(parser, parser->at, ERR_INVALID,
                                               "expected , or } in an inline table");
        }
        table->children.origin = TOML_ORIGIN_VALUE;
        parser->at++;
        return 0;
}

static int parse_nested(TomlParser *parser, TomlValue *value) {
        if (parser->depth == TOML_DEPTH_MAX)
                return toml_parse_fail(parser, parser->at, ERR_LIMIT,
                                       "values are nested more than %d deep", TOML_DEPTH_MAX);
        parser->depth++;
        int r = *parser->at == '[' ? parse_array(parser, value) : parse_inline_table(parser, value);
        parser->depth--;
        return r;
}

static int parse_value(TomlParser *parser, TomlValue *value) {
        value->offset = (uint32_t)(parser->at - parser->toml->text);
        switch (*parser->at) {
        case '"':
        case '\'':
                value->kind = TOML_STRING;
                return toml_parse_text(parser, true, &value->text);
        case '[':
        case '{':
                return parse_nested(parser, value);
        default:
                return toml_parse_scalar(parser, value);
        }
}

static int parse_pair(TomlParser *parser, TomlValue *table) {
        Key key;

        if (parse_key(parser, &key) < 0)
                return -1;
        if (*parser->at != '=')
                return toml_parse_fail(parser, parser->at, ERR_INVALID, "expected = after a key");
        parser->at++;
        skip_blank(parser);

        const KeyPart *last = &key.parts[key.count - 1];
        for (const KeyPart *part = key.parts; part < last; part++)
                if (!(table = pass_dotted(parser, table, part)))
                        return -1;
        TomlValue *existing = find_child(table, last->text);
        if (existing) {
                (void)fail_exists(parser, last, existing);
                return -1;
        }
        TomlValue *value = value_new(parser, last->text, last->at);
        if (!value)
                return -1;
        value_add(table, value);
        return parse_value(parser, value);
}

/* [a.b] or [[a.b]]; the table that the following lines fill. */
static TomlValue *parse_header(TomlParser *parser) {
        bool is_array = parser->at[1] == '[';
        Key key;

        parser->at += is_array ? 2 : 1;
        if (parse_key(parser, &key) < 0)
                return NULL;
        const char *close = is_array ? "]]" : "]";
        if (strncmp(parser->at, close, strlen(close)) != 0) {
                (void)toml_parse_fail(parser, parser->at, ERR_INVALID,
                                      "expected %s at the end of a header", close);
                return NULL;
        }
        parser->at += strlen(close);

        TomlValue *table = parser->toml->root;
        const KeyPart *last = &key.parts[key.count - 1];
        for (const KeyPart *part = key.parts; table && part < last; part++)
                table = pass_header(parser, table, part);
        if (!table)
                return NULL;
        return is_array ? open_array_table(parser, table, last) : open_table(parser, table, last);
}

int toml_parse_document(TomlParser *parser) {
        if (check_characters(parser) < 0)
                return -1;
        TomlValue *table = value_new(parser, NULL, parser->at);
        table->kind = TOML_TABLE;
        table->children.origin = TOML_ORIGIN_HEADER;
        parser->toml->root = table;

        for (;;) {
                skip_lines(parser);
                if (*parser->at == '\0')
                        return 0;
                if (*parser->at == '[') {
                        if (!(table = parse_header(parser)))
                                return -1;
                } else if (parse_pair(parser, table) < 0)
                        return -1;
                if (expect_line_end(parser) < 0)
                        return -1;
        }
}
