# SPDX-License-Identifier: Apache-2.0
"""WaitContainer: answers when the container ends, at once, and holds nothing while it waits."""

import calendar
import ctypes
import json
import os
import statistics
import threading
import time

import pytest

import scratch
from engine import SLOWNESS
from scratch import PATIENCE

PROMPT_MS = 5  # from the exit file to the answer


def exit_file(engine, name):
    return f"{engine.runroot}/selkie/exits/{name}"


class Arrivals:
    """When files appear in a folder, by inotify: conmon renames a finished exit file into place."""

    IN_MOVED_TO = 0x80

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.descriptor, folder.encode(), self.IN_MOVED_TO) >= 0

    def next_ns(self):
        os.read(self.descriptor, 4096)
        return time.monotonic_ns()

    def close(self):
        os.close(self.descriptor)


@pytest.mark.timing
def test_answers_within_milliseconds_of_the_exit_file(engine):
    """From the exit file's appearance to the answer in the client's hands; the median of 15."""
    arrivals = Arrivals(f"{engine.runroot}/selkie/exits")
    delays = []
    for _ in range(15):
        name = engine.create("sh", "-c", "sleep 0.1; exit 3")
        waiting = engine.connect()
        engine.call("StartContainer", name=name)
        appeared = []
        watcher = threading.Thread(target=lambda seen=appeared: seen.append(arrivals.next_ns()))
        watcher.start()
        assert waiting.WaitContainer(name=name) == {"exitcode": 3}
        answered = time.monotonic_ns()
        watcher.join()
        delays.append((answered - appeared[0]) / 1e6)
    arrivals.close()
    assert statistics.median(delays) < PROMPT_MS * SLOWNESS, delays


def test_finish_time_is_the_exit_file_s(engine):
    """FinishedAt says when it ended, not when somebody asked."""
    name = engine.run("sh", "-c", "exit 3")
    engine.wait(name)
    ended = time.time_ns()
    time.sleep(0.2)
    engine.restart()
    inspected = engine.call("InspectContainer", name=name)["container"]
    assert 0 <= ended - finished_ns(inspected) < 5 * 10**9 * SLOWNESS


def finished_ns(inspected):
    stamp = json.loads(inspected)["State"]["FinishedAt"]
    seconds = calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))
    fraction = stamp[20:].rstrip("Z").ljust(9, "0") if "." in stamp else "0"
    return seconds * 10**9 + int(fraction)


def test_already_ended(engine):
    name = engine.run("sh", "-c", "exit 4")
    assert engine.wait(name) == 4
    begin = time.monotonic()
    for _ in range(20):
        assert engine.wait(name) == 4
    assert time.monotonic() - begin < 5.0 * SLOWNESS


def test_many_waiters_one_end(engine):
    """A thousand waiting calls are answered by one exit, and hold no thread meanwhile."""
    name = engine.create("sleep", "1000", stop_timeout=0)
    engine.call("StartContainer", name=name)
    waiting = [engine.connect() for _ in range(1000)]
    for connection in waiting:
        connection.send("io.podman.WaitContainer", {"name": name})
    assert engine.connect().Ping() == {"ping": {"message": "OK"}}
    assert len(os.listdir(f"/proc/{engine.process.pid}/task")) < 80
    engine.call("KillContainer", name=name, signal=9)
    for connection in waiting:
        assert connection.result() == {"exitcode": 137}


def test_never_started_waits_for_its_first_end(engine):
    name = engine.create("sh", "-c", "exit 11")
    waiting = engine.connect()
    waiting.send("io.podman.WaitContainer", {"name": name})
    waiting.socket.settimeout(0.3)
    try:
        raise AssertionError(f"answered {waiting.receive()}")
    except TimeoutError:
        pass
    waiting.socket.settimeout(PATIENCE)
    engine.call("StartContainer", name=name)
    assert waiting.result() == {"exitcode": 11}


def test_waiting_call_when_the_container_is_removed(engine):
    """Never answered would be a leak: it ends with an error."""
    name = engine.create("true")
    waiting = engine.connect()
    waiting.send("io.podman.WaitContainer", {"name": name})
    time.sleep(0.05)
    engine.call("RemoveContainer", name=name, force=False)
    waiting.socket.settimeout(PATIENCE)
    reply = waiting.receive()
    assert reply.get("error") == "io.podman.ContainerNotFound", reply


def test_vanished_waiters_cost_nothing(engine):
    """Descriptors and threads are back where they were, while the container still runs."""
    name = engine.run("sleep", "1000")

    def descriptors():
        return len(os.listdir(f"/proc/{engine.process.pid}/fd"))

    before = descriptors()
    for _ in range(100):
        gone = engine.connect()
        gone.send("io.podman.WaitContainer", {"name": name})
        gone.close()
    scratch.wait_until(lambda: descriptors() <= before + 1, "descriptors to close")
    with open(f"/proc/{engine.process.pid}/stat", encoding="utf-8") as stream:
        ticks = sum(map(int, stream.read().rpartition(")")[2].split()[11:13]))
    time.sleep(0.5)
    with open(f"/proc/{engine.process.pid}/stat", encoding="utf-8") as stream:
        spent = sum(map(int, stream.read().rpartition(")")[2].split()[11:13])) - ticks
    # of 50 that a loop without rest takes; a sanitizer has a thread of its own that works a little
    assert spent <= 2 * SLOWNESS
    assert engine.status(name) == "running"


@pytest.mark.timing
def test_an_idle_engine_sleeps(engine):
    """With a container running and a call waiting, nothing wakes the engine: no polling."""
    name = engine.run("sleep", "1000")
    waiting = engine.connect()
    waiting.send("io.podman.WaitContainer", {"name": name})
    waiting.send("io.podman.Ping")
    time.sleep(0.5)  # what was just done settles: threads of the pool end
    before = switches(engine)
    time.sleep(1.5)
    after = switches(engine)
    woken = sum(after[task] - before.get(task, 0) for task in after if task in before)
    # the thread sanitizer keeps a thread of its own that wakes ten times a second
    bound = 6 if SLOWNESS <= 1 else 40
    assert woken <= bound, f"woken {woken} times in 1.5 s"


def switches(engine):
    """{thread: voluntary context switches}"""
    found = {}
    folder = f"/proc/{engine.process.pid}/task"
    for task in os.listdir(folder):
        try:
            with open(f"{folder}/{task}/status", encoding="utf-8") as stream:
                for line in stream:
                    if line.startswith("voluntary_ctxt_switches"):
                        found[task] = int(line.split()[1])
        except FileNotFoundError:
            pass
    return found


def test_exit_while_the_engine_is_down(engine):
    """SIGTERM or kill -9: the exit code that happened meanwhile is there after the restart."""
    for end in (engine.stop, engine.kill):
        name = engine.create("sh", "-c", "sleep 0.4; exit 21")
        engine.call("StartContainer", name=name)
        end()
        scratch.wait_until(lambda: os.path.exists(exit_file(engine, name)), "the exit file")
        engine.start()
        assert engine.wait(name) == 21
        engine.wait_status(name, "exited")


def test_running_over_a_restart(engine):
    """A container that runs on is waited for by the next engine."""
    name = engine.create("sh", "-c", "while [ ! -e /go ]; do sleep 0.01; done; exit 22")
    engine.call("StartContainer", name=name)
    pid = engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"]
    engine.restart()
    assert engine.status(name) == "running"
    waiting = engine.connect()
    waiting.send("io.podman.WaitContainer", {"name": name})
    with open(f"/proc/{pid}/root/go", "w", encoding="utf-8"):
        pass
    assert waiting.result() == {"exitcode": 22}


def test_wait_is_for_the_last_run(engine):
    name = engine.create("sh", "-c", "test -e /second && exit 2; touch /second; exit 1")
    for code in (1, 2):
        engine.call("StartContainer", name=name)
        assert engine.wait(name) == code
        engine.wait_status(name, "exited")
    assert engine.wait(name) == 2


def test_conmon_killed(engine):
    """A monitor that is killed writes no exit file: the engine finds out by itself."""
    name = engine.run("sleep", "1000")
    waiting = engine.connect()
    waiting.send("io.podman.WaitContainer", {"name": name})
    monitors = [pid for pid, text in scratch.processes_with(name) if "conmon" in text.split(" ")[0]]
    assert len(monitors) == 1
    os.kill(monitors[0], 9)
    pid = int(engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"] or 0)
    if pid and scratch.is_alive(pid):
        os.kill(pid, 9)
    waiting.socket.settimeout(PATIENCE)
    reply = waiting.receive()
    assert "exitcode" in reply.get("parameters", {}) or "error" in reply, reply
    engine.wait_status(name, "exited")
