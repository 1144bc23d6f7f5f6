#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over every C file that a build directory of clang compiles; rules: .clang-tidy.

    tests/lint/tidy.py [ROOT] [--build=DIR]

Generated files are not looked at: their generator is.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys

import tree

_FINDING = re.compile(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*)$")


def sources(top, build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as stream:
        commands = json.load(stream)
    found = {
        (c["directory"], os.path.normpath(os.path.join(c["directory"], c["file"])))
        for c in commands
    }
    return sorted(
        (folder, path)
        for folder, path in found
        if path.endswith(".c") and not os.path.relpath(path, top).startswith(("build", ".."))
    )


def look(folder, path, build):
    result = subprocess.run(
        [
            "clang-tidy-14",
            "--quiet",
            "-p",
            build,
            f"--config-file={tree.PROJECT}/.clang-tidy",
            path,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = {
        (os.path.normpath(os.path.join(folder, m.group(1))), m.group(2), m.group(3))
        for m in map(_FINDING.match, result.stdout.split("\n"))
        if m
    }
    if result.returncode != 0 and not found:
        found = {(path, "0", result.stderr.strip()[-500:])}
    return found


def main():
    top = tree.root()
    build = os.path.join(top, "build")
    for argument in sys.argv[1:]:
        if argument.startswith("--build="):
            build = os.path.abspath(argument[len("--build=") :])
    findings = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda source: look(*source, build), sources(top, build)):
            findings |= found
    tree.finish(
        sorted((os.path.relpath(path, top), int(line), text) for path, line, text in findings)
    )


main()
