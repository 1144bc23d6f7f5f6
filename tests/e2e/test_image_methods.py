# SPDX-License-Identifier: Apache-2.0
"""Images' names and histories, pruning, removal by the rules; beside podman on the same store."""

import json
import os
import re
import subprocess

import pytest

from test_interop import podman  # pylint: disable=unused-import
from test_shapes import TRANSCRIPTS, check, recorded
from varlink import VarlinkError

UNKNOWN = "<missing>"
DIGEST = "sha256:" + "1" * 64


def load(engine, tar, reference, *changes, message=""):
    return engine.call(
        "ImportImage", source=tar, reference=reference, message=message, changes=list(changes)
    )["image"]


def image(engine, name):
    return engine.call("GetImage", name=name)["image"]


def refusal(engine, method, **parameters):
    with pytest.raises(VarlinkError) as caught:
        engine.call(method, **parameters)
    return caught.value


def recorded_error(name):
    with open(os.path.join(TRANSCRIPTS, name), encoding="utf-8") as stream:
        return json.load(stream)["replies"][0]


def test_shapes(engine, busybox_tar):
    """What the original answered to the same calls."""
    load(engine, busybox_tar, "other", "LABEL=a=b", message="imported for the oracle")
    check(recorded("HistoryImage--committed.json"), engine.call("HistoryImage", name="other"))
    check(
        recorded("TagImage--simple.json"), engine.call("TagImage", name="busybox", tagged="foo")
    )
    untagged = engine.call("RemoveImage", name="foo", force=False)
    check(recorded("RemoveImage--untag-one-of-many.json"), untagged)
    engine.create("true")
    pruned = engine.call("DeleteUnusedImages")
    check(recorded("DeleteUnusedImages--one-in-use-one-not.json"), pruned)
    for name, method, parameters in (
        ("HistoryImage--unknown.json", "HistoryImage", {"name": "nosuch"}),
        ("TagImage--unknown.json", "TagImage", {"name": "nosuch", "tagged": "x"}),
        ("RemoveImage--unknown.json", "RemoveImage", {"name": "nosuch"}),
    ):
        expected = recorded_error(name)
        error = refusal(engine, method, **parameters)
        assert error.name == expected["error"] and error.parameters == {"name": "nosuch"}


def test_a_tag_is_one_more_name(engine, podman):
    for given, name in (
        ("foo", "localhost/foo:latest"),
        ("foo/bar:1.0", "localhost/foo/bar:1.0"),
        ("quay.io/x", "quay.io/x:latest"),
        ("localhost:5077/x/y", "localhost:5077/x/y:latest"),
        ("localhost:5077/x/y:t", "localhost:5077/x/y:t"),
        ("docker.io/z", "docker.io/library/z:latest"),
        ("foo", "localhost/foo:latest"),
    ):
        assert engine.call("TagImage", name="busybox", tagged=given) == {"image": engine.image}
        assert name in image(engine, engine.image)["repoTags"], given
        assert image(engine, given)["id"] == engine.image
    tags = image(engine, "busybox")["repoTags"]
    assert len(tags) == len(set(tags)) == 7
    (inspected,) = json.loads(podman("image", "inspect", engine.image))
    ours = json.loads(engine.call("InspectImage", name=engine.image)["image"])
    for member in ("RepoTags", "RepoDigests", "NamesHistory"):
        assert sorted(inspected[member]) == sorted(ours[member]), member
    assert image(engine, "foo")["repoDigests"] == ours["RepoDigests"]
    digest = ours["Digest"]
    assert f"localhost:5077/x/y@{digest}" in ours["RepoDigests"]
    assert image(engine, f"localhost:5077/x/y@{digest}")["id"] == engine.image


def test_a_tag_moves_from_another_image(engine, busybox_tar):
    other = load(engine, busybox_tar, "other", "LABEL=a=b")
    assert engine.call("TagImage", name="busybox", tagged="other") == {"image": engine.image}
    assert image(engine, "other")["id"] == engine.image
    assert image(engine, other)["repoTags"] == []


@pytest.mark.parametrize(
    "given",
    ["", "A", "a b", "/foo", "foo:", "<none>", "docker://foo", "foo:" + "x" * 129, "0" * 64],
)
def test_a_bad_tag_is_refused(engine, given):
    error = refusal(engine, "TagImage", name="busybox", tagged=given)
    assert error.name == "io.podman.ErrorOccurred" and "reference" in error.reason
    assert image(engine, "busybox")["repoTags"] == ["localhost/busybox:latest"]


def test_a_digest_is_no_tag(engine):
    """The original stored junk, after which the image could not be removed."""
    error = refusal(engine, "TagImage", name="busybox", tagged=f"foo@{DIGEST}")
    assert error.name == "io.podman.ErrorOccurred" and "digest" in error.reason
    assert engine.call("RemoveImage", name="busybox") == {"image": engine.image}


def test_names_that_podman_gives_meanwhile_stay(engine, podman):
    """Ours are added and taken one by one; podman 4.3 itself writes back the list that it read."""
    count = 12
    script = f"for i in $(seq {count}); do podman tag {engine.image} theirs:$i || exit 1; done"
    theirs = podman("info", "--format", "{{.Store.GraphRoot}}")
    assert theirs.strip() == engine.root
    with subprocess.Popen(["sh", "-c", script], env=podman.environment) as process:
        number = 0
        while process.poll() is None:
            engine.call("TagImage", name=engine.image, tagged=f"ours:{number % 5}")
            engine.call("TagImage", name=engine.image, tagged=f"ours:{number % 5 + 1}")
            try:
                engine.call("RemoveImage", name=f"ours:{number % 5}", force=False)
            except VarlinkError as error:  # podman has just put back its list
                assert error.name == "io.podman.ImageNotFound"
            number += 1
        assert process.returncode == 0 and number > 0
    names = {f"localhost/theirs:{number}" for number in range(1, count + 1)}
    assert set(image(engine, engine.image)["repoTags"]) >= {"localhost/busybox:latest", *names}


def test_history(engine, busybox_tar, podman, tmp_path):
    """Every step of a built image: its size, and its id where that image is still there."""
    (tmp_path / "Dockerfile").write_text(
        "FROM localhost/busybox\nENV X=1\nRUN echo hi > /hi\nLABEL a=b\nRUN echo ho > /ho\n"
    )
    podman("build", "--network=none", "--layers", "-t", "built", str(tmp_path), check=True)
    engine.call("TagImage", name="built", tagged="again")
    found = engine.call("HistoryImage", name="built")["history"]
    theirs = json.loads(podman("history", "--no-trunc", "--format", "json", "built"))
    config = json.loads(engine.call("InspectImage", name="built")["image"])
    assert len(found) == len(theirs) == len(config["History"])
    by_id = {shown["id"]: shown for shown in engine.call("ListImages")["images"]}
    assert found[0]["id"] == image(engine, "built")["id"]
    for step, their, entry in zip(found, theirs, reversed(config["History"])):
        assert step["size"] == their["size"]
        assert step["createdBy"] == their.get("CreatedBy", "") == entry["created_by"]
        assert step["comment"] == their.get("comment", "")
        assert step["tags"] == ["localhost/built:latest", "localhost/again:latest"]
        assert step["created"].replace(" +0000 UTC", "Z").replace(" ", "T") == entry["created"]
        assert bool(step["size"]) != entry.get("empty_layer", False)
        assert step["id"] in {*by_id, UNKNOWN}
    # --layers keeps an image for each instruction; the oldest step is the imported image's
    assert found[-1]["id"] == engine.image
    ids = [step["id"] for step in found]
    assert len(set(ids)) == len(ids) == 5

    engine.call("RemoveImage", name=engine.image, force=True)
    assert engine.call("HistoryImage", name="built")["history"][-1]["id"] == UNKNOWN


def test_history_of_an_import(engine, busybox_tar):
    name = load(engine, busybox_tar, "", message="from a test")
    (step,) = engine.call("HistoryImage", name=name)["history"]
    assert step["id"] == name and step["tags"] == [] and step["comment"] == "from a test"
    assert re.fullmatch(r"/bin/sh -c #\(nop\) ADD file:[0-9a-f]{64} in /", step["createdBy"])
    assert step["size"] == os.path.getsize(busybox_tar)
    # another image of the same layer that was made in another way is not this step's
    load(engine, busybox_tar, "twin", "LABEL=a=b", message="another way")
    (step,) = engine.call("HistoryImage", name=name)["history"]
    assert step["id"] == name


def test_unused_images_go_and_the_others_stay(engine, busybox_tar, podman):
    named = load(engine, busybox_tar, "one", "LABEL=n=1")
    engine.call("TagImage", name="one", tagged="two")
    bare = load(engine, busybox_tar, "", "LABEL=n=2")
    used_by_podman = load(engine, busybox_tar, "three", "LABEL=n=3")
    podman("create", "--network=none", "--name", "theirs", "three", "true")
    engine.create("true")
    assert image(engine, "three")["containers"] == image(engine, "busybox")["containers"] == 1
    gone = engine.call("DeleteUnusedImages")["images"]
    assert sorted(gone) == sorted([named, bare])
    left = {shown["id"] for shown in engine.call("ListImages")["images"]}
    assert left == {engine.image, used_by_podman}
    assert engine.call("DeleteUnusedImages") == {"images": []}
    podman("rm", "theirs")
    assert engine.call("DeleteUnusedImages") == {"images": [used_by_podman]}


def test_nothing_unused_in_an_empty_store(bare_engine):
    assert bare_engine.call("DeleteUnusedImages") == {"images": []}


def test_existence(engine):
    for given in ("busybox", engine.image, engine.image[:8], "localhost/busybox:latest"):
        assert engine.call("ImageExists", name=given) == {"exists": 0}
    for given in ("", "nosuch", "A:B", "busybox:2", f"busybox@{DIGEST}"):
        assert engine.call("ImageExists", name=given) == {"exists": 1}


def test_removal_of_an_image_with_several_names(engine):
    engine.call("TagImage", name="busybox", tagged="second")
    for given in (engine.image, engine.image[:10], "sha256:" + engine.image):
        error = refusal(engine, "RemoveImage", name=given, force=False)
        assert error.reason == (
            f"unable to delete {engine.image} (must force) - image is referred to in multiple tags"
        )
    name = engine.run("sleep", "1000", stop_timeout=0)
    assert engine.call("RemoveImage", name="second", force=False) == {"image": engine.image}
    assert image(engine, "busybox")["repoTags"] == ["localhost/busybox:latest"]
    assert engine.status(name) == "running"
    engine.call("TagImage", name="busybox", tagged="second")
    assert engine.call("RemoveImage", name=engine.image, force=True) == {"image": engine.image}
    assert engine.call("ListImages") == {"images": []}
    assert engine.call("ContainerExists", name=name) == {"exists": 1}
    engine.assert_no_leaks()


def test_force_by_one_of_several_names_only_untags(engine):
    engine.call("TagImage", name="busybox", tagged="second")
    name = engine.run("sleep", "1000", stop_timeout=0)
    assert engine.call("RemoveImage", name="second", force=True) == {"image": engine.image}
    assert engine.status(name) == "running"


def test_inspect_shows_what_podman_shows(engine, busybox_tar, podman):
    changes = ['CMD=["a"]', "ENV=A=B", "EXPOSE=80", "LABEL=k=v", "VOLUME=/v", "USER=alice"]
    changes += ["WORKDIR=/home", "STOPSIGNAL=SIGINT", "ONBUILD=RUN x"]
    load(engine, busybox_tar, "full", *changes, message="m")
    (theirs,) = json.loads(podman("image", "inspect", "full"))
    ours = json.loads(engine.call("InspectImage", name="full")["image"])
    for member, value in theirs.items():
        if member == "GraphDriver":  # what is mounted only for a moment
            assert ours[member]["Data"].items() >= value["Data"].items()
        elif member == "Config":
            assert ours[member].items() >= value.items()
        elif value is not None:
            assert ours[member] == value, member
