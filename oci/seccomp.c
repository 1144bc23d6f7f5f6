/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/seccomp.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/json_text.h"
#include "base/list.h"
#include "base/text.h"
#include "oci/seccomp_filter.h"
#include "oci/seccomp_rules.h"

static unsigned kernel_version(void) {
        struct utsname name;
        unsigned major, minor;

        if (uname(&name) < 0 || sscanf(name.release, "%3u.%3u", &major, &minor) != 2)
                return 0;
        return major << 16 | minor;
}

static bool has_word(const char *words, const char *wanted) {
        size_t length = strlen(wanted);

        for (const char *p = words; *p; p += strspn(p, " ")) {
                size_t n = strcspn(p, " ");
                if (n == length && memcmp(p, wanted, n) == 0)
                        return true;
                p += n;
        }
        return false;
}

static bool rule_holds(const SeccompRule *rule, CapabilitySet capabilities, unsigned kernel) {
        return (!rule->arches || has_word(rule->arches, SECCOMP_ARCH_NAME)) &&
               !(rule->except_arches && has_word(rule->except_arches, SECCOMP_ARCH_NAME)) &&
               (rule->needs & ~capabilities) == 0 && (rule->except & capabilities) == 0 &&
               rule->kernel_min <= kernel;
}

static void member_words(Buffer *out, const char *key, const char *words) {
        member_open(out, key, '[');
        for (const char *p = words; *p; p += strspn(p, " ")) {
                char word[128];
                size_t n = strcspn(p, " ");
                (void)snprintf(word, sizeof(word), "%.*s", (int)n, p);
                member_text(out, NULL, word);
                p += n;
        }
        member_close(out, ']');
}

static void member_errno(Buffer *out, const char *key, int number) {
        if (number >= 0)
                member_integer(out, key, number);
}

static void format_arguments(Buffer *out, const SeccompRule *rule) {
        if (rule->arguments_count == 0)
                return;
        member_open(out, "args", '[');
        for (size_t i = 0; i < rule->arguments_count; i++) {
                const SeccompArgument *argument = &rule->arguments[i];
                member_open(out, NULL, '{');
                member_unsigned(out, "index", argument->index);
                member_unsigned(out, "value", argument->value);
                if (argument->value_two != 0)
                        member_unsigned(out, "valueTwo", argument->value_two);
                member_text(out, "op", argument->op);
                member_close(out, '}');
        }
        member_close(out, ']');
}

static void format_profile(Buffer *out, const SeccompProfile *profile, CapabilitySet capabilities) {
        unsigned kernel = kernel_version();

        member_open(out, NULL, '{');
        member_text(out, "defaultAction", profile->default_action);
        member_errno(out, "defaultErrnoRet", profile->default_errno);
        member_words(out, "architectures",
                     profile->architectures ? profile->architectures : SECCOMP_ARCH_NATIVE);
        member_open(out, "syscalls", '[');
        for (size_t i = 0; i < profile->rules_count; i++) {
                const SeccompRule *rule = &profile->rules[i];
                if (!rule_holds(rule, capabilities, kernel))
                        continue;
                member_open(out, NULL, '{');
                member_words(out, "names", rule->names);
                member_text(out, "action", rule->action);
                member_errno(out, "errnoRet", rule->errno_ret);
                format_arguments(out, rule);
                member_close(out, '}');
        }
        member_close(out, ']');
        member_close(out, '}');
}

int seccomp_translate(const char *profile, size_t size, const char *name,
                      CapabilitySet capabilities, char **ret, Error *err) {
        _cleanup_(arena_done)
        Arena arena = ARENA_INIT;
        SeccompProfile parsed = SECCOMP_PROFILE_BUILTIN;
        Buffer out = BUFFER_INIT;

        if (profile && seccomp_profile_parse(profile, size, name, &arena, &parsed, err) < 0)
                return -1;
        format_profile(&out, &parsed, capabilities);
        *ret = buffer_take_string(&out);
        return *ret ? 0 : error_set(err, ERR_LIMIT, name, "no memory for the system call filter");
}

/* What was made of a profile. A file that changes in place gets a new time. */
typedef struct Entry {
        List link;
        char *path; /* "": the rules built in */
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec changed;
        CapabilitySet capabilities;
        char *text;
        char *filter; /* NULL: not asked for yet */
} Entry;

struct SeccompCache {
        pthread_mutex_t compile_lock; /* held while a filter is compiled, so that it is once */
        pthread_mutex_t lock;         /* guards the entries; innermost */
        List entries;                 /* the newest last */
        size_t count;
};

static void entry_free(Entry *entry) {
        list_remove(&entry->link);
        free(entry->path);
        free(entry->text);
        free(entry->filter);
        free(entry);
}

SeccompCache *seccomp_cache_new(void) {
        SeccompCache *cache = xnew(SeccompCache, 1);

        pthread_mutex_init(&cache->compile_lock, NULL);
        pthread_mutex_init(&cache->lock, NULL);
        list_init(&cache->entries);
        return cache;
}

SeccompCache *seccomp_cache_free(SeccompCache *cache) {
        if (!cache)
                return NULL;
        LIST_FOREACH (link, &cache->entries)
                entry_free(container_of(link, Entry, link));
        pthread_mutex_destroy(&cache->lock);
        pthread_mutex_destroy(&cache->compile_lock);
        free(cache);
        return NULL;
}

static bool is_same_source(const Entry *a, const Entry *b) {
        return a->capabilities == b->capabilities && a->inode == b->inode &&
               a->device == b->device && a->size == b->size &&
               a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
               text_equal(a->path, b->path);
}

static Entry *find_locked(SeccompCache *cache, const Entry *wanted) {
        LIST_FOREACH (link, &cache->entries) {
                Entry *entry = container_of(link, Entry, link);
                if (is_same_source(entry, wanted))
                        return entry;
        }
        return NULL;
}

/* Copies of what is there; NULL for what is not. */
static void cache_find(SeccompCache *cache, const Entry *wanted, char **ret_text,
                       char **ret_filter) {
        pthread_mutex_lock(&cache->lock);
        const Entry *entry = find_locked(cache, wanted);
        *ret_text = entry ? xstrdup(entry->text) : NULL;
        *ret_filter = entry && entry->filter ? xstrdup(entry->filter) : NULL;
        pthread_mutex_unlock(&cache->lock);
}

static void cache_add(SeccompCache *cache, const Entry *source, const char *text) {
        pthread_mutex_lock(&cache->lock);
        if (!find_locked(cache, source)) {
                Entry *entry = xnew(Entry, 1);
                *entry = *source;
                list_init(&entry->link);
                entry->path = xstrdup(source->path);
                entry->text = xstrdup(text);
                list_append(&cache->entries, &entry->link);
                if (cache->count == SECCOMP_CACHE_ENTRIES)
                        entry_free(container_of(cache->entries.next, Entry, link));
                else
                        cache->count++;
        }
        pthread_mutex_unlock(&cache->lock);
}

/* The entry may have gone meanwhile, to make room: then nothing is kept. */
static void cache_add_filter(SeccompCache *cache, const Entry *source, const char *filter) {
        pthread_mutex_lock(&cache->lock);
        Entry *entry = find_locked(cache, source);
        if (entry)
                entry->filter = xstrdup(filter);
        pthread_mutex_unlock(&cache->lock);
}

static int translate_file(const Entry *source, const char *file, char **ret, Error *err) {
        _cleanup_free_ char *profile = NULL;
        size_t size = 0;

        int r = *source->path ? file_read_at(AT_FDCWD, file, SECCOMP_PROFILE_MAX, &profile, &size)
                              : 0;
        if (r == -EFBIG)
                return error_set(err, ERR_LIMIT, file, "%s is longer than %d bytes", file,
                                 SECCOMP_PROFILE_MAX);
        if (r < 0)
                return error_errno(err, ERR_IO, -r, file, "cannot read %s", file);
        return seccomp_translate(profile, size, file, source->capabilities, ret, err);
}

static int compile(const char *text, const char *file, char **ret, Error *err) {
        _cleanup_buffer_ Buffer filter = BUFFER_INIT;
        Error cause = ERROR_INIT;

        if (seccomp_filter_compile(text, strlen(text), &filter, &cause) < 0)
                return error_set(err, cause.kind, file, "%s: %s", file, cause.text);
        /* Compiling leaves 1.2 MB of small pieces behind, which would stay for good. */
        (void)malloc_trim(0);
        *ret = base64_encode(filter.data, filter.size);
        return 0;
}

static int compile_once(SeccompCache *cache, const Entry *source, const char *text,
                        const char *file, char **ret, Error *err) {
        _cleanup_free_ char *known_text = NULL, *filter = NULL;
        int r = 0;

        pthread_mutex_lock(&cache->compile_lock);
        cache_find(cache, source, &known_text, &filter);
        if (!filter) {
                r = compile(text, file, &filter, err);
                if (r == 0)
                        cache_add_filter(cache, source, filter);
        }
        pthread_mutex_unlock(&cache->compile_lock);
        if (r < 0)
                return -1;
        *ret = TAKE_PTR(filter);
        return 0;
}

int seccomp_cache_get(SeccompCache *cache, const char *path, CapabilitySet capabilities, char **ret,
                      char **ret_filter, Error *err) {
        const char *file = path ? path : SECCOMP_PROFILE_PATH;
        Entry source = { .path = (char *)file, .capabilities = capabilities };
        _cleanup_free_ char *text = NULL, *filter = NULL;
        struct stat st;

        if (stat(file, &st) == 0) {
                source.device = st.st_dev;
                source.inode = st.st_ino;
                source.size = st.st_size;
                source.changed = st.st_mtim;
        } else if (path || errno != ENOENT) {
                return error_errno(err, ERR_IO, errno, file, "cannot read %s", file);
        } else {
                source.path = (char *)"";
        }
        cache_find(cache, &source, &text, &filter);
        if (!text) {
                if (translate_file(&source, file, &text, err) < 0)
                        return -1;
                cache_add(cache, &source, text);
        }
        if (ret_filter && !filter && compile_once(cache, &source, text, file, &filter, err) < 0)
                return -1;
        if (ret_filter)
                *ret_filter = TAKE_PTR(filter);
        *ret = TAKE_PTR(text);
        return 0;
}
