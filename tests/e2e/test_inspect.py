# SPDX-License-Identifier: Apache-2.0
"""InspectContainer: podman's members are there too, and the values are the living container's."""

import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

import busybox
import scratch
from scratch import PATIENCE

# Objects whose keys are data.
MAPS = {"Labels", "Annotations", "Tmpfs", "PortBindings", "CgroupConf", "Volumes", "Networks"}

# Where the original's type wins over podman's; api/inspect.h says why.
OTHER_TYPES = {"Config.User": dict, "NetworkSettings.Ports": list}

NEVER = "0001-01-01T00:00:00Z"


def inspect(engine, name):
    return json.loads(engine.call("InspectContainer", name=name)["container"])


def members(document, path=""):
    """{path: value} of every member, lists by their first element."""
    found = {}
    if isinstance(document, list):
        return members(document[0], path + "[]") if document else {}
    if not isinstance(document, dict):
        return {}
    for key, value in document.items():
        name = f"{path}.{key}" if path else key
        found[name] = value
        if key not in MAPS:
            found.update(members(value, name))
    return found


def write_configuration(folder):
    """A podman that touches nothing but the folder."""
    paths = [f"{folder}/containers.conf", f"{folder}/storage.conf"]
    with open(paths[0], "w", encoding="utf-8") as stream:
        stream.write(
            '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="none"\nlock_type="file"\n'
            f'num_locks=64\nruntime="runc"\ntmp_dir="{folder}/tmp"\n'
            '[containers]\nlog_driver="k8s-file"\n'
            'default_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n'
        )
    with open(paths[1], "w", encoding="utf-8") as stream:
        stream.write(
            '[storage]\ndriver="overlay"\n' f'graphroot="{folder}/root"\nrunroot="{folder}/run"\n'
        )
    return {
        **os.environ,
        "CONTAINERS_CONF": paths[0],
        "CONTAINERS_STORAGE_CONF": paths[1],
        "HOME": folder,
    }


def remove_cgroups(name):
    """Remove a cgroup at the top of each hierarchy with all below it; whether that is done."""
    for top in (f"{hierarchy}/{name}" for hierarchy in scratch.hierarchies()):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                return False  # its last process is not reaped yet
    return True


@pytest.fixture(scope="module")
def theirs():
    """What podman's `container inspect` shows of containers of its own: by status."""
    folder = tempfile.mkdtemp(prefix="selkie-e2e-podman-", dir="/tmp")
    environment = write_configuration(folder)

    def podman(*arguments):
        return subprocess.run(
            ["podman", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=4 * PATIENCE,
            check=True,
        ).stdout

    def shown(name):
        return json.loads(podman("container", "inspect", "--size", name))[0]

    parent = os.path.basename(folder)
    options = [f"--cgroup-parent=/{parent}", "--network=none", "--label=a=b", "--volume=/etc:/x:ro"]
    try:
        busybox.write_tar(f"{folder}/image.tar")
        podman("import", "-c", "ENV=PATH=/bin", f"{folder}/image.tar", "busybox")
        podman("create", "--name=made", *options, "busybox", "true")
        podman("run", "-d", "--name=live", *options, "busybox", "sleep", "1000")
        found = {"created": shown("made"), "running": shown("live")}
        podman("kill", "live")
        podman("wait", "live")
        found["exited"] = shown("live")
        podman("rm", "-f", "-t0", "-a")
        yield found
    finally:
        for pid, _ in scratch.processes_with(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for point in sorted(scratch.mounts_below(folder), reverse=True):
            subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(folder)
        scratch.wait_until(lambda: remove_cgroups(parent), what="podman's cgroups to be empty")


@pytest.fixture
def states(engine):
    """Our document in each state of a container that has something to show in every part."""
    name = engine.create("sleep", "1000", labels={"a": "b"}, env={"K": "v"})
    found = {"configured": inspect(engine, name)}
    engine.call("GetAttachSockets", name=name)
    found["created"] = inspect(engine, name)
    engine.call("StartContainer", name=name)
    found["running"] = inspect(engine, name)
    engine.call("PauseContainer", name=name)
    found["paused"] = inspect(engine, name)
    engine.call("UnpauseContainer", name=name)
    engine.call("StopContainer", name=name, timeout=0)
    engine.wait_status(name, "exited")
    found["exited"] = inspect(engine, name)
    return found


def test_podman_s_members(states, theirs):
    """All of them, with podman's types, but where the original's type wins. null has no type."""
    wrong = []
    for status, document in theirs.items():
        ours = members(states["configured" if status == "created" else status])
        for path, value in members(document).items():
            expected = OTHER_TYPES.get(path, type(value))
            if path not in ours:
                wrong.append(f"{status}: {path} is missing")
            elif value is not None and not isinstance(ours[path], expected):
                wrong.append(f"{status}: {path} is {ours[path]!r}, podman has {value!r}")
    assert not wrong, "\n".join(wrong)


def test_the_same_members_in_every_state(states):
    """A client need not ask whether a member is there."""
    for status, document in states.items():
        assert document["State"]["Status"] == status
        assert set(members(document)) == set(members(states["running"])), status


def test_nothing_is_null(states):
    for document in states.values():
        assert [path for path, value in members(document).items() if value is None] == []


def test_members_that_differ_in_case_only_are_equal(states):
    """Go's decoder takes the one for the other, and the last one wins."""

    def walk(value, path):
        if isinstance(value, list):
            for element in value:
                walk(element, path + "[]")
        elif isinstance(value, dict):
            seen = {}
            for key, inner in value.items():
                twin = seen.setdefault(key.lower(), inner)
                assert twin == inner, f"{path}.{key}: {inner!r} is not {twin!r}"
                walk(inner, f"{path}.{key}")

    walk(states["running"], "")


def test_before_the_first_start(engine):
    name = engine.create("true", name="box")
    shown = inspect(engine, "box")
    state = shown["State"]
    assert shown["Id"] == shown["ID"] == name and shown["Name"] == "box"
    assert shown["Path"] == "true" and shown["Args"] == []
    assert state["Status"] == "configured" and not state["Running"] and not state["Paused"]
    assert state["Pid"] == state["ConmonPid"] == state["ExitCode"] == 0
    assert state["StartedAt"] == state["FinishedAt"] == NEVER
    assert moment(shown["Created"]) > moment("2020-01-01T00:00:00Z")
    assert state["CgroupPath"] == shown["OCIConfigPath"] == state["OciVersion"] == ""
    assert shown["GraphDriver"]["Data"]["MergedDir"] == ""
    assert os.path.isdir(shown["GraphDriver"]["Data"]["UpperDir"])
    assert shown["LogPath"].startswith(shown["StaticDir"]) and os.path.isdir(shown["StaticDir"])
    assert shown["Image"] == engine.image and shown["Config"]["Image"] == "busybox"
    assert shown["ImageName"] == "localhost/busybox:latest"
    (image,) = engine.call("ListImages")["images"]
    assert image["repoDigests"][0].endswith(shown["ImageDigest"]) and shown["ImageDigest"]
    assert shown["SizeRootFs"] == engine.containers()[0]["rootfssize"] > 1000000


def moment(text):
    return datetime.datetime.fromisoformat(text)


def status_field(pid, name):
    with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
        return dict(line.split(":", 1) for line in stream)[name].strip()


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def test_the_living_process(engine):
    """What is said of the process is what the kernel says of it."""
    name = engine.run("sleep", "1000", stop_timeout=0)
    shown = inspect(engine, name)
    state = shown["State"]
    pid = state["Pid"]
    scratch.wait_until(lambda: read(f"/proc/{pid}/cmdline") == "sleep\x001000\0", what="the exec")
    assert [shown["Path"], *shown["Args"]] == shown["Config"]["Cmd"] == ["sleep", "1000"]
    assert state["Running"] and state["Status"] == "running"
    assert read(f"/proc/{state['ConmonPid']}/comm") == "conmon\n"
    assert int(read(shown["PidFile"])) == pid
    assert int(read(shown["ConmonPidFile"])) == state["ConmonPid"]
    assert moment(shown["Created"]) <= moment(state["StartedAt"])
    assert state["FinishedAt"] == NEVER
    assert state["CgroupPath"].startswith("/") and name in state["CgroupPath"]
    assert any(
        line.endswith(state["CgroupPath"]) for line in read(f"/proc/{pid}/cgroup").split("\n")
    )
    assert json.loads(read(shown["OCIConfigPath"]))["ociVersion"] == state["OciVersion"]

    for member, field in (("EffectiveCaps", "CapEff"), ("BoundingCaps", "CapBnd")):
        assert shown[member] == sorted(shown[member])
        assert len(shown[member]) == bin(int(status_field(pid, field), 16)).count("1")
    assert shown["Config"]["Umask"] == status_field(pid, "Umask")
    environment = read(f"/proc/{pid}/environ").split("\0")
    assert set(shown["Config"]["Env"]) <= set(environment)


def test_what_the_host_gives(engine):
    name = engine.run("sleep", "1000", stop_timeout=0)
    shown = inspect(engine, name)
    host = shown["HostConfig"]
    pid = shown["State"]["Pid"]

    for member, namespace in (
        ("IpcMode", "ipc"),
        ("PidMode", "pid"),
        ("UTSMode", "uts"),
        ("CgroupMode", "cgroup"),
    ):
        is_shared = os.readlink(f"/proc/{pid}/ns/{namespace}") == os.readlink(
            f"/proc/self/ns/{namespace}"
        )
        assert host[member] == ("host" if is_shared else "private"), member
    assert host["NetworkMode"] == "none" and host["Runtime"] == shown["OCIRuntime"]
    assert host["CgroupManager"] == "cgroupfs"
    shm = os.statvfs(f"/proc/{pid}/root/dev/shm")
    assert host["ShmSize"] == shm.f_blocks * shm.f_frsize

    names = {"RLIMIT_NOFILE": "Max open files", "RLIMIT_NPROC": "Max processes"}
    limits = read(f"/proc/{pid}/limits").split("\n")
    assert host["Ulimits"]
    for limit in host["Ulimits"]:
        (line,) = [line for line in limits if line.startswith(names[limit["Name"]])]
        assert line[26:].split()[:2] == [str(limit["Soft"]), str(limit["Hard"])]

    points = {line.split(" ")[4] for line in read(f"/proc/{pid}/mountinfo").strip().split("\n")}
    assert {mount["destination"] for mount in shown["Mounts"]} <= points
    for mount in shown["Mounts"]:
        assert mount["RW"] is ("ro" not in mount["options"])


def test_storage(engine):
    """The folders are there, and what the container writes is counted."""
    name = engine.run("sh", "-c", "head -c 5000 /dev/zero > /new; sleep 1000", stop_timeout=0)
    shown = inspect(engine, name)
    data = shown["GraphDriver"]["Data"]
    assert shown["Driver"] == shown["GraphDriver"]["Name"] == "overlay"
    assert os.path.ismount(data["MergedDir"])
    assert os.path.exists(data["MergedDir"] + "/bin/busybox")
    assert os.path.isdir(data["UpperDir"]) and os.path.isdir(data["WorkDir"])
    for folder in data["LowerDir"].split(":"):
        assert os.path.exists(folder + "/bin/busybox")
    scratch.wait_until(lambda: inspect(engine, name)["SizeRw"] >= 5000, what="the file to count")
    assert os.path.getsize(data["UpperDir"] + "/new") == 5000
    assert os.path.exists(shown["LogPath"])


def test_after_the_end(engine):
    """Nothing of the process is left to name: its number may be another's by now."""
    name = engine.run("sh", "-c", "exit 7")
    assert engine.wait(name) == 7
    engine.wait_status(name, "exited")
    shown = inspect(engine, name)
    state = shown["State"]
    assert state["ExitCode"] == 7 and not state["Running"]
    assert state["Pid"] == state["ConmonPid"] == 0 and state["CgroupPath"] == ""
    assert moment(NEVER) < moment(shown["Created"]) < moment(state["StartedAt"])
    assert moment(shown["Created"]) < moment(state["FinishedAt"])
    assert shown["GraphDriver"]["Data"]["MergedDir"] == ""
    # conmon's files go a moment after the state was written
    for path in (shown["PidFile"], shown["ConmonPidFile"]):
        scratch.wait_until(lambda path=path: not os.path.exists(path), what=f"{path} to go")
    assert os.path.exists(shown["OCIConfigPath"])


@pytest.mark.parametrize(
    "user, before, after, groups",
    [
        ("", (0, 0), (0, 0), []),
        ("root", (0, 0), (0, 0), []),
        ("1000:7", (1000, 7), (1000, 7), []),
        ("alice", (0, 0), (1000, 1000), [1001]),
    ],
)
def test_user(engine, user, before, after, groups):
    """Numbers are known at once, a name once the image was asked; only root has capabilities."""

    def look():
        shown = inspect(engine, name)
        found = shown["Config"]["User"]
        assert found["username"] == user
        return (found["uid"], found["gid"]), found["additionalGids"], shown["EffectiveCaps"]

    name = engine.create("sleep", "1000", user=user, stop_timeout=0)
    ids, _, capabilities = look()
    is_root = user in ("", "root")
    assert ids == before and bool(capabilities) == is_root
    engine.call("StartContainer", name=name)
    ids, additional, capabilities = look()
    assert ids == after and set(groups) <= set(additional) and bool(capabilities) == is_root
    assert inspect(engine, name)["BoundingCaps"]


def test_what_was_asked_for(engine, busybox_tar):
    engine.call(
        "ImportImage",
        source=busybox_tar,
        reference="entry:1",
        message="",
        changes=['ENTRYPOINT=["sh","-c"]', "CMD=id", "ENV=PATH=/bin", "LABEL=from=image"],
    )
    name = engine.create(
        "echo $UNI",
        image="entry:1",
        env={"UNI": 'grüße\n\u0001"\\'},
        labels={"ключ": "значение", "a.b/c": ""},
        hostname="box",
        user="alice",
        work_dir="/home/alice",
        tty=True,
        interactive=True,
        rm=True,
        readonly_rootfs=True,
        stop_signal=10,
        stop_timeout=3,
        net_mode="host",
    )
    shown = inspect(engine, name)
    config, host = shown["Config"], shown["HostConfig"]
    assert shown["Path"] == "sh" and shown["Args"] == ["-c", "echo $UNI"]
    assert config["Entrypoint"] == "sh -c" and config["Cmd"] == ["echo $UNI"]
    assert 'UNI=grüße\n\u0001"\\' in config["Env"] and "PATH=/bin" in config["Env"]
    assert config["Labels"] == {"from": "image", "ключ": "значение", "a.b/c": ""}
    assert config["Hostname"] == "box" and config["WorkingDir"] == "/home/alice"
    assert config["Tty"] and config["OpenStdin"] and not config["StdinOnce"]
    assert config["StopSignal"] == 10 and config["StopTimeout"] == 3
    assert config["Image"] == "entry:1" and shown["ImageName"] == "localhost/entry:1"
    assert host["AutoRemove"] and host["ReadonlyRootfs"] and host["NetworkMode"] == "host"
    assert host["LogConfig"]["Path"] == shown["LogPath"]


def test_unknown(engine):
    with pytest.raises(Exception) as caught:
        inspect(engine, "nobody")
    assert caught.value.name == "io.podman.ContainerNotFound"
    assert caught.value.parameters == {"name": "nobody"}
