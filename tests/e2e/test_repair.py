# SPDX-License-Identifier: Apache-2.0
"""What fails, or is cut off in the middle, is made up for: now, later, or by the next engine."""

import os
import re
import resource
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest

import scratch
from engine import SLOWNESS, Engine
from faulty import FaultyRuntime
from scratch import PATIENCE
from varlink import Closed, VarlinkError


@pytest.fixture
def faulty(busybox_tar, request):
    """An engine, with its runtime's faults as `.faults`."""
    folder = tempfile.mkdtemp(prefix="selkie-e2e-", dir="/tmp")
    name = getattr(request, "param", None)
    faults = FaultyRuntime(folder, name)
    engine = Engine(folder=folder)
    engine.command = lambda: [
        *[w for i, w in enumerate(Engine.command(engine)) if not is_runtime(engine, i)],
        "--runtime",
        faults.path,
    ]
    engine.faults = faults
    try:
        engine.start()
        engine.call(
            "ImportImage",
            source=busybox_tar,
            reference="busybox",
            message="",
            changes=["ENV=PATH=/bin"],
        )
        yield engine
        report = getattr(request.node, "report_call", None)
        if report is None or not report.failed:
            engine.finish()
    finally:
        engine.discard()


def is_runtime(engine, index):
    words = Engine.command(engine)
    return words[index] == "--runtime" or (index > 0 and words[index - 1] == "--runtime")


def kills_the_engine(engine):
    return f"kill -9 {engine.process.pid}"


def cut_off(engine, method, **parameters):
    """A call in whose middle the engine dies; then the next engine."""
    with pytest.raises((Closed, ConnectionError)):
        engine.call(method, **parameters)
    engine.process.wait()
    engine.kill()


def is_frozen(pid):
    """What the kernel says of the process's cgroup."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split(":", 2) for line in stream]
    for _, names, path in rows:
        for file, word in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            for top in scratch.hierarchies():
                if names and names not in top:
                    continue
                try:
                    with open(f"{top}{path}/{file}", encoding="utf-8") as stream:
                        return stream.read().strip() == word
                except OSError:
                    continue
    raise AssertionError(f"no freezer for {pid}: {rows}")


def pid_of(engine, name):
    return engine.call("InspectContainer", name=name) and int(
        re.search(r'"Pid": ?(\d+)', engine.call("InspectContainer", name=name)["container"]).group(
            1
        )
    )


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_pausing(faulty, moment):
    """Paused or not, what the next engine says is so."""
    name = faulty.run("sleep", "1000", stop_timeout=0)
    pid = pid_of(faulty, name)
    faulty.faults.set(
        f"pause.{moment}", kills_the_engine(faulty) + "; exit 1" * (moment == "before")
    )
    cut_off(faulty, "PauseContainer", name=name)
    faulty.faults.clear(f"pause.{moment}")
    faulty.start()
    expected = "paused" if moment == "after" else "running"
    faulty.wait_status(name, expected)
    assert is_frozen(pid) == (expected == "paused")
    if expected == "running":
        faulty.call("PauseContainer", name=name)
    assert is_frozen(pid)

    faulty.faults.set(
        f"resume.{moment}", kills_the_engine(faulty) + "; exit 1" * (moment == "before")
    )
    cut_off(faulty, "UnpauseContainer", name=name)
    faulty.faults.clear(f"resume.{moment}")
    faulty.start()
    expected = "paused" if moment == "before" else "running"
    faulty.wait_status(name, expected)
    assert is_frozen(pid) == (expected == "paused")
    if expected == "paused":
        faulty.call("UnpauseContainer", name=name)
    faulty.call("StopContainer", name=name, timeout=0)
    assert faulty.wait(name) == 137


def test_pause_that_fails_changes_nothing(faulty):
    name = faulty.run("sleep", "1000", stop_timeout=0)
    faulty.faults.set("pause.before", "echo no ice today >&2; exit 1")
    with pytest.raises(VarlinkError, match="no ice today"):
        faulty.call("PauseContainer", name=name)
    assert faulty.status(name) == "running"
    assert not is_frozen(pid_of(faulty, name))
    faulty.faults.clear("pause.before")
    faulty.restart()
    assert faulty.status(name) == "running"


def test_cleaning_up_is_tried_again(faulty):
    """The end is known at once; that cleaning up failed is told to who needs it."""
    name = faulty.create("sh", "-c", "exit 4")
    faulty.faults.set("delete.before", "echo not now >&2; exit 1")
    faulty.call("StartContainer", name=name)
    assert faulty.wait(name) == 4
    assert faulty.status(name) == "stopped"
    with pytest.raises(VarlinkError, match="not now"):
        faulty.call("StartContainer", name=name)
    assert faulty.status(name) == "stopped"
    faulty.faults.clear("delete.before")
    faulty.wait_status(name, "exited")


def test_cleaning_up_is_made_up_for_by_the_next_call(faulty):
    name = faulty.create("sh", "-c", "exit 4")
    faulty.faults.set("delete.before", "exit 1")
    faulty.call("StartContainer", name=name)
    assert faulty.wait(name) == 4
    faulty.faults.clear("delete.before")
    faulty.call("StartContainer", name=name)
    assert faulty.wait(name) == 4
    faulty.wait_status(name, "exited")


def test_removal_is_tried_again(faulty):
    """Out of sight at once, its name free; the rest goes when it can."""
    faulty.faults.set("delete.before", "exit 1")
    name = faulty.run("true", name="fleeting", rm=True)
    scratch.wait_until(
        lambda: faulty.call("ContainerExists", name="fleeting")["exists"] == 1, "its end"
    )
    assert os.path.exists(f"{faulty.root}/overlay-containers/{name}")
    faulty.faults.clear("delete.before")
    again = faulty.create("true", name="fleeting")
    assert not os.path.exists(f"{faulty.root}/overlay-containers/{name}")
    faulty.call("RemoveContainer", name=again, force=False)

    faulty.faults.set("delete.before", "exit 1")
    name = faulty.run("true", rm=True)
    scratch.wait_until(lambda: not faulty.containers(), "its end")
    faulty.faults.clear("delete.before")
    scratch.wait_until(
        lambda: not os.path.exists(f"{faulty.root}/overlay-containers/{name}"),
        "the removal",
    )


def test_start_that_cannot_even_be_undone(faulty):
    name = faulty.create("sh", "-c", "exit 3")
    faulty.faults.set("create.before", "echo out of order >&2; exit 1")
    faulty.faults.set("delete.before", "exit 1")
    with pytest.raises(VarlinkError, match="out of order"):
        faulty.call("StartContainer", name=name)
    assert faulty.status(name) == "configured"
    faulty.faults.clear("delete.before")
    faulty.faults.clear("create.before")
    faulty.call("StartContainer", name=name)
    assert faulty.wait(name) == 3


@pytest.mark.parametrize("faulty", ["other"], indirect=True)
def test_what_runs_is_not_killed_because_the_runtime_fails(faulty):
    """The engine dies right after a start, and the next one cannot ask the runtime."""
    name = faulty.create("sleep", "1000", stop_timeout=0)
    faulty.faults.set("start.after", kills_the_engine(faulty))
    cut_off(faulty, "StartContainer", name=name)
    faulty.faults.clear("start.after")
    faulty.faults.set("state.before", "echo cannot say >&2; exit 1")
    faulty.start()
    scratch.wait_until(lambda: "cannot say" in faulty.log_text(), "the first try")
    with pytest.raises(VarlinkError, match="cannot say"):
        faulty.call("StopContainer", name=name, timeout=0)
    faulty.faults.clear("state.before")
    faulty.wait_status(name, "running")
    assert scratch.is_alive(pid_of(faulty, name))


def test_one_container_does_not_keep_all_workers(faulty):
    """Its runtime hangs: so many calls wait, more are refused, others go on."""
    name = faulty.run("sleep", "1000", stop_timeout=0)
    faulty.faults.set("pause.before", f"while [ -e {faulty.folder}/hang ]; do sleep 0.1; done")
    with open(f"{faulty.folder}/hang", "w", encoding="utf-8"):
        pass
    first = faulty.connect()
    first.send("io.podman.PauseContainer", {"name": name})
    refused, over = [], threading.Barrier(81)

    def kill():
        try:
            faulty.call("KillContainer", name=name, signal=12)
        except VarlinkError as error:
            if "calls wait for container" in error.reason:
                refused.append(error)
                over.wait()
                return
        over.wait()

    clients = [threading.Thread(target=kill) for _ in range(80)]
    for one in clients:
        one.start()
    scratch.wait_until(lambda: len(refused) >= 80 - 32, "calls to be refused")
    other = faulty.run("sh", "-c", "exit 2")
    assert faulty.wait(other) == 2
    os.unlink(f"{faulty.folder}/hang")
    first.receive()
    over.wait(PATIENCE)
    for one in clients:
        one.join()
    assert len(refused) == 80 - 32


def test_a_name_can_be_taken_again_at_once(engine):
    """As soon as anybody knows that an rm container ended."""
    for _ in range(30):
        engine.run("true", name="same", rm=True)
        with pytest.raises(VarlinkError) as caught:
            engine.wait("same")
            engine.call("GetContainer", name="same")
        assert "NotFound" in caught.value.name


def test_forced_removal_beats_who_starts_it(engine):
    """Whatever the container does at that moment, forced removal removes it."""
    for _ in range(15):
        name = engine.create("true")
        over = threading.Event()

        def start():
            while not over.is_set():
                try:
                    engine.call("StartContainer", name=name)
                except VarlinkError as error:
                    if "NotFound" in error.name:
                        return

        clients = [threading.Thread(target=start) for _ in range(2)]
        for one in clients:
            one.start()
        time.sleep(0.02)
        try:
            engine.call("RemoveContainer", name=name, force=True)
        finally:
            over.set()
            for one in clients:
                one.join()
        assert engine.call("ContainerExists", name=name) == {"exists": 1}


FILES = 96


def limit_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def test_out_of_descriptors(engine):
    """A container that runs is not taken for dead, and one that ends is not forgotten."""
    runs, ends = engine.run("sleep", "1000", stop_timeout=0), engine.run("sleep", "1000")
    pid = pid_of(engine, ends)
    engine.stop()
    engine.start(preexec_fn=limit_files)
    assert engine.status(runs) == engine.status(ends) == "running"
    held = []
    for _ in range(2 * FILES):
        held.append(engine.connect())
        held[-1].send("io.podman.Ping")
    scratch.wait_until(
        lambda: len(os.listdir(f"/proc/{engine.process.pid}/fd")) >= FILES, "the limit"
    )
    os.kill(pid, 9)
    time.sleep(0.5 * SLOWNESS)
    for connection in held:
        connection.close()
    assert engine.wait(ends) == 137
    assert engine.status(runs) == "running"
    engine.restart()
    assert engine.status(runs) == "running"
    assert engine.wait(ends) == 137


def test_a_row_that_cannot_be_read_ends_the_engine(engine):
    """Rather no engine than one that does not know its containers; nothing is touched."""
    name = engine.create("true")
    engine.stop()
    state = f"{engine.root}/selkie/state.db"
    with sqlite3.connect(state) as database:
        ((good,),) = database.execute("SELECT config FROM container_configs").fetchall()
        database.execute("UPDATE container_configs SET config = '{'")
    before = os.path.getsize(engine.log)
    with open(engine.log, "ab") as log:
        process = subprocess.Popen(engine.command(), stdin=subprocess.DEVNULL, stderr=log)
    assert process.wait(PATIENCE) == 1
    lines = [line for line in engine.log_text()[before:].splitlines() if "selkied: error" in line]
    assert len(lines) == 1 and name in lines[0] and "not JSON" in lines[0], lines
    assert not os.path.exists(engine.socket)
    with sqlite3.connect(state) as database:
        database.execute("UPDATE container_configs SET config = ?", (good,))
    engine.start()
    engine.call("StartContainer", name=name)
    assert engine.wait(name) == 0
