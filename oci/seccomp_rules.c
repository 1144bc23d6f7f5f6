/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules built in: which system calls a container may use. They say what the containers
 * project's profile says (golang-github-containers-common 0.50.1), for hosts where its file is not
 * installed; tests/unit/test-seccomp.c compares the two where it is.
 *
 * What is not listed at all fails with ENOSYS, so that programs take it for an older kernel.
 */

#include "oci/seccomp_rules.h"

#include <errno.h>
#include <linux/capability.h>

#if defined(__x86_64__)
#define NATIVE        "SCMP_ARCH_X86_64"
#define NAME          "amd64"
#define ARCHITECTURES NATIVE " SCMP_ARCH_X86 SCMP_ARCH_X32"
#elif defined(__aarch64__)
#define NATIVE        "SCMP_ARCH_AARCH64"
#define NAME          "arm64"
#define ARCHITECTURES NATIVE " SCMP_ARCH_ARM"
#elif defined(__s390x__)
#define NATIVE        "SCMP_ARCH_S390X"
#define NAME          "s390x"
#define ARCHITECTURES NATIVE " SCMP_ARCH_S390"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE        "SCMP_ARCH_PPC64LE"
#define NAME          "ppc64le"
#define ARCHITECTURES NATIVE
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE        "SCMP_ARCH_RISCV64"
#define NAME          "riscv64"
#define ARCHITECTURES NATIVE
#elif defined(__arm__)
#define NATIVE        "SCMP_ARCH_ARM"
#define NAME          "arm"
#define ARCHITECTURES NATIVE
#elif defined(__i386__)
#define NATIVE        "SCMP_ARCH_X86"
#define NAME          "x86"
#define ARCHITECTURES NATIVE
#else
#error "name this architecture as libseccomp does"
#endif

const char *const SECCOMP_ARCH_NATIVE = NATIVE;
const char *const SECCOMP_ARCH_NAME = NAME;

#define ALLOWED         .action = "SCMP_ACT_ALLOW", .errno_ret = SECCOMP_ERRNO_NONE
#define REFUSED(number) .action = "SCMP_ACT_ERRNO", .errno_ret = (number)
#define ARGUMENTS(...)                                                        \
        .arguments = (const SeccompArgument[]){ __VA_ARGS__ },                \
        .arguments_count = sizeof((const SeccompArgument[]){ __VA_ARGS__ }) / \
                           sizeof(SeccompArgument)

/* Allowed to who has the capability, refused as such to everybody else. */
#define GUARDED_BY(capability, list)                                                \
        { .names = list, ALLOWED, .needs = CAPABILITY_BIT(capability) }, {          \
                .names = list, REFUSED(EPERM), .except = CAPABILITY_BIT(capability) \
        }

static const SeccompRule rules[] = {
        { .names = "bdflush io_pgetevents kexec_file_load kexec_load migrate_pages "
                   "move_pages nfsservctl nice oldfstat oldlstat oldolduname oldstat "
                   "olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask "
                   "ssetmask swapcontext swapoff swapon sysfs uselib userfaultfd ustat "
                   "vm86 vm86old vmsplice",
          REFUSED(EPERM) },
        { .names = "_llseek _newselect accept accept4 access adjtimex alarm bind brk "
                   "capget capset chdir chmod chown chown32 clock_adjtime "
                   "clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
                   "clock_gettime64 clock_nanosleep clock_nanosleep_time64 clone clone3 "
                   "close close_range connect copy_file_range creat dup dup2 dup3 "
                   "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait "
                   "epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve "
                   "execveat exit exit_group faccessat faccessat2 fadvise64 "
                   "fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchown "
                   "fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
                   "flock fork fremovexattr fsconfig fsetxattr fsmount fsopen fspick "
                   "fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
                   "ftruncate64 futex futex_time64 futimesat get_mempolicy "
                   "get_robust_list get_thread_area getcpu getcwd getdents getdents64 "
                   "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
                   "getgroups32 getitimer getpeername getpgid getpgrp getpid getppid "
                   "getpriority getrandom getresgid getresgid32 getresuid getresuid32 "
                   "getrlimit getrusage getsid getsockname getsockopt gettid "
                   "gettimeofday getuid getuid32 getxattr inotify_add_watch "
                   "inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy "
                   "io_getevents io_setup io_submit ioctl ioprio_get ioprio_set ipc "
                   "keyctl kill landlock_add_rule landlock_create_ruleset "
                   "landlock_restrict_self lchown lchown32 lgetxattr link linkat listen "
                   "listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 "
                   "madvise mbind membarrier memfd_create memfd_secret mincore mkdir "
                   "mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mount "
                   "mount_setattr move_mount mprotect mq_getsetattr mq_notify mq_open "
                   "mq_timedreceive mq_timedreceive_time64 mq_timedsend "
                   "mq_timedsend_time64 mq_unlink mremap msgctl msgget msgrcv msgsnd "
                   "msync munlock munlockall munmap name_to_handle_at nanosleep "
                   "newfstatat open open_tree openat openat2 pause pidfd_getfd "
                   "pidfd_open pidfd_send_signal pipe pipe2 pivot_root pkey_alloc "
                   "pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 "
                   "preadv preadv2 prlimit64 process_mrelease process_vm_readv "
                   "process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev "
                   "pwritev2 read readahead readdir readlink readlinkat readv reboot "
                   "recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
                   "removexattr rename renameat renameat2 restart_syscall rmdir rseq "
                   "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
                   "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
                   "rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min "
                   "sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
                   "sched_rr_get_interval sched_rr_get_interval_time64 "
                   "sched_setaffinity sched_setattr sched_setparam sched_setscheduler "
                   "sched_yield seccomp select semctl semget semop semtimedop "
                   "semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto "
                   "set_mempolicy set_robust_list set_thread_area set_tid_address "
                   "setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups "
                   "setgroups32 setitimer setns setpgid setpriority setregid setregid32 "
                   "setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 "
                   "setrlimit setsid setsockopt setuid setuid32 setxattr shmat shmctl "
                   "shmdt shmget shutdown sigaction sigaltstack signal signalfd "
                   "signalfd4 sigpending sigprocmask sigreturn sigsuspend socketcall "
                   "socketpair splice stat stat64 statfs statfs64 statx symlink "
                   "symlinkat sync sync_file_range syncfs syscall sysinfo syslog tee "
                   "tgkill time timer_create timer_delete timer_getoverrun "
                   "timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd "
                   "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
                   "timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask "
                   "umount umount2 uname unlink unlinkat unshare utime utimensat "
                   "utimensat_time64 utimes vfork wait4 waitid waitpid write writev",
          ALLOWED },
        { .names = "personality", ALLOWED, ARGUMENTS({ 0, 0, 0, "SCMP_CMP_EQ" }) },
        { .names = "personality", ALLOWED, ARGUMENTS({ 0, 8, 0, "SCMP_CMP_EQ" }) },
        { .names = "personality", ALLOWED, ARGUMENTS({ 0, 0x20000, 0, "SCMP_CMP_EQ" }) },
        { .names = "personality", ALLOWED, ARGUMENTS({ 0, 0x20008, 0, "SCMP_CMP_EQ" }) },
        { .names = "personality", ALLOWED, ARGUMENTS({ 0, 0xFFFFFFFF, 0, "SCMP_CMP_EQ" }) },
        { .names = "sync_file_range2", ALLOWED, .arches = "ppc64le" },
        { .names = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls "
                   "sync_file_range2",
          ALLOWED,
          .arches = "arm arm64" },
        { .names = "arch_prctl", ALLOWED, .arches = "amd64 x32" },
        { .names = "modify_ldt", ALLOWED, .arches = "amd64 x32 x86" },
        { .names = "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
          ALLOWED,
          .arches = "s390 s390x" },
        GUARDED_BY(CAP_DAC_READ_SEARCH, "open_by_handle_at"),
        GUARDED_BY(CAP_SYS_ADMIN, "bpf fanotify_init lookup_dcookie perf_event_open quotactl "
                                  "setdomainname sethostname setns"),
        GUARDED_BY(CAP_SYS_CHROOT, "chroot"),
        GUARDED_BY(CAP_SYS_MODULE, "delete_module finit_module init_module query_module"),
        GUARDED_BY(CAP_SYS_PACCT, "acct"),
        GUARDED_BY(CAP_SYS_PTRACE, "kcmp process_madvise"),
        GUARDED_BY(CAP_SYS_RAWIO, "ioperm iopl"),
        GUARDED_BY(CAP_SYS_TIME, "clock_settime clock_settime64 settimeofday stime"),
        GUARDED_BY(CAP_SYS_TTY_CONFIG, "vhangup"),
        { .names = "socket",
          REFUSED(EINVAL),
          ARGUMENTS({ 0, 16, 0, "SCMP_CMP_EQ" }, { 2, 9, 0, "SCMP_CMP_EQ" }),
          .except = CAPABILITY_BIT(CAP_AUDIT_WRITE) },
        { .names = "socket",
          ALLOWED,
          ARGUMENTS({ 2, 9, 0, "SCMP_CMP_NE" }),
          .except = CAPABILITY_BIT(CAP_AUDIT_WRITE) },
        { .names = "socket",
          ALLOWED,
          ARGUMENTS({ 0, 16, 0, "SCMP_CMP_NE" }),
          .except = CAPABILITY_BIT(CAP_AUDIT_WRITE) },
        { .names = "socket", ALLOWED, .needs = CAPABILITY_BIT(CAP_AUDIT_WRITE) },
};

const SeccompProfile SECCOMP_PROFILE_BUILTIN = {
        .default_action = "SCMP_ACT_ERRNO",
        .default_errno = ENOSYS,
        .architectures = ARCHITECTURES,
        .rules = rules,
        .rules_count = ARRAY_SIZE(rules),
};
