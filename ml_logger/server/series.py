"""`POST /v1/series`: all lines and bands of one screen, each with as many points as can be seen, and every spike."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sanic import Blueprint, HTTPResponse, Request, raw
from sanic.exceptions import PayloadTooLarge
from sanic.response import ResponseStream

from ml_logger import keys
from ml_logger.dashboard.shelf import Shelf, file_of
from ml_logger.errors import CorruptData
from ml_logger.server.questions import Json, question
from ml_logger.server.tokens import allowed
from ml_logger.server.turns import client_of
from ml_logger.transport import protocol

if TYPE_CHECKING:
    from ml_logger.dashboard.answers import SeriesAsked
    from ml_logger.dashboard.bands import BandAsked
    from ml_logger.dashboard.lines import LineAsked

routes = Blueprint("series")

#: Points of all lines of an answer, and bins of all its bands.
MOST_POINTS, MOST_BINS = 2_000_000, 200_000
#: The bins that a band counts for at least: it takes its time, however few it has.
FEWEST_BINS = 20
#: Bytes of an answer that every client may have in memory, and of all larger ones, from their first byte to their last.
SMALL, ROOM = 2**20, 64 * 2**20
#: Seconds after which a step ends, so that others have their turn.
STEP = 0.05
#: Bytes that are sent at once.
PIECE = 2**18


@routes.post(protocol.SERIES, stream=True, ctx_scope="read", ctx_keeps_prefix=True)
async def post_series(request: Request) -> HTTPResponse | ResponseStream | None:
    """Answer with the lines and bands that are asked for."""
    service = request.app.ctx.service
    asked, runs = await question(request, question_of, "a question is a JSON object")
    allowed(request, "read", *map(file_of, runs))
    size = 16 * len(asked.lines) * asked.points + 48 * sum(band.bins for band in asked.bands)
    room = service.answers.taken(size) if size > SMALL else nullcontext()
    async with room, service.places.one(client_of(request)):
        return await _respond(request, await _answered(request, service.shelf, asked))


async def _answered(request: Request, shelf: Shelf, asked: SeriesAsked) -> list[bytes]:
    """Work out an answer, turn by turn."""
    from ml_logger.dashboard.answers import answer

    found: list[bytes] = []
    work = _gathering(answer(shelf, asked), found)
    async with request.app.ctx.service.turns.through(client_of(request), _step, work) as go_on:
        while await go_on():
            pass
    return found


def _gathering(work: Generator[None, None, list[bytes]], found: list[bytes]) -> Generator[None, None, None]:
    found += yield from work


def _step(work: Iterator[None]) -> bool:
    """Work for some time; tell whether there is more to do."""
    until = time.monotonic() + STEP
    return any(time.monotonic() > until for _ in work)


async def _respond(request: Request, pieces: list[bytes]) -> HTTPResponse | None:
    headers = {"Cache-Control": "no-store"}
    if sum(map(len, pieces)) <= PIECE:
        return raw(b"".join(pieces), content_type=protocol.SERIES_TYPE, headers=headers)
    response = await request.respond(content_type=protocol.SERIES_TYPE, headers=headers)
    pieces.reverse()
    while pieces:
        together, size = [], 0
        while pieces and size < PIECE:
            together.append(pieces.pop())
            size += len(together[-1])
        await response.send(b"".join(together))
    await response.eof()
    return None


def question_of(told: Json) -> tuple[SeriesAsked, list[str]]:
    """Return the question that an object asks, and the runs that it is about.

    Raises:
        CorruptData: it is none.
        InvalidKey: a run is no key.
        PayloadTooLarge: it asks for too much at once.
    """
    from ml_logger.dashboard.answers import SeriesAsked
    from ml_logger.dashboard.lines import FEWEST_POINTS

    lines = [_line(line) for line in _list(told, "lines")]
    bands = [_band(band) for band in _list(told, "bands")]
    points, precision = told.get("points", 1000), told.get("precision", 64)
    if type(points) is not int or (lines and points < FEWEST_POINTS):
        raise CorruptData(f"points is {_said(points)}: ask for {FEWEST_POINTS} or more")
    if type(precision) is not int or precision not in (32, 64):
        raise CorruptData(f"precision is {_said(precision)}: it is 32 or 64 bits")
    _check_size(len(lines) * points, sum(max(band.bins, FEWEST_BINS) for band in bands))
    runs = dict.fromkeys([line.run for line in lines] + [run for band in bands for run in band.runs])
    return SeriesAsked(lines, bands, points, precision), [*runs]


def _check_size(points: int, bins: int) -> None:
    if points > MOST_POINTS:
        raise PayloadTooLarge(f"{points:,} points of all lines: ask for at most {MOST_POINTS:,} at once")
    if bins > MOST_BINS:
        raise PayloadTooLarge(f"{bins:,} bins of all bands: ask for at most {MOST_BINS:,} at once")


def _line(told: Any) -> LineAsked:
    from ml_logger.dashboard.lines import LineAsked

    told = _object(told, "a line")
    return LineAsked(_run(told.get("run")), *_part(told))


def _band(told: Any) -> BandAsked:
    from ml_logger.dashboard.bands import BandAsked

    told = _object(told, "a band")
    bins = told.get("bins")
    if type(bins) is not int or bins < 1:
        raise CorruptData(f"bins is {_said(bins)}: ask for 1 or more")
    return BandAsked(_text(told, "name"), [*map(_run, _list(told, "runs"))], *_part(told), bins)


def _part(told: dict[str, Any]) -> tuple[str, str, float | None, float | None]:
    return _text(told, "key"), _text(told, "x"), _end(told, "from"), _end(told, "to")


def _object(told: Any, name: str) -> dict[str, Any]:
    if type(told) is not dict:
        raise CorruptData(f"{name} is {_said(told)}: it is an object")
    return told


def _list(told: dict[str, Any], name: str) -> list[Any]:
    found = told.get(name, [])
    if type(found) is not list:
        raise CorruptData(f"{name} is {_said(found)}: it is a list")
    return found


def _text(told: dict[str, Any], name: str) -> str:
    found = told.get(name, "")
    if type(found) is not str:
        raise CorruptData(f"{name} is {_said(found)}: it is a text")
    return found


def _run(told: Any) -> str:
    """Return the key of a run's folder; the data folder itself has none."""
    if type(told) is not str:
        raise CorruptData(f"run is {_said(told)}: it is the key of a folder, or empty for all of the data")
    if told:
        keys.check(file_of(told))
    return told


def _end(told: dict[str, Any], name: str) -> float | None:
    found = told.get(name)
    if found is None:
        return None
    try:
        number = float(found) if type(found) in (int, float) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise CorruptData(f"{name} is {_said(found)}: it is a finite number, or null where it is open")
    return number


def _said(value: Any) -> str:
    try:
        return repr(value)[:60]
    except (ValueError, RecursionError):  # an integer with more digits than Python spells
        return "beyond all bounds"
