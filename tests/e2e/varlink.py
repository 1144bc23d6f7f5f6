# SPDX-License-Identifier: Apache-2.0
"""A small varlink client over a socket: enough to speak to the engine, well or badly.

Everything has a deadline, so that an engine that hangs fails a test instead of the whole run.
"""

import json
import socket
import time

from scratch import PATIENCE

TIMEOUT = 2 * PATIENCE


class VarlinkError(Exception):
    """An error reply: its qualified name and its parameters."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {json.dumps(parameters)}")
        self.name = name
        self.parameters = parameters

    @property
    def reason(self):
        return self.parameters.get("reason", "")


class Closed(Exception):
    """The service ended the connection where a reply was expected."""


def message(method, parameters=None, **flags):
    """The bytes of one request; parameters None leaves the member out."""
    request = {"method": method}
    if parameters is not None:
        request["parameters"] = parameters
    request.update(flags)
    return json.dumps(request).encode() + b"\0"


class Connection:
    """One connection. Calls in order; send() and receive() apart for pipelining."""

    def __init__(self, path, timeout=TIMEOUT):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect("\0" + path[1:] if path.startswith("@") else path)
        self._buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **flags):
        self.send_bytes(message(method, parameters, **flags))

    def receive_bytes(self):
        """One message without its NUL; b'' when the service hung up between messages."""
        while True:
            end = self._buffer.find(b"\0")
            if end >= 0:
                found = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return found
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self._buffer, f"hung up inside a message: {bytes(self._buffer[:200])}"
                return b""
            self._buffer += data

    def receive(self):
        """One reply as a dict, error or not."""
        data = self.receive_bytes()
        if not data:
            raise Closed()
        reply = json.loads(data)
        assert isinstance(reply, dict) and set(reply) <= {"parameters", "error", "continues"}, reply
        return reply

    def result(self):
        """The parameters of the next reply; an error reply is raised."""
        reply = self.receive()
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {})

    def call(self, method, parameters=None, **flags):
        self.send(method, parameters, **flags)
        return self.result()

    def more(self, method, parameters=None):
        """Call with `more`: yields the parameters of each reply until the last."""
        self.send(method, parameters, more=True)
        while True:
            reply = self.receive()
            if "error" in reply:
                raise VarlinkError(reply["error"], reply.get("parameters", {}))
            yield reply.get("parameters", {})
            if not reply.get("continues"):
                return

    def __getattr__(self, name):
        """connection.StartContainer(name="a") calls io.podman.StartContainer."""
        if not name[:1].isupper():
            raise AttributeError(name)
        return lambda **parameters: self.call("io.podman." + name, parameters)

    def is_closed_by_peer(self):
        """Whether the service ends this connection, whatever it sends before."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                if not self.socket.recv(1 << 16):
                    return True
            except (ConnectionResetError, BrokenPipeError):
                return True
            except TimeoutError:
                return False
