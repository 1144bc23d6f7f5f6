/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The compiled system call filter, asked what it decides: by a small interpreter of the programs
 * that libseccomp writes, and by the kernel itself in a child process.
 */

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/fd.h"
#include "base/text.h"
#include "oci/seccomp.h"
#include "oci/seccomp_filter.h"

#define ARGS(...)               \
        {                       \
                { __VA_ARGS__ } \
        }

typedef struct Arguments {
        uint64_t values[6];
} Arguments;

static const Arguments no_arguments;

/* Memory is never written by these programs, and nothing is divided. */
static uint32_t run(const Buffer *filter, const struct seccomp_data *call) {
        const struct sock_filter *code = (const struct sock_filter *)(const void *)filter->data;
        size_t count = filter->size / sizeof(*code);
        uint32_t a = 0;

        for (size_t i = 0; i < count; i++) {
                const struct sock_filter *at = &code[i];
                bool is_met = false;
                switch (at->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        assert_true(at->k % 4 == 0 && at->k < sizeof(*call));
                        memcpy(&a, (const char *)call + at->k, sizeof(a));
                        continue;
                case BPF_ALU | BPF_AND | BPF_K:
                        a &= at->k;
                        continue;
                case BPF_JMP | BPF_JA:
                        i += at->k;
                        continue;
                case BPF_RET | BPF_K:
                        return at->k;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        is_met = a == at->k;
                        break;
                case BPF_JMP | BPF_JGT | BPF_K:
                        is_met = a > at->k;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        is_met = a >= at->k;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        is_met = (a & at->k) != 0;
                        break;
                default:
                        fail_msg("instruction %zu is 0x%x", i, at->code);
                }
                i += is_met ? at->jt : at->jf;
        }
        fail_msg("the program has no end");
        return 0;
}

static uint32_t decide(const Buffer *filter, uint32_t arch, const char *name,
                       const Arguments *arguments) {
        uint32_t token = arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch;
        struct seccomp_data call = { .arch = token };

        call.nr = seccomp_syscall_resolve_name_arch(arch, name);
        if (call.nr < 0)
                fail_msg("%s is no call of architecture 0x%x", name, arch);
        memcpy(call.args, arguments->values, sizeof(call.args));
        return run(filter, &call);
}

static void compile(const char *json, Buffer *ret) {
        Error err = ERROR_INIT;

        if (seccomp_filter_compile(json, strlen(json), ret, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(ret->size % sizeof(struct sock_filter), 0);
}

static void compile_default(CapabilitySet capabilities, Buffer *ret) {
        _cleanup_free_ char *json = NULL;
        Error err = ERROR_INIT;

        assert_int_equal(seccomp_translate(NULL, 0, "default", capabilities, &json, &err), 0);
        compile(json, ret);
}

#define ALLOW SCMP_ACT_ALLOW
#define PERM  SCMP_ACT_ERRNO(EPERM)
#define NOSYS SCMP_ACT_ERRNO(ENOSYS)
#define INVAL SCMP_ACT_ERRNO(EINVAL)

/* What the rules built in say, to a container without and with CAP_SYS_ADMIN. */
static const struct {
        const char *name;
        Arguments arguments;
        uint32_t usual, admin;
} decisions[] = {
        { "read", ARGS(0), ALLOW, ALLOW },
        { "execve", ARGS(0), ALLOW, ALLOW },
        { "clone", ARGS(CLONE_NEWUSER), ALLOW, ALLOW },
        { "clone3", ARGS(0), ALLOW, ALLOW },
        { "unshare", ARGS(CLONE_NEWUSER), ALLOW, ALLOW },
        { "mount", ARGS(0), ALLOW, ALLOW },
        { "ptrace", ARGS(0), ALLOW, ALLOW },
        { "keyctl", ARGS(0), ALLOW, ALLOW },
        { "setns", ARGS(0), ALLOW, ALLOW },
        { "bpf", ARGS(0), PERM, ALLOW },
        { "perf_event_open", ARGS(0), PERM, ALLOW },
        { "fanotify_init", ARGS(0), PERM, ALLOW },
        { "quotactl", ARGS(0), PERM, ALLOW },
        { "sethostname", ARGS(0), PERM, ALLOW },
        { "chroot", ARGS(0), ALLOW, PERM },
        { "init_module", ARGS(0), PERM, PERM },
        { "kexec_load", ARGS(0), PERM, PERM },
        { "swapon", ARGS(0), PERM, PERM },
        { "userfaultfd", ARGS(0), PERM, PERM },
        { "vmsplice", ARGS(0), PERM, PERM },
        { "open_by_handle_at", ARGS(0), PERM, PERM },
        { "settimeofday", ARGS(0), PERM, PERM },
        { "acct", ARGS(0), PERM, PERM },
        { "vhangup", ARGS(0), PERM, PERM },
        { "io_uring_setup", ARGS(0), NOSYS, NOSYS },
        { "add_key", ARGS(0), NOSYS, NOSYS },
        { "request_key", ARGS(0), NOSYS, NOSYS },
        { "personality", ARGS(PER_LINUX), ALLOW, ALLOW },
        { "personality", ARGS(PER_LINUX32), ALLOW, ALLOW },
        { "personality", ARGS(UNAME26), ALLOW, ALLOW },
        { "personality", ARGS(UNAME26 | PER_LINUX32), ALLOW, ALLOW },
        { "personality", ARGS(0xffffffff), ALLOW, ALLOW },
        { "personality", ARGS(ADDR_NO_RANDOMIZE), NOSYS, NOSYS },
        { "personality", ARGS(1), NOSYS, NOSYS },
};

static void test_default_profile(void **state) {
        _cleanup_buffer_ Buffer usual = BUFFER_INIT, admin = BUFFER_INIT;

        (void)state;
        compile_default(CAPABILITY_DEFAULT, &usual);
        compile_default(CAPABILITY_BIT(CAP_SYS_ADMIN), &admin);
        for (size_t i = 0; i < ARRAY_SIZE(decisions); i++) {
                uint32_t arch = seccomp_arch_native();
                uint32_t a = decide(&usual, arch, decisions[i].name, &decisions[i].arguments);
                uint32_t b = decide(&admin, arch, decisions[i].name, &decisions[i].arguments);
                if (a != decisions[i].usual || b != decisions[i].admin)
                        fail_msg("%s(%#llx): 0x%x, with CAP_SYS_ADMIN 0x%x", decisions[i].name,
                                 (unsigned long long)decisions[i].arguments.values[0], a, b);
        }
}

/* Netlink's audit is for who has CAP_AUDIT_WRITE. */
static void test_audit_socket(void **state) {
        static const Arguments audit = ARGS(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
        static const Arguments route = ARGS(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
        static const Arguments other = ARGS(AF_INET, SOCK_RAW, NETLINK_AUDIT);
        _cleanup_buffer_ Buffer with = BUFFER_INIT, without = BUFFER_INIT;
        uint32_t arch = seccomp_arch_native();

        (void)state;
        compile_default(CAPABILITY_BIT(CAP_AUDIT_WRITE), &with);
        compile_default(0, &without);
        assert_int_equal(decide(&with, arch, "socket", &audit), ALLOW);
        assert_int_equal(decide(&without, arch, "socket", &audit), INVAL);
        assert_int_equal(decide(&without, arch, "socket", &route), ALLOW);
        assert_int_equal(decide(&without, arch, "socket", &other), ALLOW);
}

static void test_architectures(void **state) {
        _cleanup_buffer_ Buffer filter = BUFFER_INIT;
        struct seccomp_data foreign = { .arch = AUDIT_ARCH_S390X };

        (void)state;
        compile_default(CAPABILITY_DEFAULT, &filter);
        assert_int_equal(run(&filter, &foreign), SCMP_ACT_KILL);
        if (seccomp_arch_native() != SCMP_ARCH_X86_64) {
                print_message("skipped the rest: it is about x86\n");
                return;
        }
        static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
        for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
                static const Arguments odd = ARGS(1);
                assert_int_equal(decide(&filter, archs[i], "read", &no_arguments), ALLOW);
                assert_int_equal(decide(&filter, archs[i], "bpf", &no_arguments), PERM);
                assert_int_equal(decide(&filter, archs[i], "add_key", &no_arguments), NOSYS);
                assert_int_equal(decide(&filter, archs[i], "personality", &odd), NOSYS);
        }
        assert_int_equal(decide(&filter, SCMP_ARCH_X86, "stime", &no_arguments), PERM);
        assert_int_equal(decide(&filter, SCMP_ARCH_X86, "socketcall", &no_arguments), ALLOW);
}

static bool is_met(const char *op, uint64_t argument, uint64_t value, uint64_t value_two) {
        if (text_equal(op, "SCMP_CMP_NE"))
                return argument != value;
        if (text_equal(op, "SCMP_CMP_LT"))
                return argument < value;
        if (text_equal(op, "SCMP_CMP_LE"))
                return argument <= value;
        if (text_equal(op, "SCMP_CMP_EQ"))
                return argument == value;
        if (text_equal(op, "SCMP_CMP_GE"))
                return argument >= value;
        if (text_equal(op, "SCMP_CMP_GT"))
                return argument > value;
        return (argument & value) == value_two;
}

static void check_operator(const char *op, unsigned index, uint64_t value, uint64_t value_two) {
        static const uint64_t samples[] = {
                0,           1,           6,           7,           8,           0x10,
                0xffffffff,  0x100000000, 0x100000007, 0x200000006, INT64_MAX,   UINT64_MAX,
                0x300000010, 0x80000000,  0x700000000, 0x700000006, 0x800000007,
        };
        _cleanup_buffer_ Buffer filter = BUFFER_INIT;
        _cleanup_free_ char *json = xasprintf(
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"bpf\"],"
                "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":7,\"args\":[{\"index\":%u,"
                "\"value\":%lld,\"valueTwo\":%lld,\"op\":\"%s\"}]}]}",
                index, (long long)value, (long long)value_two, op);

        compile(json, &filter);
        for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
                Arguments arguments = { .values = { 0 } };
                arguments.values[index] = samples[i];
                uint32_t decided = decide(&filter, seccomp_arch_native(), "bpf", &arguments);
                uint32_t wanted = is_met(op, samples[i], value, value_two) ? SCMP_ACT_ERRNO(7)
                                                                           : ALLOW;
                if (decided != wanted)
                        fail_msg("%s: argument 0x%llx gave 0x%x", json,
                                 (unsigned long long)samples[i], decided);
        }
}

static void test_operators(void **state) {
        static const char *const ops[] = {
                "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",
                "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
                check_operator(ops[i], 0, 7, 0);
                check_operator(ops[i], 5, 0x100000007, 0);
                check_operator(ops[i], 2, INT64_MAX, 0);
        }
        check_operator("SCMP_CMP_MASKED_EQ", 0, 0x10, 0);
        check_operator("SCMP_CMP_MASKED_EQ", 1, 0x10, 0x10);
        check_operator("SCMP_CMP_MASKED_EQ", 4, 0x300000006, 0x300000000);
}

/* A rule and a default of one action, with its number if it is given one (not -1). */
static void check_action(const char *name, int number, uint32_t value) {
        _cleanup_buffer_ Buffer rule = BUFFER_INIT, fallback = BUFFER_INIT;
        _cleanup_free_ char *as_rule = NULL, *as_default = NULL;
        uint32_t arch = seccomp_arch_native();
        char member[64] = "";

        if (number >= 0)
                (void)snprintf(member, sizeof(member), ",\"errnoRet\":%d", number);
        as_rule = xasprintf("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":99,"
                            "\"syscalls\":[{\"names\":[\"bpf\"],\"action\":\"%s\"%s}]}",
                            name, member);
        compile(as_rule, &rule);
        assert_int_equal(decide(&rule, arch, "bpf", &no_arguments), value);
        assert_int_equal(decide(&rule, arch, "read", &no_arguments), SCMP_ACT_ERRNO(99));

        if (number >= 0)
                (void)snprintf(member, sizeof(member), ",\"defaultErrnoRet\":%d", number);
        as_default = xasprintf("{\"defaultAction\":\"%s\"%s,\"syscalls\":[{\"names\":[\"bpf\"],"
                               "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":99}]}",
                               name, member);
        compile(as_default, &fallback);
        assert_int_equal(decide(&fallback, arch, "read", &no_arguments), value);
        assert_int_equal(decide(&fallback, arch, "bpf", &no_arguments), SCMP_ACT_ERRNO(99));
}

static void test_actions(void **state) {
        (void)state;
        check_action("SCMP_ACT_ALLOW", -1, SCMP_ACT_ALLOW);
        check_action("SCMP_ACT_ERRNO", -1, SCMP_ACT_ERRNO(EPERM));
        check_action("SCMP_ACT_ERRNO", 0, SCMP_ACT_ERRNO(0));
        check_action("SCMP_ACT_ERRNO", 4094, SCMP_ACT_ERRNO(4094));
        check_action("SCMP_ACT_KILL", -1, SCMP_ACT_KILL);
        check_action("SCMP_ACT_KILL_PROCESS", -1, SCMP_ACT_KILL_PROCESS);
        check_action("SCMP_ACT_KILL_THREAD", -1, SCMP_ACT_KILL_THREAD);
        check_action("SCMP_ACT_TRAP", -1, SCMP_ACT_TRAP);
        check_action("SCMP_ACT_TRACE", -1, SCMP_ACT_TRACE(EPERM));
        check_action("SCMP_ACT_TRACE", 65535, SCMP_ACT_TRACE(65535));
        check_action("SCMP_ACT_LOG", -1, SCMP_ACT_LOG);
        check_action("SCMP_ACT_NOTIFY", -1, SCMP_ACT_NOTIFY);
}

#define RULES(rules)         "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rules "]}"
#define EQUALS(index, value) "{\"index\":" index ",\"value\":" value ",\"op\":\"SCMP_CMP_EQ\"}"
#define TRAPS(names, args) \
        "{\"names\":[" names "],\"action\":\"SCMP_ACT_TRAP\",\"args\":[" args "]}"

static void test_several_arguments(void **state) {
        static const Arguments both = ARGS(1, 2), first = ARGS(1, 3), second = ARGS(4, 2);
        static const Arguments one = ARGS(1), two = ARGS(2), three = ARGS(3);
        _cleanup_buffer_ Buffer all = BUFFER_INIT, any = BUFFER_INIT;
        uint32_t arch = seccomp_arch_native();

        (void)state;
        compile(RULES(TRAPS("\"bpf\"", EQUALS("0", "1") "," EQUALS("1", "2"))), &all);
        assert_int_equal(decide(&all, arch, "bpf", &both), SCMP_ACT_TRAP);
        assert_int_equal(decide(&all, arch, "bpf", &first), ALLOW);
        assert_int_equal(decide(&all, arch, "bpf", &second), ALLOW);

        compile(RULES(TRAPS("\"bpf\"", EQUALS("0", "1") "," EQUALS("0", "2"))), &any);
        assert_int_equal(decide(&any, arch, "bpf", &one), SCMP_ACT_TRAP);
        assert_int_equal(decide(&any, arch, "bpf", &two), SCMP_ACT_TRAP);
        assert_int_equal(decide(&any, arch, "bpf", &three), ALLOW);
}

static void test_unknown_calls_are_passed_over(void **state) {
        _cleanup_buffer_ Buffer filter = BUFFER_INIT;
        uint32_t arch = seccomp_arch_native();

        (void)state;
        compile(RULES(TRAPS("\"no_such_call\",\"bpf\",\"nor_this_one\"", "")), &filter);
        assert_int_equal(decide(&filter, arch, "bpf", &no_arguments), SCMP_ACT_TRAP);
        assert_int_equal(decide(&filter, arch, "read", &no_arguments), ALLOW);
}

static void test_refused(void **state) {
        static const struct {
                const char *json;
                ErrorKind kind;
                const char *says;
        } cases[] = {
                { "{", ERR_INVALID, "no well-formed JSON" },
                { "[]", ERR_INVALID, "not a JSON object" },
                { "{}", ERR_INVALID, "defaultAction is no action" },
                { "{\"defaultAction\":\"SCMP_ACT_NICE\"}", ERR_INVALID,
                  "defaultAction is no action" },
                { "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}", ERR_INVALID,
                  "SCMP_ACT_ALLOW takes no defaultErrnoRet" },
                { "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4095}", ERR_INVALID,
                  "defaultErrnoRet is no number for SCMP_ACT_ERRNO" },
                { "{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"SCMP_ARCH_VAX\"]}",
                  ERR_UNSUPPORTED, "SCMP_ARCH_VAX is unknown" },
                { "{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"SCMP_ARCH_"
                  "0123456789012345678901234567890123456789\"]}",
                  ERR_UNSUPPORTED, "is unknown" },
                { "{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"x86\"]}",
                  ERR_UNSUPPORTED, "x86 is unknown" },
                { "{\"defaultAction\":\"SCMP_ACT_LOG\",\"architectures\":[\"SCMP_ARCH_S390\"]}",
                  ERR_UNSUPPORTED, "cannot filter the system calls of SCMP_ARCH_S390" },
                { "{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":{}}", ERR_INVALID,
                  "linux.seccomp.syscalls" },
                { RULES("7"), ERR_INVALID, "action is no action" },
                { RULES("{\"action\":\"SCMP_ACT_LOG\"}"), ERR_INVALID,
                  "linux.seccomp.syscalls[0].names is no list" },
                { RULES(TRAPS("\"bpf\"", "") "," TRAPS("7", "")), ERR_INVALID,
                  "linux.seccomp.syscalls[1].names holds what is no name" },
                { RULES(TRAPS("\"bpf\"", EQUALS("6", "1"))), ERR_INVALID,
                  "index that no system call has" },
                { RULES(TRAPS("\"bpf\"", EQUALS("0", "-1"))), ERR_INVALID, "no number" },
                { RULES(TRAPS("\"bpf\"", EQUALS("0", "1.5"))), ERR_INVALID, "no number" },
                { RULES(TRAPS("\"bpf\"", "{\"index\":0,\"op\":\"EQ\"}")), ERR_INVALID,
                  "op that is none" },
                { RULES(TRAPS("\"bpf\"", "{},{},{},{},{},{},{}")), ERR_INVALID,
                  "no list of at most 6" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Buffer filter = BUFFER_INIT;
                Error err = ERROR_INIT;
                int r = seccomp_filter_compile(cases[i].json, strlen(cases[i].json), &filter, &err);
                if (r >= 0 || err.kind != cases[i].kind || !strstr(err.text, cases[i].says))
                        fail_msg("case %zu: %s: \"%s\"", i, error_kind_name(err.kind), err.text);
                assert_null(filter.data);
        }
}

/* Most calls as they are, and one for each of @count values: an instruction for each of both. */
static int compile_values(int count, Buffer *ret, Error *err) {
        _cleanup_buffer_ Buffer json = BUFFER_INIT;

        buffer_append_string(&json,
                             "{\"defaultAction\":\"SCMP_ACT_TRAP\",\"syscalls\":[{\"names\":[");
        for (int i = 0; i < 300; i++) {
                char *name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), i);
                buffer_printf(&json, "%s\"%s\"", i ? "," : "", name ? name : "none");
                free(name);
        }
        buffer_append_string(&json, "],\"action\":\"SCMP_ACT_ALLOW\"}");
        for (int i = 0; i < count; i++)
                buffer_printf(
                        &json,
                        ",{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" EQUALS(
                                "0", "%d") "]}",
                        1000 + i);
        buffer_append_string(&json, "]}");
        return seccomp_filter_compile(json.data, json.size, ret, err);
}

static void test_limits(void **state) {
        _cleanup_buffer_ Buffer tree = BUFFER_INIT, chain = BUFFER_INIT, none = BUFFER_INIT;
        Error err = ERROR_INIT;

        (void)state;
        /* Short enough as a tree; only as a chain, which is shorter with more in it; as neither. */
        assert_int_equal(compile_values(3650, &tree, &err), 0);
        assert_int_equal(compile_values(3730, &chain, &err), 0);
        assert_true(chain.size < tree.size);
        assert_true(compile_values(3900, &none, &err) < 0);
        assert_int_equal(err.kind, ERR_LIMIT);

        for (uint64_t value = 999; value <= 5000; value++) {
                Arguments arguments = { .values = { value } };
                uint32_t arch = seccomp_arch_native();
                assert_int_equal(decide(&tree, arch, "bpf", &arguments),
                                 value >= 1000 && value < 4650 ? ALLOW : SCMP_ACT_TRAP);
                assert_int_equal(decide(&chain, arch, "bpf", &arguments),
                                 value >= 1000 && value < 4730 ? ALLOW : SCMP_ACT_TRAP);
        }
}

static int in_child(const Buffer *filter) {
        struct sock_fprog program = {
                .len = (unsigned short)(filter->size / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *)(void *)filter->data,
        };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
                return 1;
        if (personality(0xffffffff) < 0 || personality(1) != -1 || errno != ENOSYS)
                return 2;
        if (syscall(SYS_bpf, 0, NULL, 0) != -1 || errno != EPERM)
                return 3;
        if (syscall(SYS_add_key, NULL, NULL, NULL, 0, 0) != -1 || errno != ENOSYS)
                return 4;
        if (socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) != -1 || errno != EINVAL)
                return 5;
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        return fd < 0 || close(fd) < 0 ? 6 : 0;
}

static void test_kernel_takes_it(void **state) {
        _cleanup_buffer_ Buffer filter = BUFFER_INIT;
        int status = 0;

        (void)state;
        compile_default(0, &filter);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(in_child(&filter));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default_profile),
                cmocka_unit_test(test_audit_socket),
                cmocka_unit_test(test_architectures),
                cmocka_unit_test(test_operators),
                cmocka_unit_test(test_actions),
                cmocka_unit_test(test_several_arguments),
                cmocka_unit_test(test_unknown_calls_are_passed_over),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_kernel_takes_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
