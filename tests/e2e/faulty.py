# SPDX-License-Identifier: Apache-2.0
"""The real OCI runtime behind a script that can fail, hang or kill where a test says so."""

import os
import shutil

from engine import RUNTIME

# A verb's faults are scripts of their own, sourced before and after the real run.
SCRIPT = """#!/bin/sh
for word; do case $word in -*) ;; *) verb=$word; break ;; esac; done
[ -e {folder}/$verb.before ] && . {folder}/$verb.before
{runtime} "$@"
status=$?
[ -e {folder}/$verb.after ] && . {folder}/$verb.after
exit $status
"""


class FaultyRuntime:
    """Give `path` to --runtime. Its name is the real one's, unless another is asked for."""

    def __init__(self, folder, name=None):
        runtime = RUNTIME or shutil.which("runc")
        self.folder = os.path.join(folder, "faults")
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, name or os.path.basename(runtime))
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(SCRIPT.format(folder=self.folder, runtime=runtime))
        os.chmod(self.path, 0o755)

    def set(self, moment, script):
        """moment: VERB.before or VERB.after."""
        path = os.path.join(self.folder, moment)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.write(script + "\n")
        os.rename(path + ".new", path)

    def clear(self, moment):
        os.unlink(os.path.join(self.folder, moment))
