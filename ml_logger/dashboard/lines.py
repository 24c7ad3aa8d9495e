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
        chosen = curve.pyramid().sample(curve.ys, begin, end, points - 2)
        # Lines go to the edges of the chart, and do not end with the last point within it.
        places = np.concatenate(
            [np.arange(max(0, begin - 1), begin), chosen, np.arange(end, min(end + 1, len(curve.ys)))]
        )
        return _line(rows, asked, curve, places, end - begin)


def part_of(curve: Curve, begin: float | None, end: float | None) -> tuple[int, int]:
    """Return which places of a curve lie between two values of x, the second with them."""
    first = 0 if begin is None else int(curve.places(np.array(begin), "left"))
    last = len(curve.ys) if end is None else int(curve.places(np.array(end), "right"))
    return first, max(first, last)


def _line(rows: Rows, asked: LineAsked, curve: Curve, places: Array, count: int) -> Line:
    xs = curve.xs(places).astype(np.float64, copy=False)
    is_sampled = len(places) < count
    return Line(asked, rows.rows, count, is_sampled, False, xs, curve.ys[places], curve.x0, rows.refused)
