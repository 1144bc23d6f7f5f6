# SPDX-License-Identifier: Apache-2.0
"""The registry client against Debian's docker-registry, of every kind."""

import base64
import json
import os
import subprocess

import pytest

from registry import INDEX, MANIFEST, PASSWORD, USER, Registry, sha256
from registry_tool import Tool

LARGE = os.urandom(3 * 1024 * 1024 + 17)

KINDS = {
    "plain": {},
    "tls": {"tls": True},
    "client-certificates": {"tls": True, "client_certificates": True},
    "password": {"login": True},
    "tokens": {"tokens": True},
    "tls-password": {"tls": True, "login": True},
}


@pytest.fixture
def tool():
    with Tool() as made:
        yield made


@pytest.fixture
def plain():
    with Registry() as made:
        yield made


@pytest.fixture(params=KINDS)
def any_kind(request):
    """(a registry, the options that it needs)."""
    kind = KINDS[request.param]
    with Registry(**kind) as made:
        options = ["--cert-dir", made.certs()] if made.authority else ["--insecure"]
        if "login" in kind or "tokens" in kind:
            options += ["--creds", f"{USER}:{PASSWORD}"]
        yield made, options


def login(*names):
    """An auth.json that knows USER for each of the names."""
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return json.dumps({"auths": {name: {"auth": pair} for name in names}})


def test_reading(any_kind, tool):
    registry, options = any_kind
    image = registry.put_image("a", "one", LARGE)
    layer = json.loads(image)["layers"][0]
    name = registry.name("a", "one")

    assert tool.manifest(*options, "manifest", name) == (image, MANIFEST)
    by_digest = f"{registry.address}/a@{sha256(image)}"
    assert tool.manifest(*options, "manifest", by_digest) == (image, MANIFEST)
    assert tool.manifest(*options, "manifest", name, digest=sha256(image))[0] == image
    assert tool.blob(options, name, layer["digest"], layer["size"]) == LARGE

    kind, text = tool.fail(*options, "manifest", registry.name("a", "two"), "-", tool.path("x"))
    assert kind == "not-found"
    assert (
        text == f"registry {registry.address}: cannot read manifest of a:two: 404 manifest unknown"
    )
    kind, text = tool.fail(*options, "blob", name, "-", f"{sha256(b'no')}=2")
    assert (kind, "404 blob unknown" in text) == ("not-found", True)


def test_writing(any_kind, tool):
    registry, options = any_kind
    large, small = tool.write("large", LARGE), tool.write("small", b"{}")
    name = registry.name("b", "new")

    # of unknown digest and size, in memory and as a stream; then known before
    assert tool.run(*options, "send", name, small, "-", -1).split()[:2] == [sha256(b"{}"), "2"]
    said = tool.run(*options, "send", name, large, "-", -1).split()
    assert said[:2] == [sha256(LARGE), str(len(LARGE))]
    known = registry.name("c", "new")
    tool.run(*options, "send", known, large, sha256(LARGE), len(LARGE))
    assert registry.get_blob("b", sha256(LARGE)) == LARGE
    assert registry.get_blob("c", sha256(LARGE)) == LARGE
    assert tool.run(*options, "has", name, sha256(b"{}")) == "1\n"
    assert tool.run(*options, "has", name, sha256(b"other")) == "0\n"

    # what another repository has is mounted, not sent
    options_mount = [*options, "--mount-from", "nobody", "--mount-from", "b"]
    mounted = registry.name("d", "new")
    assert tool.run(*options_mount, "send", mounted, "/dev/null", sha256(LARGE), 1) == "there\n"
    assert registry.has_blob("d", sha256(LARGE))
    # an upload that a mount had opened serves the blob that has to be sent after all
    fresh = tool.write("fresh", b"fresh")
    tool.run(*options_mount, "send", mounted, fresh, sha256(b"fresh"), 5)
    assert registry.get_blob("d", sha256(b"fresh")) == b"fresh"

    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "a/b", "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": "a/b", "digest": sha256(LARGE), "size": len(LARGE)}],
    }
    data = json.dumps(document).encode()
    tool.run(*options, "push", name, MANIFEST, tool.write("manifest", data))
    assert registry.get_manifest("b", "new") == (data, MANIFEST)
    by_digest = f"{registry.address}/b@{sha256(data)}"
    tool.run(*options, "push", by_digest, MANIFEST, tool.path("manifest"))
    assert registry.open_uploads() == []


def test_search_reads_the_catalog(any_kind, tool):
    registry, options = any_kind
    for name in ("tool", "toolbox", "other"):
        registry.put_image(name, "x")
    if registry.token_server:  # nobody may see its catalog
        return
    lines = tool.run(*options, "search", registry.address, "tool", 0).splitlines()
    assert [line.split()[1] for line in lines] == [
        f"{registry.address}/tool",
        f"{registry.address}/toolbox",
    ]
    assert len(tool.run(*options, "search", registry.address, "", 0).splitlines()) == 3
    assert len(tool.run(*options, "search", registry.address, "", 2).splitlines()) == 2
    assert tool.run(*options, "search", registry.address, "nothing", 0) == ""


def test_a_list_is_read_as_it_is(plain, tool):
    image = plain.put_image("a", "x")
    entry = {"mediaType": MANIFEST, "digest": sha256(image), "size": len(image)}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    plain.put_manifest("a", "list", index, INDEX)
    assert tool.manifest("--insecure", "manifest", plain.name("a", "list")) == (index, INDEX)


def test_many_blobs_at_once(plain, tool):
    blobs = [plain.put_blob("a", os.urandom(size)) for size in (0, 1, 70000, 2 << 20, 5 << 20)] * 3
    words = [f"{blob['digest']}={blob['size']}" for blob in blobs]
    said = tool.run("--insecure", "blob", plain.name("a"), "-", *words)
    assert said.split() == [str(blob["size"]) for blob in blobs]


def test_skopeo_reads_what_we_pushed(plain, tool):
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    ).encode()
    name = plain.name("shared")
    tool.run("--insecure", "send", name, tool.write("config", config), "-", -1)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": sha256(config),
            "size": len(config),
        },
        "layers": [],
    }
    path = tool.write("manifest", json.dumps(document))
    tool.run("--insecure", "push", name, MANIFEST, path)
    inspected = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"],
        check=True,
        capture_output=True,
        env=tool.environment,
    )
    assert json.loads(inspected.stdout)["Digest"] == sha256(json.dumps(document).encode())


# --- who is trusted ------------------------------------------------------------------------------


def test_certificates_are_found_by_the_registrys_name(tool):
    with Registry(tls=True, client_certificates=True) as registry:
        registry.put_image("a", "x")
        name = registry.name("a", "x")
        kind, text = tool.fail("manifest", name, "-", tool.path("x"))
        assert (kind, "certificate" in text) == ("io", True)

        folder = f"etc/containers/certs.d/{registry.address}"
        with open(registry.authority.path, "rb") as stream:
            tool.write(f"{folder}/own.crt", stream.read())
        kind, text = tool.fail("manifest", name, "-", tool.path("x"))
        assert kind == "io"  # trusted, but it wants to see who we are
        with open(registry.client_certificate, "rb") as stream:
            tool.write(f"{folder}/who.cert", stream.read())
        kind, text = tool.fail("manifest", name, "-", tool.path("x"))
        assert (kind, "who.key is missing" in text) == ("invalid", True)
        with open(registry.client_key, "rb") as stream:
            tool.write(f"{folder}/who.key", stream.read(), 0o600)
        tool.run("manifest", name, "-", tool.path("x"))


def test_plain_http_only_where_it_will_do(plain, tool):
    plain.put_image("a", "x")
    kind, _ = tool.fail("manifest", plain.name("a", "x"), "-", tool.path("x"))
    assert kind == "io"
    tool.run("--insecure", "manifest", plain.name("a", "x"), "-", tool.path("x"))


def test_unverified_tls_where_it_will_do(tool):
    with Registry(tls=True) as registry:
        registry.put_image("a", "x")
        tool.run("--insecure", "manifest", registry.name("a", "x"), "-", tool.path("x"))


def test_a_registry_that_is_down_is_told_at_once(plain, tool):
    address = plain.address
    plain.stop()
    kind, text = tool.fail("--insecure", "manifest", f"{address}/a:b", "-", tool.path("x"))
    assert kind == "io"
    assert text.startswith(f"registry {address}: cannot read manifest of a:b: Failed to connect")


# --- who we are ----------------------------------------------------------------------------------


def test_a_wrong_or_missing_password_is_told(tool):
    with Registry(login=True) as registry:
        registry.put_image("a", "x")
        command = ("manifest", registry.name("a", "x"), "-", tool.path("x"))
        kind, text = tool.fail("--insecure", *command)
        assert (kind, "none are known" in text) == ("invalid", True)
        kind, text = tool.fail("--insecure", "--creds", f"{USER}:wrong", *command)
        assert (kind, "401 authentication required" in text) == ("invalid", True)
        assert "wrong" not in text


@pytest.mark.parametrize(
    "path",
    [
        "run/containers/0/auth.json",
        "home/.config/containers/auth.json",
        "home/.docker/config.json",
        "elsewhere",
    ],
)
def test_logins_are_found_where_podman_puts_them(path, tool):
    with Registry(login=True) as registry:
        registry.put_image("a/b", "x")
        path = tool.write(path, login(f"{registry.address}/a"), 0o600)
        if path.endswith("elsewhere"):
            tool.environment["REGISTRY_AUTH_FILE"] = path
        tool.run("--insecure", "manifest", registry.name("a/b", "x"), "-", tool.path("x"))


def test_podman_login_is_understood(tool):
    with Registry(login=True) as registry:
        registry.put_image("a", "x")
        authfile = tool.path("auth.json")
        subprocess.run(
            [
                *("skopeo", "login", "--tls-verify=false", "--authfile", authfile),
                *("-u", USER, "--password-stdin", registry.address),
            ],
            input=PASSWORD.encode(),
            check=True,
            capture_output=True,
            env=tool.environment,
        )
        command = ("manifest", registry.name("a", "x"), "-", tool.path("x"))
        tool.run("--insecure", "--auth-file", authfile, *command)


def test_a_credential_helper_is_asked(tool):
    with Registry(login=True) as registry:
        registry.put_image("a", "x")
        tool.write("bin/docker-credential-test", HELPER.format(log=tool.path("asked")), 0o755)
        tool.environment["PATH"] = tool.path("bin") + ":" + tool.environment["PATH"]
        config = json.dumps({"credHelpers": {registry.address: "test"}})
        tool.write("home/.docker/config.json", config)
        tool.run("--insecure", "manifest", registry.name("a", "x"), "-", tool.path("x"))
        assert tool.read("asked").decode() == f"get {registry.address}"


HELPER = f"""#!/bin/sh
printf '%s %s' "$1" "$(cat)" >{{log}}
echo '{{{{"ServerURL":"x","Username":"{USER}","Secret":"{PASSWORD}"}}}}'
"""


def test_a_token_serves_many_calls(tool):
    with Registry(tokens=True) as registry:
        blobs = [registry.put_blob("a", os.urandom(1000)) for _ in range(6)]
        words = [f"{blob['digest']}={blob['size']}" for blob in blobs]
        tool.run("--insecure", "blob", registry.name("a"), "-", *words)
        assert registry.token_server.given == [("GET", "", ["repository:a:pull"])]


def test_tokens_are_asked_for_what_is_done(tool):
    with Registry(tokens=True) as registry:
        options = ["--insecure", "--creds", f"{USER}:{PASSWORD}", "--mount-from", "b"]
        tool.run(*options, "has", registry.name("a"), sha256(b"x"))
        scopes = ["repository:a:pull,push", "repository:b:pull"]
        assert registry.token_server.given[0] == ("GET", USER, scopes)
        # whoever may only pull is told so
        kind, text = tool.fail(
            "--insecure", "send", registry.name("a"), tool.write("f", b"x"), "-", -1
        )
        assert (kind, text.endswith("(UNAUTHORIZED)")) == ("invalid", True)


def test_an_identity_token_is_exchanged(tool):
    with Registry(tokens=True) as registry:
        registry.put_image("a", "x")
        entry = {"auth": "", "identitytoken": "the-identity"}
        path = tool.write("auth.json", json.dumps({"auths": {registry.address: entry}}))
        command = ("manifest", registry.name("a", "x"), "-", tool.path("x"))
        tool.run("--insecure", "--auth-file", path, *command)
        assert registry.token_server.given == [("POST", USER, ["repository:a:pull"])]


# --- what ends early -----------------------------------------------------------------------------


def test_what_is_not_as_announced_is_not_stored(plain, tool):
    path, name = tool.write("large", LARGE), plain.name("a")
    kind, text = tool.fail("--insecure", "send", name, path, sha256(b"other"), -1)
    assert kind == "corrupt", text
    assert plain.open_uploads() == []
    # this registry gives up no upload that broke within a request
    for digest, size in (
        (sha256(b"other"), len(LARGE)),
        (sha256(LARGE), len(LARGE) - 1),
        (sha256(LARGE), len(LARGE) + 1),
    ):
        kind, text = tool.fail("--insecure", "send", name, path, digest, size)
        assert kind == "corrupt", text
    assert not plain.has_blob("a", sha256(LARGE))


def test_a_reader_that_gives_up_ends_it(plain, tool):
    blob = plain.put_blob("a", bytes(20 << 20))
    word = f"{blob['digest']}={blob['size']}"
    kind, _ = tool.fail("--insecure", "--reader-max", 1, "blob", plain.name("a"), "-", word)
    assert kind == "cancelled"


def test_a_cancel_is_noticed_while_the_reader_waits(plain, tool):
    blob = plain.put_blob("a", bytes(20 << 20))
    word = f"{blob['digest']}={blob['size']}"
    options = ["--insecure", "--cancel-ms", 300, "--slow-reader-ms", 600]
    kind, _ = tool.fail(*options, "blob", plain.name("a"), "-", word)
    assert kind == "cancelled"


def test_a_slow_reader_is_no_stalled_server(plain, tool):
    blob = plain.put_blob("a", bytes(20 << 20))
    word = f"{blob['digest']}={blob['size']}"
    options = ["--insecure", "--stall-ms", 300, "--slow-reader-ms", 1000]
    assert tool.run(*options, "blob", plain.name("a"), "-", word) == f"{20 << 20}\n"
