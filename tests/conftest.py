"""Fixtures: real servers, real folders, and loggers and stores over both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ml_logger import ML_Logger
from ml_logger.stores import open_store
from ml_logger.stores.base import Store
from ml_logger.stores.memory import MemoryStore
from ml_logger.testing import Server
from ml_logger.testing.faults.scene import heed_interrupts
from tests.wire import append, post


def pytest_sessionstart() -> None:
    """Let programs of tests be interrupted, also where the suite runs in the background of a shell; mind no clock."""
    heed_interrupts()
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a spool, a cache and a working folder of its own, and none of the person's settings."""
    for name in [name for name in os.environ if name.startswith("ML_LOGGER_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("ML_LOGGER_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("ML_LOGGER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let programs that end wait long for their server: for tests of what arrives, on a machine that is busy."""
    monkeypatch.setenv("ML_LOGGER_EXIT_SILENCE", "60")
    monkeypatch.setenv("ML_LOGGER_EXIT_TIMEOUT", "100")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own, that the test may kill."""
    own = Server(tmp_path / "data")
    own.start()
    yield own
    own.stop()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that leave it alone and each use a prefix of their own."""
    shared = Server(tmp_path_factory.mktemp("shared") / "data")
    shared.start()
    yield shared
    shared.stop()


@pytest.fixture(params=["memory", "local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each store there is, empty."""
    if request.param == "memory":
        opened: Store = MemoryStore()
    elif request.param == "local":
        opened = open_store(str(tmp_path / "root"), None, {})
    else:
        opened = open_store(request.getfixturevalue("server").url, None, {})
    yield opened
    opened.close()


@pytest.fixture(params=["local", "remote"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A log directory: a folder, then a server."""
    if request.param == "local":
        return str(tmp_path / "root")
    return str(request.getfixturevalue("server").url)


@pytest.fixture
def logger(root: str) -> Iterator[ML_Logger]:
    """A logger into a folder, then one to a server; both print nothing."""
    with ML_Logger(root=root, prefix="me/run", silent=True) as opened:
        yield opened


@pytest.fixture
def filled(server: Server) -> Server:
    """A server with one file of ten bytes."""
    assert post(server, append(1, b"0123456789")).status_code == 200
    return server
