# SPDX-License-Identifier: Apache-2.0
"""Fixtures: an engine for each test, with the busybox image in it."""

import os
import shutil
import tempfile

import pytest

import busybox
from engine import SELKIED, Engine


def pytest_configure(config):
    config.addinivalue_line("markers", "timing: bounds that hold on a machine left in peace")
    if not os.access(SELKIED, os.X_OK):
        raise pytest.UsageError(f"there is no {SELKIED}: run make first, or set SELKIED")
    if os.geteuid() != 0:
        raise pytest.UsageError("the end-to-end tests run containers: they need root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failing test shows the end of its engine's log."""
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)
    engine = getattr(item, "funcargs", {}).get("engine")
    if report.failed and isinstance(engine, Engine) and os.path.exists(engine.log):
        report.sections.append(("the engine's log", engine.log_tail(60)))


@pytest.fixture(scope="session")
def busybox_tar():
    """The image's root file system as a tar, made once per process of the test run."""
    folder = tempfile.mkdtemp(prefix="selkie-e2e-tar-", dir="/tmp")
    path = os.path.join(folder, "busybox.tar")
    busybox.write_tar(path)
    yield path
    shutil.rmtree(folder)


@pytest.fixture
def bare_engine(request):
    """A running engine with an empty store."""
    engine = Engine()
    try:
        engine.start()
    except BaseException:
        engine.discard()
        raise
    yield engine
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        engine.discard()  # the failure is known; do not hide it behind what it left
    else:
        engine.finish()


@pytest.fixture
def engine(bare_engine, busybox_tar):
    """A running engine that has the image localhost/busybox:latest, with `sh` as its command."""
    bare_engine.image = bare_engine.call(
        "ImportImage",
        source=busybox_tar,
        reference="busybox",
        message="",
        changes=["CMD=sh", "ENV=PATH=/bin"],
    )["image"]
    return bare_engine


@pytest.fixture
def client(engine):
    """A connection to the engine."""
    return engine.connect()
