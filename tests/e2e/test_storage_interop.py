# SPDX-License-Identifier: Apache-2.0
"""The store beside Debian's podman, buildah and skopeo: each reads and changes what others wrote.

No engine runs here: tests/storage/store-tool drives the storage library itself, so that what is
shared is tried at its edges: lock against lock, mount against mount, a writer killed at any moment.
"""

import gzip
import json
import os
import random
import secrets
import signal
import subprocess
import tarfile
import threading
import time

import pytest

import scratch
from shop import TOOL, Shop, opened, sha256, tar_of, zstd


@pytest.fixture(name="shop")
def fixture_shop():
    """An empty store."""
    with opened() as store:
        yield store


def rich_layers(twice=True):
    """Three layers with whatever a layer can have, in three compressions.

    twice: also a path that occurs twice, which the other tools can read but not write.
    """
    first = [("./etc/a", b"first", {})] if twice else []
    base = tar_of(
        ("./", None, {}),
        ("./etc", None, {}),
        *first,
        ("./etc/a", b"second and longer", {}),
        ('./etc/\u00fc<&>"\\', b"utf-8", {}),
        ("./etc/hard", b"", {"type": tarfile.LNKTYPE, "linkname": "./etc/a"}),
        ("./lib", b"", {"type": tarfile.SYMTYPE, "linkname": "/usr/lib"}),
        ("./usr/lib", None, {"mode": 0o2755, "gid": 50}),
        ("./lib/through-a-link", b"inside", {}),
        ("./gone", b"to be removed", {}),
        ("./dir/old", b"to be hidden", {}),
        ("./setuid", b"x" * 5000, {"mode": 0o4755, "uid": 3000000, "gid": 3000001}),
        ("./null", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
        ("./fifo", b"", {"type": tarfile.FIFOTYPE}),
        ("./" + "long/" * 60 + "f", b"deep", {}),
        ("./marked", b"m", {"pax_headers": {"SCHILY.xattr.user.note": "value"}}),
        ("./empty", b"", {}),
        ("./old", b"before 1970", {"mtime": -1.5}),
    )
    middle = tar_of(
        (".wh.gone", b"", {}),
        ("dir", None, {}),
        ("dir/.wh..wh..opq", b"", {}),
        ("dir/new", b"new", {}),
        ("random", random.Random(1).randbytes(300000), {}),
    )
    top = tar_of(("top", b"t" * 100000, {})) + b"bytes after the end"
    return [base, gzip.compress(middle), zstd(top)], [base, middle, top]


def layer_files(folder, path="{}", manifest="manifest.json"):
    """The blobs in a folder made by skopeo or podman, inflated; in the manifest's order."""
    with open(f"{folder}/{manifest}", encoding="utf-8") as stream:
        layers = json.load(stream)["layers"]
    blobs = []
    for layer in layers:
        name = path.format(layer["digest"].partition(":")[2])
        with open(f"{folder}/{name}", "rb") as stream:
            data = stream.read()
        if data[:4] == b"\x28\xb5\x2f\xfd":
            unpack = ["zstd", "-qdc"]
            data = subprocess.run(unpack, input=data, stdout=subprocess.PIPE, check=True).stdout
        blobs.append(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    return blobs


def test_others_read_what_we_write(shop):
    """Listed, inspected, saved and copied, with the digests that we recorded."""
    blobs, tars = rich_layers()
    image, layers = shop.image("localhost/ours:1", blobs)
    shop.check()
    listed = json.loads(shop.podman("images", "--digests", "--format", "json"))
    assert [entry["Id"] for entry in listed] == [image]
    assert listed[0]["Names"] == ["localhost/ours:1"]
    inspected = json.loads(shop.podman("image", "inspect", image))[0]
    assert inspected["RootFS"]["Layers"] == [layer["diff"] for layer in layers]
    assert len(shop.podman("history", "-q", image).split()) == 3

    shop.run("skopeo", "--policy", shop.policy, "copy", shop.reference("localhost/ours:1"),
             f"dir:{shop.folder}/copy")  # fmt: skip
    assert layer_files(f"{shop.folder}/copy") == tars
    shop.podman("save", "-q", "--format", "oci-dir", "-o", f"{shop.folder}/saved", image)
    with open(f"{shop.folder}/saved/index.json", encoding="utf-8") as stream:
        manifest = json.load(stream)["manifests"][0]["digest"].replace(":", "/")
    assert layer_files(f"{shop.folder}/saved", "blobs/sha256/{}", f"blobs/{manifest}") == tars

    name = shop.run("buildah", "from", "--pull-never", "localhost/ours:1").strip()
    mounted = shop.run("buildah", "mount", name).strip()
    assert sorted(os.listdir(f"{mounted}/dir")) == ["new"]
    assert not os.path.exists(f"{mounted}/gone")
    with open(f"{mounted}/etc/a", encoding="utf-8") as stream:
        assert stream.read() == "second and longer"
    assert os.stat(f"{mounted}/setuid").st_mode & 0o7777 == 0o4755
    assert os.getxattr(f"{mounted}/marked", "user.note") == b"value"
    shop.refuses("rmi", image)
    shop.run("buildah", "rm", name)
    shop.podman("rmi", image)
    assert shop.tool("images") == []
    shop.check()


def test_we_read_what_others_write(shop):
    """Images of podman, buildah, skopeo: every item by its digest, their files in a container."""
    imported = shop.podman("import", "-q", shop.write("a.tar", tar_of(("a", b"from podman", {}))))
    imported = imported.strip().rpartition(":")[2]
    name = shop.run("buildah", "from", "scratch").strip()
    shop.run("buildah", "copy", name, shop.write("b", b"from buildah"), "/b")
    built = shop.run("buildah", "commit", "-q", name, "localhost/built:1").strip()
    shop.run("buildah", "rm", name)
    blobs, _ = rich_layers(twice=False)
    other = Shop()
    try:
        copied, layers = other.image("localhost/copied:1", blobs)
        other.run("skopeo", "--policy", shop.policy, "copy",
                  other.reference("localhost/copied:1"), f"dir:{shop.folder}/copy")  # fmt: skip
    finally:
        assert other.close() == []
    shop.run("skopeo", "--policy", shop.policy, "copy", f"dir:{shop.folder}/copy",
             shop.reference("localhost/copied:1"))  # fmt: skip

    images = {image["id"]: image for image in shop.tool("images")}
    assert set(images) == {imported, built, copied}
    assert images[built]["names"] == ["localhost/built:1"]
    assert images[copied]["layer"] == layers[-1]["id"]  # the same chain of ids as ours
    for image in images.values():
        assert image["digest"] == image["items"]["manifest"]
        for key, digest in image["items"].items():
            assert not key.startswith("sha256:") or digest == key

    for image, file, text in ((imported, "a", "from podman"), (built, "b", "from buildah")):
        container, layer = secrets.token_hex(32), secrets.token_hex(32)
        shop.tool("create", container, layer, f"c-{file}", image)
        merged = shop.tool("mount", layer)[0]["path"]
        with open(f"{merged}/{file}", encoding="utf-8") as stream:
            assert stream.read() == text
        with open(f"{merged}/written", "w", encoding="utf-8") as stream:
            stream.write("by us")
        assert image in shop.podman("ps", "--all", "--external", "--no-trunc", "--format",
                                    "{{.ImageID}}")  # fmt: skip
        result = shop.run("podman", "rmi", image, check=False)
        assert "in use" in result.stderr
        shop.tool("delete", container, layer)
    # An unchanged layer of ours on top of theirs: the same blob is the same layer.
    base = shop.write("base", rich_layers(twice=False)[0][0])
    assert shop.tool("import", "-", base)[0]["id"] in {layer["id"] for layer in shop.json("layers")}
    for image in images:
        shop.tool("rmi", image)
    assert shop.podman("images", "-q") == ""
    shop.check()


def test_foreign_fields_survive(shop):
    """What a newer tool may have added stays through our changes, and podman goes on reading."""
    shop.podman("import", "-q", shop.write("a.tar", tar_of(("a", b"a", {}))), "localhost/a:1")
    layers = shop.json("layers")
    layers[0]["toc-digest"] = "sha256:" + "0" * 64
    layers[0]["future"] = {"list": [1, {"x": None}], "text": "<&>"}
    path = f"{shop.root}/overlay-layers/layers.json"
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(layers, stream, indent=1)
    image = shop.tool("images")[0]["id"]
    container, layer = secrets.token_hex(32), secrets.token_hex(32)
    shop.tool("create", container, layer, "c", image)
    assert shop.json("layers")[0] == layers[0]
    with open(path, encoding="utf-8") as stream:
        assert json.dumps(layers[0], indent=1)[:40] in stream.read().replace("\n  ", "\n ")
    shop.tool("names", image, "localhost/b:1", "localhost/a:1")
    assert shop.podman("images", "--format", "{{.Repository}}").split() == [
        "localhost/b",
        "localhost/a",
    ]
    shop.tool("delete", container, layer)


def test_mounts_are_counted_together(shop):
    """A layer that both have mounted stays until both have let it go."""
    shop.podman("import", "-q", shop.write("a.tar", tar_of(("a", b"a", {}))), "localhost/a:1")
    name = shop.run("buildah", "from", "--pull-never", "localhost/a:1").strip()
    theirs = shop.run("buildah", "mount", name).strip()
    layer = theirs.split("/")[-2]
    assert shop.tool("count", layer) == [{"count": 1}]
    assert shop.tool("mount", layer) == [{"path": theirs}]
    assert shop.tool("count", layer) == [{"count": 2}]
    shop.run("buildah", "umount", name)
    assert os.path.ismount(theirs)
    assert shop.tool("unmount", layer) == [{"mounted": False}]
    assert not os.path.exists(theirs)
    shop.run("buildah", "rm", name)


def test_our_mounts_survive_their_comings_and_goings(shop):
    """The other tools mount overlay/ over itself when they start; ours must not be under that."""
    shop.podman("import", "-q", shop.write("a.tar", tar_of(("a", b"a", {}))), "localhost/a:1")
    image = shop.tool("images")[0]["id"]
    container, layer = secrets.token_hex(32), secrets.token_hex(32)
    shop.tool("create", container, layer, "c", image)
    merged = shop.tool("mount", layer)[0]["path"]
    shop.podman("images")
    name = shop.run("buildah", "from", "--pull-never", "localhost/a:1").strip()
    shop.run("buildah", "mount", name)
    shop.run("buildah", "rm", name)
    assert os.path.ismount(merged)
    assert os.listdir(merged) == ["a"]
    shop.tool("delete", container, layer)
    shop.podman("rmi", "localhost/a:1")
    assert [p for p in scratch.mounts_below(shop.folder) if p != f"{shop.root}/overlay"] == []


def test_a_lost_lock_would_show(shop):
    """Twenty seconds of podman and us, both changing everything: nobody fails, nothing is lost."""
    tars = [shop.write(f"t{i}.tar", tar_of((f"f{i}", b"x" * i * 1000, {}))) for i in range(5)]
    deadline = time.monotonic() + 20
    failures, rounds = [], [0]

    def podman_loop(number):
        # Layers that nobody else has: one that no image uses yet may be removed by anyone.
        while time.monotonic() < deadline and not failures:
            tag = f"localhost/podman-{number}:1"
            for words in (("import", "-q", tars[number], tag), ("rmi", tag)):
                result = shop.run("podman", *words, check=False)
                if result.returncode != 0:
                    failures.append(result.stderr)
            rounds[0] += 1

    loops = [threading.Thread(target=podman_loop, args=(number,)) for number in range(2)]
    ours = [
        subprocess.Popen(
            [TOOL, shop.root, shop.runroot, "torture", "20", *tars[2:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for loop in loops:
        loop.start()
    outputs = [process.communicate() for process in ours]
    for loop in loops:
        loop.join()
    assert failures == []
    for process, (output, errors) in zip(ours, outputs):
        assert process.returncode == 0, errors
        assert output.count("\n") > 10
    assert rounds[0] > 4
    shop.podman("images")
    assert shop.json("containers") == []
    assert shop.json("layers") == [] and shop.json("images") == []
    shop.check()


def test_killed_at_any_moment(shop):
    """kill -9 in the middle of everything, twenty times: others read on, and a start cleans up."""
    tars = [shop.write(f"t{i}.tar", tar_of((f"f{i}", b"x" * i * 100000, {}))) for i in range(1, 4)]
    dice = random.Random(7)
    for turn in range(20):
        with subprocess.Popen(
            [TOOL, shop.root, shop.runroot, "torture", "60", *tars],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            time.sleep(0.05 + dice.random() * 0.4)
            process.send_signal(signal.SIGKILL)
            output, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        if turn % 5 == 0:
            shop.podman("images")
            shop.podman("ps", "--all", "--external")
        shop.tool("sweep")
        # What an engine does at its start with the container that its database knows of.
        for line in output.splitlines()[-1:]:
            intent = json.loads(line)
            shop.tool("delete", intent["container"], intent["layer"])
        assert shop.json("containers") == []
        shop.check()
        for image in shop.tool("images"):
            if dice.random() < 0.5:
                shop.tool("rmi", image["id"])
    for image in shop.tool("images"):
        shop.podman("rmi", image["id"])
    left = scratch.mounts_below(shop.folder)
    assert [point for point in left if point != f"{shop.root}/overlay"] == []
