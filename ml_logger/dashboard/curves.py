"""A series over an x: the number of the row, another column, or the time since the run began."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import numpy as np

from ml_logger.dashboard.growing import Array
from ml_logger.dashboard.pyramid import Pyramid
from ml_logger.dashboard.rows import Rows
from ml_logger.dashboard.series import Series

#: What x may be beside the name of a column: the number of the row, and seconds since the first `_timestamp`.
ROW, RELATIVE = "", "_relative"
_TIMESTAMP = "_timestamp"
_MOST_ROWS = 2.0**62

Side = Literal["left", "right"]
Places = Array | slice


class Curve(Protocol):
    """Numbers in the order of their x.

    Attributes:
        ys: the numbers.
        x0: what was taken from each x.
    """

    ys: Array
    x0: float | None

    def pyramid(self) -> Pyramid:
        """Return what few points are chosen by."""

    def xs(self, places: Places) -> Array:
        """Return the x of some of the numbers."""

    def places(self, xs: Array, side: Side) -> Array:
        """Return for each x the place of the first number that is there or behind (left), or behind (right)."""


def columns_of(key: str, x: str) -> list[str]:
    """Return the columns that a curve is made of."""
    return [key] if x == ROW else [key, _TIMESTAMP if x == RELATIVE else x]


def curve_of(rows: Rows, key: str, x: str) -> Curve | None:
    """Return a series over an x; None where the run has no number of one of them. Its columns must be held."""
    series = rows.series(key)
    if series is None or not series.count:
        return None
    if x == ROW:
        return _OverRows(series)
    over = rows.series(columns_of(key, x)[1])
    if over is None or not over.count:
        return None
    x0 = first_of(over) if x == RELATIVE else None
    if over.is_dense and over.ascends():
        return _OverColumn(series, over, x0)
    return _Paired(_pairs(rows, columns_of(key, x), series, over), x0)


def first_of(series: Series) -> float:
    """Return the first finite number, as the time when the first row was written."""
    first = float(series.values[0])
    return first if math.isfinite(first) else next(iter(series.values[np.isfinite(series.values)].tolist()), 0.0)


class _OverRows:
    """Over the number of the row."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self.x0: float | None = None
        self.ys = series.values
        self.pyramid = series.pyramid

    def xs(self, places: Places) -> Array:
        """Return the x of some of the numbers."""
        rows = self._series.positions[places] if isinstance(places, slice) else self._series.row_at(places)
        xs: Array = rows.astype(np.float64)
        return xs

    def places(self, xs: Array, side: Side) -> Array:
        """Return the places of each x."""
        rows = np.clip(np.ceil(xs) if side == "left" else np.floor(xs) + 1, 0, _MOST_ROWS).astype(np.int64)
        return self._series.places_of(rows)


class _OverColumn:
    """Over a column that each row has, and that does not fall: it is looked at for the points that are drawn only."""

    def __init__(self, series: Series, over: Series, x0: float | None) -> None:
        self._series, self._over = series, over.values
        self.ys = series.values[: series.place_of(over.count)]
        self.x0 = x0
        self.pyramid = series.pyramid

    def xs(self, places: Places) -> Array:
        """Return the x of some of the numbers."""
        xs: Array = self._over[self._series.row_at(places)]
        return xs - self.x0 if self.x0 else xs

    def places(self, xs: Array, side: Side) -> Array:
        """Return the places of each x."""
        rows = np.searchsorted(self._over, xs + self.x0 if self.x0 else xs, side=side)
        return np.minimum(self._series.places_of(rows), len(self.ys))


class Pairs:
    """The rows that have both a finite x and a number, in the order of x; kept, for it takes long to find them.

    Attributes:
        of: how many values both columns had.
    """

    def __init__(self, series: Series, over: Series) -> None:
        self.of = series.count, over.count
        self.xs, self.ys = ordered(*_common(series, over))
        self.pyramid = Pyramid()
        self.pyramid.extend(self.ys)

    @property
    def nbytes(self) -> int:
        """The bytes that they take."""
        return self.xs.nbytes + self.ys.nbytes + self.pyramid.nbytes


class _Paired:
    """Over a column that not all rows have, or that falls somewhere."""

    def __init__(self, pairs: Pairs, x0: float | None) -> None:
        self._pairs = pairs
        self.ys = pairs.ys
        self.x0 = x0

    def pyramid(self) -> Pyramid:
        """Return what few points are chosen by."""
        return self._pairs.pyramid

    def xs(self, places: Places) -> Array:
        """Return the x of some of the numbers."""
        xs: Array = self._pairs.xs[places]
        return xs - self.x0 if self.x0 else xs

    def places(self, xs: Array, side: Side) -> Array:
        """Return the places of each x."""
        return np.searchsorted(self._pairs.xs, xs + self.x0 if self.x0 else xs, side=side)


def _pairs(rows: Rows, columns: list[str], series: Series, over: Series) -> Pairs:
    name = (Pairs, tuple(columns))
    known = rows.worked_out.get(name)
    if not isinstance(known, Pairs) or known.of != (series.count, over.count):
        known = rows.worked_out[name] = Pairs(series, over)
    return known


def _common(series: Series, over: Series) -> tuple[Array, Array]:
    """Return the values of the rows that two columns have."""
    if series.is_dense and over.is_dense:
        count = min(series.count, over.count)
        return over.values[:count], series.values[:count]
    rows = series.positions
    places = over.places_of(rows)
    has = places < over.count
    has[has] = over.row_at(places[has]) == rows[has]
    return over.values[places[has]], series.values[has]


def ordered(xs: Array, ys: Array) -> tuple[Array, Array]:
    """Return those that have a finite x, in its order."""
    finite = np.isfinite(xs)
    if not finite.all():
        xs, ys = xs[finite], ys[finite]
    if not (xs[1:] >= xs[:-1]).all():
        order = np.argsort(xs, kind="stable")
        xs, ys = xs[order], ys[order]
    return xs, ys
