#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shell scripts: bash can parse them, and shellcheck finds nothing."""

import os
import re
import subprocess

import tree

_FINDING = re.compile(r"^(.+?):(\d+):\d+: (.*)$")
_SYNTAX = re.compile(r"^(.+?): line (\d+): (.*)$")


def scripts(top):
    for path in tree.files(top, ""):
        if path.startswith("dist/completion/"):
            yield path
            continue
        try:
            with open(os.path.join(top, path), "rb") as stream:
                first = stream.readline(64)
        except OSError:
            continue
        if first.startswith(b"#!") and b"bash" in first:
            yield path


def main():
    top = tree.root()
    findings = []
    paths = sorted(scripts(top))
    for path in paths:
        parsed = subprocess.run(
            ["bash", "-n", path], cwd=top, stderr=subprocess.PIPE, text=True, check=False
        )
        for match in filter(None, map(_SYNTAX.match, parsed.stderr.split("\n"))):
            findings.append(match.groups())
    if paths:
        checked = subprocess.run(
            ["shellcheck", "--format=gcc", "--shell=bash"] + paths,
            cwd=top,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        for match in filter(None, map(_FINDING.match, checked.stdout.split("\n"))):
            findings.append(match.groups())
    tree.finish(findings)


main()
