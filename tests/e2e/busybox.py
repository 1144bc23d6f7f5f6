# SPDX-License-Identifier: Apache-2.0
"""The image of the tests: Debian's static busybox and an /etc with users; no network needed."""

import io
import os
import subprocess
import tarfile

BUSYBOX = "/bin/busybox"
MTIME = 1700000000

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    "alice:x:1000:1000:Alice:/home/alice:/bin/sh\n"
)
GROUP = "root:x:0:\ndaemon:x:1:\nalice:x:1000:\nwheel:x:1001:alice\n"


def _add(tar, name, data=None, mode=0o755, link=None):
    entry = tarfile.TarInfo(name)
    entry.mtime = MTIME
    entry.mode = mode
    if link is not None:
        entry.type = tarfile.SYMTYPE
        entry.linkname = link
        entry.mode = 0o777
        tar.addfile(entry)
    elif data is None:
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    else:
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))


def write_tar(path):
    """Write the root file system of a busybox image as a plain tar."""
    with open(BUSYBOX, "rb") as stream:
        program = stream.read()
    applets = subprocess.run(
        [BUSYBOX, "--list"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "usr", "var"):
            _add(tar, name)
        _add(tar, "tmp", mode=0o1777)
        _add(tar, "home/alice")
        _add(tar, "etc/passwd", PASSWD.encode(), 0o644)
        _add(tar, "etc/group", GROUP.encode(), 0o644)
        _add(tar, "bin/busybox", program)
        for applet in applets:
            if applet != "busybox":
                _add(tar, "bin/" + applet, link="busybox")
    return os.path.getsize(path)
