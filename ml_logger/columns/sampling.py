"""Fewer rows that look the same when they are drawn: the lowest and the highest value of each stretch of a curve."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from ml_logger.columns.table import Array, Columns, pick
from ml_logger.errors import InvalidSetting, NotAvailable


def is_available() -> bool:
    """Tell whether the library that samples is installed."""
    return importlib.util.find_spec("tsdownsample") is not None


def check(points: int) -> None:
    """Make sure that a table can be sampled to so many points.

    Raises:
        InvalidSetting: that is no number of points.
        NotAvailable: tsdownsample is not installed.
    """
    if type(points) is not int or points < 4:
        raise InvalidSetting(f"points={points!r} draws no curve: pass an integer of 4 or more, or None for all rows")
    if not is_available():
        raise NotAvailable("points= needs tsdownsample, which is not installed: pip install 'ml-logger[points]'")


def sample(table: Columns, x: str, points: int) -> Columns:
    """Return the rows of a table that show the shape of its curves, in their order; all, where they are few.

    Each column of numbers is a curve over `x`, or over the number of the row where there is no such column. Of each,
    the lowest and the highest value of `points / 2` stretches with as many values each are kept, the first, and the
    last; NaN is no value here. A row that one curve needs is there for all, so there are at most `points` rows for
    each curve. Columns that hold no numbers keep what they have in these rows.

    Source: the package tsdownsample, `MinMaxDownsampler`; Van Der Donckt et al., "tsdownsample: high-performance time
    series downsampling for scalable visualization", SoftwareX 2025.
    """
    if table.rows <= points:
        return table
    order = _order(table, x)
    chosen = [_extremes(table[name].to_floats(), order, points) for name in table if name != x]
    rows = np.unique(np.concatenate(chosen)) if chosen else _evenly(table.rows, points)
    return pick(table, rows if len(rows) else _evenly(table.rows, points))


def _order(table: Columns, x: str) -> Array | None:
    """Return the rows that have an x in its order; None where that is all of them as they are."""
    if x not in table:
        return None
    values = table[x].to_floats()
    rows = np.flatnonzero(~np.isnan(values))
    rows = rows[np.argsort(values[rows], kind="stable")]
    return None if len(rows) == table.rows and (rows[1:] > rows[:-1]).all() else rows


def _extremes(values: Array, order: Array | None, points: int) -> Array:
    """Return the rows of the extreme values of one curve."""
    import tsdownsample

    rows = np.flatnonzero(~np.isnan(values)) if order is None else order[~np.isnan(values[order])]
    if len(rows) <= points:
        return rows
    # Two of the points are the first and the last; the library wants an even number. It is not given the x: it would
    # have to be spread so that no stretch is empty, which steps that stand still are not.
    choose: Any = tsdownsample.MinMaxDownsampler
    found: Array = choose().downsample(np.ascontiguousarray(values[rows]), n_out=(points - 2) // 2 * 2)
    chosen: Array = rows[np.concatenate([[0], found.astype(np.int64), [len(rows) - 1]])]
    return chosen


def _evenly(rows: int, points: int) -> Array:
    """Return so many rows, where there is no curve to go by."""
    return np.unique(np.linspace(0, rows - 1, points).astype(np.int64))
