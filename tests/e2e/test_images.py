# SPDX-License-Identifier: Apache-2.0
"""Images: import, list, get, inspect, remove."""

import bz2
import gzip
import http.server
import io
import json
import lzma
import os
import re
import tarfile
import threading

import pytest

import busybox
from varlink import VarlinkError


def load(engine, tar, reference, *changes, message=""):
    return engine.call(
        "ImportImage", source=tar, reference=reference, message=message, changes=list(changes)
    )["image"]


def image(engine, name):
    return engine.call("GetImage", name=name)["image"]


def test_list(engine):
    (found,) = engine.call("ListImages")["images"]
    assert found["id"] == engine.image and found["repoTags"] == ["localhost/busybox:latest"]
    assert re.fullmatch("localhost/busybox@sha256:[0-9a-f]{64}", found["repoDigests"][0])
    assert found["parentId"] == "" and found["containers"] == 0 and found["labels"] == {}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})? \+0000 UTC", found["created"])
    engine.create("true")
    assert image(engine, "busybox")["containers"] == 1


def test_empty_store(bare_engine):
    assert bare_engine.call("ListImages") == {"images": []}


def test_names_of_an_image(engine):
    for given in (
        "busybox",
        "busybox:latest",
        "localhost/busybox",
        "localhost/busybox:latest",
        engine.image,
        engine.image[:6],
        "sha256:" + engine.image,
        image(engine, "busybox")["repoDigests"][0],
    ):
        assert image(engine, given)["id"] == engine.image, given
    unknown = ["busyb", "busybox:1", "other/busybox", "", "A/B:c:d", "sha256:" + "0" * 64]
    for given in [*unknown, "x" * 999]:
        for method in ("GetImage", "InspectImage", "RemoveImage"):
            with pytest.raises(VarlinkError) as caught:
                engine.call(method, name=given)
            assert caught.value.name == "io.podman.ImageNotFound", (method, given)
            assert caught.value.parameters == {"name": given}


def test_the_same_content_is_the_same_image(engine, busybox_tar):
    """A second import of it adds a name."""
    again = load(engine, busybox_tar, "quay.io/other/name:2", "CMD=sh", "ENV=PATH=/bin")
    if again == engine.image:
        assert sorted(image(engine, again)["repoTags"]) == [
            "localhost/busybox:latest",
            "quay.io/other/name:2",
        ]
    else:  # the time of the import is part of the image
        assert len(engine.call("ListImages")["images"]) == 2


def test_a_name_moves(engine, busybox_tar):
    other = load(engine, busybox_tar, "busybox", "LABEL=new=1")
    assert image(engine, "busybox")["id"] == other
    assert image(engine, engine.image)["repoTags"] == []


def test_import_without_a_reference(bare_engine, busybox_tar):
    name = load(bare_engine, busybox_tar, "")
    assert image(bare_engine, name)["repoTags"] == []


@pytest.mark.parametrize("packer", [gzip, lzma, bz2], ids=lambda packer: packer.__name__)
def test_import_of_compressed_tars(bare_engine, busybox_tar, tmp_path, packer):
    """gzip works; what cannot be read is refused in words, and never taken for an empty tar."""
    path = str(tmp_path / "rootfs.tar.packed")
    with open(busybox_tar, "rb") as stream, packer.open(path, "wb") as packed:
        packed.write(stream.read())
    try:
        load(bare_engine, path, "packed")
    except VarlinkError as error:
        assert packer is not gzip and error.name == "io.podman.ErrorOccurred", error
        assert bare_engine.call("ListImages") == {"images": []}
    else:
        name = bare_engine.run("/bin/sh", "-c", "exit 5", image="packed")
        assert bare_engine.wait(name) == 5


@pytest.fixture
def web(busybox_tar):
    """The root file system as a URL, for as long as a test runs; and what was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            with open(busybox_tar, "rb") as stream:
                data = stream.read() if self.path == "/busybox.tar" else b""
            self.send_response(200 if data else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_import_from_a_url(bare_engine, web):
    url, asked = web
    load(bare_engine, f"{url}/busybox.tar", "fetched", "CMD=sh")
    name = bare_engine.run("/bin/sh", "-c", "exit 5", image="fetched")
    assert bare_engine.wait(name) == 5 and asked == ["/busybox.tar"]


def test_import_from_a_url_that_fails(bare_engine, web):
    """An error in words, and nothing is asked for what is refused anyhow."""
    url, asked = web
    for source, word in ((f"{url}/none.tar", "404"), ("http://127.0.0.1:1/x.tar", "127.0.0.1")):
        with pytest.raises(VarlinkError) as caught:
            load(bare_engine, source, "fetched")
        assert caught.value.name == "io.podman.ErrorOccurred" and word in caught.value.reason
    assert asked == ["/none.tar"]
    with pytest.raises(VarlinkError):
        load(bare_engine, f"{url}/busybox.tar", "A B")
    assert asked == ["/none.tar"] and bare_engine.call("ListImages") == {"images": []}


def test_inspect(engine, busybox_tar):
    load(
        engine,
        busybox_tar,
        "full",
        'CMD=["a","b c"]',
        "ENTRYPOINT=x y",
        "ENV=A=B=C",
        "ENV=D=",
        "EXPOSE=8080/tcp",
        "LABEL=k=v",
        "STOPSIGNAL=SIGINT",
        "USER=alice",
        "VOLUME=/data",
        "WORKDIR=/home",
        message="from a test",
    )
    found = json.loads(engine.call("InspectImage", name="full")["image"])
    config = found["Config"]
    assert found["ContainerConfig"] == config or found["ContainerConfig"]["Cmd"] == config["Cmd"]
    assert config["Cmd"] == ["a", "b c"]
    assert config["Entrypoint"][-2:] == ["x", "y"] or config["Entrypoint"][-1] == "x y"
    assert config["Env"] == ["A=B=C", "D="]
    assert config["ExposedPorts"] == {"8080/tcp": {}} and config["Volumes"] == {"/data": {}}
    assert config["User"] == "alice" and config["WorkingDir"] == "/home"
    assert config["StopSignal"] == "SIGINT" and config["Labels"] == {"k": "v"}
    assert found["Comment"] == "from a test"
    assert found["RepoTags"] == ["localhost/full:latest"]
    assert image(engine, "full")["labels"] == {"k": "v"}


def test_remove(engine):
    assert engine.call("RemoveImage", name="busybox", force=False) == {"image": engine.image}
    assert engine.call("ListImages") == {"images": []}


def test_remove_in_use(engine):
    name = engine.run("sleep", "1000", stop_timeout=0)
    for given in ("busybox", engine.image):
        with pytest.raises(VarlinkError) as caught:
            engine.call("RemoveImage", name=given, force=False)
        assert caught.value.reason.startswith(
            f"could not remove image {engine.image} as it is being used by 1 containers"
        )
    assert engine.call("RemoveImage", name="busybox", force=True) == {"image": engine.image}
    assert engine.call("ContainerExists", name=name) == {"exists": 1}
    assert engine.call("ListImages") == {"images": []}
    engine.assert_no_leaks()


def test_a_big_tar_is_imported_whole(bare_engine, tmp_path):
    """Ten thousand files and 60 MB; nothing is loaded into memory at once."""
    path = str(tmp_path / "big.tar")
    busybox.write_tar(path)
    with tarfile.open(path, "a") as tar:
        for number in range(10000):
            entry = tarfile.TarInfo(f"many/{number // 100}/{number}")
            entry.size = 10
            tar.addfile(entry, io.BytesIO(b"0123456789"))
        entry = tarfile.TarInfo("big")
        entry.size = 60 << 20
        tar.addfile(entry, io.BytesIO(b"\0" * entry.size))
    load(bare_engine, path, "big")
    name = bare_engine.run(
        "/bin/sh",
        "-c",
        "/bin/find /many -type f | /bin/wc -l; /bin/wc -c < /big",
        image="big",
    )
    assert bare_engine.wait(name) == 0
    assert bare_engine.output(name) == f"10000\n{60 << 20}\n"
    with open(f"/proc/{bare_engine.process.pid}/status", encoding="utf-8") as stream:
        peak = next(int(line.split()[1]) for line in stream if line.startswith("VmHWM"))
    assert peak < 300 * 1024


def test_hostile_tar(bare_engine, tmp_path):
    """Names that climb out, links that point out: nothing is written outside of the layer."""
    outside = tmp_path / "outside"
    outside.mkdir()
    up = "../" * 20 + str(outside).lstrip("/")
    entries = [
        ("dotdot", f"{up}/dotdot", None),
        ("absolute", f"{outside}/absolute", None),
        ("link", "link", f"{outside}"),
        ("through the link", "link/through", None),
        ("link of links", "a/b", "../../../../../../../../../" + str(outside).lstrip("/")),
        ("through it", "a/b/through2", None),
    ]
    path = str(tmp_path / "evil.tar")
    with tarfile.open(path, "w") as tar:
        for _, name, link in entries:
            entry = tarfile.TarInfo(name)
            if link:
                entry.type, entry.linkname = tarfile.SYMTYPE, link
                tar.addfile(entry)
            else:
                entry.size = 4
                tar.addfile(entry, io.BytesIO(b"evil"))
    try:
        load(bare_engine, path, "evil")
    except VarlinkError as error:
        assert error.name == "io.podman.ErrorOccurred"
    assert os.listdir(outside) == []
    assert bare_engine.is_running()
