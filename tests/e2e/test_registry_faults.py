# SPDX-License-Identifier: Apache-2.0
"""The registry client against a server that breaks, lies, or does not end."""

import os
import re
import socket
import time

import pytest

from hostile import Hostile
from registry import MANIFEST, PASSWORD, USER, Authority, sha256
from registry_tool import Tool
from scratch import SLOWNESS

BLOB = os.urandom(3 * 1024 * 1024)
DIGEST = sha256(BLOB)
PATH = f"/v2/a/blobs/{DIGEST}"
WORD = f"{DIGEST}={len(BLOB)}"
TAG = "/v2/a/manifests/x"


@pytest.fixture
def tool():
    with Tool() as made:
        yield made


def in_turn(*answers):
    """A route that answers each request differently, the last ones like the last."""
    left = list(answers)

    def route(request, peer):
        answer = left.pop(0) if len(left) > 1 else left[0]
        answer(request, peer)

    return route


def status(code, headers=None, body=b""):
    return lambda request, peer: peer.send(code, headers, body)


def whole(request, peer):
    """The blob, or the part that is asked for."""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    begin = int(asked.group(1)) if asked else 0
    headers = {"Content-Range": f"bytes {begin}-{len(BLOB) - 1}/{len(BLOB)}"} if asked else {}
    peer.send(206 if asked else 200, {"ETag": '"tag"', **headers}, BLOB[begin:])


def broken(size, reset=False):
    """The begin of what `whole` would send."""

    def route(request, peer):
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        begin = int(asked.group(1)) if asked else 0
        headers = {"ETag": '"tag"', "Content-Length": len(BLOB) - begin}
        if asked:
            headers["Content-Range"] = f"bytes {begin}-{len(BLOB) - 1}/{len(BLOB)}"
        peer.send(206 if asked else 200, headers, BLOB[begin : begin + size])
        if reset:
            peer.reset()
        peer.close()

    return route


def read_blob(tool, server, *options):
    return tool.blob(["--insecure", *options], f"{server.address}/a:x", DIGEST, len(BLOB))


def fail_blob(tool, server, *options, word=WORD):
    return tool.fail("--insecure", *options, "blob", f"{server.address}/a:x", "-", word)


def read_manifest(tool, server, *options):
    return tool.manifest("--insecure", *options, "manifest", f"{server.address}/a:x")


def fail_manifest(tool, server, *options, digest="-"):
    name = f"{server.address}/a:x"
    return tool.fail("--insecure", *options, "manifest", name, digest, tool.path("manifest"))


# --- blobs that break ----------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True])
def test_a_broken_blob_is_taken_up(tool, reset):
    route = in_turn(broken(1000), broken(1500000, reset), broken(0), whole)
    with Hostile({PATH: route}) as server:
        assert read_blob(tool, server) == BLOB
        requests = [r.headers for r in server.requests if r.path == PATH]
        assert len(requests) == 4
        assert "range" not in requests[0]
        assert requests[1]["range"] == "bytes=1000-"
        assert requests[1]["if-range"] == '"tag"'


def test_a_server_that_knows_no_ranges_is_listened_to_again(tool):
    route = in_turn(broken(2000000), lambda request, peer: peer.send(200, {}, BLOB))
    with Hostile({PATH: route}) as server:
        assert read_blob(tool, server) == BLOB
    route = in_turn(broken(2000000), status(416), lambda request, peer: peer.send(200, {}, BLOB))
    with Hostile({PATH: route}) as server:
        assert read_blob(tool, server) == BLOB
        assert "range" not in server.requests[-1].headers


def test_a_wrong_range_is_refused(tool):
    def other(request, peer):
        peer.send(206, {"Content-Range": f"bytes 7-{len(BLOB) - 1}/{len(BLOB)}"}, BLOB[7:])

    with Hostile({PATH: in_turn(broken(2000000), other)}) as server:
        kind, text = fail_blob(tool, server)
        assert (kind, "nobody asked for" in text) == ("corrupt", True)


def test_a_blob_that_never_gets_on_is_given_up(tool):
    with Hostile({PATH: broken(1000)}) as server:
        kind, text = fail_blob(tool, server)
        assert kind == "io", text
        assert len(server.paths()) == 1 + 6  # /v2/, and the first try with five more


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_wrong_length_is_refused_before_anything_is_passed_on(tool, difference):
    with Hostile({PATH: whole}) as server:
        size = len(BLOB) + difference
        name = f"{server.address}/a:x"
        kind, text = tool.fail("--insecure", "blob", name, tool.path("b"), f"{DIGEST}={size}")
        assert kind == "corrupt"
        assert f"the server has {len(BLOB)} bytes, and {size} were announced" in text
        assert tool.read("b") == b""


def test_an_endless_blob_is_cut(tool):
    def endless(request, peer):
        peer.send(200, {"Content-Length": None, "Connection": "close"})
        while True:
            peer.raw(b"x" * 65536)

    with Hostile({PATH: endless}) as server:
        name = f"{server.address}/a:x"
        kind, text = tool.fail("--insecure", "blob", name, tool.path("b"), WORD)
        assert (kind, "more than the" in text) == ("corrupt", True)
        assert len(tool.read("b")) <= len(BLOB)


def test_a_short_blob_without_a_length_is_asked_for_again(tool):
    def short(request, peer):
        peer.send(200, {"Content-Length": None, "Connection": "close"}, BLOB[:1234])
        peer.close()

    with Hostile({PATH: in_turn(short, whole)}) as server:
        assert read_blob(tool, server) == BLOB
    with Hostile({PATH: short}) as server:
        kind, text = fail_blob(tool, server)
        assert (kind, "has sent 1234 bytes" in text) == ("corrupt", True)


# --- servers with moods --------------------------------------------------------------------------


def test_errors_of_the_moment_pass(tool):
    route = in_turn(status(500), status(503), status(429), whole)
    with Hostile({PATH: route, TAG: in_turn(status(502), status(200, {}, b"{}"))}) as server:
        assert read_blob(tool, server) == BLOB
        assert read_manifest(tool, server)[0] == b"{}"


def test_errors_for_ever_are_told(tool):
    body = b'{"errors":[{"code":"UNKNOWN","message":"the disk\\u0007 is\\nbroken"}]}'
    with Hostile({PATH: status(500, {}, body), TAG: status(500, {}, body)}) as server:
        kind, text = fail_blob(tool, server)
        assert (kind, text.endswith("500 the disk  is broken (UNKNOWN)")) == ("io", True), text
        kind, text = fail_manifest(tool, server)
        assert (kind, text.endswith("500 the disk  is broken (UNKNOWN)")) == ("io", True), text
        assert tool.took < 15 * SLOWNESS


def test_retry_after_is_obeyed(tool):
    with Hostile({TAG: in_turn(status(429, {"Retry-After": "2"}), status(200))}) as server:
        read_manifest(tool, server)
        assert tool.took >= 2


def test_a_wait_can_be_cancelled(tool):
    with Hostile({TAG: status(429, {"Retry-After": "9999999999"})}) as server:
        kind, _ = fail_manifest(tool, server, "--cancel-ms", 500)
        assert kind == "cancelled"
        assert tool.took < 0.5 + 2 * SLOWNESS


@pytest.mark.parametrize("phase", ["connected", "answered", "body"])
def test_a_silent_server_is_cancelled_in_time(tool, phase):
    def silent(request, peer):
        if phase == "body":
            peer.send(200, {"Content-Length": 1000000}, b"x" * 1000)
        peer.read_request()

    silent_paths = {"/v2/": silent} if phase == "connected" else {PATH: silent}
    with Hostile(silent_paths) as server:
        kind, _ = fail_blob(tool, server, "--cancel-ms", 400, word=f"{DIGEST}=1000000")
        assert kind == "cancelled"
        # 200 ms for the cancel, and what it takes to start a program
        assert tool.took < 0.4 + 0.2 + 1 * SLOWNESS


def test_a_drip_is_no_transfer(tool):
    def drip(request, peer):
        peer.send(200, {"Content-Length": len(BLOB)})
        for _ in range(200):
            peer.raw(b"x")
            time.sleep(0.05)

    with Hostile({PATH: drip}) as server:
        begin = time.monotonic()
        kind, text = fail_blob(tool, server, "--stall-ms", 300)
        assert (kind, "has moved" in text) == ("timeout", True)
        assert time.monotonic() - begin < 20 * SLOWNESS

    def drip_headers(request, peer):
        peer.raw(b"HTTP/1.1 200 OK\r\n")
        for i in range(200):
            peer.raw(b"X-%d: y\r\n" % i)
            time.sleep(0.05)

    with Hostile({TAG: drip_headers}) as server:
        kind, text = fail_manifest(tool, server, "--stall-ms", 300)
        assert kind == "timeout", text


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\1\2 garbage\r\n\r\n",
        b"HTTP/9.9 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA\0b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"220 mail.example ESMTP\r\n",
    ],
)
def test_what_is_no_http_is_refused(tool, garbage):
    def answer(request, peer):
        peer.raw(garbage)
        peer.close()

    with Hostile({TAG: answer}) as server:
        kind, text = fail_manifest(tool, server)
        assert kind == "io"
        assert text.isprintable()


def test_endless_headers_are_cut(tool):
    def endless(request, peer):
        peer.raw(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.raw(b"X-Header: " + b"y" * 1000 + b"\r\n")

    def endless_patience(request, peer):
        while True:
            peer.raw(b"HTTP/1.1 100 Continue\r\n\r\n")

    for route in (endless, endless_patience):
        with Hostile({TAG: route}) as server:
            kind, text = fail_manifest(tool, server)
            assert kind in ("limit", "io"), text


# --- documents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("with_length", [True, False])
def test_a_manifest_may_not_be_large(tool, with_length):
    def large(request, peer):
        length = 5 << 20 if with_length else None
        peer.send(200, {"Content-Length": length, "Connection": "close"}, b"x" * (5 << 20))
        peer.close()

    with Hostile({TAG: large}) as server:
        kind, text = fail_manifest(tool, server)
        assert (kind, "more than 4194304 bytes" in text) == ("limit", True)


def test_a_manifest_must_be_what_its_digest_says(tool):
    digest = sha256(b"right")
    headers = {"Docker-Content-Digest": digest}
    with Hostile({f"/v2/a/manifests/{digest}": status(200, headers, b"wrong")}) as server:
        kind, text = fail_manifest(tool, server, digest=digest)
        assert (kind, sha256(b"wrong") in text) == ("corrupt", True)


def test_an_endless_error_is_cut(tool):
    def endless(request, peer):
        peer.send(400, {"Content-Length": None, "Connection": "close"})
        while True:
            peer.raw(b"x" * 65536)

    with Hostile({TAG: endless}) as server:
        kind, text = fail_manifest(tool, server)
        assert (kind, text.endswith("400 bad request")) == ("invalid", True)


def test_its_own_words_are_shortened(tool):
    body = b'{"errors":[{"message":"' + b"long " * 1000 + b'"}]}'
    with Hostile({TAG: status(400, {}, body)}) as server:
        _, text = fail_manifest(tool, server)
        assert len(text) < 500


# --- redirects -----------------------------------------------------------------------------------


def test_a_redirect_to_another_host_goes_without_the_password(tool):
    with Hostile({"/data": whole}) as other:
        target = other.url.replace("127.0.0.1", "localhost") + "/data"

        def guarded(request, peer):
            if "authorization" not in request.headers:
                peer.send(401, {"WWW-Authenticate": 'Basic realm="x"'})
            else:
                peer.send(307, {"Location": target})

        with Hostile({PATH: guarded, "/v2/": in_turn(guarded, status(200))}) as server:
            options = ("--creds", f"{USER}:{PASSWORD}")
            assert read_blob(tool, server, *options) == BLOB
            assert "authorization" in server.requests[-1].headers
        assert [r.path for r in other.requests] == ["/data"]
        assert "authorization" not in other.requests[0].headers


def test_redirects_in_a_loop_are_left(tool):
    with Hostile({TAG: status(302, {"Location": TAG})}) as server:
        kind, text = fail_manifest(tool, server)
        assert (kind, "redirects more than 10 times" in text) == ("limit", True)
        assert len(server.paths()) == 1 + 11


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "http://u:p@127.0.0.1/", "http://", "file:///etc/passwd"]
)
def test_redirects_lead_to_http_only(tool, location):
    with Hostile({TAG: status(302, {"Location": location})}) as server:
        kind, _ = fail_manifest(tool, server)
        assert kind == "invalid"


def test_no_redirect_leads_out_of_tls(tool):
    authority = Authority(tool.folder)
    with Hostile({"/x": status(200)}) as plain:
        routes = {TAG: status(302, {"Location": f"{plain.url}/x"})}
        with Hostile(routes, tls=authority.sign("server")) as server:
            kind, text = fail_manifest(tool, server)
            assert (kind, "from https to plain http" in text) == ("invalid", True)
        assert plain.requests == []


# --- logins --------------------------------------------------------------------------------------


def bearer(realm):
    return {"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="repository:a:pull"'}


def test_a_401_without_a_challenge_is_told(tool):
    with Hostile({TAG: status(401)}) as server:
        kind, text = fail_manifest(tool, server)
        assert (kind, "401 without a challenge" in text) == ("invalid", True)
    with Hostile({"/v2/": status(401, {"WWW-Authenticate": "Negotiate"})}) as server:
        kind, text = fail_manifest(tool, server)
        assert (kind, "neither Basic nor Bearer" in text) == ("unsupported", True)


@pytest.mark.parametrize(
    "answer, kind, words",
    [
        (status(401, {}, b'{"details":"no such user"}'), "invalid", "401 no such user"),
        (status(500), "io", "500 internal server error"),
        (status(200, {}, b"{}"), "invalid", "has no token"),
        (status(200, {}, b"[]"), "invalid", "not a JSON object"),
        (status(200, {}, b'{"token":"a\\r\\nX: y"}'), "invalid", "no header may have"),
        (status(200, {}, b'{"token":"' + b"x" * 70000 + b'"}'), "limit", "65536"),
        (status(200, {}, b" " * 300000), "limit", "262144"),
    ],
)
def test_a_token_server_may_fail(tool, answer, kind, words):
    with Hostile({"/token": answer}) as realm:
        with Hostile({"/v2/": status(401, bearer(realm.url + "/token"))}) as server:
            said, text = fail_manifest(tool, server)
            assert (said, words in text) == (kind, True), text
            assert "cannot get a token from" in text


def test_a_token_that_ends_is_renewed_in_mid_transfer(tool):
    tokens = []

    def give(request, peer):
        tokens.append(f"t{len(tokens)}")
        peer.send(200, {}, b'{"token":"%s","expires_in":3600}' % tokens[-1].encode())

    with Hostile({"/token": give}) as realm:
        challenge = bearer(realm.url + "/token")

        def guarded(request, peer):
            # each token is good for one request
            if request.headers.get("authorization") != f"Bearer {tokens[-1]}":
                return peer.send(401, challenge)
            tokens.append("used up")
            return broken(1100000)(request, peer)

        with Hostile({"/v2/": status(401, challenge), PATH: guarded}) as server:
            assert read_blob(tool, server) == BLOB
        assert [t for t in tokens if t != "used up"] == ["t0", "t2", "t4"]


def test_a_token_server_is_not_told_by_a_redirects_target(tool):
    with Hostile({"/token": status(200, {}, b'{"token":"t"}')}) as thief:
        with Hostile({"/data": status(401, bearer(thief.url + "/token"))}) as other:
            with Hostile({PATH: status(307, {"Location": other.url + "/data"})}) as server:
                kind, text = fail_blob(tool, server, "--creds", f"{USER}:{PASSWORD}")
                assert (kind, "401 unauthorized" in text) == ("invalid", True)
        assert thief.requests == []


def test_a_realm_must_be_as_safe_as_its_registry(tool):
    authority = Authority(tool.folder)
    with Hostile({}) as realm:
        routes = {"/v2/": status(401, bearer(realm.url + "/token"))}
        with Hostile(routes, tls=authority.sign("server")) as server:
            kind, text = fail_manifest(tool, server, "--creds", f"{USER}:{PASSWORD}")
            assert (kind, "plain http only" in text) == ("invalid", True)
        assert realm.requests == []


def test_a_denial_is_told_in_its_words(tool):
    body = b'{"errors":[{"code":"DENIED","message":"requested access is denied"}]}'
    with Hostile({TAG: status(403, {}, body)}) as server:
        kind, text = fail_manifest(tool, server)
        assert kind == "invalid"
        assert text.endswith("cannot read manifest of a:x: 403 requested access is denied (DENIED)")


# --- pushes --------------------------------------------------------------------------------------

UPLOADS = "/v2/a/blobs/uploads/"


def test_a_small_blob_is_sent_again(tool):
    routes = {
        UPLOADS: status(202, {"Location": "/upload?state=1"}),
        "/upload": in_turn(status(500), status(503), status(201)),
    }
    with Hostile(routes) as server:
        path = tool.write("small", b"content")
        tool.run("--insecure", "send", f"{server.address}/a:x", path, "-", -1)
        puts = [r for r in server.requests if r.method == "PUT"]
        assert [r.body for r in puts] == [b"content"] * 3
        assert puts[0].path.startswith("/upload?state=1&digest=sha256%3")


def test_a_large_blob_cannot_be_sent_again(tool):
    routes = {
        UPLOADS: status(202, {"Location": "/upload"}),
        "/upload": lambda request, peer: peer.send(500 if request.method == "PATCH" else 204),
    }
    with Hostile(routes) as server:
        path = tool.write("large", BLOB)
        name = f"{server.address}/a:x"
        kind, text = tool.fail("--insecure", "send", name, path, "-", -1)
        assert (kind, "cannot send blob" in text, "500" in text) == ("io", True, True)
        assert [r.method for r in server.requests if r.path == "/upload"] == ["PATCH", "DELETE"]


@pytest.mark.parametrize("location", [None, "ftp://x/", "http://u:p@localhost/"])
def test_an_upload_needs_a_place_to_go_to(tool, location):
    with Hostile({UPLOADS: status(202, {"Location": location})}) as server:
        path = tool.write("small", b"content")
        kind, _ = tool.fail("--insecure", "send", f"{server.address}/a:x", path, "-", -1)
        assert kind == "invalid"


def test_an_upload_elsewhere_goes_without_the_password(tool):
    with Hostile({"/up": status(201)}) as other:
        place = other.url.replace("127.0.0.1", "localhost") + "/up"

        def guarded(request, peer):
            if "authorization" not in request.headers:
                peer.send(401, {"WWW-Authenticate": 'Basic realm="x"'})
            else:
                peer.send(202, {"Location": place})

        with Hostile({UPLOADS: guarded, "/v2/": in_turn(guarded, status(200))}) as server:
            path = tool.write("small", b"content")
            command = ("send", f"{server.address}/a:x", path, "-", -1)
            tool.run("--insecure", "--creds", f"{USER}:{PASSWORD}", *command)
        assert "authorization" not in other.requests[0].headers


# --- search --------------------------------------------------------------------------------------


def test_a_catalog_comes_in_pages(tool):
    def page(request, peer):
        if "last=b" in request.path:
            peer.send(200, {}, b'{"repositories":["tool-c"]}')
        else:
            link = '</v2/_catalog?last=b&n=1000>; rel="next"'
            peer.send(200, {"Link": link}, b'{"repositories":["tool-a","b","x\\ny-tool"]}')

    with Hostile({"/v2/_catalog": page}) as server:
        lines = tool.run("--insecure", "search", server.address, "tool", 0).splitlines()
        assert [line.split()[1] for line in lines] == [
            f"{server.address}/tool-a",
            f"{server.address}/tool-c",
        ]
        assert server.paths()[1].startswith("/v1/search?q=tool&n=100")


def test_an_endless_catalog_is_left(tool):
    link = {"Link": '</v2/_catalog>; rel="next"'}
    with Hostile({"/v2/_catalog": status(200, link, b'{"repositories":[]}')}) as server:
        kind, text = tool.fail("--insecure", "search", server.address, "", 0)
        assert (kind, "more than 1000 pages" in text) == ("limit", True)


def test_a_registry_that_searches_is_asked(tool):
    body = (
        b'{"num_results":2,"results":[{"name":"team/tool","description":"a\\ntool","star_count":7,'
        b'"is_official":true,"is_automated":false},{"name":"other"}]}'
    )
    with Hostile({"/v1/search": status(200, {}, body)}) as server:
        lines = tool.run("--insecure", "search", server.address, "tool", 25).splitlines()
        assert lines == [
            f"{server.address} {server.address}/team/tool 7 1 0 a tool",
            f"{server.address} {server.address}/other 0 0 0 ",
        ]


# --- files from anywhere -------------------------------------------------------------------------


def test_fetching_a_file(tool):
    with Hostile({"/f": in_turn(broken(1000000), whole), "/no": status(403)}) as server:
        assert tool.run("fetch", server.url + "/f", tool.path("f"), len(BLOB)) == f"{len(BLOB)}\n"
        assert tool.read("f") == BLOB
        kind, _ = tool.fail("fetch", server.url + "/f", tool.path("f"), len(BLOB) - 1)
        assert kind == "limit"
        _, text = tool.fail("fetch", server.url + "/no", tool.path("f"), 100)
        assert "status 403" in text
    kind, _ = tool.fail("fetch", "http://127.0.0.1/" + "x" * 70000, tool.path("f"), 1)
    assert kind == "invalid"
    kind, _ = tool.fail("fetch", "file:///etc/passwd", tool.path("f"), 100)
    assert kind in ("invalid", "io")


def test_a_server_that_accepts_and_hangs_up(tool):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        listener.listen(16)
        kind, _ = tool.fail("--cancel-ms", 300, "manifest", f"{address}/a:x", "-", tool.path("m"))
        assert kind == "cancelled"


# --- proxies -------------------------------------------------------------------------------------


def test_proxies_of_the_environment_are_used(tool):
    with Hostile({TAG: status(200, {}, b"direct")}) as server:
        routes = {
            "http://r.example/v2/": status(200),
            f"http://r.example{TAG}": status(200, {}, b"by proxy"),
        }
        with Hostile(routes) as proxy:
            tool.environment["http_proxy"] = proxy.url
            tool.environment["https_proxy"] = proxy.url
            tool.environment["no_proxy"] = "127.0.0.1"
            assert tool.manifest("--insecure", "manifest", "r.example/a:x")[0] == b"by proxy"
            assert "r.example:443" in proxy.paths("CONNECT")
            assert read_manifest(tool, server)[0] == b"direct"
