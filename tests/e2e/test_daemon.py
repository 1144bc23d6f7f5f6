# SPDX-License-Identifier: Apache-2.0
"""selkied as a program: its options, its socket, how it refuses, and how it ends."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import scratch
from engine import SELKIED, SLOWNESS, Engine
from scratch import PATIENCE
from varlink import Connection

STORE_ROOT_MAX = 480  # storage/config.h


def run(*arguments, **kwargs):
    return subprocess.run(
        [SELKIED, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
        **kwargs,
    )


def one_clear_line(result):
    """Refused: exit status not 0, nothing on stdout, one line on stderr. The line."""
    assert result.returncode > 0, result
    assert result.stdout == ""
    lines = result.stderr.strip().split("\n")
    assert len(lines) == 1 and len(lines[0]) > 15, result.stderr
    return lines[0]


@pytest.fixture
def options():
    """Options for an engine that will not come to life."""
    engine = Engine()
    try:
        yield {
            "--address": "unix:" + engine.socket,
            "--root": engine.root,
            "--runroot": engine.runroot,
        }
        engine.assert_no_leaks()
    finally:
        engine.discard()


def flat(options, **changes):
    options = {**options, **{"--" + k: v for k, v in changes.items()}}
    return [word for pair in options.items() for word in pair]


def test_version():
    result = run("--version")
    assert result.returncode == 0 and re.search(r"selkied \d+\.\d+\.\d+", result.stdout)


def test_help():
    result = run("--help")
    assert result.returncode == 0
    for option in (
        "--address",
        "--root",
        "--runroot",
        "--idle-timeout",
        "--log-level",
        "--runtime",
    ):
        assert option in result.stdout


def test_bad_options(options):
    for words in (
        ["--nosuch"],
        ["--idle-timeout", "soon"],
        ["--idle-timeout", "-1"],
        ["--idle-timeout"],
        ["--log-level", "loud"],
        ["stray"],
    ):
        line = one_clear_line(run(*flat(options), *words))
        assert words[0] in line or words[-1] in line, line


UNPRINTABLE = ["\udcff\udcfe", "a\nb", "a\x1b[31mb", "a\tb"]  # surrogates: bytes that are no UTF-8
PATHS = ["root", "runroot", "address"]


def path_option(name, path):
    """One option that names a path, as flat() wants it."""
    return {name: ("unix:" if name == "address" else "") + path}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nosuch:x",
        "/no/scheme",
        "UNIX:/tmp/x",
        "unix:",
        "unix:@",
        "unix:/tmp/",
        "unix:/tmp/x;mode=0888",
        "unix:/tmp/x;nosuch=1",
        "unix:@" + "x" * 200,
        "unix:/" + "x" * 5000,
        "unix:relative",
        "unix:./relative",
        "tcp:127.0.0.1:0",
        "tcp:[::1]:12345",
        "exec:/bin/cat",
        "vsock:1:2",
    ],
)
def test_bad_address(options, address):
    """Anything but a socket of this host is refused before anything is made."""
    result = run(*flat(options, address=address))
    assert "address" in one_clear_line(result) and result.returncode == 2
    assert not os.path.exists(options["--root"])


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("text", UNPRINTABLE, ids=ascii)
def test_path_that_is_no_line_of_text(options, name, text):
    path = f"{options['--root']}-{text}"
    one_clear_line(run(*flat(options, **path_option(name, path)), errors="surrogateescape"))
    assert not os.path.exists(path)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("path", ["", "relative", "./relative", "../relative"])
def test_path_that_is_not_absolute(options, name, path):
    line = one_clear_line(run(*flat(options, **path_option(name, path)), cwd="/"))
    assert name in line and path in line


@pytest.mark.parametrize("name", ["root", "runroot"])
def test_longest_path(options, name):
    """The longest that may be works to the end; one byte more is refused."""
    path = options["--" + name] + "/"
    path += "/".join("x" * 100 for _ in range(4)) + "/"
    path += "y" * (STORE_ROOT_MAX - len(path))
    line = one_clear_line(run(*flat(options, **{name: path + "z"})))
    assert "long" in line and str(STORE_ROOT_MAX) in line
    engine = Engine()
    setattr(engine, name, path)
    try:
        engine.start()
        engine.stop()
    finally:
        engine.discard()
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("name", ["root", "runroot"])
def test_path_with_a_colon(options, name):
    assert "colon" in one_clear_line(run(*flat(options, **{name: options["--root"] + "/a:b"})))


def test_socket_path_too_long(options):
    line = one_clear_line(run(*flat(options, address="unix:/tmp/" + "x" * 120)))
    assert "long" in line


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("below", ["", "/below"])
def test_path_that_is_a_file(options, tmp_path, name, below):
    file = tmp_path / "file"
    file.write_text("precious")
    line = one_clear_line(run(*flat(options, **path_option(name, f"{file}{below}"))))
    assert str(file) in line
    assert file.read_text() == "precious"


def test_address_that_is_a_folder(options, tmp_path):
    assert str(tmp_path) in one_clear_line(run(*flat(options, address=f"unix:{tmp_path}")))


def test_address_in_a_folder_that_is_not_there(options):
    line = one_clear_line(run(*flat(options, address="unix:/no/such/folder/s")))
    assert "/no/such/folder/s" in line and "No such file or directory" in line


@pytest.fixture
def read_only(tmp_path):
    """A read-only file system."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "read-only", tmp_path], check=True)
    yield str(tmp_path)
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("below", ["", "/below"])
def test_path_that_cannot_be_written(options, read_only, name, below):
    if name == "address" and not below:
        below = "/socket"
    line = one_clear_line(run(*flat(options, **path_option(name, read_only + below))))
    assert read_only in line and "Read-only file system" in line


@pytest.fixture(params=["no room", "no inode"])
def full(request, tmp_path):
    """A file system that takes nothing more."""
    limit = {"no room": "size=16k", "no inode": "nr_inodes=2"}[request.param]
    subprocess.run(["mount", "-t", "tmpfs", "-o", limit, "full", tmp_path], check=True)
    with open(tmp_path / "filler", "wb", buffering=0) as stream:
        try:
            while request.param == "no room" and stream.write(b"x" * 4096):
                pass
        except OSError:
            pass
    yield str(tmp_path)
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(
    "name,full",
    [
        ("root", "no room"),  # folders and sockets need none
        *((name, "no inode") for name in PATHS),
    ],
    indirect=["full"],
)
def test_path_on_a_full_disk(options, full, name):
    line = one_clear_line(run(*flat(options, **path_option(name, full + "/below"))))
    assert full in line and ("No space left on device" in line or "disk is full" in line)


def test_bad_runtime(options):
    line = one_clear_line(run(*flat(options), "--runtime", "/no/such/runtime"))
    assert "/no/such/runtime" in line


def test_second_engine_on_the_same_root(bare_engine, tmp_path):
    """One engine per store: the lock says so, naming the store."""
    line = one_clear_line(
        run(
            "--address",
            f"unix:{tmp_path}/other",
            "--root",
            bare_engine.root,
            "--runroot",
            bare_engine.runroot,
        )
    )
    assert bare_engine.root in line
    assert bare_engine.connect().Ping()
    assert not os.path.exists(f"{tmp_path}/other")


def test_address_in_use(bare_engine, options):
    line = one_clear_line(run(*flat(options, address="unix:" + bare_engine.socket)))
    assert bare_engine.socket in line and "listens" in line
    assert bare_engine.connect().Ping()


def test_socket_path_is_an_ordinary_file(options):
    path = options["--address"][len("unix:") :]
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("precious")
    one_clear_line(run(*flat(options)))
    with open(path, encoding="utf-8") as stream:
        assert stream.read() == "precious"


def test_stale_socket_is_replaced(bare_engine):
    bare_engine.kill()
    assert stat.S_ISSOCK(os.stat(bare_engine.socket).st_mode)
    bare_engine.start()
    assert bare_engine.connect().Ping()


def test_socket_goes_with_the_engine(bare_engine):
    bare_engine.stop()
    assert not os.path.exists(bare_engine.socket)
    bare_engine.start()


def test_abstract_address():
    engine = Engine()
    name = f"@selkie-test-{os.getpid()}-{time.monotonic_ns()}"
    engine.socket = name
    try:
        engine.start()
        assert engine.connect().Ping()
        engine.stop()
    finally:
        engine.discard()


def test_address_with_mode():
    engine = Engine()
    command = engine.command()
    command[command.index("--address") + 1] += ";mode=0660"
    try:
        engine.command = lambda: command
        engine.start()
        assert os.stat(engine.socket).st_mode & 0o777 == 0o660
        engine.stop()
    finally:
        engine.discard()


@pytest.mark.timing
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_within_a_second_and_containers_live_on(engine, number):
    """Also while calls wait, follow a log and stop a stubborn container."""
    name = engine.run("sh", "-c", "trap '' TERM; while :; do echo x; sleep 0.1; done")
    waiting, following, stopping = (engine.connect() for _ in range(3))
    waiting.send("io.podman.WaitContainer", {"name": name})
    following.send("io.podman.GetContainerLogs", {"name": name}, more=True)
    following.receive()
    stopping.send("io.podman.StopContainer", {"name": name, "timeout": 60})
    pid = int(engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"])
    begin = time.monotonic()
    engine.process.send_signal(number)
    assert engine.process.wait(PATIENCE) == 0
    assert time.monotonic() - begin < 1.0 * SLOWNESS
    assert scratch.is_alive(pid)
    engine.process = None
    engine.start()
    assert engine.status(name) == "running"
    engine.call("KillContainer", name=name, signal=9)
    assert engine.wait(name) == 137


def test_sigterm_during_calls_finishes_what_runs(engine):
    """Creates that are under way are answered or undone, and the store is whole afterwards."""
    answered = []

    def client():
        try:
            while True:
                answered.append(engine.create("true"))
        except Exception:  # noqa: B902 - the engine went away: any way of noticing is fine
            pass

    clients = [threading.Thread(target=client) for _ in range(6)]
    for one in clients:
        one.start()
    time.sleep(0.3)
    engine.stop()
    for one in clients:
        one.join(PATIENCE)
    engine.start()
    shown = {c["id"] for c in engine.containers()}
    assert set(answered) <= shown


def start_idle(seconds, **kwargs):
    return Engine(options=["--idle-timeout", str(seconds)]).start(**kwargs)


def test_idle_timeout_ends_it():
    engine = start_idle(1)
    try:
        begin = time.monotonic()
        assert engine.process.wait(PATIENCE) == 0
        assert 0.5 < time.monotonic() - begin < 10 * SLOWNESS
        assert not os.path.exists(engine.socket)
    finally:
        engine.process = None
        engine.discard()


def test_idle_timeout_waits_for_an_open_connection():
    engine = start_idle(1)
    try:
        connection = engine.connect()
        time.sleep(2.5)
        assert engine.is_running() and connection.Ping()
        connection.close()
        assert engine.process.wait(PATIENCE) == 0
    finally:
        engine.process = None
        engine.discard()


def test_idle_timeout_with_calls_under_way(busybox_tar):
    engine = start_idle(1)
    try:
        engine.call("ImportImage", source=busybox_tar, reference="busybox", message="", changes=[])
        name = engine.run("/bin/sh", "-c", "/bin/sleep 2.5; exit 3")
        waiting = engine.connect()
        waiting.send("io.podman.WaitContainer", {"name": name})
        assert waiting.result() == {"exitcode": 3}
        waiting.close()
        assert engine.process.wait(PATIENCE) == 0
        engine.start()
        engine.remove_all()
        engine.assert_no_leaks()
    finally:
        engine.discard()


def activated(engine, environment, redirections="3<&0", *kept):
    """Start the engine as systemd would: a listening socket at descriptor 3, LISTEN_PID its own."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(engine.socket)
    listener.listen(100)
    words = " ".join(f"{key}={value}" for key, value in environment.items())
    command = engine.command()
    del command[command.index("--address") : command.index("--address") + 2]
    script = f'exec env LISTEN_PID=$$ {words} "$@" {redirections} </dev/null'
    with open(engine.log, "ab") as log:
        engine.process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            stdin=listener.fileno(),
            stdout=log,
            stderr=log,
            pass_fds=kept,
        )
    return listener


@pytest.mark.parametrize(
    "environment", [{"LISTEN_FDS": 1}, {"LISTEN_FDS": 1, "LISTEN_FDNAMES": "varlink"}]
)
def test_socket_activation(environment):
    engine = Engine()
    try:
        listener = activated(engine, environment)
        with Connection(engine.socket) as connection:
            assert connection.Ping()
        begin = time.monotonic()
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(PATIENCE) == 0
        assert time.monotonic() - begin < 5.0 * SLOWNESS
        assert os.path.exists(engine.socket)  # systemd's, not the engine's, to remove
        engine.process = None
        listener.close()
    finally:
        engine.discard()


def test_socket_activation_by_name_among_others():
    """LISTEN_FDNAMES picks the socket called varlink; the other is not touched."""
    engine = Engine()
    try:
        other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        other.bind(engine.socket + ".other")
        other.listen(1)
        environment = {"LISTEN_FDS": 2, "LISTEN_FDNAMES": "other:varlink"}
        listener = activated(engine, environment, f"3<&{other.fileno()} 4<&0", other.fileno())
        with Connection(engine.socket) as connection:
            assert connection.Ping()
        engine.stop()
        listener.close()
        other.close()
    finally:
        engine.discard()


@pytest.mark.parametrize(
    "count,redirection",
    [("1", "3<&-"), ("2", "3<&-"), ("99999", "3<&-"), ("many", "3<&-"), ("-1", "3<&-")]
    + [("1", "3</etc/passwd"), ("1", "3</dev/null")],
)
def test_activation_with_what_is_no_socket(options, count, redirection):
    words = [SELKIED, *flat(options)]
    script = f'exec {redirection}; exec env LISTEN_PID=$$ LISTEN_FDS={count} "$@"'
    result = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "handed over" in one_clear_line(result)


def test_client_that_connected_before_the_activated_engine_was_up():
    engine = Engine()
    try:
        listener = activated(engine, {"LISTEN_FDS": 1})
        connections = [Connection(engine.socket) for _ in range(20)]
        for connection in connections:
            connection.send("io.podman.Ping")
        for connection in connections:
            assert connection.result() == {"ping": {"message": "OK"}}
            connection.close()
        listener.close()
    finally:
        engine.discard()


def test_notifies_readiness(tmp_path):
    """READY=1 comes when it answers, not before."""
    path = str(tmp_path / "notify")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path)
    notify.settimeout(PATIENCE)
    engine = Engine()
    try:
        with open(engine.log, "ab") as log:
            engine.process = subprocess.Popen(
                engine.command(),
                env={**os.environ, "NOTIFY_SOCKET": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        assert b"READY=1" in notify.recv(4096)
        assert engine.connect().Ping()
        engine.stop()
    finally:
        engine.discard()
        notify.close()


@pytest.mark.timing
def test_start_is_quick(engine):
    """To the first answer, with fifty containers in the store; the median of nine."""
    for _ in range(50):
        engine.create("true")
    took = []
    for _ in range(9):
        engine.stop()
        begin = time.monotonic()
        engine.process = subprocess.Popen(
            engine.command(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            try:
                with Connection(engine.socket) as connection:
                    connection.Ping()
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.0005)
        took.append((time.monotonic() - begin) * 1000)
    assert sorted(took)[4] < 60 * SLOWNESS, took


def test_log_levels(bare_engine):
    """error says nothing in good times; info says little; debug says more."""
    sizes = {}
    for level in ("error", "warning", "info", "debug"):
        bare_engine.stop()
        before = os.path.getsize(bare_engine.log)
        command = bare_engine.command()
        command[command.index("--log-level") + 1] = level
        with open(bare_engine.log, "ab") as log:
            bare_engine.process = subprocess.Popen(command, stdout=log, stderr=log)
        scratch.wait_until(bare_engine._answers, "an answer")
        sizes[level] = os.path.getsize(bare_engine.log) - before
    assert sizes["error"] == 0 or "error" in bare_engine.log_text()
    assert sizes["info"] <= sizes["debug"]
