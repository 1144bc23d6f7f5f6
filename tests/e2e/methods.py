# SPDX-License-Identifier: Apache-2.0
"""The frozen interface as the tests know it: each method of io.podman with its inputs."""

import os
import re

from engine import PROJECT

# The eight that the reference calls not implemented, for good.
NEVER = {
    "ResizeContainerTty",
    "UpdateContainer",
    "RenameContainer",
    "AttachToContainer",
    "CreateImage",
    "WaitPod",
    "TopPod",
    "ListContainerPorts",
}

# What works.
DONE = {
    "Ping",
    "GetVersion",
    "GetInfo",
    "ImportImage",
    "ListImages",
    "GetImage",
    "InspectImage",
    "HistoryImage",
    "ImageExists",
    "TagImage",
    "RemoveImage",
    "DeleteUnusedImages",
    "CreateContainer",
    "ListContainers",
    "GetContainer",
    "InspectContainer",
    "ContainerExists",
    "StartContainer",
    "StopContainer",
    "RestartContainer",
    "KillContainer",
    "WaitContainer",
    "PauseContainer",
    "UnpauseContainer",
    "GetContainerLogs",
    "GetAttachSockets",
    "RemoveContainer",
    "DeleteStoppedContainers",
    "ListContainerChanges",
    "ExportContainer",
    "Commit",
}

_METHOD = re.compile(r"^method (\w+)\((.*?)\) ->", re.MULTILINE | re.DOTALL)


def description():
    with open(os.path.join(PROJECT, "idl", "io.podman.varlink"), encoding="utf-8") as stream:
        return stream.read()


def methods():
    """{method: {input: type as written}} in the order of the interface."""
    text = re.sub(r"#[^\n]*", "", description())
    found = {}
    for name, inputs in _METHOD.findall(text):
        pairs = [part.split(":", 1) for part in inputs.split(",") if part.strip()]
        found[name] = {key.strip(): kind.strip() for key, kind in pairs}
    return found
