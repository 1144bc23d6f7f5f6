# SPDX-License-Identifier: Apache-2.0
"""A container's end wakes an engine that left for want of callers: conmon calls its socket."""

import os

import scratch
from engine import Engine
from test_daemon import activated
from scratch import PATIENCE
from varlink import Connection

BUSYBOX = {"reference": "busybox", "message": "", "changes": ["CMD=sh"]}


def test_end_of_a_container_wakes_an_activated_engine(busybox_tar):
    engine = Engine(options=["--idle-timeout", "1"])
    try:
        listener = activated(engine, {"LISTEN_FDS": 1})
        with Connection(engine.socket) as connection:
            connection.ImportImage(source=busybox_tar, **BUSYBOX)
            created = {"image": "busybox", "command": ["sleep", "2.5"], "name": "late"}
            name = connection.CreateContainer(create=created)["container"]
            connection.StartContainer(name=name)
        assert engine.process.wait(PATIENCE) == 0  # idle; the container runs on
        engine.process = None

        # Nobody serves now, so the call of conmon waits in the socket that systemd holds.
        listener.settimeout(PATIENCE)
        call, _ = listener.accept()
        call.settimeout(PATIENCE)
        assert b'"io.podman.Ping"' in call.recv(4096)
        call.close()
        listener.close()

        os.unlink(engine.socket)
        engine.start()
        assert scratch.wait_until(lambda: engine.status("late") == "exited", "the clean-up")
        assert engine.wait("late") == 0
        engine.remove_all()
        engine.assert_no_leaks()
        engine.stop()
    finally:
        engine.discard()
