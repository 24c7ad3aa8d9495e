"""Pickles one after another: a file of them is read by a plain `pickle.load` loop, and by `record_reader`."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

from ml_logger.errors import UnsupportedValue

PROTOCOL = 4  # fixed, so that files are the same on every Python


def encode_plain(record: object) -> bytes:
    """Pickle a record of built-in types, which can always be pickled: on the path of every row."""
    return pickle.dumps(record, PROTOCOL)


def encode(record: object) -> bytes:
    """Pickle one record; raise UnsupportedValue that names the part which cannot be pickled."""
    try:
        return pickle.dumps(record, PROTOCOL)
    except Exception as error:  # __reduce__ and __getstate__ of any class run here, and raise what they like
        path, part = _offender(record, "")
        if not path and _can_be_pickled(record):
            raise  # not the record is to blame: a signal handler raised
        raise UnsupportedValue(
            f"the value{f' at {path}' if path else ''} is of type {_type_name(part)}, which cannot be pickled "
            f"({error}): pass plain data (numbers, text, bytes, None, lists, dicts, numpy arrays), or leave it out"
        ) from error


def _can_be_pickled(value: object) -> bool:
    try:
        pickle.dumps(value, PROTOCOL)
    except Exception:  # as in encode
        return False
    return True


def _offender(value: Any, path: str) -> tuple[str, Any]:
    """Find the innermost member of dicts, lists and tuples that cannot be pickled."""
    members: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list | tuple):
        members = enumerate(value)
    for key, member in members:
        try:
            pickle.dumps(member, PROTOCOL)
        except RecursionError:
            break  # endlessly nested: no one member is to blame
        except Exception:  # as in encode
            return _offender(member, f"{path}[{key!r:.80}]")
    return path, value


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
