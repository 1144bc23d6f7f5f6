/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/document.h"

#include <stdio.h>

#include "base/timestamp.h"

/*
 * Count what a parser would build before it builds it: every value but the first follows a comma
 * or an opening bracket. Brackets within strings do not count; whether the text is well-formed is
 * not asked.
 */
static int check_bounds(const char *text, size_t size, const char *what, Error *err) {
        size_t values = 1, depth = 0;
        bool is_string = false;

        for (size_t i = 0; i < size; i++) {
                char c = text[i];
                if (is_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                is_string = false;
                } else if (c == '"') {
                        is_string = true;
                } else if (c == '{' || c == '[') {
                        values++;
                        if (++depth > DOCUMENT_DEPTH_MAX)
                                return error_set(err, ERR_LIMIT, NULL,
                                                 "the %s is nested deeper than %d levels", what,
                                                 DOCUMENT_DEPTH_MAX);
                } else if (c == '}' || c == ']') {
                        depth -= depth > 0;
                } else if (c == ',') {
                        values++;
                }
        }
        if (values > DOCUMENT_VALUES_MAX)
                return error_set(err, ERR_LIMIT, NULL, "the %s has more than %d values", what,
                                 DOCUMENT_VALUES_MAX);
        return 0;
}

static int parse(const char *text, size_t size, size_t size_max, const char *what, json_type type,
                 json_t **ret, Error *err) {
        json_error_t cause;

        if (size > size_max)
                return error_set(err, ERR_LIMIT, NULL, "the %s has %zu bytes, more than %zu", what,
                                 size, size_max);
        if (check_bounds(text, size, what, err) < 0)
                return -1;
        json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &cause);
        if (!json)
                return error_set(err, ERR_INVALID, NULL,
                                 "the %s is no well-formed JSON: %s (line %d, column %d)", what,
                                 cause.text, cause.line, cause.column);
        if (json_typeof(json) != type) {
                json_decref(json);
                return error_set(err, ERR_INVALID, NULL, "the %s is not a JSON %s", what,
                                 type == JSON_OBJECT ? "object" : "list");
        }
        *ret = json;
        return 0;
}

int document_parse(const char *text, size_t size, size_t size_max, const char *what, json_t **ret,
                   Error *err) {
        return parse(text, size, size_max, what, JSON_OBJECT, ret, err);
}

int document_parse_list(const char *text, size_t size, size_t size_max, const char *what,
                        json_t **ret, Error *err) {
        return parse(text, size, size_max, what, JSON_ARRAY, ret, err);
}

/* The member, or NULL if it is absent or null. */
static json_t *member(const json_t *object, const char *name) {
        json_t *value = json_object_get(object, name);

        return json_is_null(value) ? NULL : value;
}

static int refuse(Error *err, const char *where, const char *name, const char *reason) {
        char path[ERROR_SUBJECT_MAX];

        snprintf(path, sizeof(path), "%s%s", where, name);
        return error_set(err, ERR_INVALID, path, "%s is %s", path, reason);
}

static int refuse_element(Error *err, const char *where, const char *name, size_t i,
                          const char *reason) {
        char element[ERROR_SUBJECT_MAX];

        snprintf(element, sizeof(element), "%s[%zu]", name, i);
        return refuse(err, where, element, reason);
}

static int refuse_count(Error *err, const char *where, const char *name, size_t count, size_t max) {
        char path[ERROR_SUBJECT_MAX];

        snprintf(path, sizeof(path), "%s%s", where, name);
        return error_set(err, ERR_LIMIT, path, "%s has %zu elements, more than %zu", path, count,
                         max);
}

int document_text(const json_t *object, const char *where, const char *name, char **ret,
                  Error *err) {
        json_t *value = member(object, name);

        if (value && !json_is_string(value))
                return refuse(err, where, name, "not a string");
        *ret = xstrdup(value ? json_string_value(value) : "");
        return 0;
}

int document_integer(const json_t *object, const char *where, const char *name, int64_t *ret,
                     Error *err) {
        json_t *value = member(object, name);

        if (value && !json_is_integer(value))
                return refuse(err, where, name, "not an integer");
        *ret = value ? json_integer_value(value) : 0;
        return 0;
}

int document_boolean(const json_t *object, const char *where, const char *name, bool *ret,
                     Error *err) {
        json_t *value = member(object, name);

        if (value && !json_is_boolean(value))
                return refuse(err, where, name, "not a boolean");
        *ret = json_is_true(value);
        return 0;
}

int document_time(const json_t *object, const char *where, const char *name, int64_t *ret,
                  Error *err) {
        json_t *value = member(object, name);
        int64_t t = TIMESTAMP_ZERO;

        if (value && !json_is_string(value))
                return refuse(err, where, name, "not a string");
        if (json_string_length(value) > 0 &&
            timestamp_parse_rfc3339(json_string_value(value), &t) < 0)
                return refuse(err, where, name, "not an RFC 3339 time");
        *ret = t;
        return 0;
}

int document_object(const json_t *object, const char *where, const char *name, json_t **ret,
                    Error *err) {
        json_t *value = member(object, name);

        if (value && !json_is_object(value))
                return refuse(err, where, name, "not an object");
        *ret = value;
        return 0;
}

int document_array(const json_t *object, const char *where, const char *name, size_t max,
                   json_t **ret, Error *err) {
        json_t *value = member(object, name);

        if (value && !json_is_array(value))
                return refuse(err, where, name, "not a list");
        if (json_array_size(value) > max)
                return refuse_count(err, where, name, json_array_size(value), max);
        *ret = value;
        return 0;
}

int document_strings(const json_t *object, const char *where, const char *name, size_t max,
                     Strings *ret, Error *err) {
        json_t *array = NULL, *element;
        size_t i;

        if (document_array(object, where, name, max, &array, err) < 0)
                return -1;
        json_array_foreach(array, i, element) {
                if (!json_is_string(element))
                        return refuse_element(err, where, name, i, "not a string");
                strings_add(ret, json_string_value(element));
        }
        return 0;
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int document_keys(const json_t *object, const char *where, const char *name, size_t max,
                  Strings *ret, Error *err) {
        json_t *set = NULL, *value;
        const char *key;

        if (document_object(object, where, name, &set, err) < 0)
                return -1;
        if (json_object_size(set) > max)
                return refuse_count(err, where, name, json_object_size(set), max);
        json_object_foreach(set, key, value) strings_add(ret, key);
        if (ret->count)
                qsort(ret->items, ret->count, sizeof(*ret->items), compare_texts);
        return 0;
}

int document_pairs(const json_t *object, const char *where, const char *name, size_t max,
                   Pairs *ret, Error *err) {
        json_t *map = NULL, *value;
        const char *key;

        if (document_object(object, where, name, &map, err) < 0)
                return -1;
        if (json_object_size(map) > max)
                return refuse_count(err, where, name, json_object_size(map), max);
        json_object_foreach(map, key, value) {
                char path[ERROR_SUBJECT_MAX];
                snprintf(path, sizeof(path), "%s.%s", name, key);
                if (!json_is_string(value))
                        return refuse(err, where, path, "not a string");
                pairs_set(ret, key, json_string_value(value));
        }
        return 0;
}

/* --- writing --- */

static void require(bool succeeded) {
        if (!succeeded)
                abort();
}

void document_put(json_t *object, const char *name, json_t *take_value) {
        require(take_value && json_object_set_new(object, name, take_value) == 0);
}

void document_append(json_t *array, json_t *take_value) {
        require(take_value && json_array_append_new(array, take_value) == 0);
}

json_t *document_list(char *const *items, size_t count) {
        json_t *array = json_array();

        for (size_t i = 0; i < count; i++)
                document_append(array, json_string(items[i]));
        return array;
}

json_t *document_set(const Strings *keys) {
        json_t *set = json_object();

        for (size_t i = 0; i < keys->count; i++)
                document_put(set, keys->items[i], json_object());
        return set;
}

json_t *document_map(const Pairs *pairs) {
        json_t *map = json_object();

        for (size_t i = 0; i < pairs->count; i++)
                document_put(map, pairs->items[i].key, json_string(pairs->items[i].value));
        return map;
}

void document_put_text(json_t *object, const char *name, const char *text) {
        if (*text)
                document_put(object, name, json_string(text));
}

void document_put_time(json_t *object, const char *name, int64_t t) {
        char text[TIMESTAMP_TEXT_MAX];

        if (t != TIMESTAMP_ZERO)
                document_put(object, name, json_string(timestamp_format_rfc3339(t, text)));
}

void document_put_strings(json_t *object, const char *name, const Strings *strings) {
        if (strings->count)
                document_put(object, name, document_list(strings->items, strings->count));
}

void document_put_keys(json_t *object, const char *name, const Strings *keys) {
        if (keys->count)
                document_put(object, name, document_set(keys));
}

void document_put_pairs(json_t *object, const char *name, const Pairs *pairs) {
        if (pairs->count)
                document_put(object, name, document_map(pairs));
}

char *document_format(const json_t *json, size_t *ret_size) {
        char *text = json_dumps(json, JSON_COMPACT);

        require(text);
        if (ret_size)
                *ret_size = strlen(text);
        return text;
}
