# SPDX-License-Identifier: Apache-2.0
"""selkie: the varlink command's syntax, so that every example of the reference works."""

import json
import os
import signal
import socket
import subprocess

import pytest

from engine import SELKIE
from methods import description
from scratch import PATIENCE

NO_SUCH = "unix:/no/such/socket"


@pytest.fixture
def engine(bare_engine):
    return bare_engine


@pytest.fixture
def address(engine):
    return "unix:" + engine.socket


def selkie(*arguments, data=None):
    return subprocess.run(
        [SELKIE, *arguments],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_call(address):
    result = selkie("call", address + "/io.podman.Ping")
    assert result.returncode == 0 and result.stderr == ""
    assert json.loads(result.stdout) == {"ping": {"message": "OK"}}
    assert result.stdout == '{\n  "ping": {\n    "message": "OK"\n  }\n}\n'


def test_call_with_parameters(address):
    result = selkie("call", address + "/io.podman.ContainerExists", '{"name": "x"}')
    assert json.loads(result.stdout) == {"exists": 1}


def test_call_with_parameters_on_stdin(address):
    result = selkie("call", address + "/io.podman.ContainerExists", "-", data='{"name": "x"}')
    assert json.loads(result.stdout) == {"exists": 1}


def test_call_more(address):
    """-m before the method, as the reference has it."""
    result = selkie("call", "-m", address + "/io.podman.Ping")
    assert result.returncode == 0 and json.loads(result.stdout) == {"ping": {"message": "OK"}}


def test_error_reply(address):
    result = selkie("call", address + "/io.podman.GetContainer", '{"name": "nosuch"}')
    assert result.returncode == 1 and result.stdout == ""
    assert "io.podman.ContainerNotFound" in result.stderr and "nosuch" in result.stderr


def test_info(address):
    result = selkie("info", address)
    assert result.returncode == 0
    for text in ("org.varlink.service", "io.podman", "selkie"):
        assert text in result.stdout.lower()


def test_help(address):
    result = selkie("help", address + "/io.podman")
    assert result.returncode == 0 and result.stdout.strip() == description().strip()
    result = selkie("help", address + "/io.nosuch")
    assert result.returncode == 1 and "io.nosuch" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["call", "/io.podman.Ping"],
        ["call", "nonsense"],
        ["call"],
        ["info"],
        ["nosuch"],
        [],
        ["call", NO_SUCH + "/io.podman.Ping"],
        ["info", NO_SUCH],
        ["help", NO_SUCH + "/io.podman"],
        ["--nosuch"],
    ],
    ids=" ".join,
)
def test_refused_in_one_line_or_usage(engine, arguments):
    if not arguments or "nosuch" in arguments[0] or len(arguments) == 1:
        result = selkie(*arguments)
        assert result.returncode not in (0, None) and result.stderr
    else:
        result = selkie(*arguments)
        assert result.returncode != 0 and len(result.stderr.strip().split("\n")) == 1


@pytest.mark.parametrize("parameters", ["{", "[]", "7", '"x"', "", "{} x"])
def test_parameters_that_are_no_object(address, parameters):
    result = selkie("call", address + "/io.podman.Ping", parameters)
    assert result.returncode != 0 and result.stdout == "" and result.stderr


def test_big_answers_and_arguments(address):
    name = "x" * 100000
    result = selkie("call", address + "/io.podman.GetContainer", json.dumps({"name": name}))
    assert result.returncode == 1 and name in result.stderr


def test_bridge(engine):
    """stdin and stdout are the socket: several calls, then the end of the input ends it."""
    ping = b'{"method":"io.podman.Ping"}\0'
    result = subprocess.run(
        [SELKIE, "bridge", "--connect", "unix:" + engine.socket],
        input=ping * 100,
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
        check=True,
    )
    assert result.stdout == b'{"parameters":{"ping":{"message":"OK"}}}\0' * 100


def test_bridge_as_an_exec_address(engine):
    """What `ssh host selkie bridge` is to a client, here without the ssh."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [SELKIE, "bridge", "--connect", "unix:" + engine.socket], stdin=theirs, stdout=theirs
    )
    theirs.close()
    ours.settimeout(PATIENCE)
    ours.sendall(b'{"method":"io.podman.Ping"}\0')
    assert ours.recv(4096).endswith(b'"OK"}}}\0')
    ours.close()
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("words", [["call", "io.podman.Ping"], ["help", "io.podman"], ["info"]])
def test_a_reader_that_went_away(address, words):
    """As in `selkie help | head`: it ends as other tools do, without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    result = with_output(address, words, writer)
    assert result.returncode == -signal.SIGPIPE and result.stderr == ""


@pytest.mark.parametrize("words", [["call", "io.podman.Ping"], ["help", "io.podman"], ["info"]])
def test_output_that_cannot_be_written(address, words):
    result = with_output(address, words, os.open("/dev/full", os.O_WRONLY))
    assert result.returncode == 1 and len(result.stderr.strip().split("\n")) == 1


def with_output(address, words, descriptor):
    with os.fdopen(descriptor) as output:
        return subprocess.run(
            [SELKIE, *words],
            env={**os.environ, "SELKIE_ADDRESS": address},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def test_version():
    result = selkie("--version")
    assert result.returncode == 0 and result.stdout.startswith("selkie ")
