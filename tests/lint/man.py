#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages: neither mandoc nor groff has anything to complain about."""

import os
import re
import subprocess

import tree

_MANDOC = re.compile(r"^mandoc: (.+?):(\d+):\d+: (WARNING|ERROR|UNSUPP): (.*)$")
_GROFF = re.compile(r"^.*?:(\d+): (.*)$")


def look(top, path, findings):
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", path],
        cwd=top,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    for match in filter(None, map(_MANDOC.match, linted.stdout.split("\n"))):
        findings.append((path, match.group(2), match.group(4)))
    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", os.path.join(top, path)],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    for match in filter(None, map(_GROFF.match, shown.stderr.split("\n"))):
        findings.append((path, match.group(1), match.group(2)))


def main():
    top = tree.root()
    findings = []
    for path in tree.files(top, ".1", ".5", ".7", ".8"):
        look(top, path, findings)
    tree.finish(findings)


main()
