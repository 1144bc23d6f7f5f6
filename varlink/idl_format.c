/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A tree to canonical text. A list in parentheses stands on one line when no comment is inside and
 * it fits; else it is broken, and each of its fields decides anew for itself.
 */

#include "varlink/idl.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define COLUMNS_MAX 80
#define INDENT      2

typedef struct Formatter {
        Buffer *buffer;
        size_t line_start; /* where the current line begins in the buffer */
} Formatter;

static const char *const basic_words[_IDL_KIND_MAX] = {
        [IDL_BOOL] = "bool",     [IDL_INT] = "int",       [IDL_FLOAT] = "float",
        [IDL_STRING] = "string", [IDL_OBJECT] = "object", [IDL_SET] = "[string]()",
};

static void format_type(Formatter *f, const IdlType *type, unsigned indent, size_t reserved);

static void put(Formatter *f, const char *s) {
        buffer_append_string(f->buffer, s);
}

static void new_line(Formatter *f, unsigned indent) {
        buffer_append_byte(f->buffer, '\n');
        f->line_start = f->buffer->size;
        for (unsigned i = 0; i < indent; i++)
                buffer_append_byte(f->buffer, ' ');
}

/* The comment lines, each on a line of its own, and the start of the line after them. */
static void put_doc(Formatter *f, const char *doc, unsigned indent) {
        while (doc) {
                const char *end = strchrnul(doc, '\n');
                if (end == doc) /* an empty line stays empty */
                        f->buffer->size = f->line_start;
                buffer_append(f->buffer, doc, (size_t)(end - doc));
                new_line(f, indent);
                doc = *end ? end + 1 : NULL;
        }
}

static bool has_docs(const IdlType *type) {
        if (type->element)
                return has_docs(type->element);
        for (size_t i = 0; i < type->fields_count; i++)
                if (type->fields[i].doc || (type->fields[i].type && has_docs(type->fields[i].type)))
                        return true;
        return false;
}

static size_t flat_width(const IdlType *type);

/* Columns of a list in parentheses on one line. */
static size_t list_width(const IdlType *type) {
        size_t width = strlen("()");

        for (size_t i = 0; i < type->fields_count; i++) {
                const IdlField *field = &type->fields[i];
                width += strlen(field->name) + (i > 0 ? strlen(", ") : 0);
                if (field->type)
                        width += strlen(": ") + flat_width(field->type);
        }
        return width;
}

static size_t flat_width(const IdlType *type) {
        size_t width = type->is_nullable ? strlen("?") : 0;

        if (basic_words[type->kind])
                return width + strlen(basic_words[type->kind]);
        if (type->kind == IDL_NAMED)
                return width + strlen(type->name);
        if (type->kind == IDL_ARRAY)
                return width + strlen("[]") + flat_width(type->element);
        if (type->kind == IDL_MAP)
                return width + strlen("[string]") + flat_width(type->element);
        return width + list_width(type);
}

static void format_field(Formatter *f, const IdlField *field, unsigned indent, size_t reserved) {
        put(f, field->name);
        if (field->type) {
                put(f, ": ");
                format_type(f, field->type, indent, reserved);
        }
}

/* @reserved: columns that must be left for what follows the list on its last line. */
static void format_list(Formatter *f, const IdlType *type, unsigned indent, size_t reserved) {
        size_t used = f->buffer->size - f->line_start;
        bool is_flat = type->fields_count == 0 ||
                       (!has_docs(type) && used + list_width(type) + reserved <= COLUMNS_MAX);

        put(f, "(");
        for (size_t i = 0; i < type->fields_count; i++) {
                const IdlField *field = &type->fields[i];
                bool is_last = i + 1 == type->fields_count;
                if (is_flat) {
                        format_field(f, field, indent, 0);
                        put(f, is_last ? "" : ", ");
                        continue;
                }
                new_line(f, indent + INDENT);
                put_doc(f, field->doc, indent + INDENT);
                format_field(f, field, indent + INDENT, is_last ? 0 : strlen(","));
                put(f, is_last ? "" : ",");
        }
        if (!is_flat)
                new_line(f, indent);
        put(f, ")");
}

static void format_type(Formatter *f, const IdlType *type, unsigned indent, size_t reserved) {
        if (type->is_nullable)
                put(f, "?");
        if (basic_words[type->kind]) {
                put(f, basic_words[type->kind]);
        } else if (type->kind == IDL_NAMED) {
                put(f, type->name);
        } else if (type->kind == IDL_ARRAY || type->kind == IDL_MAP) {
                put(f, type->kind == IDL_ARRAY ? "[]" : "[string]");
                format_type(f, type->element, indent, reserved);
        } else {
                format_list(f, type, indent, reserved);
        }
}

static void format_member(Formatter *f, const IdlMember *member) {
        put_doc(f, member->doc, 0);
        switch (member->kind) {
        case IDL_MEMBER_TYPE:
                put(f, "type ");
                put(f, member->name);
                put(f, " ");
                format_type(f, member->type, 0, 0);
                break;
        case IDL_MEMBER_METHOD:
                put(f, "method ");
                put(f, member->name);
                format_list(f, member->in, 0, strlen(" -> ("));
                put(f, " -> ");
                format_list(f, member->out, 0, 0);
                break;
        case IDL_MEMBER_ERROR:
                put(f, "error ");
                put(f, member->name);
                put(f, " ");
                format_list(f, member->type, 0, 0);
                break;
        case _IDL_MEMBER_MAX:
                assert(false && "a member of a known kind");
        }
        new_line(f, 0);
}

void idl_format(const Idl *idl, Buffer *buffer) {
        Formatter f = { .buffer = buffer, .line_start = buffer->size };

        put_doc(&f, idl->doc, 0);
        put(&f, "interface ");
        put(&f, idl->name);
        new_line(&f, 0);
        for (size_t i = 0; i < idl->members_count; i++) {
                new_line(&f, 0);
                format_member(&f, &idl->members[i]);
        }
}
