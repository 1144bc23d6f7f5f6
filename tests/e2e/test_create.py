# SPDX-License-Identifier: Apache-2.0
"""What CreateContainer honours: each field, seen from inside the container."""

import os
import re
import socket

import pytest

from varlink import VarlinkError


def show(engine, script, **fields):
    """Run a shell script in a container and give back what it printed."""
    name = engine.run("sh", "-c", script, **fields)
    engine.wait(name)
    return engine.output(name)


def test_generated_name(engine):
    name = engine.create("true")
    assert re.fullmatch(
        "[a-z]+_[a-z]+", engine.call("GetContainer", name=name)["container"]["names"]
    )


def test_names(engine):
    name = engine.create("true", name="web-1.a_b")
    assert engine.call("GetContainer", name="web-1.a_b")["container"]["id"] == name
    with pytest.raises(VarlinkError) as caught:
        engine.create("true", name="web-1.a_b")
    assert caught.value.name == "io.podman.ErrorOccurred"
    assert "already in use" in caught.value.reason and name in caught.value.reason
    for bad in ("a b", "/abc", "-x", ".x", "ä", "a/b", "x" * 300):
        with pytest.raises(VarlinkError) as caught:
            engine.create("true", name=bad)
        assert caught.value.name == "io.podman.ErrorOccurred"
    assert len(engine.containers()) == 1


def test_a_removed_name_is_free(engine):
    for _ in range(2):
        engine.create("true", name="again")
        engine.call("RemoveContainer", name="again", force=False)


def test_command_and_entrypoint(engine, busybox_tar):
    """The rules of podman's own command line."""
    engine.call(
        "ImportImage",
        source=busybox_tar,
        reference="entry",
        message="",
        changes=['ENTRYPOINT=["echo","from","image"]', 'CMD=["cmd","of image"]', "ENV=PATH=/bin"],
    )

    def said(**fields):
        created = engine.call(
            "CreateContainer", create={"image": "entry", "net_mode": "none", **fields}
        )["container"]
        engine.ids.add(created)
        engine.call("StartContainer", name=created)
        engine.wait(created)
        return engine.output(created)

    assert said() == "from image cmd of image\n"
    assert said(command=["mine"]) == "from image mine\n"
    assert said(entrypoint=["echo", "entry"], command=["a", "b"]) == "entry a b\n"
    assert said(entrypoint=["echo", "alone"]) == "alone\n"
    assert said(entrypoint=[""], command=["echo", "cleared"]) == "cleared\n"


def test_image_defaults_apply(engine, busybox_tar):
    """Env, WorkingDir, User, Labels and StopSignal of the image, which the original forgot."""
    engine.call(
        "ImportImage",
        source=busybox_tar,
        reference="defaults",
        message="",
        changes=[
            "ENV=PATH=/bin",
            "ENV=COLOUR=a=b",
            "WORKDIR=/home/alice",
            "USER=alice",
            "LABEL=origin=image",
            "LABEL=who=image",
            "STOPSIGNAL=SIGUSR1",
            "CMD=sh -c 'echo $COLOUR; pwd; id -un'",
        ],
    )
    created = engine.call(
        "CreateContainer",
        create={"image": "defaults", "net_mode": "none", "labels": {"who": "me"}},
    )["container"]
    engine.ids.add(created)
    engine.call("StartContainer", name=created)
    engine.wait(created)
    assert engine.output(created) == "a=b\n/home/alice\nalice\n"
    container = engine.call("GetContainer", name=created)["container"]
    assert container["labels"] == {"origin": "image", "who": "me"}
    inspected = engine.call("InspectContainer", name=created)["container"].replace(" ", "")
    assert '"StopSignal":10' in inspected


def test_environment(engine):
    text = show(engine, "env", env={"A": "1", "EMPTY": "", "UNI": "grüße", "TERM": "dumb"})
    found = dict(line.split("=", 1) for line in text.splitlines())
    assert found["A"] == "1" and found["EMPTY"] == "" and found["UNI"] == "grüße"
    assert found["TERM"] == "dumb" and found["PATH"] == "/bin"
    assert found["container"] == "podman" and len(found["HOSTNAME"]) == 12


def test_default_path(engine, busybox_tar):
    engine.call("ImportImage", source=busybox_tar, reference="noenv", message="", changes=[])
    name = engine.run("/bin/sh", "-c", "echo $PATH", image="noenv")
    engine.wait(name)
    assert engine.output(name) == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"


def test_hostname(engine):
    assert show(engine, "hostname", hostname="box") == "box\n"
    name = engine.run("hostname")
    engine.wait(name)
    assert engine.output(name) == name[:12] + "\n"


def test_hostname_with_host_network(engine):
    assert show(engine, "hostname", net_mode="host") == socket.gethostname() + "\n"


@pytest.mark.parametrize(
    "user,expected",
    [
        ("", "0 0 root"),
        ("alice", "1000 1000 alice"),
        ("1000", "1000 1000 alice"),
        ("1234:5678", "1234 5678 1234"),
        ("alice:wheel", "1000 1001 alice"),
        ("alice:0", "1000 0 alice"),
    ],
)
def test_user(engine, user, expected):
    text = show(engine, "echo $(id -u) $(id -g) $(id -un 2>/dev/null)", user=user)
    assert text.strip() == expected.strip()


def test_home_follows_the_user(engine):
    assert show(engine, "echo $HOME", user="alice") == "/home/alice\n"


def test_supplementary_groups_of_a_named_user(engine):
    assert "1001" in show(engine, "id -G", user="alice").split()


def test_work_dir(engine):
    assert show(engine, "pwd", work_dir="/home/alice") == "/home/alice\n"


def test_work_dir_is_made_when_missing(engine):
    assert show(engine, "pwd", work_dir="/made/for/me") == "/made/for/me\n"


def test_labels(engine):
    labels = {"a": "1", "long.label/with-things": "väl üe", "empty": ""}
    name = engine.create("true", labels=labels)
    assert engine.call("GetContainer", name=name)["container"]["labels"] == labels


def test_readonly_rootfs(engine):
    text = show(
        engine,
        "touch /file 2>&1; touch /dev/shm/file && echo shm; touch /tmp/file && echo tmp",
        readonly_rootfs=True,
    )
    assert "Read-only file system" in text and "shm" in text


def test_tty(engine):
    text = show(engine, "tty; test -t 0 && test -t 1 && test -t 2 && echo all", tty=True)
    assert text == "/dev/pts/0\r\nall\r\n"
    assert show(engine, "tty") == "not a tty\n"


def test_no_network(engine):
    """none: a namespace of its own with a loopback and nothing else."""
    assert show(engine, "ls /sys/class/net") == "lo\n"
    own = show(engine, "readlink /proc/self/ns/net").strip()
    assert own != os.readlink("/proc/self/ns/net")


def test_host_network(engine):
    assert show(engine, "readlink /proc/self/ns/net", net_mode="host").strip() == os.readlink(
        "/proc/self/ns/net"
    )


def test_namespaces_of_its_own(engine):
    name = engine.run("sh", "-c", "cd /proc/self/ns; readlink ipc mnt pid uts; sleep 1000")
    mine = {os.readlink("/proc/self/ns/" + n) for n in ("ipc", "mnt", "pid", "uts")}
    container = engine.call("GetContainer", name=name)["container"]
    shown = container["namespaces"]
    for kind in ("ipc", "mnt", "uts", "net"):
        assert shown[kind].isdigit() and f"{kind}:[{shown[kind]}]" not in mine
    assert shown["pidns"].isdigit()


def test_capabilities_are_dropped(engine):
    """The default set of podman: CapEff holds no SYS_ADMIN (bit 21)."""
    effective = int(show(engine, "grep CapEff /proc/self/status").split()[1], 16)
    assert effective != 0 and not effective & (1 << 21) and not effective & (1 << 16)


def test_seccomp_filters(engine):
    assert show(engine, "grep Seccomp: /proc/self/status").split() == ["Seccomp:", "2"]


def test_proc_is_masked(engine):
    masked = [
        path
        for path in ("acpi", "kcore", "keys", "latency_stats", "timer_list", "sched_debug", "scsi")
        if os.path.exists("/proc/" + path)
    ]
    assert masked
    for path in masked:
        text = show(engine, f"cd /proc; if [ -d {path} ]; then ls {path}; else cat {path}; fi")
        assert text == "", path
    assert "Read-only" in show(engine, "echo x 2>&1 > /proc/sys/kernel/domainname")


def test_descriptors_do_not_leak_in(engine):
    """The container's process starts with its three streams and nothing of the engine's."""
    assert show(engine, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("given", ["localhost/nosuch", "nosuch:1", "", "A/B:c:d", "x" * 999])
def test_image_not_found(engine, given):
    with pytest.raises(VarlinkError) as caught:
        engine.create("true", image=given)
    assert caught.value.name == "io.podman.ImageNotFound"
    assert caught.value.parameters == {"name": given}


def test_image_as_given_is_shown(engine):
    for given in ("busybox", "localhost/busybox:latest", engine.image, engine.image[:10]):
        name = engine.create("true", image=given)
        container = engine.call("GetContainer", name=name)["container"]
        assert container["image"] == given and container["imageid"] == engine.image


LIMITS = {  # the longest that works, what it is given, and what the error names
    "name": (255, lambda text: {"name": text}),
    "hostname": (64, lambda text: {"hostname": text}),
    "command": (128 * 1024 - 1, lambda text: {"command": ["true", text]}),
    "env": (128 * 1024 - 1, lambda text: {"env": {"A": text[2:]}}),
    "work_dir": (4095, lambda text: {"work_dir": "/" + ("x" * 99 + "/") * 40 + text[4001:]}),
}


@pytest.mark.parametrize("field", LIMITS)
def test_limits(engine, field):
    """The longest value works to the end; one byte more is refused by the field's name."""
    longest, make = LIMITS[field]
    name = engine.create("true", **make("x" * longest))
    if field != "work_dir":  # as long as that, the folder cannot be made below the store
        engine.call("StartContainer", name=name)
        assert engine.wait(name) == 0
    engine.call("RemoveContainer", name=name, force=True)
    with pytest.raises(VarlinkError) as caught:
        engine.create("true", **make("x" * (longest + 1)))
    assert caught.value.name == "io.podman.ErrorOccurred"
    assert f"create.{field}" in caught.value.reason
    assert len(caught.value.reason) < 1000


def test_many_arguments_and_long_ones(engine):
    argument = "x" * 100000
    name = engine.run("sh", "-c", 'echo $# ${#1} "$3"', "sh", argument, "", "two words\t'\"")
    engine.wait(name)
    assert engine.output(name) == "3 100000 two words\t'\"\n"
