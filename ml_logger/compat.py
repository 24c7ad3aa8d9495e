"""Names that programs of earlier versions take from the top of the package, and those that belonged elsewhere."""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ml_logger import config, plain
from ml_logger.errors import NotAvailable

Result = TypeVar("Result")

#: Names of a launcher of jobs, which this package is not.
LAUNCHER = ("RUN", "instr", "needs_relaunch")


def memoize(f: Callable[..., Result]) -> Callable[..., Result]:
    """Wrap a function so that it is called once for the same arguments: `load = memoize(logger.load_pkl)`.

    Arguments that cannot be hashed are compared by their pickles. The result is the same object each time.

    >>> calls = []
    >>> @memoize
    ... def double(x):
    ...     calls.append(x)
    ...     return x * 2
    >>> double(2), double(2), calls
    (4, 4, [2])
    """
    results: dict[Any, Result] = {}

    @functools.wraps(f)
    def remembering(*args: Any, **kw: Any) -> Result:
        key = _key(args, kw)
        try:
            return results[key]
        except KeyError:
            pass
        result = results[key] = f(*args, **kw)
        return result

    return remembering


def _key(args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    key = args, tuple(sorted(kw.items()))
    types = tuple(map(type, args))
    try:
        hash(key)
    except TypeError:
        from ml_logger.encoders import records

        return records.encode((args, sorted(kw.items())))
    return key, types  # 1, 1.0 and True are equal, and not the same


def metrify(data: Any) -> Any:
    """Return a value as `log` stores it, in built-in types: numpy scalars as numbers, small arrays as lists.

    >>> metrify({"a": (1, 2)})
    {'a': [1, 2]}

    Raises:
        UnsupportedValue: it cannot be a metric.
    """
    if isinstance(data, Mapping):
        return {name: metrify(value) for name, value in data.items()}
    return plain.metric(data, "data")


def pJoin(*parts: str | os.PathLike[str] | None) -> str:
    """Join parts of a path; None and empty ones are left out.

    >>> pJoin("me", None, "exp", "metrics.pkl")
    'me/exp/metrics.pkl'
    """
    given = [os.fspath(part) for part in parts if part]
    return posixpath.join(*given) if given else ""


def setting(name: str) -> str:
    """Return what the top of the package calls `USER` and `ROOT`, as the environment has it now.

    Raises:
        NotAvailable: a name that belongs to a launcher of jobs.
        AttributeError: any other name.
    """
    if name == "USER":
        return config.user()
    if name == "ROOT":
        from ml_logger.facade import place

        return place.normal_root(config.get("ML_LOGGER_ROOT") or "runs")
    if name in LAUNCHER:
        raise NotAvailable(
            f"ml_logger.{name} belongs to a launcher of jobs, and is no part of this package: start the program with "
            "your scheduler or launcher, and call logger.configure in it"
        )
    raise AttributeError(f"module 'ml_logger' has no attribute {name!r}")
