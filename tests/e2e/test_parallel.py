# SPDX-License-Identifier: Apache-2.0
"""Many clients at once."""

import threading
import time

import pytest

from scratch import PATIENCE
from varlink import VarlinkError


def in_threads(count, work):
    """Run work(0..count-1) at once; the first failure is raised here."""
    failures = []

    def guarded(turn):
        try:
            work(turn)
        except BaseException as failure:  # noqa: B902 - carried to the test's thread
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(turn,)) for turn in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10 * PATIENCE)
        assert not thread.is_alive(), "a client hangs"
    if failures:
        raise failures[0]


def test_two_hundred_containers_by_twenty_clients(engine):
    """Each with its own exit code and words: nothing is mixed up, and nothing is left."""

    def client(turn):
        connection = engine.connect(10 * PATIENCE)
        for number in range(10):
            code = turn * 10 + number
            created = connection.CreateContainer(
                create={
                    "image": "busybox",
                    "name": f"c{code}",
                    "net_mode": "none",
                    "command": ["sh", "-c", f"echo I am {code}; exit {code}"],
                }
            )["container"]
            engine.ids.add(created)
            assert connection.StartContainer(name=f"c{code}") == {"container": created}
            assert connection.WaitContainer(name=created) == {"exitcode": code}
            (line,) = connection.GetContainerLogs(name=created)["container"]
            assert line.endswith(f" stdout F I am {code}\n")

    in_threads(20, client)
    assert len(engine.containers()) == 200
    in_threads(
        20,
        lambda turn: [
            engine.call("RemoveContainer", name=f"c{turn * 10 + n}", force=True) for n in range(10)
        ],
    )
    assert engine.containers() == []
    engine.assert_no_leaks()


def test_one_name_for_many(engine):
    """Of sixteen creates with one name, one wins."""
    won, lost = [], []

    def client(_):
        try:
            won.append(engine.create("true", name="only"))
        except VarlinkError as error:
            lost.append(error)

    in_threads(16, client)
    assert len(won) == 1 and len(lost) == 15
    assert all("already in use" in error.reason for error in lost)
    assert len(engine.containers()) == 1


def test_one_container_pulled_at_from_all_sides(engine):
    """Starts, stops, kills, pauses of one container at once: each is answered, it stays sane."""
    name = engine.create("sleep", "1000", stop_timeout=0)
    over = time.monotonic() + 3

    def client(turn):
        connection = engine.connect(4 * PATIENCE)
        calls = [
            ("StartContainer", {}),
            ("StopContainer", {"timeout": 0}),
            ("KillContainer", {"signal": 9}),
            ("PauseContainer", {}),
            ("UnpauseContainer", {}),
            ("GetContainer", {}),
            ("InspectContainer", {}),
            ("RestartContainer", {"timeout": 0}),
        ]
        method, parameters = calls[turn % len(calls)]
        while time.monotonic() < over:
            try:
                connection.call("io.podman." + method, {"name": name, **parameters})
            except VarlinkError as error:
                assert error.name == "io.podman.ErrorOccurred", error

    in_threads(16, client)
    if engine.status(name) == "paused":
        engine.call("UnpauseContainer", name=name)
    engine.call("RemoveContainer", name=name, force=True)
    engine.assert_no_leaks()


def test_remove_wins_once(engine):
    """Twenty removes of one container: one removes it, the others are told in words."""
    for _ in range(5):
        name = engine.run("sleep", "1000", stop_timeout=0)
        done = []

        def client(_, name=name, done=done):
            try:
                done.append(engine.call("RemoveContainer", name=name, force=True))
            except VarlinkError as error:
                assert error.name in ("io.podman.ContainerNotFound", "io.podman.ErrorOccurred")

        in_threads(20, client)
        assert len(done) == 1
    engine.assert_no_leaks()


def test_lists_while_containers_come_and_go(engine):
    """ListContainers shows one moment and never fails because something is just going away."""
    over = threading.Event()
    lists = []

    def lister(_):
        connection = engine.connect(4 * PATIENCE)
        while not over.is_set():
            lists.append(len(connection.ListContainers()["containers"]))

    def maker(_):
        for _ in range(15):
            name = engine.run("true")
            engine.wait(name)
            engine.call("RemoveContainer", name=name, force=True)

    listers = [threading.Thread(target=lister, args=(n,)) for n in range(4)]
    for one in listers:
        one.start()
    try:
        in_threads(6, maker)
    finally:
        over.set()
        for one in listers:
            one.join(2 * PATIENCE)
    assert len(lists) > 20 and max(lists) <= 6


@pytest.mark.parametrize("count", [50])
def test_running_side_by_side(engine, count):
    """All of them at once, then all stopped at once."""
    names = []
    in_threads(10, lambda _: names.extend(engine.run("sleep", "1000") for _ in range(count // 10)))
    assert sum(c["containerrunning"] for c in engine.containers()) == count
    in_threads(
        10, lambda turn: [engine.call("KillContainer", name=n, signal=9) for n in names[turn::10]]
    )
    for name in names:
        assert engine.wait(name) == 137
