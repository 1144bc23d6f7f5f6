/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between JSON and the typed structs of an interface: one table walker for every interface.
 *
 * Unknown members are ignored; a missing or null member means the zero value ("" for a string, {}
 * for an object, the first constant for an enum), and so does a null in an array or a map. A member
 * of another JSON type is refused with its path from the top: `create.resources.cpus`,
 * `create.devices[3]`, `create.env["A"]`.
 *
 * Integers are exact 64-bit ones: 5.0 is no integer. A float takes an integer as well. `object`
 * takes any JSON value but null.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "varlink/interface.h"

#define CODEC_PATH_MAX   256
#define CODEC_DEPTH_MAX  64                 /* nesting of arrays and objects in one message */
#define CODEC_MEMORY_MAX (64 * 1024 * 1024) /* what one message may become in C structs */

typedef enum CodecFlags {
        CODEC_STRICT = 0,
        CODEC_LENIENT_BOOL = 1 << 0, /* "true" and "false" count as booleans */
        /*
         * The text was parsed with JSON_DECODE_INT_AS_REAL, because some integer in it is too large
         * for 64 bits: a whole real below CODEC_REAL_EXACT_MAX is the integer it was, and the
         * member that is beyond is refused by its path, which the parser could not have told. What
         * is inside of an `object` stays as it was parsed.
         */
        CODEC_INTS_AS_REALS = 1 << 1,
} CodecFlags;

#define CODEC_REAL_EXACT_MAX 9007199254740992.0 /* 2^53: from here on reals skip integers */

/**
 * codec_decode() - read a JSON object into a typed struct
 * @type:   the struct's type
 * @object: borrowed; strings and objects of the result point into it, so it must outlive the result
 * @flags:  CodecFlags
 * @arena:  owns arrays, maps and nullable values; its limit bounds what a peer can make of few
 *          bytes. All missing objects share one {}: it must not be changed
 * @struct_out: @type->size zeroed bytes; filled in part by a failure
 * @path:   on failure the path of the member that was refused, cut to fit, valid UTF-8;
 *          "parameters" when @object is no object
 *
 * Returns 0, -EINVAL (wrong type, NUL byte in a string, unknown enum value, integer out of range or
 * not exact, deeper than CODEC_DEPTH_MAX), -E2BIG (arena limit), -ENOMEM.
 */
int codec_decode(const VlType *type, json_t *object, unsigned flags, Arena *arena, void *struct_out,
                 char path[static CODEC_PATH_MAX]);

/**
 * codec_encode() - append the struct as one compact JSON object
 *
 * Null members are left out. Strings and numbers are written as base/json_text.h says: bytes that
 * are no UTF-8 are replaced, NaN and infinities print as null. A NULL string where the type is not
 * nullable prints as "". Failure is the buffer's.
 */
void codec_encode(const VlType *type, const void *struct_in, Buffer *buffer);
