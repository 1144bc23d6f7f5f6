/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What can only be checked once the whole interface is read: every name is that of a type; no name
 * stands for itself; no value is nullable twice; no struct contains itself by value. The last is a
 * walk over "contains by value" edges, which a nullable, an array and a map cut: a struct that is
 * met again while it is still open would have no finite size.
 */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/map.h"
#include "varlink/idl_lexer.h"

typedef enum Mark {
        MARK_NEW,
        MARK_OPEN,
        MARK_DONE,
} Mark;

typedef struct Resolver {
        Idl *idl;
        IdlError *error;
        Map types;           /* name: member */
        unsigned char *mark; /* Mark of each member */
        int *levels;         /* of named types by value in each member, once it is done */
} Resolver;

const IdlType *idl_type_resolve(const IdlType *type) {
        while (type->kind == IDL_NAMED)
                type = type->target->type;
        return type;
}

bool idl_type_is_nullable(const IdlType *type) {
        while (!type->is_nullable && type->kind == IDL_NAMED)
                type = type->target->type;
        return type->is_nullable;
}

/* Calls @visit for @type and every type written inside it. */
static int visit_types(Resolver *r, const IdlType *type,
                       int (*visit)(Resolver *r, const IdlType *type)) {
        int result = visit(r, type);

        if (result >= 0 && type->element)
                result = visit_types(r, type->element, visit);
        for (size_t i = 0; result >= 0 && i < type->fields_count; i++)
                if (type->fields[i].type)
                        result = visit_types(r, type->fields[i].type, visit);
        return result;
}

static int visit_members(Resolver *r, int (*visit)(Resolver *r, const IdlType *type)) {
        int result = 0;

        for (size_t i = 0; result >= 0 && i < r->idl->members_count; i++) {
                const IdlMember *member = &r->idl->members[i];
                const IdlType *const types[] = { member->type, member->in, member->out };
                for (size_t j = 0; result >= 0 && j < ARRAY_SIZE(types); j++)
                        if (types[j])
                                result = visit_types(r, types[j], visit);
        }
        return result;
}

static int bind_name(Resolver *r, const IdlType *type) {
        IdlType *named = (IdlType *)(uintptr_t)type; /* ours until idl_parse() hands the tree out */

        if (type->kind != IDL_NAMED)
                return 0;
        const IdlMember *target = map_get(&r->types, type->name);
        if (!target)
                return idl_fail(r->error, type->position, "there is no type '%s'", type->name);
        if (target->kind != IDL_MEMBER_TYPE)
                return idl_fail(r->error, type->position, "'%s' is %s, not a type", type->name,
                                target->kind == IDL_MEMBER_METHOD ? "a method" : "an error");
        named->target = target;
        return 0;
}

/* type A B, type B A */
static int check_alias(Resolver *r, const IdlMember *member) {
        const IdlType *type = member->type;

        for (unsigned steps = 0; type->kind == IDL_NAMED; type = type->target->type)
                if (steps++ == IDL_CHAIN_MAX)
                        return idl_fail(r->error, member->position,
                                        "type '%s' stands for itself, or for a chain of more than "
                                        "%d names",
                                        member->name, IDL_CHAIN_MAX);
        return 0;
}

static int check_nullable(Resolver *r, const IdlType *type) {
        if (type->kind == IDL_NAMED && type->is_nullable &&
            idl_type_is_nullable(type->target->type))
                return idl_fail(r->error, type->position,
                                "a type cannot be nullable twice, and '%s' is nullable already",
                                type->name);
        return 0;
}

static int check_named_size(Resolver *r, const IdlType *type, int above);

/*
 * @above: named types around this one. Returns how many levels of them it has itself, or -EINVAL.
 */
static int check_size(Resolver *r, const IdlType *type, int above) {
        int most = 0;

        if (type->is_nullable)
                return 0;
        if (type->kind == IDL_NAMED)
                return check_named_size(r, type, above);
        if (type->kind == IDL_STRUCT)
                for (size_t i = 0; i < type->fields_count; i++) {
                        int levels = check_size(r, type->fields[i].type, above);
                        if (levels < 0)
                                return levels;
                        most = levels > most ? levels : most;
                }
        return most;
}

static int check_named_size(Resolver *r, const IdlType *type, int above) {
        size_t index = (size_t)(type->target - r->idl->members);
        int levels = 0;

        if (r->mark[index] == MARK_OPEN)
                return idl_fail(r->error, type->position,
                                "type '%s' would contain itself without end: put '?' or '[]' "
                                "before one of its uses",
                                type->name);
        if (r->mark[index] == MARK_DONE)
                levels = r->levels[index];
        if (above + (levels ? levels : 1) > IDL_CHAIN_MAX)
                return idl_fail(r->error, type->position,
                                "more than %d named types contain each other", IDL_CHAIN_MAX);
        if (r->mark[index] == MARK_NEW) {
                r->mark[index] = MARK_OPEN;
                levels = check_size(r, type->target->type, above + 1);
                if (levels < 0)
                        return levels;
                r->levels[index] = ++levels;
                r->mark[index] = MARK_DONE;
        }
        return levels;
}

static int check_all(Resolver *r) {
        int result = visit_members(r, bind_name);

        for (size_t i = 0; result >= 0 && i < r->idl->members_count; i++)
                if (r->idl->members[i].kind == IDL_MEMBER_TYPE)
                        result = check_alias(r, &r->idl->members[i]);
        if (result >= 0)
                result = visit_members(r, check_nullable);
        for (size_t i = 0; result >= 0 && i < r->idl->members_count; i++) {
                const IdlMember *member = &r->idl->members[i];
                IdlType self = { .kind = IDL_NAMED, .name = member->name, .target = member };
                if (member->kind == IDL_MEMBER_TYPE)
                        result = check_size(r, &self, 0);
        }
        return result;
}

int idl_resolve(Idl *idl, IdlError *error) {
        Resolver r = { .idl = idl, .error = error, .types = MAP_INIT };

        r.mark = xnew(unsigned char, idl->members_count + 1);
        r.levels = xnew(int, idl->members_count + 1);
        for (size_t i = 0; i < idl->members_count; i++)
                map_put(&r.types, idl->members[i].name, (void *)(uintptr_t)&idl->members[i]);
        int result = check_all(&r);
        map_done(&r.types);
        free(r.mark);
        free(r.levels);
        return result < 0 ? result : 0;
}
