# SPDX-License-Identifier: Apache-2.0
"""A TCP relay that passes on so many bytes, and then waits until it is told to go on."""

import socket
import threading


class Throttle:
    """Before one address, at `address`. Answers beyond `budget` bytes wait for release()."""

    def __init__(self, target, budget):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.budget = budget
        self.lock = threading.Condition()
        self.passed = 0
        self.requests = []  # first lines
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.sockets = [self.server]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            other = socket.create_connection(self.target)
            self.sockets += [peer, other]
            threading.Thread(target=self._relay, args=(peer, other, False), daemon=True).start()
            threading.Thread(target=self._relay, args=(other, peer, True), daemon=True).start()

    def _relay(self, source, sink, counts):
        try:
            while data := source.recv(16384):
                if counts:
                    self._take(len(data))
                elif data.startswith((b"GET", b"HEAD", b"PUT", b"POST", b"PATCH")):
                    self.requests.append(data.split(b"\r\n")[0].decode())
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _take(self, count):
        with self.lock:
            self.passed += count
            self.lock.notify_all()
            self.lock.wait_for(lambda: self.budget is None or self.passed <= self.budget)

    def is_waiting(self):
        with self.lock:
            return self.budget is not None and self.passed > self.budget

    def release(self):
        with self.lock:
            self.budget = None
            self.lock.notify_all()

    def close(self):
        self.release()
        for end in self.sockets:
            end.close()
