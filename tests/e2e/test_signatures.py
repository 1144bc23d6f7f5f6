# SPDX-License-Identifier: Apache-2.0
"""policy.json and simple signatures, made by gpg and skopeo, checked by archive-tool and skopeo.

Whatever we say of an image, skopeo has to say the same.
"""

import base64
import functools
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading

import pytest

import registry
import test_archives
from engine import Engine
from test_archives import TOOL, docker_members, sha256, write_archive

ANYTHING = [{"type": "insecureAcceptAnything"}]
NAME = "registry.example.com/team/app:1"


class Keys:
    """Keys of gpg in a home of their own; made once, since that takes long."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="selkie-gpg-", dir="/tmp")
        self.environment = {**os.environ, "GNUPGHOME": self.folder}
        self.fingerprints = {}
        for user in ("alice", "mallory"):
            self.gpg("--quick-gen-key", f"{user}@example.com", "rsa2048", "sign", "never")
            listing = self.gpg("--with-colons", "--list-keys", user).decode()
            self.fingerprints[user] = listing.split("fpr:")[1].strip(":").split(":")[0]
            for form, flags in (("gpg", []), ("asc", ["--armor"])):
                self.gpg(*flags, "--output", self.path(f"{user}.{form}"), "--export", user)

    def gpg(self, *words, data=None, time=None):
        """Run gpg; what it printed."""
        faked = ["--faked-system-time", time] if time else []
        return subprocess.run(
            ["gpg", "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
            + faked
            + list(words),
            env=self.environment,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        ).stdout

    def path(self, name):
        """A path in the home."""
        return os.path.join(self.folder, name)

    def sign(self, payload, user="alice", **options):
        """A signed message."""
        return self.gpg("-u", user, "--sign", data=payload, **options)

    def remove(self):
        """End gpg's agent; remove the home."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self.environment, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def keys():
    """Two keys."""
    made = Keys()
    yield made
    made.remove()


class Bench(test_archives.Bench):
    """With a signed image in the folder `signed`."""

    def __init__(self, keys):
        super().__init__()
        self.keys = keys
        self.environment["GNUPGHOME"] = keys.folder
        write_archive(self.path("a.tar"), docker_members())
        self.skopeo(
            "copy", "-q", "--sign-by", keys.fingerprints["alice"], "--sign-identity", NAME,
            "docker-archive:a.tar", "dir:signed",
        )  # fmt: skip
        with open(self.path("signed/manifest.json"), "rb") as stream:
            self.digest = "sha256:" + sha256(stream.read())

    def policy(self, requirement, **more):
        """A policy that asks this of images in folders."""
        document = {
            "default": [{"type": "reject"}],
            "transports": {"dir": {"": requirement}, **more},
        }
        return self.write("p.json", json.dumps(document).encode())

    def theirs(self, *words):
        """Whether skopeo lets it in."""
        shutil.rmtree(self.path("theirs"), ignore_errors=True)
        result = subprocess.run(
            ["skopeo", "--policy", self.path("p.json"), "copy", "-q", "--remove-signatures",
             *words, "dir:theirs"],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )  # fmt: skip
        return result.returncode == 0

    def accepts(self, source="dir:signed"):
        """We and skopeo let it in."""
        self.tool("check", source, "p.json")
        assert self.theirs(source)

    def rejects(self, reason, source="dir:signed"):
        """Neither we nor skopeo let it in."""
        said = self.refuses("check", source, "p.json")
        assert reason in said, said
        assert not self.theirs(source)


@pytest.fixture
def bench(keys):
    """A bench, removed in the end."""
    made = Bench(keys)
    yield made
    left = [name for name in made.files() if "/selkie-keys-" in name]
    left += [name for name in os.listdir(made.folder) if name.startswith("selkie-")]
    shutil.rmtree(made.folder)
    assert left == []


def signed_by(keys, user="alice", form="gpg", **identity):
    """A requirement."""
    return [
        {
            "type": "signedBy",
            "keyType": "GPGKeys",
            "keyPath": keys.path(f"{user}.{form}"),
            "signedIdentity": identity
            or {"type": "exactRepository", "dockerRepository": NAME.rpartition(":")[0]},
        }
    ]


def claim(bench, **changes):
    """The payload of a good signature, but for what is asked."""
    critical = {
        "type": "atomic container signature",
        "image": {"docker-manifest-digest": bench.digest},
        "identity": {"docker-reference": NAME},
        **changes,
    }
    return json.dumps({"critical": critical, "optional": {"creator": "a test"}}).encode()


def test_what_skopeo_signs(bench, keys):
    """Keys as files, armored or not, several, or in the policy itself."""
    for form in ("gpg", "asc"):
        bench.policy(signed_by(keys, form=form))
        bench.accepts()
    bench.policy(signed_by(keys, "mallory"))
    bench.rejects("not trusted")
    requirement = signed_by(keys)
    del requirement[0]["keyPath"]
    with open(keys.path("alice.gpg"), "rb") as stream:
        requirement[0]["keyData"] = base64.b64encode(stream.read()).decode()
    bench.policy(requirement)
    bench.accepts()
    del requirement[0]["keyData"]
    requirement[0]["keyPaths"] = [keys.path("mallory.gpg"), keys.path("alice.gpg")]
    bench.policy(requirement)
    bench.tool("check", "dir:signed", "p.json")  # skopeo 1.9 knows no keyPaths


def test_every_requirement_must_be_met(bench, keys):
    """Two of signedBy; one beside reject; one that is not supported."""
    bench.policy(signed_by(keys) + ANYTHING)
    bench.accepts()
    bench.policy(signed_by(keys) + signed_by(keys, "mallory"))
    bench.rejects("not trusted")
    bench.policy(signed_by(keys) + [{"type": "reject"}])
    bench.rejects("the policy rejects it")
    bench.policy([{"type": "sigstoreSigned", "keyPath": "/x",
                   "signedIdentity": {"type": "matchRepository"}}])  # fmt: skip
    bench.rejects("sigstoreSigned, which is not supported")


def test_names_must_match(bench, keys):
    """A signature is for a name."""
    bench.policy(signed_by(keys, type="exactReference", dockerReference=NAME))
    bench.accepts()
    bench.policy(signed_by(keys, type="exactReference", dockerReference=NAME + "2"))
    bench.rejects(f"it is for the name {NAME}")
    bench.policy(signed_by(keys, type="exactRepository", dockerRepository="quay.io/other"))
    bench.rejects("it is for the name")
    bench.policy(signed_by(keys, type="matchRepoDigestOrExact"))
    bench.rejects("it is for the name")  # a folder gives an image no name
    bench.tool("check", "dir:signed", "p.json", NAME)
    assert "for the name" in bench.refuses("check", "dir:signed", "p.json", NAME + "2")


def test_signatures_that_are_none(bench, keys):
    """Altered, unsigned, for another manifest, expired, doubled, too large, none at all."""
    bench.policy(signed_by(keys))
    good = bench.path("signed/signature-1")
    with open(good, "rb") as stream:
        signature = stream.read()

    def becomes(data, reason):
        bench.write("signed/signature-1", data)
        bench.rejects(reason)

    becomes(keys.sign(claim(bench, image={"docker-manifest-digest": "sha256:" + "0" * 64})),
            "another manifest")  # fmt: skip
    becomes(keys.sign(claim(bench, type="x")), "unknown type")
    becomes(keys.sign(claim(bench, more=1)), "critical.more is not known")
    becomes(keys.sign(b"{}"), "not an object")
    becomes(keys.sign(b""), "not")
    becomes(claim(bench), "no signed message")
    becomes(signature[:-10], "not")
    becomes(b"", "no signed message")
    becomes(b"\xff" + os.urandom(1000), "no signed message")
    becomes(keys.gpg("-u", "alice", "--clearsign", data=claim(bench)), "binary form")
    becomes(keys.gpg("-u", "alice", "--armor", "--sign", data=claim(bench)), "binary form")
    bench.write("signed/signature-1", b"x" * 70000)
    assert "more than" in bench.refuses("check", "dir:signed", "p.json")
    os.unlink(good)
    bench.rejects("a signature is required, and there is none")
    bench.write("signed/signature-1", keys.sign(b"{}"))
    bench.write("signed/signature-2", signature)
    bench.accepts()  # one that is good is enough


def test_signatures_that_were_altered(bench, keys):
    """Whatever bit is turned, we say what skopeo says: a few are of no meaning to gpg."""
    bench.policy(signed_by(keys))
    with open(bench.path("signed/signature-1"), "rb") as stream:
        signature = stream.read()
    accepted = 0
    for i in range(5, len(signature), 40):
        altered = signature[:i] + bytes([signature[i] ^ 1]) + signature[i + 1 :]
        bench.write("signed/signature-1", altered)
        theirs = bench.theirs("dir:signed")
        accepted += theirs
        if theirs:
            bench.tool("check", "dir:signed", "p.json")
        else:
            bench.refuses("check", "dir:signed", "p.json")
    assert accepted <= 2


def test_keys_that_are_revoked_or_expired(bench, keys):
    """A key that is not to be used any more signs nothing."""
    keys.gpg("--quick-gen-key", "old@example.com", "rsa2048", "sign", "seconds=86400",
             time="20200101T000000")  # fmt: skip
    keys.gpg("--output", bench.path("old.gpg"), "--export", "old")
    signature = keys.sign(claim(bench), "old", time="20200101T010000")
    bench.write("signed/signature-1", signature)
    requirement = signed_by(keys)
    requirement[0]["keyPath"] = bench.path("old.gpg")
    bench.policy(requirement)
    bench.rejects("expired")

    keys.gpg("--quick-gen-key", "gone@example.com", "rsa2048", "sign", "never")
    listing = keys.gpg("--with-colons", "--list-keys", "gone").decode()
    fingerprint = listing.split("fpr:")[1].strip(":").split(":")[0]
    bench.write("signed/signature-1", keys.sign(claim(bench), "gone"))
    requirement[0]["keyPath"] = bench.path("gone.gpg")
    keys.gpg("--output", bench.path("gone.gpg"), "--export", "gone")
    bench.policy(requirement)
    bench.accepts()
    with open(keys.path(f"openpgp-revocs.d/{fingerprint}.rev"), "rb") as stream:
        keys.gpg("--import", data=stream.read().replace(b":-----BEGIN", b"-----BEGIN"))
    keys.gpg("--yes", "--output", bench.path("gone.gpg"), "--export", "gone")
    bench.rejects("revoked")


def test_what_gpg_cannot_use(bench, keys):
    """Keys that are missing, or none: the policy's fault is told, not the signature's."""
    for data, reason in ((None, "cannot read the keys"), (b"", "no public key"),
                         (b"no key", "no public key")):  # fmt: skip
        if data is not None:
            bench.write("k.gpg", data)
        requirement = signed_by(keys)
        requirement[0]["keyPath"] = bench.path("k.gpg")
        bench.policy(requirement)
        bench.rejects(reason)


def test_the_users_keyring_has_no_say(bench, keys):
    """All keys are in GNUPGHOME here; only those of the policy count."""
    assert bench.environment["GNUPGHOME"] == keys.folder
    bench.write("signed/signature-1", keys.sign(claim(bench), "mallory"))
    bench.policy(signed_by(keys))
    bench.rejects("not trusted")


def test_scopes(bench, keys):
    """The nearest folder's requirements hold; layouts and archives have scopes of their own."""
    document = {
        "default": [{"type": "reject"}],
        "transports": {
            "dir": {bench.folder: signed_by(keys), bench.path("free"): ANYTHING},
            "oci": {bench.path("layout"): ANYTHING},
            "oci-archive": {bench.path("x.oci"): ANYTHING},
        },
    }
    bench.write("p.json", json.dumps(document).encode())
    bench.tool("copy", "docker-archive:a.tar", "dir:free")
    bench.tool("copy", "docker-archive:a.tar", "oci:layout:good")
    bench.tool("copy", "docker-archive:a.tar", "oci:bad:good")
    bench.tool("copy", "docker-archive:a.tar", "oci-archive:x.oci:t")
    shutil.copytree(bench.path("free"), bench.path("unsigned"))
    bench.accepts("dir:free")
    bench.accepts("dir:signed")
    bench.rejects("a signature is required", "dir:unsigned")
    bench.accepts("oci:layout:good")
    bench.rejects("the policy rejects it", "oci:bad:good")
    bench.accepts("oci-archive:x.oci")
    bench.rejects("the policy rejects it", "docker-archive:a.tar")


def test_broken_policies(bench):
    """A policy that cannot be read lets nothing in."""
    for text in ("", "{}", '{"default":[]}', '{"default":[{"type":"reject","x":1}]}',
                 '{"default":[{"type":"insecureAcceptAnything"}],"transport":{}}'):  # fmt: skip
        bench.write("p.json", text.encode())
        bench.rejects("p.json")
    os.unlink(bench.path("p.json"))
    bench.rejects("there is no policy")


def test_lookaside_is_where_skopeo_writes(bench, keys):
    """What skopeo's signing of a registry's image would write is where we look."""
    bench.write(
        ".config/containers/registries.d/a.yaml",
        f"docker:\n  registry.example.com:\n    lookaside: file://{bench.folder}/sigs\n".encode(),
    )
    folder = f"sigs/team/app@sha256={bench.digest[7:]}"
    for i in (1, 2):
        bench.write(f"{folder}/signature-{i}", keys.sign(claim(bench)))
    said = bench.run(TOOL, "lookaside", NAME, bench.digest).decode().split()
    assert said == [f"file://{bench.folder}/{folder}/signature-1", "2"]
    said = bench.run(TOOL, "lookaside", "quay.io/a/b", bench.digest).decode().split()
    assert said[0].startswith("file:///var/lib/containers/sigstore/a/b@sha256=")


class Web:
    """A folder as a web server gives it out; a name with `broken` in it is a failure of its own."""

    def __init__(self, folder):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                if "broken" in self.path:
                    self.send_error(503)
                else:
                    super().do_GET()

            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def pull(bench, name):
    """What an engine with this home says to a pull: an id, or the reason."""
    engine = Engine()
    try:
        engine.start(env={**os.environ, "HOME": bench.folder, "TMPDIR": bench.folder})
        try:
            return engine.call("PullImage", name=name)["id"]
        except Exception as refusal:  # pylint: disable=broad-except
            return str(refusal)
    finally:
        engine.discard()


def test_a_registry_and_its_lookaside(bench, keys):
    """skopeo signs on its way to a registry; the engine pulls by policy, from files and by HTTP."""
    home = ".config/containers"
    with registry.Registry() as server, Web(bench.folder) as web:
        host = server.name("x").partition("/")[0]
        places = f"file://{bench.folder}/sigs"

        def lookaside(url):
            bench.write(
                f"{home}/registries.d/a.yaml",
                f"docker:\n  {host}:\n    lookaside: {url}\n"
                f"    lookaside-staging: {places}\n".encode(),
            )

        lookaside(places)
        bench.write(
            f"{home}/registries.conf",
            f'[[registry]]\nlocation = "{host}"\ninsecure = true\n'.encode(),
        )
        for name, user in (("good", "alice"), ("bad", "mallory")):
            bench.skopeo(
                *("--registries.d", bench.path(f"{home}/registries.d"), "copy", "-q"),
                *("--dest-tls-verify=false", "--sign-by", keys.fingerprints[user]),
                *("docker-archive:a.tar", f"docker://{host}/team/{name}:1"),
            )
        bench.skopeo(
            *("copy", "-q", "--dest-tls-verify=false"),
            *("docker-archive:a.tar", f"docker://{host}/team/none:1"),
        )
        document = {
            "default": [{"type": "reject"}],
            "transports": {"docker": {host: signed_by(keys, type="matchRepoDigestOrExact")}},
        }
        bench.write(f"{home}/policy.json", json.dumps(document).encode())
        image = sha256(test_archives.CONFIG)
        for url in (places, f"{web.url}/sigs"):
            lookaside(url)
            assert pull(bench, f"{host}/team/good:1") == image
            assert "not trusted" in pull(bench, f"{host}/team/bad:1")
            assert "there is none" in pull(bench, f"{host}/team/none:1")
        digest = server.request("HEAD", "team/good/manifests/1", headers={
            "Accept": test_archives.DOCKER})[1]["Docker-Content-Digest"]  # fmt: skip
        assert pull(bench, f"{host}/team/good@{digest}") == image
        lookaside(f"{web.url}/broken")
        assert "503" in pull(bench, f"{host}/team/good:1")
        assert "the policy rejects it" in pull(bench, f"dir:{bench.path('signed')}")
