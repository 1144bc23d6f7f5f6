/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Recursive descent over the grammar of varlink interfaces:
 *
 *   interface  = "interface" name.with.dots member*
 *   member     = "type" Name type | "method" Name struct "->" struct | "error" Name struct
 *   type       = "?"? ( "bool" | "int" | "float" | "string" | "object" | "any" | Name
 *                     | "[]" type | "[string]" type | struct | enum )
 *   struct     = "(" [ field ":" type { "," field ":" type } ] ")"
 *   enum       = "(" value { "," value } ")"
 *
 * Every function stands at the first token of what it reads and leaves after its last one.
 */

#include "varlink/idl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "varlink/idl_lexer.h"

#define QUOTE_MAX 40 /* bytes of a token that an error sentence repeats */

typedef struct Parser {
        IdlLexer lexer;
        Arena *arena;
} Parser;

static int parse_type(Parser *p, unsigned depth, IdlType *ret);

/* --- tokens ----------------------------------------------------------------------------------- */

#define fail_at(p, position, ...) idl_fail((p)->lexer.error, (position), __VA_ARGS__)

static int fail_expected(Parser *p, const char *what) {
        const IdlToken *t = &p->lexer.token;
        const char *quote = t->kind == IDL_TOKEN_END ? "" : "'";
        int shown = (int)(t->size < QUOTE_MAX ? t->size : QUOTE_MAX);

        return fail_at(p, t->position, "expected %s, found %s%.*s%s", what, quote, shown, t->text,
                       quote);
}

static bool is_at(const Parser *p, IdlTokenKind kind) {
        return p->lexer.token.kind == kind;
}

static int expect(Parser *p, IdlTokenKind kind, const char *what) {
        return is_at(p, kind) ? idl_lexer_next(&p->lexer) : fail_expected(p, what);
}

static bool is_word(const Parser *p, const char *word) {
        const IdlToken *t = &p->lexer.token;

        return t->kind == IDL_TOKEN_WORD && strlen(word) == t->size &&
               memcmp(t->text, word, t->size) == 0;
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_letter_or_digit(char c) {
        return is_letter(c) || (c >= '0' && c <= '9');
}

/* [A-Za-z](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+ */
static bool is_interface_name(const char *s) {
        bool has_dot = false;

        if (!is_letter(s[0]))
                return false;
        for (const char *c = s; *c; c++) {
                bool is_end = c[1] == '\0' || c[1] == '.';
                if (*c == '.')
                        has_dot = true;
                if (!is_letter_or_digit(*c) && *c != '-' && *c != '.')
                        return false;
                if (!is_letter_or_digit(*c) && (is_end || (*c == '.' && c[1] == '-')))
                        return false;
        }
        return has_dot;
}

/* [A-Z][A-Za-z0-9]* */
static bool is_member_name(const char *s) {
        bool is_good = s[0] >= 'A' && s[0] <= 'Z';

        for (; is_good && *s; s++)
                is_good = is_letter_or_digit(*s);
        return is_good;
}

/* [A-Za-z](_?[A-Za-z0-9])* */
static bool is_field_name(const char *s) {
        bool is_good = is_letter(s[0]);

        for (; is_good && *s; s++)
                is_good = is_letter_or_digit(*s) || (*s == '_' && is_letter_or_digit(s[1]));
        return is_good;
}

/* Takes the word that stands here as a name. */
static int take_name(Parser *p, const char *what, bool (*is_valid)(const char *s), const char *rule,
                     const char **ret) {
        const IdlToken *t = &p->lexer.token;

        if (t->kind != IDL_TOKEN_WORD)
                return fail_expected(p, what);
        char *name = arena_strndup(p->arena, t->text, t->size);
        if (!is_valid(name))
                return fail_at(p, t->position, "'%s' is not %s: %s", name, what, rule);
        int r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        *ret = name;
        return 0;
}

static int take_field_name(Parser *p, const char **ret) {
        return take_name(p, "a field name", is_field_name,
                         "it begins with a letter and goes on with letters and digits, which "
                         "single underscores may separate",
                         ret);
}

/* --- comments --------------------------------------------------------------------------------- */

static const char *join_docs(Parser *p, const char *doc, const Buffer *more) {
        assert(!buffer_failed(more));
        if (more->size == 0)
                return doc;
        return arena_printf(p->arena, "%s%s%.*s", doc ? doc : "", doc ? "\n" : "", (int)more->size,
                            more->data);
}

/* All comments in front of the token that stands here. */
static const char *take_doc(Parser *p) {
        const char *doc = join_docs(p, NULL, &p->lexer.trailing);

        p->lexer.trailing.size = 0;
        return join_docs(p, doc, &p->lexer.comments);
}

/* The comment after what was just read, on its line, joins the doc of that. */
static void take_trailing_doc(Parser *p, const char **doc) {
        *doc = join_docs(p, *doc, &p->lexer.trailing);
        p->lexer.trailing.size = 0;
}

/* --- types ------------------------------------------------------------------------------------ */

typedef struct Fields {
        IdlField *items;
        size_t count, capacity;
        Map names;
} Fields;

static void fields_done(Fields *fields) {
        free(fields->items);
        map_done(&fields->names);
}
#define _cleanup_fields_ _cleanup_(fields_done)

static int add_field(Parser *p, Fields *fields, const IdlField *field) {
        if (fields->count == IDL_FIELDS_MAX)
                return fail_at(p, field->position, "more than %d fields or values", IDL_FIELDS_MAX);
        if (map_put(&fields->names, field->name, (void *)(uintptr_t)field->name))
                return fail_at(p, field->position, "'%s' stands here twice", field->name);
        GROW(fields->items, fields->count, fields->capacity);
        fields->items[fields->count++] = *field;
        return 0;
}

/* The type behind a field's name; whether there is one makes a struct or an enum of the list. */
static int parse_field_type(Parser *p, unsigned depth, IdlField *field) {
        IdlType *type = arena_new(p->arena, IdlType, 1);

        int r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        field->type = type;
        return parse_type(p, depth, type);
}

/* "," or what ends the list; a comment after either still belongs to the field. */
static int parse_separator(Parser *p, IdlField *field) {
        take_trailing_doc(p, &field->doc);
        if (is_at(p, IDL_TOKEN_CLOSE))
                return 0;
        if (!is_at(p, IDL_TOKEN_COMMA))
                return fail_expected(p, field->type ? "',' or ')' after the field"
                                                    : "',' or ')' after the value");
        int r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        take_trailing_doc(p, &field->doc);
        return is_at(p, IDL_TOKEN_CLOSE) ? fail_expected(p, "a field name after ','") : 0;
}

static int parse_field(Parser *p, unsigned depth, Fields *fields, bool is_struct) {
        IdlField field = { .position = p->lexer.token.position };

        field.doc = take_doc(p);
        int r = take_field_name(p, &field.name);
        if (r < 0)
                return r;
        bool is_value = is_at(p, IDL_TOKEN_COMMA) || is_at(p, IDL_TOKEN_CLOSE);
        if (fields->count == 0)
                is_struct = is_struct || !is_value;
        else
                is_struct = fields->items[0].type != NULL;
        if (is_struct && !is_at(p, IDL_TOKEN_COLON))
                return fail_at(p, p->lexer.token.position, "expected ':' after field name '%s'",
                               field.name);
        if (is_struct) {
                r = parse_field_type(p, depth, &field);
                if (r < 0)
                        return r;
        }
        r = parse_separator(p, &field);
        return r < 0 ? r : add_field(p, fields, &field);
}

/* "(" ... ")": a struct, or an enum where @is_struct does not forbid it. */
static int parse_list(Parser *p, unsigned depth, bool is_struct, IdlType *ret) {
        _cleanup_fields_ Fields fields = { .names = MAP_INIT };

        int r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        while (!is_at(p, IDL_TOKEN_CLOSE)) {
                r = parse_field(p, depth, &fields, is_struct);
                if (r < 0)
                        return r;
        }
        bool is_enum = fields.count > 0 && !fields.items[0].type;
        IdlField *items = arena_new(p->arena, IdlField, fields.count);
        if (fields.count > 0)
                memcpy(items, fields.items, fields.count * sizeof(*items));
        ret->kind = is_enum ? IDL_ENUM : IDL_STRUCT;
        ret->fields = items;
        ret->fields_count = fields.count;
        return idl_lexer_next(&p->lexer);
}

/* "[]" type or "[string]" type */
static int parse_container(Parser *p, unsigned depth, IdlType *ret) {
        IdlType *element = arena_new(p->arena, IdlType, 1);
        bool is_map;
        int r;

        r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        is_map = is_word(p, "string");
        if (is_map) {
                r = idl_lexer_next(&p->lexer);
                if (r < 0)
                        return r;
        }
        r = expect(p, IDL_TOKEN_UNBRACKET, is_map ? "']'" : "']' or 'string' after '['");
        if (r < 0)
                return r;
        r = parse_type(p, depth, element);
        if (r < 0)
                return r;
        bool is_unit = element->kind == IDL_STRUCT && element->fields_count == 0;
        if (is_map && is_unit && !element->is_nullable) {
                ret->kind = IDL_SET;
        } else {
                ret->kind = is_map ? IDL_MAP : IDL_ARRAY;
                ret->element = element;
        }
        return 0;
}

static int parse_word_type(Parser *p, IdlType *ret) {
        static const struct {
                const char *word;
                IdlKind kind;
        } basic[] = {
                { "bool", IDL_BOOL },     { "int", IDL_INT },       { "float", IDL_FLOAT },
                { "string", IDL_STRING }, { "object", IDL_OBJECT }, { "any", IDL_OBJECT },
        };

        for (size_t i = 0; i < ARRAY_SIZE(basic); i++)
                if (is_word(p, basic[i].word)) {
                        ret->kind = basic[i].kind;
                        return idl_lexer_next(&p->lexer);
                }
        ret->kind = IDL_NAMED;
        return take_name(p, "a type", is_member_name,
                         "types are bool, int, float, string, object, any, and names that begin "
                         "with a capital",
                         &ret->name);
}

static int parse_type(Parser *p, unsigned depth, IdlType *ret) {
        *ret = (IdlType){ .position = p->lexer.token.position };

        if (depth >= IDL_DEPTH_MAX)
                return fail_at(p, ret->position, "types are nested deeper than %d levels",
                               IDL_DEPTH_MAX);
        if (is_at(p, IDL_TOKEN_QUESTION)) {
                ret->is_nullable = true;
                int r = idl_lexer_next(&p->lexer);
                if (r < 0)
                        return r;
                if (is_at(p, IDL_TOKEN_QUESTION))
                        return fail_at(p, p->lexer.token.position,
                                       "a type cannot be nullable twice");
        }
        if (is_at(p, IDL_TOKEN_OPEN))
                return parse_list(p, depth + 1, false, ret);
        if (is_at(p, IDL_TOKEN_BRACKET))
                return parse_container(p, depth + 1, ret);
        if (is_at(p, IDL_TOKEN_WORD))
                return parse_word_type(p, ret);
        return fail_expected(p, "a type");
}

/* --- members ---------------------------------------------------------------------------------- */

/* The parameters of a method or an error. */
static int parse_parameters(Parser *p, const IdlType **ret) {
        IdlType *type = arena_new(p->arena, IdlType, 1);

        *type = (IdlType){ .position = p->lexer.token.position };
        if (!is_at(p, IDL_TOKEN_OPEN))
                return fail_expected(p, "'('");
        *ret = type;
        return parse_list(p, 1, true, type);
}

static int parse_method(Parser *p, IdlMember *member) {
        int r = parse_parameters(p, &member->in);

        if (r < 0)
                return r;
        r = expect(p, IDL_TOKEN_ARROW, "'->'");
        if (r < 0)
                return r;
        return parse_parameters(p, &member->out);
}

static int parse_type_member(Parser *p, IdlMember *member) {
        IdlType *type = arena_new(p->arena, IdlType, 1);

        member->type = type;
        return parse_type(p, 0, type);
}

static int parse_member(Parser *p, IdlMember *member) {
        static const char *const keywords[_IDL_MEMBER_MAX] = {
                [IDL_MEMBER_TYPE] = "type",
                [IDL_MEMBER_METHOD] = "method",
                [IDL_MEMBER_ERROR] = "error",
        };
        unsigned kind = 0;

        while (kind < _IDL_MEMBER_MAX && !is_word(p, keywords[kind]))
                kind++;
        if (kind == _IDL_MEMBER_MAX)
                return fail_expected(p, "'type', 'method' or 'error'");
        *member = (IdlMember){ .kind = kind, .doc = take_doc(p) };
        int r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        member->position = p->lexer.token.position;
        r = take_name(p, "a name", is_member_name,
                      "it begins with a capital and goes on with letters and digits",
                      &member->name);
        if (r < 0)
                return r;
        if (kind == IDL_MEMBER_TYPE)
                r = parse_type_member(p, member);
        else if (kind == IDL_MEMBER_METHOD)
                r = parse_method(p, member);
        else
                r = parse_parameters(p, &member->type);
        if (r < 0)
                return r;
        take_trailing_doc(p, &member->doc);
        return 0;
}

typedef struct Members {
        IdlMember *items;
        size_t count, capacity;
        Map names;
} Members;

static void members_done(Members *members) {
        free(members->items);
        map_done(&members->names);
}
#define _cleanup_members_ _cleanup_(members_done)

static int parse_members(Parser *p, Idl *idl) {
        _cleanup_members_ Members members = { .names = MAP_INIT };
        IdlMember member = { .name = NULL };

        while (!is_at(p, IDL_TOKEN_END)) {
                int r = parse_member(p, &member);
                if (r < 0)
                        return r;
                if (members.count == IDL_MEMBERS_MAX)
                        return fail_at(p, member.position, "more than %d members", IDL_MEMBERS_MAX);
                if (map_put(&members.names, member.name, (void *)(uintptr_t)member.name))
                        return fail_at(p, member.position, "'%s' is defined twice", member.name);
                GROW(members.items, members.count, members.capacity);
                members.items[members.count++] = member;
        }
        IdlMember *items = arena_new(p->arena, IdlMember, members.count);
        if (members.count > 0)
                memcpy(items, members.items, members.count * sizeof(*items));
        idl->members = items;
        idl->members_count = members.count;
        return 0;
}

static int parse_interface(Parser *p, Idl *idl) {
        int r = idl_lexer_next(&p->lexer);

        if (r < 0)
                return r;
        if (!is_word(p, "interface"))
                return fail_expected(p, "'interface'");
        idl->doc = take_doc(p);
        r = idl_lexer_next(&p->lexer);
        if (r < 0)
                return r;
        r = take_name(p, "an interface name", is_interface_name,
                      "it is two or more words of letters, digits and dashes, joined by dots, as "
                      "in org.example.service",
                      &idl->name);
        if (r < 0)
                return r;
        take_trailing_doc(p, &idl->doc);
        return parse_members(p, idl);
}

int idl_parse(const char *text, size_t size, Arena *arena, const Idl **ret, IdlError *ret_error) {
        Idl *idl = arena_new(arena, Idl, 1);
        Parser parser = { .arena = arena };

        if (size > IDL_TEXT_MAX)
                return idl_fail(ret_error, (IdlPosition){ 1, 1 },
                                "the text is longer than %d bytes", IDL_TEXT_MAX);
        idl_lexer_init(&parser.lexer, text, size, ret_error);
        int r = parse_interface(&parser, idl);
        idl_lexer_done(&parser.lexer);
        if (r < 0)
                return r;
        r = idl_resolve(idl, ret_error);
        if (r < 0)
                return r;
        *ret = idl;
        return 0;
}

const IdlMember *idl_find(const Idl *idl, const char *name) {
        for (size_t i = 0; i < idl->members_count; i++)
                if (strcmp(idl->members[i].name, name) == 0)
                        return &idl->members[i];
        return NULL;
}
