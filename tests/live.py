"""A page that listens to `POST /v1/live`, for tests: messages one after another, as they come."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import requests

from ml_logger.testing import Server
from ml_logger.transport import protocol
from tests import programs

#: Seconds without a byte after which a test has failed.
PATIENCE = 60


class Points(NamedTuple):
    """One line of a message: its head, its x and its values."""

    head: dict[str, Any]
    xs: tuple[float, ...]
    ys: tuple[float, ...]


Message = dict[str, Any] | list[Points]


def question(
    *keys: str, runs: Mapping[str, int], version: str | None = None, xs: tuple[str, ...] = ("",), files: Any = ()
) -> dict[str, Any]:
    """Return what a page asks to watch."""
    return {"runs": version, "watch": {"keys": keys, "xs": xs, "runs": dict(runs)}, "files": [*files]}


def settled_runs(server: Server, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return what `GET /v1/runs` tells when two answers agree: the first ones may come before all rows are read."""
    told: list[dict[str, Any]] = []

    def agree() -> bool:
        answer = requests.get(server.url + protocol.RUNS, params=query, headers=headers, timeout=PATIENCE)
        assert answer.status_code == 200
        told.append(answer.json())
        return bool(told[-1]["complete"]) and [one["version"] for one in told[-2:]] == [told[-1]["version"]] * 2

    programs.wait_until(agree)
    return told[-1]


def lines_of(body: bytes) -> list[Points]:
    """Take a message of series apart."""
    (length,) = struct.unpack("<I", body[:4])
    head, at, found = json.loads(body[4 : 4 + length]), (4 + length + 7) // 8 * 8, []
    for line in head["lines"]:
        n = line["n"]
        numbers = struct.unpack(f"<{2 * n}d", body[at : at + 16 * n])
        found.append(Points(line, numbers[:n], numbers[n:]))
        at += 16 * n
    assert at == len(body)
    return found


class Page:
    """A stream that was begun.

    Args:
        server: of whom.
        watched: what it watches.
        headers: with the request.
    """

    def __init__(self, server: Server, watched: Any, **headers: str) -> None:
        self.answer = requests.post(
            server.url + protocol.LIVE, json=watched, headers=headers, stream=True, timeout=PATIENCE
        )
        if self.answer.ok:
            assert self.next() == {"kind": "hello"}

    def next(self) -> Message | None:
        """Return the next message; None where the stream has ended."""
        head = self._read(5)
        if not head:
            return None
        size, kind = struct.unpack("<IB", head)
        body = self._read(size)
        assert kind in (74, 83)
        return lines_of(body) if kind == 83 else dict(json.loads(body))

    def until(self, found: Callable[[Message], bool]) -> Message:
        """Return the next message that is the one looked for."""
        while (message := self.next()) is not None:
            if found(message):
                return message
        raise AssertionError("the stream has ended")

    def kind(self, name: str) -> dict[str, Any]:
        """Return the next message of a kind in JSON."""
        return dict(self.until(lambda message: isinstance(message, dict) and message["kind"] == name))

    def points(self, count: int) -> list[Points]:
        """Return the next lines, until they have so many points together."""
        found: list[Points] = []
        while sum(line.head["n"] for line in found) < count:
            found += self.until(lambda message: isinstance(message, list))  # type: ignore[arg-type]
        return found

    def close(self) -> None:
        """Leave."""
        self.answer.close()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.answer.raw.read(size - len(data))
            if not piece:
                assert not data
                return b""
            data += piece
        return data
