#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Includes only point down the layers: the folders' order is the architecture.

    base < varlink < varlinkgen          base < varlink, idl < cli
    base < oci < {storage, runtime, net, state} < image < builder < engine < api < daemon

api/ and daemon/ also use varlink/ and the generated idl/. One exception: the documents in the
state database are kept with the generated codec, so engine/ and state/ see the codec and that one
interface, never a server or a socket.
"""

import re

import tree

_OWN = {
    "base": [],
    "varlink": ["base"],
    "varlinkgen": ["base", "varlink"],
    "oci": ["base"],
    "storage": ["base", "oci"],
    "runtime": ["base", "oci"],
    "net": ["base", "oci"],
    "state": ["base", "oci"],
    "image": ["base", "oci", "storage", "runtime", "net", "state"],
    "builder": ["base", "oci", "storage", "runtime", "net", "state", "image"],
    "engine": ["base", "oci", "storage", "runtime", "net", "state", "image", "builder"],
}
_BELOW_API = _OWN["engine"] + ["engine"]
_OWN["api"] = _BELOW_API + ["varlink", "idl"]
_OWN["daemon"] = _BELOW_API + ["api", "varlink", "idl"]
_OWN["helper"] = ["base", "oci", "storage", "image", "varlink", "idl"]
_OWN["cli"] = ["base", "varlink", "idl"]

_CODEC = ["varlink/codec.h", "varlink/interface.h", "idl/selkie.state.h"]
# The private wire to the helper that moves images is the engine's own.
_TRANSFER = ["varlink/client.h", "idl/selkie.transfer.h", "idl/selkie.transfer.client.h"]
_EXCEPTIONS = {"engine": _CODEC + _TRANSFER, "state": _CODEC}

# Libraries that belong to one folder.
_SYSTEM = {"sqlite3.h": ["state"], "curl/curl.h": ["helper"], "gpgme.h": ["helper"]}

_INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def check(path, number, kind, name, findings):
    folder = path.split("/")[0]
    if folder == "tests" or "/" not in path:
        return
    if kind == "<":
        owners = _SYSTEM.get(name)
        if owners is not None and folder not in owners:
            findings.append((path, number, f"<{name}> belongs to {' '.join(owners) or 'nobody'}"))
        return
    if folder not in _OWN:
        findings.append((path, number, f"{folder}/ has no place in the layers"))
        return
    target = name.split("/")[0]
    if "/" not in name:
        findings.append((path, number, f'"{name}" is not a path from the root'))
    elif (
        target != folder and target not in _OWN[folder] and name not in _EXCEPTIONS.get(folder, [])
    ):
        findings.append((path, number, f'{folder}/ may not include "{name}"'))


def main():
    top = tree.root()
    findings = []
    for path in tree.files(top, ".c", ".h"):
        for number, line in enumerate(tree.lines(top, path), 1):
            found = _INCLUDE.match(line)
            if found:
                check(path, number, found.group(1), found.group(2), findings)
    tree.finish(findings)


main()
