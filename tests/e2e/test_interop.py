# SPDX-License-Identifier: Apache-2.0
"""One store, several programs: Debian's podman and skopeo on the engine's root at the same time."""

import json
import os
import subprocess
import threading

import pytest

import busybox
from scratch import PATIENCE

POLICY = '{"default":[{"type":"insecureAcceptAnything"}]}'


@pytest.fixture
def podman(engine):
    """Run podman on the engine's store; what it printed."""
    folder = f"{engine.folder}/podman"
    os.mkdir(folder)
    containers = f"{folder}/containers.conf"
    with open(containers, "w", encoding="utf-8") as stream:
        stream.write(
            '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="none"\n'
            f'tmp_dir="{folder}/tmp"\n[containers]\nlog_driver="k8s-file"\n'
            'default_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n'
        )
    storage = f"{folder}/storage.conf"
    with open(storage, "w", encoding="utf-8") as stream:
        stream.write(
            f'[storage]\ndriver="overlay"\ngraphroot="{engine.root}"\nrunroot="{engine.runroot}"\n'
        )
    environment = {
        **os.environ,
        "CONTAINERS_CONF": containers,
        "CONTAINERS_STORAGE_CONF": storage,
        "HOME": folder,
    }

    def run(*arguments, check=True, program="podman"):
        extra = (
            ["--runtime", os.environ.get("SELKIE_RUNTIME", "runc")] if program == "podman" else []
        )
        result = subprocess.run(
            [program, *extra, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        assert result.returncode == 0 or not check, result.stderr
        return result.stdout

    run.environment = environment
    yield run
    # podman keeps its store's folder mounted on itself
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        points = [line.split(" ")[4] for line in stream]
    for point in points:
        if point in (f"{engine.root}/overlay", engine.root):
            subprocess.run(["umount", point], check=False)


def test_podman_lists_and_reads_our_image(engine, podman):
    (image,) = json.loads(podman("images", "--format", "json"))
    assert image["Id"] == engine.image and image["Names"] == ["localhost/busybox:latest"]
    (inspected,) = json.loads(podman("image", "inspect", "busybox"))
    ours = json.loads(engine.call("InspectImage", name="busybox")["image"])
    assert inspected["Id"] == engine.image
    assert inspected["RootFS"]["Layers"] == ours["RootFS"]["Layers"]
    assert inspected["Config"]["Env"] == ["PATH=/bin"]
    (shown,) = engine.call("ListImages")["images"]
    assert image["Size"] == shown["size"]
    assert f"docker.io/{image['Digest']}"[10:] in shown["repoDigests"][0]


def test_podman_runs_our_image(podman):
    output = podman(
        "run",
        "--rm",
        "--network=none",
        "busybox",
        "sh",
        "-c",
        "echo hi; id -u",
    )
    assert output == "hi\n0\n"


def test_podman_checks_our_store(podman):
    """The image can be written out again byte for byte: layer digests and sizes hold."""
    podman("save", "--format", "oci-archive", "-o", "/dev/null", "busybox")


def test_skopeo_copies_our_image(engine, podman, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(POLICY)
    podman(
        "--policy",
        str(policy),
        "copy",
        f"containers-storage:[overlay@{engine.root}+{engine.runroot}]localhost/busybox:latest",
        f"oci:{tmp_path}/out:latest",
        program="skopeo",
    )
    inspected = json.loads(podman("inspect", f"oci:{tmp_path}/out:latest", program="skopeo"))
    ours = json.loads(engine.call("InspectImage", name="busybox")["image"])
    assert len(inspected["Layers"]) == len(ours["RootFS"]["Layers"]) == 1


def test_podman_made_image_is_usable_by_us(engine, podman, tmp_path):
    """Imported, built upon and tagged by podman while our engine runs: seen without a restart."""
    tar = str(tmp_path / "rootfs.tar")
    busybox.write_tar(tar)
    podman(
        "import",
        "--change",
        "ENV=MADE=podman",
        "--change",
        'CMD ["/bin/sh","-c","/bin/echo $MADE"]',
        tar,
        "localhost/foreign:1",
    )
    names = {name for image in engine.call("ListImages")["images"] for name in image["repoTags"]}
    assert names == {"localhost/busybox:latest", "localhost/foreign:1"}
    created = engine.call("CreateContainer", create={"image": "foreign:1", "net_mode": "none"})[
        "container"
    ]
    engine.ids.add(created)
    engine.call("StartContainer", name=created)
    assert engine.wait(created) == 0
    assert engine.output(created) == "podman\n"


def test_an_image_of_several_layers(engine, podman, tmp_path):
    """Three layers made by podman's commit: files of all are there, what a layer deleted is not."""
    for number, script in enumerate(
        (
            "echo a > /a; echo b > /b",
            "rm /b; echo c > /c",
            "rm -r /home; mkdir /home; echo d > /home/d",
        )
    ):
        source = "busybox" if number == 0 else f"localhost/layered:{number - 1}"
        podman(
            "run",
            "--name",
            f"m{number}",
            "--network=none",
            source,
            "sh",
            "-c",
            script,
        )
        podman("commit", "-q", f"m{number}", f"localhost/layered:{number}")
        podman("rm", f"m{number}")
    name = engine.run(
        "sh", "-c", "cat /a /c /home/d; ls /b /home/alice 2>/dev/null; true", image="layered:2"
    )
    assert engine.wait(name) == 0
    assert engine.output(name) == "a\nc\nd\n"
    podman("rmi", "-f", "localhost/layered:0", "localhost/layered:1", check=False)


def test_podman_removes_an_image_under_us(engine, podman, busybox_tar):
    other = engine.call(
        "ImportImage", source=busybox_tar, reference="other", message="x", changes=["CMD=x"]
    )["image"]
    assert engine.call("ImageExists", name="other") == {"exists": 0}
    podman("rmi", "localhost/other")
    assert engine.call("ImageExists", name="other") == {"exists": 1}
    assert other not in [image["id"] for image in engine.call("ListImages")["images"]]


def test_podman_does_not_remove_what_our_container_uses(engine, podman):
    name = engine.create("true")
    podman("rmi", "localhost/busybox", check=False)
    engine.call("StartContainer", name=name)
    assert engine.wait(name) == 0


def test_both_at_once(engine, podman, busybox_tar, tmp_path):
    """Imports and removals by both programs side by side: no lost update in the store's files."""
    failures = []

    def ours():
        try:
            for turn in range(8):
                engine.call(
                    "ImportImage",
                    source=busybox_tar,
                    reference=f"ours:{turn}",
                    message="",
                    changes=[f"ENV=N={turn}"],
                )
                engine.create("true")
        except Exception as failure:  # noqa: B902 - carried to the test's thread
            failures.append(failure)

    tar = str(tmp_path / "rootfs.tar")
    busybox.write_tar(tar)
    thread = threading.Thread(target=ours)
    thread.start()
    for turn in range(4):
        podman("import", "--change", f"ENV=M={turn}", tar, f"localhost/theirs:{turn}")
    thread.join()
    assert not failures, failures
    expected = {f"localhost/ours:{n}" for n in range(8)} | {
        f"localhost/theirs:{n}" for n in range(4)
    }
    expected.add("localhost/busybox:latest")
    ours_seen = {t for image in engine.call("ListImages")["images"] for t in image["repoTags"]}
    theirs_seen = {
        t for image in json.loads(podman("images", "--format", "json")) for t in image["Names"]
    }
    assert ours_seen == expected and theirs_seen == expected
