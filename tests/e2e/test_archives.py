# SPDX-License-Identifier: Apache-2.0
"""Images in archives and folders beside Debian's podman, skopeo and buildah, and hostile ones.

No engine and no store of ours runs here: tests/transfer/archive-tool copies from source to sink.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

import pytest

from engine import SELKIED

TOOL = os.path.join(os.path.dirname(SELKIED), "tests", "transfer", "archive-tool")
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"


def sha256(data):
    """The digest of some bytes, as hex digits."""
    return hashlib.sha256(data).hexdigest()


def layer_tar(name, content):
    """A layer with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def config_of(layers):
    """An image config for uncompressed layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer) for layer in layers]},
    }
    return json.dumps(document).encode()


LAYERS = [layer_tar("etc/one", b"1" * 5000), layer_tar("etc/two", b"2" * 70000)]
CONFIG = config_of(LAYERS)


def write_archive(path, members, mode="w"):
    """A tar of (name, bytes), or (name, TarInfo type, target) members, in order."""
    with tarfile.open(path, mode) as tar:
        for member in members:
            entry = tarfile.TarInfo(member[0])
            if len(member) == 2:
                entry.size = len(member[1])
                tar.addfile(entry, io.BytesIO(member[1]))
            else:
                entry.type = member[1]
                entry.linkname = member[2]
                tar.addfile(entry)


def docker_members(config="config.json", layers=("1.tar", "2.tar"), tags=("localhost/t:1",)):
    """What `docker save` writes for the image of LAYERS, under the names given."""
    manifest = [{"Config": config, "RepoTags": list(tags), "Layers": list(layers)}]
    return [
        ("config.json", CONFIG),
        ("1.tar", LAYERS[0]),
        ("2.tar", LAYERS[1]),
        ("manifest.json", json.dumps(manifest).encode()),
    ]


class Bench:
    """A scratch folder with the field's tools, on a store of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="selkie-archive-", dir="/tmp")
        for name, text in {
            "policy.json": '{"default":[{"type":"insecureAcceptAnything"}]}',
            "containers.conf": '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="none"\n'
            f'tmp_dir="{self.folder}/tmp"\n',
            "storage.conf": f'[storage]\ndriver="overlay"\ngraphroot="{self.folder}/root"\n'
            f'runroot="{self.folder}/run"\n',
        }.items():
            self.write(name, text.encode())
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": self.path("containers.conf"),
            "CONTAINERS_STORAGE_CONF": self.path("storage.conf"),
            "HOME": self.folder,
            "TMPDIR": self.folder,
        }

    def path(self, name):
        """A path in the scratch folder."""
        return os.path.join(self.folder, name)

    def write(self, name, data):
        """A file in the scratch folder; its path."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as stream:
            stream.write(data)
        return self.path(name)

    def run(self, *words):
        """Run a program; its output."""
        result = subprocess.run(
            words,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=180,
            check=False,
        )
        assert result.returncode == 0, f"{words}: {result.stderr.decode()}"
        return result.stdout

    def tool(self, *words):
        """One command of archive-tool."""
        return self.run(TOOL, *words)

    def refuses(self, *words):
        """What archive-tool says when it refuses."""
        result = subprocess.run(
            [TOOL, *words],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 1, result
        return result.stderr

    def skopeo(self, *words):
        """One skopeo command."""
        return self.run("skopeo", "--policy", self.path("policy.json"), *words)

    def raw(self, source):
        """The manifest of an image, as skopeo reads it."""
        return self.skopeo("inspect", "--raw", source)

    def image_id(self, source):
        """The digest of an image's config."""
        return sha256(self.skopeo("inspect", "--config", "--raw", source))

    def files(self):
        """Everything in the scratch folder."""
        found = []
        for folder, _, names in os.walk(self.folder):
            found += [os.path.join(folder, name) for name in names]
        return sorted(found)


@pytest.fixture
def bench():
    """A bench, removed in the end."""
    made = Bench()
    yield made
    subprocess.run(
        ["umount", "-l", made.path("root/overlay")], stderr=subprocess.DEVNULL, check=False
    )
    shutil.rmtree(made.folder)


@pytest.fixture
def saved(bench):
    """An image as buildah makes it and podman saves it, in every format."""
    bench.write("one/etc/one", b"1" * 100000)
    bench.write("two/etc/two", os.urandom(300000))
    container = bench.run("buildah", "from", "scratch").decode().strip()
    bench.run("buildah", "add", "-q", container, "one", "/")
    bench.run("buildah", "config", "--cmd", "sh", "--label", "a=b<c>", container)
    bench.run("buildah", "commit", "-q", container, "localhost/base:1")
    container = bench.run("buildah", "from", "localhost/base:1").decode().strip()
    bench.run("buildah", "add", "-q", container, "two", "/")
    bench.run("buildah", "commit", "-q", "--format", "docker", container, "localhost/t:1")
    for name in ("docker-archive", "oci-archive", "docker-dir", "oci-dir"):
        bench.run("podman", "save", "-q", "--format", name, "-o", name, "localhost/t:1")
    return bench


def test_reads_what_podman_saves(saved):
    """Every format of podman save, read by us, gives what skopeo reads from it."""
    for transport, path in (
        ("docker-archive", "docker-archive"),
        ("oci-archive", "oci-archive"),
        ("dir", "docker-dir"),
        ("oci", "oci-dir"),
    ):
        source = f"{transport}:{path}"
        assert saved.tool("raw", source) == saved.raw(source)
        saved.tool("copy", source, f"dir:copy-of-{path}")
        assert saved.raw(f"dir:copy-of-{path}") == saved.raw(source)
        assert saved.image_id(f"dir:copy-of-{path}") == saved.image_id(source)
    assert saved.tool("names", "docker-archive:docker-archive").split()[0] == b"localhost/t:1"
    assert saved.tool("names", "oci-archive:oci-archive").split()[0] == b"localhost/t:1"


def test_they_read_what_we_write(saved):
    """Every format of ours is read by skopeo and podman, with the same manifest and config."""
    source = "docker-archive:docker-archive"
    image_id = saved.image_id(source)
    saved.tool("copy", source, "docker-archive:ours.tar", "x:2", "quay.io/a/b")
    saved.tool("copy", source, "dir:ours-dir")
    saved.tool("copy", source, "oci:ours-layout:tag")
    saved.tool("copy", source, "oci-archive:ours.oci:tag")
    assert saved.raw("docker-archive:ours.tar:x:2") == saved.raw(source)
    assert saved.raw("dir:ours-dir") == saved.raw(source)
    for ours in (
        "docker-archive:ours.tar:quay.io/a/b",
        "dir:ours-dir",
        "oci:ours-layout:tag",
        "oci-archive:ours.oci:tag",
    ):
        assert saved.image_id(ours) == image_id
        shutil.rmtree(saved.path("theirs"), ignore_errors=True)
        saved.skopeo("copy", "-q", ours, "dir:theirs")
    loaded = saved.run("podman", "load", "-q", "-i", "ours.tar").decode()
    assert "docker.io/library/x:2" in loaded and "quay.io/a/b:latest" in loaded
    assert saved.run("podman", "inspect", "-f", "{{.Id}}", "x:2").decode().strip() == image_id
    saved.run("podman", "load", "-q", "-i", "ours.oci")
    inspected = saved.run("podman", "inspect", "-f", "{{.Id}}", "localhost/tag:latest")
    assert inspected.decode().strip() == image_id


def test_oci_archive_keeps_bytes(saved):
    """From layout to layout all stays as it is; the tars of it are the same."""
    saved.tool("copy", "oci-archive:oci-archive", "oci:layout:a")
    assert saved.raw("oci:layout:a") == saved.raw("oci-archive:oci-archive")
    saved.tool("copy", "oci:layout:a", "oci-archive:one.oci:a")
    saved.tool("copy", "oci:layout:a", "oci-archive:one.oci:a")
    saved.tool("copy", "oci:layout:a", "oci-archive:two.oci:a")
    with open(saved.path("one.oci"), "rb") as one, open(saved.path("two.oci"), "rb") as two:
        assert one.read() == two.read()


def test_layouts_hold_several(saved):
    """A layout is added to: a name moves, others stay; skopeo adds to it, too."""
    saved.tool("copy", "oci:oci-dir", "oci:layout:a")
    saved.tool("copy", "docker-archive:docker-archive", "oci:layout:b")
    saved.skopeo("copy", "-q", "oci:oci-dir", "oci:layout:c")
    saved.tool("copy", "docker-archive:docker-archive", "oci:layout:a")
    assert saved.raw("oci:layout:a") == saved.raw("oci:layout:b")
    with open(saved.path("layout/index.json"), encoding="utf-8") as stream:
        index = json.load(stream)
    names = [m["annotations"]["org.opencontainers.image.ref.name"] for m in index["manifests"]]
    assert sorted(names) == ["a", "b", "c"]
    assert saved.tool("raw", "oci:layout:c") == saved.raw("oci:oci-dir")
    assert "ambiguous" in saved.refuses("raw", "oci:layout")
    assert "not-found" in saved.refuses("raw", "oci:layout:d")


def test_docker_archives_of_several_images(saved):
    """podman save -m: each image by its names or its number."""
    saved.run("podman", "save", "-q", "-m", "-o", "many", "localhost/t:1", "localhost/base:1")
    for name in ("localhost/t:1", "localhost/base:1", "@0", "@1"):
        source = f"docker-archive:many:{name}"
        assert saved.tool("raw", source) == saved.raw(source)
    assert "2 images; one has to be named" in saved.refuses("raw", "docker-archive:many")
    assert "no image localhost/none:1" in saved.refuses(
        "raw", "docker-archive:many:localhost/none:1"
    )
    assert "number" in saved.refuses("raw", "docker-archive:many:@2")
    assert "number" in saved.refuses("raw", "docker-archive:many:@-1")


@pytest.mark.parametrize("compression", ["gz", "bz2", "zst"])
def test_archives_that_are_compressed(bench, compression):
    """An archive may be compressed as a whole, in the ways that layers may be."""
    write_archive(bench.path("a.tar"), docker_members())
    plain = bench.tool("raw", "docker-archive:a.tar")
    if compression == "zst":
        bench.run("zstd", "-q", "a.tar", "-o", "a.tar.zst")
    else:
        write_archive(bench.path("a.tar." + compression), docker_members(), "w:" + compression)
    if compression == "bz2":
        assert "bzip2" in bench.refuses("raw", "docker-archive:a.tar.bz2")
    else:
        assert bench.tool("raw", f"docker-archive:a.tar.{compression}") == plain
    assert sorted(os.listdir(bench.folder)) == sorted(
        ["a.tar", "a.tar." + compression, "containers.conf", "policy.json", "storage.conf"]
    )


def test_layers_that_are_compressed_or_linked(bench):
    """Layers in an archive may be gzip, and links to one another, as docker writes them."""
    write_archive(bench.path("plain.tar"), docker_members())
    plain = bench.tool("raw", "docker-archive:plain.tar")
    assert plain == bench.raw("docker-archive:plain.tar")
    members = docker_members(layers=("aa/layer.tar", "bb/layer.tar"))
    members[1] = ("cc/layer.tar", gzip.compress(LAYERS[0]))
    members += [
        ("aa/layer.tar", tarfile.SYMTYPE, "../cc/layer.tar"),
        ("bb/layer.tar", tarfile.LNKTYPE, "2.tar"),
    ]
    write_archive(bench.path("linked.tar"), members)
    assert bench.tool("raw", "docker-archive:linked.tar") == plain
    for layer in LAYERS:
        digest = "sha256:" + sha256(layer)
        assert bench.tool("blob", "docker-archive:linked.tar", digest) == layer
    bench.tool("copy", "docker-archive:linked.tar", "docker-archive:again.tar")
    assert bench.raw("docker-archive:again.tar") == plain


def test_what_is_not_committed_leaves_nothing(bench):
    """A copy that is given up: no archive, no folder, no temporary file; a layout as before."""
    write_archive(bench.path("a.tar"), docker_members())
    bench.tool("copy", "docker-archive:a.tar", "oci:layout:a")
    bench.tool("copy", "docker-archive:a.tar", "dir:folder")
    before = bench.files()
    for sink in (
        "docker-archive:b.tar",
        "oci-archive:b.tar",
        "oci:new:a",
        "oci:layout:b",
        "dir:new",
        "dir:folder",
    ):
        bench.tool("drop", "docker-archive:a.tar", sink)
        assert bench.files() == before
        assert not os.path.exists(bench.path("new"))


def test_a_kill_leaves_nothing(bench):
    """kill -9 in the middle of writing: a whole image, or nothing that looks like one."""
    layers = [layer_tar("hole", bytes(64 << 20)), layer_tar("hole", bytes(65 << 20))]
    members = docker_members()
    members[0] = ("config.json", config_of(layers))
    members[1:3] = [("1.tar", layers[0]), ("2.tar", layers[1])]
    write_archive(bench.path("a.tar"), members)
    before = bench.files()
    killed = 0
    for i in range(24):
        sink = ("docker-archive:out", "oci-archive:out", "oci:out:x", "dir:out")[i % 4]
        with subprocess.Popen(
            [TOOL, "copy", "docker-archive:a.tar", sink], cwd=bench.folder, env=bench.environment
        ) as process:
            try:
                process.wait(0.005 + 0.012 * (i // 4))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        left = {os.path.basename(path) for path in bench.files() if path not in before}
        whole = {"out", "manifest.json", "index.json"} & left
        if whole:  # it was done, or the kill came after the last step
            bench.tool("raw", sink)
        else:  # blobs that had got their names are no image
            assert all(name in ("version", "oci-layout") or len(name) == 64 for name in left)
        if os.path.isdir(bench.path("out")):
            shutil.rmtree(bench.path("out"))
        elif os.path.exists(bench.path("out")):
            os.unlink(bench.path("out"))
    assert killed > 4


def test_a_full_disk(bench):
    """No space: an error that says so, and nothing of what was written stays."""
    write_archive(bench.path("a.tar"), docker_members())
    os.mkdir(bench.path("small"))
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", bench.path("small")], check=True
    )
    try:
        for sink in (
            "docker-archive:small/x",
            "oci-archive:small/x",
            "oci:small/x:t",
            "dir:small/x",
        ):
            assert "no-space" in bench.refuses("copy", "docker-archive:a.tar", sink)
            assert os.listdir(bench.path("small")) == []
    finally:
        subprocess.run(["umount", bench.path("small")], check=True)


def test_nothing_of_others_is_overwritten(bench):
    """An archive that is there, a folder with something else: refused, untouched."""
    write_archive(bench.path("a.tar"), docker_members())
    bench.write("mine/file", b"mine")
    assert "doesn't support modifying" in bench.refuses(
        "copy", "docker-archive:a.tar", "docker-archive:a.tar:x"
    )
    bench.write("empty.tar", b"")  # as mktemp makes it
    bench.tool("copy", "docker-archive:a.tar", "docker-archive:empty.tar")
    for sink in ("dir:mine", "oci:mine"):
        assert "exists" in bench.refuses("copy", "docker-archive:a.tar", sink)
    assert os.listdir(bench.path("mine")) == ["file"]
    assert "not-found" in bench.refuses("copy", "docker-archive:a.tar", "docker-archive:no/b.tar")
    assert "digest" in bench.refuses(
        "copy", "docker-archive:a.tar", "docker-archive:b.tar:x@sha256:" + "0" * 64
    )
    assert "invalid" in bench.refuses("copy", "docker-archive:a.tar", "docker-archive:b.tar:A B")
    bench.tool("copy", "docker-archive:a.tar", "dir:folder")
    bench.write("folder/signature-1", b"old")
    bench.write("folder/notes", b"mine")
    bench.tool("copy", "docker-archive:a.tar", "dir:folder")
    assert "signature-1" not in os.listdir(bench.path("folder"))
    assert "notes" in os.listdir(bench.path("folder"))


def hostile_docker():
    """(name, members, what the refusal says) of archives that lie."""
    good = docker_members()
    big = json.dumps([{"Config": "c", "Layers": ["x" * 100] * 50000}]).encode()
    return [
        ("no manifest", good[:3], "manifest.json is missing"),
        ("old docker", good[:3] + [("repositories", b"{}")], "before 1.10"),
        ("missing layer", [good[0], good[1], good[3]], "2.tar is missing"),
        ("missing config", good[1:], "config.json is missing"),
        ("no list", good[:3] + [("manifest.json", b"{}")], "not a JSON list"),
        ("no JSON", good[:3] + [("manifest.json", b"[{]")], "no well-formed JSON"),
        ("empty", good[:3] + [("manifest.json", b"[]")], "no image"),
        ("no object", good[:3] + [("manifest.json", b"[7]")], "not an object"),
        (
            "10,000 layers",
            good[:3]
            + [("manifest.json", json.dumps([{"Config": "c", "Layers": ["x"] * 10000}]).encode())],
            "10000 elements",
        ),
        ("large", good[:3] + [("manifest.json", big)], "more than 4194304"),
        ("layer count", docker_members(layers=("1.tar",)), "2 layers by its config, and 1"),
        ("way out", docker_members(layers=("../../etc/passwd", "2.tar")), "leads out"),
        ("absolute", docker_members(layers=("/etc/passwd", "2.tar")), "missing"),
        (
            "link out",
            docker_members(layers=("l", "2.tar")) + [("l", tarfile.SYMTYPE, "../../../etc/passwd")],
            "leads out",
        ),
        (
            "link away",
            docker_members(layers=("l", "2.tar")) + [("l", tarfile.SYMTYPE, "/etc/passwd")],
            "missing",
        ),
        (
            "circle",
            docker_members(layers=("l", "2.tar"))
            + [("l", tarfile.SYMTYPE, "m"), ("m", tarfile.SYMTYPE, "l")],
            "circle",
        ),
        ("itself", docker_members(layers=("l", "2.tar")) + [("l", tarfile.LNKTYPE, "l")], "circle"),
        (
            "device",
            docker_members(layers=("l", "2.tar")) + [("l", tarfile.FIFOTYPE, "")],
            "missing",
        ),
        ("bad tag", docker_members(tags=("UPPER:x",)), "RepoTags[0]"),
    ]


@pytest.mark.parametrize("case", hostile_docker(), ids=lambda case: case[0])
def test_hostile_docker_archives(bench, case):
    """Archives that name what is not theirs, too much, or nothing at all."""
    _, members, reason = case
    write_archive(bench.path("a.tar"), members)
    before = bench.files()
    assert reason in bench.refuses("copy", "docker-archive:a.tar", "dir:out")
    assert bench.files() == before


def test_duplicate_members_and_strange_names(bench):
    """The first of two members counts, as with podman; names are one however they are written."""
    more = [("1.tar", b"another"), ("manifest.json", b"[]"), ("../config.json", b"{}")]
    write_archive(bench.path("twice.tar"), docker_members() + more)
    plain = bench.raw("docker-archive:twice.tar")
    assert bench.tool("raw", "docker-archive:twice.tar") == plain
    members = docker_members(layers=("./x/../1.tar", "/2.tar"))
    write_archive(bench.path("a.tar"), members + more)
    assert bench.tool("raw", "docker-archive:a.tar") == plain
    assert bench.tool("blob", "docker-archive:a.tar", "sha256:" + sha256(LAYERS[0])) == LAYERS[0]


def test_archives_that_are_cut(bench):
    """Cut at any of many places, plain and compressed: an error, or whole by luck; never a hang."""
    write_archive(bench.path("a.tar"), docker_members())
    write_archive(bench.path("a.tar.gz"), docker_members(), "w:gz")
    for name in ("a.tar", "a.tar.gz"):
        with open(bench.path(name), "rb") as stream:
            data = stream.read()
        end = len(data) if name.endswith("gz") else data.index(b"manifest.json") + 512
        for i in range(1, 24):
            bench.write("cut", data[: end * i // 24])
            assert bench.refuses("copy", "docker-archive:cut", "dir:out")
    bench.write("cut", b"")
    assert "manifest.json is missing" in bench.refuses("raw", "docker-archive:cut")
    bench.write("cut", os.urandom(4096))
    assert "tar" in bench.refuses("raw", "docker-archive:cut")


def test_content_that_is_not_what_was_promised(bench):
    """A layer that is not its diff_id, and a compressed one that is cut."""
    members = docker_members()
    members[1] = ("1.tar", LAYERS[0][:-1] + b"x")
    write_archive(bench.path("wrong.tar"), members)
    assert "was expected" in bench.refuses("copy", "docker-archive:wrong.tar", "dir:out")
    members[1] = ("1.tar", gzip.compress(LAYERS[0])[:-9])
    write_archive(bench.path("short.tar"), members)
    assert "ends inside" in bench.refuses("copy", "docker-archive:short.tar", "dir:out")
    assert not os.path.exists(bench.path("out"))


def test_what_is_no_archive(bench):
    """Nothing there, a folder, a pipe."""
    os.mkfifo(bench.path("pipe"))
    for path, reason in (
        ("none", "not-found"),
        ("", "names no path"),
        (".", "not a regular file"),
        ("pipe", "not a regular file"),
    ):
        for transport in ("docker-archive", "oci-archive"):
            assert reason in bench.refuses("raw", f"{transport}:{path}")


class Layout:
    """A layout made by hand, so that each part can be wrong."""

    def __init__(self, bench):
        self.bench = bench
        bench.write("l/oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        os.makedirs(bench.path("l/blobs/sha256"))
        layers = [self.blob(layer, "application/vnd.oci.image.layer.v1.tar") for layer in LAYERS]
        config = self.blob(CONFIG, "application/vnd.oci.image.config.v1+json")
        self.manifest = {"schemaVersion": 2, "mediaType": OCI, "config": config, "layers": layers}
        self.index([self.blob(json.dumps(self.manifest).encode(), OCI)])

    def blob(self, data, media_type):
        """Store a blob; its descriptor."""
        self.bench.write("l/blobs/sha256/" + sha256(data), data)
        return {"mediaType": media_type, "digest": "sha256:" + sha256(data), "size": len(data)}

    def index(self, entries):
        """Write index.json."""
        document = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        self.bench.write("l/index.json", document)

    def path(self, digest):
        """Where a blob lies."""
        return self.bench.path("l/blobs/sha256/" + digest)


def test_hostile_layouts(bench):
    """Layouts with links, wrong digests, missing files, other versions."""
    layout = Layout(bench)
    bench.tool("copy", "oci:l", "dir:good")
    assert bench.image_id("dir:good") == sha256(CONFIG)

    layer = layout.path(sha256(LAYERS[0]))
    os.rename(layer, layer + ".away")
    assert "not-found" in bench.refuses("copy", "oci:l", "dir:out")
    os.symlink(layer + ".away", layer)
    assert "invalid" in bench.refuses("copy", "oci:l", "dir:out")
    os.unlink(layer)
    os.mkfifo(layer)
    assert "not a regular file" in bench.refuses("copy", "oci:l", "dir:out")
    os.unlink(layer)
    bench.write(layer, LAYERS[0][:-1])
    assert "where the manifest says" in bench.refuses("copy", "oci:l", "dir:out")
    bench.write(layer, LAYERS[0][:-1] + b"x")
    assert "was expected" in bench.refuses("copy", "oci:l", "dir:out")
    bench.write(layer, LAYERS[0])

    manifest = layout.path(sha256(json.dumps(layout.manifest).encode()))
    bench.write(manifest, json.dumps(layout.manifest).encode() + b" ")
    assert "has the digest" in bench.refuses("raw", "oci:l")
    bench.write("l/index.json", b'{"schemaVersion":2,"manifests":[')
    assert "well-formed" in bench.refuses("raw", "oci:l")
    bench.write("l/index.json", b" " * (4 << 20) + b"{}")
    assert "limit" in bench.refuses("raw", "oci:l")
    bench.write("l/oci-layout", b'{"imageLayoutVersion":"2.0.0"}')
    assert "version" in bench.refuses("raw", "oci:l")
    shutil.rmtree(bench.path("l/blobs"))
    os.symlink("/", bench.path("l/blobs"))
    write_archive(bench.path("a.tar"), docker_members())
    assert bench.refuses("copy", "docker-archive:a.tar", "oci:l:x")
    os.unlink(bench.path("l/oci-layout"))
    assert "not-found" in bench.refuses("raw", "oci:l")


def test_circles_of_indexes(bench):
    """An index whose only entry names itself cannot be made by digest; one that lies is found."""
    layout = Layout(bench)
    data = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "digest": "sha256:" + "0" * 64,
                    "size": 7,
                }
            ],
        }
    ).encode()
    bench.write("l/blobs/sha256/" + "0" * 64, data)
    layout.index(
        [
            {
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": "sha256:" + "0" * 64,
                "size": len(data),
            }
        ]
    )
    assert "has the digest" in bench.refuses("raw", "oci:l")


def test_hostile_folders(bench):
    """dir: links are not followed, sizes and digests hold."""
    write_archive(bench.path("a.tar"), docker_members())
    bench.tool("copy", "docker-archive:a.tar", "dir:d")
    layer = bench.path("d/" + sha256(LAYERS[1]))
    os.rename(layer, bench.path("elsewhere"))
    os.symlink(bench.path("elsewhere"), layer)
    assert "invalid" in bench.refuses("copy", "dir:d", "dir:out")
    os.unlink(layer)
    os.rename(bench.path("elsewhere"), layer)
    bench.tool("copy", "dir:d", "dir:out")
    with open(layer, "ab") as stream:
        stream.write(b"more")
    assert "where the manifest says" in bench.refuses("copy", "dir:d", "dir:out2")
    os.unlink(bench.path("d/manifest.json"))
    os.symlink("/etc/passwd", bench.path("d/manifest.json"))
    assert "invalid" in bench.refuses("raw", "dir:d")


def test_sparse_gigabytes_are_not_read(bench):
    """An archive with a member of 8 GiB, more than octal digits can say, is listed at once."""
    size = 8 << 30
    with open(bench.path("huge.tar"), "wb") as stream:
        for name, data in docker_members():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            stream.write(entry.tobuf(tarfile.GNU_FORMAT))
            stream.write(data + bytes(-len(data) % 512))
        entry = tarfile.TarInfo("hole")
        entry.size = size
        stream.write(entry.tobuf(tarfile.GNU_FORMAT))
        stream.truncate(stream.tell() + size)
    assert json.loads(bench.tool("raw", "docker-archive:huge.tar"))["config"]["size"] == len(CONFIG)
