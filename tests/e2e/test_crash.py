# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the engine at any point: nothing is lost, nothing leaks, counted before and after."""

import random
import threading
import time

import pytest

import scratch
from engine import SLOWNESS
from scratch import PATIENCE
from varlink import Closed, VarlinkError

SEED = random.randrange(1 << 32)


def layers(engine):
    """Layers of the store: each container has one of its own over the image's."""
    return len(
        [
            n
            for n in scratch.entries(f"{engine.root}/overlay")
            if n not in ("l", "backingFsBlockDev")
        ]
    )


def assert_consistent(engine, known):
    """Every container that was answered for is there, and no layer more than they need."""
    shown = {c["id"]: c for c in engine.containers()}
    assert known <= set(shown), f"lost: {known - set(shown)}"
    engine.ids |= set(shown)
    scratch.wait_until(
        lambda: layers(engine) == 1 + len(engine.containers()),
        f"{1 + len(shown)} layers, there are {layers(engine)}",
    )
    for name in shown:
        engine.call("InspectContainer", name=name)


def assert_all_gone(engine):
    engine.remove_all()
    engine.assert_no_leaks()
    assert layers(engine) == 1


def call_until_killed(engine, method, delay, **parameters):
    """Send one call and kill the engine so long after; its answer if it came before that."""
    connection = engine.connect()
    answer = []

    def read():
        try:
            answer.append(connection.receive())
        except (Closed, OSError, AssertionError):
            pass

    reader = threading.Thread(target=read)
    connection.send("io.podman." + method, parameters)
    reader.start()
    time.sleep(delay)
    engine.process.kill()
    reader.join()
    engine.kill()
    return answer[0] if answer else None


def test_between_the_calls(engine):
    """After create, after start, after the exit, after remove."""
    name = engine.create("sh", "-c", "while [ ! -e /go ]; do sleep 0.01; done; exit 5")
    engine.kill()
    engine.start()
    assert engine.status(name) == "configured"
    engine.call("StartContainer", name=name)
    pid = engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"]
    engine.kill()
    engine.start()
    assert engine.status(name) == "running"
    with open(f"/proc/{pid}/root/go", "w", encoding="utf-8"):
        pass
    assert engine.wait(name) == 5
    engine.kill()
    engine.start()
    assert engine.wait(name) == 5
    engine.wait_status(name, "exited")
    engine.call("RemoveContainer", name=name, force=False)
    engine.kill()
    engine.start()
    assert engine.containers() == []
    assert_all_gone(engine)


def can_create(engine, name):
    try:
        return engine.create("true", name=name)
    except VarlinkError as error:
        assert "in use" in error.reason, error
        return None


DELAYS = [0, 0.001, 0.002, 0.004, 0.007, 0.012, 0.02, 0.035, 0.06]


@pytest.mark.parametrize("delay", DELAYS)
def test_during_create(engine, delay):
    kept = engine.create("true")
    answer = call_until_killed(
        engine,
        "CreateContainer",
        delay * SLOWNESS,
        create={"image": "busybox", "command": ["true"], "net_mode": "none", "name": "half"},
    )
    engine.start()
    known = {kept}
    if answer:
        known.add(answer["parameters"]["container"])
    assert_consistent(engine, known)
    # whatever became of it, the name can be had, as soon as what was half done is undone
    if engine.call("ContainerExists", name="half")["exists"] == 1:
        scratch.wait_until(lambda: can_create(engine, "half"), "the name")
    assert_all_gone(engine)


@pytest.mark.parametrize("delay", DELAYS)
def test_during_start(engine, delay):
    name = engine.create("sleep", "1000", stop_timeout=0)
    answer = call_until_killed(engine, "StartContainer", delay * SLOWNESS, name=name)
    engine.start()
    assert_consistent(engine, {name})
    status = scratch.wait_until(
        lambda: engine.status(name) in ("configured", "running", "exited") and engine.status(name),
        "the half-done start to be settled",
    )
    if answer:
        assert "error" not in answer and status == "running"
    if status != "running":
        engine.call("StartContainer", name=name)
    assert engine.status(name) == "running"
    assert_all_gone(engine)


@pytest.mark.parametrize("delay", DELAYS)
def test_around_the_exit(engine, delay):
    name = engine.create("sh", "-c", "exit 6")
    call_until_killed(engine, "StartContainer", (0.04 + delay) * SLOWNESS, name=name)
    engine.start()
    assert_consistent(engine, {name})
    if engine.status(name) == "configured":
        engine.call("StartContainer", name=name)
    assert engine.wait(name) == 6
    engine.wait_status(name, "exited")
    assert_all_gone(engine)


@pytest.mark.parametrize("delay", DELAYS)
def test_during_remove(engine, delay):
    kept = engine.create("true")
    name = engine.run("sleep", "1000", stop_timeout=0)
    answer = call_until_killed(engine, "RemoveContainer", delay * SLOWNESS, name=name, force=True)
    engine.start()
    assert_consistent(engine, {kept})
    if answer:
        assert engine.call("ContainerExists", name=name) == {"exists": 1}
    assert_all_gone(engine)


@pytest.mark.parametrize("delay", DELAYS[:6])
def test_rm_container_that_ends_while_the_engine_is_down(engine, delay):
    name = engine.create("sh", "-c", "exit 0", rm=True)
    call_until_killed(engine, "StartContainer", (0.03 + delay) * SLOWNESS, name=name)
    engine.start()
    if engine.call("ContainerExists", name=name)["exists"] == 0:
        if engine.status(name) == "configured":
            engine.call("StartContainer", name=name)
        scratch.wait_until(lambda: engine.call("ContainerExists", name=name)["exists"] == 1, "rm")
    assert_all_gone(engine)


@pytest.mark.parametrize("delay", [0.005, 0.02, 0.05])
def test_during_import(bare_engine, busybox_tar, delay):
    engine = bare_engine
    answer = call_until_killed(
        engine,
        "ImportImage",
        delay * SLOWNESS,
        source=busybox_tar,
        reference="busybox",
        message="",
        changes=[],
    )
    engine.start()
    images = engine.call("ListImages")["images"]
    assert len(images) <= 1 and (not answer or len(images) == 1)
    engine.call("ImportImage", source=busybox_tar, reference="busybox", message="", changes=[])
    (image,) = engine.call("ListImages")["images"]
    assert layers(engine) == 1
    engine.call("RemoveImage", name=image["id"], force=True)
    assert layers(engine) == 0
    assert scratch.entries(f"{engine.root}/overlay-images") in (
        ["images.json"],
        ["images.json", "images.lock"],
        ["images.lock"],
    ), scratch.entries(f"{engine.root}/overlay-images")


def test_at_random_points_of_a_busy_engine(engine):
    """Eight clients create, start, wait and remove; the engine is killed twelve times."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    known, lock, over = set(), threading.Lock(), threading.Event()

    def client():
        while not over.is_set():
            try:
                name = engine.create("true")
                with lock:
                    known.add(name)
                engine.call("StartContainer", name=name)
                engine.wait(name)
                with lock:
                    known.discard(name)  # from here on it may be there or not
                engine.call("RemoveContainer", name=name, force=True)
            except (OSError, Closed, VarlinkError, AssertionError):
                time.sleep(0.01)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for one in clients:
        one.start()
    try:
        for _ in range(12):
            time.sleep(chance.uniform(0.05, 0.5) * min(SLOWNESS, 3))
            engine.kill()
            engine.start()
    finally:
        over.set()
        for one in clients:
            one.join(2 * PATIENCE)
    engine.restart()
    assert_consistent(engine, known)
    for container in engine.containers():
        assert container["status"] in ("configured", "running", "stopped", "exited"), container
    assert_all_gone(engine)
