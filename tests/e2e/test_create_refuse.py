# SPDX-License-Identifier: Apache-2.0
"""Fields of Create that are not honoured yet are refused by name, never silently ignored."""

import pytest

from varlink import VarlinkError

# Every field that is refused for now, with a value that is not its zero value.
UNSUPPORTED = {
    "args": ["a"],
    "cap_add": ["NET_ADMIN"],
    "cap_drop": ["CHOWN"],
    "conmon_pidfile": "/tmp/pid",
    "cgroup_parent": "/parent",
    "devices": ["/dev/null:/dev/null2:rwm"],
    "dns_opt": ["ndots:1"],
    "dns_search": ["example.com"],
    "dns_servers": ["10.0.0.1"],
    "exposed_ports": ["80"],
    "gidmap": ["0:1000:1"],
    "group_add": ["wheel"],
    "host_add": ["a:10.0.0.1"],
    "builtin_imgvolumes": ["/v"],
    "id_mappings": {"host_uid_mapping": True},
    "image_id": "0123456789ab",
    "image_volume_type": "tmpfs",
    "ipc_mode": "host",
    "log_driver": "journald",
    "log_driver_opt": ["path=/tmp/log"],
    "network": "front",
    "pid_mode": "host",
    "pod": "p",
    "privileged": True,
    "publish": ["8080:80"],
    "publish_all": True,
    "shm_dir": "/tmp/shm",
    "subuidmap": "0:1000:1",
    "subgidmap": "0:1000:1",
    "subuidname": "alice",
    "subgidname": "alice",
    "sys_ctl": {"net.ipv4.ip_forward": "1"},
    "tmpfs": ["/run"],
    "uidmap": ["0:1000:1"],
    "userns_mode": "host",
    "uts_mode": "host",
    "volumes": ["/tmp:/tmp"],
    "mount_label": "l",
    "process_label": "l",
    "no_new_privs": True,
    "apparmor_profile": "p",
    "seccomp_profile_path": "/p.json",
    "security_opts": ["no-new-privileges"],
}

RESOURCES = {
    "blkio_weight": 10,
    "blkio_weight_device": ["/dev/vda:10"],
    "cpu_period": 1000,
    "cpu_quota": 1000,
    "cpu_rt_period": 1000,
    "cpu_rt_runtime": 1000,
    "cpu_shares": 2,
    "cpus": 0.5,
    "cpuset_cpus": "0",
    "cpuset_mems": "0",
    "device_read_bps": ["/dev/vda:1"],
    "device_read_iops": ["/dev/vda:1"],
    "device_write_bps": ["/dev/vda:1"],
    "device_write_iops": ["/dev/vda:1"],
    "disable_oomkiller": True,
    "kernel_memory": 1,
    "memory": 1 << 26,
    "memory_reservation": 1 << 26,
    "memory_swap": 1 << 26,
    "memory_swappiness": 10,
    "oom_score_adj": 10,
    "pids_limit": 10,
    "shm_size": 1 << 20,
    "ulimit": ["nofile=10:10"],
}


def zero_of(value):
    if isinstance(value, bool):
        return False
    if isinstance(value, dict):
        return {}
    return type(value)()


def refusal(engine, create):
    with pytest.raises(VarlinkError) as caught:
        engine.call(
            "CreateContainer",
            create={"image": "busybox", "command": ["true"], "net_mode": "none", **create},
        )
    return caught.value


def test_each_field_is_refused_by_name(engine):
    for field, value in UNSUPPORTED.items():
        error = refusal(engine, {field: value})
        assert f"create.{field}" in str(error.parameters), (field, error)
        assert error.name == "io.podman.ErrorOccurred", (field, error)
    for field, value in RESOURCES.items():
        error = refusal(engine, {"resources": {field: value}})
        assert f"create.resources.{field}" in str(error.parameters), (field, error)
        assert error.name == "io.podman.ErrorOccurred", (field, error)
    assert engine.containers() == []


def test_networks_of_later_are_refused(engine):
    for mode in ("bridge", "container:abc", "ns:/proc/1/ns/net", "pod", "front"):
        error = refusal(engine, {"net_mode": mode})
        assert "create.net_mode" in error.reason, error


def test_zero_values_are_accepted(engine):
    """A client that sends every member with its zero value asks for nothing."""
    zeros = {field: zero_of(value) for field, value in UNSUPPORTED.items()}
    zeros["resources"] = {field: zero_of(value) for field, value in RESOURCES.items()}
    zeros["id_mappings"] = {
        "host_uid_mapping": False,
        "host_gid_mapping": False,
        "uid_map": {"container_id": 0, "host_id": 0, "size": 0},
        "gid_map": {"container_id": 0, "host_id": 0, "size": 0},
    }
    name = engine.create("true", **zeros)
    engine.call("StartContainer", name=name)
    assert engine.wait(name) == 0


def test_null_values_are_accepted(engine):
    nulls = dict.fromkeys(list(UNSUPPORTED) + ["resources", "env", "labels", "name", "rm"])
    name = engine.create("true", **nulls)
    engine.call("StartContainer", name=name)
    assert engine.wait(name) == 0


def test_unknown_members_are_ignored(engine):
    engine.create("true", nosuch=1, resources={"nosuch": [1]})


def test_values_that_mean_the_default_are_accepted(engine):
    """What clients send because it is the default on the command line."""
    engine.create("true", quiet=True, detach=True)
