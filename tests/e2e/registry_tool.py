# SPDX-License-Identifier: Apache-2.0
"""tests/transfer/registry-tool, run in a home of its own."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from engine import SELKIED
from scratch import PATIENCE

TOOL = os.path.join(os.path.dirname(SELKIED), "tests", "transfer", "registry-tool")

_SANITIZER = re.compile(r"(Sanitizer|runtime error:|Assertion)")


class Tool:
    """Runs commands; `took` is how long the last one ran."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="selkie-tool-", dir="/tmp")
        self.home = self.path("home")
        os.mkdir(self.home)
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy")
            and name not in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "DOCKER_CONFIG")
        }
        self.environment["HOME"] = self.home
        self.environment["SELKIE_CONFIG_ROOT"] = self.folder
        self.environment["XDG_CONFIG_HOME"] = os.path.join(self.home, ".config")
        self.took = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content, mode=0o644):
        """A file in the folder, or at an absolute path below it."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as stream:
            return stream.read()

    def _run(self, arguments):
        begin = time.monotonic()
        done = subprocess.run(
            [TOOL, *map(str, arguments)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        self.took = time.monotonic() - begin
        assert not _SANITIZER.search(done.stderr), done.stderr
        return done

    def run(self, *arguments):
        """Standard output of a command that succeeds."""
        done = self._run(arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fail(self, *arguments):
        """What a command says that fails: (kind, text)."""
        done = self._run(arguments)
        assert done.returncode == 1, (done.stdout, done.stderr)
        kind, _, text = done.stderr.rstrip("\n").partition(": ")
        assert "\n" not in text
        return kind, text

    # --- commands as tests like them -------------------------------------------------------------

    def manifest(self, *arguments, digest="-"):
        """Options and a reference; (content, media type)."""
        words = self.run(*arguments, digest, self.path("manifest")).split()
        return self.read("manifest"), words[0]

    def blob(self, options, name, digest, size):
        """The blob's content."""
        self.run(*options, "blob", name, self.path("blob"), f"{digest}={size}")
        return self.read("blob")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)
