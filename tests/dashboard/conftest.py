"""Fixtures: the dashboard as it is built from the sources here, servers that show it, and pages of a browser on them.

`site` and `page` are for tests that only look, `own_site` and `own_page` for those that change what is logged,
`empty_site` and `guarded_site` for beginnings; `open_page` opens any address. A page that says something to its console
as an error, or breaks its policy, fails its test: `troubles` is where that is kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import requests

from ml_logger import tokens
from ml_logger.dashboard import build
from ml_logger.testing import Server
from tests.dashboard.runs import fill
from tests.programs import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: Milliseconds after which a browser's step has failed: long, as machines are slow now and then.
PATIENCE = 30_000


def _missing(reason: str) -> NoReturn:
    print(f"the dashboard is not tested: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="package")
def dashboard() -> None:
    """The dashboard, built from the sources that are here."""
    try:
        build.fetch()  # the tests themselves take something of it, too
        build.build()
    except build.ToolMissing as error:
        _missing(str(error))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, for all tests of this folder."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        _missing("there is no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        # As root, as on machines that test, Chromium cannot shut itself in; what it shows is our own.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with runs, see `runs.fill`; nobody changes it."""
    folder = tmp_path_factory.mktemp("logged") / "data"
    fill(folder)
    return folder


@pytest.fixture(scope="package")
def site(dashboard: None, logged: Path) -> Iterator[Server]:
    """A server over a folder with runs, for tests that leave it alone."""
    server = Server(logged)
    server.start()
    _wait_for_rows(server)
    yield server
    server.stop()


@pytest.fixture
def contexts() -> list[BrowserContext]:
    """The browsers of this test, each with nothing kept from before; they end before the servers that they look at."""
    return []


@pytest.fixture
def own_site(dashboard: None, logged: Path, tmp_path: Path, contexts: list[BrowserContext]) -> Iterator[Server]:
    """A server over such a folder that is this test's own."""
    shutil.copytree(logged, tmp_path / "own", ignore=shutil.ignore_patterns(".ml_logger"))
    for server in _serving(tmp_path / "own", contexts):
        _wait_for_rows(server)
        yield server


@pytest.fixture
def empty_site(dashboard: None, tmp_path: Path, contexts: list[BrowserContext]) -> Iterator[Server]:
    """A server to which nothing was logged yet."""
    yield from _serving(tmp_path / "empty", contexts)


@pytest.fixture
def guarded_site(dashboard: None, tmp_path: Path, contexts: list[BrowserContext]) -> Iterator[tuple[Server, str]]:
    """A server that needs a token, and one that may write; nothing was logged yet."""
    secret = tokens.add(tokens.path_in(tmp_path / "guarded"), "ann", scope="write")
    for server in _serving(tmp_path / "guarded", contexts):
        yield server, secret


def _serving(data: Path, contexts: list[BrowserContext]) -> Iterator[Server]:
    server = Server(data)
    server.start()
    yield server
    _close(contexts)
    server.stop()


def _wait_for_rows(server: Server) -> None:
    """Wait until the server has all runs in its index: before, pages fill bit by bit."""

    def is_whole() -> bool:
        told = requests.get(f"{server.url}/v1/runs", timeout=30).json()
        return bool(told["complete"]) and all(run["rows"] > 0 for run in told["runs"])

    wait_until(is_whole)


def _close(contexts: list[BrowserContext]) -> None:
    while contexts:
        contexts.pop().close()


@pytest.fixture
def troubles() -> list[str]:
    """What pages of this test complained about; a test that brings it about looks at it, and clears it."""
    return []


@pytest.fixture
def open_page(browser: Browser, contexts: list[BrowserContext], troubles: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens an address in a browser of its own; options are those of `new_context`."""

    def opened(url: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and troubles.append(f"{said.text} {said.location['url']}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(url)
        return page

    yield opened
    _close(contexts)
    assert troubles == []


@pytest.fixture
def page(open_page: Callable[..., Page], site: Server) -> Page:
    """The dashboard of `site`, in a browser."""
    return open_page(site.url)


@pytest.fixture
def own_page(open_page: Callable[..., Page], own_site: Server) -> Page:
    """The dashboard of `own_site`, in a browser."""
    return open_page(own_site.url)
