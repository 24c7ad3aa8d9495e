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
import types
from collections.abc import Iterable, Mapping
from typing import Any

from ml_logger import devices
from ml_logger.colors import Color
from ml_logger.devices import Later, is_a
from ml_logger.errors import UnsupportedValue

#: Most elements of an array that become a list within a row.
MAX_ELEMENTS = 1024

#: The types that are stored as they are.
PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_NAMES = frozenset({str})
_DEEPEST = 100
_NOTHING = object()


def is_number(value: object) -> bool:
    """Tell whether a value can be a step: a number, a numpy scalar, a 0-d array, a `Color` around one; not a bool."""
    if isinstance(value, Color):
        value = value.value
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
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
    if PLAIN.issuperset(map(type, values.values())) and _NAMES.issuperset(map(type, values)):
        return values if type(values) is dict else dict(values)
    flat = _flat(values, most)
    return Late(flat) if any(map(_is_late, flat.values())) else flat


def _flat(values: Mapping[str, Any], most: int | None) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise UnsupportedValue(f"the name of a metric is a str, not {type(key).__name__}: {_show(key)}")
        if isinstance(value, Mapping):
            flat.update((f"{key}/{inner}", plain) for inner, plain in _flat(_named(value), most).items())
        else:
            flat[key] = metric(value, key, most)
    return flat


def _is_late(value: Any) -> bool:
    return type(value) is Later or (type(value) is list and any(map(_is_late, value)))


def _named(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in values.items()}


def metric(value: Any, key: str, most: int | None = MAX_ELEMENTS, depth: int = 0) -> Any:
    """Return one metric as a plain value; arrays of at most 1,024 elements become lists, on a device a `Later`.

    Raises:
        UnsupportedValue: it is too large, or of a type that is no number, text, list or array.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, Color):
        return metric(value.value, key, most, depth)
    scalar = _scalar(value)
    if scalar is not _NOTHING:
        return scalar
    if depth > _DEEPEST:
        raise UnsupportedValue(f"metric {key!r} is nested deeper than {_DEEPEST} levels: log its parts by name")
    if isinstance(value, (list, tuple, set, frozenset)):
        if most is not None and len(value) > most:
            raise _too_large(key, len(value))
        return [metric(item, key, most, depth + 1) for item in value]
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        if most is not None:
            _check_size(value, key, most)
        kept = devices.snapshot(value, key)
        return _array(value, key) if kept is None else Later(kept, key, _array)
    raise UnsupportedValue(
        f"metric {key!r} is {_a(value)}, which is no number, text, list or array: "
        "pass a number, or log it with log_data"
    )


def _scalar(value: Any) -> Any:
    """Return what a value of a known scalar type is in plain types, else `_NOTHING`."""
    if isinstance(value, enum.Enum):
        return value.name if not isinstance(value, (int, str)) else value.value
    kind: Any
    for kind in (bool, int, float, str, bytes):
        if isinstance(value, kind):  # a subclass: numpy.float64, for one, is a float
            return kind(value)
    if is_a(value, "decimal", "Decimal") or is_a(value, "fractions", "Fraction"):
        return _rounded(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return _NOTHING


def _rounded(value: Any) -> float:
    """Return a Decimal or a Fraction as a float: beyond the largest one an infinity, without a value NaN."""
    try:
        return float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf
    except ValueError:  # Decimal("sNaN")
        return math.nan


def _check_size(value: Any, key: str, most: int = MAX_ELEMENTS) -> None:
    size = math.prod(int(length) for length in value.shape)
    if size > most:
        raise _too_large(key, size)


def _array(value: Any, key: str) -> Any:
    """Read an array in built-in types, those of its elements, or text and seconds for times."""
    if not hasattr(value, "tolist"):  # TensorFlow
        value = value.numpy()
    kind = getattr(value.dtype, "kind", None)
    if kind == "M":
        value = value.astype(str)
    elif kind == "m":
        value = value / value.dtype.type(1, "s")
    elif kind == "V" and not value.dtype.names:  # the short floats, of jax for one
        value = value.astype("float32")
    elif kind == "f" and value.dtype.itemsize > 8:
        value = value.astype("float64")
    plain = value.tolist()
    return plain if type(plain) in PLAIN else metric(plain, key, None)


def _too_large(key: str, size: int) -> UnsupportedValue:
    return UnsupportedValue(
        f"metric {key!r} has {size:,} elements, more than {MAX_ELEMENTS:,}: "
        "store it with log_data, or its distribution with log_histogram"
    )


def parameters(namespace: Any, name: str) -> Any:
    """Return one namespace of parameters as plain values.

    A mapping (also the `vars()` of a class), a class or an object that holds parameters as attributes, an
    `argparse.Namespace`, a dataclass, an object of attrs, pydantic or OmegaConf, a `SimpleNamespace`, a named tuple, or
    a single value. Of a class, dunder items, functions and what cannot be stored are left out.

    Raises:
        UnsupportedValue: a value that cannot be stored, with its dotted name.
    """
    if isinstance(namespace, types.MappingProxyType):
        return _attributes(namespace, name)
    if isinstance(namespace, type) and not issubclass(namespace, enum.Enum):
        return _attributes(_inherited(namespace), name) or _parameter(namespace, name, 0)
    if _holds_attributes(namespace):
        return _attributes({**_inherited(type(namespace)), **vars(namespace)}, name)
    return _parameter(namespace, name, 0)


def _inherited(kind: type) -> dict[str, Any]:
    """Return the attributes of a class and of those that it derives from, of people's own ones."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] not in ("builtins", "typing", "abc", "params_proto"):
            found.update(vars(base))
    return found


def _holds_attributes(value: Any) -> bool:
    """Tell whether a value is an object whose class says nothing of how it is to be shown."""
    if is_a(value, "params_proto.params_proto", "ParamsProto"):
        return True
    kind: Any = type(value)
    return kind.__repr__ is object.__repr__ and hasattr(value, "__dict__") and not callable(value)


def _attributes(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = {}
    for key, value in members.items():
        if key.startswith("__") and key.endswith("__"):
            continue
        if isinstance(value, (types.FunctionType, staticmethod, classmethod, property, types.MemberDescriptorType)):
            continue
        try:
            found[key] = _parameter(value, f"{name}.{key}", 0)
        except UnsupportedValue:
            continue
    return found


def _parameter(value: Any, name: str, depth: int) -> Any:
    if type(value) in PLAIN:
        return value
    if depth > _DEEPEST:
        raise UnsupportedValue(f"parameter {name!r} is nested deeper than {_DEEPEST} levels")
    members = _members(value)
    if members is not None:
        return {str(key): _parameter(item, f"{name}.{key!s}", depth + 1) for key, item in members.items()}
    if isinstance(value, Color):
        return _parameter(value.value, name, depth)
    scalar = _scalar(value)
    if scalar is not _NOTHING:
        return scalar
    if is_a(value, "omegaconf", "ListConfig"):
        value = _of_omegaconf(value)
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return _sequence(value, name, depth)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        _check_size(value, name)
        return _array(value, name)
    return _described(value, name)


def _sequence(value: Iterable[Any], name: str, depth: int) -> Any:
    items = [_parameter(item, f"{name}[{n}]", depth + 1) for n, item in enumerate(value)]
    return tuple(items) if isinstance(value, tuple) else items


def _members(value: Any) -> Mapping[Any, Any] | None:
    if is_a(value, "omegaconf", "DictConfig"):
        return _of_omegaconf(value)  # type: ignore[no-any-return]
    if isinstance(value, Mapping):
        return value
    if isinstance(value, types.SimpleNamespace) or is_a(value, "argparse", "Namespace"):
        return dict(vars(value))
    if is_a(value, "pydantic", "BaseModel"):
        return dict(value)
    if isinstance(value, type):
        return None
    fields = getattr(value, "__dataclass_fields__", None) or getattr(value, "_fields", None)
    if isinstance(fields, dict) or (isinstance(fields, tuple) and isinstance(value, tuple)):
        return {name: getattr(value, name) for name in fields if hasattr(value, name)}
    names = (field.name for field in getattr(type(value), "__attrs_attrs__", ()))
    return {name: getattr(value, name) for name in names if hasattr(value, name)} or None


def _of_omegaconf(value: Any) -> Any:
    """Return a configuration in built-in types: references are resolved, what is missing stays `???`."""
    return sys.modules["omegaconf"].OmegaConf.to_container(value, resolve=True)


def _described(value: Any, name: str) -> str:
    """Describe what has a name or a stable text: classes, functions, modules, devices and data types."""
    if isinstance(value, type) or callable(value):
        qualified = getattr(value, "__qualname__", None)
        if qualified:
            return f"{value.__module__}.{qualified}"
    if isinstance(value, types.ModuleType):
        return value.__name__
    text = repr(value)
    if " at 0x" in text:
        raise UnsupportedValue(
            f"parameter {name!r} is {_a(value)}, which cannot be stored: leave it out, or pass a text that tells it"
        )
    return text[:MAX_ELEMENTS]


def _a(value: object) -> str:
    kind = type(value)
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{where}{kind.__qualname__}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _show(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:70]}..."
