# SPDX-License-Identifier: Apache-2.0
"""A full disk: a clear error, nothing left of the attempt, an engine that lives and works again."""

import os
import subprocess
import tempfile

import pytest

import scratch
from engine import Engine
from varlink import VarlinkError

SIZE_MB = 48


@pytest.fixture
def full_engine(busybox_tar):
    """An engine whose store lies on a small ext4 of its own."""
    folder = tempfile.mkdtemp(prefix="selkie-full-", dir="/tmp")
    image, mount = f"{folder}/disk", f"{folder}/mount"
    os.mkdir(mount)
    with open(image, "wb") as stream:
        stream.truncate(SIZE_MB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    engine = Engine(root=f"{mount}/root")
    try:
        engine.start()
        engine.call(
            "ImportImage",
            source=busybox_tar,
            reference="busybox",
            message="",
            changes=["ENV=PATH=/bin"],
        )
        engine.mount = mount
        yield engine
        engine.finish()
    finally:
        engine.discard()
        subprocess.run(["umount", "-l", mount], check=False)
        os.unlink(image)
        os.rmdir(mount)
        os.rmdir(folder)


def fill(engine, leave=0):
    """Write until nothing fits any more; gives back the file's path."""
    path = f"{engine.mount}/ballast"
    with open(path, "wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12, 1 << 8, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                pass
        if leave:
            stream.truncate(stream.tell() - leave)
    return path


def layers(engine):
    return [n for n in scratch.entries(f"{engine.root}/overlay") if len(n) == 64]


def test_import_on_a_full_disk(full_engine, busybox_tar):
    before = layers(full_engine)
    for leave in (0, 256 << 10, 1 << 20):
        ballast = fill(full_engine, leave)
        with pytest.raises(VarlinkError) as caught:
            full_engine.call("ImportImage", source=busybox_tar, reference="other", changes=[])
        assert "No space left on device" in caught.value.reason, caught.value
        os.unlink(ballast)
        assert layers(full_engine) == before
        assert full_engine.call("ImageExists", name="other") == {"exists": 1}
    full_engine.call("ImportImage", source=busybox_tar, reference="other", message="", changes=[])


def test_create_on_a_full_disk(full_engine):
    """Every amount of room from none to plenty: it works or it fails, and never in between."""
    for leave in [kb << 10 for kb in (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)]:
        ballast = fill(full_engine, leave)
        before = layers(full_engine)
        try:
            name = full_engine.create("true")
        except VarlinkError as error:
            assert error.name == "io.podman.ErrorOccurred"
            assert "No space left on device" in error.reason or "full" in error.reason, error
            os.unlink(ballast)
            assert layers(full_engine) == before
            assert full_engine.containers() == []
        else:
            os.unlink(ballast)
            full_engine.call("RemoveContainer", name=name, force=True)
        full_engine.assert_no_leaks()


def test_start_and_remove_on_a_full_disk(full_engine):
    """A start may fail in words; the end of what runs is noticed; remove needs no room."""
    names = [full_engine.create("true") for _ in range(3)]
    running = full_engine.run("sh", "-c", "while [ ! -e /dev/shm/go ]; do sleep 0.01; done; exit 8")
    ballast = fill(full_engine)
    for name in names:
        try:
            full_engine.call("StartContainer", name=name)
            full_engine.wait(name)
        except VarlinkError as error:
            assert error.name == "io.podman.ErrorOccurred" and error.reason
    pid = full_engine.call("GetContainer", name=running)["container"]["namespaces"]["pid"]
    with open(f"/proc/{pid}/root/dev/shm/go", "w", encoding="utf-8"):
        pass
    assert full_engine.wait(running) == 8
    for name in [*names, running]:
        full_engine.call("RemoveContainer", name=name, force=True)
    full_engine.assert_no_leaks()
    os.unlink(ballast)
    assert full_engine.wait(full_engine.run("true")) == 0


def test_a_container_that_fills_the_disk(full_engine):
    """Its own writes fail; the engine goes on and can take it away."""
    name = full_engine.run("sh", "-c", "cat /dev/zero > /big; echo status $?")
    full_engine.wait(name)
    full_engine.containers()
    full_engine.call("RemoveContainer", name=name, force=True)
    assert full_engine.wait(full_engine.run("true")) == 0


def test_engine_restart_on_a_full_disk(full_engine):
    """It starts, answers and can free room."""
    name = full_engine.create("true")
    ballast = fill(full_engine)
    full_engine.restart()
    assert [c["id"] for c in full_engine.containers()] == [name]
    full_engine.call("RemoveContainer", name=name, force=True)
    os.unlink(ballast)
