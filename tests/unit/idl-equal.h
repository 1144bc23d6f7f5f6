/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether two interface trees say the same, with or without their comments. */

#include <string.h>

#include "base/text.h"
#include "varlink/idl.h"

static inline bool idl_docs_are_equal(const char *a, const char *b, bool with_docs) {
        if (!with_docs)
                return true;
        return a && b ? text_equal(a, b) : a == b;
}

static inline bool idl_types_are_equal(const IdlType *a, const IdlType *b, bool with_docs) {
        if (!a || !b)
                return a == b;
        if (a->kind != b->kind || a->is_nullable != b->is_nullable ||
            a->fields_count != b->fields_count)
                return false;
        if (a->kind == IDL_NAMED)
                return text_equal(a->name, b->name);
        for (size_t i = 0; i < a->fields_count; i++)
                if (!text_equal(a->fields[i].name, b->fields[i].name) ||
                    !idl_docs_are_equal(a->fields[i].doc, b->fields[i].doc, with_docs) ||
                    !idl_types_are_equal(a->fields[i].type, b->fields[i].type, with_docs))
                        return false;
        return idl_types_are_equal(a->element, b->element, with_docs);
}

/* The first member in which they differ, or NULL; a difference elsewhere is "the interface". */
static inline const char *idl_difference(const Idl *a, const Idl *b, bool with_docs) {
        if (!text_equal(a->name, b->name) || a->members_count != b->members_count ||
            !idl_docs_are_equal(a->doc, b->doc, with_docs))
                return "the interface";
        for (size_t i = 0; i < a->members_count; i++) {
                const IdlMember *x = &a->members[i], *y = &b->members[i];
                if (x->kind != y->kind || !text_equal(x->name, y->name) ||
                    !idl_docs_are_equal(x->doc, y->doc, with_docs) ||
                    !idl_types_are_equal(x->type, y->type, with_docs) ||
                    !idl_types_are_equal(x->in, y->in, with_docs) ||
                    !idl_types_are_equal(x->out, y->out, with_docs))
                        return x->name;
        }
        return NULL;
}
