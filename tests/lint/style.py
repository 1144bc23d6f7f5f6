#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of style that a pattern can see."""

import os
import re

import tree

LINES_MAX = 600
COLUMNS_MAX = 100

_SPDX = "SPDX-License-Identifier: Apache-2.0"
_BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|system|popen|usleep|sleep|alloca|strtok|atoi)\s*\("
)
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_HOST_PATH = re.compile(r"(?<![\w.])/(work|farm)/")
_SQL = re.compile(
    r'"\s*(SELECT\s.*\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|'
    r"CREATE\s+(TABLE|INDEX)|ALTER\s+TABLE|DROP\s+TABLE|PRAGMA)\s"
)
_WIRE_NAME = re.compile(r'"(io\.podman|io\.selkie|org\.varlink\.service)\.')
_INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')


def check_text(path, lines, findings):
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and not path.endswith((".md", ".json", ".varlink")):
            findings.append((path, number, f"longer than {COLUMNS_MAX} columns"))
        if line != line.rstrip() and not path.endswith(".md"):
            findings.append((path, number, "blanks at the end of the line"))
        if _UNFINISHED.search(line):
            findings.append((path, number, "unfinished: finish it or leave it out"))
        if _HOST_PATH.search(line):
            findings.append((path, number, "a path of the author's machine"))


def check_head(top, path, lines, findings):
    if lines[0] != f"/* {_SPDX} */":
        findings.append((path, 1, f"the first line is not /* {_SPDX} */"))
    if path.endswith(".h") and lines[1:2] != ["#pragma once"]:
        findings.append((path, 2, "the second line of a header is #pragma once"))
    if path.endswith(".c") and os.path.exists(os.path.join(top, path[:-2] + ".h")):
        return  # the header has it
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("/*"):
            return
        if line and line != "#pragma once":
            findings.append((path, number, "no head comment before the first line of code"))
            return


def check_own_header(top, path, lines, findings):
    own = path[:-2] + ".h"
    if not path.endswith(".c") or not os.path.exists(os.path.join(top, own)):
        return
    for number, line in enumerate(lines, 1):
        found = _INCLUDE.match(line)
        if found:
            if found.group(1) != own:
                findings.append((path, number, f'the first include is not "{own}"'))
            return


def check_code(path, lines, findings):
    text = "\n".join(lines)
    folder = path.split("/")[0]
    for number, line in enumerate(tree.code_only(text).split("\n"), 1):
        found = _BANNED.search(line)
        if found:
            findings.append((path, number, f"{found.group(1)}() is not used here"))
        if "\t" in line:
            findings.append((path, number, "a tab"))
    for number, line in enumerate(tree.without_comments(text).split("\n"), 1):
        if _SQL.search(line) and folder not in ("state", "tests"):
            findings.append((path, number, "SQL outside state/"))
        if _WIRE_NAME.search(line) and folder == "api":
            findings.append((path, number, "a wire name as a string: use the generated one"))
    if len(lines) - 1 > LINES_MAX:
        findings.append((path, LINES_MAX, f"{len(lines) - 1} lines: split by noun at {LINES_MAX}"))


def main():
    top = tree.root()
    findings = []
    for path in tree.files(top, ".c", ".h"):
        lines = tree.lines(top, path)
        check_head(top, path, lines, findings)
        check_own_header(top, path, lines, findings)
        check_code(path, lines, findings)
        check_text(path, lines, findings)
    scripts = [path for path in tree.files(top, "") if path.startswith(("tools/", ".ci/"))]
    for path in scripts + tree.files(top, ".py", ".sh", ".md", "meson.build", ".varlink"):
        if path == "tests/lint/style.py":
            continue
        lines = tree.lines(top, path)
        check_text(path, lines, findings)
        if path.endswith((".py", ".sh", "meson.build")) and _SPDX not in "\n".join(lines[:2]):
            findings.append((path, 1, f"no {_SPDX} in the first two lines"))
    tree.finish(sorted(findings))


main()
