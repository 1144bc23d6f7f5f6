# SPDX-License-Identifier: Apache-2.0
"""Patience, and counting what a test could leave behind on the host: mounts, processes, cgroups."""

import os
import time


# A sanitizer build runs several times slower: bounds on time are stretched by this.
SLOWNESS = float(os.environ.get("SELKIE_TEST_SLOWNESS", "1"))

# Seconds for what is bound to happen. A test that passes does not wait them out, so they are many
# enough for a machine that is busy with other things.
PATIENCE = 30 * SLOWNESS


def wait_until(condition, what, timeout=PATIENCE):
    """Poll every 5 ms: only for what the engine cannot tell us."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.005)


def mounts_below(folder):
    """Mount points below the folder, in this mount namespace."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            point = line.split(" ")[4].encode(errors="surrogateescape").decode("unicode_escape")
            if point.startswith(folder + "/"):
                found.append(point)
    return found


def processes_with(text):
    """(pid, command line) of every process that names the text in its arguments."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as stream:
                arguments = stream.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in arguments:
            found.append((int(name), arguments))
    return found


def is_alive(pid):
    """Whether the process runs: a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def hierarchies():
    """Where cgroup hierarchies are mounted."""
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        rows = [line.split(" ") for line in stream]
    return [row[1] for row in rows if row[2] in ("cgroup", "cgroup2")]


def cgroups_of(ids):
    """cgroups whose name holds one of the container IDs."""
    if not ids:
        return []
    found = []
    for top in hierarchies():
        for folder, folders, _ in os.walk(top):
            if folder[len(top) :].count("/") >= 4:
                folders[:] = []
            found += [os.path.join(folder, f) for f in folders if any(i in f for i in ids)]
    return found


def entries(folder):
    """Names in a folder; none when it does not exist."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
