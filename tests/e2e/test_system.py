# SPDX-License-Identifier: Apache-2.0
"""Ping, GetVersion, GetInfo: real values."""

import os
import platform
import re
import socket

from engine import PROJECT


def test_ping(bare_engine):
    assert bare_engine.call("Ping") == {"ping": {"message": "OK"}}


def test_version(bare_engine):
    version = bare_engine.call("GetVersion")["version"]
    with open(os.path.join(PROJECT, "meson.build"), encoding="utf-8") as stream:
        expected = re.search(r"version: '([\d.]+)'", stream.read()).group(1)
    assert version["version"] == expected
    assert re.fullmatch(r"linux/\w+", version["os_arch"])
    assert isinstance(version["built"], int)


def test_info_of_the_host(bare_engine):
    host = bare_engine.call("GetInfo")["info"]["host"]
    assert host["hostname"] == socket.gethostname()
    assert host["kernel"] == platform.release()
    assert host["os"] == "linux" and host["arch"] == {"x86_64": "amd64", "aarch64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    assert host["cpus"] == os.cpu_count()
    with open("/proc/meminfo", encoding="utf-8") as stream:
        memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in stream}
    assert host["mem_total"] == memory["MemTotal"]
    assert abs(host["mem_free"] - memory["MemFree"]) < 1 << 30
    assert host["swap_total"] == memory["SwapTotal"]
    assert re.fullmatch(
        r"(\d+h )?(\d+m )?[\d.]+s( \(Approximately [\d.]+ (hours|days)\))?", host["uptime"]
    )
    with open("/etc/os-release", encoding="utf-8") as stream:
        release = dict(line.strip().split("=", 1) for line in stream if "=" in line)
    assert host["distribution"] == {
        "distribution": release["ID"].strip('"'),
        "version": release.get("VERSION_ID", "").strip('"'),
    }


def test_info_of_the_store(engine):
    store = engine.call("GetInfo")["info"]["store"]
    assert store["graph_root"] == engine.root and store["run_root"] == engine.runroot
    assert store["graph_driver_name"] == "overlay"
    assert store["images"] == 1 and store["containers"] == 0
    assert store["graph_status"]["supports_d_type"] == "true"
    engine.create("true")
    assert engine.call("GetInfo")["info"]["store"]["containers"] == 1
