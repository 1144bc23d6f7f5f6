# SPDX-License-Identifier: Apache-2.0
"""Images pulled and pushed through the engine: registries, archives, names, and what fails."""

import base64
import gzip
import http.server
import io
import json
import os
import random
import subprocess
import tarfile
import threading

import pytest

import scratch
from engine import Engine
from registry import INDEX, PASSWORD, USER, Registry, sha256
from throttle import Throttle
from varlink import Closed, VarlinkError

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
HELPER = "selkie-transfer"


@pytest.fixture
def registry():
    with Registry() as one:
        yield one


def configure(engine, *insecure, search=(), text="", policy="insecureAcceptAnything"):
    """The configuration of the engine's user: a home of its own."""
    home = f"{engine.folder}/home"
    os.makedirs(f"{home}/.config/containers", exist_ok=True)
    rows = [f'[[registry]]\nlocation = "{address}"\ninsecure = true\n' for address in insecure]
    with open(f"{home}/.config/containers/registries.conf", "w", encoding="utf-8") as stream:
        stream.write(f"unqualified-search-registries = {json.dumps(list(search))}\n")
        stream.write("".join(rows) + text)
    with open(f"{home}/.config/containers/policy.json", "w", encoding="utf-8") as stream:
        json.dump({"default": [{"type": policy}]}, stream)
    return {**os.environ, "HOME": home, "XDG_RUNTIME_DIR": home}


@pytest.fixture
def puller(busybox_tar, registry, request):
    """An engine that has busybox and may speak to the registry without TLS."""
    engine = Engine()
    try:
        engine.environment = configure(engine, registry.address, search=[registry.address])
        engine.start(env=engine.environment)
        engine.image = engine.call(
            "ImportImage",
            source=busybox_tar,
            reference="busybox",
            message="",
            changes=["CMD=sh", "ENV=PATH=/bin"],
        )["image"]
        yield engine
        report = getattr(request.node, "report_call", None)
        if report is None or not report.failed:
            engine.finish()
    finally:
        engine.discard()


def restart(engine, environment):
    engine.stop()
    engine.start(env=environment)


def tools(engine, *command):
    """One of the field's tools on the engine's store."""
    return subprocess.run(
        command, env=engine.environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def skopeo(engine, *arguments):
    return tools(engine, "skopeo", *arguments)


def stored(engine, name):
    return f"containers-storage:[overlay@{engine.root}+{engine.runroot}]{name}"


def names_of(engine, image):
    return engine.call("GetImage", name=image)["image"]["repoTags"]


def layers(engine):
    return [n for n in scratch.entries(f"{engine.root}/overlay") if len(n) == 64]


def helpers(engine):
    return [row for row in scratch.processes_with(engine.root) if HELPER in row[1]]


def assert_nothing_left(engine):
    """No helper, no staging folder, no layer without an image."""
    scratch.wait_until(lambda: not helpers(engine), "the helper to end")
    scratch.wait_until(
        lambda: not [n for n in scratch.entries(f"{engine.root}/tmp") if os.path.isdir(n)],
        "the staging folders to go",
    )
    wanted = set()
    for image in engine.call("ListImages")["images"]:
        manifest = json.loads(skopeo(engine, "inspect", "--raw", stored(engine, "@" + image["id"])))
        wanted |= {layer["digest"] for layer in manifest["layers"]}
    assert len(layers(engine)) <= len(wanted)


def make_layer(files):
    """A gzip tar with these files, and the digest of the tar."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0), sha256(plain.getvalue())


def put_image(registry, repository, tag, layer_files, architecture="amd64"):
    """A real image; its manifest's digest and the image's id."""
    blobs, diff_ids = zip(*[make_layer(files) for files in layer_files])
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": CONFIG, **registry.put_blob(repository, config)},
        "layers": [{"mediaType": LAYER, **registry.put_blob(repository, blob)} for blob in blobs],
    }
    data = json.dumps(manifest).encode()
    return registry.put_manifest(repository, tag, data), sha256(config)[7:], len(data)


# --- there and back --------------------------------------------------------------------------


def test_round_trip(puller, registry):
    name = registry.name("test/busybox", "1.0")
    assert puller.call("PushImage", name="busybox", tag=name, tlsverify=False) == {
        "image": puller.image
    }
    puller.call("RemoveImage", name=puller.image, force=True)
    assert layers(puller) == []
    assert puller.call("PullImage", name=name) == {"id": puller.image}
    assert names_of(puller, puller.image) == [name]
    run = puller.run("echo", "hello", image=name)
    assert puller.wait(run) == 0
    assert puller.output(run) == "hello\n"
    puller.call("RemoveContainer", name=run, force=True)
    # a second push finds everything there, and gives the same manifest
    before, _ = registry.get_manifest("test/busybox", "1.0")
    puller.call("PushImage", name=name, tag=registry.name("test/busybox", "2"), tlsverify=False)
    assert registry.get_manifest("test/busybox", "2")[0] == before
    assert json.loads(skopeo(puller, "inspect", stored(puller, name)))["Digest"] == sha256(before)
    assert_nothing_left(puller)


def test_what_podman_pulls_and_what_we_pull_are_the_same(puller, registry):
    name = registry.name("test/tree")
    put_image(
        registry,
        "test/tree",
        "latest",
        [{"a/one": b"1" * 5000, "b": b"2"}, {"a/.wh.one": b"", "c": b"3"}],
    )
    ours = puller.call("PullImage", name=name)["id"]
    other = f"{puller.folder}/podman"
    podman = ["podman", "--root", f"{other}/root", "--runroot", f"{other}/run"]
    try:
        theirs = tools(puller, *podman, "pull", "-q", "--tls-verify=false", name).strip()
        assert theirs == ours
        for file in ("layers.json",):
            with open(f"{puller.root}/overlay-layers/{file}", encoding="utf-8") as stream:
                mine = {row["id"]: row for row in json.load(stream)}
            with open(f"{other}/root/overlay-layers/{file}", encoding="utf-8") as stream:
                peer = {row["id"]: row for row in json.load(stream)}
            for key in ("diff-digest", "diff-size", "compressed-diff-digest", "parent"):
                for id_, row in peer.items():
                    assert mine[id_].get(key) == row.get(key)
    finally:
        for point in scratch.mounts_below(other):
            subprocess.run(["umount", "-l", point], check=False)


def test_one_of_many_platforms(puller, registry):
    rows = []
    for architecture in ("arm64", "amd64"):
        digest, image, size = put_image(
            registry, "multi", architecture, [{architecture: b"x"}], architecture
        )
        rows.append(
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": size,
                "platform": {"os": "linux", "architecture": architecture},
            }
        )
    registry.put_manifest(
        "multi", "latest", {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}, INDEX
    )
    assert puller.call("PullImage", name=registry.name("multi")) == {"id": image}
    by_digest = f"{registry.address}/multi@{rows[0]['digest']}"
    other = puller.call("PullImage", name=by_digest)["id"]
    assert other != image
    assert puller.call("GetImage", name=by_digest)["image"]["id"] == other


def test_layers_that_are_there_are_not_fetched(puller, registry):
    files = [{"same": b"1"}, {"same2": b"2"}]
    put_image(registry, "a", "latest", files)
    put_image(registry, "b", "latest", [*files, {"more": b"3"}])
    puller.call("PullImage", name=registry.name("a"))
    relay = Throttle(registry.address, None)
    try:
        restart(puller, configure(puller, relay.address))
        puller.call("PullImage", name=f"{relay.address}/b:latest")
        blobs = [line for line in relay.requests if "/blobs/" in line]
        assert len(blobs) == 2, relay.requests  # the config and the one new layer
        relay.requests.clear()
        puller.call("PullImage", name=f"{relay.address}/b:latest")
        assert len([line for line in relay.requests if "/blobs/" in line]) == 1
    finally:
        relay.close()


# --- names -----------------------------------------------------------------------------------


def test_names(puller, registry):
    _, image, _ = put_image(registry, "team/app", "1", [{"f": b"x"}])
    name = registry.name("team/app", "1")
    for text in (name, "docker://" + name, "team/app:1"):
        assert puller.call("PullImage", name=text) == {"id": image}
    assert names_of(puller, image) == [name]
    for text, words in (
        ("", ""),
        ("nosuch:1", "manifest unknown"),
        ("UPPER", "lower"),
        ("bogus://x", "transport"),
        ("containers-storage:x", "not supported"),
        ("docker-archive:/nosuch.tar", "No such file"),
    ):
        with pytest.raises(VarlinkError) as caught:
            puller.call("PullImage", name=text)
        assert caught.value.name == "io.podman.ErrorOccurred"
        assert caught.value.reason.startswith(f"unable to pull {text}")
        assert words in caught.value.reason, caught.value.reason
    assert_nothing_left(puller)


def test_mirrors_and_blocks(puller, registry):
    _, image, _ = put_image(registry, "mirrored/x", "1", [{"f": b"x"}])
    text = (
        '[[registry]]\nprefix = "far.example/team"\nlocation = "127.0.0.1:1/none"\n'
        f'[[registry.mirror]]\nlocation = "{registry.address}/mirrored"\ninsecure = true\n'
        '[[registry]]\nprefix = "bad.example"\nlocation = "bad.example"\nblocked = true\n'
    )
    restart(puller, configure(puller, text=text))
    assert puller.call("PullImage", name="far.example/team/x:1") == {"id": image}
    assert names_of(puller, image) == ["far.example/team/x:1"]
    with pytest.raises(VarlinkError, match="blocked"):
        puller.call("PullImage", name="bad.example/x")


def test_policy(puller, registry):
    put_image(registry, "x", "latest", [{"f": b"x"}])
    restart(puller, configure(puller, registry.address, policy="reject"))
    with pytest.raises(VarlinkError, match="reject"):
        puller.call("PullImage", name=registry.name("x"))
    assert len(puller.call("ListImages")["images"]) == 1


def test_login(busybox_tar):
    with Registry(tls=True, login=True) as registry:
        engine = Engine()
        try:
            environment = configure(engine)
            certs = f"{environment['HOME']}/.config/containers/certs.d/{registry.address}"
            os.makedirs(certs)
            with open(registry.authority.path, "rb") as source:
                with open(f"{certs}/ca.crt", "wb") as stream:
                    stream.write(source.read())
            engine.start(env=environment)
            engine.call(
                "ImportImage", source=busybox_tar, reference="busybox", message="", changes=[]
            )
            name = registry.name("private")
            with pytest.raises(VarlinkError, match="it wants a user"):
                engine.call("PushImage", name="busybox", tag=name, tlsverify=True)
            auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            environment["REGISTRY_AUTH_FILE"] = f"{engine.folder}/auth.json"
            with open(environment["REGISTRY_AUTH_FILE"], "w", encoding="utf-8") as stream:
                json.dump({"auths": {registry.address: {"auth": auth}}}, stream)
            restart(engine, environment)
            engine.call("PushImage", name="busybox", tag=name, tlsverify=True)
            assert engine.call("PullImage", name=name)
            engine.finish()
        finally:
            engine.discard()


def test_search(puller, registry):
    put_image(registry, "team/one", "latest", [{"f": b"1"}])
    put_image(registry, "team/two", "latest", [{"f": b"2"}])
    hit = {"description": "", "is_official": False, "is_automated": False, "star_count": 0}

    def search(name, limit=0):
        return puller.call("SearchImage", name=name, limit=limit)["images"]

    assert search("two") == [{**hit, "name": f"{registry.address}/team/two"}]
    assert len(search("team")) == len(search("")) == 2
    assert len(search("team", 1)) == 1
    assert search(f"{registry.address}/one") == [{**hit, "name": f"{registry.address}/team/one"}]
    assert search("nothing") == []
    restart(puller, configure(puller, registry.address, search=["127.0.0.1:1", registry.address]))
    assert len(search("two")) == 1
    assert "127.0.0.1:1" in puller.log_text()


# --- archives --------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "oci", "dir"])
def test_archives(puller, transport):
    path = f"{puller.folder}/exported"
    where = f"{transport}:{path}" + ("" if transport == "dir" else ":localhost/kept:1")
    answer = puller.call(
        "ExportImage", name="busybox", destination=where, compress=False, tags=[]
    )
    assert answer == {"image": puller.image}
    assert json.loads(skopeo(puller, "inspect", where))["Layers"]
    puller.call("RemoveImage", name=puller.image, force=True)
    assert puller.call("PullImage", name=where) == {"id": puller.image}
    if transport != "dir":
        assert names_of(puller, puller.image) == ["localhost/kept:1"]
    # and what skopeo writes
    theirs = f"{puller.folder}/theirs"
    skopeo(puller, "copy", "-q", stored(puller, "@" + puller.image), f"{transport}:{theirs}:x:1")
    puller.call("RemoveImage", name=puller.image, force=True)
    assert puller.call("PullImage", name=f"{transport}:{theirs}:x:1") == {"id": puller.image}
    assert_nothing_left(puller)


def test_docker_archive_with_names(puller):
    path = f"{puller.folder}/a.tar"
    puller.call(
        "ExportImage",
        name="busybox",
        destination=f"docker-archive:{path}",
        compress=False,
        tags=["x:1", "quay.io/a/b:2"],
    )
    with tarfile.open(path) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
    assert sorted(manifest[0]["RepoTags"]) == ["docker.io/library/x:1", "quay.io/a/b:2"]
    with pytest.raises(VarlinkError, match="exist"):
        puller.call(
            "ExportImage",
            name="busybox",
            destination=f"docker-archive:{path}",
            compress=False,
            tags=[],
        )


def test_compressed_folder(puller):
    path = f"{puller.folder}/d"
    puller.call("ExportImage", name="busybox", destination=f"dir:{path}", compress=True, tags=[])
    with open(f"{path}/manifest.json", encoding="utf-8") as stream:
        (layer,) = json.load(stream)["layers"]
    assert layer["mediaType"].endswith("gzip")
    with open(f"{path}/{layer['digest'][7:]}", "rb") as stream:
        assert stream.read(2) == b"\x1f\x8b"


@pytest.mark.parametrize(
    "destination, words",
    [
        ("", "must be specified"),
        ("/plain/path.tar", "invalid reference format"),
        ("docker://x/y", "invalid reference format"),
        ("oci:/nosuch/folder/x", "No such file"),
        ("docker-archive:/nosuch/folder/x.tar", "No such file"),
    ],
)
def test_bad_destinations(puller, destination, words):
    with pytest.raises(VarlinkError, match=words) as caught:
        puller.call(
            "ExportImage", name="busybox", destination=destination, compress=False, tags=[]
        )
    assert caught.value.name == "io.podman.ErrorOccurred"


def test_unknown_image(puller):
    for method, rest in (
        ("PushImage", {"tag": "x/y", "tlsverify": False}),
        ("ExportImage", {"destination": "dir:/x", "compress": False, "tags": []}),
    ):
        with pytest.raises(VarlinkError) as caught:
            puller.call(method, name="nosuch", **rest)
        assert caught.value.name == "io.podman.ImageNotFound"
        assert caught.value.parameters == {"name": "nosuch"}


# --- what goes wrong -------------------------------------------------------------------------


def blob_file(registry, digest):
    return f"{registry.folder}/data/docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"


@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "other"])
def test_wrong_bytes(puller, registry, damage):
    """What the registry serves is not what the manifest promised."""
    put_image(registry, "x", "latest", [{"f": random.randbytes(100000)}, {"g": b"y"}])
    manifest = json.loads(registry.get_manifest("x", "latest")[0])
    path = blob_file(registry, manifest["layers"][0]["digest"])
    with open(path, "r+b") as stream:
        data = stream.read()
        stream.seek(0)
        stream.truncate()
        if damage == "flip":
            data = data[:50000] + bytes([data[50000] ^ 1]) + data[50001:]
        elif damage == "other":
            data = make_layer({"f": b"evil"})[0]
        stream.write(data[:-1] if damage == "truncate" else data + b"x" * (damage == "append"))
    with pytest.raises(VarlinkError) as caught:
        puller.call("PullImage", name=registry.name("x"))
    assert caught.value.name == "io.podman.ErrorOccurred"
    assert len(puller.call("ListImages")["images"]) == 1
    assert_nothing_left(puller)


def test_config_that_promises_another_tar(puller, registry):
    put_image(registry, "x", "latest", [{"f": b"x"}])
    manifest = json.loads(registry.get_manifest("x", "latest")[0])
    config = json.loads(registry.get_blob("x", manifest["config"]["digest"]))
    config["rootfs"]["diff_ids"] = [sha256(b"something else")]
    manifest["config"].update(registry.put_blob("x", json.dumps(config).encode()))
    registry.put_manifest("x", "lie", manifest)
    with pytest.raises(VarlinkError, match="where the config says"):
        puller.call("PullImage", name=registry.name("x", "lie"))
    assert_nothing_left(puller)


def test_circle_of_indexes_ends(puller, registry):
    """Each names the next, deeper than anybody may follow."""
    digest, _, size = put_image(registry, "deep", "0", [{"f": b"x"}])
    kind = "application/vnd.oci.image.manifest.v1+json"
    for _ in range(8):
        row = {"mediaType": kind, "digest": digest, "size": size}
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]}).encode()
        digest, size, kind = registry.put_manifest("deep", "top", data, INDEX), len(data), INDEX
    with pytest.raises(VarlinkError, match="deep"):
        puller.call("PullImage", name=registry.name("deep", "top"))


@pytest.fixture
def slow(puller, registry):
    """A registry that stops in the middle of the image's layer; its name there."""
    put_image(registry, "slow", "latest", [{"f": random.randbytes(3 << 20)}])
    relay = Throttle(registry.address, 1 << 20)
    restart(puller, configure(puller, relay.address))
    yield relay
    relay.close()


def begin_pull(engine, relay):
    connection = engine.connect()
    connection.send("io.podman.PullImage", {"name": f"{relay.address}/slow:latest"})
    scratch.wait_until(relay.is_waiting, "the pull to come to its middle")
    ((pid, _),) = helpers(engine)
    return connection, pid


def test_caller_hangs_up(puller, slow):
    connection, pid = begin_pull(puller, slow)
    connection.close()
    scratch.wait_until(lambda: not scratch.is_alive(pid), "the helper to end")
    assert_nothing_left(puller)
    slow.release()
    assert puller.call("PullImage", name=f"{slow.address}/slow:latest")


def test_helper_is_killed(puller, slow):
    connection, pid = begin_pull(puller, slow)
    os.kill(pid, 9)
    with pytest.raises(VarlinkError, match="the helper died"):
        connection.result()
    assert_nothing_left(puller)
    slow.release()
    assert puller.call("PullImage", name=f"{slow.address}/slow:latest")


def test_engine_is_killed(puller, slow):
    _, pid = begin_pull(puller, slow)
    puller.kill()
    scratch.wait_until(lambda: not scratch.is_alive(pid), "the helper to end")
    puller.start(env=puller.environment)
    assert_nothing_left(puller)
    assert len(puller.call("ListImages")["images"]) == 1


def test_engine_ends(puller, slow):
    connection, pid = begin_pull(puller, slow)
    puller.stop()
    with pytest.raises((Closed, OSError, VarlinkError)):
        connection.result()
    scratch.wait_until(lambda: not scratch.is_alive(pid), "the helper to end")
    puller.start(env=puller.environment)
    assert_nothing_left(puller)


def test_two_pulls_fetch_a_layer_once(puller, slow):
    first, _ = begin_pull(puller, slow)
    second = puller.connect()
    second.send("io.podman.PullImage", {"name": f"{slow.address}/slow:latest"})
    scratch.wait_until(lambda: len(helpers(puller)) == 2, "the second helper")
    slow.release()
    assert first.result() == second.result()
    (manifest,) = {line for line in slow.requests if "GET" in line and "/manifests/" in line}
    assert manifest
    blobs = [line for line in slow.requests if "GET" in line and "/blobs/" in line]
    assert len(blobs) == 3, blobs  # two configs, one layer


# --- import from a URL -----------------------------------------------------------------------


def test_import_from_a_url(puller, busybox_tar):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=os.path.dirname(busybox_tar))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        image = puller.call(
            "ImportImage",
            source=f"{base}/{os.path.basename(busybox_tar)}",
            reference="fetched",
            message="",
            changes=["CMD=sh"],
        )["image"]
        assert names_of(puller, image) == ["localhost/fetched:latest"]
        with pytest.raises(VarlinkError, match="404"):
            puller.call(
                "ImportImage", source=f"{base}/nosuch", reference="", message="", changes=[]
            )
    finally:
        server.shutdown()
        server.server_close()
