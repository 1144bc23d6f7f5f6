/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/seccomp_filter.h"

#include <ctype.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/text.h"
#include "oci/document.h"
#include "oci/seccomp.h"
#include "oci/seccomp_rules.h"

#define SUBJECT "linux.seccomp"

/* A tree over the calls' numbers first: the kernel loads it in half the time of a chain (it runs
 * the program for each number then) and decides faster. The chain, though, is a quarter shorter. */
static const uint32_t shapes[] = { 2, 1 };

typedef struct Action {
        const char *name;
        uint32_t value;
        int64_t number_max; /* of its errnoRet, as libseccomp has it; 0: takes none */
} Action;

static const Action actions[] = {
        { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, 0 },
        { "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), 4094 },
        { "SCMP_ACT_KILL", SCMP_ACT_KILL, 0 },
        { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, 0 },
        { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, 0 },
        { "SCMP_ACT_TRAP", SCMP_ACT_TRAP, 0 },
        { "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), UINT16_MAX },
        { "SCMP_ACT_LOG", SCMP_ACT_LOG, 0 },
        { "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, 0 },
};

static const struct {
        const char *name;
        enum scmp_compare value;
} operators[] = {
        { "SCMP_CMP_NE", SCMP_CMP_NE },
        { "SCMP_CMP_LT", SCMP_CMP_LT },
        { "SCMP_CMP_LE", SCMP_CMP_LE },
        { "SCMP_CMP_EQ", SCMP_CMP_EQ },
        { "SCMP_CMP_GE", SCMP_CMP_GE },
        { "SCMP_CMP_GT", SCMP_CMP_GT },
        { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

/* The comparisons of one rule. */
typedef struct Comparisons {
        struct scmp_arg_cmp items[SECCOMP_ARGUMENTS_MAX];
        unsigned count;
        bool is_any; /* one that matches is enough */
} Comparisons;

typedef struct Compiler {
        scmp_filter_ctx context;
        uint32_t default_action;
        size_t rule; /* the one being read, for errors */
        Error *err;
} Compiler;

static void context_release(scmp_filter_ctx *context) {
        if (*context)
                seccomp_release(*context);
}

static const json_t *get(const json_t *object, const char *member) {
        const json_t *value = json_object_get(object, member);

        return json_is_null(value) ? NULL : value;
}

static int wrong(Compiler *compiler, const char *member, const char *what) {
        return error_set(compiler->err, ERR_INVALID, SUBJECT, SUBJECT ".syscalls[%zu].%s %s",
                         compiler->rule, member, what);
}

static int read_action(const json_t *object, const char *member, const char *number_member,
                       uint32_t *ret, Error *err) {
        const char *name = json_string_value(get(object, member));
        const json_t *number = get(object, number_member);
        const Action *found = NULL;

        for (size_t i = 0; name && i < ARRAY_SIZE(actions); i++)
                if (text_equal(actions[i].name, name))
                        found = &actions[i];
        if (!found)
                return error_set(err, ERR_INVALID, SUBJECT, SUBJECT ": %s is no action", member);
        if (number && found->number_max == 0)
                return error_set(err, ERR_INVALID, SUBJECT, SUBJECT ": %s takes no %s", name,
                                 number_member);
        if (number && (!json_is_integer(number) || json_integer_value(number) < 0 ||
                       json_integer_value(number) > found->number_max))
                return error_set(err, ERR_INVALID, SUBJECT, SUBJECT ": %s is no number for %s",
                                 number_member, name);
        *ret = found->value;
        if (found->number_max > 0)
                *ret |= number ? (uint32_t)json_integer_value(number) : EPERM;
        return 0;
}

static int read_value(Compiler *compiler, const json_t *object, const char *member, uint64_t *ret) {
        const json_t *value = get(object, member);

        if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
                return wrong(compiler, "args", "holds what is no number");
        *ret = value ? (uint64_t)json_integer_value(value) : 0;
        return 0;
}

static int read_comparison(Compiler *compiler, const json_t *object, struct scmp_arg_cmp *ret) {
        const char *op = json_string_value(get(object, "op"));
        uint64_t index;

        if (read_value(compiler, object, "index", &index) < 0 ||
            read_value(compiler, object, "value", &ret->datum_a) < 0 ||
            read_value(compiler, object, "valueTwo", &ret->datum_b) < 0)
                return -1;
        if (index >= SECCOMP_ARGUMENTS_MAX)
                return wrong(compiler, "args", "has an index that no system call has");
        ret->arg = (unsigned)index;
        for (size_t i = 0; op && i < ARRAY_SIZE(operators); i++)
                if (text_equal(operators[i].name, op)) {
                        ret->op = operators[i].value;
                        return 0;
                }
        return wrong(compiler, "args", "has an op that is none");
}

static int read_comparisons(Compiler *compiler, const json_t *rule, Comparisons *ret) {
        const json_t *array = get(rule, "args");
        unsigned seen = 0;

        if (array && (!json_is_array(array) || json_array_size(array) > SECCOMP_ARGUMENTS_MAX))
                return wrong(compiler, "args", "is no list of at most 6");
        for (; ret->count < json_array_size(array); ret->count++) {
                struct scmp_arg_cmp *item = &ret->items[ret->count];
                if (read_comparison(compiler, json_array_get(array, ret->count), item) < 0)
                        return -1;
                ret->is_any = ret->is_any || (seen & 1U << item->arg);
                seen |= 1U << item->arg;
        }
        return 0;
}

static int add_call(Compiler *compiler, uint32_t action, const char *name,
                    const Comparisons *comparisons) {
        unsigned step = comparisons->is_any ? 1 : comparisons->count, i = 0;
        int number = seccomp_syscall_resolve_name(name), r;

        if (number == __NR_SCMP_ERROR)
                return 0;
        do {
                r = seccomp_rule_add_array(compiler->context, action, number, step,
                                           comparisons->items + i);
                i += step;
        } while (r == 0 && i < comparisons->count);
        if (r < 0)
                return error_errno(compiler->err, ERR_UNSUPPORTED, -r, SUBJECT,
                                   "cannot express " SUBJECT ".syscalls[%zu] for %s",
                                   compiler->rule, name);
        return 0;
}

static int add_rule(Compiler *compiler, const json_t *rule) {
        const json_t *names = get(rule, "names");
        Comparisons comparisons = { .count = 0 };
        uint32_t action = 0;

        if (read_action(rule, "action", "errnoRet", &action, compiler->err) < 0 ||
            read_comparisons(compiler, rule, &comparisons) < 0)
                return -1;
        if (!json_is_array(names))
                return wrong(compiler, "names", "is no list");
        for (size_t i = 0; i < json_array_size(names); i++) {
                const char *name = json_string_value(json_array_get(names, i));
                if (!name)
                        return wrong(compiler, "names", "holds what is no name");
                if (action != compiler->default_action &&
                    add_call(compiler, action, name, &comparisons) < 0)
                        return -1;
        }
        return 0;
}

static int add_rules(Compiler *compiler, const json_t *root) {
        json_t *rules;

        if (document_array(root, SUBJECT ".", "syscalls", SECCOMP_RULES_MAX, &rules,
                           compiler->err) < 0)
                return -1;
        for (; compiler->rule < json_array_size(rules); compiler->rule++)
                if (add_rule(compiler, json_array_get(rules, compiler->rule)) < 0)
                        return -1;
        return 0;
}

/* "SCMP_ARCH_X86_64" is libseccomp's "x86_64". */
static uint32_t architecture_by_name(const char *name) {
        char lower[32];
        size_t n = 0;

        for (const char *p = text_starts_with(name, "SCMP_ARCH_"); p && *p; p++) {
                if (n == sizeof(lower) - 1)
                        return 0;
                lower[n++] = (char)tolower((unsigned char)*p);
        }
        lower[n] = '\0';
        return seccomp_arch_resolve_name(lower);
}

/* The native one is in from the beginning. */
static int add_architectures(Compiler *compiler, const json_t *root) {
        _cleanup_strings_ Strings names = STRINGS_INIT;

        if (document_strings(root, SUBJECT ".", "architectures", SECCOMP_RULES_MAX, &names,
                             compiler->err) < 0)
                return -1;
        for (size_t i = 0; i < names.count; i++) {
                uint32_t token = architecture_by_name(names.items[i]);
                if (token == 0)
                        return error_set(compiler->err, ERR_UNSUPPORTED, SUBJECT,
                                         SUBJECT ".architectures: %s is unknown here",
                                         names.items[i]);
                int r = seccomp_arch_add(compiler->context, token);
                if (r < 0 && r != -EEXIST)
                        return error_errno(compiler->err, ERR_UNSUPPORTED, -r, SUBJECT,
                                           "cannot filter the system calls of %s here",
                                           names.items[i]);
        }
        return 0;
}

/* libseccomp writes to a file only (its version 2.5). Returns 0 or -errno. */
static int export_program(scmp_filter_ctx context, uint32_t shape, Buffer *program) {
        _cleanup_close_ int fd = memfd_create("seccomp-filter", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, shape);
        if (r == 0)
                r = seccomp_export_bpf(context, fd);
        if (r < 0)
                return r;
        off_t size = lseek(fd, 0, SEEK_END);
        if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        char *data = buffer_reserve(program, (size_t)size);
        if (!data)
                return -ENOMEM;
        ssize_t n = fd_read_full(fd, data, (size_t)size);
        if (n < 0)
                return (int)n;
        program->size += (size_t)n;
        return 0;
}

static int make_program(scmp_filter_ctx context, Buffer *ret_filter, Error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
                _cleanup_buffer_ Buffer program = BUFFER_INIT;
                int r = export_program(context, shapes[i], &program);
                if (r < 0)
                        return error_errno(err, ERR_IO, -r, SUBJECT,
                                           "cannot compile the system call filter");
                if (program.size / sizeof(struct sock_filter) <= SECCOMP_FILTER_INSTRUCTIONS_MAX) {
                        *ret_filter = program;
                        program = (Buffer)BUFFER_INIT;
                        return 0;
                }
        }
        return error_set(err, ERR_LIMIT, SUBJECT,
                         "the system call filter is longer than the %d instructions that the "
                         "kernel takes",
                         SECCOMP_FILTER_INSTRUCTIONS_MAX);
}

int seccomp_filter_compile(const char *oci_seccomp_json, size_t size, Buffer *ret_filter,
                           Error *err) {
        json_auto_t *root = NULL;
        _cleanup_(context_release)
        scmp_filter_ctx context = NULL;
        Compiler compiler = { .err = err };

        if (document_parse(oci_seccomp_json, size, SECCOMP_PROFILE_MAX, SUBJECT, &root, err) < 0 ||
            read_action(root, "defaultAction", "defaultErrnoRet", &compiler.default_action, err) <
                    0)
                return -1;
        compiler.context = context = seccomp_init(compiler.default_action);
        if (!context)
                return error_set(err, ERR_UNSUPPORTED, SUBJECT,
                                 "this kernel does not know the default action of " SUBJECT);
        if (add_architectures(&compiler, root) < 0 || add_rules(&compiler, root) < 0)
                return -1;
        return make_program(context, ret_filter, err);
}
