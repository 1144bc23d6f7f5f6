/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tables. Each different type gets one, called after its shape (type_array_of_string), so that
 * what is the same is there once. All are declared before the first is defined: types may refer to
 * each other in circles.
 */

#include <string.h>

#include "varlinkgen/output.h"

#define TAB "        "

typedef struct Tables {
        const Model *model;
        Buffer declarations, definitions;
        Map done; /* by name */
} Tables;

static void need_table(Tables *t, const IdlType *type);

/* "array_of_string", "nullable_Create", "Create_resources" */
static const char *shape_name(const Model *model, const IdlType *type) {
        static const char *const basic[_IDL_KIND_MAX] = {
                [IDL_BOOL] = "bool",     [IDL_INT] = "int",       [IDL_FLOAT] = "float",
                [IDL_STRING] = "string", [IDL_OBJECT] = "object", [IDL_SET] = "set",
        };
        const char *nullable = type->is_nullable ? "nullable_" : "";
        const char *name;

        if (basic[type->kind])
                name = basic[type->kind];
        else if (type->kind == IDL_NAMED)
                name = type->name;
        else if (type->kind == IDL_ARRAY)
                name = arena_printf(model->arena, "array_of_%s", shape_name(model, type->element));
        else if (type->kind == IDL_MAP)
                name = arena_printf(model->arena, "map_of_%s", shape_name(model, type->element));
        else
                name = model_find(model, type)->key;
        return arena_printf(model->arena, "%s%s", nullable, name);
}

static const char *table_name(const Model *model, const IdlType *type) {
        if (type->kind == IDL_NAMED && !type->is_nullable)
                return arena_printf(model->arena, "%s_type_%s", model->snake, type->name);
        return arena_printf(model->arena, "type_%s", shape_name(model, type));
}

/* The list of fields or values of a struct or an enum, which a nullable one shares. */
static const char *list_name(const Model *model, const IdlType *type) {
        return arena_printf(model->arena, "%s_%s", type->kind == IDL_ENUM ? "values" : "fields",
                            model_find(model, type)->key);
}

static void put_values(Tables *t, const IdlType *type) {
        buffer_printf(&t->definitions, "static const char *const %s[] = {\n",
                      list_name(t->model, type));
        for (size_t i = 0; i < type->fields_count; i++)
                buffer_printf(&t->definitions, TAB "\"%s\",\n", type->fields[i].name);
        buffer_append_string(&t->definitions, "};\n");
}

static void put_fields(Tables *t, const IdlType *type) {
        const Model *model = t->model;

        for (size_t i = 0; i < type->fields_count; i++)
                need_table(t, type->fields[i].type);
        buffer_printf(&t->definitions, "static const VlField %s[] = {\n", list_name(model, type));
        for (size_t i = 0; i < type->fields_count; i++) {
                const IdlField *field = &type->fields[i];
                buffer_printf(&t->definitions, TAB "{ \"%s\", &%s, offsetof(%s, %s) },\n",
                              field->name, table_name(model, field->type),
                              model_find(model, type)->name, model_spell_field(model, field->name));
        }
        buffer_append_string(&t->definitions, "};\n");
}

/* Fields and values are static: a nullable variant uses those of the plain type. */
static void need_list(Tables *t, const IdlType *type) {
        static char is_begun, is_done; /* what the map holds: their addresses */
        const char *name;

        if ((type->kind != IDL_STRUCT && type->kind != IDL_ENUM) || type->fields_count == 0)
                return;
        name = list_name(t->model, type);
        void *state = map_get(&t->done, name);
        if (state == &is_begun) /* a circle: used before its definition is complete */
                buffer_printf(&t->declarations, "static const VlField %s[%zu];\n", name,
                              type->fields_count);
        if (state)
                return;
        map_put(&t->done, name, &is_begun);
        if (type->kind == IDL_ENUM)
                put_values(t, type);
        else
                put_fields(t, type);
        map_put(&t->done, name, &is_done);
}

static const char *kind_name(IdlKind kind) {
        static const char *const names[_IDL_KIND_MAX] = {
                [IDL_BOOL] = "VL_BOOL",     [IDL_INT] = "VL_INT",       [IDL_FLOAT] = "VL_FLOAT",
                [IDL_STRING] = "VL_STRING", [IDL_OBJECT] = "VL_OBJECT", [IDL_ENUM] = "VL_ENUM",
                [IDL_STRUCT] = "VL_STRUCT", [IDL_ARRAY] = "VL_ARRAY",   [IDL_MAP] = "VL_MAP",
                [IDL_SET] = "VL_MAP",
        };

        return names[kind];
}

static const char *size_name(const Model *model, const IdlType *type) {
        if (type->kind == IDL_ARRAY)
                return "VlArray";
        if (type->kind == IDL_MAP || type->kind == IDL_SET)
                return "VlMap";
        const char *spelling = model_spell_value(model, type);
        size_t n = strlen(spelling);
        return spelling[n - 1] == ' ' ? arena_strndup(model->arena, spelling, n - 1) : spelling;
}

/* @type is resolved; @is_nullable may come from the name that led to it. */
static void put_table(Tables *t, const char *scope, const char *name, const IdlType *type,
                      bool is_nullable) {
        const Model *model = t->model;
        Buffer *out = &t->definitions;

        need_list(t, type);
        if (type->element)
                need_table(t, type->element);
        buffer_printf(out, "%sconst VlType %s = {\n", scope, name);
        buffer_printf(out, TAB ".kind = %s,\n", kind_name(type->kind));
        if (is_nullable)
                buffer_append_string(out, TAB ".is_nullable = true,\n");
        buffer_printf(out, TAB ".size = sizeof(%s),\n", size_name(model, type));
        if (type->element)
                buffer_printf(out, TAB ".element = &%s,\n", table_name(model, type->element));
        if (type->fields_count > 0) {
                const char *word = type->kind == IDL_ENUM ? "values" : "fields";
                buffer_printf(out, TAB ".%s = %s,\n", word, list_name(model, type));
                buffer_printf(out, TAB ".%s_count = %zu,\n", word, type->fields_count);
        }
        buffer_append_string(out, "};\n\n");
}

/* Makes the table of @type, and those it refers to, unless it is there. */
static void need_table(Tables *t, const IdlType *type) {
        const char *name = table_name(t->model, type);

        if ((type->kind == IDL_NAMED && !type->is_nullable) || map_put(&t->done, name, t))
                return; /* exported ones are made on their own */
        buffer_printf(&t->declarations, "static const VlType %s;\n", name);
        put_table(t, "static ", name, idl_type_resolve(type), type->is_nullable);
}

static void put_member_tables(Tables *t, const IdlMember *member) {
        if (member->kind == IDL_MEMBER_TYPE) {
                const char *name =
                        arena_printf(t->model->arena, "%s_type_%s", t->model->snake, member->name);
                put_table(t, "", name, idl_type_resolve(member->type),
                          idl_type_is_nullable(member->type));
        } else if (member->kind == IDL_MEMBER_METHOD) {
                need_table(t, member->in);
                need_table(t, member->out);
        } else {
                need_table(t, member->type);
        }
}

/* --- the interface ---------------------------------------------------------------------------- */

/* The text, one line of C for each of its lines. */
static void put_string(const char *text, size_t size, Buffer *out) {
        buffer_append_string(out, TAB "\"");
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)text[i];
                if (c == '\n')
                        buffer_append_string(out, i + 1 < size ? "\\n\"\n" TAB "\"" : "\\n");
                else if (c == '"' || c == '\\')
                        buffer_printf(out, "\\%c", c);
                else if (c < 0x20 || c >= 0x7f)
                        buffer_printf(out, "\\%03o", c);
                else
                        buffer_append_byte(out, (char)c);
        }
        buffer_append_string(out, "\"");
}

static void put_methods(const Model *model, Buffer *out) {
        const Idl *idl = model->idl;

        buffer_append_string(out, "static const VlMethod methods[] = {\n");
        for (size_t i = 0; i < idl->members_count; i++) {
                const IdlMember *m = &idl->members[i];
                if (m->kind == IDL_MEMBER_METHOD)
                        buffer_printf(out,
                                      TAB "{ \"%s\", &type_%sIn, &type_%sOut, "
                                          "offsetof(%sHandlers, %s) },\n",
                                      m->name, m->name, m->name, model->camel, m->name);
        }
        buffer_append_string(out, "};\n\n");
}

static void put_errors(const Model *model, Buffer *out) {
        const Idl *idl = model->idl;

        buffer_append_string(out, "static const VlErrorInfo errors[] = {\n");
        for (size_t i = 0; i < idl->members_count; i++) {
                const IdlMember *m = &idl->members[i];
                if (m->kind == IDL_MEMBER_ERROR)
                        buffer_printf(out, TAB "{ \"%s\", \"%s.%s\", &type_%s },\n", m->name,
                                      idl->name, m->name, m->name);
        }
        buffer_append_string(out, "};\n\n");
}

static void put_interface(const Model *model, Buffer *out) {
        bool has_methods = model_has_members(model, IDL_MEMBER_METHOD);
        bool has_errors = model_has_members(model, IDL_MEMBER_ERROR);

        if (has_methods)
                put_methods(model, out);
        if (has_errors)
                put_errors(model, out);
        buffer_append_string(out, "static const char description[] =\n");
        put_string(model->text, model->text_size, out);
        buffer_printf(out, ";\n\nconst VlInterface %s_interface = {\n", model->snake);
        buffer_printf(out, TAB ".name = \"%s\",\n", model->idl->name);
        buffer_append_string(out, TAB ".description = description,\n");
        if (has_methods)
                buffer_printf(out,
                              TAB ".methods = methods,\n" TAB ".methods_count = _%s_METHOD_MAX,\n",
                              model->upper);
        if (has_errors)
                buffer_printf(out, TAB ".errors = errors,\n" TAB ".errors_count = _%s_ERROR_MAX,\n",
                              model->upper);
        buffer_append_string(out, "};\n");
}

void output_source(const Model *model, Buffer *out) {
        Tables tables = { .model = model, .done = MAP_INIT };

        output_first_line(model, out);
        buffer_printf(out, "#include \"%s.h\"\n\n", model->stem);
        for (size_t i = 0; i < model->idl->members_count; i++)
                put_member_tables(&tables, &model->idl->members[i]);
        out->failed |= buffer_failed(&tables.declarations) || buffer_failed(&tables.definitions);
        buffer_append(out, tables.declarations.data, tables.declarations.size);
        if (tables.declarations.size > 0)
                buffer_append_byte(out, '\n');
        buffer_append(out, tables.definitions.data, tables.definitions.size);
        put_interface(model, out);
        buffer_done(&tables.declarations);
        buffer_done(&tables.definitions);
        map_done(&tables.done);
}
