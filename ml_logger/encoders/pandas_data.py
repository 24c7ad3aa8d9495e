"""Turn pandas objects into plain data and arrays, and back: their pickles name internals that change with versions."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from typing import Any

from ml_logger.errors import CorruptData, UnsupportedValue

TAG = "__pandas__"
_CONTAINERS = frozenset([dict, list, tuple])
_CELL_MODULES = frozenset(
    ["builtins", "datetime", "decimal", "fractions", "numpy", "uuid", "pathlib", "pathlib._local"]
)


def neutral(value: Any) -> Any:
    """Replace the pandas objects in dicts, lists and tuples by tagged dicts; whatever holds none comes back as it is.

    Raises UnsupportedValue that names the column and the dtype of what cannot be told in plain data.
    """
    pd = sys.modules.get("pandas")
    if not hasattr(pd, "DataFrame"):
        return value  # nothing can be of pandas before it is imported
    return _replace(value, lambda part: _neutral_part(pd, part), {})


def revive(value: Any) -> Any:
    """Undo `neutral`; without pandas the tagged dicts stay. Raises CorruptData for one that makes no sense."""
    if not _holds_tagged(value):
        return value
    try:
        return _replace(value, _revived_part, {})
    except RecursionError as error:
        raise CorruptData("pandas objects that are nested too deeply to be made again") from error


def _holds_tagged(value: Any) -> bool:
    """Look for a tagged dict, in data of any depth: what holds none is left alone."""
    parts, seen = [value], set()
    while parts:
        part = parts.pop()
        kind = type(part)
        if kind not in _CONTAINERS or id(part) in seen:
            continue
        if kind is dict and type(part.get(TAG)) is str:
            return True
        seen.add(id(part))
        parts += [item for item in (part.values() if kind is dict else part) if type(item) not in _SIMPLE]
    return False


def _replace(value: Any, change: Callable[[Any], Any], done: dict[int, Any]) -> Any:
    """Apply `change` to every part that is no plain container, and copy only the containers around what changed."""
    changed = change(value)
    if changed is not value or type(value) not in _CONTAINERS:
        return changed
    if id(value) in done:
        return done[id(value)]
    done[id(value)] = value  # also ends the walk in data that holds itself
    items = value.values() if type(value) is dict else value
    new = [item if type(item) in _SIMPLE else _replace(item, change, done) for item in items]
    if any(one is not other for one, other in zip(new, items, strict=True)):
        done[id(value)] = dict(zip(value, new, strict=True)) if type(value) is dict else type(value)(new)
    return done[id(value)]


_SIMPLE = frozenset([int, float, str, bool, type(None), bytes])


# -- pandas to plain --------------------------------------------------------------------------------------------------


def _neutral_part(pd: Any, value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return _frame(pd, value)
    if isinstance(value, pd.Series):
        where = f"series {value.name!r}"
        data = {"values": _column(pd, value.array, where), "index": _index(pd, value.index, "the index")}
        return {TAG: "Series", **data, "name": _label(pd, value.name, where), "attrs": _attributes(pd, value)}
    if isinstance(value, pd.Index):
        return {TAG: "Index", **_index(pd, value, f"index {value.name!r}")}
    if value is pd.NA:
        return {TAG: "NA"}
    if value is pd.NaT:
        return {TAG: "NaT"}
    if isinstance(value, pd.Timestamp):
        return {TAG: "Timestamp", "value": value.to_datetime64(), "tz": _zone(value.tz, "a Timestamp")}
    if isinstance(value, pd.Timedelta):
        return {TAG: "Timedelta", "value": value.to_timedelta64()}
    if type(value).__module__.partition(".")[0] == "pandas":
        raise UnsupportedValue(f"a pandas {type(value).__name__} has no plain form: pass its parts, or text")
    return value


def _frame(pd: Any, frame: Any) -> dict[str, Any]:
    names = frame.columns
    # By position: names may occur twice.
    data = [_column(pd, frame.iloc[:, i].array, f"column {names[i]!r}") for i in range(len(names))]
    around = {"columns": _index(pd, names, "the columns"), "index": _index(pd, frame.index, "the index")}
    return {TAG: "DataFrame", "data": data, **around, "attrs": _attributes(pd, frame)}


def _index(pd: Any, index: Any, where: str) -> dict[str, Any]:
    if isinstance(index, pd.RangeIndex):
        span = {"start": index.start, "stop": index.stop, "step": index.step}
        return {"kind": "range", **span, "name": _label(pd, index.name, where)}
    if isinstance(index, pd.MultiIndex):
        levels = [_index(pd, level, f"{where}, level {level.name!r}") for level in index.levels]
        names = [_label(pd, name, where) for name in index.names]
        return {"kind": "multi", "levels": levels, "codes": [_array(codes) for codes in index.codes], "names": names}
    values, name = _column(pd, index.array, where), _label(pd, index.name, where)
    return {"kind": "values", "values": values, "name": name, "freq": getattr(index, "freqstr", None)}


def _column(pd: Any, array: Any, where: str) -> dict[str, Any]:
    """Describe one array of pandas by its kind and what it takes to build it again."""
    dtype = array.dtype
    if isinstance(dtype, pd.StringDtype):
        cells = [None if missing else cell for cell, missing in zip(array, array.isna(), strict=True)]
        return {"kind": "string", "cells": cells, "storage": dtype.storage, "na": dtype.na_value is pd.NA}
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _index(pd, dtype.categories, f"{where}, categories")
        return {"kind": "categorical", "codes": _array(array.codes), "categories": categories, "ordered": dtype.ordered}
    if isinstance(dtype, pd.DatetimeTZDtype):
        values = pd.DatetimeIndex(array).tz_convert(None).to_numpy()
        return {"kind": "zoned", "values": _array(values), "tz": _zone(dtype.tz, where)}
    if isinstance(array, pd.arrays.BooleanArray | pd.arrays.IntegerArray | pd.arrays.FloatingArray):
        mask = _array(array.isna())
        values = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return {"kind": "masked", "values": _array(values), "mask": mask}
    kind = _numpy_kind(pd, array)
    if kind == "O":
        return {"kind": "object", "cells": [_cell(pd, cell, where) for cell in array]}
    if kind in tuple("biufcMm"):
        return {"kind": "numpy", "values": _array(array)}
    raise _unsupported(where, dtype)


def _numpy_kind(pd: Any, array: Any) -> str | None:
    """Return the kind of numpy's dtype, which pandas may wrap in one of its own; None for another dtype."""
    import numpy as np

    wrapper = getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray  # before pandas 2.1
    dtype = array.dtype.numpy_dtype if isinstance(array, wrapper) else array.dtype
    return dtype.kind if isinstance(dtype, np.dtype) else None


def _cell(pd: Any, cell: Any, where: str) -> Any:
    if type(cell) in _SIMPLE:
        return cell
    try:
        cell = _replace(cell, lambda part: _neutral_part(pd, part), {})
    except UnsupportedValue as error:
        raise UnsupportedValue(f"{where} of dtype object: {error}") from error
    kind = type(cell)
    if kind.__module__ not in _CELL_MODULES or kind is object or callable(cell):
        raise _unsupported(where, f"object, holding a {kind.__module__}.{kind.__qualname__}")
    return cell


def _label(pd: Any, name: Any, where: str) -> Any:
    return _cell(pd, name, f"the name of {where}")


def _attributes(pd: Any, value: Any) -> Any:
    return _cell(pd, dict(value.attrs), "attrs")


def _array(values: Any) -> Any:
    """Copy into an array of its own, so that a row does not hold the whole block that it was cut from."""
    import numpy as np

    return np.array(values)


def _zone(tz: datetime.tzinfo | None, where: str) -> datetime.timezone | str | None:
    if tz is None or type(tz) is datetime.timezone:
        return tz
    name = getattr(tz, "key", None) or getattr(tz, "zone", None)  # of zoneinfo, of pytz
    if not isinstance(name, str):
        raise _unsupported(where, f"a time zone of type {type(tz).__module__}.{type(tz).__qualname__}")
    return name


def _unsupported(where: str, dtype: Any) -> UnsupportedValue:
    return UnsupportedValue(f"{where} is of dtype {dtype}, which has no plain form: convert it, for example to text")


# -- plain to pandas --------------------------------------------------------------------------------------------------


def _revived_part(value: Any) -> Any:
    if type(value) is not dict or type(value.get(TAG)) is not str or value[TAG] not in _REVIVE:
        return value
    try:
        import pandas as pd
    except ImportError:
        return value
    try:
        return _REVIVE[value[TAG]](pd, value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise CorruptData(f"not a pandas {value[TAG]} as we store it: {error}") from error


def _to_frame(pd: Any, form: Any) -> Any:
    index, columns = _to_index(pd, form["index"]), _to_index(pd, form["columns"])
    if len(columns) != len(form["data"]):
        raise ValueError(f"{len(columns)} names for {len(form['data'])} columns")
    frame = pd.DataFrame({i: _to_column(pd, data, index) for i, data in enumerate(form["data"])}, index=index)
    frame.columns = columns
    frame.attrs = revive(form["attrs"])
    return frame


def _to_series(pd: Any, form: Any) -> Any:
    series = _to_column(pd, form["values"], _to_index(pd, form["index"]))
    series.name = revive(form["name"])
    series.attrs = revive(form["attrs"])
    return series


def _to_column(pd: Any, form: Any, index: Any) -> Any:
    array = _to_array(pd, form)
    return pd.Series(array, index=index, dtype=array.dtype)  # the dtype, or text among objects would become strings


def _to_index(pd: Any, form: Any) -> Any:
    if form["kind"] == "range":
        return pd.RangeIndex(form["start"], form["stop"], form["step"], name=revive(form["name"]))
    if form["kind"] == "multi":
        levels = [_to_index(pd, level) for level in form["levels"]]
        return pd.MultiIndex(levels, form["codes"], names=[revive(name) for name in form["names"]])
    array = _to_array(pd, form["values"])
    index = pd.Index(array, dtype=array.dtype, name=revive(form["name"]))
    if form["freq"] is not None:
        index.freq = form["freq"]
    return index


def _to_array(pd: Any, form: Any) -> Any:
    kind = form["kind"]
    if kind == "numpy":
        return form["values"]
    if kind == "object":
        return _to_objects(form["cells"])
    if kind == "masked":
        names = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
        return names.get(form["values"].dtype.kind, pd.arrays.IntegerArray)(form["values"], form["mask"])
    if kind == "categorical":
        dtype = pd.CategoricalDtype(_to_index(pd, form["categories"]), form["ordered"])
        return pd.Categorical.from_codes(form["codes"], dtype=dtype)
    if kind == "zoned":
        return pd.DatetimeIndex(form["values"]).tz_localize("UTC").tz_convert(form["tz"]).array
    if kind == "string":
        return pd.array(_to_objects(form["cells"]), dtype=_string_dtype(pd, form["storage"], form["na"]))
    raise ValueError(f"a column of the unknown kind {kind!r}")


def _to_objects(cells: list[Any]) -> Any:
    import numpy as np

    array = np.empty(len(cells), object)
    for i, cell in enumerate(cells):
        array[i] = revive(cell)
    return array


def _string_dtype(pd: Any, storage: str, na: bool) -> Any:
    """Find the dtype of text; the storage is the machine's own where the stored one is not installed."""
    missing = pd.NA if na else float("nan")
    try:
        return pd.StringDtype(storage, na_value=missing)
    except ImportError:
        return pd.StringDtype("python", na_value=missing)
    except TypeError:  # pandas before 2.3 knows one missing value
        return pd.StringDtype(storage)


_REVIVE: dict[str, Callable[[Any, Any], Any]] = {
    "DataFrame": _to_frame,
    "Series": _to_series,
    "Index": _to_index,
    "NA": lambda pd, form: pd.NA,
    "NaT": lambda pd, form: pd.NaT,
    "Timestamp": lambda pd, form: _to_timestamp(pd, form),
    "Timedelta": lambda pd, form: pd.Timedelta(form["value"]),
}


def _to_timestamp(pd: Any, form: Any) -> Any:
    stamp = pd.Timestamp(form["value"])
    return stamp if form["tz"] is None else stamp.tz_localize("UTC").tz_convert(form["tz"])
