# SPDX-License-Identifier: Apache-2.0
"""The system call filter that the engine compiles for crun, against the one that crun compiles.

The same container runs with and without the annotation; what it may do is asked by a program inside
it, and of the two compiled filters, which are run here for every number of every architecture.
"""

import base64
import glob
import itertools
import json
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
import threading

import pytest

from engine import Engine
from scratch import PATIENCE

ANNOTATION = "run.oci.seccomp_bpf_data"
CRUN = "/usr/bin/crun"

# x86-64 (x32 by its numbers), i386, and some that no rule is about: aarch64, arm, riscv64, s390x
ARCHITECTURES = (0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3, 0x80000016)

# crun takes no hybrid cgroup layout: hide its v2 side; and what crun then writes in its place
_UNIFIED = "/sys/fs/cgroup/unified"
_HIDE = f"umount {_UNIFIED} 2>&-; [ ! -d {_UNIFIED} ] || mount -t tmpfs none {_UNIFIED}; "
_HIDE += 'exec "$@"'
IN_NAMESPACE = ["unshare", "--mount", "sh", "-c", _HIDE, "sh"]

# x86: the calls of the other two architectures are made from the same program
PROBE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *name, long a, long r) {
        printf("%s(%#lx) %ld\n", name, a, r);
}

#define CALL(name, ...) \
        do { \
                long arguments[] = { __VA_ARGS__, 0, 0, 0, 0, 0 }; \
                errno = 0; \
                long r = syscall(SYS_##name, __VA_ARGS__); \
                show(#name, arguments[0], r < 0 ? -errno : 0); \
        } while (0)

#ifdef __x86_64__
static long i386(long number, long a) {
        long r;
        __asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(a), "c"(0L), "d"(0L), "S"(0L)
                         : "memory", "r8", "r9", "r10", "r11");
        return r;
}

static long x32(long number, long a) {
        errno = 0;
        long r = syscall(number | 0x40000000, a, 0, 0, 0, 0);
        return r < 0 ? -errno : 0;
}
#endif

int main(void) {
        char line[256];
        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        FILE *status = fopen("/proc/self/status", "re");
        while (status && fgets(line, sizeof(line), status))
                if (strncmp(line, "Seccomp", 7) == 0 || strncmp(line, "NoNew", 5) == 0 ||
                    strncmp(line, "Speculation", 11) == 0)
                        fputs(line, stdout);

        CALL(unshare, 0x10000000);
        CALL(unshare, 0x00020000);
        fflush(stdout);
        long child = syscall(SYS_clone, 0x10000000 | 17, 0, 0, 0, 0);
        if (child == 0)
                _exit(0);
        if (child > 0)
                (void)waitpid((int)child, NULL, 0);
        show("clone", 0x10000000, child < 0 ? -errno : 0);
        CALL(clone3, 0, 0);
        CALL(mount, 0, 0, 0, 0, 0);
        CALL(umount2, 0, 0);
        CALL(pivot_root, 0, 0);
        CALL(setns, -1, 0);
        CALL(chroot, 0);
        CALL(keyctl, 99, 0, 0, 0, 0);
        CALL(add_key, 0, 0, 0, 0, 0);
        CALL(request_key, 0, 0, 0, 0);
        CALL(bpf, 99, 0, 0);
        CALL(perf_event_open, 0, 0, 0, 0, 0);
        CALL(ptrace, 99, 0, 0, 0);
        CALL(fanotify_init, 0, 0);
        CALL(quotactl, 0, 0, 0, 0);
        CALL(sethostname, 0, -1);
        CALL(init_module, 0, 0, 0);
        CALL(delete_module, 0, 0);
        CALL(kexec_load, 0, 0, 0, -1);
        CALL(swapon, 0, 0);
        CALL(userfaultfd, -1);
        CALL(vmsplice, -1, 0, 0, 0);
        CALL(open_by_handle_at, -1, 0, 0);
        CALL(name_to_handle_at, -1, 0, 0, 0, 0);
        CALL(settimeofday, 0, 0);
        CALL(clock_settime, -1, 0);
        CALL(acct, 0);
        CALL(kcmp, -1, -1, 0, 0, 0);
        CALL(process_madvise, -1, 0, 0, 0, 0);
        CALL(move_pages, -1, 0, 0, 0, 0);
        CALL(iopl, 99);
        CALL(ioperm, -1, 0, 0);
        CALL(modify_ldt, 99, 0, 0);
        CALL(arch_prctl, 99, 0);
        CALL(io_uring_setup, 0, 0);
        CALL(reboot, 0, 0, 0, 0);
        CALL(syslog, 99, 0, 0);
        CALL(sysfs, 99);
        for (unsigned long wanted = 0; wanted < 64; wanted++)
                CALL(personality, (long)(1UL << wanted));
        CALL(personality, 0xffffffff);
        CALL(personality, 8);
        CALL(personality, 0x20008);
        CALL(personality, 0);
        for (long family = 0; family < 48; family++)
                CALL(socket, family, 3, 9);
        CALL(socket, 16, 3, 0);
        CALL(socket, 16 | 1L << 32, 3, 9);
        show("syscall", 1000, syscall(1000) < 0 ? -errno : 0);
#ifdef __x86_64__
        static const int i386_numbers[] = { 20, 25, 26, 79, 86, 102, 110, 113, 117, 120, 123,
                                            136, 166, 217, 283, 286, 287, 288, 310, 316, 341,
                                            342, 346, 350, 357, 359, 374, 383, 425, 1000 };
        for (size_t i = 0; i < sizeof(i386_numbers) / sizeof(int); i++)
                show("i386", i386_numbers[i], i386(i386_numbers[i], -1));
        show("i386 personality", 8, i386(136, 8));
        show("i386 personality", 1, i386(136, 1));
        static const int x32_numbers[] = { 39, 101, 135, 155, 161, 163, 165, 172, 175, 246, 248,
                                           250, 272, 298, 304, 308, 310, 313, 321, 323, 425,
                                           512, 521, 532, 1000 };
        for (size_t i = 0; i < sizeof(x32_numbers) / sizeof(int); i++)
                show("x32", x32_numbers[i], x32(x32_numbers[i], -1));
        show("x32 personality", 8, x32(135, 8));
        show("x32 personality", 1, x32(135, 1));
#endif
        return 0;
}
"""


class CrunEngine(Engine):
    """An engine that runs crun, wherever the tests run."""

    def command(self):
        return [*IN_NAMESPACE, *super().command(), "--runtime", CRUN]


class Filter:
    """A program of the kernel's classic BPF."""

    def __init__(self, data):
        assert data and len(data) % 8 == 0
        self.data = data
        self.code = list(struct.iter_unpack("=HBBI", data))

    def decide(self, arch, number, arguments=(0,) * 6):
        """What the program answers, and whether it looked at an argument."""
        words = [number, arch, 0, 0]
        for argument in arguments:
            words += [argument & 0xFFFFFFFF, argument >> 32]
        a, at, looked = 0, 0, False
        code = self.code
        while True:
            what, if_met, if_not, k = code[at]
            at += 1
            if what == 0x20:  # load a word
                a = words[k // 4]
                looked = looked or k >= 16
            elif what == 0x15:
                at += if_met if a == k else if_not
            elif what == 0x25:
                at += if_met if a > k else if_not
            elif what == 0x35:
                at += if_met if a >= k else if_not
            elif what == 0x45:
                at += if_met if a & k else if_not
            elif what == 0x05:
                at += k
            elif what == 0x54:
                a &= k
            else:
                assert what == 0x06, f"instruction {at - 1} is {what:#x}"
                return k, looked


def assert_same_decisions(ours, theirs, values):
    """For each number of each architecture, and every two of the values where arguments matter."""
    looked_at = 0
    for arch in ARCHITECTURES:
        for base in (0, 0x40000000):
            for number in itertools.chain(range(base, base + 700), [base + 5000]):
                mine, looked = ours.decide(arch, number)
                other, looked_too = theirs.decide(arch, number)
                assert mine == other, f"{arch:#x} {number}: {mine:#x}, crun {other:#x}"
                if not looked and not looked_too:
                    continue
                looked_at += 1
                for a, b in itertools.product(values, values):
                    arguments = (a, 0, b, 0, 0, 0)
                    mine, other = (f.decide(arch, number, arguments)[0] for f in (ours, theirs))
                    assert mine == other, f"{arch:#x} {number} {arguments}: {mine:#x}, {other:#x}"
    return looked_at


@pytest.fixture(scope="module")
def probe():
    """A root file system with one program in it, that asks the kernel what it may do."""
    folder = tempfile.mkdtemp(prefix="selkie-e2e-probe-", dir="/tmp")
    for name in ("dev", "proc", "sys", "tmp"):
        os.makedirs(f"{folder}/root/{name}")
    with open(f"{folder}/probe.c", "w", encoding="utf-8") as source:
        source.write(PROBE)
    subprocess.run(
        ["gcc", "-static", "-O1", "-o", f"{folder}/root/probe", f"{folder}/probe.c"], check=True
    )
    with tarfile.open(f"{folder}/root.tar", "w") as tar:
        tar.add(f"{folder}/root", ".")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def crun_engine(probe):
    """An engine with crun, and the image `probe`."""
    engine = CrunEngine()
    try:
        engine.start()
        engine.call(
            "ImportImage", source=f"{probe}/root.tar", reference="probe", message="", changes=[]
        )
        yield engine
        engine.finish()
    finally:
        engine.discard()


def document(engine, name):
    """config.json of a container that was started."""
    (path,) = glob.glob(f"{engine.root}/overlay-containers/{name}/**/config.json", recursive=True)
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def run_bare(folder, config, root):
    """Run a document with crun alone: what it printed, and the filter that it loaded."""
    os.mkdir(folder)
    config = dict(config, root={"path": root, "readonly": False})
    config["linux"] = dict(config["linux"])
    config["linux"]["cgroupsPath"] = "/" + os.path.basename(folder) + f"-{os.getpid()}"
    with open(f"{folder}/config.json", "w", encoding="utf-8") as stream:
        json.dump(config, stream)
    script = (
        'cd "$0" && c="crun --root=$0/state" && $c create --no-new-keyring test </dev/null >out && '
        "cat state/test/seccomp.bpf >filter && $c start test && "
        "while $c state test | grep -q running; do :; done; $c delete --force test"
    )
    subprocess.run([*IN_NAMESPACE, "sh", "-c", script, folder], check=True, timeout=2 * PATIENCE)
    with open(f"{folder}/out", encoding="utf-8") as out, open(f"{folder}/filter", "rb") as loaded:
        return out.read(), Filter(loaded.read())


def argument_values(config):
    """What the rules compare with, and what is beside it."""
    named = {
        argument[member]
        for rule in config["linux"]["seccomp"]["syscalls"]
        for argument in rule.get("args", ())
        for member in ("value", "valueTwo")
        if member in argument
    }
    near = {value + step for value in named for step in (-1, 0, 1, 1 << 32)} | {0, (1 << 64) - 1}
    return sorted(value for value in near if value >= 0)


def test_the_same_as_crun_compiles(crun_engine, probe):
    name = crun_engine.run("/probe", image="probe")
    assert crun_engine.wait(name) == 0
    seen = crun_engine.output(name)
    config = document(crun_engine, name)
    ours = Filter(base64.b64decode(config["annotations"][ANNOTATION], validate=True))

    with_it, loaded = run_bare(f"{crun_engine.folder}/with", config, f"{probe}/root")
    assert loaded.data == ours.data
    del config["annotations"][ANNOTATION]
    without, theirs = run_bare(f"{crun_engine.folder}/without", config, f"{probe}/root")

    lines = without.splitlines()
    assert "Seccomp:\t2" in lines and "Seccomp_filters:\t1" in lines
    assert "bpf(0x63) -1" in lines and "add_key(0) -38" in lines and len(lines) > 200
    assert seen.splitlines() == lines
    assert with_it.splitlines() == lines

    # personality and socket, on this architecture and its kin
    assert assert_same_decisions(ours, theirs, argument_values(config)) >= 2


def test_interpreter_sees_a_difference(crun_engine):
    """The comparison above can fail: one number changed in one instruction is found."""
    name = crun_engine.run("/probe", image="probe")
    assert crun_engine.wait(name) == 0
    ours = Filter(
        base64.b64decode(document(crun_engine, name)["annotations"][ANNOTATION], validate=True)
    )
    for instruction in range(0, len(ours.code), 97):
        changed = bytearray(ours.data)
        what, _, _, k = ours.code[instruction]
        if what not in (0x15, 0x35, 0x06):
            continue
        struct.pack_into("=I", changed, instruction * 8 + 4, k ^ 1)
        with pytest.raises(AssertionError):
            assert_same_decisions(ours, Filter(bytes(changed)), [0, 8, 9, 16])


def test_only_crun_is_given_it(probe):
    engine = Engine(options=["--runtime", "/usr/bin/runc"])
    try:
        engine.start()
        engine.call(
            "ImportImage", source=f"{probe}/root.tar", reference="probe", message="", changes=[]
        )
        name = engine.run("/probe", image="probe")
        assert engine.wait(name) == 0
        config = document(engine, name)
        assert ANNOTATION not in config.get("annotations", {})
        assert config["linux"]["seccomp"]["syscalls"]
        engine.finish()
    finally:
        engine.discard()


def test_first_starts_at_once(crun_engine):
    """Nobody starts without the filter, nobody fails, while it is being compiled."""
    names = [crun_engine.create("/probe", image="probe") for _ in range(8)]
    threads = [
        threading.Thread(target=crun_engine.call, args=("StartContainer",), kwargs={"name": name})
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outputs = set()
    filters = set()
    for name in names:
        assert crun_engine.wait(name) == 0
        outputs.add(crun_engine.output(name))
        filters.add(document(crun_engine, name)["annotations"][ANNOTATION])
    assert len(outputs) == 1 and "Seccomp:\t2" in outputs.pop()
    assert len(filters) == 1
