# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry, one for each test: plain, with TLS, with logins, with a token server.

The kernel chooses the ports; everything lies in one folder under /tmp that goes with the registry.
"""

import base64
import hashlib
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import scratch

PROGRAM = "/usr/bin/docker-registry"
USER, PASSWORD = "selkie", "geheim"
# What `htpasswd -B` makes of them.
HTPASSWD = "selkie:$2y$05$SelkieSelkieSelkieSel.A6ADWYZGXe11/2Y01N6bosuY2mhgLtm\n"

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

CONFIG = """version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: 127.0.0.1:0
{tls}{auth}"""


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def openssl(*arguments, **kwargs):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, **kwargs).stdout


class Authority:
    """A certificate authority of a test's own, and what it has signed."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "ca.crt")
        self.key = os.path.join(folder, "ca.key")
        openssl(*self._request("ca", "/CN=selkie test authority"), "-x509", "-days", "2")

    def _request(self, name, subject):
        return [
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", subject, "-keyout", f"{self.folder}/{name}.key"),
            *("-out", f"{self.folder}/{name}.{'crt' if name == 'ca' else 'csr'}"),
        ]

    def sign(self, name):
        """A key and a certificate for 127.0.0.1; their paths."""
        stem = os.path.join(self.folder, name)
        openssl(*self._request(name, f"/CN={name}"))
        with open(stem + ".ext", "w", encoding="utf-8") as stream:
            stream.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl(
            *("x509", "-req", "-days", "2", "-in", stem + ".csr", "-CA", self.path),
            *("-CAkey", self.key, "-CAcreateserial", "-extfile", stem + ".ext"),
            *("-out", stem + ".cert"),
        )
        return stem + ".cert", stem + ".key"


class TokenServer:
    """Gives tokens that a registry believes to whoever has the password; counts what it gave."""

    def __init__(self, folder, life=300):
        self.life = life
        self.given = []  # (method, account, scopes)
        self.realm = None
        self.authority = Authority(folder)
        self.certificate, self.key = self.authority.sign("token")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.realm = f"http://127.0.0.1:{self.server.server_address[1]}/token"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def make(self, account, scopes):
        """A token in the form that the registry's libtrust reads."""

        def encode(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")

        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        der = ssl.PEM_cert_to_DER_cert(_read(self.certificate))
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            **{"iss": "selkie", "aud": "registry", "sub": account, "access": access},
            **{"nbf": now - 60, "iat": now, "exp": now + 3600, "jti": os.urandom(8).hex()},
        }
        text = encode(json.dumps(header).encode()) + b"." + encode(json.dumps(claims).encode())
        signature = openssl("dgst", "-sha256", "-sign", self.key, input=text)
        return (text + b"." + encode(_raw_signature(signature))).decode()

    def _handler(self):
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                login = self.headers.get("Authorization")
                account = ""
                if login:
                    pair = base64.b64decode(login.partition(" ")[2]).decode()
                    account = pair.partition(":")[0]
                    if pair != f"{USER}:{PASSWORD}":
                        return self.refuse("incorrect username or password")
                return self.give("GET", account, query.get("scope", []), "token")

            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                query = urllib.parse.parse_qs(form)
                if query.get("refresh_token") != ["the-identity"]:
                    return self.refuse("no such identity")
                return self.give("POST", USER, query["scope"][0].split(), "access_token")

            def give(self, method, account, scopes, name):
                tokens.given.append((method, account, scopes))
                if not account:  # anybody may pull
                    scopes = [scope for scope in scopes if scope.endswith(":pull")]
                answer = {name: tokens.make(account, scopes), "expires_in": tokens.life}
                self.answer(200, answer)

            def refuse(self, text):
                self.answer(401, {"details": text})

            def answer(self, status, document):
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        return Handler


def _read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def _raw_signature(der):
    """The two numbers of an ECDSA signature, 32 bytes each."""

    def number(at):
        length = der[at + 1]
        return der[at + 2 : at + 2 + length].lstrip(b"\0").rjust(32, b"\0"), at + 2 + length

    first, at = number(2)
    return first + number(at)[0]


class Registry:
    """tls: an Authority signs its certificate; client_certificates: it wants one, too.
    login: it wants USER and PASSWORD; tokens: it wants tokens of its TokenServer."""

    def __init__(self, tls=False, client_certificates=False, login=False, tokens=False):
        self.folder = tempfile.mkdtemp(prefix="selkie-registry-", dir="/tmp")
        self.process = None
        self.token_server = None
        try:
            self._start(tls, client_certificates, login, tokens)
        except BaseException:
            self.stop()
            raise

    def _start(self, tls, client_certificates, login, tokens):
        self.authority = Authority(self.folder) if tls else None
        self.login = login
        self.scheme = "https" if tls else "http"
        tls_text = auth_text = ""
        if tls:
            certificate, key = self.authority.sign("server")
            tls_text = f"  tls:\n    certificate: {certificate}\n    key: {key}\n"
        if client_certificates:
            tls_text += f"    clientcas: [{self.authority.path}]\n"
            self.client_certificate, self.client_key = self.authority.sign("client")
        if login:
            path = os.path.join(self.folder, "htpasswd")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(HTPASSWD)
            auth_text = f"auth:\n  htpasswd: {{realm: selkie, path: {path}}}\n"
        if tokens:
            folder = os.path.join(self.folder, "tokens")
            os.mkdir(folder)
            self.token_server = TokenServer(folder)
            auth_text = (
                f"auth:\n  token: {{realm: '{self.token_server.realm}', service: registry, "
                f"issuer: selkie, rootcertbundle: {self.token_server.authority.path}}}\n"
            )
        config = os.path.join(self.folder, "config.yml")
        with open(config, "w", encoding="utf-8") as stream:
            stream.write(CONFIG.format(folder=self.folder, tls=tls_text, auth=auth_text))
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.address = scratch.wait_until(self._find_address, "the registry")

    def _find_address(self):
        text = _read(self.log)
        assert self.process.poll() is None, f"docker-registry ended at once:\n{text}"
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", text)
        return found and found.group(1)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.token_server:
            self.token_server.stop()
            self.token_server = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # --- what its users need ---------------------------------------------------------------------

    def name(self, repository, tag="latest"):
        return f"{self.address}/{repository}:{tag}"

    def certs(self):
        """A folder for --cert-dir."""
        folder = os.path.join(self.folder, "certs")
        if not os.path.isdir(folder):
            os.mkdir(folder)
            shutil.copy(self.authority.path, os.path.join(folder, "ca.crt"))
            if hasattr(self, "client_certificate"):
                shutil.copy(self.client_certificate, os.path.join(folder, "client.cert"))
                shutil.copy(self.client_key, os.path.join(folder, "client.key"))
        return folder

    # --- content, without any client of images ---------------------------------------------------

    def request(self, method, url, data=None, headers=None):
        """(status, headers, body) of a path below /v2/, or a URL."""
        if "://" not in url:
            url = f"{self.scheme}://{self.address}/v2/{url}"
        request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
        if self.login:
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            request.add_header("Authorization", "Basic " + pair)
        if self.token_server:
            scopes = [f"repository:{url.split('/v2/')[1].split('/')[0]}:pull,push"]
            request.add_header("Authorization", "Bearer " + self.token_server.make(USER, scopes))
        context = None
        if self.authority:
            context = ssl.create_default_context(cafile=self.authority.path)
            if hasattr(self, "client_certificate"):
                context.load_cert_chain(self.client_certificate, self.client_key)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def put_blob(self, repository, data):
        """The blob's descriptor, without a media type."""
        digest = sha256(data)
        status, headers, _ = self.request("POST", f"{repository}/blobs/uploads/", b"")
        assert status == 202
        url = headers["Location"] + "&digest=" + urllib.parse.quote(digest)
        kind = {"Content-Type": "application/octet-stream"}
        status, _, body = self.request("PUT", url, data, kind)
        assert status == 201, body
        return {"digest": digest, "size": len(data)}

    def put_manifest(self, repository, tag, document, media_type=MANIFEST):
        """Its digest; the document is bytes or what becomes JSON."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        status, headers, body = self.request(
            "PUT", f"{repository}/manifests/{tag}", data, {"Content-Type": media_type}
        )
        assert status == 201, body
        assert headers["Docker-Content-Digest"] == sha256(data)
        return sha256(data)

    def put_image(self, repository, tag, layer=b"layer", config=b"{}"):
        """An image that is none but for the registry; its manifest as bytes."""
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **self.put_blob(repository, config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    **self.put_blob(repository, layer),
                }
            ],
        }
        data = json.dumps(document).encode()
        self.put_manifest(repository, tag, data)
        return data

    def get_blob(self, repository, digest):
        status, _, body = self.request("GET", f"{repository}/blobs/{digest}")
        assert status == 200, body
        return body

    def has_blob(self, repository, digest):
        return self.request("HEAD", f"{repository}/blobs/{digest}")[0] == 200

    def get_manifest(self, repository, tag):
        accept = ", ".join([MANIFEST, INDEX, DOCKER_MANIFEST])
        status, headers, body = self.request(
            "GET", f"{repository}/manifests/{tag}", headers={"Accept": accept}
        )
        return (body, headers["Content-Type"]) if status == 200 else None

    def open_uploads(self):
        """Uploads that were begun and neither ended nor dropped, of all repositories."""
        found = []
        for folder, folders, files in os.walk(os.path.join(self.folder, "data")):
            if "/_uploads/" in folder:
                folders[:] = []
                found += [folder] if "startedat" in files else []
        return found
