"""Columns as tables of pandas, Polars and Arrow: pure; a library is imported when a table of its kind is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ml_logger.columns.table import Array, Column, Columns, Part, concat, objects
from ml_logger.errors import InvalidSetting, NotAvailable

#: The column that holds the run of a row.
RUN = "run"

_LIBRARIES = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}
_EXACT_AS_FLOAT = 2**53
_IN_LISTS = (float, int, bool, str)


def library(as_: str) -> Any:
    """Return the library that has tables of a kind: "pandas", "polars" or "arrow".

    Raises:
        InvalidSetting: another kind.
        NotAvailable: it is not installed.
    """
    name = _LIBRARIES.get(as_) if isinstance(as_, str) else None
    if name is None:
        raise InvalidSetting(f"unknown kind of table as_={as_!r}: pass 'pandas', 'polars' or 'arrow'")
    try:
        return importlib.import_module(name)
    except ImportError:
        raise NotAvailable(f"tables as_={as_!r} need {name}, which is not installed: pip install {name}") from None


def join(tables: Iterable[tuple[str, Columns]], keys: Sequence[str] | None = None, x: str | None = None) -> Columns:
    """Return the rows of many runs as one table, sorted by run, and with `x` by that; the run is the first column.

    Args:
        tables: the runs, and the columns of each.
        keys: the columns, which are there even where no run has them; all by default.
        x: the column to sort by, which is there too. Rows in which it holds no number come last, in their order.
    """
    found = sorted(tables, key=lambda each: each[0])
    names = [name for name, _ in found]
    counts = [table.rows for _, table in found]
    joined = concat(table for _, table in found)
    wanted = dict.fromkeys([*([] if x is None else [x]), *(joined if keys is None else keys)])
    runs = np.repeat(np.arange(len(names)), counts)
    columns = {RUN: Column(joined.rows, [Part(None, objects(names)[runs])])}
    for name in wanted:
        columns[_own_name(name, wanted)] = joined.get(name) or Column(joined.rows, [])
    return sort(Columns(joined.rows, columns), None if x is None else _own_name(x, wanted), runs)


def _own_name(name: str, taken: Collection[str]) -> str:
    return free_name(name, "metrics", taken) if name == RUN else name


def sort(table: Columns, x: str | None, runs: Array | None = None) -> Columns:
    """Return a table with its rows in the order of x, within each run; without x as it is."""
    if x is None or x not in table:
        return table
    return take(table, _order(np.zeros(table.rows, np.int64) if runs is None else runs, table[x]))


def free_name(name: str, kind: str, taken: Collection[str]) -> str:
    """Return a name that is not taken for a column whose own name is that of one of ours: `metrics/run`."""
    while name in taken:
        name = f"{kind}/{name}"
    return name


def take(table: Columns, order: Array) -> Columns:
    """Return a table with its rows in another order, or only some of them: the numbers of the rows."""
    if len(order) == table.rows and (order == np.arange(table.rows)).all():
        return table
    place = np.full(table.rows, -1)
    place[order] = np.arange(len(order))
    return Columns(len(order), {name: _moved(column, order, place) for name, column in table.items()})


def _moved(column: Column, order: Array, place: Array) -> Column:
    parts = []
    for part in column.parts:
        if part.positions is None:
            parts.append(Part(None, part.values[order]))
            continue
        there = place[part.positions]
        kept = there >= 0
        there, values = there[kept], part.values[kept]
        ascending = np.argsort(there, kind="stable")
        parts.append(Part(None if len(there) == len(order) else there[ascending], values[ascending]))
    return Column(len(order), [part for part in parts if len(part.values)])


def _order(runs: Array, x: Column) -> Array:
    """Return the numbers of the rows, by run, then by x; numbers that are all integers are compared as such."""
    settled = settle(x)
    if settled.kind == "int":
        values, none = settled.values, settled.missing
    else:
        values = x.to_floats()
        none = np.isnan(values)
    keys = (values, runs) if none is None else (np.where(none, 0, values), none, runs)
    return np.lexsort(keys)


# -- what a column is, in the terms of all three libraries ------------------------------------------------------------


class Settled(NamedTuple):
    """A column of one kind: "float", "int", "bool", "time", "object", or "none" without any value.

    `values` has something else where `missing` is true; `missing` is None where every row has a value.
    """

    kind: str
    values: Array
    missing: Array | None


def settle(column: Column, as_time: bool = False) -> Settled:
    """Return a column as values of one kind; None counts as missing, and NaN as a value.

    Integers among floats become floats where that is exact; other mixtures are objects. `as_time` takes floats as
    seconds since the epoch, and gives microseconds.
    """
    parts = [part for part in map(_without_none, column.parts) if len(part.values)]
    if not parts:
        return Settled("none", np.full(column.rows, None), np.ones(column.rows, np.bool_))
    kind = _kind(parts)
    count = sum(len(part.values) for part in parts)
    dtype = {"float": np.float64, "int": np.int64, "bool": np.bool_, "object": object}[kind]
    if len(parts) == 1 and parts[0].positions is None:
        values = parts[0].values
    else:
        values = np.full(column.rows, None) if kind == "object" else np.zeros(column.rows, dtype)
    missing = None if count == column.rows else np.ones(column.rows, np.bool_)
    for part in parts:
        where = slice(None) if part.positions is None else part.positions
        if values is not part.values:
            values[where] = part.values.astype(dtype, copy=False)
        if missing is not None:
            missing[where] = False
    if as_time:
        return Settled("time", np.round(values * 1e6).astype(np.int64), missing)
    return Settled(kind, values, missing)


def _kind(parts: Sequence[Part]) -> str:
    kinds = {part.values.dtype.kind: part.values for part in parts}
    if len(kinds) == 1:
        return {"f": "float", "i": "int", "b": "bool"}.get(next(iter(kinds)), "object")
    whole = kinds.get("i")
    if kinds.keys() == {"i", "f"} and whole is not None:
        return "float" if ((whole >= -_EXACT_AS_FLOAT) & (whole <= _EXACT_AS_FLOAT)).all() else "object"
    return "object"


def _without_none(part: Part) -> Part:
    if part.values.dtype != object:
        return part
    some = np.fromiter((value is not None for value in part.values), np.bool_, len(part.values))
    if some.all():
        return part
    positions = np.arange(len(part.values)) if part.positions is None else part.positions
    return Part(positions[some], part.values[some])


def _element(values: Sequence[Any]) -> type | None:
    """Return the type of all values: str, bytes, or list where all elements of all lists are of one type."""
    kinds = set(map(type, values))
    if kinds in ({str}, {bytes}):
        return kinds.pop()
    inner = {type(item) for value in values for item in value} if kinds == {list} else set()
    return list if kinds == {list} and len(inner) <= 1 and inner.issubset(_IN_LISTS) else None


# -- the three libraries ----------------------------------------------------------------------------------------------


def make(table: Columns, as_: str = "pandas", times: Collection[str] = ()) -> Any:
    """Return a table as a pandas or Polars DataFrame, or an Arrow table; `times` are columns of seconds of UTC.

    Which type of theirs a column gets is told in docs/api/reading.rst. `table` is left as it is, and a pandas frame can
    be written to.

    Raises:
        NotAvailable: the library is not installed.
    """
    own = library(as_)
    settled = {_shown(name, table): settle(column, name in times) for name, column in table.items()}
    return _MAKERS[as_](own, settled, table.rows)


def _shown(name: str, table: Columns) -> str:
    """Return the name of a column as these libraries take it: a lone surrogate, which is no text, as an escape."""
    shown = str(_text(name))
    while shown != name and shown in table:
        shown += "_"
    return shown


def _pandas(pd: Any, columns: Mapping[str, Settled], rows: int) -> Any:
    made = {name: _pandas_column(pd, column) for name, column in columns.items()}
    return pd.DataFrame(made, index=pd.RangeIndex(rows))


def _pandas_column(pd: Any, column: Settled) -> Any:
    kind, values, missing = column
    if kind in ("object", "none"):
        if _element([value for value in values if value is not None]) is str:
            try:
                return pd.Series(values)
            except UnicodeEncodeError:  # a lone surrogate, which Arrow behind pandas does not take
                pass
        return pd.Series(values, dtype=object)
    if kind == "time":
        moments = values.astype("datetime64[us]")
        if missing is not None:
            moments[missing] = np.datetime64("NaT", "us")
        return pd.Series(moments).dt.tz_localize("UTC")
    if missing is None:
        return pd.Series(values, copy=False)  # it cannot be written to; the frame makes a copy of its own
    if kind == "float" and not np.isnan(values[~missing]).any():
        values[missing] = np.nan
        return pd.Series(values, copy=False)
    array = {"int": pd.arrays.IntegerArray, "bool": pd.arrays.BooleanArray, "float": pd.arrays.FloatingArray}[kind]
    return pd.Series(array(values, missing))


def _polars(pl: Any, columns: Mapping[str, Settled], rows: int) -> Any:
    return pl.DataFrame({name: _polars_column(pl, name, column) for name, column in columns.items()})


def _polars_column(pl: Any, name: str, column: Settled) -> Any:
    kind, values, missing = column
    if kind == "none":
        return pl.Series(name, [None] * len(values), dtype=pl.Null)
    if kind == "object":
        listed = values.tolist()
        if _element([value for value in listed if value is not None]) is not None:
            try:
                return pl.Series(name, listed, strict=True)
            except (OverflowError, TypeError, UnicodeEncodeError):  # integers beyond 64 bits, a lone surrogate
                pass
        return pl.Series(name, listed, dtype=pl.Object)
    series = pl.Series(name, values.astype("datetime64[us]") if kind == "time" else values)
    if kind == "time":
        series = series.dt.replace_time_zone("UTC")
    if missing is None:
        return series
    return series.zip_with(pl.Series(~missing), pl.Series([None], dtype=series.dtype).new_from_index(0, len(series)))


def _arrow(pa: Any, columns: Mapping[str, Settled], rows: int) -> Any:
    return pa.table({name: _arrow_column(pa, column) for name, column in columns.items()})


def _arrow_column(pa: Any, column: Settled) -> Any:
    kind, values, missing = column
    if kind == "none":
        return pa.nulls(len(values))
    if kind == "object":
        listed = values.tolist()
        if _element([value for value in listed if value is not None]) is not None:
            try:
                return pa.array(listed)
            except (OverflowError, UnicodeEncodeError):  # integers beyond 64 bits, a lone surrogate
                pass
        return pa.array([_text(value) for value in listed], pa.string())
    made = pa.array(values, mask=missing)
    return made.cast(pa.timestamp("us", tz="UTC")) if kind == "time" else made


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "backslashreplace").decode()


_MAKERS: dict[str, Callable[[Any, Mapping[str, Settled], int], Any]] = {
    "pandas": _pandas,
    "polars": _polars,
    "arrow": _arrow,
}
