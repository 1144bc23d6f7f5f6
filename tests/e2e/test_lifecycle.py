# SPDX-License-Identifier: Apache-2.0
"""A container from create to remove: its states, and what each call answers in each of them."""

import os
import re
import signal
import time

import pytest

import scratch
from engine import SLOWNESS
from varlink import VarlinkError

FOREVER = ("sleep", "1000")


def refused(call, *args, **kwargs):
    """The reason of the io.podman.ErrorOccurred that the call must end with."""
    with pytest.raises(VarlinkError) as caught:
        call(*args, **kwargs)
    assert caught.value.name == "io.podman.ErrorOccurred", caught.value
    return caught.value.reason


def test_the_main_job(engine, client):
    """Import (by the fixture), create, start, wait, log, remove: what the engine is for."""
    created = client.CreateContainer(
        create={
            "image": "busybox",
            "name": "demo",
            "net_mode": "none",
            "command": ["sh", "-c", "echo hello from $(hostname); echo oops >&2; exit 7"],
        }
    )
    name = created["container"]
    assert set(created) == {"container"} and re.fullmatch("[0-9a-f]{64}", name)
    assert engine.status(name) == "configured"
    assert client.StartContainer(name="demo") == {"container": name}
    assert client.WaitContainer(name="demo") == {"exitcode": 7}
    engine.wait_status("demo", "exited")
    logs = client.GetContainerLogs(name="demo")["container"]
    assert sorted(line.split(" ", 1)[1] for line in logs) == [
        "stderr F oops\n",
        f"stdout F hello from {name[:12]}\n",
    ]
    assert client.RemoveContainer(name="demo", force=False) == {"container": name}
    assert client.ContainerExists(name="demo") == {"exists": 1}
    engine.assert_no_leaks()


def test_states(engine):
    """configured, running, paused, running, exited, running, exited."""
    name = engine.create(*FOREVER)
    assert engine.status(name) == "configured"
    engine.call("StartContainer", name=name)
    assert engine.status(name) == "running"
    engine.call("PauseContainer", name=name)
    assert engine.status(name) == "paused"
    engine.call("UnpauseContainer", name=name)
    assert engine.status(name) == "running"
    engine.call("KillContainer", name=name, signal=9)
    assert engine.wait(name) == 137
    engine.wait_status(name, "exited")
    engine.call("StartContainer", name=name)
    assert engine.status(name) == "running"
    engine.call("StopContainer", name=name, timeout=0)
    assert engine.status(name) in ("stopped", "exited")
    assert engine.wait(name) == 137


def command_of(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as stream:
        return stream.read().split("\0")[:-1]


def test_a_process_is_there_while_it_runs(engine):
    """namespaces and pid are those of the real process, and nothing is claimed after its end."""
    name = engine.run(*FOREVER)
    container = engine.call("GetContainer", name=name)["container"]
    assert container["containerrunning"] is True
    pid = int(container["namespaces"]["pid"])
    assert scratch.is_alive(pid)
    scratch.wait_until(lambda: command_of(pid) == list(FOREVER), "the runtime to exec")
    engine.call("PauseContainer", name=name)
    assert engine.call("GetContainer", name=name)["container"]["containerrunning"] is False
    engine.call("UnpauseContainer", name=name)
    engine.call("StopContainer", name=name, timeout=0)
    engine.wait_status(name, "exited")
    assert not scratch.is_alive(pid)
    container = engine.call("GetContainer", name=name)["container"]
    assert container["containerrunning"] is False and container["namespaces"]["net"] == ""


def test_start_again_after_the_end(engine):
    """Each start runs the command anew on the same read-write layer, and the log goes on."""
    name = engine.create("sh", "-c", "echo x >> /count; wc -l < /count; exit $(wc -l < /count)")
    for turn in (1, 2, 3):
        engine.call("StartContainer", name=name)
        assert engine.wait(name) == turn
        engine.wait_status(name, "exited")
    assert engine.output(name) == "1\n2\n3\n"


@pytest.mark.parametrize("detach", [False, True])
def test_detach_changes_nothing(engine, detach):
    """The original could not start a detached container twice."""
    name = engine.create("true", detach=detach)
    for _ in range(2):
        engine.call("StartContainer", name=name)
        assert engine.wait(name) == 0
        engine.wait_status(name, "exited")


def test_exit_codes(engine):
    for code in (0, 1, 7, 126, 127, 255):
        assert engine.wait(engine.run("sh", "-c", f"exit {code}")) == code
    # an init whose child dies by a signal says so itself
    assert engine.wait(engine.run("sh", "-c", "sh -c 'kill -9 $$'; exit $?")) == 137


def test_start_refused(engine):
    name = engine.run(*FOREVER)
    reason = refused(engine.call, "StartContainer", name=name)
    assert "already running or paused" in reason
    engine.call("PauseContainer", name=name)
    assert "already running or paused" in refused(engine.call, "StartContainer", name=name)


def test_pause_refused(engine):
    name = engine.create(*FOREVER)
    reason = refused(engine.call, "PauseContainer", name=name)
    assert '"configured" is not running, can\'t pause' in reason
    reason = refused(engine.call, "UnpauseContainer", name=name)
    assert f'"{name}" is not paused, can\'t unpause' in reason
    engine.call("StartContainer", name=name)
    assert f'"{name}" is not paused, can\'t unpause' in refused(
        engine.call, "UnpauseContainer", name=name
    )
    engine.call("PauseContainer", name=name)
    assert f'"{name}" is already paused' in refused(engine.call, "PauseContainer", name=name)


def test_what_ended_before_anybody_knew(engine):
    """Its monitor is held up, so the engine still takes it for running: it is told of as ended."""
    name = engine.run(*FOREVER)
    pid = int(engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"])
    ((monitor, _),) = [
        found for found in scratch.processes_with(name) if "conmon" in found[1].split(" ")[0]
    ]
    os.kill(monitor, signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGKILL)
        scratch.wait_until(lambda: not scratch.is_alive(pid), "its end")
        assert engine.status(name) == "running"
        reason = refused(engine.call, "PauseContainer", name=name)
        assert '"stopped" is not running, can\'t pause: container state improper' in reason
        reason = refused(engine.call, "KillContainer", name=name, signal=15)
        assert "can only kill running containers: container state improper" in reason
    finally:
        os.kill(monitor, signal.SIGCONT)
    assert engine.wait(name) == 137


def test_paused_stands_still(engine):
    name = engine.run("sh", "-c", "while :; do echo tick; sleep 0.05; done")
    scratch.wait_until(lambda: engine.logs(name), what="a first tick")
    engine.call("PauseContainer", name=name)
    before = len(engine.logs(name))
    time.sleep(0.3)
    assert len(engine.logs(name)) <= before + 1
    engine.call("UnpauseContainer", name=name)
    scratch.wait_until(lambda: len(engine.logs(name)) > before + 1, what="ticks to go on")


def test_kill(engine):
    """-1 is TERM, 0 does nothing, what is outside 0-64 is refused, as is one that does not run."""
    # the shell must have set its trap: TERM to an init without one is lost
    script = "trap 'echo got term; exit 3' TERM; echo ready; while :; do sleep 0.02; done"
    name = engine.create("sh", "-c", script)
    assert "can only kill running containers" in refused(
        engine.call, "KillContainer", name=name, signal=9
    )
    engine.call("StartContainer", name=name)
    assert engine.call("KillContainer", name=name, signal=0) == {"container": name}
    assert engine.call("KillContainer", name=name) == {"container": name}
    for number in (65, 999, -2, 1 << 40):
        assert refused(engine.call, "KillContainer", name=name, signal=number)
    assert engine.status(name) == "running"
    scratch.wait_until(lambda: engine.output(name) == "ready\n", "the trap")
    assert engine.call("KillContainer", name=name, signal=-1) == {"container": name}
    assert engine.wait(name) == 3
    assert engine.output(name) == "ready\ngot term\n"
    engine.wait_status(name, "exited")
    assert "can only kill running containers" in refused(
        engine.call, "KillContainer", name=name, signal=9
    )


def test_stop_signal_then_kill(engine):
    """The stop signal first; KILL when the timeout is over; a configured one cannot be stopped."""
    name = engine.create("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.02; done")
    assert "can only stop" in refused(engine.call, "StopContainer", name=name, timeout=1)
    engine.call("StartContainer", name=name)
    scratch.wait_until(lambda: engine.logs(name), "the trap")
    begin = time.monotonic()
    assert engine.call("StopContainer", name=name, timeout=1) == {"container": name}
    assert 0.9 < time.monotonic() - begin < 1.0 + 5 * SLOWNESS
    assert engine.wait(name) == 137
    assert engine.call("StopContainer", name=name, timeout=1) == {"container": name}


def test_stop_is_answered_at_the_end_not_at_the_timeout(engine):
    name = engine.run_ready("trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done")
    begin = time.monotonic()
    engine.call("StopContainer", name=name, timeout=100)
    assert time.monotonic() - begin < 5.0 * SLOWNESS
    assert engine.wait(name) == 4


def test_stop_with_own_signal(engine):
    script = "trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done"
    name = engine.run_ready(script, stop_signal=10)
    engine.call("StopContainer", name=name, timeout=100)
    assert engine.wait(name) == 5


def test_stop_negative_timeout_never_forces(engine):
    name = engine.run_ready("trap '' TERM; echo ready; sleep 0.6; exit 6")
    engine.call("StopContainer", name=name, timeout=-1)
    assert engine.wait(name) == 6


def test_stop_paused_is_refused(engine):
    name = engine.run(*FOREVER)
    engine.call("PauseContainer", name=name)
    reason = refused(engine.call, "StopContainer", name=name, timeout=0)
    assert "can only stop" in reason


def test_stop_holds_nobody_up(engine):
    """While one stop waits for its container, lists, creates and others go on."""
    name = engine.run_ready("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    stopping = engine.connect()
    stopping.send("io.podman.StopContainer", {"name": name, "timeout": 100})
    engine.containers()
    engine.call("GetContainer", name=name)
    other = engine.run("true")
    assert engine.wait(other) == 0
    engine.call("RemoveContainer", name=other, force=False)
    engine.call("KillContainer", name=name, signal=9)
    assert stopping.result() == {"container": name}


@pytest.mark.parametrize("state", ["configured", "running", "exited"])
def test_restart(engine, state):
    name = engine.create(*FOREVER)
    if state != "configured":
        engine.call("StartContainer", name=name)
    if state == "exited":
        engine.call("StopContainer", name=name, timeout=0)
        engine.wait_status(name, "exited")
    before = engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"]
    assert engine.call("RestartContainer", name=name, timeout=0) == {"container": name}
    assert engine.status(name) == "running"
    assert engine.call("GetContainer", name=name)["container"]["namespaces"]["pid"] != before


def test_restart_paused_is_refused(engine):
    name = engine.run(*FOREVER)
    engine.call("PauseContainer", name=name)
    reason = refused(engine.call, "RestartContainer", name=name, timeout=0)
    assert "unable to restart" in reason and "paused" in reason


def test_remove_refused_without_force(engine):
    name = engine.run(*FOREVER)
    reason = refused(engine.call, "RemoveContainer", name=name, force=False)
    assert reason.startswith(f"cannot remove container {name} as it is running")
    engine.call("PauseContainer", name=name)
    reason = refused(engine.call, "RemoveContainer", name=name)
    assert f"container {name} is paused, cannot remove until unpaused" in reason


@pytest.mark.parametrize("state", ["configured", "running", "paused", "exited"])
def test_remove_by_force(engine, state):
    """From every state; also paused, where the original got stuck for good."""
    name = engine.create(*FOREVER, stop_timeout=0)
    if state != "configured":
        engine.call("StartContainer", name=name)
    if state == "paused":
        engine.call("PauseContainer", name=name)
    if state == "exited":
        engine.call("StopContainer", name=name, timeout=0)
    assert engine.call("RemoveContainer", name=name, force=True) == {"container": name}
    assert engine.call("ContainerExists", name=name) == {"exists": 1}
    engine.assert_no_leaks()


def test_remove_force_as_text(engine):
    """The reference writes "force": "true"."""
    name = engine.create(*FOREVER, stop_timeout=0)
    engine.call("StartContainer", name=name)
    assert engine.call("RemoveContainer", name=name, force="true") == {"container": name}


def test_stop_timeout_unset_is_ten_seconds(engine):
    """An absent stop_timeout is podman's 10 s; an explicit 0 kills at once."""
    name = engine.create(*FOREVER)
    inspected = engine.connect().InspectContainer(name=name)["container"]
    assert '"StopTimeout":10' in inspected.replace(" ", "")
    stubborn = engine.create("sh", "-c", "trap '' TERM; while :; do sleep 1; done", stop_timeout=0)
    engine.call("StartContainer", name=stubborn)
    begin = time.monotonic()
    engine.call("RemoveContainer", name=stubborn, force=True)
    assert time.monotonic() - begin < 9


def test_delete_stopped_containers(engine):
    """Takes what has ended or never ran, skips what runs or is paused, lists what went."""
    assert engine.call("DeleteStoppedContainers") == {"containers": []}
    running = engine.run(*FOREVER)
    paused = engine.run(*FOREVER)
    engine.call("PauseContainer", name=paused)
    configured = engine.create("true")
    ended = engine.run("true")
    engine.wait(ended)
    engine.wait_status(ended, "exited")
    gone = engine.call("DeleteStoppedContainers")["containers"]
    assert sorted(gone) == sorted([configured, ended])
    assert sorted(c["id"] for c in engine.containers()) == sorted([running, paused])
    engine.call("UnpauseContainer", name=paused)


def test_rm_is_gone_after_its_end(engine):
    name = engine.create("sh", "-c", "exit 9", rm=True)
    waiting = engine.connect()
    waiting.send("io.podman.WaitContainer", {"name": name})
    engine.call("StartContainer", name=name)
    assert waiting.result() == {"exitcode": 9}
    scratch.wait_until(lambda: engine.call("ContainerExists", name=name)["exists"] == 1, "rm")
    engine.assert_no_leaks()


def test_rm_never_started_stays(engine):
    name = engine.create("true", rm=True)
    assert engine.status(name) == "configured"


def test_image_without_a_command(engine, busybox_tar):
    engine.call("ImportImage", source=busybox_tar, reference="empty", message="", changes=[])
    with pytest.raises(VarlinkError) as caught:
        engine.call("CreateContainer", create={"image": "empty", "net_mode": "none"})
    assert caught.value.name == "io.podman.ErrorOccurred"
    assert "command" in caught.value.reason
    assert engine.containers() == []


def test_command_that_is_not_in_the_image(engine):
    """The runtime's own words reach the caller, twice over, and nothing is left of the attempt."""
    name = engine.create("/nosuch", "argument")
    for _ in range(2):
        reason = refused(engine.call, "StartContainer", name=name)
        assert "/nosuch" in reason
        assert "no such file or directory" in reason.lower() or "not found" in reason.lower()
        assert engine.status(name) == "configured"
        leaks = [line for line in engine.leaks() if not line.startswith("entry ")]
        assert not leaks, leaks
    engine.call("RemoveContainer", name=name, force=False)


@pytest.mark.parametrize(
    "command,fields,words",
    [
        (["true"], {"user": "nobody-of-that-name"}, "nobody-of-that-name"),
        (["/etc/passwd"], {}, "ermission denied"),
        (["/etc"], {}, ""),
        (["true"], {"work_dir": "/etc/passwd"}, "/etc/passwd"),
    ],
    ids=["user", "not executable", "folder", "work_dir"],
)
def test_what_only_the_start_can_see(engine, command, fields, words):
    """An error of the start, in words; then nothing runs and the container can be removed."""
    name = engine.create(*command, **fields)
    assert words in refused(engine.call, "StartContainer", name=name)
    assert engine.status(name) == "configured"
    engine.call("RemoveContainer", name=name, force=False)
    engine.assert_no_leaks()


def test_list_is_by_id_and_whole(engine):
    names = sorted(engine.create("true") for _ in range(12))
    assert [c["id"] for c in engine.containers()] == names


def test_created_and_running_times(engine):
    name = engine.create("true")
    container = engine.call("GetContainer", name=name)["container"]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})? \+0000 UTC", container["createdat"]
    )
    assert re.fullmatch(r"(\d+h)?(\d+m)?[\d.]+(s|ms|µs)", container["runningfor"])


def test_sizes(engine):
    """rwsize is what the container wrote; rootfssize is the image."""
    name = engine.run("sh", "-c", "dd if=/dev/zero of=/big bs=1024 count=300 2>/dev/null")
    assert engine.wait(name) == 0
    engine.wait_status(name, "exited")
    container = engine.call("GetContainer", name=name)["container"]
    assert 300 * 1024 <= container["rwsize"] < 340 * 1024
    assert container["rootfssize"] > 500 * 1024
