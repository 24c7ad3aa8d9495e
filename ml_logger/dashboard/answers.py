"""What a page is answered that asks for lines and bands: all of one screen at once, each run read once or twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from functools import partial
from typing import NamedTuple

from ml_logger.dashboard import series_wire
from ml_logger.dashboard.bands import TOGETHER, BandAsked, Banding
from ml_logger.dashboard.lines import Line, LineAsked, line_of
from ml_logger.dashboard.rows import Rows
from ml_logger.dashboard.shelf import Shelf
from ml_logger.errors import StorageFailed

#: What gives the rows of a run with some columns, or tells why they cannot be read.
Reader = Callable[[Collection[str]], Generator[None, None, Rows | str]]


class SeriesAsked(NamedTuple):
    """All lines and bands of one question, with the most points of a line, and the bits of a number."""

    lines: list[LineAsked]
    bands: list[BandAsked]
    points: int
    precision: int


class _Visit:
    """What one run is looked at for: the lines that it has, by their number, and the bands that it is in."""

    def __init__(self, shelf: Shelf, run: str) -> None:
        self._shelf, self._run = shelf, run
        self.lines: dict[int, LineAsked] = {}
        self.bands: list[Banding] = []

    def lines_of(self, points: int) -> Generator[None, None, dict[int, Line]]:
        """Draw the lines, and measure for the bands."""
        read = yield from self._reader()
        found: dict[int, Line] = {}
        rows: Rows | str = ""
        for number, line in self.lines.items():
            rows = yield from read(line.columns)
            if isinstance(rows, Rows):
                found[number] = line_of(rows, line, points)
            else:
                found[number] = Line(line, 0, is_missing=True, refused=rows)
            yield
        for banding in self.bands:
            rows = yield from read(banding.asked.columns)
            if isinstance(rows, Rows):
                banding.measure(rows)
            yield
        if isinstance(rows, Rows):  # pyramids and pairs were made
            self._shelf.weigh(self._run, rows)
        return found

    def fill_bands(self) -> Generator[None, None, None]:
        """Put the run into the bands, which are measured."""
        for banding in self.bands:
            rows: Rows | str | None = self._shelf.held(self._run, banding.asked.columns)
            if rows is None:
                rows = yield from self._read(banding.asked.columns)
            if isinstance(rows, Rows):
                banding.add(rows)
            yield

    def _reader(self) -> Generator[None, None, Reader]:
        """Read all columns that are needed, and return what gives the rows with some of them."""
        asked: list[LineAsked | BandAsked] = [*self.lines.values(), *(banding.asked for banding in self.bands)]
        every = yield from self._read([*dict.fromkeys(column for each in asked for column in each.columns)])
        if isinstance(every, Rows) and every.is_crowded:  # all are too much at once
            return self._read
        return partial(_given, every)

    def _read(self, columns: Collection[str]) -> Generator[None, None, Rows | str]:
        try:
            return (yield from self._shelf.reading(self._run, columns))
        except StorageFailed as error:
            return str(error)


def _given(rows: Rows | str, columns: Collection[str]) -> Generator[None, None, Rows | str]:
    yield from ()
    return rows


def answer(shelf: Shelf, asked: SeriesAsked) -> Generator[None, None, list[bytes]]:
    """Answer a question, in steps of some milliseconds; return the pieces of the message."""
    visits: dict[str, _Visit] = {}
    for number, line in enumerate(asked.lines):
        visits.setdefault(line.run, _Visit(shelf, line.run)).lines[number] = line
    bandings = [Banding(band, TOGETHER // len(asked.bands)) for band in asked.bands]
    for banding in bandings:
        for run in dict.fromkeys(banding.asked.runs):
            visits.setdefault(run, _Visit(shelf, run)).bands.append(banding)
    found: dict[int, Line] = {}
    for visit in visits.values():
        found |= yield from visit.lines_of(asked.points)
    for visit in visits.values():
        if visit.bands:
            yield from visit.fill_bands()
    lines = [found[number] for number in range(len(found))]
    return series_wire.encode(lines, [banding.band() for banding in bandings], asked.precision)
