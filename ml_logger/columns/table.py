"""Rows as columns: arrays of numbers where there are numbers, and for each value the row that it is from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Positions = range | Array

_MISSING: Any = object()
_LOOSE = 1 << 14  # values that wait as they are, until they are made arrays of
_INT64 = range(-(2**63), 2**63)
_EXACT: dict[type, type] = {float: np.float64, int: np.int64, bool: np.bool_}


class Part(NamedTuple):
    """The values of one type in a column: in which rows they are (ascending; None for all), and what they are."""

    positions: Array | None
    values: Array


class Column:
    """One column of a table: the values that the rows have under one name. It cannot be changed.

    A value is what was logged: 1 is an int, 1.0 a float, True a bool, and None and NaN are values. A row without the
    name has nothing here.

    Attributes:
        rows: the number of rows of the table.
        parts: the values by type, each with the rows that they are in: float64, int64, bool, and for all else (text,
            None, integers beyond 64 bits, lists...) objects.
    """

    __slots__ = ("parts", "rows")

    def __init__(self, rows: int, parts: Sequence[Part]) -> None:
        self.rows = rows
        self.parts = tuple(parts)

    @property
    def count(self) -> int:
        """The number of rows that have a value."""
        return sum(len(part.values) for part in self.parts)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values: float64, int64 or bool where they are all of that type, else object."""
        kinds = {part.values.dtype for part in self.parts}
        return kinds.pop() if len(kinds) == 1 else np.dtype(object)

    @property
    def nbytes(self) -> int:
        """The bytes of the arrays; objects count as the pointers to them."""
        return sum(a.nbytes for part in self.parts for a in part if a is not None)

    @property
    def present(self) -> Array:
        """Which rows have a value: `rows` bools."""
        mask = np.zeros(self.rows, np.bool_)
        for part in self.parts:
            mask[slice(None) if part.positions is None else part.positions] = True
        return mask

    def to_numpy(self, fill: Any = None) -> Array:
        """Return an array of `rows` values; read-only where it is the very array of the column.

        Without gaps it has the column's dtype. With gaps, floats have NaN there; other types become objects with None
        there, so that an int stays an int. `fill` puts another value there, and keeps the dtype if that can hold it.
        """
        if len(self.parts) == 1 and self.parts[0].positions is None:
            return self.parts[0].values
        kind: Any = self.dtype
        if self.count < self.rows and kind != np.float64 and not (type(fill) in _EXACT and _EXACT[type(fill)] == kind):
            kind = np.dtype(object)
        made = np.empty(self.rows, kind)
        if self.count < self.rows:
            made[...] = np.nan if fill is None and kind == np.float64 else fill
        for part in self.parts:
            made[slice(None) if part.positions is None else part.positions] = part.values.astype(kind, copy=False)
        return made

    def to_floats(self) -> npt.NDArray[np.float64]:
        """Return `rows` floats, to draw or to sum: numbers and bools as float64, and NaN where there is no number."""
        made = np.full(self.rows, np.nan)
        for part in self.parts:
            where = slice(None) if part.positions is None else part.positions
            if part.values.dtype != object:
                made[where] = part.values
            else:
                made[where] = [_as_float(value) for value in part.values]
        return made

    def to_list(self, missing: Any = None) -> list[Any]:
        """Return `rows` Python values, of the types that were logged, and `missing` where there is none."""
        if len(self.parts) == 1 and self.parts[0].positions is None:
            return list(self.parts[0].values.tolist())
        made = np.empty(self.rows, object)
        made.fill(missing)
        for part in self.parts:
            made[slice(None) if part.positions is None else part.positions] = part.values.astype(object)
        return list(made.tolist())

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return f"Column({self.count} of {self.rows} rows, {self.dtype})"


class Columns(Mapping[str, Column]):
    """A table: columns by name, in the order in which the names came up, and the number of its rows.

    Attributes:
        rows: how many rows it has.
        sampled_from: of how many rows these are the ones that show the shape; None where they are all.
    """

    __slots__ = ("_columns", "rows", "sampled_from")

    def __init__(self, rows: int, columns: Mapping[str, Column], sampled_from: int | None = None) -> None:
        self.rows = rows
        self.sampled_from = sampled_from
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def nbytes(self) -> int:
        """The bytes of the arrays of all columns."""
        return sum(column.nbytes for column in self.values())

    def select(self, keys: Iterable[str]) -> Columns:
        """Return the table with these columns only, in this order; those that it does not have are left out."""
        return Columns(self.rows, {key: self[key] for key in keys if key in self}, self.sampled_from)

    @property
    def sampled(self) -> bool:
        """Whether rows were left out, see `sampled_from`."""
        return self.sampled_from is not None

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as they were logged, one dict for each; the order of names is that of the columns."""
        lists = [column.to_list(_MISSING) for column in self.values()]
        if not lists:
            yield from ({} for _ in range(self.rows))
        for row in zip(*lists, strict=True):
            yield {name: value for name, value in zip(self, row, strict=True) if value is not _MISSING}

    def __repr__(self) -> str:
        rows = f"{self.rows} rows" if self.sampled_from is None else f"{self.rows} of {self.sampled_from} rows"
        return f"Columns({rows}, {', '.join(self) or 'no columns'})"


def concat(tables: Iterable[Columns]) -> Columns:
    """Return the rows of several tables, one after another."""
    builder = Builder()
    for table in tables:
        builder.extend(table)
    return builder.build()


def pick(table: Columns, rows: Array) -> Columns:
    """Return some rows of a table, given by their ascending numbers; it says of how many they are."""
    columns = {}
    for name, column in table.items():
        parts = []
        for positions, values in column.parts:
            if positions is None:
                parts.append(Part(None, values[rows]))
                continue
            inside = np.isin(positions, rows, assume_unique=True)
            where = np.searchsorted(rows, positions[inside])
            if len(where):
                parts.append(Part(None if len(where) == len(rows) else where, values[inside]))
        for array in (array for part in parts for array in part if array is not None):
            array.flags.writeable = False
        columns[name] = Column(len(rows), parts)
    return Columns(len(rows), columns, table.rows)


class Builder:
    """Take values of rows, many at once in any order, or row by row, and make a table of them."""

    def __init__(self) -> None:
        self.rows = 0
        self._parts: dict[str, dict[np.dtype[Any], list[tuple[Positions, Array]]]] = {}
        self._loose: dict[str, tuple[list[int], list[Any]]] = {}
        self._waiting = 0

    def add(self, key: str, positions: Positions, values: Array | list[Any]) -> None:
        """Take the values of some rows: an array of exact type, or a list of Python values."""
        kinds = self._parts.setdefault(key, {})
        parts = [(positions, values)] if isinstance(values, np.ndarray) else _typed(positions, values)
        for where, array in parts:
            kinds.setdefault(array.dtype, []).append((where, array))

    def add_row(self, position: int, row: Mapping[str, Any]) -> None:
        """Take one row; rows that are taken one by one come in their order."""
        for key, value in row.items():
            self._parts.setdefault(key, {})
            numbers, values = self._loose.setdefault(key, ([], []))
            numbers.append(position)
            values.append(value)
        self._waiting += len(row)
        if self._waiting > _LOOSE:
            self._settle()

    def extend(self, table: Columns) -> None:
        """Take the rows of a table, behind those that are there."""
        for key, column in table.items():
            for where, values in column.parts:
                there = range(self.rows, self.rows + table.rows)
                self.add(key, there if where is None else where + self.rows, values)
        self.rows += table.rows

    def build(self) -> Columns:
        """Return the table; the builder is empty then, and done."""
        self._settle()
        columns = {}
        for key in [*self._parts]:
            kinds = self._parts.pop(key)  # one after another, so that not all is there twice
            columns[key] = Column(self.rows, [_merge(parts, self.rows) for parts in kinds.values()])
        return Columns(self.rows, columns)

    def _settle(self) -> None:
        """Make arrays of the values that wait."""
        for key, (numbers, values) in self._loose.items():
            self.add(key, as_positions(np.array(numbers, np.int64)), values)
        self._loose.clear()
        self._waiting = 0


def is_row(record: Any) -> bool:
    """Tell whether a record is a row of a table: a dict with text for keys."""
    return type(record) is dict and all(type(key) is str for key in record)


def objects(values: Sequence[Any]) -> Array:
    """Return an array of objects, whatever they are."""
    return np.fromiter(values, object, len(values))


def _typed(positions: Positions, values: list[Any]) -> Iterator[tuple[Positions, Array]]:
    """Split values by type, each with its rows."""
    kinds = [type(value) if type(value) is not int or value in _INT64 else object for value in values]
    for kind in {kind if kind in _EXACT else object for kind in kinds}:
        inside = [kind == each or (kind is object and each not in _EXACT) for each in kinds]
        chosen = values if all(inside) else [value for value, here in zip(values, inside, strict=True) if here]
        made = np.array(chosen, _EXACT[kind]) if kind in _EXACT else objects(chosen)
        yield (positions if len(chosen) == len(values) else _indices(positions)[inside]), made


def _merge(parts: list[tuple[Positions, Array]], rows: int) -> Part:
    """Join the parts of one type, in the order of their rows."""
    parts.sort(key=lambda part: int(part[0][0]) if len(part[0]) else 0)
    count = sum(len(values) for _, values in parts)
    if _are_all(parts, rows):
        positions, values = None, np.concatenate([values for _, values in parts])
    elif 4 * count >= rows:  # each to its place: no need to sort
        present, made = np.zeros(rows, np.bool_), np.empty(rows, parts[0][1].dtype)
        for where, values in parts:
            present[_slice(where)] = True
            made[_slice(where)] = values
        positions = None if count == rows else np.flatnonzero(present)
        values = made if positions is None else made[positions]
    else:
        positions = np.concatenate([_indices(where) for where, _ in parts])
        values = np.concatenate([values for _, values in parts])
        if not (positions[1:] > positions[:-1]).all():
            order = np.argsort(positions, kind="stable")
            positions, values = positions[order], values[order]
    for array in (positions, values):
        if array is not None:
            array.flags.writeable = False
    return Part(positions, values)


def _are_all(parts: list[tuple[Positions, Array]], rows: int) -> bool:
    """Tell whether positions are all rows, one after another."""
    at = 0
    for part, _ in parts:
        if not isinstance(part, range) or part.start != at:
            return False
        at = part.stop
    return at == rows


def _slice(positions: Positions) -> slice | Array:
    return slice(positions.start, positions.stop) if isinstance(positions, range) else positions


def as_positions(numbers: Array) -> Positions:
    """Return ascending numbers of rows, as a range if they are one."""
    if len(numbers) and numbers[-1] - numbers[0] + 1 == len(numbers):
        return range(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _indices(positions: Positions) -> Array:
    return np.arange(positions.start, positions.stop) if isinstance(positions, range) else positions


def _as_float(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int) else float("nan")
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
