"""Parameters: from where people keep them to built-in types, and what was logged one after another as one; pure."""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from typing import Any

from ml_logger import plain
from ml_logger.colors import Color
from ml_logger.devices import is_a
from ml_logger.errors import UnsupportedValue

#: The ids of the values that a value is within: what is within itself has no end.
Within = tuple[int, ...]


def to_plain(namespace: Any, name: str) -> Any:
    """Return one namespace of parameters as plain values.

    A mapping (also the `vars()` of a class), a class or an object that holds parameters as attributes, an
    `argparse.Namespace`, a dataclass, an object of attrs, pydantic or OmegaConf, a `SimpleNamespace`, a named tuple, or
    a single value. Of a class, dunder items, functions and what cannot be stored are left out; a class in the body of
    another, and an object of it, is a group of parameters, too.

    Raises:
        UnsupportedValue: a value that cannot be stored, with its dotted name.
    """
    if isinstance(namespace, types.MappingProxyType):
        return _attributes(namespace, name, ())
    return _group(namespace, name, (id(namespace),)) or _parameter(namespace, name, ())


def _group(value: Any, name: str, within: Within) -> dict[str, Any] | None:
    """Return the parameters that a class, or an object without a text of its own, holds; None for any other value."""
    if isinstance(value, type):
        return None if issubclass(value, enum.Enum) else _attributes(_inherited(value), name, within)
    if _holds_attributes(value):
        return _attributes({**_inherited(type(value)), **vars(value)}, name, within)
    return None


def _is_inner(kind: type) -> bool:
    """Tell whether a class stands in the body of another, as a group of parameters does."""
    outer = kind.__qualname__.rpartition(".")[0]
    return bool(outer) and not outer.endswith("<locals>")


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


def _attributes(members: Mapping[str, Any], name: str, within: Within) -> dict[str, Any]:
    found = {}
    for key, value in members.items():
        if key.startswith("__") and key.endswith("__"):
            continue
        if isinstance(value, (types.FunctionType, staticmethod, classmethod, property, types.MemberDescriptorType)):
            continue
        try:
            found[key] = _parameter(value, f"{name}.{key}", within)
        except UnsupportedValue:
            continue
    return found


def _parameter(value: Any, name: str, within: Within) -> Any:
    if type(value) in plain.PLAIN:
        return value
    if id(value) in within or len(within) > plain.DEEPEST:
        raise UnsupportedValue(
            f"parameter {name[:80]!r} is nested deeper than {plain.DEEPEST} levels, or within itself: leave it out"
        )
    members, inner = _members(value), (*within, id(value))
    if members is not None:
        return {plain.name_of(key): _parameter(item, f"{name}.{key!s}", inner) for key, item in members.items()}
    if isinstance(value, Color):
        return _parameter(value.value, name, within)
    scalar = plain.scalar(value)
    if scalar is not plain.NOTHING:
        return scalar
    group = _group(value, name, inner) if _is_inner(value if isinstance(value, type) else type(value)) else None
    if group:
        return group
    if is_a(value, "omegaconf", "ListConfig"):
        value = _of_omegaconf(value)
    if isinstance(value, (Sequence, Set, ValuesView)):
        return _sequence(value, name, inner)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        plain.check_size(value, name)
        return plain.array(value, name)
    return _described(value, name)


def _sequence(value: Iterable[Any], name: str, within: Within) -> Any:
    items = [_parameter(item, f"{name}[{n}]", within) for n, item in enumerate(value)]
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
    to_container = sys.modules["omegaconf"].OmegaConf.to_container
    try:
        return to_container(value, resolve=True)
    except Exception:  # a reference that leads nowhere, here at least: it stays as it is written
        return to_container(value, resolve=False)


def _described(value: Any, name: str) -> str:
    """Describe what has a name or a stable text: classes, functions, modules, devices and data types."""
    if isinstance(value, type) or callable(value):
        qualified = getattr(value, "__qualname__", None)
        if qualified:
            return f"{value.__module__}.{qualified}"
    if isinstance(value, types.ModuleType):
        return value.__name__
    is_named = is_a(value, "torch", "device") or is_a(value, "numpy", "dtype")
    text = str(value) if is_named else repr(value)
    if " at 0x" in text:
        raise UnsupportedValue(
            f"parameter {name!r} is {plain.kind_of(value)}, which cannot be stored: "
            "leave it out, or pass a text that tells it"
        )
    return text[: plain.MAX_ELEMENTS]


def merge(records: Iterable[Any]) -> dict[str, Any]:
    """Return what several records say together: later ones win, and dicts within dicts are merged too.

    >>> merge([{"Args": {"lr": 0.1, "seed": 1}}, {"Args": {"lr": 0.2}}])
    {'Args': {'lr': 0.2, 'seed': 1}}
    """
    merged: dict[str, Any] = {}
    for record in records:
        if isinstance(record, Mapping):
            _put(merged, record)
    return merged


def _put(merged: dict[str, Any], record: Mapping[Any, Any]) -> None:
    for name, value in record.items():
        if isinstance(value, Mapping):
            inner = merged.get(name)
            if not isinstance(inner, dict):
                inner = merged[name] = {}
            _put(inner, value)
        else:
            merged[name] = value


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by their dotted names; an empty dict is a value.

    >>> flatten({"Args": {"lr": 0.1, "net": {"width": 64}}, "seed": 3})
    {'Args.lr': 0.1, 'Args.net.width': 64, 'seed': 3}
    """
    return dict(_leaves(nested, ""))


def _leaves(nested: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def find(nested: Mapping[str, Any], name: str) -> Any:
    """Return a parameter by its dotted name, or the dict of those whose names begin with it.

    Raises:
        KeyError: there is none.
    """
    if name in nested:
        return nested[name]
    parts = name.split(".")
    for count in range(1, len(parts)):
        inner = nested.get(".".join(parts[:count]))
        if isinstance(inner, Mapping):
            try:
                return find(inner, ".".join(parts[count:]))
            except KeyError:
                pass
    raise KeyError(name)
