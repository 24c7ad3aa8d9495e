"""Many numbers to a histogram of plain Python values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_logger.encoders.arrays import to_numpy
from ml_logger.errors import InvalidSetting, UnsupportedValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

MOST_BINS = 1_000  # of a histogram whose number of bins is estimated
MOST_GIVEN_BINS = 1_000_000


def encode(values: object, bins: str | int | Sequence[float] = "auto", *, key: str = "") -> dict[str, Any]:
    """Count values in bins: {"counts": n ints, "edges": n + 1 floats}, plain Python values.

    `values` is an array, tensor or nested list of real numbers or bools, of any shape. `bins` is "auto" (the narrower
    bins of the rules of Sturges and of Freedman and Diaconis, as numpy does it, but at most 1,000 of them), a number of
    bins of equal width, or rising edges. NaN and infinities are left out, and counted under "nan" and "inf" where there
    are any; with no finite value, counts and edges are empty. Raises UnsupportedValue for no values, strings, complex
    numbers and objects, and InvalidSetting for bins that make no sense.
    """
    import numpy as np

    array = to_numpy(values, key)
    numbers = _numbers(array, type(values).__name__, key)
    finite = numbers[np.isfinite(numbers)]
    histogram: dict[str, Any] = {"counts": [], "edges": []}
    edges = _edges(finite, bins, array.dtype.kind in "biu", key)
    if finite.size:
        histogram["counts"] = _count(finite, edges, isinstance(bins, (str, int, np.integer))).tolist()
        histogram["edges"] = edges.tolist()
    for name, found in (("nan", np.isnan(numbers)), ("inf", np.isinf(numbers))):
        if found.any():
            histogram[name] = int(found.sum())
    return histogram


def _numbers(array: Array, kind: str, key: str) -> Array:
    """Flatten the values to float64."""
    import numpy as np

    if array.size == 0:
        raise UnsupportedValue(f"{_at(key)}a histogram needs at least one value, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise UnsupportedValue(f"{_at(key)}a histogram needs real numbers, got a {kind} of dtype {array.dtype}")
    with np.errstate(over="ignore"):  # a long double beyond the range counts as infinite
        return array.ravel().astype(np.float64)


# ------------------------------------------------------------------------------------------------------------- edges


def _edges(finite: Array, bins: object, whole: bool, key: str) -> Array:
    """Choose the edges of the bins; `whole` says that the values are integers."""
    import numpy as np

    if isinstance(bins, str):
        if bins != "auto":
            raise InvalidSetting(f"{_at(key)}unknown bins {bins!r}: pass 'auto', a number of bins, or their edges")
        return _even_edges(finite, _estimate(finite, whole))
    if isinstance(bins, (bool, int, np.integer)):
        if isinstance(bins, bool) or not 1 <= bins <= MOST_GIVEN_BINS:
            raise InvalidSetting(f"{_at(key)}bins must be 1 to {MOST_GIVEN_BINS:,}, got {bins}")
        return _even_edges(finite, int(bins))
    edges = to_numpy(bins, key)
    if edges.ndim != 1 or edges.size < 2 or edges.dtype.kind not in "iuf" or not (np.diff(edges) > 0).all():
        raise InvalidSetting(
            f"{_at(key)}edges of bins must be two or more numbers, each above the last, got {bins!r:.200}"
        )
    return edges.astype(np.float64)


def _estimate(finite: Array, whole: bool) -> int:
    """Choose a number of bins by the rules of Sturges (1926) and of Freedman and Diaconis (1981)."""
    import numpy as np

    if not finite.size:
        return 1
    spread = float(finite.max() / 2 - finite.min() / 2)  # halves, as the whole may be beyond the largest float
    low, high = np.percentile(finite / 2, [25, 75])
    width = spread / (math.log2(finite.size) + 1)
    rule = 2 * float(high - low) / finite.size ** (1 / 3)
    width = min(width, rule) if rule > 0 else width
    width = max(width, 0.5) if whole else width  # half of 1: narrower bins would only be empty
    return max(1, math.ceil(min(spread / width, MOST_BINS))) if width > 0 else 1


def _even_edges(finite: Array, count: int) -> Array:
    """Cut the range of the values into bins of equal width; into one where floats are too coarse for more."""
    import numpy as np

    if not finite.size:
        return np.array([0.0, 1.0])
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        margin = max(0.5, float(np.spacing(abs(low) / 2)) * 2)
        most = float(np.finfo(np.float64).max)
        low, high = max(low - margin, -most), min(high + margin, most)
    edges = np.linspace(low / 4, high / 4, count + 1) * 4  # a quarter, as the range may be beyond the largest float
    edges[0], edges[-1] = low, high  # a quarter of the smallest floats is not exact
    return edges if (np.diff(edges / 4) > 0).all() else np.array([low, high])


def _count(finite: Array, edges: Array, even: bool) -> Array:
    """Count the values between the edges; ten times as fast where the bins are of equal width."""
    import numpy as np

    low, high = float(edges[0]), float(edges[-1])
    if even and 1e-200 < high - low < 1e200:  # numpy computes with the range, and overflows beyond
        return np.histogram(finite, bins=edges.size - 1, range=(low, high))[0]
    return np.histogram(finite, bins=edges)[0]


def _at(key: str) -> str:
    return f"{key}: " if key else ""
