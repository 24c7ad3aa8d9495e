"""One series of a run: its numbers, in which rows they are, and what is worked out from them once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_logger.columns.table import Column, Part
from ml_logger.dashboard.growing import Array, Growing
from ml_logger.dashboard.pyramid import Pyramid

#: Bytes that a series costs beside its numbers, about.
_OWN = 2048
#: Values of which a pyramid saves time.
_MANY = 4096


class Series:
    """The numbers of one column of a file that grows. Values that are no numbers are not in it."""

    def __init__(self) -> None:
        self._values = Growing(np.float64)
        self._positions: Growing | None = None  # None as long as each row has a value
        self._pyramid = Pyramid()
        self._seen = 0  # how many values are taken into what follows
        self._low, self._high, self._ascends = np.inf, -np.inf, True

    @property
    def values(self) -> Array:
        """The numbers, as float64; this view stays as it is when more come."""
        return self._values.values

    @property
    def positions(self) -> Array:
        """The numbers of the rows that have a value, as many as there are values."""
        return np.arange(self.count) if self._positions is None else self._positions.values

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._values.count

    @property
    def last(self) -> float | None:
        """The last value; None where there is none."""
        return float(self.values[-1]) if self.count else None

    @property
    def low(self) -> float | None:
        """The lowest finite value; None where there is none."""
        self._look()
        return None if self._low > self._high else self._low

    @property
    def high(self) -> float | None:
        """The highest finite value; None where there is none."""
        self._look()
        return None if self._low > self._high else self._high

    @property
    def nbytes(self) -> int:
        """The bytes that it takes."""
        return _OWN + self._values.nbytes + self._pyramid.nbytes + (self._positions.nbytes if self._positions else 0)

    def ascends(self) -> bool:
        """Tell whether no value is less than the one before it, and all are finite: others can be drawn over it."""
        self._look()
        return self._ascends

    def pyramid(self) -> Pyramid:
        """Return what few points are chosen by, with all values taken in where they are many."""
        if self.count >= _MANY:
            self._pyramid.extend(self.values)
        return self._pyramid

    @property
    def is_dense(self) -> bool:
        """Whether each row has a value, up to the last one that has."""
        return self._positions is None

    def row_at(self, places: Any) -> Any:
        """Return the numbers of the rows that some of the values are in; a slice stays one where each row has one."""
        return places if self._positions is None else self._positions.values[places]

    def places_of(self, rows: Array) -> Array:
        """Return for each row the place of the first value that is in it, or behind it."""
        if self._positions is None:
            return np.minimum(rows, self.count)
        return np.searchsorted(self._positions.values, rows)

    def place_of(self, row: int) -> int:
        """Return the place of the first value that is in a row, or behind it."""
        return min(row, self.count) if self._positions is None else int(self.places_of(np.array(row)))

    def extend(self, rows: int, column: Column) -> None:
        """Append the numbers of a column that lies behind so many rows."""
        positions, values = numbers_of(column)
        if not len(values):
            return
        if self._positions is None and (positions is not None or rows != self.count):
            self._positions = Growing(np.int64)
            self._positions.extend(np.arange(self.count))
        if self._positions is not None:
            self._positions.extend(rows + (np.arange(len(values)) if positions is None else positions))
        self._values.extend(values)

    def append(self, row: int, value: float) -> None:
        """Append the number of one row."""
        if self._positions is None and row != self.count:
            self._positions = Growing(np.int64)
            self._positions.extend(np.arange(self.count))
        if self._positions is not None:
            self._positions.extend((row,))
        self._values.extend((value,))

    def cut(self, rows: int) -> None:
        """Forget the values of all rows behind the first ones."""
        count = self.place_of(rows)
        if count == self.count:
            return
        self._values.cut(count)
        self._pyramid.cut(count)
        if self._positions is not None:
            self._positions.cut(count)
        self._seen, self._low, self._high, self._ascends = 0, np.inf, -np.inf, True

    def _look(self) -> None:
        """Take in the values that are new."""
        new = self.values[max(0, self._seen - 1) :]
        if self._seen < self.count:
            low, high = extent(new)
            self._low, self._high = min(self._low, low), max(self._high, high)
            self._ascends = self._ascends and bool(np.isfinite(new).all() and (new[1:] >= new[:-1]).all())
            self._seen = self.count


def extent(values: Array) -> tuple[float, float]:
    """Return the lowest and the highest finite number; infinity and its opposite where there is none."""
    if not len(values):
        return np.inf, -np.inf
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (np.inf, -np.inf)


def numbers_of(column: Column) -> tuple[Array | None, Array]:
    """Return the rows that have a number, None for all, and the numbers; bools and integers of any size are some."""
    parts = [part for part in map(_as_numbers, column.parts) if len(part.values)]
    if len(parts) == 1:
        return parts[0].positions, parts[0].values
    if not parts:
        return None, np.empty(0)
    positions = np.concatenate([part.positions for part in parts if part.positions is not None])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(positions, kind="stable")
    return (None if len(order) == column.rows else positions[order]), values[order]


def _as_numbers(part: Part) -> Part:
    """Return the numbers of a part: of objects, integers that are larger than others are the only ones."""
    if part.values.dtype != object:
        return Part(part.positions, part.values.astype(np.float64, copy=False))
    where = [place for place, value in enumerate(part.values) if type(value) is int]
    positions = np.array(where, np.int64) if part.positions is None else part.positions[where]
    return Part(positions, np.array([as_float(part.values[place]) for place in where], np.float64))


def as_float(value: Any) -> float:
    """Return a number as a float; infinity for an integer that is larger than all floats."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
