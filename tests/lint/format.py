#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format 14 is the law of layout, without exceptions by hand."""

import os
import re
import subprocess

import tree

_FINDING = re.compile(r"^(.+?):(\d+):\d+: error: (.*)$")


def main():
    top = tree.root()
    style = os.path.join(tree.PROJECT, ".clang-format")
    result = subprocess.run(
        ["clang-format-14", f"--style=file:{style}", "--dry-run", "-Werror", "--ferror-limit=3"]
        + tree.files(top, ".c", ".h"),
        cwd=top,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    findings = [m.groups() for m in map(_FINDING.match, result.stderr.split("\n")) if m]
    if result.returncode != 0 and not findings:
        findings = [(".", 0, result.stderr.strip())]
    tree.finish(findings)


main()
