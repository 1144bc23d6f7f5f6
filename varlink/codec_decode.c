/* SPDX-License-Identifier: Apache-2.0 */

/*
 * JSON to typed structs.
 *
 * One recursive walk over the type table and the value side by side. Strings and objects are not
 * copied: they point into the JSON document. Where the walk is, is a chain of steps on the C stack,
 * which costs nothing until a member is refused and the chain is written out as its path.
 *
 * The input is hostile: it decides how deep the walk goes (CODEC_DEPTH_MAX) and how much memory the
 * result takes (the arena's limit; `[{},{},...]` becomes far larger than its text).
 */

#include "varlink/codec.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

typedef struct Step Step;
struct Step {
        const Step *up;     /* NULL: the top object */
        const char *member; /* a struct's field, or NULL */
        const char *key;    /* a map's key, or NULL */
        size_t index;       /* an array's element */
};

typedef struct Decoder {
        unsigned flags;
        Arena *arena;
        json_t *empty; /* the {} of missing objects; made when first needed */
        char *path;
} Decoder;

static int decode_value(Decoder *d, const VlType *type, json_t *value, void *slot, const Step *step,
                        unsigned depth);

/* --- paths ------------------------------------------------------------------------------------ */

typedef struct PathWriter {
        char *path;
        size_t used;
        bool is_full;
} PathWriter;

/* Adds whole UTF-8 sequences only; the first that does not fit ends the path. */
static void path_append(PathWriter *w, const char *s, size_t size) {
        if (w->is_full)
                return;
        size_t fits = CODEC_PATH_MAX - 1 - w->used;
        if (size > fits) {
                size = fits;
                while (size > 0 && ((unsigned char)s[size] & 0xc0) == 0x80)
                        size--;
                w->is_full = true;
        }
        memcpy(w->path + w->used, s, size);
        w->used += size;
        w->path[w->used] = '\0';
}

static void path_append_key(PathWriter *w, const char *key) {
        path_append(w, "[\"", 2);
        for (const char *p = key; *p && !w->is_full;) {
                size_t plain = strcspn(p, "\"\\");
                path_append(w, p, plain);
                p += plain;
                if (*p) {
                        char escaped[2] = { '\\', *p++ };
                        path_append(w, escaped, 2);
                }
        }
        path_append(w, "\"]", 2);
}

static void path_append_index(PathWriter *w, size_t index) {
        char text[24], *p = text + sizeof(text);

        *--p = ']';
        do
                *--p = (char)('0' + index % 10);
        while (index /= 10);
        *--p = '[';
        path_append(w, p, (size_t)(text + sizeof(text) - p));
}

static int refuse(Decoder *d, const Step *step, int error) {
        const Step *steps[CODEC_DEPTH_MAX + 2];
        PathWriter w = { .path = d->path };
        size_t n = 0;

        for (; step && n < ARRAY_SIZE(steps); step = step->up)
                steps[n++] = step;
        d->path[0] = '\0';
        while (n-- > 0) {
                const Step *s = steps[n];
                if (s->member) {
                        if (w.used > 0)
                                path_append(&w, ".", 1);
                        path_append(&w, s->member, strlen(s->member));
                } else if (s->key) {
                        path_append_key(&w, s->key);
                } else {
                        path_append_index(&w, s->index);
                }
        }
        if (w.used == 0)
                path_append(&w, "parameters", strlen("parameters"));
        return error;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* NULL when there is no room; then *ret_error says why. */
static void *take_memory(Decoder *d, size_t count, size_t size, int *ret_error) {
        size_t bytes;

        if (__builtin_mul_overflow(count, size, &bytes)) {
                *ret_error = -E2BIG;
                return NULL;
        }
        void *p = arena_try_alloc(d->arena, bytes);
        if (!p) {
                size_t limit = d->arena->limit;
                bool is_over = limit != 0 && (bytes > limit || d->arena->used > limit - bytes);
                *ret_error = is_over ? -E2BIG : -ENOMEM;
        }
        return p;
}

static void release_object(void *object) {
        json_decref(object);
}

static json_t *take_empty_object(Decoder *d) {
        if (!d->empty) {
                d->empty = json_object();
                if (d->empty)
                        arena_add_destructor(d->arena, release_object, d->empty);
        }
        return d->empty;
}

/* --- values ----------------------------------------------------------------------------------- */

/* What a value that is not there becomes. @slot is zeroed, which is right for most kinds. */
static int decode_missing(Decoder *d, const VlType *type, void *slot) {
        int r;

        if (type->is_nullable)
                return 0;
        if (type->kind == VL_STRING) {
                *(const char **)slot = "";
        } else if (type->kind == VL_OBJECT) {
                json_t *empty = take_empty_object(d);
                if (!empty)
                        return -ENOMEM;
                *(json_t **)slot = empty;
        } else if (type->kind == VL_STRUCT) {
                for (size_t i = 0; i < type->fields_count; i++) {
                        const VlField *field = &type->fields[i];
                        r = decode_missing(d, field->type, (char *)slot + field->offset);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int decode_string(const json_t *value, const char **ret) {
        if (!json_is_string(value))
                return -EINVAL;
        const char *s = json_string_value(value);
        if (memchr(s, '\0', json_string_length(value)))
                return -EINVAL;
        *ret = s;
        return 0;
}

static int decode_bool(const Decoder *d, const json_t *value, bool *ret) {
        const char *word;

        if (json_is_boolean(value)) {
                *ret = json_is_true(value);
                return 0;
        }
        if (!(d->flags & CODEC_LENIENT_BOOL) || decode_string(value, &word) < 0)
                return -EINVAL;
        *ret = strcmp(word, "true") == 0;
        return *ret || strcmp(word, "false") == 0 ? 0 : -EINVAL;
}

static int decode_int(const Decoder *d, const json_t *value, int64_t *ret) {
        if (json_is_integer(value)) {
                *ret = json_integer_value(value);
                return 0;
        }
        if ((d->flags & CODEC_INTS_AS_REALS) && json_is_real(value)) {
                double real = json_real_value(value);
                bool is_exact = real > -CODEC_REAL_EXACT_MAX && real < CODEC_REAL_EXACT_MAX;
                if (is_exact && (double)(int64_t)real == real) {
                        *ret = (int64_t)real;
                        return 0;
                }
        }
        return -EINVAL;
}

static int decode_enum(const VlType *type, const json_t *value, int *ret) {
        const char *word;

        if (decode_string(value, &word) < 0)
                return -EINVAL;
        for (size_t i = 0; i < type->values_count; i++)
                if (strcmp(type->values[i], word) == 0) {
                        *ret = (int)i;
                        return 0;
                }
        return -EINVAL;
}

/* Whether @value nests deeper than @depth_max more levels. */
static bool is_too_deep(json_t *value, unsigned depth_max) {
        const char *key;
        json_t *element;
        size_t i;

        if (!json_is_object(value) && !json_is_array(value))
                return false;
        if (depth_max == 0)
                return true;
        if (json_is_array(value)) {
                json_array_foreach(value, i,
                                   element) if (is_too_deep(element, depth_max - 1)) return true;
        } else {
                json_object_foreach(value, key,
                                    element) if (is_too_deep(element, depth_max - 1)) return true;
        }
        return false;
}

static int decode_struct(Decoder *d, const VlType *type, json_t *object, void *out,
                         const Step *step, unsigned depth) {
        uint64_t *present = out;
        bool is_empty = json_object_size(object) == 0;
        int r;

        for (size_t i = 0; i < type->fields_count; i++) {
                const VlField *field = &type->fields[i];
                void *slot = (char *)out + field->offset;
                json_t *value = is_empty ? NULL : json_object_get(object, field->name);
                Step member = { .up = step, .member = field->name };

                r = decode_value(d, field->type, value, slot, &member, depth);
                if (r < 0)
                        return r;
                if (value && !json_is_null(value))
                        present[i / 64] |= UINT64_C(1) << (i % 64);
        }
        return 0;
}

static int decode_array(Decoder *d, const VlType *type, json_t *list, VlArray *out,
                        const Step *step, unsigned depth) {
        size_t count = json_array_size(list), stride = vl_type_slot_size(type->element);
        int r = 0;

        char *items = take_memory(d, count, stride, &r);
        if (!items)
                return refuse(d, step, r);
        for (size_t i = 0; i < count; i++) {
                Step element = { .up = step, .index = i };
                r = decode_value(d, type->element, json_array_get(list, i), items + i * stride,
                                 &element, depth);
                if (r < 0)
                        return r;
        }
        *out = (VlArray){ .items = items, .count = count };
        return 0;
}

static int decode_map_value(Decoder *d, const VlType *type, json_t *value, char *slot,
                            const Step *step, unsigned depth) {
        if (!type) /* a set: {"key": {}} */
                return json_is_object(value) || json_is_null(value) ? 0 : refuse(d, step, -EINVAL);
        return decode_value(d, type, value, slot, step, depth);
}

static int decode_map(Decoder *d, const VlType *type, json_t *object, VlMap *out, const Step *step,
                      unsigned depth) {
        size_t count = json_object_size(object), i = 0;
        size_t stride = type->element ? vl_type_slot_size(type->element) : 0;
        char *values = NULL;
        int r = 0;

        const char **keys = take_memory(d, count, sizeof(*keys), &r);
        if (!keys)
                return refuse(d, step, r);
        if (type->element) {
                values = take_memory(d, count, stride, &r);
                if (!values)
                        return refuse(d, step, r);
        }
        for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it), i++) {
                keys[i] = json_object_iter_key(it);
                Step entry = { .up = step, .key = keys[i] };
                if (strlen(keys[i]) != json_object_iter_key_len(it))
                        return refuse(d, &entry, -EINVAL);
                r = decode_map_value(d, type->element, json_object_iter_value(it),
                                     values ? values + i * stride : NULL, &entry, depth);
                if (r < 0)
                        return r;
        }
        *out = (VlMap){ .keys = keys, .values = values, .count = count };
        return 0;
}

/* Arrays, maps and structs: what goes one level down. */
static int decode_nested(Decoder *d, const VlType *type, json_t *value, void *slot,
                         const Step *step, unsigned depth) {
        bool is_array = type->kind == VL_ARRAY;

        if (depth >= CODEC_DEPTH_MAX || (is_array ? !json_is_array(value) : !json_is_object(value)))
                return refuse(d, step, -EINVAL);
        if (is_array)
                return decode_array(d, type, value, slot, step, depth + 1);
        if (type->kind == VL_MAP)
                return decode_map(d, type, value, slot, step, depth + 1);
        return decode_struct(d, type, value, slot, step, depth + 1);
}

static int decode_scalar(const Decoder *d, const VlType *type, json_t *value, void *slot,
                         unsigned depth) {
        switch (type->kind) {
        case VL_BOOL:
                return decode_bool(d, value, slot);
        case VL_INT:
                return decode_int(d, value, slot);
        case VL_FLOAT:
                if (!json_is_number(value))
                        return -EINVAL;
                *(double *)slot = json_number_value(value);
                return 0;
        case VL_STRING:
                return decode_string(value, slot);
        case VL_OBJECT:
                if (is_too_deep(value, CODEC_DEPTH_MAX - depth))
                        return -EINVAL;
                *(json_t **)slot = value;
                return 0;
        case VL_ENUM:
                return decode_enum(type, value, slot);
        case VL_STRUCT:
        case VL_ARRAY:
        case VL_MAP:
        case _VL_KIND_MAX:
                break;
        }
        assert(false && "a type table of a known kind");
        return -EINVAL;
}

/* @value may be NULL: a missing member. @depth is the number of arrays and objects around it. */
static int decode_value(Decoder *d, const VlType *type, json_t *value, void *slot, const Step *step,
                        unsigned depth) {
        int r = 0;

        if (!value || json_is_null(value)) {
                r = decode_missing(d, type, slot);
                return r < 0 ? refuse(d, step, r) : 0;
        }
        if (vl_type_is_pointer(type)) {
                void *pointee = take_memory(d, 1, type->size, &r);
                if (!pointee)
                        return refuse(d, step, r);
                *(void **)slot = pointee;
                slot = pointee;
        }
        if (type->kind == VL_STRUCT || type->kind == VL_ARRAY || type->kind == VL_MAP)
                return decode_nested(d, type, value, slot, step, depth);
        r = decode_scalar(d, type, value, slot, depth);
        return r < 0 ? refuse(d, step, r) : 0;
}

int codec_decode(const VlType *type, json_t *object, unsigned flags, Arena *arena, void *struct_out,
                 char path[static CODEC_PATH_MAX]) {
        Decoder d = { .flags = flags, .arena = arena, .path = path };

        assert(type->kind == VL_STRUCT);
        if (!json_is_object(object))
                return refuse(&d, NULL, -EINVAL);
        return decode_struct(&d, type, object, struct_out, NULL, 1);
}
