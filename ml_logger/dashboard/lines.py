"""The line of one run on a chart: of any part of it so many points at most, with all that sticks out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ml_logger.dashboard.curves import Curve, columns_of, curve_of
from ml_logger.dashboard.growing import Array
from ml_logger.dashboard.pyramid import FEWEST
from ml_logger.dashboard.rows import Rows

#: Fewest points that may be asked for: a neighbor on each side, and those of a sample.
FEWEST_POINTS = FEWEST + 2

_NOTHING = np.empty(0)


class LineAsked(NamedTuple):
    """A part of a series that is asked for: values of x, None where it is open; the end is in it."""

    run: str
    key: str
    x: str
    begin: float | None = None
    end: float | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that it takes."""
        return columns_of(self.key, self.x)


class Line(NamedTuple):
    """What is drawn of a series.

    Fields:
        rows: how many rows the run has.
        total: how many points there are in the part that was asked for.
        x0: what was taken from each x, where that is something.
        refused: why the rows were not read to their end.
    """

    asked: LineAsked
    rows: int
    total: int = 0
    is_sampled: bool = False
    is_missing: bool = False
    xs: Array = _NOTHING
    ys: Array = _NOTHING
    x0: float | None = None
    refused: str = ""


def line_of(rows: Rows, asked: LineAsked, points: int) -> Line:
    """Return at most so many points of a part of a series, with a neighbor on each side of it.

    The rows must have been read with the columns that are asked for.
    """
    with rows.lock:
        curve = curve_of(rows, asked.key, asked.x)
        if curve is None:
            return Line(asked, rows.rows, is_missing=True, refused=rows.refused)
        begin, end = part_of(curve, asked.begin, asked.end)
        # With one more on each side: lines go to the edges of the chart, and do not end with the last point within it.
        if end - begin <= points - 2:
            places: Array | slice = slice(max(0, begin - 1), end + 1)
        else:
            chosen = curve.pyramid().sample(curve.ys, begin, end, points - 2)
            around = np.arange(max(0, begin - 1), begin), chosen, np.arange(end, min(end + 1, len(curve.ys)))
            places = chosen if begin == 0 and end == len(curve.ys) else np.concatenate(around)
        xs, ys = curve.xs(places), curve.ys[places]
        is_sampled = len(ys) < end - begin
        return Line(asked, rows.rows, end - begin, is_sampled, False, xs, ys, curve.x0, rows.refused)


def part_of(curve: Curve, begin: float | None, end: float | None) -> tuple[int, int]:
    """Return which places of a curve lie between two values of x, the second with them."""
    first = 0 if begin is None else int(curve.places(np.array(begin), "left"))
    last = len(curve.ys) if end is None else int(curve.places(np.array(end), "right"))
    return first, max(first, last)
