# SPDX-License-Identifier: Apache-2.0
"""One engine of a test: a real selkied on a store, run folder and socket of its own.

SELKIED names the program (build/selkied when unset), SELKIE_RUNTIME the OCI runtime for --runtime.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import scratch
from scratch import PATIENCE, SLOWNESS
from varlink import TIMEOUT, Closed, Connection

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SELKIED = os.environ.get("SELKIED", os.path.join(PROJECT, "build", "selkied"))
SELKIE = os.path.join(os.path.dirname(SELKIED), "selkie")
RUNTIME = os.environ.get("SELKIE_RUNTIME")

_SANITIZER_REPORT = re.compile(
    r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion .* failed)"
)


class Engine:
    """Starts and ends selkied, hands out connections, and counts what is left at the end."""

    def __init__(self, folder=None, root=None, options=()):
        self.folder = folder or tempfile.mkdtemp(prefix="selkie-e2e-", dir="/tmp")
        self.root = root or os.path.join(self.folder, "root")
        self.runroot = os.path.join(self.folder, "run")
        self.socket = os.path.join(self.folder, "socket")
        self.log = os.path.join(self.folder, "log")
        self.options = list(options)
        self.process = None
        self.connections = []
        self.ids = set()

    # --- its life --------------------------------------------------------------------------------

    def command(self):
        runtime = ["--runtime", RUNTIME] if RUNTIME else []
        return [
            SELKIED,
            "--address",
            "unix:" + self.socket,
            "--root",
            self.root,
            "--runroot",
            self.runroot,
            "--log-level",
            "debug",
            *runtime,
            *self.options,
        ]

    def start(self, **kwargs):
        """Start and wait until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **kwargs
            )
        scratch.wait_until(self._answers, "the engine to answer")
        return self

    def _answers(self):
        assert self.process.poll() is None, f"selkied ended at once:\n{self.log_tail()}"
        try:
            with Connection(self.socket) as connection:
                connection.Ping()
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (BrokenPipeError, Closed):
            # a child that a killed engine was just starting had the old socket open until its exec
            return False

    def kill(self):
        """kill -9: the engine gets no chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._close_connections()
        self.process = None

    def stop(self):
        """SIGTERM: ends soon, whatever runs; that it is within a second is test_daemon's."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"selkied did not end:\n{self.log_tail()}") from None
        took = time.monotonic() - begin
        self._close_connections()
        self.process = None
        assert status == 0, f"selkied left with status {status}:\n{self.log_tail()}"
        assert took < 5.0 * SLOWNESS, f"selkied took {took:.2f} s to end"

    def restart(self):
        if self.process:
            self.stop()
        return self.start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def log_tail(self, lines=40):
        return "\n".join(self.log_text().split("\n")[-lines:])

    # --- talking to it ---------------------------------------------------------------------------

    def connect(self, timeout=TIMEOUT):
        connection = Connection(self.socket, timeout)
        self.connections.append(connection)
        return connection

    def _close_connections(self):
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def call(self, method, **parameters):
        """One call on a connection of its own."""
        with Connection(self.socket) as connection:
            return connection.call("io.podman." + method, parameters)

    def create(self, *command, **fields):
        """Create a container of the busybox image without a network; its ID."""
        create = {"image": "busybox", "command": list(command) or ["true"], "net_mode": "none"}
        create.update(fields)
        created = self.call("CreateContainer", create=create)["container"]
        self.ids.add(created)
        return created

    def run(self, *command, **fields):
        """Create and start; its ID."""
        created = self.create(*command, **fields)
        assert self.call("StartContainer", name=created) == {"container": created}
        return created

    def run_ready(self, script, **fields):
        """Run a shell's script until it has said `ready`, e.g. behind its traps; its ID."""
        created = self.run("sh", "-c", script, **fields)
        scratch.wait_until(lambda: "ready\n" in self.output(created), "the script to be ready")
        return created

    def wait(self, name):
        return self.call("WaitContainer", name=name)["exitcode"]

    def status(self, name):
        return self.call("GetContainer", name=name)["container"]["status"]

    def wait_status(self, name, status):
        """An end becomes `exited` once it is cleaned up, a moment after it was answered."""
        return scratch.wait_until(lambda: self.status(name) == status, f"{name} to be {status}")

    def logs(self, name):
        return self.call("GetContainerLogs", name=name)["container"]

    def output(self, name):
        """The log's text, stamps taken off and partial lines joined."""
        text = ""
        for record in self.logs(name):
            _, _, tag, data = record.split(" ", 3)
            text += data[:-1] if tag == "P" else data
        return text

    def containers(self):
        return self.call("ListContainers")["containers"]

    # --- what it leaves --------------------------------------------------------------------------

    def leaks(self):
        """What still stands of containers that are all gone, one line each."""
        own = self.process.pid if self.process else 0
        # overlay/ is mounted over itself for as long as an engine has the store open
        held = {f"{self.root}/overlay"} if own else set()
        found = [f"mount {p}" for p in scratch.mounts_below(self.folder) if p not in held]
        found += [
            f"process {pid} {arguments}"
            for pid, arguments in scratch.processes_with(self.folder)
            if pid != own and scratch.is_alive(pid)
        ]
        found += [f"cgroup {path}" for path in scratch.cgroups_of(self.ids)]
        for folder in (
            f"{self.root}/overlay-containers",
            f"{self.runroot}/overlay-containers",
            f"{self.runroot}/selkie/exits",
        ):
            found += [
                f"entry {folder}/{name}"
                for name in scratch.entries(folder)
                if re.fullmatch("[0-9a-f]{64}", name)
            ]
        return found

    def assert_no_leaks(self):
        """Nothing is left; what ends by itself, such as a conmon, may take a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.leaks()
            if not found:
                return
            assert time.monotonic() < deadline, "left behind:\n" + "\n".join(found)
            time.sleep(0.01)

    def remove_all(self):
        """Remove every container by force."""
        for container in self.containers():
            self.call("RemoveContainer", name=container["id"], force=True)

    def assert_clean_log(self):
        text = self.log_text()
        found = _SANITIZER_REPORT.search(text)
        assert not found, f"in the engine's log:\n{text[max(0, found.start() - 200) :][:6000]}"

    def finish(self):
        """The end of a test: remove what is there, stop, count; then delete the folder."""
        try:
            if not self.is_running():
                if self.process:
                    status = self.process.wait()
                    self.process = None
                    raise AssertionError(
                        f"selkied had died with status {status}:\n{self.log_tail(80)}"
                    )
                self.start()
            self.remove_all()
            self.assert_no_leaks()
            self.stop()
            self.assert_no_leaks()
            self.assert_clean_log()
        finally:
            self.discard()

    def discard(self):
        """Take away everything, also after a failure; SELKIE_TEST_KEEP names a folder for logs."""
        if os.environ.get("SELKIE_TEST_KEEP") and os.path.exists(self.log):
            name = os.path.basename(self.folder) + ".log"
            shutil.copy(self.log, os.path.join(os.environ["SELKIE_TEST_KEEP"], name))
        if self.process:
            self.kill()
        for pid, _ in scratch.processes_with(self.folder):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if scratch.cgroups_of(self.ids):
            self._kill_cgroups()
        for point in sorted(scratch.mounts_below(self.folder), reverse=True):
            subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_cgroups(self):
        """Only folders that bear the ID of a container of this engine."""
        for folder in scratch.cgroups_of(self.ids):
            for inside, _, _ in os.walk(folder):
                try:  # a frozen process of cgroup v1 does not even die
                    with open(os.path.join(inside, "freezer.state"), "r+b", 0) as stream:
                        stream.write(b"THAWED")
                except OSError:
                    pass
                try:
                    with open(os.path.join(inside, "cgroup.procs"), encoding="utf-8") as stream:
                        pids = [int(line) for line in stream]
                except OSError:
                    continue
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            left = scratch.cgroups_of(self.ids)
            if not left:
                return
            for folder in left:
                for inside, _, _ in os.walk(folder, topdown=False):
                    try:
                        os.rmdir(inside)
                    except OSError:
                        pass
            time.sleep(0.01)
