"""Many values of a name, and what is told of them: pure, knows nothing of files or prefixes."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ml_logger import plain
from ml_logger.errors import InvalidSetting, UnsupportedValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

MODES = ("tiled", "rolling")
_STATS = re.compile(r"(mean|min_max|std_dev|quantile)|histogram(?:\((?:bins=)?([0-9]+)\))?")
_QUANTILES = (0, 25, 50, 75, 100)
_MOST_BINS = 1_000


class SummaryCache:
    """The values that wait for a summary, by name.

    Args:
        mode: "tiled": a summary begins anew behind the last one; "rolling": it is about the last `window` values.
        window: how many values of a name a rolling cache keeps; all by default.
        default_stats: what is told of a name that `key_stats` does not have.
        key_stats: what is told of single names.

    Raises:
        InvalidSetting: a mode, a window or statistics that make no sense.
    """

    def __init__(
        self,
        mode: str = "tiled",
        window: int | None = None,
        default_stats: str = "mean",
        key_stats: Mapping[str, str] | None = None,
    ) -> None:
        if mode not in MODES:
            raise InvalidSetting(f"unknown mode {mode!r} of a summary cache: pass 'tiled' or 'rolling'")
        if window is not None and (mode != "rolling" or type(window) is not int or window < 1):
            raise InvalidSetting(
                f"window={window!r} of a {mode} cache: pass a whole number above 0, and mode='rolling'"
            )
        for stats in (default_stats, *(key_stats or {}).values()):
            _parsed(stats)
        self.mode, self.window = mode, window
        self.default_stats, self.key_stats = default_stats, dict(key_stats or {})
        self.data: dict[str, deque[Any]] = {}

    def store(self, metrics: Mapping[str, Any] | None = None, **key_values: Any) -> None:
        """Add a value to each name: a number, or an array or list of numbers, of any shape, whose elements all count.

        None counts as NaN. What is on a device is read when it is summarized.

        Raises:
            UnsupportedValue: anything else; nothing of the call is taken.
        """
        values = plain.metrics({**(metrics or {}), **key_values}, most=None)
        for name, value in values.items():
            _check(value, name)
        for name, value in values.items():
            self.data.setdefault(name, deque(maxlen=self.window)).append(value)

    def peek(self, *names: str, length: int = 5) -> dict[str, list[Any]]:
        """Return the first values of each name, of all that have some by default."""
        chosen = names or tuple(self.data)
        return {
            name: [plain.settled(value) for value in self._first(name, length)]
            for name in chosen
            if self.data.get(name)
        }

    def _first(self, name: str, length: int) -> list[Any]:
        return list(self.data[name])[: max(0, length)]

    def summarize(self, key_stats: Mapping[str, str] | None = None, default_stats: str | None = None) -> dict[str, Any]:
        """Return the columns of a summary; a tiled cache is empty afterwards."""
        chosen = {**self.key_stats, **(key_stats or {})}
        default = default_stats or self.default_stats
        for stats in (default, *chosen.values()):
            _parsed(stats)
        columns: dict[str, Any] = {}
        for name, values in self.data.items():
            columns.update(statistics(name, values, chosen.get(name, default)))
        if self.mode == "tiled":
            self.clear()
        return columns

    def clear(self) -> None:
        """Forget all values."""
        self.data.clear()

    def __bool__(self) -> bool:
        return bool(self.data)


def _check(value: Any, name: str) -> None:
    if isinstance(value, (str, bytes, dict)):
        raise UnsupportedValue(f"stored metric {name!r} is {value!r:.60}, of which there is no summary: pass numbers")
    for item in value if isinstance(value, list) else ():
        _check(item, name)


def statistics(name: str, values: Iterable[Any], stats: str = "mean") -> dict[str, Any]:
    """Return what is told of values, by column; NaN is left out, and tells itself where there is nothing else.

    >>> statistics("loss", [1.0, 2.0, 6.0], "min_max")
    {'loss/min': 1.0, 'loss/max': 6.0, 'loss/mean': 3.0}

    No values, no columns.

    Raises:
        InvalidSetting: other statistics.
    """
    import numpy as np

    kind, bins = _parsed(stats)
    found = np.array(list(_flat(values)), dtype=np.float64)
    if not found.size:
        return {}
    numbers = found[~np.isnan(found)]
    if kind == "histogram":
        return _histogram(name, numbers[np.isfinite(numbers)], bins)
    with np.errstate(all="ignore"):  # infinities have no spread; numpy says so by NaN, and by a warning
        columns = _TELLERS[kind](numbers) if numbers.size else dict.fromkeys(_TELLERS[kind](found[:1] * 0), math.nan)
    return {f"{name}/{column}": float(value) for column, value in columns.items()}


def _mean(numbers: Array) -> dict[str, Any]:
    return {"mean": numbers.mean()}


def _min_max(numbers: Array) -> dict[str, Any]:
    return {"min": numbers.min(), "max": numbers.max(), "mean": numbers.mean()}


def _std_dev(numbers: Array) -> dict[str, Any]:
    return {"stddev": numbers.std(), "mean": numbers.mean()}


def _quantile(numbers: Array) -> dict[str, Any]:
    import numpy as np

    return dict(zip(map(str, _QUANTILES), np.percentile(numbers, _QUANTILES), strict=True))


_TELLERS: dict[str, Callable[[Array], dict[str, Any]]] = {
    "mean": _mean,
    "min_max": _min_max,
    "std_dev": _std_dev,
    "quantile": _quantile,
}


def _histogram(name: str, finite: Array, bins: int) -> dict[str, Any]:
    import numpy as np

    if not finite.size:
        return {f"{name}/hist": [], f"{name}/divs": []}
    low, high = float(finite.min()), float(finite.max())
    if low < high:
        edges = np.linspace(low / 4, high / 4, bins + 1) * 4  # a quarter, as the range may be beyond the largest float
        edges[0], edges[-1] = low, high
        edges = edges if (np.diff(edges) > 0).all() else np.array([low, high])
    else:
        margin = max(0.5, float(np.spacing(abs(low))))
        edges = (
            np.linspace(low - margin, high + margin, bins + 1)
            if math.isfinite(high + margin)
            else np.array([low, high])
        )
    counts, edges = np.histogram(finite, bins=edges)
    return {f"{name}/hist": counts.tolist(), f"{name}/divs": edges.tolist()}


def _flat(values: Iterable[Any]) -> Iterable[float]:
    for value in values:
        settled = plain.settled(value)
        if isinstance(settled, list):
            yield from _flat(settled)
        else:
            yield math.nan if settled is None else _float(settled)


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return -math.inf if number < 0 else math.inf


def _parsed(stats: object) -> tuple[str, int]:
    match = _STATS.fullmatch(stats.replace(" ", "")) if isinstance(stats, str) else None
    bins = int((match and match[2]) or 10)
    if match is None or not 1 <= bins <= _MOST_BINS:
        raise InvalidSetting(
            f"unknown statistics {stats!r}: pass 'mean', 'min_max', 'std_dev', 'quantile', 'histogram' or "
            f"'histogram(bins=20)', of 1 to {_MOST_BINS:,} bins"
        )
    return match[1] or "histogram", bins
