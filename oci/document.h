/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reading untrusted JSON documents (configs, manifests, indexes), and writing our own.
 *
 * A parse is bounded by bytes, depth and number of values, since a few bytes of text can ask for
 * much memory. The getters read one member of an object, treat null like absence, and name the
 * member in their errors: @where is the path of the object, "" or ending in a dot, such as
 * `config.`.
 *
 * Errors of all: ERR_INVALID, ERR_LIMIT; subject = the member's path, none for the whole document.
 */

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "oci/pairs.h"

#define DOCUMENT_DEPTH_MAX  64
#define DOCUMENT_VALUES_MAX 200000 /* of a whole document; some 100 bytes of memory each */

/**
 * document_parse() - an object of at most @size_max bytes, in UTF-8, without a duplicate member
 * @what: the kind of document, for errors: "image config"
 * @ret:  a new reference
 */
int document_parse(const char *text, size_t size, size_t size_max, const char *what, json_t **ret,
                   Error *err);

/** document_parse_list() - the same for a document that is a list */
int document_parse_list(const char *text, size_t size, size_t size_max, const char *what,
                        json_t **ret, Error *err);

/* Each reads the member @name of @object, as the type that its name says. */

/** document_text() - heap text, "" if absent */
int document_text(const json_t *object, const char *where, const char *name, char **ret,
                  Error *err);
/** document_integer() - 0 if absent */
int document_integer(const json_t *object, const char *where, const char *name, int64_t *ret,
                     Error *err);
/** document_boolean() - false if absent */
int document_boolean(const json_t *object, const char *where, const char *name, bool *ret,
                     Error *err);
/** document_time() - RFC 3339; TIMESTAMP_ZERO if absent or empty */
int document_time(const json_t *object, const char *where, const char *name, int64_t *ret,
                  Error *err);
/** document_object() - borrowed, NULL if absent */
int document_object(const json_t *object, const char *where, const char *name, json_t **ret,
                    Error *err);
/** document_array() - borrowed, NULL if absent; at most @max elements */
int document_array(const json_t *object, const char *where, const char *name, size_t max,
                   json_t **ret, Error *err);
/** document_strings() - a list of texts, at most @max, appended to @ret, on a failure in part */
int document_strings(const json_t *object, const char *where, const char *name, size_t max,
                     Strings *ret, Error *err);
/**
 * document_keys() - a set in Go's way, `{"a":{}}`: its keys, added to @ret, which is then sorted
 */
int document_keys(const json_t *object, const char *where, const char *name, size_t max,
                  Strings *ret, Error *err);
/** document_pairs() - an object of texts, at most @max */
int document_pairs(const json_t *object, const char *where, const char *name, size_t max,
                   Pairs *ret, Error *err);

/*
 * Writers: every text must be UTF-8, as all text is that came in through a check; they abort where
 * it is not, and without memory. The put functions that name a kind leave out what is empty.
 */

/** document_put() - add a member; its value is taken */
void document_put(json_t *object, const char *name, json_t *take_value);
/** document_append() - add an element; taken */
void document_append(json_t *array, json_t *take_value);

void document_put_text(json_t *object, const char *name, const char *text);
void document_put_time(json_t *object, const char *name, int64_t t);
void document_put_strings(json_t *object, const char *name, const Strings *strings);
void document_put_keys(json_t *object, const char *name, const Strings *keys);
void document_put_pairs(json_t *object, const char *name, const Pairs *pairs);

/**
 * document_list(), document_set(), document_map() - the values themselves, empty ones too; new
 * reference
 */
json_t *document_list(char *const *items, size_t count);
json_t *document_set(const Strings *keys);
json_t *document_map(const Pairs *pairs);

/** document_format() - compact text, members in the order in which they were put; heap */
char *document_format(const json_t *json, size_t *ret_size);
