"""The last, the least and the greatest value of each column of a run, kept as its rows come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ml_logger.columns.table import Column, Part
from ml_logger.dashboard.series import as_float, extent, numbers_of

#: What is told of a column: its last value, and the least and the greatest finite number, None where there is none.
#: Numbers are floats; a text is told in its first characters; of any other value None is told.
Told = tuple[float | str | None, float | None, float | None]

#: Columns that are told of: no run has so many, but a file can.
MOST_COLUMNS = 10_000
#: Characters of a text that are told.
MOST_CHARACTERS = 200
#: Bytes that one column takes, about.
_EACH = 400


class Summaries:
    """What is told of each column, in the order in which they came up."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Any, float, float]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._told

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    @property
    def nbytes(self) -> int:
        """The bytes that it takes, about."""
        return _EACH * len(self._told)

    def add(self, key: str, column: Column) -> None:
        """Take in the values that come next of a column."""
        known = self._so_far(key)
        if known is None:
            return
        low, high = extent(numbers_of(column)[1])
        self._told[key] = (_last_of(column), min(known[1], low), max(known[2], high))

    def add_one(self, key: str, value: Any) -> None:
        """Take in the value that comes next of a column."""
        known = self._so_far(key)
        if known is None:
            return
        _, low, high = known
        if isinstance(value, str):
            self._told[key] = (value[:MOST_CHARACTERS], low, high)
            return
        number = as_float(value) if isinstance(value, (int, float)) else None
        if number is not None and math.isfinite(number):
            low, high = min(low, number), max(high, number)
        self._told[key] = (number, low, high)

    def _so_far(self, key: str) -> tuple[Any, float, float] | None:
        """Return what is told of a column; None where there are too many to take in another one."""
        known = self._told.get(key)
        if known is None and len(self._told) < MOST_COLUMNS:
            return (None, math.inf, -math.inf)
        return known

    def told(self) -> dict[str, Told]:
        """Return what is told of each column."""
        return {
            key: (last, low, high) if low <= high else (last, None, None)
            for key, (last, low, high) in self._told.items()
        }

    def copy(self) -> Summaries:
        """Return what is known now."""
        made = Summaries()
        made._told = dict(self._told)
        return made


def _last_of(column: Column) -> float | str | None:
    parts = [part for part in column.parts if len(part.values)]
    if not parts:
        return None
    value: Any = max(parts, key=_last_row).values[-1]
    if isinstance(value, str):
        return value[:MOST_CHARACTERS]
    return as_float(value) if isinstance(value, (int, np.generic)) else None


def _last_row(part: Part) -> float:
    return math.inf if part.positions is None else int(part.positions[-1])
