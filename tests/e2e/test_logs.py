# SPDX-License-Identifier: Apache-2.0
"""GetContainerLogs: whole, and followed to the last line."""

import os
import re
import threading
import time

import pytest

import scratch
from engine import SLOWNESS
from scratch import PATIENCE

RECORD = re.compile(
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d (stdout|stderr) ([FP]) (.*)\n$", re.DOTALL
)


def parsed(records):
    """(stream, tag, data) of each record."""
    found = []
    for record in records:
        match = RECORD.match(record)
        assert match, repr(record)
        found.append(match.groups())
    return found


def joined(records, stream="stdout"):
    """One stream's text, partial lines put together."""
    return "".join(
        data + ("" if tag == "P" else "\n") for s, tag, data in parsed(records) if s == stream
    )


def follow(engine, name):
    """Every record of a follow, and how many replies brought them."""
    replies = list(engine.connect().more("io.podman.GetContainerLogs", {"name": name}))
    return [record for reply in replies for record in reply["container"]], len(replies)


def test_never_started(engine):
    assert engine.logs(engine.create("true")) == []


def test_follow_of_one_that_does_not_run_yet(engine):
    """As the original did it: one reply, and no wait for a start that may never come."""
    name = engine.create("sh", "-c", "echo run")
    assert follow(engine, name) == ([], 1)
    engine.call("GetAttachSockets", name=name)
    assert engine.status(name) == "created"
    assert follow(engine, name) == ([], 1)
    engine.call("StartContainer", name=name)
    engine.wait(name)
    engine.wait_status(name, "exited")
    engine.call("GetAttachSockets", name=name)
    assert joined(follow(engine, name)[0]) == "run\n"


def test_both_streams_and_partial_lines(engine):
    name = engine.run("sh", "-c", "echo one; printf partial; echo err >&2")
    engine.wait(name)
    records = parsed(engine.logs(name))
    assert sorted(records) == [
        ("stderr", "F", "err"),
        ("stdout", "F", "one"),
        ("stdout", "P", "partial"),
    ]


def test_lines_of_every_length(engine):
    """Around the size of conmon's buffer, where lines are cut."""
    name = engine.run(
        "sh",
        "-c",
        "for n in 1 8190 8191 8192 8193 20000; do head -c $n /dev/zero | tr '\\0' a; echo; done",
    )
    engine.wait(name)
    lengths = [len(line) for line in joined(engine.logs(name)).split("\n")[:-1]]
    assert lengths == [1, 8190, 8191, 8192, 8193, 20000]


def test_odd_bytes(engine):
    """What is not UTF-8, and NUL, arrive as replacement characters: texts have no other way."""
    name = engine.run("printf", "a\\377b\\000c\\001\\n")
    engine.wait(name)
    (record,) = parsed(engine.logs(name))
    assert record[2] == "a\ufffdb\ufffdc\x01"


def test_tty(engine):
    name = engine.run("sh", "-c", "echo out; echo err >&2; printf nonl", tty=True)
    engine.wait(name)
    records = parsed(engine.logs(name))
    assert {stream for stream, _, _ in records} == {"stdout"}
    assert "".join(data for _, _, data in records) == "out\rerr\rnonl"


def test_log_goes_on_across_starts(engine):
    name = engine.create("sh", "-c", "echo run")
    for _ in range(3):
        engine.call("StartContainer", name=name)
        engine.wait(name)
        engine.wait_status(name, "exited")
    assert joined(engine.logs(name)) == "run\n" * 3


def test_follow_of_an_ended_container_is_its_log(engine):
    name = engine.run("sh", "-c", "echo a; echo b")
    engine.wait(name)
    engine.wait_status(name, "exited")
    records, _ = follow(engine, name)
    assert joined(records) == "a\nb\n" and records == engine.logs(name)


def test_follow_brings_lines_as_they_come(engine):
    name = engine.create(
        "sh", "-c", "echo first; while [ ! -e /go ]; do sleep 0.01; done; echo last"
    )
    engine.call("StartContainer", name=name)
    connection = engine.connect()
    connection.send("io.podman.GetContainerLogs", {"name": name}, more=True)
    seen = []
    while "first\n" not in joined(seen):
        reply = connection.receive()
        assert reply["continues"] is True
        seen += reply["parameters"]["container"]
    pid = engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"]
    with open(f"/proc/{pid}/root/go", "w", encoding="utf-8"):
        pass
    while True:
        reply = connection.receive()
        assert "error" not in reply, reply
        seen += reply["parameters"]["container"]
        if not reply.get("continues"):
            break
    assert joined(seen) == "first\nlast\n"
    assert connection.Ping() == {"ping": {"message": "OK"}}


@pytest.mark.timing
def test_follow_is_prompt(engine):
    """A line reaches the follower within milliseconds of being written, not with the next tick."""
    name = engine.run("sh", "-c", "while :; do date +%s; sleep 0.1; done")
    connection = engine.connect()
    connection.send("io.podman.GetContainerLogs", {"name": name}, more=True)
    delays = []
    while len(delays) < 15:
        records = connection.receive()["parameters"]["container"]
        now = time.time_ns()
        for record in records[-1:]:
            stamp = record.split(" ", 1)[0]
            seconds = time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
            zone = int(stamp[30:32]) * 3600 + int(stamp[33:35]) * 60
            written = (time.mktime(seconds) - time.timezone) * 10**9 + int(stamp[20:29])
            written -= (zone if stamp[29] == "+" else -zone) * 10**9
            delays.append((now - written) / 1e6)
    delays.sort()
    assert delays[len(delays) // 2] < 20 * SLOWNESS, delays


def test_follow_of_much_output_loses_nothing(engine):
    """200,000 lines, followed while they are written, by three at once."""
    count = 200000
    name = engine.create(
        "sh", "-c", f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done"
    )
    engine.call("StartContainer", name=name)
    results = {}

    def one(turn):
        results[turn] = follow(engine, name)

    followers = [threading.Thread(target=one, args=(turn,)) for turn in range(3)]
    for follower in followers:
        follower.start()
    assert engine.wait(name) == 0
    for follower in followers:
        follower.join(2 * PATIENCE)
        assert not follower.is_alive()
    expected = "".join(f"line {i}\n" for i in range(count))
    for records, replies in results.values():
        assert joined(records) == expected
        assert replies < count / 2  # many lines to a reply
    assert joined(engine.logs(name)) == expected


def test_follow_ends_with_the_last_line(engine):
    """The line written just before the end is delivered, every time."""
    for turn in range(10):
        name = engine.run("sh", "-c", f"echo begin; echo end {turn}")
        records, _ = follow(engine, name)
        assert joined(records) == f"begin\nend {turn}\n"


def test_follower_that_goes_away(engine):
    """Costs nothing: its descriptors are closed while the container goes on."""
    name = engine.run("sh", "-c", "while :; do echo x; sleep 0.05; done")

    def count():
        return len(os.listdir(f"/proc/{engine.process.pid}/fd"))

    before = count()
    gone = [engine.connect() for _ in range(50)]
    for connection in gone:
        connection.send("io.podman.GetContainerLogs", {"name": name}, more=True)
        connection.receive()
    for connection in gone:
        connection.close()
    scratch.wait_until(lambda: count() <= before + 1, "descriptors to be closed")
    assert engine.status(name) == "running"


def test_follow_slow_reader_does_not_stop_the_container(engine):
    """A follower that does not read for a while holds up itself only."""
    name = engine.create(
        "sh",
        "-c",
        "i=0; while [ $i -lt 60000 ]; do echo 'a line of some length, number' $i; i=$((i+1)); done",
    )
    engine.call("StartContainer", name=name)
    lazy = engine.connect()
    lazy.send("io.podman.GetContainerLogs", {"name": name}, more=True)
    assert engine.wait(name) == 0
    seen = []
    while True:
        reply = lazy.receive()
        seen += reply["parameters"]["container"]
        if not reply.get("continues"):
            break
    assert joined(seen).count("\n") == 60000


def test_follow_of_a_removed_container_ends(engine):
    name = engine.run("sleep", "1000")
    connection = engine.connect()
    connection.send("io.podman.GetContainerLogs", {"name": name}, more=True)
    time.sleep(0.05)
    engine.call("RemoveContainer", name=name, force=True)
    connection.socket.settimeout(PATIENCE)
    while connection.receive().get("continues"):
        pass


def test_follow_survives_a_pause(engine):
    name = engine.run("sh", "-c", "echo a; sleep 0.3; echo b")
    connection = engine.connect()
    connection.send("io.podman.GetContainerLogs", {"name": name}, more=True)
    engine.call("PauseContainer", name=name)
    engine.call("UnpauseContainer", name=name)
    seen = []
    while True:
        reply = connection.receive()
        seen += reply["parameters"]["container"]
        if not reply.get("continues"):
            break
    assert joined(seen) == "a\nb\n"
