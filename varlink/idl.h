/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The interface definition language: text to tree and back.
 *
 * A parsed interface lives in an arena and is read-only. Names are resolved and checked while
 * parsing, so whoever holds a tree can rely on it: every named type exists, every struct has a
 * finite size, no name stands twice where it must be unique. A refused text gets one sentence with
 * line and column.
 *
 * Comments are kept as the doc of what follows them, or of what stands before them on the same
 * line. Only those in front of a `)` and at the end of the text, which belong to nothing, are
 * dropped.
 */

#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"

/* Limits of a text, which may come from any service. */
#define IDL_TEXT_MAX    (1024 * 1024) /* bytes */
#define IDL_NAME_MAX    128           /* bytes of one name */
#define IDL_MEMBERS_MAX 2048          /* types, methods and errors of an interface */
#define IDL_FIELDS_MAX  1024          /* fields of one struct, values of one enum */
#define IDL_DEPTH_MAX   32            /* types within types */
#define IDL_CHAIN_MAX   128 /* named types that contain each other by value, names of names */
#define IDL_ERROR_MAX   512 /* bytes of an error's sentence */

typedef struct IdlPosition {
        unsigned line, column; /* from 1; columns count characters */
} IdlPosition;

typedef struct IdlError {
        IdlPosition position;
        char text[IDL_ERROR_MAX]; /* one sentence, no full stop */
} IdlError;

typedef enum IdlKind {
        IDL_BOOL,
        IDL_INT,
        IDL_FLOAT,
        IDL_STRING,
        IDL_OBJECT, /* also spelt `any` */
        IDL_ENUM,
        IDL_STRUCT,
        IDL_ARRAY,
        IDL_MAP, /* [string]T */
        IDL_SET, /* [string]() */
        IDL_NAMED,
        _IDL_KIND_MAX,
} IdlKind;

typedef struct IdlType IdlType;
typedef struct IdlMember IdlMember;

typedef struct IdlField {
        const char *name;
        const char *doc;
        const IdlType *type; /* NULL for the value of an enum */
        IdlPosition position;
} IdlField;

struct IdlType {
        IdlKind kind;
        bool is_nullable;
        IdlPosition position;
        const IdlType *element; /* array, map */
        const IdlField *fields; /* struct: fields; enum: values */
        size_t fields_count;
        const char *name;        /* named */
        const IdlMember *target; /* named: the type member */
};

typedef enum IdlMemberKind {
        IDL_MEMBER_TYPE,
        IDL_MEMBER_METHOD,
        IDL_MEMBER_ERROR,
        _IDL_MEMBER_MAX,
} IdlMemberKind;

struct IdlMember {
        IdlMemberKind kind;
        const char *name;
        const char *doc;
        IdlPosition position;
        const IdlType *type; /* type: any; error: its parameters, a struct */
        const IdlType *in;   /* method: a struct */
        const IdlType *out;  /* method: a struct */
};

/*
 * A doc holds the lines of its comments as written, `#` included, joined by newlines; an empty line
 * stands for empty lines between comments, or after the last one. NULL when there is no comment.
 */
typedef struct Idl {
        const char *name;
        const char *doc;
        const IdlMember *members; /* in the order of the text */
        size_t members_count;
} Idl;

/**
 * idl_parse() - read an interface
 * @text:      @size bytes; not kept
 * @arena:     owns the tree
 * @ret_error: written on -EINVAL
 *
 * Returns 0 or -EINVAL. Cost: linear in the text. Source: varlink.org, Interface Definition.
 */
int idl_parse(const char *text, size_t size, Arena *arena, const Idl **ret, IdlError *ret_error);

/** idl_find() - the member of that name, or NULL */
const IdlMember *idl_find(const Idl *idl, const char *name);

/**
 * idl_type_resolve() - follow names to the type behind them; its is_nullable may differ from
 * @type's
 */
const IdlType *idl_type_resolve(const IdlType *type);

/** idl_type_is_nullable() - whether null is a value of it, by itself or through a name */
bool idl_type_is_nullable(const IdlType *type);

/**
 * idl_format() - append the canonical text
 *
 * What has no comments inside and fits into 80 columns stands on one line, everything else has one
 * field on each. Formatting what was formatted changes nothing.
 */
void idl_format(const Idl *idl, Buffer *buffer);
