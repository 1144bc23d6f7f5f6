# SPDX-License-Identifier: Apache-2.0
"""A store in a scratch folder without an engine, and the programs that share it."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

import pytest

import scratch
from engine import SELKIED
from scratch import PATIENCE

TOOL = os.path.join(os.path.dirname(SELKIED), "tests", "storage", "store-tool")
POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}'


def sha256(data):
    """The digest of some bytes, as hex digits."""
    return hashlib.sha256(data).hexdigest()


class Shop:
    """A store in a scratch folder, and the programs that share it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="selkie-store-", dir="/tmp")
        self.root = f"{self.folder}/root"
        self.runroot = f"{self.folder}/run"
        self.policy = f"{self.folder}/policy.json"
        with open(self.policy, "w", encoding="utf-8") as stream:
            stream.write(POLICY)
        with open(f"{self.folder}/containers.conf", "w", encoding="utf-8") as stream:
            stream.write(
                '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="none"\n'
                f'tmp_dir="{self.folder}/tmp"\n[containers]\nlog_driver="k8s-file"\n'
            )
        with open(f"{self.folder}/storage.conf", "w", encoding="utf-8") as stream:
            stream.write(
                '[storage]\ndriver="overlay"\n'
                f'graphroot="{self.root}"\nrunroot="{self.runroot}"\n'
            )
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": f"{self.folder}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{self.folder}/storage.conf",
            "HOME": self.folder,
            "TMPDIR": self.folder,
        }

    def run(self, *words, check=True):
        """Run a program on the store; what it printed."""
        result = subprocess.run(
            words,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=6 * PATIENCE,
            check=False,
        )
        assert result.returncode == 0 or not check, f"{words}: {result.stderr}"
        return result.stdout if check else result

    def tool(self, *words):
        """One command of store-tool; its answers."""
        lines = self.run(TOOL, self.root, self.runroot, *words).splitlines()
        return [json.loads(line) for line in lines]

    def refuses(self, *words):
        """What store-tool says when it refuses."""
        result = self.run(TOOL, self.root, self.runroot, *words, check=False)
        assert result.returncode == 1, result
        return result.stderr

    def podman(self, *words):
        """One podman command."""
        return self.run("podman", *words)

    def reference(self, name):
        """An image of the store as skopeo names it."""
        return f"containers-storage:[overlay@{self.root}+{self.runroot}]{name}"

    def path(self, name):
        """A path in the scratch folder."""
        return os.path.join(self.folder, name)

    def write(self, name, data):
        """A file in the scratch folder; its path."""
        with open(self.path(name), "wb") as stream:
            stream.write(data)
        return self.path(name)

    def json(self, kind):
        """The records of one of the store's files."""
        try:
            with open(f"{self.root}/overlay-{kind}/{kind}.json", encoding="utf-8") as stream:
                return json.load(stream)
        except FileNotFoundError:
            return []

    def image(self, name, blobs, config=None):
        """Import layers with store-tool, oldest first; the image's id and the layers' answers."""
        layers = []
        for i, blob in enumerate(blobs):
            parent = layers[-1]["id"] if layers else "-"
            layers += self.tool("import", parent, self.write(f"blob-{i}", blob))
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": config or {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [layer["diff"] for layer in layers]},
            "history": [{"created": "2024-01-01T00:00:00Z"} for _ in layers],
            "author": name,
        }
        config_data = json.dumps(document).encode()
        media = "application/vnd.oci.image"
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{media}.manifest.v1+json",
            "config": {
                "mediaType": f"{media}.config.v1+json",
                "digest": "sha256:" + sha256(config_data),
                "size": len(config_data),
            },
            "layers": [
                {
                    "mediaType": f"{media}.layer.v1.tar"
                    + {0: "", 2: "+gzip", 4: "+zstd"}[layer["compression"]],
                    "digest": layer["blob"],
                    "size": layer["blob_size"],
                }
                for layer in layers
            ],
        }
        answer = self.tool(
            "image",
            layers[-1]["id"],
            self.write("config.json", config_data),
            self.write("manifest.json", json.dumps(manifest).encode()),
            name,
        )
        return answer[0]["id"], layers

    def check(self):
        """The store is consistent: every record has its files, and every file a record."""
        layers = {layer["id"]: layer for layer in self.json("layers")}
        images = {image["id"]: image for image in self.json("images")}
        containers = {container["id"]: container for container in self.json("containers")}
        for layer in layers.values():
            assert not layer.get("flags", {}).get("incomplete"), layer
            assert layer.get("parent", "") in {"", *layers}, layer
            assert os.path.isdir(f"{self.root}/overlay/{layer['id']}/diff"), layer
            if "diff-digest" in layer:
                assert os.path.exists(f"{self.root}/overlay-layers/{layer['id']}.tar-split.gz")
        for image in images.values():
            assert image.get("layer", "") in {"", *layers}, image
            assert len(os.listdir(f"{self.root}/overlay-images/{image['id']}")) == len(
                image["big-data-names"]
            )
        for container in containers.values():
            assert container["layer"] in layers
        own = {"l", ".has-mount-program", "staging"}
        assert set(os.listdir(f"{self.root}/overlay")) - own == set(layers)
        links = os.listdir(f"{self.root}/overlay/l")
        assert {os.readlink(f"{self.root}/overlay/l/{link}") for link in links} == {
            f"../{layer}/diff" for layer in layers
        }
        folders = scratch.entries(f"{self.root}/overlay-images")
        assert {name for name in folders if len(name) == 64} == set(images)
        folders = scratch.entries(f"{self.root}/overlay-containers")
        assert {name for name in folders if len(name) == 64} == set(containers)
        splits = [n for n in os.listdir(f"{self.root}/overlay-layers") if n.endswith(".gz")]
        assert {name.partition(".")[0] for name in splits} <= set(layers)
        assert [name for name in os.listdir(f"{self.root}/tmp") if name.startswith("selkie")] == []

    def close(self):
        """Nothing is left but what another maker's tool leaves: its mount of overlay/ on itself."""
        left = scratch.mounts_below(self.folder)
        for point in reversed(left):
            subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.folder)
        return [point for point in left if point != f"{self.root}/overlay"]


@contextlib.contextmanager
def opened():
    """An empty store; in the end it has left nothing behind."""
    if not os.access(TOOL, os.X_OK):
        pytest.fail(f"there is no {TOOL}")
    store = Shop()
    yield store
    assert store.close() == []


def tar_of(*members):
    """A tar of (name, content or None for a directory, attributes); the bytes of the stream."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, attributes in members:
            info = tarfile.TarInfo(name)
            info.mtime = 1700000000.25
            info.mode = 0o755
            if content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content) if content else None)
    return stream.getvalue()


def zstd(data):
    """Compressed by the zstd program."""
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout
