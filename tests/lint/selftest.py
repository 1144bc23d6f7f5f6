#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every lint can fail: each is run on a tree of fixtures made to be refused.

fixtures/NAME/ is the tree for NAME.py; fixtures/NAME/expected holds the findings that must come
out, `file:line: part of the message` each, and nothing else may.
"""

import os
import subprocess
import sys
import tempfile

import tree

_HERE = os.path.dirname(os.path.abspath(__file__))
_FIXTURES = os.path.join(_HERE, "fixtures")


def compile_database(top, folder):
    """What tidy.py needs to know how the fixtures would be compiled."""
    rows = [
        f'{{"directory": "{top}", "file": "{path}", "command": "clang-14 -std=gnu17 -c {path}"}}'
        for path in tree.files(top, ".c")
    ]
    with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as stream:
        stream.write("[" + ",".join(rows) + "]")


def check(name, findings):
    top = os.path.join(_FIXTURES, name)
    expected = [line for line in tree.lines(top, "expected") if line]
    with tempfile.TemporaryDirectory() as folder:
        compile_database(top, folder)
        result = subprocess.run(
            [sys.executable, os.path.join(_HERE, name + ".py"), top, f"--build={folder}"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    found = [line for line in result.stdout.split("\n") if line]
    where = os.path.relpath(os.path.join(top, "expected"), tree.PROJECT)
    if result.returncode != 1:
        findings.append((where, 0, f"{name}.py left with status {result.returncode}, not 1"))
    for number, want in enumerate(expected, 1):
        place, _, text = want.partition(": ")
        hits = [line for line in found if line.startswith(place + ": ") and text in line]
        if not hits:
            findings.append((where, number, f"{name}.py did not say: {want}"))
        found = [line for line in found if line not in hits]
    for line in found:
        findings.append((where, 0, f"{name}.py also said: {line}"))


def main():
    findings = []
    names = {n[:-3] for n in os.listdir(_HERE) if n.endswith(".py")} - {"tree", "selftest"}
    for name in sorted(names):
        if os.path.isdir(os.path.join(_FIXTURES, name)):
            check(name, findings)
        else:
            findings.append((f"tests/lint/{name}.py", 0, "has no folder of fixtures"))
    tree.finish(findings)


main()
