# SPDX-License-Identifier: Apache-2.0
"""org.varlink.certification: our server and a foreign client, our client and a foreign server.

The foreign side is written here from the public description, over plain sockets and Python's own
JSON.
"""

import contextlib
import json
import math
import os
import pathlib
import socket
import subprocess
import tempfile
import threading

import pytest

import scratch
from engine import SELKIE, SELKIED
from scratch import PATIENCE
from varlink import Connection, VarlinkError

BUILD = os.path.join(os.path.dirname(SELKIED), "tests")
SERVER = os.path.join(BUILD, "certification-server")
CLIENT = os.path.join(BUILD, "certification-client")
INTERFACE = "org.varlink.certification"

PARTS = {"bool": False, "int": 2, "float": math.pi, "string": "a lot of string"}
MAP = {"foo": "Foo", "bar": "Bar"}
SET = {"one": {}, "two": {}, "three": {}}
MYTYPE = {
    "object": {"method": INTERFACE + ".Test09", "parameters": {"map": MAP}},
    "enum": "two",
    "struct": {"first": 1, "second": "2"},
    "array": ["one", "two", "three"],
    "dictionary": MAP,
    "stringset": SET,
    "interface": {
        "foo": [None, {"foo": "foo", "bar": "bar"}, None, {"one": "foo", "two": "bar"}],
        "anon": {"foo": True, "bar": False},
    },
}
REPLIES = [f"Reply number {i}" for i in range(1, 11)]

# Method, what it takes besides client_id, what it gives.
STEPS = [
    ("Test01", {}, {"bool": True}),
    ("Test02", {"bool": True}, {"int": 1}),
    ("Test03", {"int": 1}, {"float": 1.0}),
    ("Test04", {"float": 1.0}, {"string": "ping"}),
    ("Test05", {"string": "ping"}, PARTS),
    ("Test06", PARTS, {"struct": PARTS}),
    ("Test07", {"struct": PARTS}, {"map": MAP}),
    ("Test08", {"map": MAP}, {"set": SET}),
    ("Test09", {"set": SET}, {"mytype": MYTYPE}),
]


def run_client(address, status=0):
    result = subprocess.run(
        [CLIENT, "--varlink=" + address],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert result.returncode == status, result.stdout + result.stderr
    assert ("Certification passed" in result.stdout) == (status == 0)
    return result


def can_connect(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


@contextlib.contextmanager
def running_server(address, answers, **kwargs):
    """certification-server, until the block ends; it must end by itself on SIGTERM."""
    with subprocess.Popen([SERVER, "--varlink=" + address], **kwargs) as process:
        try:
            scratch.wait_until(answers, "the server to listen")
            yield process
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


@pytest.fixture
def folder():
    """A scratch folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="selkie-e2e-", dir="/tmp") as name:
        yield pathlib.Path(name)


@pytest.fixture
def path(folder):
    """Where our server listens."""
    path = str(folder / INTERFACE)
    with running_server("unix:" + path, lambda: can_connect(socket.AF_UNIX, path)):
        yield path
    assert os.listdir(folder) == []  # neither socket nor lock stays


@pytest.fixture
def connection(path):
    with Connection(path, 20) as connection:
        yield connection


def step(connection, client_id, method, parameters, **flags):
    return connection.call(f"{INTERFACE}.{method}", {"client_id": client_id, **parameters}, **flags)


def walk_to(connection, last):
    """Start, and every step before @last."""
    client_id = connection.call(INTERFACE + ".Start")["client_id"]
    for method, takes, gives in STEPS:
        if method == last:
            break
        assert step(connection, client_id, method, takes) == gives
    return client_id


# --- our server ----------------------------------------------------------------------------------


def test_foreign_client(connection):
    client_id = walk_to(connection, None)
    got = connection.more(INTERFACE + ".Test10", {"client_id": client_id, "mytype": MYTYPE})
    assert [reply["string"] for reply in got] == REPLIES
    connection.send(
        INTERFACE + ".Test11",
        {"client_id": client_id, "last_more_replies": REPLIES},
        oneway=True,
    )
    assert step(connection, client_id, "End", {}) == {"all_ok": True}
    with pytest.raises(VarlinkError) as caught:
        step(connection, client_id, "End", {})
    assert caught.value.name == INTERFACE + ".ClientIdError"


def test_nulls_may_be_written(connection):
    """What clients send that know no missing members."""
    client_id = walk_to(connection, None)
    mytype = dict(MYTYPE, nullable=None, nullable_array_struct=None)
    got = connection.more(INTERFACE + ".Test10", {"client_id": client_id, "mytype": mytype})
    assert [reply["string"] for reply in got] == REPLIES


@pytest.mark.parametrize("method,takes", [(method, takes) for method, takes, _ in STEPS])
def test_wrong_order(connection, method, takes):
    client_id = walk_to(connection, method)
    for wrong, parameters in (("End", {}), ("Test08", {"map": MAP}), ("Test01", {})):
        if wrong != method:
            with pytest.raises(VarlinkError) as caught:
                step(connection, client_id, wrong, parameters)
            assert caught.value.name == INTERFACE + ".ClientIdError"
    step(connection, client_id, method, takes)


@pytest.mark.parametrize(
    "method,wrong",
    [
        ("Test02", {"bool": False}),
        ("Test03", {"int": 2}),
        ("Test04", {"float": 1.0000000000000002}),
        ("Test05", {"string": "Ping"}),
        ("Test06", dict(PARTS, float=3.14)),
        ("Test07", {"struct": dict(PARTS, string="a lot of strings")}),
        ("Test08", {"map": {"foo": "Foo"}}),
        ("Test08", {"map": dict(MAP, baz="Baz")}),
        ("Test09", {"set": {"one": {}, "two": {}}}),
    ],
)
def test_wrong_arguments(connection, method, wrong):
    client_id = walk_to(connection, method)
    with pytest.raises(VarlinkError) as caught:
        step(connection, client_id, method, wrong)
    assert caught.value.name == INTERFACE + ".CertificationError"
    takes = next(takes for name, takes, _ in STEPS if name == method)
    name = f"{INTERFACE}.{method}"
    assert caught.value.parameters == {
        "wants": {"method": name, "parameters": {"client_id": client_id, **takes}},
        "got": {"method": name, "parameters": {"client_id": client_id, **wrong}},
    }


def test_wrong_flags(connection):
    client_id = walk_to(connection, None)
    with pytest.raises(VarlinkError) as caught:
        step(connection, client_id, "Test10", {"mytype": MYTYPE})
    assert caught.value.name == INTERFACE + ".CertificationError"
    assert caught.value.parameters["wants"]["more"] is True
    assert "more" not in caught.value.parameters["got"]


@pytest.mark.parametrize("client_id", ["", "x", "\u00e9" * 1000])
def test_unknown_client(connection, client_id):
    with pytest.raises(VarlinkError) as caught:
        step(connection, client_id, "Test01", {})
    assert caught.value.name == INTERFACE + ".ClientIdError"


def test_clients_do_not_disturb_each_other(path):
    connections = [Connection(path, 20) for _ in range(20)]
    ids = [connection.call(INTERFACE + ".Start")["client_id"] for connection in connections]
    assert len(set(ids)) == len(ids)
    for method, takes, gives in STEPS:
        for connection, client_id in zip(connections, ids):
            connection.send(f"{INTERFACE}.{method}", {"client_id": client_id, **takes})
        for connection in connections:
            assert connection.result() == gives
    for connection in connections:
        connection.close()


# --- our client ----------------------------------------------------------------------------------


def foreign_server(listener, requests):
    """One connection: wants exactly what the public servers want, byte order of members aside."""
    connection, _ = listener.accept()
    buffer = b""
    script = [("Start", None, {"client_id": "c0ffee"})] + STEPS
    with connection:
        for _ in range(len(script) + 3):
            while b"\0" not in buffer:
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
            message, _, buffer = buffer.partition(b"\0")
            requests.append(message)
            method = json.loads(message)["method"].rpartition(".")[2]
            if method == "Test11":
                continue
            replies = [gives for name, _, gives in script if name == method]
            if method == "Test10":
                replies = [{"string": text} for text in REPLIES]
            if method == "End":
                replies = [{"all_ok": True}]
            if method == "Test09":
                # Members that are null are written out by some servers.
                replies = [{"mytype": dict(MYTYPE, nullable=None, nullable_array_struct=None)}]
            for i, reply in enumerate(replies):
                out = {"parameters": reply}
                if len(replies) > 1:
                    out["continues"] = i < len(replies) - 1
                connection.sendall(json.dumps(out).encode() + b"\0")


def test_foreign_server(folder):
    path, requests = str(folder / "socket"), []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=foreign_server, args=(listener, requests))
        thread.start()
        run_client("unix:" + path)
        thread.join(PATIENCE)
    received = [json.loads(request) for request in requests]
    identified = {"client_id": "c0ffee"}
    assert received[0]["method"] == INTERFACE + ".Start"
    assert received[0].get("parameters", {}) == {} and set(received[0]) <= {"method", "parameters"}
    expected = [
        {"method": f"{INTERFACE}.{method}", "parameters": {**identified, **takes}}
        for method, takes, _ in STEPS
    ]
    expected += [
        {
            "method": INTERFACE + ".Test10",
            "more": True,
            "parameters": {**identified, "mytype": MYTYPE},
        },
        {
            "method": INTERFACE + ".Test11",
            "oneway": True,
            "parameters": {**identified, "last_more_replies": REPLIES},
        },
        {"method": INTERFACE + ".End", "parameters": identified},
    ]
    assert received[1:] == expected
    # Languages tell 1 from 1.0.
    assert b'"int":1}' in requests[3] and b'"float":1.0}' in requests[4]
    assert b'"float":3.141592653589793,' in requests[6]


def test_server_that_gives_something_else(folder):
    """What does not fit the interface ends the client, not by a crash."""
    path = str(folder / "socket")
    for reply in (b'{"parameters":{"client_id":7}}\0', b"{\0", b"", b'{"error":"a.B"}\0'):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            listener.settimeout(PATIENCE)

            def answer(listener=listener, reply=reply):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

            thread = threading.Thread(target=answer)
            thread.start()
            assert run_client("unix:" + path, 1).stderr.count("\n") == 1
            thread.join(PATIENCE)
        os.unlink(path)


# --- addresses -----------------------------------------------------------------------------------


def test_unix(path):
    run_client("unix:" + path)
    run_client("unix:" + path)
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_mode(folder):
    path = str(folder / "socket")
    with running_server(f"unix:{path};mode=0666", lambda: can_connect(socket.AF_UNIX, path)):
        assert os.stat(path).st_mode & 0o777 == 0o666
        run_client("unix:" + path)


def test_relative_path(folder):
    answers = lambda: can_connect(socket.AF_UNIX, str(folder / "s"))  # noqa: E731
    with running_server("unix:s", answers, cwd=folder):
        run_client(f"unix:{folder}/s")


def test_abstract():
    name = f"selkie-certification-{os.getpid()}"
    answers = lambda: can_connect(socket.AF_UNIX, "\0" + name)  # noqa: E731
    with running_server("unix:@" + name, answers):
        run_client("unix:@" + name)


@pytest.mark.parametrize("host,family", [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_tcp(host, family):
    with socket.socket(family) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            pytest.skip(f"this host has no {host}")
        port = probe.getsockname()[1]
    address = f"tcp:[{host}]:{port}" if family == socket.AF_INET6 else f"tcp:{host}:{port}"
    with running_server(address, lambda: can_connect(family, (host, port))):
        run_client(address)


@pytest.mark.parametrize("arguments", ["", " --varlink=$VARLINK_ADDRESS", " --varlink=unix:/x/y"])
def test_exec(arguments):
    before = set(os.listdir("/tmp"))
    run_client(f"exec:{SERVER}{arguments}")
    left = [name for name in set(os.listdir("/tmp")) - before if name.startswith("varlink-")]
    assert left == []


@pytest.mark.parametrize(
    "sockets,names,chosen",
    [
        (1, None, 0),
        (1, "varlink", 0),
        (1, "selkie.socket", 0),
        (2, None, 0),
        (2, "other:varlink", 1),
        (3, "a:varlink:b", 1),
        (2, "a:b", None),
    ],
)
def test_activation(folder, sockets, names, chosen):
    listeners = []
    for i in range(sockets):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / str(i)))
        listener.listen()
        listeners.append(listener)

    def pass_sockets():
        os.environ["LISTEN_PID"] = str(os.getpid())
        # Out of the way first: the numbers may overlap.
        copies = [os.dup2(one.fileno(), 100 + i) for i, one in enumerate(listeners)]
        for i, copy in enumerate(copies):
            os.dup2(copy, 3 + i)

    environment = dict(os.environ, LISTEN_FDS=str(sockets))
    environment.pop("LISTEN_FDNAMES", None)
    if names is not None:
        environment["LISTEN_FDNAMES"] = names
    # The shell's pid becomes the server's.
    with subprocess.Popen(
        ["/bin/sh", "-c", f"LISTEN_PID=$$ exec {SERVER} --varlink=unix:{folder}/unused"],
        env=environment,
        preexec_fn=pass_sockets,
        close_fds=False,
        stderr=subprocess.PIPE,
    ) as process:
        for listener in listeners:
            listener.close()
        if chosen is None:
            assert process.wait(PATIENCE) == 1 and process.stderr.read().count(b"\n") == 1
            return
        run_client(f"unix:{folder}/{chosen}")
        assert not os.path.exists(folder / "unused")
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert os.path.exists(folder / str(chosen))  # not ours to remove


# --- one place, two servers ----------------------------------------------------------------------


def test_address_in_use(path):
    result = subprocess.run(
        [SERVER, "--varlink=unix:" + path], capture_output=True, timeout=PATIENCE, check=False
    )
    assert result.returncode == 1 and b"in use" in result.stderr
    run_client("unix:" + path)


def test_stale_socket_is_replaced(folder):
    path = str(folder / "socket")
    with subprocess.Popen([SERVER, "--varlink=unix:" + path]) as process:
        scratch.wait_until(lambda: can_connect(socket.AF_UNIX, path), "the server")
        process.kill()
    assert os.path.exists(path)
    with running_server("unix:" + path, lambda: can_connect(socket.AF_UNIX, path)):
        run_client("unix:" + path)
    assert os.listdir(folder) == []


def test_a_file_is_no_socket(folder):
    path = folder / "socket"
    path.write_text("mine")
    result = subprocess.run(
        [SERVER, f"--varlink=unix:{path}"], capture_output=True, timeout=PATIENCE, check=False
    )
    assert result.returncode == 1 and path.read_text() == "mine"


def test_many_start_at_once(folder):
    """Exactly one of them serves, and the others say so, also where a dead one left its socket."""
    path = str(folder / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    servers = [
        subprocess.Popen([SERVER, "--varlink=unix:" + path], stderr=subprocess.PIPE)
        for _ in range(20)
    ]
    try:
        scratch.wait_until(
            lambda: sum(server.poll() is not None for server in servers) == 19, "19 to give up"
        )
        run_client("unix:" + path)
        assert sorted(server.poll() or 0 for server in servers) == [0] + [1] * 19
    finally:
        for server in servers:
            server.terminate()
            server.wait(PATIENCE)
            server.stderr.close()


# --- the command, without an engine --------------------------------------------------------------


def selkie(*arguments, **kwargs):
    return subprocess.run(
        [SELKIE, *arguments], capture_output=True, timeout=PATIENCE, check=False, **kwargs
    )


def test_call_prints_replies_as_they_came(path):
    address = f"unix:{path}/{INTERFACE}"
    with Connection(path, 20) as connection:
        client_id = walk_to(connection, "Test05")
    parameters = json.dumps({"client_id": client_id, "string": "ping"})
    result = selkie("call", address + ".Test05", parameters)
    assert result.stdout.decode() == (
        '{\n  "bool": false,\n  "int": 2,\n  "float": 3.141592653589793,\n'
        '  "string": "a lot of string"\n}\n'
    )


def test_call_more(path):
    address = f"unix:{path}/{INTERFACE}"
    with Connection(path, 20) as connection:
        client_id = walk_to(connection, None)
    result = selkie(
        "call",
        "-m",
        address + ".Test10",
        "-",
        input=json.dumps({"client_id": client_id, "mytype": MYTYPE}).encode(),
    )
    assert result.returncode == 0
    expected = "".join(f'{{\n  "string": "{text}"\n}}\n' for text in REPLIES)
    assert result.stdout.decode() == expected


def test_default_address(path):
    result = selkie("call", INTERFACE + ".Start", env={"SELKIE_ADDRESS": "unix:" + path})
    assert result.returncode == 0 and set(json.loads(result.stdout)) == {"client_id"}


def test_info_of_a_command(path):
    result = selkie("info", "exec:" + SERVER)
    assert result.returncode == 0 and INTERFACE in result.stdout.decode()


def test_bridge_ends_when_its_reader_is_gone(path):
    """Also while the service could go on answering for ever."""
    ours, theirs = socket.socketpair()
    with subprocess.Popen(
        [SELKIE, "bridge", "--connect=unix:" + path], stdin=theirs, stdout=theirs
    ) as process:
        theirs.close()
        request = b'{"method":"org.varlink.service.GetInfo"}\0'
        ours.sendall(request * 1000)
        assert ours.recv(100).startswith(b'{"parameters":{"vendor"')
        ours.close()
        assert process.wait(PATIENCE) == 0


def test_bridge_to_nowhere(folder):
    result = selkie("bridge", f"--connect=unix:{folder}/none", input=b"")
    assert result.returncode == 1 and result.stderr.count(b"\n") == 1
