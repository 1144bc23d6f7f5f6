/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An interface as data: what varlinkgen writes and the codec, the server and the client walk.
 *
 * C shape of each IDL type, and of a nullable one (`?T`):
 *   bool    bool            bool *          NULL is null
 *   int     int64_t         int64_t *
 *   float   double          double *
 *   string  const char *    const char *    not nullable: never NULL; UTF-8 without NUL bytes
 *   object  json_t *        json_t *        also spelt `any`; not nullable: never NULL
 *   enum    enum (int)      int *           constants count from 0 in the order of the IDL
 *   struct  embedded        pointer
 *   array   VlArray         VlArray         nullable: items == NULL is null; empty ones are not
 *   map     VlMap           VlMap           nullable: keys == NULL is null; a set has no values
 * The generator spells arrays and maps as anonymous structs with typed pointers of the same layout.
 *
 * A struct begins with `uint64_t present[N]`, one bit for each field in the order of the IDL, set
 * by the decoder when the member was there and not null (VL_HAS). The encoder ignores it. N is at
 * least 1, so a struct without fields is no special case.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum VlKind {
        VL_BOOL,
        VL_INT,
        VL_FLOAT,
        VL_STRING,
        VL_OBJECT,
        VL_ENUM,
        VL_STRUCT,
        VL_ARRAY,
        VL_MAP,
        _VL_KIND_MAX,
} VlKind;

/* These two look at structs of the generator, whose pointers have other types. */
typedef struct __attribute__((may_alias)) VlArray {
        void *items;
        size_t count;
} VlArray;

typedef struct __attribute__((may_alias)) VlMap {
        const char **keys;
        void *values; /* NULL for a set, [string]() */
        size_t count;
} VlMap;

typedef struct VlType VlType;

typedef struct VlField {
        const char *name;
        const VlType *type;
        size_t offset; /* in the struct */
} VlField;

struct VlType {
        VlKind kind;
        bool is_nullable;
        size_t size; /* bytes one value takes in C, not nullable: array stride, struct size */
        const VlType *element; /* array, map; NULL for a set */
        const VlField *fields; /* struct, in the order of the IDL */
        size_t fields_count;
        const char *const *values; /* enum, in the order of the IDL */
        size_t values_count;
};

/** vl_type_is_pointer() - whether a value is kept as a pointer to itself; NULL is null */
static inline bool vl_type_is_pointer(const VlType *type) {
        return type->is_nullable && type->kind != VL_STRING && type->kind != VL_OBJECT &&
               type->kind != VL_ARRAY && type->kind != VL_MAP;
}

/** vl_type_slot_size() - bytes a value takes in a struct or as an element of an array or a map */
static inline size_t vl_type_slot_size(const VlType *type) {
        return vl_type_is_pointer(type) ? sizeof(void *) : type->size;
}

typedef struct VlMethod {
        const char *name;      /* bare: "Ping" */
        const VlType *in;      /* always a struct, maybe without fields */
        const VlType *out;     /* same */
        size_t handler_offset; /* in the interface's struct of handlers; all handlers: VlHandler */
} VlMethod;

typedef struct VlErrorInfo {
        const char *name;      /* bare: "ImageNotFound" */
        const char *qualified; /* "io.podman.ImageNotFound" */
        const VlType *type;    /* always a struct, maybe without fields */
} VlErrorInfo;

typedef struct VlInterface {
        const char *name;        /* "io.podman" */
        const char *description; /* the IDL text, verbatim */
        const VlMethod *methods;
        size_t methods_count;
        const VlErrorInfo *errors;
        size_t errors_count;
} VlInterface;

#define VL_HAS_BIT(present, index) (((present)[(index) / 64] >> ((index) % 64)) & 1)

/** VL_HAS() - whether a decoded struct had the member; @prefix is the struct's C type name */
#define VL_HAS(object, prefix, field) VL_HAS_BIT((object)->present, prefix##_FIELD_##field)
