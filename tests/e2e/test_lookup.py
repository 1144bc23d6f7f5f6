# SPDX-License-Identifier: Apache-2.0
"""What a name argument means: full ID, else exact name, else an unambiguous ID prefix."""

import time

import pytest

import scratch
from varlink import VarlinkError


def test_by_name_id_and_prefix(engine):
    name = engine.create("true", name="mine")
    for given in ("mine", name, name[:12], name[:4]):
        assert engine.call("GetContainer", name=given)["container"]["id"] == name


@pytest.mark.parametrize("given", ["nosuch", "", "MINE", "min", "/mine", "x" * 5000, "ä"])
def test_not_found_carries_the_name_as_given(engine, given):
    engine.create("true", name="mine")
    for method in (
        "GetContainer",
        "InspectContainer",
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
    ):
        with pytest.raises(VarlinkError) as caught:
            engine.call(method, name=given)
        assert caught.value.name == "io.podman.ContainerNotFound", method
        assert caught.value.parameters == {"name": given}, method


def test_not_found_carries_the_name_as_given_when_it_goes_meanwhile(engine):
    """Found, and then removed by somebody else before the call was over."""
    script = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
    name = engine.run("sh", "-c", script, stop_timeout=1)
    scratch.wait_until(lambda: engine.logs(name), "the trap")
    given = (name[:20], name[:30], name[:40])
    calls = [engine.connect() for _ in given]
    calls[0].send("io.podman.WaitContainer", {"name": given[0]})
    for call, prefix in zip(calls[1:], given[1:]):
        call.send("io.podman.RemoveContainer", {"name": prefix, "force": True})
    assert calls[0].result() == {"exitcode": 137}
    replies = [call.receive() for call in calls[1:]]
    went = [reply.get("parameters") == {"container": name} for reply in replies]
    assert sorted(went) == [False, True], replies
    late = went.index(False)
    assert replies[late] == {
        "error": "io.podman.ContainerNotFound",
        "parameters": {"name": given[1 + late]},
    }


def test_waiting_for_one_that_is_removed_names_it_as_given(engine):
    name = engine.create("true", name="mine")
    given = ("mine", name, name[:9])
    calls = [engine.connect() for _ in given]
    for call, prefix in zip(calls, given):
        call.send("io.podman.WaitContainer", {"name": prefix})
    time.sleep(0.1)  # they wait now; one that came late would be told the same
    engine.call("RemoveContainer", name=name)
    for call, prefix in zip(calls, given):
        reply = call.receive()
        assert reply == {
            "error": "io.podman.ContainerNotFound",
            "parameters": {"name": prefix},
        }


def test_name_wins_over_prefix_and_full_id_over_name(engine):
    """A container that is called like another's ID prefix can be reached, and so can the other."""
    first = engine.create("true")
    second = engine.create("true", name=first[:6])
    assert engine.call("GetContainer", name=first[:6])["container"]["id"] == second
    assert engine.call("GetContainer", name=first)["container"]["id"] == first
    assert engine.call("GetContainer", name=first[:7])["container"]["id"] == first


def test_ambiguous_prefix_lists_the_matches(engine):
    by_letter = {}
    for _ in range(17):  # 16 first digits: two must share one
        name = engine.create("true")
        by_letter.setdefault(name[0], []).append(name)
    letter, names = max(by_letter.items(), key=lambda item: len(item[1]))
    with pytest.raises(VarlinkError) as caught:
        engine.call("GetContainer", name=letter)
    assert caught.value.name == "io.podman.ErrorOccurred"
    for name in names:
        assert name[:12] in caught.value.reason


def test_container_exists(engine):
    name = engine.create("true", name="mine")
    assert engine.call("ContainerExists", name="mine") == {"exists": 0}
    assert engine.call("ContainerExists", name=name[:5]) == {"exists": 0}
    assert engine.call("ContainerExists", name="nosuch") == {"exists": 1}


def test_image_exists(engine):
    for given in ("busybox", "localhost/busybox:latest", engine.image, engine.image[:8]):
        assert engine.call("ImageExists", name=given) == {"exists": 0}, given
    assert engine.call("ImageExists", name="sha256:" + engine.image) == {"exists": 0}
    assert engine.call("ImageExists", name="nosuch") == {"exists": 1}
    assert engine.call("ImageExists", name="busyb") == {"exists": 1}
