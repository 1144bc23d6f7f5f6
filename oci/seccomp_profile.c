/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Reading a seccomp.json. Members that are unknown (comments, names of errno values beside their
 * numbers) are passed over, as everybody does; wrong types and unknown words are errors, since a
 * filter that is not what it was meant to be is worse than none.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "oci/seccomp_rules.h"

#define ERRNO_MAX 4095

static const char *const actions[] = {
        "SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
        "SCMP_ACT_TRACE",        "SCMP_ACT_LOG",         "SCMP_ACT_NOTIFY",
};

static const char *const operators[] = {
        "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",        "SCMP_CMP_EQ",
        "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
};

/* Where the reader stands, for errors: "syscalls[3].args[0].op". */
typedef struct Reader {
        const char *name;
        Arena *arena;
        char where[96];
        Error *err;
} Reader;

static int wrong(Reader *reader, const char *member, const char *what) {
        return error_set(reader->err, ERR_INVALID, reader->name, "%s: %s%s%s %s", reader->name,
                         reader->where, *reader->where ? "." : "", member, what);
}

static const json_t *get(const json_t *object, const char *member) {
        const json_t *value = json_object_get(object, member);

        return json_is_null(value) ? NULL : value;
}

static const char *find_word(const char *const *words, size_t count, const char *word) {
        for (size_t i = 0; word && i < count; i++)
                if (strcmp(words[i], word) == 0)
                        return words[i];
        return NULL;
}

static int read_action(Reader *reader, const json_t *object, const char *member, const char **ret) {
        *ret = find_word(actions, ARRAY_SIZE(actions), json_string_value(get(object, member)));
        return *ret ? 0 : wrong(reader, member, "is no action");
}

static int errno_by_name(const char *name) {
        for (int i = 1; i < 200; i++) {
                const char *known = strerrorname_np(i);
                if (known && strcmp(known, name) == 0)
                        return i;
        }
        return SECCOMP_ERRNO_NONE;
}

/* As a number, or by name, which newer profiles have beside it. */
static int read_errno(Reader *reader, const json_t *object, const char *number_member,
                      const char *name_member, int *ret) {
        const json_t *name = get(object, name_member), *number = get(object, number_member);

        *ret = SECCOMP_ERRNO_NONE;
        if (json_is_string(name) && *json_string_value(name)) {
                *ret = errno_by_name(json_string_value(name));
                return *ret >= 0 ? 0 : wrong(reader, name_member, "is no errno value");
        }
        if (!number)
                return 0;
        if (!json_is_integer(number) || json_integer_value(number) < 0 ||
            json_integer_value(number) > ERRNO_MAX)
                return wrong(reader, number_member, "is no errno value");
        *ret = (int)json_integer_value(number);
        return 0;
}

/* Words of names and architectures; what goes between quotes of the document unescaped. */
static bool is_word(const char *text) {
        return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_") == strlen(text);
}

/* A list of words as one string in the arena; NULL if absent or empty. */
static int read_words(Reader *reader, const json_t *object, const char *member, const char **ret) {
        const json_t *array = get(object, member);
        _cleanup_buffer_ Buffer words = BUFFER_INIT;

        *ret = NULL;
        if (!array)
                return 0;
        if (!json_is_array(array))
                return wrong(reader, member, "is no list");
        for (size_t i = 0; i < json_array_size(array); i++) {
                const char *word = json_string_value(json_array_get(array, i));
                if (!word || !is_word(word))
                        return wrong(reader, member, "holds what is no name");
                buffer_printf(&words, "%s%s", i ? " " : "", word);
        }
        if (words.size > 0)
                *ret = arena_strndup(reader->arena, words.data, words.size);
        return 0;
}

static int read_capabilities(Reader *reader, const json_t *object, CapabilitySet *ret) {
        const json_t *array = get(object, "caps");

        *ret = 0;
        if (!array)
                return 0;
        if (!json_is_array(array))
                return wrong(reader, "caps", "is no list");
        for (size_t i = 0; i < json_array_size(array); i++) {
                const char *name = json_string_value(json_array_get(array, i));
                if (!name)
                        return wrong(reader, "caps", "holds what is no name");
                int number = capability_parse(name);
                *ret |= number >= 0 ? CAPABILITY_BIT(number) : SECCOMP_CAPABILITY_UNKNOWN;
        }
        return 0;
}

static int read_kernel(Reader *reader, const json_t *object, unsigned *ret) {
        const json_t *value = get(object, "minKernel");
        unsigned major, minor;

        *ret = 0;
        if (!value)
                return 0;
        if (!json_is_string(value) ||
            sscanf(json_string_value(value), "%3u.%3u", &major, &minor) != 2)
                return wrong(reader, "minKernel", "is no version");
        *ret = major << 16 | minor;
        return 0;
}

static int read_conditions(Reader *reader, const json_t *object, SeccompRule *rule) {
        const json_t *includes = get(object, "includes"), *excludes = get(object, "excludes");

        if ((includes && !json_is_object(includes)) || (excludes && !json_is_object(excludes)))
                return wrong(reader,
                             includes && !json_is_object(includes) ? "includes" : "excludes",
                             "is no object");
        if (read_words(reader, includes, "arches", &rule->arches) < 0 ||
            read_words(reader, excludes, "arches", &rule->except_arches) < 0 ||
            read_capabilities(reader, includes, &rule->needs) < 0 ||
            read_capabilities(reader, excludes, &rule->except) < 0)
                return -1;
        return read_kernel(reader, includes, &rule->kernel_min);
}

/* Profiles hold 64-bit values without a sign; jansson reads no integer above INT64_MAX. */
static int read_value(Reader *reader, const json_t *object, const char *member, uint64_t *ret) {
        const json_t *value = get(object, member);

        *ret = 0;
        if (!value)
                return 0;
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return wrong(reader, member, "is no number, or too large");
        *ret = (uint64_t)json_integer_value(value);
        return 0;
}

static int read_argument(Reader *reader, const json_t *object, SeccompArgument *ret) {
        uint64_t index;

        if (!json_is_object(object))
                return wrong(reader, "args", "holds what is no object");
        if (read_value(reader, object, "index", &index) < 0 ||
            read_value(reader, object, "value", &ret->value) < 0 ||
            read_value(reader, object, "valueTwo", &ret->value_two) < 0)
                return -1;
        ret->index = (unsigned)index;
        ret->op = find_word(operators, ARRAY_SIZE(operators), json_string_value(get(object, "op")));
        if (index >= SECCOMP_ARGUMENTS_MAX)
                return wrong(reader, "args", "has an index that no system call has");
        return ret->op ? 0 : wrong(reader, "args", "has an op that is none");
}

static int read_arguments(Reader *reader, const json_t *object, SeccompRule *rule) {
        const json_t *array = get(object, "args");

        if (!array)
                return 0;
        if (!json_is_array(array) || json_array_size(array) > SECCOMP_ARGUMENTS_MAX)
                return wrong(reader, "args", "is no list of at most 6");
        SeccompArgument *arguments =
                arena_new(reader->arena, SeccompArgument, json_array_size(array) + 1);
        for (size_t i = 0; i < json_array_size(array); i++)
                if (read_argument(reader, json_array_get(array, i), &arguments[i]) < 0)
                        return -1;
        rule->arguments = arguments;
        rule->arguments_count = json_array_size(array);
        return 0;
}

static int read_rule(Reader *reader, const json_t *object, SeccompRule *rule) {
        if (!json_is_object(object))
                return wrong(reader, "rule", "is no object");
        if (read_words(reader, object, "names", &rule->names) < 0 ||
            read_action(reader, object, "action", &rule->action) < 0 ||
            read_errno(reader, object, "errnoRet", "errno", &rule->errno_ret) < 0 ||
            read_arguments(reader, object, rule) < 0 || read_conditions(reader, object, rule) < 0)
                return -1;
        if (!rule->names) {
                const char *name = json_string_value(get(object, "name"));
                if (!name || !is_word(name))
                        return wrong(reader, "names", "is missing");
                rule->names = arena_strdup(reader->arena, name);
        }
        return 0;
}

static int read_rules(Reader *reader, const json_t *root, SeccompProfile *profile) {
        const json_t *array = get(root, "syscalls");

        if (array && !json_is_array(array))
                return wrong(reader, "syscalls", "is no list");
        size_t count = json_array_size(array);
        if (count > SECCOMP_RULES_MAX)
                return error_set(reader->err, ERR_LIMIT, reader->name, "%s has more than %d rules",
                                 reader->name, SECCOMP_RULES_MAX);
        SeccompRule *rules = arena_new(reader->arena, SeccompRule, count + 1);
        for (size_t i = 0; i < count; i++) {
                (void)snprintf(reader->where, sizeof(reader->where), "syscalls[%zu]", i);
                if (read_rule(reader, json_array_get(array, i), &rules[i]) < 0)
                        return -1;
        }
        profile->rules = rules;
        profile->rules_count = count;
        return 0;
}

/* Of the map only this machine's entry counts; a profile may have a plain list instead. */
static int read_architectures(Reader *reader, const json_t *root, SeccompProfile *profile) {
        const json_t *map = get(root, "archMap");
        const char *more;

        if (read_words(reader, root, "architectures", &profile->architectures) < 0)
                return -1;
        if (map && !json_is_array(map))
                return wrong(reader, "archMap", "is no list");
        for (size_t i = 0; i < json_array_size(map); i++) {
                const json_t *entry = json_array_get(map, i);
                const char *name = json_string_value(get(entry, "architecture"));
                if (!name)
                        return wrong(reader, "archMap", "holds what is no architecture");
                if (strcmp(name, SECCOMP_ARCH_NATIVE) != 0)
                        continue;
                if (read_words(reader, entry, "subArchitectures", &more) < 0)
                        return -1;
                profile->architectures = arena_printf(reader->arena, "%s%s%s", name,
                                                      more ? " " : "", more ? more : "");
        }
        return 0;
}

int seccomp_profile_parse(const char *text, size_t size, const char *name, Arena *arena,
                          SeccompProfile *ret, Error *err) {
        Reader reader = { .name = name, .arena = arena, .err = err };
        SeccompProfile profile = { .rules = NULL };
        json_error_t position;

        json_auto_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &position);
        if (!root)
                return error_set(err, ERR_INVALID, name, "%s: line %d, column %d: %s", name,
                                 position.line, position.column, position.text);
        if (!json_is_object(root))
                return wrong(&reader, "the document", "is no object");
        if (read_action(&reader, root, "defaultAction", &profile.default_action) < 0 ||
            read_errno(&reader, root, "defaultErrnoRet", "defaultErrno", &profile.default_errno) <
                    0 ||
            read_architectures(&reader, root, &profile) < 0 ||
            read_rules(&reader, root, &profile) < 0)
                return -1;
        *ret = profile;
        return 0;
}
