/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One row of a table for each instruction. What an instruction does not understand is refused: the
 * original ignored unknown words, and images silently lacked what their makers had asked for.
 */

#include "image/changes.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "oci/signal_name.h"

#define WHITE_SPACE " \t\n\v\f\r"
#define PORT_MAX    65535

#define DIGITS "0123456789"

static int refuse(Error *err, const char *change, const char *reason) {
        return error_set(err, ERR_INVALID, change, "cannot apply the change \"%.400s\": %s", change,
                         reason);
}

/* --- values --- */

/* A list in JSON cannot be mistaken for words: `[` is a program too, but what follows it there is
 * a space. */
static bool looks_like_json(const char *value) {
        if (*value != '[')
                return false;
        value += 1 + strspn(value + 1, WHITE_SPACE);
        return *value == '"' || *value == ']';
}

static int parse_json_list(const char *change, const char *value, Strings *ret, Error *err) {
        json_auto_t *array = json_loads(value, 0, NULL);
        json_t *element;
        size_t i;

        if (!json_is_array(array))
                return refuse(err, change, "its value is no well-formed JSON list");
        json_array_foreach(array, i, element) {
                if (!json_is_string(element))
                        return refuse(err, change, "its list has something other than strings");
                strings_add(ret, json_string_value(element));
        }
        return 0;
}

/* One word from *p on, quotes and backslashes taken off; NULL if a quote is not closed. */
static char *take_word(const char **p) {
        _cleanup_buffer_ Buffer word = BUFFER_INIT;
        char quote = '\0';

        for (; **p && (quote || !strchr(WHITE_SPACE, **p)); (*p)++) {
                char c = **p;
                if (c == quote) {
                        quote = '\0';
                } else if (!quote && (c == '"' || c == '\'')) {
                        quote = c;
                } else {
                        if (c == '\\' && quote != '\'' && (*p)[1])
                                c = *++(*p);
                        buffer_append_byte(&word, c);
                }
        }
        return quote ? NULL : buffer_take_string(&word);
}

static int parse_list(const char *change, const char *value, Strings *ret, Error *err) {
        if (looks_like_json(value))
                return parse_json_list(change, value, ret, err);
        for (const char *p = value; *(p += strspn(p, WHITE_SPACE));) {
                char *word = take_word(&p);
                if (!word)
                        return refuse(err, change, "a quote in it is not closed");
                strings_take(ret, word);
        }
        return 0;
}

/* `NAME=value`, or `NAME value`; quotes around the whole value are taken off. */
static int parse_pair(const char *change, const char *value, char **ret_name, char **ret_value,
                      Error *err) {
        size_t name_size = strcspn(value, "=" WHITE_SPACE);
        const char *rest = value + name_size;

        if (name_size == 0)
                return refuse(err, change, "there is no name before '='");
        rest += *rest == '=' ? 1 : strspn(rest, WHITE_SPACE);
        size_t size = strlen(rest);
        if (size >= 2 && (*rest == '"' || *rest == '\'') && rest[size - 1] == *rest) {
                rest++;
                size -= 2;
        }
        *ret_name = xstrndup(value, name_size);
        *ret_value = xstrndup(rest, size);
        return 0;
}

static void replace_text(char **text, const char *value) {
        char *copy = xstrdup(value);

        free(*text);
        *text = copy;
}

static void replace_list(Strings *list, Strings *take_new) {
        strings_done(list);
        *list = *take_new;
        *take_new = (Strings)STRINGS_INIT;
}

/* Keep a sorted set: put @take_item in its place, or drop it if it is there already. */
static void insert_sorted(Strings *set, char *take_item) {
        size_t i = set->count;

        while (i > 0 && strcmp(set->items[i - 1], take_item) > 0)
                i--;
        if (i > 0 && text_equal(set->items[i - 1], take_item)) {
                free(take_item);
                return;
        }
        strings_take(set, take_item);
        memmove(set->items + i + 1, set->items + i, (set->count - 1 - i) * sizeof(*set->items));
        set->items[i] = take_item;
}

/* --- instructions --- */

static int apply_cmd(ImageSettings *settings, const char *change, const char *value, Error *err) {
        _cleanup_strings_ Strings list = STRINGS_INIT;

        if (parse_list(change, value, &list, err) < 0)
                return -1;
        replace_list(&settings->cmd, &list);
        return 0;
}

static int apply_entrypoint(ImageSettings *settings, const char *change, const char *value,
                            Error *err) {
        _cleanup_strings_ Strings list = STRINGS_INIT;

        if (parse_list(change, value, &list, err) < 0)
                return -1;
        replace_list(&settings->entrypoint, &list);
        return 0;
}

static int apply_env(ImageSettings *settings, const char *change, const char *value, Error *err) {
        _cleanup_free_ char *name = NULL, *content = NULL;

        if (parse_pair(change, value, &name, &content, err) < 0)
                return -1;
        char *entry = xasprintf("%s=%s", name, content);
        size_t prefix_size = strlen(name) + 1;
        for (size_t i = 0; i < settings->env.count; i++)
                if (strncmp(settings->env.items[i], entry, prefix_size) == 0) {
                        free(settings->env.items[i]);
                        settings->env.items[i] = entry;
                        return 0;
                }
        strings_take(&settings->env, entry);
        return 0;
}

static int apply_label(ImageSettings *settings, const char *change, const char *value, Error *err) {
        _cleanup_free_ char *name = NULL, *content = NULL;

        if (parse_pair(change, value, &name, &content, err) < 0)
                return -1;
        pairs_set(&settings->labels, name, content);
        return 0;
}

/* A port number at *p, which moves past it; 0 if there is none. */
static unsigned take_port(const char **p) {
        size_t digits = strspn(*p, DIGITS);
        unsigned port = 0;

        if (digits < 1 || digits > 5)
                return 0;
        for (size_t i = 0; i < digits; i++)
                port = port * 10 + (unsigned)((*p)[i] - '0');
        *p += digits;
        return port <= PORT_MAX ? port : 0;
}

/* `80`, `53/udp`, `8000-8010/tcp` */
static int expose(Strings *ports, const char *change, const char *word, size_t *count, Error *err) {
        static const char *const protocols[] = { "tcp", "udp", "sctp" };
        const char *p = word, *protocol = NULL;
        unsigned first = take_port(&p), last = first;

        if (*p == '-') {
                p++;
                last = take_port(&p);
        }
        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
                if (*p == '\0' || (*p == '/' && strcasecmp(p + 1, protocols[i]) == 0)) {
                        protocol = protocols[i];
                        break;
                }
        if (!first || last < first || !protocol)
                return refuse(err, change,
                              "expected ports like 80, 53/udp or 8000-8010/tcp, from 1 to 65535");
        *count += last - first + 1;
        if (*count > IMAGE_CHANGE_ITEMS_MAX)
                return error_set(err, ERR_LIMIT, "changes", "one EXPOSE names more than %d ports",
                                 IMAGE_CHANGE_ITEMS_MAX);
        for (unsigned port = first; port <= last; port++)
                insert_sorted(ports, xasprintf("%u/%s", port, protocol));
        return 0;
}

static int apply_expose(ImageSettings *settings, const char *change, const char *value,
                        Error *err) {
        _cleanup_strings_ Strings words = STRINGS_INIT;
        size_t count = 0;

        if (parse_list(change, value, &words, err) < 0)
                return -1;
        for (size_t i = 0; i < words.count; i++)
                if (expose(&settings->exposed_ports, change, words.items[i], &count, err) < 0)
                        return -1;
        return 0;
}

static int apply_volume(ImageSettings *settings, const char *change, const char *value,
                        Error *err) {
        _cleanup_strings_ Strings paths = STRINGS_INIT;

        if (parse_list(change, value, &paths, err) < 0)
                return -1;
        if (paths.count > IMAGE_CHANGE_ITEMS_MAX)
                return error_set(err, ERR_LIMIT, "changes", "one VOLUME names more than %d paths",
                                 IMAGE_CHANGE_ITEMS_MAX);
        for (size_t i = 0; i < paths.count; i++) {
                if (paths.items[i][0] != '/')
                        return refuse(err, change, "a volume's path must be absolute");
                insert_sorted(&settings->volumes, xstrdup(paths.items[i]));
        }
        return 0;
}

static int apply_on_build(ImageSettings *settings, const char *change, const char *value,
                          Error *err) {
        (void)change;
        (void)err;
        strings_add(&settings->on_build, value);
        return 0;
}

static int apply_stop_signal(ImageSettings *settings, const char *change, const char *value,
                             Error *err) {
        int number;

        if (signal_name_parse(value, &number, NULL) < 0)
                return refuse(err, change, "expected a signal's name, or a number from 1 to 64");
        replace_text(&settings->stop_signal, value);
        return 0;
}

static int apply_user(ImageSettings *settings, const char *change, const char *value, Error *err) {
        (void)change;
        (void)err;
        replace_text(&settings->user, value);
        return 0;
}

static int apply_working_dir(ImageSettings *settings, const char *change, const char *value,
                             Error *err) {
        const char *before = settings->working_dir;
        size_t size = strlen(before);

        (void)change;
        (void)err;
        if (*value == '/') {
                replace_text(&settings->working_dir, value);
                return 0;
        }
        _cleanup_free_ char *joined =
                xasprintf("%s%s%s", before, size && before[size - 1] == '/' ? "" : "/", value);
        replace_text(&settings->working_dir, joined);
        return 0;
}

static const struct {
        const char *word;
        int (*apply)(ImageSettings *settings, const char *change, const char *value, Error *err);
} instructions[] = {
        { "CMD", apply_cmd },
        { "ENTRYPOINT", apply_entrypoint },
        { "ENV", apply_env },
        { "EXPOSE", apply_expose },
        { "LABEL", apply_label },
        { "ONBUILD", apply_on_build },
        { "STOPSIGNAL", apply_stop_signal },
        { "USER", apply_user },
        { "VOLUME", apply_volume },
        { "WORKDIR", apply_working_dir },
};

/* The value without the white space around it; heap. */
static char *trim(const char *value) {
        value += strspn(value, WHITE_SPACE);
        size_t size = strlen(value);
        while (size > 0 && strchr(WHITE_SPACE, value[size - 1]))
                size--;
        return xstrndup(value, size);
}

static int apply(ImageSettings *settings, const char *change, Error *err) {
        const char *text = change + strspn(change, WHITE_SPACE);
        size_t word_size = strcspn(text, "=" WHITE_SPACE);

        if (!text_is_utf8(change, strlen(change)))
                return error_set(err, ERR_INVALID, "changes", "a change is not UTF-8");
        _cleanup_free_ char *value = trim(text + word_size + (text[word_size] != '\0'));
        if (!*value)
                return error_set(err, ERR_INVALID, change,
                                 "no value given for instruction \"%.*s\"",
                                 (int)(word_size < 400 ? word_size : 400), text);
        for (size_t i = 0; i < ARRAY_SIZE(instructions); i++)
                if (strlen(instructions[i].word) == word_size &&
                    strncasecmp(instructions[i].word, text, word_size) == 0)
                        return instructions[i].apply(settings, change, value, err);
        return refuse(err, change,
                      "expected CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, "
                      "VOLUME or WORKDIR");
}

int image_settings_apply(ImageSettings *settings, const char *const *changes, size_t count,
                         Error *err) {
        _cleanup_(image_settings_done)
        ImageSettings changed;

        if (count > IMAGE_CHANGES_MAX)
                return error_set(err, ERR_LIMIT, "changes", "%zu changes, more than %d", count,
                                 IMAGE_CHANGES_MAX);
        image_settings_copy(&changed, settings);
        for (size_t i = 0; i < count; i++)
                if (apply(&changed, changes[i], err) < 0)
                        return -1;
        image_settings_done(settings);
        *settings = changed;
        changed = (ImageSettings){ .user = NULL };
        return 0;
}
