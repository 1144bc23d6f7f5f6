# SPDX-License-Identifier: Apache-2.0
"""GetAttachSockets: conmon's sockets, and talking to a container through them."""

import fcntl
import os
import socket
import struct
import termios

import scratch
from scratch import PATIENCE

STDOUT, STDERR = 2, 3


class Attached:
    """A client of conmon's attach socket: sequenced packets, the first byte tells the stream."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        folder = os.open(os.path.dirname(path), os.O_PATH)
        try:  # the path may be longer than an address can be
            self.socket.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)

    def read_to_the_end(self):
        streams = {STDOUT: b"", STDERR: b""}
        while True:
            try:
                packet = self.socket.recv(16384)
            except ConnectionResetError:
                packet = b""
            if not packet:
                return streams
            streams[packet[0]] += packet[1:]


def test_attach_before_the_start_misses_nothing(engine):
    name = engine.create("sh", "-c", "echo out; echo err >&2; exit 3")
    found = engine.call("GetAttachSockets", name=name)["sockets"]
    assert found["container_id"] == name
    assert engine.status(name) == "created"
    # a plain connect() takes 107 bytes, also with the longest of the default roots
    assert len(found["io_socket"]) - len(engine.runroot) + len("/run/containers/storage") <= 107
    attached = Attached(found["io_socket"])
    engine.call("StartContainer", name=name)
    assert attached.read_to_the_end() == {STDOUT: b"out\n", STDERR: b"err\n"}
    assert engine.wait(name) == 3


def test_standard_input(engine):
    name = engine.create("cat", interactive=True)
    attached = Attached(engine.call("GetAttachSockets", name=name)["sockets"]["io_socket"])
    engine.call("StartContainer", name=name)
    attached.socket.sendall(b"over and out\n")
    attached.socket.shutdown(socket.SHUT_WR)
    assert attached.read_to_the_end()[STDOUT] == b"over and out\n"
    assert engine.wait(name) == 0


def test_without_interactive_input_is_empty(engine):
    name = engine.run("sh", "-c", "wc -c")
    assert engine.wait(name) == 0
    assert engine.output(name) == "0\n"


def test_terminal_and_its_size(engine):
    name = engine.create("sh", "-c", "read x; stty size", tty=True, interactive=True)
    found = engine.call("GetAttachSockets", name=name)["sockets"]
    attached = Attached(found["io_socket"])
    engine.call("StartContainer", name=name)
    control = os.open(found["control_socket"], os.O_WRONLY | os.O_NONBLOCK)
    os.write(control, b"1 33 77\n")
    os.close(control)
    pid = engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"]
    scratch.wait_until(lambda: window_of(pid) == (33, 77), "the new size")
    attached.socket.sendall(b"\n")
    assert b"33 77" in attached.read_to_the_end()[STDOUT]


def window_of(pid):
    terminal = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
    try:
        return struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"\0" * 8))[:2]
    finally:
        os.close(terminal)


def test_running(engine):
    name = engine.run("sh", "-c", "read x; echo got $x", interactive=True)
    attached = Attached(engine.call("GetAttachSockets", name=name)["sockets"]["io_socket"])
    attached.socket.sendall(b"it\n")
    assert attached.read_to_the_end()[STDOUT] == b"got it\n"


def test_an_initialised_container_is_removed_and_stopped(engine):
    """`created` is a state of its own: a process waits in the runtime for its start."""
    name = engine.create("sleep", "1000", stop_timeout=0)
    engine.call("GetAttachSockets", name=name)
    assert engine.call("StopContainer", name=name, timeout=0) == {"container": name}
    assert engine.call("RemoveContainer", name=name, force=True) == {"container": name}
    engine.assert_no_leaks()


def test_initialised_over_a_restart_of_the_engine(engine):
    name = engine.create("sh", "-c", "exit 12")
    engine.call("GetAttachSockets", name=name)
    for end in (engine.stop, engine.kill):
        end()
        engine.start()
    engine.call("StartContainer", name=name)
    assert engine.wait(name) == 12
