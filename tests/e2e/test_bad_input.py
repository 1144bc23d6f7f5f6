# SPDX-License-Identifier: Apache-2.0
"""Every method with arguments missing, null, mistyped, empty, unknown, too long, not UTF-8.

Each gets an answer in words, the connection and the engine go on, and nothing is made by the way.
"""

import json

import pytest

from methods import DONE, NEVER, methods
from varlink import Connection

METHODS = methods()
WITH_INPUTS = sorted(m for m in METHODS if METHODS[m] and m in DONE)
LONG = "x" * (1 << 20)

WRONG = {
    "string": [1, True, [], {}, 1.5],
    "int": ["1", True, [], {}, 1.5, 1 << 63, -(1 << 63) - 1, 1e300],
    "bool": [1, "yes", "", [], {}],
    "[]string": ["a", 1, {}, [1], ["a", 7], [["a"]]],
    "Create": ["a", 1, [], True],
}


def load_busybox(engine, busybox_tar):
    engine.call("ImportImage", source=busybox_tar, reference="busybox", message="", changes=[])


@pytest.fixture(scope="module")
def shared(busybox_tar):
    """One engine for the whole file: what one call breaks, the next sees."""
    from engine import Engine

    engine = Engine()
    try:
        engine.start()
        load_busybox(engine, busybox_tar)
    except BaseException:
        engine.discard()
        raise
    yield engine
    try:
        assert engine.containers() == []
        assert len(engine.call("ListImages")["images"]) == 1
    finally:
        engine.finish()


def answer(engine, request):
    """Send raw bytes or a request; the reply; then the same connection must still work."""
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    with Connection(engine.socket) as connection:
        connection.send_bytes(data + b"\0")
        reply = connection.receive()
        assert connection.Ping() == {"ping": {"message": "OK"}}
    assert engine.is_running(), engine.log_tail()
    return reply


def invalid(parameter):
    return {
        "error": "org.varlink.service.InvalidParameter",
        "parameters": {"parameter": parameter},
    }


def test_the_interface_is_whole():
    assert len(METHODS) == 64 and set(METHODS) >= DONE | NEVER


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_parameters(shared, busybox_tar, method):
    """Without `parameters`, with null, with something that is no object."""
    for tail in (
        "",
        ',"parameters":null',
        ',"parameters":[]',
        ',"parameters":"x"',
        ',"parameters":7',
    ):
        reply = answer(shared, f'{{"method":"io.podman.{method}"{tail}}}'.encode())
        if method in NEVER or method not in DONE:
            if METHODS[method] and "error" in reply and "Invalid" in reply["error"]:
                assert reply == invalid("parameters")
            else:
                assert reply["error"] == "org.varlink.service.MethodNotImplemented"
                assert reply["parameters"] == {"method": method}
        elif METHODS[method]:
            assert reply == invalid("parameters"), reply
        else:
            assert "error" not in reply, reply
    if method == "DeleteUnusedImages":
        load_busybox(shared, busybox_tar)


@pytest.mark.parametrize("method", WITH_INPUTS)
def test_wrong_types(shared, method):
    """The error names the member."""
    for member, kind in METHODS[method].items():
        for value in WRONG[kind]:
            reply = answer(shared, {"method": "io.podman." + method, "parameters": {member: value}})
            assert reply["error"] == "org.varlink.service.InvalidParameter", (member, value, reply)
            assert reply["parameters"]["parameter"].split("[")[0] == member, (member, value, reply)


@pytest.mark.parametrize("method", WITH_INPUTS)
def test_empty_null_and_unknown_members(shared, method):
    """{}, every member null, members that nobody knows: all mean the zero values."""
    name = "io.podman." + method
    empty = answer(shared, {"method": name, "parameters": {}})
    nulls = answer(shared, {"method": name, "parameters": dict.fromkeys(METHODS[method])})
    unknown = answer(shared, {"method": name, "parameters": {"nosuch": [1, {"a": None}]}})
    assert empty == nulls == unknown
    if method not in ("ImageExists", "ContainerExists"):
        assert "error" in empty and not empty["error"].startswith("org.varlink.service"), empty
        assert empty.get("parameters"), empty


@pytest.mark.parametrize("method", WITH_INPUTS)
def test_over_long(shared, method):
    """A megabyte in each text."""
    for member, kind in METHODS[method].items():
        value = {"string": LONG, "[]string": [LONG], "Create": {"image": LONG, "name": LONG}}.get(
            kind
        )
        if value is None:
            continue
        reply = answer(shared, {"method": "io.podman." + method, "parameters": {member: value}})
        if not method.endswith("Exists"):
            assert "error" in reply, reply


@pytest.mark.parametrize("method", WITH_INPUTS)
def test_not_utf8(shared, method):
    """Bytes that are no UTF-8 make it no varlink message: that connection ends, no other does."""
    member = next(iter(METHODS[method]))
    with Connection(shared.socket) as bystander:
        bystander.Ping()
        with Connection(shared.socket) as connection:
            connection.send_bytes(
                b'{"method":"io.podman.%s","parameters":{"%s":"\xff\xfe"}}\0'
                % (method.encode(), member.encode())
            )
            assert connection.is_closed_by_peer()
        bystander.Ping()


@pytest.mark.parametrize("method", WITH_INPUTS)
def test_hostile_names(shared, method):
    """Names that mean something to a shell, a path or SQL mean nothing here."""
    for value in (
        "../../etc/passwd",
        "'; DROP TABLE containers; --",
        "%s%n",
        "\n",
        "a\tb",
        "*",
        "\\",
    ):
        for member, kind in METHODS[method].items():
            if kind != "string":
                continue
            reply = answer(shared, {"method": "io.podman." + method, "parameters": {member: value}})
            assert method.endswith("Exists") or "error" in reply, (member, value, reply)


def test_nul_inside_a_string(shared):
    reply = answer(shared, b'{"method":"io.podman.GetContainer","parameters":{"name":"a\\u0000b"}}')
    assert reply == invalid("name")


def test_wrong_types_inside_create(shared):
    """The path of the member, however deep."""
    for create, path in (
        ({"env": "A=1"}, "create.env"),
        ({"env": {"A": 1}}, 'create.env["A"]'),
        ({"command": "true"}, "create.command"),
        ({"command": ["a", 1]}, "create.command[1]"),
        ({"tty": "maybe"}, "create.tty"),
        ({"stop_timeout": "10"}, "create.stop_timeout"),
        ({"resources": {"cpus": "1"}}, "create.resources.cpus"),
        ({"id_mappings": {"uid_map": {"size": "1"}}}, "create.id_mappings.uid_map.size"),
        ({"labels": []}, "create.labels"),
    ):
        reply = answer(
            shared, {"method": "io.podman.CreateContainer", "parameters": {"create": create}}
        )
        assert reply == invalid(path), (create, reply)


def test_text_counts_as_a_boolean(shared):
    reply = answer(
        shared,
        {"method": "io.podman.RemoveContainer", "parameters": {"name": "x", "force": "true"}},
    )
    assert reply == {"error": "io.podman.ContainerNotFound", "parameters": {"name": "x"}}


@pytest.mark.parametrize(
    "create",
    [
        {},
        {"image": ""},
        {"image": "A/B:c:d"},
        {"image": "busybox", "env": {"": "x"}},
        {"image": "busybox", "env": {"A=B": "x"}},
        {"image": "busybox", "hostname": "x" * 65},
        {"image": "busybox", "hostname": "a\nb"},
        {"image": "busybox", "stop_signal": 65},
        {"image": "busybox", "stop_signal": -3},
        {"image": "busybox", "work_dir": "relative"},
        {"image": "busybox", "command": [""]},
        {"image": "busybox", "user": "a:b:c"},
        {"image": "busybox", "net_mode": "no such"},
    ],
    ids=lambda create: json.dumps(create)[:40],
)
def test_create_refuses(shared, create):
    """Values that cannot be: an error that says so, at create, and no container."""
    create = {"command": ["true"], "net_mode": "none", **create}
    reply = answer(
        shared, {"method": "io.podman.CreateContainer", "parameters": {"create": create}}
    )
    assert reply.get("error") in ("io.podman.ErrorOccurred", "io.podman.ImageNotFound"), reply
    assert shared.containers() == []


@pytest.mark.parametrize(
    "parameters,words",
    [
        ({"source": "/nosuch.tar"}, "No such file or directory"),
        ({"source": "/etc"}, "folder"),
        ({"source": "/etc/passwd"}, "tar"),
        ({"source": "relative.tar"}, "relative.tar"),
        ({"source": ""}, "source"),
        ({"source": "http://127.0.0.1:1/x.tar"}, "http"),
        ({"source": "https://127.0.0.1:1/x.tar"}, "http"),
        ({"source": "/dev/zero"}, ""),
    ],
)
def test_import_refuses(shared, parameters, words):
    reply = answer(
        shared,
        {"method": "io.podman.ImportImage", "parameters": {"reference": "new", **parameters}},
    )
    assert reply["error"] == "io.podman.ErrorOccurred"
    assert words in reply["parameters"]["reason"], reply
    assert len(shared.call("ListImages")["images"]) == 1


@pytest.mark.parametrize(
    "change", ["FOO", "ENV", "ENV=", "CMD=[", "USER=", "=x", "NOSUCH=1", "STOPSIGNAL=SIGNOSUCH"]
)
def test_import_changes_refused_or_harmless(shared, busybox_tar, change):
    reply = answer(
        shared,
        {
            "method": "io.podman.ImportImage",
            "parameters": {"source": busybox_tar, "reference": "new", "changes": [change]},
        },
    )
    if "error" in reply:
        assert reply["error"] == "io.podman.ErrorOccurred" and reply["parameters"]["reason"]
    else:
        shared.call("RemoveImage", name=reply["parameters"]["image"], force=True)
        if not shared.call("ImageExists", name="busybox")["exists"] == 0:
            shared.call("ImportImage", source=busybox_tar, reference="busybox", changes=[])


def test_import_bad_reference(shared, busybox_tar):
    """The original died of it."""
    for reference in ("Bad Ref", "A/B:c:d", ":", "a:", "x" * 5000):
        reply = answer(
            shared,
            {
                "method": "io.podman.ImportImage",
                "parameters": {"source": busybox_tar, "reference": reference},
            },
        )
        assert reply["error"] == "io.podman.ErrorOccurred", (reference, reply)
