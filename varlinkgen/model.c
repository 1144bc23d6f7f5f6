/* SPDX-License-Identifier: Apache-2.0 */
#include "varlinkgen/model.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "varlink/idl_lexer.h"

/* --- names ------------------------------------------------------------------------------------ */

/* io.podman to IoPodman; a dash separates words as a dot does. */
static const char *camel_name(Arena *arena, const char *interface) {
        char *name = arena_strdup(arena, interface), *out = name;
        bool is_start = true;

        for (const char *p = interface; *p; p++) {
                bool is_separator = *p == '.' || *p == '-';
                if (!is_separator)
                        *out++ = is_start && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
                is_start = is_separator;
        }
        *out = '\0';
        return name;
}

static char swap_case(char c, char first, char last) {
        return c >= first && c <= last ? (char)(c ^ 0x20) : c;
}

static const char *snake_name(Arena *arena, const char *interface, bool is_upper) {
        char *name = arena_strdup(arena, interface);

        for (char *p = name; *p; p++) {
                if (*p == '.' || *p == '-')
                        *p = '_';
                *p = is_upper ? swap_case(*p, 'a', 'z') : swap_case(*p, 'A', 'Z');
        }
        return name;
}

const char *model_spell_field(const Model *model, const char *name) {
        static const char *const taken[] = {
                "present", /* our own member of every struct */
                "alignas",   "alignof",  "asm",           "auto",     "bool",
                "break",     "case",     "char",          "complex",  "const",
                "constexpr", "continue", "default",       "do",       "double",
                "else",      "enum",     "errno",         "extern",   "false",
                "float",     "for",      "goto",          "i386",     "if",
                "imaginary", "inline",   "int",           "linux",    "long",
                "noreturn",  "nullptr",  "register",      "restrict", "return",
                "short",     "signed",   "sizeof",        "static",   "static_assert",
                "struct",    "switch",   "thread_local",  "true",     "typedef",
                "typeof",    "union",    "typeof_unqual", "unix",     "unsigned",
                "void",      "volatile", "while",
        };

        for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
                if (text_equal(name, taken[i]))
                        return arena_printf(model->arena, "%s_", name);
        return name;
}

static int take_name(Model *model, const char *name, IdlPosition position) {
        if (map_put(&model->names, name, model))
                return idl_fail(model->error, position,
                                "the C name '%s' would stand for two things", name);
        return 0;
}

/* --- definitions ------------------------------------------------------------------------------ */

bool model_is_container(const IdlType *type) {
        return type->kind == IDL_ARRAY || type->kind == IDL_MAP || type->kind == IDL_SET;
}

static int add_definitions_within(Model *model, const IdlType *type, const char *key);

static int take_constants(Model *model, const Definition *d) {
        const char *infix = d->type->kind == IDL_STRUCT ? "FIELD_" : "";

        for (size_t i = 0; i < d->type->fields_count; i++) {
                const IdlField *field = &d->type->fields[i];
                int r = take_name(
                        model, arena_printf(model->arena, "%s_%s%s", d->name, infix, field->name),
                        field->position);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_one(Model *model, const char *key, const IdlType *type, IdlPosition position,
                   const char *doc, bool has_table) {
        const Definition d = {
                .name = arena_printf(model->arena, "%s%s", model->camel, key),
                .key = key,
                .doc = doc,
                .type = type,
                .has_table = has_table,
        };

        int r = take_name(model, d.name, position);
        if (r >= 0)
                r = take_constants(model, &d);
        if (r < 0)
                return r;
        GROW(model->definitions, model->definitions_count, model->definitions_capacity);
        model->definitions[model->definitions_count++] = d;
        return 0;
}

static int add_definition(Model *model, const char *key, const IdlType *type, IdlPosition position,
                          const char *doc, bool has_table) {
        int r = add_one(model, key, type, position, doc, has_table);

        return r < 0 ? r : add_definitions_within(model, type, key);
}

/*
 * The element of an array or a map, where C cannot spell it in place.
 * @key:       what a struct or an enum would be called
 * @container: what it is the element of; a container in it is this and "_item"
 */
static int add_element(Model *model, const IdlType *element, const char *key,
                       const char *container) {
        if (element->kind == IDL_STRUCT || element->kind == IDL_ENUM)
                return add_definition(model, key, element, element->position, NULL, false);
        if (!model_is_container(element))
                return 0;
        container = arena_printf(model->arena, "%s_item", container);
        int r = add_one(model, container, element, element->position, NULL, false);
        if (r < 0 || !element->element)
                return r;
        return add_element(model, element->element, key, container);
}

static int add_definitions_within(Model *model, const IdlType *type, const char *key) {
        int r = 0;

        if (type->element)
                return add_element(model, type->element,
                                   arena_printf(model->arena, "%s_element", key), key);
        if (type->kind != IDL_STRUCT)
                return 0;
        for (size_t i = 0; r >= 0 && i < type->fields_count; i++) {
                const IdlField *field = &type->fields[i];
                const char *path = arena_printf(model->arena, "%s_%s", key, field->name);
                if (field->type->kind == IDL_STRUCT || field->type->kind == IDL_ENUM)
                        r = add_definition(model, path, field->type, field->position, NULL, false);
                else if (field->type->element)
                        r = add_element(model, field->type->element, path, path);
        }
        return r;
}

static int add_member(Model *model, const IdlMember *member) {
        const char *name = member->name;
        int r;

        if (member->kind != IDL_MEMBER_METHOD)
                return add_definition(model, name, member->type, member->position, member->doc,
                                      member->kind == IDL_MEMBER_TYPE);
        r = add_definition(model, arena_printf(model->arena, "%sIn", name), member->in,
                           member->position, NULL, false);
        if (r < 0)
                return r;
        return add_definition(model, arena_printf(model->arena, "%sOut", name), member->out,
                              member->position, NULL, false);
}

const Definition *model_find(const Model *model, const IdlType *type) {
        for (size_t i = 0; i < model->definitions_count; i++)
                if (model->definitions[i].type == type)
                        return &model->definitions[i];
        return NULL;
}

const Definition *model_find_member(const Model *model, const IdlMember *member) {
        return model_find(model, member->type);
}

/* --- order ------------------------------------------------------------------------------------ */

static void sort_type(Model *model, const IdlType *type);

/* What must be complete before @type can be: fields by value, and the type behind a name. */
static void sort_contents(Model *model, const IdlType *type) {
        if (type->kind == IDL_STRUCT)
                for (size_t i = 0; i < type->fields_count; i++)
                        if (!type->fields[i].type->is_nullable)
                                sort_type(model, type->fields[i].type);
        if (type->kind == IDL_NAMED)
                sort_type(model, type);
}

static void sort_definition(Model *model, Definition *d) {
        if (d->is_visited)
                return;
        d->is_visited = true;
        sort_contents(model, d->type);
        model->sorted[model->sorted_count++] = d;
}

static void sort_type(Model *model, const IdlType *type) {
        if (type->kind == IDL_NAMED)
                type = type->target->type;
        Definition *d = (Definition *)(uintptr_t)model_find(model, type);
        if (d)
                sort_definition(model, d);
}

/* --- spelling --------------------------------------------------------------------------------- */

static const char *spell_container(const Model *model, const IdlType *type) {
        if (type->kind == IDL_SET)
                return "struct { const char **keys; void *values; size_t count; } ";
        const char *element = model_spell_slot(model, type->element);
        if (type->kind == IDL_MAP)
                return arena_printf(model->arena,
                                    "struct { const char **keys; %s*values; size_t count; } ",
                                    element);
        return arena_printf(model->arena, "struct { %s*items; size_t count; } ", element);
}

static const char *spell_basic(const IdlType *type) {
        static const char *const basic[_IDL_KIND_MAX] = {
                [IDL_BOOL] = "bool ",          [IDL_INT] = "int64_t ",    [IDL_FLOAT] = "double ",
                [IDL_STRING] = "const char *", [IDL_OBJECT] = "json_t *",
        };

        return basic[type->kind];
}

const char *model_spell_value(const Model *model, const IdlType *type) {
        if (type->kind == IDL_NAMED)
                return arena_printf(model->arena, "%s%s ", model->camel, type->name);
        if (spell_basic(type))
                return spell_basic(type);
        const Definition *d = model_find(model, type);
        return d ? arena_printf(model->arena, "%s ", d->name) : spell_container(model, type);
}

const char *model_spell_slot(const Model *model, const IdlType *type) {
        const IdlType *real = idl_type_resolve(type);
        const char *value = model_spell_value(model, type);
        bool has_null = model_is_container(real) || real->kind == IDL_STRING ||
                        real->kind == IDL_OBJECT;

        if (!idl_type_is_nullable(type) || has_null)
                return value;
        return arena_printf(model->arena, "%s*", value);
}

/* --- the whole -------------------------------------------------------------------------------- */

bool model_has_members(const Model *model, IdlMemberKind kind) {
        for (size_t i = 0; i < model->idl->members_count; i++)
                if (model->idl->members[i].kind == kind)
                        return true;
        return false;
}

int model_init(Model *model, const Idl *idl, const char *text, size_t size, const char *input,
               Arena *arena, IdlError *error) {
        size_t stem = strlen(input);

        if (stem > strlen(".varlink") && text_equal(input + stem - strlen(".varlink"), ".varlink"))
                stem -= strlen(".varlink");
        *model = (Model){
                .idl = idl,
                .arena = arena,
                .text = text,
                .text_size = size,
                .input = input,
                .stem = arena_strndup(arena, input, stem),
                .camel = camel_name(arena, idl->name),
                .snake = snake_name(arena, idl->name, false),
                .upper = snake_name(arena, idl->name, true),
                .names = MAP_INIT,
                .error = error,
        };
        for (size_t i = 0; i < idl->members_count; i++) {
                int r = add_member(model, &idl->members[i]);
                if (r < 0)
                        return r;
        }
        model->sorted = arena_new(arena, const Definition *, model->definitions_count);
        for (size_t i = 0; i < model->definitions_count; i++)
                sort_definition(model, &model->definitions[i]);
        return 0;
}

void model_done(Model *model) {
        free(model->definitions);
        map_done(&model->names);
}
