"""Any value -> built-in types, recognized without importing the libraries they come from.

Rows and parameters are made of None, bool, int, float, str, bytes, list and dict alone, so that their pickles need no
import to be read, by nobody.
"""

from __future__ import annotations

import datetime
import enum
import math
import os
import sys
from collections.abc import Mapping, Sequence, Set, ValuesView
from typing import Any

from ml_logger import devices
from ml_logger.colors import Color
from ml_logger.devices import Later, is_a
from ml_logger.errors import UnsupportedValue

#: Most elements of an array that become a list within a row.
MAX_ELEMENTS = 1024

#: The types that are stored as they are.
PLAIN = frozenset({type(None), bool, int, float, str, bytes})
NAMES = frozenset({str})
#: Levels of values within each other.
DEEPEST = 100
NOTHING = object()


def is_number(value: object) -> bool:
    """Tell whether a value can be a step: a number, a numpy scalar, a 0-d array, a `Color` around one; not a bool."""
    if isinstance(value, Color):
        value = value.value
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)) or is_a(value, "decimal", "Decimal") or is_a(value, "fractions", "Fraction"):
        return True
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", "b" if "bool" in str(dtype) else "")
    has_one = hasattr(value, "item") or hasattr(value, "numpy")
    return getattr(value, "shape", None) == () and has_one and kind not in ("b", "U", "S", "O", "M", "m")


def number(value: Any) -> int | float | None:
    """Return a step as a Python number."""
    plain = settled(metric(value, "step"))
    if plain is None or (isinstance(plain, (int, float)) and not isinstance(plain, bool)):
        return plain
    raise UnsupportedValue(f"a step is a number, not {type(value).__name__}: {_show(value)}")


class Late(dict[str, Any]):
    """Metrics of which some are still on a device."""


def settled(value: Any) -> Any:
    """Return a metric with what is still on a device read; this waits for the device."""
    if type(value) is Later:
        return value.read()
    if type(value) is dict:
        return {name: settled(item) for name, item in value.items()}
    return [settled(item) for item in value] if type(value) is list else value


def metrics(values: Mapping[str, Any], most: int | None = MAX_ELEMENTS) -> dict[str, Any]:
    """Return the metrics of a call as plain values; nested mappings are flattened with `/`.

    `most` is the number of elements that a list or an array may have, None for any. What is on a device stays there,
    for `settled`; then the result is a `Late`.

    >>> metrics({"loss": 0.5, "eval": {"loss": 0.7}})
    {'loss': 0.5, 'eval/loss': 0.7}

    Raises:
        UnsupportedValue: a value that cannot be a metric, with its name.
    """
    if PLAIN.issuperset(map(type, values.values())) and NAMES.issuperset(map(type, values)):
        return values if type(values) is dict else dict(values)
    flat: dict[str, Any] = {}
    _flatten(values, most, "", 0, flat)
    return Late(flat) if any(map(_is_late, flat.values())) else flat


def _flatten(values: Mapping[Any, Any], most: int | None, folder: str, depth: int, flat: dict[str, Any]) -> None:
    if depth > DEEPEST:
        raise UnsupportedValue(f"metric {folder[:80]!r}... is nested deeper than {DEEPEST} levels, or within itself")
    for key, value in values.items():
        name = f"{folder}{name_of(key)}"
        if isinstance(value, Mapping):
            _flatten(value, most, f"{name}/", depth + 1, flat)
        elif name in flat:
            raise UnsupportedValue(f"two values of a call are named {name!r}: one would be lost; rename it")
        else:
            flat[name] = metric(value, name, most)


def name_of(key: Any) -> str:
    """Return the name of a value as built-in text: numbers, members of enums and the like become it.

    >>> name_of("loss"), name_of(3)
    ('loss', '3')
    """
    if type(key) is str:
        return key
    if isinstance(key, enum.Enum):
        key = scalar(key)
    return str.__str__(key) if isinstance(key, str) else str(key)


def _is_late(value: Any) -> bool:
    if type(value) is dict:
        value = [*value.values()]
    return type(value) is Later or (type(value) is list and any(map(_is_late, value)))


def metric(value: Any, key: str, most: int | None = MAX_ELEMENTS, depth: int = 0) -> Any:
    """Return one metric as a plain value; arrays of at most 1,024 elements become lists, on a device a `Later`.

    Raises:
        UnsupportedValue: it is too large, or of a type that is no number, text, list or array.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, Color):
        return metric(value.value, key, most, depth)
    found = scalar(value)
    if found is not NOTHING:
        return found
    if depth > DEEPEST:
        raise UnsupportedValue(f"metric {key!r} is nested deeper than {DEEPEST} levels: log its parts by name")
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        if most is not None:
            check_size(value, key, most)
        kept = devices.snapshot(value, key)
        return array(value, key) if kept is None else Later(kept, key, array)
    if isinstance(value, (Sequence, Set, ValuesView, Mapping)):
        if most is not None and len(value) > most:
            raise _too_large(key, len(value))
        if isinstance(value, Mapping):  # within a list: one that is a value itself was flattened
            return {name_of(name): metric(item, key, most, depth + 1) for name, item in value.items()}
        return [metric(item, key, most, depth + 1) for item in value]
    raise UnsupportedValue(
        f"metric {key!r} is {kind_of(value)}, which no row can hold: "
        "pass a number, a text, a list or a small array, or log it with log_data"
    )


def scalar(value: Any) -> Any:
    """Return what a value of a known scalar type is in plain types, else `NOTHING`."""
    if isinstance(value, enum.Enum):
        return scalar(value.value) if isinstance(value, (int, float, str, bytes)) else value.name
    if isinstance(value, str):
        return str.__str__(value)  # a subclass may have another `str`
    kind: Any
    for kind in (bool, int, float, bytes):
        if isinstance(value, kind):  # a subclass: numpy.float64, for one, is a float
            return kind(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if value is getattr(sys.modules.get("pandas"), "NA", NOTHING):
        return None
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if is_a(value, "decimal", "Decimal") or is_a(value, "fractions", "Fraction"):
        return _rounded(value)
    return _time(value)


def _time(value: Any) -> Any:
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, datetime.timedelta) else NOTHING


def _rounded(value: Any) -> float:
    """Return a Decimal or a Fraction as a float: beyond the largest one an infinity, without a value NaN."""
    try:
        return float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf
    except ValueError:  # Decimal("sNaN")
        return math.nan


def check_size(value: Any, key: str, most: int = MAX_ELEMENTS) -> None:
    """Refuse an array of too many elements: raise UnsupportedValue."""
    size = math.prod(int(length) for length in value.shape)
    if size > most:
        raise _too_large(key, size)


def array(value: Any, key: str) -> Any:
    """Read an array in built-in types, those of its elements, or text and seconds for times."""
    if not hasattr(value, "tolist"):  # TensorFlow
        value = value.numpy()
    kind = getattr(value.dtype, "kind", None)
    if kind == "M":
        value = value.astype(str)
    elif kind == "m":
        value = value / value.dtype.type(1, "s")
    elif kind == "V" and not value.dtype.names:  # the short floats and integers, of jax for one
        value = value.astype("int64" if "int" in value.dtype.name else "float32")
    elif kind == "f" and value.dtype.itemsize > 8:
        value = value.astype("float64")
    plain = value.tolist()
    return plain if type(plain) in PLAIN else metric(plain, key, None)


def _too_large(key: str, size: int) -> UnsupportedValue:
    return UnsupportedValue(
        f"{key!r} has {size:,} elements, more than {MAX_ELEMENTS:,}: "
        "store it with log_data, or its distribution with log_histogram"
    )


def kind_of(value: object) -> str:
    """Return what a value is, for a sentence: `a torch.dtype`."""
    kind = type(value)
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{where}{kind.__qualname__}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _show(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:70]}..."
