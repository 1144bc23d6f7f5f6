# SPDX-License-Identifier: Apache-2.0
"""What every lint shares: walking the tree, reading C, and telling what was found.

A lint is a program: `tests/lint/NAME.py [ROOT]`. It prints `file:line: message` for each finding
and exits 1 when there was one. ROOT is the project, or a folder of fixtures made to be refused.
"""

import os
import re
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def root():
    """The tree to look at: the first argument that is no option, else the project."""
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    return os.path.abspath(names[0]) if names else PROJECT


def files(top, *endings):
    """Paths below top that end so, relative to it, sorted; not of build folders and fixtures."""
    found = []
    for folder, folders, names in os.walk(top):
        relative = os.path.relpath(folder, top)
        folders[:] = [
            f
            for f in folders
            if f not in (".git", "__pycache__", ".pytest_cache")
            and not (relative == "." and f.startswith("build"))
            and not (relative == "tests/lint" and f == "fixtures")
        ]
        for name in names:
            if name.endswith(endings):
                found.append(os.path.normpath(os.path.join(relative, name)))
    return sorted(found)


def lines(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as stream:
        return stream.read().split("\n")


_QUOTED = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def code_only(text):
    """C with comments and the insides of literals blanked, every line still where it was."""

    def blank(match):
        found = match.group(0)
        keep = found[0] if found[0] in "\"'" else ""
        inside = found[len(keep) : len(found) - len(keep)]
        return keep + re.sub(r"[^\n]", " ", inside) + keep

    return _QUOTED.sub(blank, text)


def without_comments(text):
    """C with comments blanked and literals kept."""

    def blank(match):
        found = match.group(0)
        return found if found[0] in "\"'" else re.sub(r"[^\n]", " ", found)

    return _QUOTED.sub(blank, text)


def finish(findings):
    """Print the findings, (path, line, message) each, and leave."""
    for path, line, message in findings:
        print(f"{path}:{line}: {message}")
    sys.exit(1 if findings else 0)
