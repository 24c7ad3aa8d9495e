"""`GET /v1/histograms?key=KEY`: the histograms of a file over steps, few enough to draw. Nothing is unpickled."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sanic import Blueprint, HTTPResponse, Request, raw
from sanic.exceptions import SanicException

from ml_logger import keys
from ml_logger.errors import CorruptData, UntrustedData
from ml_logger.server.appends import Appends
from ml_logger.server.tables import LARGEST
from ml_logger.server.tokens import allowed
from ml_logger.server.turns import client_of
from ml_logger.stores.folder import missing_or_failed
from ml_logger.transport import protocol

if TYPE_CHECKING:
    from ml_logger.columns.table import Columns

routes = Blueprint("histograms")

#: Bytes of a file that are decoded in one turn: some 20 ms of work.
PIECE = 2**17
#: How many histograms of a name, and bins of one, are given: by default, and at most.
POINTS, MOST_POINTS = 100, 500
BINS, MOST_BINS = 64, 256
#: Names of one file that are told, and histograms of all of them together.
MOST_NAMES, MOST_ALL = 500, 4000

_NUMBER = re.compile("[1-9][0-9]{0,5}", re.ASCII)
_STEP = "_step"

Histogram = dict[str, Any]


class Kept:
    """Some of many histograms: evenly chosen, without knowing how many will come, and the last one."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._most = most
        self._every = 1
        self._chosen: list[Histogram] = []
        self._last: Histogram | None = None

    def add(self, build: Callable[[], Histogram]) -> None:
        """Take the next one."""
        self._last = build()
        if self.count % self._every == 0:
            self._chosen.append(self._last)
        self.count += 1
        if len(self._chosen) > 2 * self._most:
            del self._chosen[1::2]
            self._every *= 2

    def chosen(self, most: int) -> list[Histogram]:
        """Return at most so many, the first and the last of all among them."""
        found = self._chosen if self._last is None or self._chosen[-1] is self._last else [*self._chosen, self._last]
        if len(found) <= most:
            return found
        return [found[round(at * (len(found) - 1) / (most - 1))] for at in range(most)]


@routes.get(protocol.HISTOGRAMS, ctx_keeps_prefix=True)
async def get_histograms(request: Request) -> HTTPResponse:
    """Tell how the histograms of a file change over its steps."""
    service, key = request.app.ctx.service, keys.check(request.args.get("key", ""))
    allowed(request, "read", key)
    points = _asked(request, "points", POINTS, MOST_POINTS)
    bins = _asked(request, "bins", BINS, MOST_BINS)
    async with service.places.one(client_of(request)):
        work = _summary(service.committer.appends, key, points, bins)
        async with service.turns.through(client_of(request), next, work) as go_on:
            while not (found := await go_on()):
                pass
    return raw(found, content_type="application/json")


def _asked(request: Request, name: str, default: int, most: int) -> int:
    text = request.args.get(name, str(default))
    if not _NUMBER.fullmatch(text) or int(text) < 2:
        raise SanicException(f"{name} is a number, 2 or more", status_code=400)
    return min(int(text), most)


def _summary(appends: Appends, key: str, points: int, bins: int) -> Generator[bytes, None, None]:
    """Yield nothing while the file is decoded, then the answer."""
    try:
        descriptor, _, length = appends.open_view(key)
    except OSError as error:
        raise missing_or_failed(error, key) from None
    try:
        kept: dict[str, Kept] = {}
        for table in _tables(descriptor, length, key):
            _gather(table, kept, points, bins)
            yield b""
        yield from _told(kept, min(points, max(2, MOST_ALL // max(1, len(kept)))))
    except (UntrustedData, RecursionError) as error:
        raise CorruptData(f"{key!r} holds no histograms that can be told without unpickling: {error}") from None
    finally:
        os.close(descriptor)


def _tables(descriptor: int, length: int, key: str) -> Iterator[Columns]:
    from ml_logger.columns.decoder import Decoder

    decoder = Decoder(tell=lambda damage: None, most=LARGEST, name=key)
    at = 0
    while at < length and (piece := os.pread(descriptor, min(PIECE, length - at), at)):
        at += len(piece)
        decoder.feed(piece)
        yield decoder.take()
    yield decoder.finish()


def _gather(table: Columns, kept: dict[str, Kept], points: int, bins: int) -> None:
    """Add the histograms of some rows to those that are kept."""
    steps = table[_STEP].to_list() if _STEP in table else [None] * table.rows
    for name in table:
        for row, value in enumerate(table[name].to_list()):
            if type(value) is not dict or not _is_one(value):
                continue
            if name not in kept and len(kept) < MOST_NAMES:
                kept[name] = Kept(points)
            if name in kept:
                kept[name].add(partial(_drawn, steps[row], value, bins))


def _is_one(value: Histogram) -> bool:
    counts, edges = value.get("counts"), value.get("edges")
    if type(counts) is not list or type(edges) is not list or len(edges) != (len(counts) + 1 if counts else 0):
        return False
    if not all(map(_is_count, counts)):
        return False
    return all(map(_is_number, edges)) and all(a < b for a, b in pairwise(edges))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_number(value: object) -> bool:
    return (type(value) is int and abs(value) < 2**1000) or (type(value) is float and math.isfinite(value))


def _drawn(step: object, value: Histogram, bins: int) -> Histogram:
    """Return a histogram of at most so many bins: neighbors are put together."""
    counts, edges = value["counts"], value["edges"]
    together = -(-len(counts) // bins) or 1
    if together > 1:
        counts = [sum(counts[at : at + together]) for at in range(0, len(counts), together)]
        edges = [*edges[:-1:together], edges[-1]]
    edges = [edge if abs(edge) < 2**53 else float(edge) for edge in edges]  # a long integer takes 300 digits
    others = {name: value[name] for name in ("nan", "inf") if _is_count(value.get(name))}
    return {"step": step if _is_number(step) else None, "counts": counts, "edges": edges, **others}


def _told(kept: dict[str, Kept], most: int) -> Iterator[bytes]:
    """Yield the answer, name by name: a long one in one go would hold up all threads."""
    parts = []
    for name, one in kept.items():
        told = {"name": name, "count": one.count, "histograms": one.chosen(most)}
        parts.append(json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
        yield b""
    yield f'{{"series":[{",".join(parts)}]}}'.encode("utf-8", "replace")  # a lone half of a character is none
