# SPDX-License-Identifier: Apache-2.0
"""The wire: order, pipelining, and peers that do it wrong, slowly, or not at all."""

import json
import os
import socket
import threading
import time

import pytest

import scratch
from engine import SLOWNESS
from methods import NEVER, description
from varlink import Closed, VarlinkError, message

PING = message("io.podman.Ping")
PONG = {"parameters": {"ping": {"message": "OK"}}}
MESSAGE_MAX = 16 * 1024 * 1024


@pytest.fixture
def engine(bare_engine):
    return bare_engine


@pytest.fixture
def connection(engine):
    return engine.connect()


def test_service_info(connection):
    info = connection.call("org.varlink.service.GetInfo")
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert info["interfaces"][:2] == ["org.varlink.service", "io.podman"]


def test_interface_description_is_the_text(connection):
    found = connection.call(
        "org.varlink.service.GetInterfaceDescription", {"interface": "io.podman"}
    )
    assert found == {"description": description()}


@pytest.mark.parametrize("parameters", [{}, {"interface": ""}, {"interface": "x.y"}])
def test_description_of_what_is_not_there(connection, parameters):
    with pytest.raises(VarlinkError) as caught:
        connection.call("org.varlink.service.GetInterfaceDescription", parameters)
    assert caught.value.name == "org.varlink.service.InvalidParameter"
    assert caught.value.parameters == {"parameter": "interface"}


@pytest.mark.parametrize(
    "method,name,parameters",
    [
        ("io.podman.Nope", "MethodNotFound", {"method": "Nope"}),
        ("io.podman.ping", "MethodNotFound", {"method": "ping"}),
        ("org.varlink.service.Foo", "MethodNotFound", {"method": "Foo"}),
        ("com.example.Foo", "InterfaceNotFound", {"interface": "com.example"}),
        ("io.Podman.Ping", "InterfaceNotFound", {"interface": "io.Podman"}),
        ("Ping", "InvalidParameter", {"parameter": "method"}),
        (".Ping", "InvalidParameter", {"parameter": "method"}),
        ("", "InvalidParameter", {"parameter": "method"}),
    ],
)
def test_unknown_names(connection, method, name, parameters):
    with pytest.raises(VarlinkError) as caught:
        connection.call(method, {})
    assert caught.value.name == "org.varlink.service." + name
    assert caught.value.parameters == parameters
    assert connection.Ping() == PONG["parameters"]


@pytest.mark.parametrize("data", [b"{}", b'{"method":null}', b'{"parameters":{}}'])
def test_without_a_method(connection, data):
    connection.send_bytes(data + b"\0")
    assert connection.receive() == {
        "error": "org.varlink.service.InvalidParameter",
        "parameters": {"parameter": "method"},
    }


@pytest.mark.parametrize("method", sorted(NEVER))
def test_not_implemented_for_good(connection, method):
    with pytest.raises(VarlinkError) as caught:
        connection.call("io.podman." + method, {})
    assert caught.value.name == "org.varlink.service.MethodNotImplemented"
    assert caught.value.parameters == {"method": method}


def test_pipelining_keeps_the_order(connection):
    """Fast and slow calls mixed: replies come in the order of the requests."""
    for turn in range(200):
        connection.send("io.podman.ContainerExists", {"name": f"n{turn}"})
        connection.send("io.podman.GetContainer", {"name": f"n{turn}"})
        connection.send("io.podman.Ping")
    for turn in range(200):
        assert connection.receive() == {"parameters": {"exists": 1}}
        assert connection.receive()["parameters"] == {"name": f"n{turn}"}
        assert connection.receive() == PONG


def test_a_flood_of_pings(connection):
    count = 50000
    sender = threading.Thread(target=connection.send_bytes, args=(PING * count,))
    sender.start()
    for _ in range(count):
        assert connection.receive() == PONG
    sender.join()


def test_oneway_has_no_reply(connection):
    connection.send("io.podman.Ping", oneway=True)
    connection.send("io.podman.GetContainer", {"name": "nosuch"}, oneway=True)
    connection.send("io.podman.Nope", {}, oneway=True)
    connection.send("io.podman.ContainerExists", {"name": "x"})
    assert connection.receive() == {"parameters": {"exists": 1}}


def test_more_on_a_method_that_answers_once(connection):
    assert list(connection.more("io.podman.Ping")) == [PONG["parameters"]]


def test_byte_by_byte(connection):
    for byte in PING * 3:
        connection.send_bytes(bytes([byte]))
    for _ in range(3):
        assert connection.receive() == PONG


def test_blanks_around_a_message(connection):
    connection.send_bytes(b' \n\t{"method" : "io.podman.Ping"}\r\n \0')
    assert connection.receive() == PONG


BAD_MESSAGES = {
    "empty": b"",
    "not json": b"hello",
    "half json": b'{"method":"io.podman.Ping"',
    "two values": b'{"method":"io.podman.Ping"} x',
    "array": b"[]",
    "string": b'"io.podman.Ping"',
    "number": b"7",
    "null": b"null",
    "method is a number": b'{"method":7}',
    "more is text": b'{"method":"io.podman.Ping","more":"yes"}',
    "bad utf-8": b'{"method":"io.podman.Ping\xff"}',
    "bad escape": b'{"method":"\\q"}',
    "lone surrogate": b'{"method":"\\ud800"}',
    "bare nan": b'{"method":"io.podman.Ping","parameters":{"a":NaN}}',
    "binary": bytes(range(1, 256)),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("case", sorted(BAD_MESSAGES))
def test_no_varlink_message(engine, connection, case):
    """Ends that connection or answers an error; never anybody else's connection."""
    bystander = engine.connect()
    bystander.Ping()
    connection.send_bytes(BAD_MESSAGES[case] + b"\0")
    try:
        assert "error" in connection.receive()
    except Closed:
        pass
    assert bystander.Ping() == PONG["parameters"]
    assert engine.connect().Ping() == PONG["parameters"]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e309", "[0.5, 1E+400]"])
def test_number_that_no_double_holds(engine, connection, number):
    """It cannot be read, so it is no message: what was asked before is answered, then it ends."""
    connection.send_bytes(PING)
    inside = f'{{"method":"io.podman.Ping","parameters":{{"a":{number}}}}}'
    connection.send_bytes(inside.encode() + b"\0" + PING)
    assert connection.receive() == PONG
    assert connection.is_closed_by_peer()
    assert engine.connect().Ping() == PONG["parameters"]


@pytest.mark.parametrize("number", ["1e308", "-1e308", "1e-999", "9223372036854775808", "1" * 300])
def test_number_that_a_double_holds(connection, number):
    inside = f'{{"method":"io.podman.Ping","parameters":{{"a":{number}}}}}'
    connection.send_bytes(inside.encode() + b"\0")
    assert connection.receive() == PONG


@pytest.mark.parametrize("opening,closing", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [100, 3000, 1000000])
def test_over_deep(engine, connection, opening, closing, depth):
    """Nesting beyond the limit costs the sender its call or connection, and the engine nothing."""
    inside = opening * depth + (b"1" if opening != b"[" else b"") + closing * depth
    connection.send_bytes(b'{"method":"io.podman.Ping","parameters":{"x":' + inside + b"}}\0")
    assert connection.is_closed_by_peer()
    assert engine.connect().Ping() == PONG["parameters"]


def test_depth_that_is_allowed(connection):
    inside = b"[" * 40 + b"]" * 40
    connection.send_bytes(b'{"method":"io.podman.Ping","parameters":{"x":' + inside + b"}}\0")
    assert connection.receive() == PONG


def test_largest_message(connection):
    """Exactly the limit passes; the engine reads it whole."""
    frame = b'{"method":"io.podman.ContainerExists","parameters":{"name":"%s"}}'
    data = frame % (b"x" * (MESSAGE_MAX - len(frame) + 2))
    assert len(data) == MESSAGE_MAX
    connection.send_bytes(data + b"\0")
    assert connection.receive() == {"parameters": {"exists": 1}}


def test_over_sized_message(engine, connection):
    """One byte more than the limit ends the connection, whether or not its end ever comes."""
    bystander = engine.connect()
    bystander.Ping()
    try:
        connection.send_bytes(b'{"method":"' + b"x" * MESSAGE_MAX)
        connection.send_bytes(b"x" * MESSAGE_MAX)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert connection.is_closed_by_peer()
    assert bystander.Ping() == PONG["parameters"]


def test_half_sent_messages_cost_little(engine):
    """A hundred peers that stop in mid message; others are served."""
    stuck = [engine.connect() for _ in range(100)]
    for one in stuck:
        one.send_bytes(PING[:-5])
    begin = time.monotonic()
    assert engine.connect().Ping() == PONG["parameters"]
    assert time.monotonic() - begin < 5.0 * SLOWNESS
    for one in stuck[:50]:
        one.close()
    for one in stuck[50:]:
        one.send_bytes(PING[-5:])
        assert one.receive() == PONG


def memory_kb(engine):
    with open(f"/proc/{engine.process.pid}/status", encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


def test_a_peer_that_never_reads(engine):
    """Replies pile up to a limit, then its calls wait: memory does not grow with them."""
    deaf = engine.connect()
    deaf.socket.setblocking(False)
    request = message("org.varlink.service.GetInterfaceDescription", {"interface": "io.podman"})
    before = memory_kb(engine)
    sent = 0
    deadline = time.monotonic() + 3
    quiet_since = time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - quiet_since < 0.5:
        try:
            sent += deaf.socket.send(request * 100)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.005)
    assert sent > 0
    assert engine.connect().Ping() == PONG["parameters"]
    assert memory_kb(engine) - before < 110 * 1024 * max(1, SLOWNESS / 2)
    deaf.close()
    assert engine.connect().Ping() == PONG["parameters"]


def test_a_slow_reader_gets_everything(engine):
    """What a limit held back comes when the peer reads at last, in order and whole."""
    slow = engine.connect()
    request = message("org.varlink.service.GetInterfaceDescription", {"interface": "io.podman"})
    count = 8000  # some 100 MB of replies
    sender = threading.Thread(target=slow.send_bytes, args=(request * count,))
    sender.start()
    time.sleep(0.3)
    expected = description()
    for _ in range(count):
        assert slow.receive()["parameters"]["description"] == expected
    sender.join()


def test_peers_that_vanish(engine):
    """With calls running, replies unread, halves sent: 200 of them, and no descriptor is lost."""
    before = len(os.listdir(f"/proc/{engine.process.pid}/fd"))
    for turn in range(200):
        one = engine.connect()
        one.send_bytes(PING * 50 + PING[: turn % len(PING)])
        if turn % 3 == 0:
            one.receive()
        if turn % 2:
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()
    scratch.wait_until(
        lambda: len(os.listdir(f"/proc/{engine.process.pid}/fd")) <= before + 1,
        "descriptors of vanished peers to be closed",
    )
    assert engine.connect().Ping() == PONG["parameters"]


def test_shutdown_of_the_sending_side(connection):
    """A client may say that it sends no more, and still gets its replies."""
    connection.send_bytes(PING * 10)
    connection.socket.shutdown(socket.SHUT_WR)
    for _ in range(10):
        assert connection.receive() == PONG
    assert connection.is_closed_by_peer()


def test_many_connections(engine):
    """2,000 open at once, each answered."""
    many = [engine.connect() for _ in range(2000)]
    for one in many:
        one.send_bytes(PING)
    for one in many:
        assert one.receive() == PONG


def test_duplicate_members(connection):
    """Two readers could take such a message for two different ones: it is no message."""
    connection.send_bytes(b'{"method":"io.podman.Nope","method":"io.podman.Ping"}\0')
    assert connection.is_closed_by_peer()


def test_upgrade_is_ignored_where_there_is_none(connection):
    connection.send("io.podman.Ping", upgrade=True)
    assert connection.receive() == PONG
    assert connection.Ping() == PONG["parameters"]


def test_socket_is_private(engine):
    assert os.stat(engine.socket).st_mode & 0o777 == 0o600


def test_replies_are_compact_and_plain_json(connection):
    connection.send("io.podman.Ping")
    data = connection.receive_bytes()
    assert json.loads(data) == PONG and b"\n" not in data
