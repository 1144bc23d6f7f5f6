# SPDX-License-Identifier: Apache-2.0
"""What containers have made of their files: changes, exports, commits; beside podman and skopeo."""

import json
import os
import re
import subprocess
import tarfile
import threading
import time

import pytest

import scratch
from test_crash import call_until_killed
from test_interop import POLICY, podman  # pylint: disable=unused-import
from test_shapes import TRANSCRIPTS, check, recorded
from varlink import VarlinkError

CHANGES = (
    "echo x >> /etc/passwd; rm /etc/group; mkdir -p /d/e; echo f > /d/e/f; echo n > /new;"
    "ln -s new /link; chmod 700 /home; mkfifo /fifo"
)


def commit(engine, name, image_name, **options):
    parameters = {
        "changes": [],
        "author": "",
        "message": "",
        "pause": False,
        "manifestType": "",
        **options,
    }
    return engine.call("Commit", name=name, image_name=image_name, **parameters)["image"]


def refusal(engine, method, **parameters):
    with pytest.raises(VarlinkError) as caught:
        engine.call(method, **parameters)
    return caught.value


def inspect(engine, name):
    return json.loads(engine.call("InspectImage", name=name)["image"])


def images(engine):
    return engine.call("ListImages")["images"]


def changed(engine, name):
    return engine.call("ListContainerChanges", name=name)["container"]


def end(engine, *command, **fields):
    """Run a container to its end; its ID."""
    name = engine.run(*command, **fields)
    engine.wait(name)
    engine.wait_status(name, "exited")
    return name


def layers_of(engine):
    return {n for n in scratch.entries(f"{engine.root}/overlay") if re.fullmatch("[0-9a-f]{64}", n)}


# --- changes -------------------------------------------------------------------------------------


def test_changes_have_the_recorded_shape(engine):
    name = engine.create("sh", "-c", CHANGES)
    check(recorded("ListContainerChanges--created.json"), {"container": changed(engine, name)})
    assert changed(engine, name) == {"changed": [], "added": [], "deleted": []}
    engine.call("StartContainer", name=name)
    engine.wait(name)
    check(recorded("ListContainerChanges--running.json"), {"container": changed(engine, name)})


def test_changes(engine):
    name = end(engine, "sh", "-c", CHANGES)
    assert changed(engine, name) == {
        "changed": ["/etc", "/etc/passwd", "/home"],
        "added": ["/d", "/d/e", "/d/e/f", "/fifo", "/link", "/new"],
        "deleted": ["/etc/group"],
    }


def test_changes_of_a_running_container(engine):
    name = engine.run_ready("echo n > /new; echo ready; exec sleep 1000", stop_timeout=0)
    assert changed(engine, name)["added"] == ["/new"]


def test_changes_are_podmans(engine, podman):
    """podman reads the layer itself, since it does not know our containers."""
    name = end(engine, "sh", "-c", CHANGES)
    with open(f"{engine.root}/overlay-containers/containers.json", encoding="utf-8") as stream:
        layer = next(entry["layer"] for entry in json.load(stream) if entry["id"] == name)
    theirs = json.loads(podman("diff", "--format", "json", layer))
    ours = changed(engine, name)
    for kind in ("changed", "added", "deleted"):
        assert ours[kind] == sorted(theirs.get(kind, [])), kind


# --- exports -------------------------------------------------------------------------------------


def tar_entries(path):
    with tarfile.open(path) as tar:
        found = {}
        for entry in tar:
            data = tar.extractfile(entry).read() if entry.isfile() else b""
            name = "/" + entry.name.lstrip("./").rstrip("/")
            found[name] = (entry.type, entry.mode, entry.linkname, data)
        return found


def merged_mounts(engine):
    return [p for p in scratch.mounts_below(engine.folder) if p.endswith("/merged")]


def test_export(engine, tmp_path):
    name = end(engine, "sh", "-c", CHANGES)
    path = str(tmp_path / "out.tar")
    assert engine.call("ExportContainer", name=name, path=path) == {"tarfile": path}
    found = tar_entries(path)
    assert found["/new"][3] == b"n\n" and found["/d/e/f"][3] == b"f\n"
    assert found["/link"][:3] == (tarfile.SYMTYPE, 0o777, "new")
    assert found["/fifo"][0] == tarfile.FIFOTYPE
    assert found["/home"][1] == 0o700 and "/etc/group" not in found
    assert found["/etc/passwd"][3].endswith(b"x\n") and "/bin/busybox" in found
    assert not [n for n in found if n.startswith(("/proc/", "/sys/", "/dev/"))]
    assert os.listdir(tmp_path) == ["out.tar"] and merged_mounts(engine) == []


def test_export_of_a_running_container_that_was_never_still(engine, tmp_path):
    name = engine.run_ready("echo n > /new; echo ready; exec sleep 1000", stop_timeout=0)
    path = str(tmp_path / "out.tar")
    engine.call("ExportContainer", name=name, path=path)
    found = tar_entries(path)
    assert found["/new"][3] == b"n\n" and "/bin/busybox" in found
    assert not [n for n in found if n.startswith(("/proc/", "/sys/"))]


def test_an_export_is_an_image_again(engine, tmp_path):
    name = end(engine, "sh", "-c", "echo kept > /kept")
    path = str(tmp_path / "out.tar")
    engine.call("ExportContainer", name=name, path=path)
    engine.call("ImportImage", source=path, reference="again", message="", changes=[])
    copy = end(engine, "/bin/cat", "/kept", image="again")
    assert engine.output(copy) == "kept\n"


def test_an_export_replaces_a_file_and_follows_a_link(engine, tmp_path):
    name = engine.create("true")
    path, link = tmp_path / "old.tar", tmp_path / "link.tar"
    path.write_text("old")
    link.symlink_to("old.tar")
    engine.call("ExportContainer", name=name, path=str(link))
    assert link.is_symlink() and "/bin/busybox" in tar_entries(str(path))
    assert sorted(os.listdir(tmp_path)) == ["link.tar", "old.tar"]


def test_exports_that_are_refused(engine, tmp_path):
    name = engine.create("true")
    for path, word in (
        ("", "slash"),
        ("relative.tar", "slash"),
        (str(tmp_path), "folder"),
        ("/dev/null", "regular"),
        (f"{tmp_path}/no/such/folder.tar", "No such file"),
        (f"{tmp_path}/new/", "slash"),
        ("/" + "x" * 5000, "longer"),
    ):
        error = refusal(engine, "ExportContainer", name=name, path=path)
        assert error.name == "io.podman.ErrorOccurred" and word in error.reason, error.reason
    assert os.listdir(tmp_path) == []
    error = refusal(engine, "ExportContainer", name="nosuch", path="/tmp/x.tar")
    assert error.name == "io.podman.ContainerNotFound" and error.parameters == {"name": "nosuch"}


def test_a_killed_export_leaves_nothing(engine, tmp_path):
    name = end(engine, "sh", "-c", "dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null")
    for delay in (0.002, 0.01, 0.03, 0.06):
        call_until_killed(engine, "ExportContainer", delay, name=name, path=f"{tmp_path}/out.tar")
        assert os.listdir(tmp_path) in ([], ["out.tar"])
        if os.listdir(tmp_path):  # it was done just before
            assert len(tar_entries(f"{tmp_path}/out.tar")["/big"][3]) == 64 << 20
            os.unlink(f"{tmp_path}/out.tar")
        assert merged_mounts(engine) == []
        engine.start()
    engine.call("ExportContainer", name=name, path=f"{tmp_path}/out.tar")
    assert os.listdir(tmp_path) == ["out.tar"]
    engine.call("RemoveContainer", name=name, force=False)
    engine.assert_no_leaks()


# --- commits -------------------------------------------------------------------------------------


def test_commits_have_the_recorded_shape(engine):
    name = end(engine, "true")
    check(recorded("Commit--good.json"), {"image": commit(engine, name, "localhost/com:1")})
    for case, parameters in (
        ("bad-manifestType", {"name": name, "image_name": "x", "manifestType": "bogus"}),
        ("unknown", {"name": "nosuch", "image_name": "x"}),
    ):
        with open(os.path.join(TRANSCRIPTS, f"Commit--{case}.json"), encoding="utf-8") as stream:
            expected = json.load(stream)["replies"][0]
        error = refusal(engine, "Commit", **parameters)
        assert error.name == expected["error"]
        if "reason" in expected["parameters"]:
            assert expected["parameters"]["reason"] in error.reason
        else:
            assert error.parameters == expected["parameters"]
    error = refusal(engine, "Commit")
    assert error.name == "io.podman.ContainerNotFound" and error.parameters == {"name": ""}


@pytest.mark.parametrize("kind", ["", "oci", "docker"])
def test_a_commit_is_what_the_container_is(engine, podman, kind):
    name = end(
        engine,
        "sh",
        "-c",
        CHANGES,
        env={"OWN": "a=b"},
        labels={"own": "label"},
        user="0:1001",
        work_dir="/root",
        stop_signal=2,
    )
    made = commit(
        engine, name, "mine", author="an author", message="a message", manifestType=kind
    )
    base, found = inspect(engine, "busybox"), inspect(engine, "mine")
    assert found["Id"] == made and found["RepoTags"] == ["localhost/mine:latest"]
    config = found["Config"]
    assert config["Cmd"] == ["sh", "-c", CHANGES] and config["Entrypoint"] == []
    assert config["Env"][0] == "PATH=/bin" and "OWN=a=b" in config["Env"]
    assert not [entry for entry in config["Env"] if entry.startswith("HOSTNAME=")]
    assert config["Labels"] == {"own": "label"} and config["User"] == "0:1001"
    assert config["WorkingDir"] == "/root" and config["StopSignal"] == "2"
    assert found["Author"] == "an author"
    assert found["RootFS"]["Layers"][:1] == base["RootFS"]["Layers"]
    assert len(found["RootFS"]["Layers"]) == 2
    step, older = found["History"][-1], found["History"][:-1]
    assert older == base["History"] and step["created"] == found["Created"]
    assert step["comment"] == "a message" and step["author"] == "an author"
    assert step["created_by"] == f"sh -c {CHANGES}"
    docker = kind == "docker"
    assert ("docker" in found["ManifestType"]) == docker
    assert found["Comment"] == ("a message" if docker else base["Comment"])

    (theirs,) = json.loads(podman("image", "inspect", "mine"))
    for member in (
        *("Id", "Digest", "ManifestType", "RepoTags", "RepoDigests"),
        *("Created", "Author", "RootFS", "Size"),
    ):
        assert theirs[member] == found[member], member
    assert theirs["Config"]["Cmd"] == config["Cmd"]
    script = "cat /new /d/e/f; id -g"
    with_podman = podman("run", "--rm", "--network=none", "mine", "sh", "-c", script)
    assert with_podman == "n\nf\n1001\n"
    again = end(engine, "cat", "/new", image="mine")
    assert engine.output(again) == "n\n"


def test_a_commit_differs_from_its_base_as_the_container_does(engine, podman):
    name = end(engine, "sh", "-c", CHANGES)
    commit(engine, name, "mine")
    theirs = json.loads(podman("diff", "--format", "json", "mine"))
    ours = changed(engine, name)
    for kind in ("changed", "added", "deleted"):
        assert ours[kind] == sorted(theirs.get(kind, [])), kind


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_other_tools_copy_a_commit(engine, podman, tmp_path, kind):
    name = end(engine, "sh", "-c", CHANGES)
    commit(engine, name, "mine", manifestType=kind)
    policy = tmp_path / "policy.json"
    policy.write_text(POLICY)
    store = f"containers-storage:[overlay@{engine.root}+{engine.runroot}]localhost/mine:latest"
    skopeo = ("--policy", str(policy))
    found = json.loads(podman(*skopeo, "inspect", store, program="skopeo"))
    ours = inspect(engine, "mine")
    assert found["Digest"] == ours["Digest"] and found["Layers"] == ours["RootFS"]["Layers"]
    podman(*skopeo, "copy", store, f"dir:{tmp_path}/out", program="skopeo")
    with open(f"{tmp_path}/out/manifest.json", encoding="utf-8") as stream:
        manifest = json.load(stream)
    assert manifest.get("mediaType", "").count("docker") == (kind == "docker")
    for layer in manifest["layers"]:
        size = os.path.getsize(f"{tmp_path}/out/{layer['digest'][7:]}")
        assert size == layer["size"]


def test_a_commit_of_a_commit(engine):
    first = commit(engine, end(engine, "sh", "-c", "echo 1 > /one"), "first")
    name = end(engine, "sh", "-c", "rm /one; echo 2 > /two", image="first")
    second = commit(engine, name, "second")
    copy = end(engine, "sh", "-c", "ls /one /two 2>/dev/null", image="second")
    assert engine.output(copy) == "/two\n"
    steps = engine.call("HistoryImage", name="second")["history"]
    assert [step["id"] for step in steps] == [second, first, engine.image]
    assert all(step["size"] > 0 for step in steps)


def test_changes_of_a_commit(engine):
    name = end(engine, "true")
    commit(
        engine,
        name,
        "mine",
        changes=[
            'CMD=["/bin/ls"]',
            "ENV=A=B=C",
            "ENTRYPOINT=/bin/sh -c",
            "LABEL=x=y",
            "USER=1000",
            "WORKDIR=/tmp",
            "EXPOSE=80",
            "VOLUME=/v",
            "STOPSIGNAL=9",
            "ONBUILD=RUN x",
        ],
    )
    config = inspect(engine, "mine")["Config"]
    assert config["Cmd"] == ["/bin/ls"] and config["Entrypoint"] == ["/bin/sh", "-c"]
    assert "A=B=C" in config["Env"] and "PATH=/bin" in config["Env"]
    assert config["Labels"] == {"x": "y"} and config["User"] == "1000"
    assert config["WorkingDir"] == "/tmp" and config["ExposedPorts"] == {"80/tcp": {}}
    assert config["Volumes"] == {"/v": {}} and config["StopSignal"] == "9"
    assert config["OnBuild"] == ["RUN x"]


@pytest.mark.parametrize(
    "parameters,word",
    [
        ({"image_name": ""}, "image name"),
        ({"image_name": "A b"}, "image name"),
        ({"image_name": "x@sha256:" + "0" * 64}, "digest"),
        ({"changes": ["NOSUCH=1"]}, "NOSUCH"),
        ({"changes": ["ENV"]}, "ENV"),
        ({"author": "x" * 5000}, "author"),
        ({"message": "x" * 70000}, "message"),
        ({"manifestType": "OCI"}, "unrecognized image format"),
    ],
)
def test_commits_that_are_refused(engine, parameters, word):
    name = engine.create("true")
    before = layers_of(engine)
    error = refusal(engine, "Commit", **{"name": name, "image_name": "mine", **parameters})
    assert error.name == "io.podman.ErrorOccurred" and word in error.reason
    assert len(images(engine)) == 1 and layers_of(engine) == before


def test_a_name_moves_to_the_commit(engine):
    name = end(engine, "sh", "-c", "echo 1 > /one")
    made = commit(engine, name, "busybox")
    assert inspect(engine, "busybox")["Id"] == made
    assert inspect(engine, engine.image)["RepoTags"] == []


def test_a_commit_survives_its_container_and_its_base(engine, podman):
    name = end(engine, "sh", "-c", "echo kept > /kept")
    made = commit(engine, name, "mine")
    engine.call("RemoveContainer", name=name, force=False)
    engine.call("RemoveImage", name=engine.image, force=True)
    copy = end(engine, "cat", "/kept", image=made)
    assert engine.output(copy) == "kept\n"
    podman("save", "--format", "oci-archive", "-o", "/dev/null", "mine")
    engine.call("RemoveContainer", name=copy, force=False)
    engine.call("RemoveImage", name="mine", force=False)
    assert layers_of(engine) == set()


COUNTER = "echo ready; while :; do echo >> /a; echo >> /b; done"


def test_a_paused_commit_is_of_one_moment(engine):
    name = engine.run_ready(COUNTER, stop_timeout=0)
    scratch.wait_until(lambda: changed(engine, name)["added"] == ["/a", "/b"], "it to count")
    commit(engine, name, "mine", pause=True)
    assert engine.status(name) == "running" and not frozen(name)
    copy = end(engine, "sh", "-c", "wc -l < /a; wc -l < /b", image="mine")
    first, second = (int(line) for line in engine.output(copy).split())
    assert 0 <= first - second <= 1


def frozen(name):
    """Whether the kernel holds the container's processes."""
    for top in scratch.hierarchies():
        for folder, _, _ in os.walk(top):
            if folder.count("/") - top.count("/") > 4 or name not in folder:
                continue
            for file, word in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
                try:
                    with open(os.path.join(folder, file), encoding="utf-8") as stream:
                        if stream.read().strip() == word:
                            return True
                except OSError:
                    pass
    return False


def test_a_commit_without_pause_does_not_pause(engine):
    name = engine.run_ready(COUNTER, stop_timeout=0)
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            seen.append(engine.status(name))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(3):
        commit(engine, name, f"mine:{number}")
    done.set()
    watcher.join()
    assert set(seen) == {"running"}


def test_what_is_paused_stays_paused(engine):
    name = engine.run_ready(COUNTER, stop_timeout=0)
    engine.call("PauseContainer", name=name)
    commit(engine, name, "mine", pause=True)
    assert engine.status(name) == "paused" and frozen(name)
    engine.call("UnpauseContainer", name=name)


def test_commits_at_once_of_one_container(engine):
    name = engine.run_ready(COUNTER, stop_timeout=0)
    made, errors = [], []

    def one(number):
        try:
            made.append(commit(engine, name, f"mine:{number}", pause=number % 2 == 0))
        except VarlinkError as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(set(made)) == 8
    assert engine.status(name) == "running" and not frozen(name)
    assert scratch.entries(f"{engine.runroot}/selkie/held") == []


def test_a_removal_ends_a_commit(engine):
    """Whichever comes first: an image or an error, and nothing in between."""
    before = layers_of(engine)
    for number in range(5):
        name = engine.run_ready(COUNTER, stop_timeout=0)
        remover = threading.Timer(
            0.01 * number, engine.call, ("RemoveContainer",), {"name": name, "force": True}
        )
        remover.start()
        try:
            commit(engine, name, "mine", pause=True)
        except VarlinkError as error:
            assert error.name in ("io.podman.ContainerNotFound", "io.podman.ErrorOccurred"), error
        remover.join()
        assert engine.containers() == []
    for shown in images(engine):
        if shown["id"] != engine.image:
            engine.call("RemoveImage", name=shown["id"], force=True)
    assert layers_of(engine) == before
    engine.assert_no_leaks()


def test_a_killed_commit_leaves_no_container_paused(engine):
    """kill -9 at many moments: it runs on after the next start, and the store is as it was."""
    name = engine.run_ready(
        "dd if=/dev/urandom of=/big bs=1M count=16 2>/dev/null;" + COUNTER, stop_timeout=0
    )
    before, was_held = layers_of(engine), False
    for delay in (0.005, 0.02, 0.04, 0.06, 0.09, 0.13, 0.2):
        answer = call_until_killed(
            engine, "Commit", delay, name=name, image_name="mine", pause=True
        )
        was_held |= frozen(name)
        engine.start()
        scratch.wait_until(
            lambda: scratch.entries(f"{engine.runroot}/selkie/held") == [], "it to be let go"
        )
        scratch.wait_until(
            lambda: engine.status(name) == "running" and not frozen(name), "it to run on"
        )
        for shown in images(engine):
            if shown["id"] != engine.image:
                assert shown["repoTags"] in (["localhost/mine:latest"], [])
                engine.call("RemoveImage", name=shown["id"], force=True)
        assert answer is None or "error" not in answer
        # what the dead one had made goes soon after the start
        scratch.wait_until(lambda: layers_of(engine) == before, "the layers to be swept")
    assert was_held, "no kill came while the container was held"


def test_a_client_that_hangs_up_ends_its_commit(engine):
    name = end(engine, "sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=48 2>/dev/null")
    before = layers_of(engine)
    connection = engine.connect()
    connection.send("io.podman.Commit", {"name": name, "image_name": "mine"})
    time.sleep(0.02)
    connection.close()
    scratch.wait_until(
        lambda: layers_of(engine) == before or len(images(engine)) == 2, "the commit to end"
    )
    assert re.fullmatch("[0-9a-f]{64}", commit(engine, name, "other"))


def test_a_commit_without_room(engine):
    """A full disk: the store is as it was."""
    name = end(engine, "sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=8 2>/dev/null")
    before = layers_of(engine)
    limited = f"{engine.folder}/limited"
    os.mkdir(limited)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", limited], check=True)
    try:
        error = refusal(engine, "ExportContainer", name=name, path=f"{limited}/out.tar")
        assert "No space left" in error.reason and os.listdir(limited) == []
    finally:
        subprocess.run(["umount", limited], check=True)
    assert layers_of(engine) == before
