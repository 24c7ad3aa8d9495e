"""What the server tells about itself is so: every route is described, and every answer is as described."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import requests
from jsonschema import Draft202012Validator

from ml_logger import tokens
from ml_logger.server import openapi
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests.test_docs import routes
from tests.wire import WRITER, append

KNOWN = openapi.document()
FRAMES = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: WRITER}
JSON = {"Content-Type": "application/json"}


class Ask(NamedTuple):
    """One request of the tour, and the status that it is answered with."""

    status: int
    method: str
    path: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None


#: In this order, against one server: each status that a request can bring about, route by route.
TOUR = (
    Ask(200, "GET", "/v1/health"),
    Ask(200, "GET", "/v1/openapi.json"),
    Ask(200, "POST", "/v1/batches", FRAMES, append(1, b"0123456789")),
    Ask(200, "POST", "/v1/batches", FRAMES, append(2, b"x", "../out")),
    Ask(200, "POST", "/v1/batches", FRAMES, frames.encode(3, Op.MOVE, b"not there", b"b")),
    Ask(409, "POST", "/v1/batches", FRAMES, append(9)),
    Ask(400, "POST", "/v1/batches", FRAMES, append(4)[:-1] + b"?"),
    Ask(400, "POST", "/v1/batches", {**FRAMES, protocol.WRITER: "me"}, append(4)),
    Ask(413, "POST", "/v1/batches", FRAMES, bytes(17 << 20)),
    Ask(415, "POST", "/v1/batches", {**FRAMES, "Content-Type": "text/plain"}, append(4)),
    Ask(415, "POST", "/v1/batches", {**FRAMES, "Content-Encoding": "gzip"}, append(4)),
    Ask(403, "POST", "/v1/batches", {**FRAMES, "Origin": "http://elsewhere.example"}, append(4)),
    Ask(200, "GET", "/v1/files/run/a"),
    Ask(200, "GET", "/v1/files/run/a", {"Accept": protocol.PIECES}),
    Ask(206, "GET", "/v1/files/run/a", {"Range": "bytes=2-4"}),
    Ask(206, "GET", "/v1/files/run/a", {"Range": "bytes=2-4", "Accept": protocol.PIECES}),
    Ask(416, "GET", "/v1/files/run/a", {"Range": "bytes=99-"}),
    Ask(412, "GET", "/v1/files/run/a", {"If-Match": '"another"'}),
    Ask(304, "GET", "/v1/files/run/a", {"If-None-Match": "ETAG"}),
    Ask(404, "GET", "/v1/files/run"),
    Ask(400, "GET", "/v1/files/a%00b"),
    Ask(403, "GET", "/v1/files/run/a", {"Host": "elsewhere.example"}),
    Ask(414, "GET", f"/v1/files/{'a' * 9000}"),
    Ask(431, "GET", "/v1/files/run/a", {f"X-{number}": "x" for number in range(120)}),
    Ask(411, "GET", "/v1/files/run/a", {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
    Ask(200, "HEAD", "/v1/files/run/a"),
    Ask(404, "HEAD", "/v1/files/run/b"),
    Ask(400, "HEAD", "/v1/files/a%5Cb"),
    Ask(200, "GET", "/v1/entries"),
    Ask(200, "GET", "/v1/entries?pattern=**&limit=1"),
    Ask(200, "GET", "/v1/entries?folder=run&limit=1"),
    Ask(400, "GET", "/v1/entries?limit=none"),
    Ask(400, "GET", "/v1/entries?folder=../out"),
    Ask(400, "GET", "/v1/entries?folder=run&pattern=**"),
    Ask(400, "GET", "/v1/entries?pattern=%5Bz-a%5D"),
    Ask(200, "POST", "/v1/tables", JSON, b'{"pattern": "**"}'),
    Ask(404, "POST", "/v1/tables", JSON, b'{"key": "run/b"}'),
    Ask(400, "POST", "/v1/tables", JSON, b"[]"),
    Ask(200, "POST", "/v1/series", JSON, b'{"lines": [{"run": "run", "key": "loss"}]}'),
    Ask(400, "POST", "/v1/series", JSON, b'{"lines": [{"run": "../run", "key": "loss"}]}'),
    Ask(413, "POST", "/v1/series", JSON, b'{"lines": [{"run": "run"}], "points": 3000000}'),
    Ask(415, "POST", "/v1/series", {"Content-Type": "text/plain"}, b"{}"),
    Ask(200, "GET", "/v1/histograms?key=run/a"),
    Ask(404, "GET", "/v1/histograms?key=run/b"),
    Ask(400, "GET", "/v1/histograms"),
    Ask(400, "GET", "/v1/histograms?key=run/a&bins=1"),
    Ask(200, "GET", "/v1/panels?folder=run"),
    Ask(200, "GET", "/v1/panels"),
    Ask(400, "GET", "/v1/panels?folder=../x"),
    Ask(415, "POST", "/v1/tables", {"Content-Type": "text/plain"}, b"{}"),
    Ask(200, "POST", "/v1/edits", JSON, b'{"action": "tag", "run": "run", "tags": ["x"]}'),
    Ask(200, "POST", "/v1/edits", JSON, b'{"action": "write", "key": "run/README.md", "text": "x", "etag": null}'),
    Ask(409, "POST", "/v1/edits", JSON, b'{"action": "write", "key": "run/README.md", "text": "y", "etag": null}'),
    Ask(404, "POST", "/v1/edits", JSON, b'{"action": "delete", "run": "nothing"}'),
    Ask(400, "POST", "/v1/edits", JSON, b'{"action": "sing"}'),
    Ask(415, "POST", "/v1/edits", {"Content-Type": "text/plain"}, b"{}"),
    Ask(200, "GET", "/v1/render?key=run/README.md"),
    Ask(404, "GET", "/v1/render?key=run/none.md"),
    Ask(200, "POST", "/v1/render", JSON, b'{"text": "# One", "key": "run/README.md"}'),
    Ask(400, "POST", "/v1/render", JSON, b'{"text": 1}'),
    Ask(200, "POST", "/v1/edits", JSON, b'{"action": "delete", "run": "run/README.md"}'),
    Ask(200, "GET", "/v1/trash"),
    Ask(200, "GET", "/v1/runs"),
    Ask(200, "GET", "/v1/runs?since=none"),
    Ask(400, "POST", "/v1/live", JSON, b"[]"),
    Ask(413, "POST", "/v1/live", JSON, bytes(3 << 20)),
    Ask(415, "POST", "/v1/live", {"Content-Type": "text/plain"}, b"{}"),
    Ask(200, "GET", "/"),
    Ask(404, "GET", "/assets/none.js"),
    Ask(200, "GET", "/v1/session"),
    Ask(200, "POST", "/v1/session"),
    Ask(403, "POST", "/v1/session", {"Origin": "http://elsewhere.example"}),
    Ask(200, "DELETE", "/v1/session"),
)


def operation_of(method: str, path: str) -> dict[str, Any]:
    """Return what is told about a method of the address that a path is one of."""
    for address, told in KNOWN["paths"].items():
        if re.fullmatch(address.replace("{key}", ".+"), path.split("?")[0]):
            return told[method.lower()]
    raise AssertionError(f"nothing is told about {path}")


def check(answer: requests.Response, method: str, path: str) -> None:
    """Hold an answer to what is told about it: its status, its media type, its JSON, its headers."""
    told = operation_of(method, path)["responses"][str(answer.status_code)]
    if "$ref" in told:
        told = KNOWN["components"]["responses"][told["$ref"].rpartition("/")[2]]
    content = told.get("content")
    if not content:
        assert answer.content == b""
        return
    kind = answer.headers["Content-Type"]
    assert kind in content
    schema = content[kind].get("schema")
    if schema is not None:
        assert kind == "application/json"
        Draft202012Validator({**schema, "components": KNOWN["components"]}).validate(answer.json())
    if answer.ok:
        fixed = {"ETag", "Last-Modified", "Accept-Ranges", protocol.MTIME} & set(told.get("headers", {}))
        assert fixed <= set(answer.headers)


def ask(server: Server, asked: Ask, etag: str = "") -> requests.Response:
    """Send a request of the tour."""
    headers = {name: value.replace("ETAG", etag) for name, value in asked.headers.items()}
    body: Any = iter([asked.body]) if "Transfer-Encoding" in headers else asked.body
    return requests.request(asked.method, server.url + asked.path, headers=headers, data=body, timeout=30)


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this file's own, with one file."""
    own = Server(tmp_path_factory.mktemp("toured") / "data")
    own.start()
    assert ask(own, TOUR[2]).status_code == 200
    yield own
    own.stop()


def test_every_route_is_described(tmp_path: Path) -> None:
    """The routes of the server are those of its description, method by method."""
    found = {(method, uri.replace("KEY", "{key}")) for method, uri in routes(tmp_path)}

    assert {(method.upper(), path) for path, told in KNOWN["paths"].items() for method in told} == {
        (method, "/" + uri.lstrip("/")) for method, uri in found
    }


def test_the_description_is_sound() -> None:
    """Its schemas are schemas, what it refers to is there, and names of operations come once."""
    for schema in KNOWN["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for ref in re.findall(r'"#/([^"]+)"', json.dumps(KNOWN)):
        found: Any = KNOWN
        for part in ref.split("/"):
            found = found[part]
        assert found
    names = [told["operationId"] for path in KNOWN["paths"].values() for told in path.values()]

    assert len(set(names)) == len(names) >= 7


def test_it_is_told_without_a_token(tmp_path: Path) -> None:
    """Who has no token yet may read the description, and learns what else takes none: health, page, sessions."""
    data = tmp_path / "data"
    tokens.add(tokens.path_in(data), "me", scope="read", prefix="me")
    server = Server(data)
    server.start()
    try:
        told = requests.get(f"{server.url}/v1/openapi.json", timeout=30)
        assert told.json() == json.loads(json.dumps(KNOWN))
        open_ones = set()
        for path, methods in KNOWN["paths"].items():
            for method, operation in methods.items():
                address = path.replace("{key}", "a")
                answer = requests.request(method, server.url + address, timeout=30)
                check(answer, method, address)
                assert (answer.status_code == 401) == ("401" in operation["responses"])
                assert (answer.status_code != 401) == (operation.get("security") == [])
                open_ones |= {path} if answer.ok else set()
    finally:
        server.stop()

    assert open_ones == {"/v1/health", "/v1/openapi.json", "/v1/session", "/"}


@pytest.mark.parametrize("asked", TOUR, ids=lambda asked: f"{asked.status} {asked.method} {asked.path[:30]}")
def test_answers_are_as_described(toured: Server, asked: Ask) -> None:
    """Each status that a request can bring about is told, with the media type and the schema of its body."""
    etag = requests.head(f"{toured.url}/v1/files/run/a", timeout=30).headers["ETag"]
    answer = ask(toured, asked, etag)

    assert answer.status_code == asked.status
    check(answer, asked.method, asked.path)


def test_the_tour_goes_far() -> None:
    """Each route is on it, and of the statuses that are told only those that take a broken or a busy server are not."""
    told = {
        (operation["operationId"], int(status))
        for path in KNOWN["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
    }
    seen = {(operation_of(asked.method, asked.path)["operationId"], asked.status) for asked in TOUR}

    assert seen <= told
    assert {name for name, _ in seen} == {name for name, _ in told}
    assert {status for _, status in told} - {status for _, status in seen} == {401, 408, 429, 500, 503, 507}
