# SPDX-License-Identifier: Apache-2.0
"""A server that does what a test says, byte by byte: nothing here is polite unless a test is."""

import collections
import socket
import ssl
import threading

Request = collections.namedtuple("Request", "method path headers body")

# What the other side may do at any moment, since it is the one that is tested.
GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ssl.SSLError, TimeoutError)


class Peer:
    """One connection of the server's; raises Peer.End to close it."""

    class End(Exception):
        pass

    def __init__(self, connection):
        self.connection = connection
        self.input = connection.makefile("rb")

    def raw(self, data):
        self.connection.sendall(data)

    def send(self, status, headers=None, body=b""):
        """An answer with its length, unless the headers say otherwise."""
        headers = dict(headers or {})
        headers.setdefault("Content-Length", len(body))
        lines = [f"HTTP/1.1 {status} Words"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def close(self):
        raise Peer.End

    def reset(self):
        """Close so that the other side sees an error, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raise Peer.End

    def read_request(self):
        if self.input.peek(1)[:1] == b"\x16":  # TLS is tried first: there is none
            raise Peer.End
        words = self.input.readline().decode("latin-1").split()
        if len(words) != 3:
            raise Peer.End
        headers = {}
        while True:
            line = self.input.readline().decode("latin-1").strip()
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(words[0], words[1], headers, self._read_body(headers))

    def _read_body(self, headers):
        if "100-continue" in headers.get("expect", ""):
            self.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "content-length" in headers:
            return self.input.read(int(headers["content-length"]))
        body = b""
        while headers.get("transfer-encoding") == "chunked":
            size = int(self.input.readline() or b"0", 16)
            body += self.input.read(size)
            self.input.readline()
            if size == 0:
                break
        return body


class Hostile:
    """routes: path to what answers it, called with the request and the peer.

    A path that is not there gets a 404, `/v2/` a 200 unless it is there."""

    def __init__(self, routes, tls=None):
        self.routes = routes
        self.requests = []
        self.problems = []
        self.lock = threading.Lock()
        self.peers = set()
        self.threads = []
        self.context = None
        if tls:
            self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.context.load_cert_chain(*tls)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = f"http{'s' if tls else ''}://{self.address}"
        self._start(self._accept)

    def _start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.peers.add(connection)
            self._start(self._serve, connection)

    def _serve(self, raw):
        connection = raw
        try:
            if self.context:
                connection = self.context.wrap_socket(raw, server_side=True)
                with self.lock:
                    self.peers.add(connection)
            peer = Peer(connection)
            while True:
                request = peer.read_request()
                with self.lock:
                    self.requests.append(request)
                self._route(request, peer)
        except (Peer.End, *GONE):
            pass
        except Exception as problem:  # a mistake of the test itself: told when it ends
            self.problems.append(problem)
        finally:
            with self.lock:
                self.peers.discard(raw)
                self.peers.discard(connection)
            connection.close()

    def _route(self, request, peer):
        answer = self.routes.get(request.path.partition("?")[0])
        if answer:
            answer(request, peer)
        elif request.path == "/v2/":
            peer.send(200, body=b"{}")
        else:
            peer.send(404, body=b'{"errors":[{"code":"NOT_FOUND","message":"nothing here"}]}')

    def paths(self, method=None):
        with self.lock:
            return [r.path for r in self.requests if method in (None, r.method)]

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            peers = list(self.peers)
        for connection in peers:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive(), "a connection does not end"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            assert not self.problems, self.problems
