# SPDX-License-Identifier: Apache-2.0
"""Reply shapes against what the original answered: golden/transcripts holds its recorded replies.

Real clients parse them, so each member that the original sent must be there with the same JSON
type, and the words and numbers in texts must have the same form. Where the original sent null for
an empty list or map, an empty one is right. Members may be added in the Inspect documents only.
"""

import json
import os
import re

import pytest

from engine import PROJECT

TRANSCRIPTS = os.path.join(PROJECT, "tests", "golden", "transcripts")

# Maps whose keys are data.
MAPS = {"labels", "Labels", "Annotations", "annotations", "Data", "ExposedPorts", "Volumes"}

# What depends on the run, as a pattern that both sides must match.
PATTERNS = {
    "id": "[0-9a-f]{64}",
    "imageid": "[0-9a-f]{64}",
    "container_id": "[0-9a-f]{64}",
    "createdat": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9} \+0000 UTC",
    "created": r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?( \+0000 UTC|Z)",
    "runningfor": r"(\d+h)?(\d+m)?[\d.]+(s|ms|µs)",
    "uptime": r"(\d+h )?(\d+m )?[\d.]+s( \(Approximately [\d.]+ (hours|days)\))?",
    "os_arch": r"linux/\w+",
    "Created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "StartedAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "FinishedAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "control_socket": "/.*/ctl",
    "io_socket": "/.*/attach",
}

# Members of the Inspect documents that say what later work brings, and exec sessions, gone since.
LATER = {"NetworkSettings", "ExitCommand", "Dependencies", "SecurityOpt"}


def recorded(name):
    with open(os.path.join(TRANSCRIPTS, name), encoding="utf-8") as stream:
        return json.load(stream)["replies"][0]["parameters"]


def differences(expected, found, path="", is_document=False):
    """Where the reply is not of the recorded shape, one line each."""
    name = re.sub(r"\[\d+\]$", "", path).rpartition(".")[2]
    if expected is None:
        if found is not None and found != [] and found != {} and not is_document:
            return [f"{path}: null or empty expected, is {found!r}"]
        return []
    if isinstance(expected, bool) != isinstance(found, bool) or not isinstance(
        found, (int, float) if isinstance(expected, (int, float)) else type(expected)
    ):
        return [f"{path}: {type(expected).__name__} expected, is {found!r}"]
    if isinstance(expected, dict):
        if name in MAPS:
            return []
        missing = [f"{path}.{key}: missing" for key in expected if key not in found]
        if path.count(".") == 1 and is_document:
            missing = [line for line in missing if line.split(".")[-1].split(":")[0] not in LATER]
        added = [f"{path}.{key}: not in the original" for key in found if key not in expected]
        return (
            missing
            + ([] if is_document else added)
            + [
                line
                for key in expected
                if key in found
                for line in differences(expected[key], found[key], f"{path}.{key}", is_document)
            ]
        )
    if isinstance(expected, list):
        if expected and found:
            return differences(expected[0], found[0], f"{path}[0]", is_document)
        return []
    if isinstance(expected, str) and name in PATTERNS:
        return [
            f"{path}: {side} {value!r} is not {PATTERNS[name]}"
            for side, value in (("recorded", expected), ("found", found))
            if value and not re.fullmatch(PATTERNS[name], value)
        ]
    return []


def check(expected, found):
    assert not (wrong := differences(expected, found)), "\n".join(wrong)


def check_document(expected, found):
    wrong = differences(json.loads(expected), json.loads(found), "document", True)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("method", ["Ping", "GetVersion", "GetInfo"])
def test_system(bare_engine, method):
    check(recorded(f"{method}--good.json"), bare_engine.call(method))


def test_images(engine, busybox_tar):
    check(recorded("ListImages--good.json"), engine.call("ListImages"))
    check(recorded("GetImage--short-name.json"), engine.call("GetImage", name="busybox"))
    check(recorded("ImageExists--short-id.json"), engine.call("ImageExists", name="busybox"))
    check_document(
        recorded("InspectImage--good.json")["image"],
        engine.call("InspectImage", name="busybox")["image"],
    )
    imported = engine.call("ImportImage", source=busybox_tar, reference="x", message="", changes=[])
    check(recorded("ImportImage--reference-short.json"), imported)
    check(recorded("RemoveImage--good.json"), engine.call("RemoveImage", name="x", force=False))


def test_a_container_s_life(engine):
    created = engine.call(
        "CreateContainer",
        create={"image": "busybox", "command": ["sleep", "1000"], "net_mode": "none"},
    )
    check(recorded("CreateContainer--minimal.json"), created)
    name = created["container"]
    engine.ids.add(name)
    check(recorded("GetContainer--by-full-id.json"), engine.call("GetContainer", name=name))
    started = engine.call("StartContainer", name=name)
    check(recorded("StartContainer--minimal-sh-no-stdin.json"), started)
    check(recorded("GetContainer--running.json"), engine.call("GetContainer", name=name))
    check(recorded("ListContainers--good.json"), engine.call("ListContainers"))
    check_document(
        recorded("InspectContainer--running.json")["container"],
        engine.call("InspectContainer", name=name)["container"],
    )
    for method, case, parameters in (
        ("GetAttachSockets", "created", {}),
        ("KillContainer", "signal-0", {"signal": 0}),
        ("PauseContainer", "running", {}),
        ("UnpauseContainer", "paused", {}),
        ("RestartContainer", "running", {"timeout": 0}),
        ("StopContainer", "running-timeout-0", {"timeout": 0}),
        ("WaitContainer", "good", {}),
        ("GetContainerLogs", "running", {}),
        ("RemoveContainer", "running-force", {"force": True}),
    ):
        check(recorded(f"{method}--{case}.json"), engine.call(method, name=name, **parameters))
    check(recorded("ContainerExists--unknown.json"), engine.call("ContainerExists", name=name))
    check(recorded("DeleteStoppedContainers--empty.json"), engine.call("DeleteStoppedContainers"))


def test_inspect_of_an_ended_container(engine):
    name = engine.run("sh", "-c", "exit 7")
    engine.wait(name)
    engine.wait_status(name, "exited")
    found = engine.call("InspectContainer", name=name)["container"]
    check_document(recorded("InspectContainer--exited-detach.json")["container"], found)
    state = json.loads(found)["State"]
    assert state["ExitCode"] == 7 and state["Status"] == "exited" and state["Running"] is False


def test_inspect_speaks_both_dialects(engine):
    """The original's spelling, and that of podman 4.3, which today's tools read."""
    name = engine.create("sleep", "1000")
    found = json.loads(engine.call("InspectContainer", name=name)["container"])
    assert found["ID"] == found["Id"] == name
    assert found["Name"] and found["Config"]["Cmd"] == ["sleep", "1000"]
    assert found["Path"] == "sleep" and found["Args"] == ["1000"]
    image = json.loads(engine.call("InspectImage", name="busybox")["image"])
    assert image["Id"] == engine.image and image["Config"]["Env"] == ["PATH=/bin"]
