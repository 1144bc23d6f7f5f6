# SPDX-License-Identifier: Apache-2.0
"""What the README shows works as it stands there, pasted into a shell."""

import os
import re
import subprocess

from engine import PROJECT, SELKIE
from scratch import PATIENCE


def commands(heading):
    """The indented lines below a heading of the README."""
    with open(os.path.join(PROJECT, "README.md"), encoding="utf-8") as stream:
        (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", stream.read(), re.M | re.S)
    return "\n".join(line[4:] for line in section.split("\n") if line.startswith("    "))


def test_first_container(bare_engine, tmp_path):
    words = commands("A first container in five calls").replace("/tmp/", f"{tmp_path}/")
    assert words.count("selkie call") == 5
    result = subprocess.run(
        ["bash", "-eu", "-c", words],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": os.path.dirname(SELKIE) + ":" + os.environ["PATH"],
            "SELKIE_ADDRESS": "unix:" + bare_engine.socket,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert result.returncode == 0 and result.stderr == "", result
    assert "stdout F hello\\n" in result.stdout
    assert bare_engine.containers() == []
