/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An interface as C sees it: which C types there are, what they are called, and in which order they
 * must be defined. All writers of output work from this.
 *
 * A C type stands for the value of a type that is not null; whether a place holds the value or a
 * pointer to it is the matter of that place. Types that the text leaves without a name (a struct in
 * a field, an array of arrays) are called after the way to them: IoPodmanCreate_resources.
 */

#include "base/map.h"
#include "varlink/idl.h"

typedef struct Definition {
        const char *name;    /* of the C type: IoPodmanCreate */
        const char *key;     /* without the interface: Create, PingIn, Create_resources */
        const char *doc;     /* as in IdlMember, or NULL */
        const IdlType *type; /* what it stands for */
        bool has_table;      /* exported under its name: the types of the interface */
        bool is_visited;     /* while sorting */
} Definition;

typedef struct Model {
        const Idl *idl;
        Arena *arena;
        const char *text; /* of the interface, @text_size bytes */
        size_t text_size;
        const char *input; /* file name of the text, without its folder */
        const char *stem;  /* the same without .varlink */
        const char *camel; /* IoPodman */
        const char *snake; /* io_podman */
        const char *upper; /* IO_PODMAN */
        Definition *definitions;
        size_t definitions_count, definitions_capacity;
        const Definition **sorted; /* each after those that it contains by value */
        size_t sorted_count;
        Map names; /* every C name that was given out */
        IdlError *error;
} Model;

/**
 * model_init() - name and order everything
 * @text:  what @idl was parsed from
 * @input: file name of the text, without its folder
 * @error: written on -EINVAL: two things would get the same C name
 */
int model_init(Model *model, const Idl *idl, const char *text, size_t size, const char *input,
               Arena *arena, IdlError *error);
void model_done(Model *model);

/** model_find() - the definition made for exactly this type, or NULL */
const Definition *model_find(const Model *model, const IdlType *type);

/** model_find_member() - the definition of a named type */
const Definition *model_find_member(const Model *model, const IdlMember *member);

/** model_spell_value() - C type of a value that is not null, ready to be followed by a name */
const char *model_spell_value(const Model *model, const IdlType *type);

/**
 * model_spell_slot() - C type of a place that holds a value or null, ready to be followed by a name
 */
const char *model_spell_slot(const Model *model, const IdlType *type);

/** model_spell_field() - the IDL's spelling, with `_` after what means something else to C */
const char *model_spell_field(const Model *model, const char *name);

/** model_has_members() - whether the interface has members of that kind */
bool model_has_members(const Model *model, IdlMemberKind kind);

/** model_is_container() - an array, a map or a set */
bool model_is_container(const IdlType *type);
