"""Metrics of many files as curves: what is told of each value of x, or of each bin of it; pure, made with pandas."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ml_logger import dataframes
from ml_logger.columns.table import Array, Column, Columns, concat
from ml_logger.errors import InvalidSetting, KeyNotFound, UnsupportedValue

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")
#: What may follow an `@`, and a group of pandas that tells it. NaN is left out, as in `log_metrics_summary`.
STATISTICS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda group: group.mean(),
    "min": lambda group: group.min(),
    "max": lambda group: group.max(),
    "std": lambda group: group.std(ddof=0),
    "stddev": lambda group: group.std(ddof=0),
    "median": lambda group: group.median(),
    "sum": lambda group: group.sum(min_count=1),
    "count": lambda group: group.count(),
    "first": lambda group: group.first(),
    "last": lambda group: group.last(),
}
_OF_ANYTHING = ("count", "first", "last")


class Asked(NamedTuple):
    """What a column is of: the name of a metric, and a statistic or None for its values themselves."""

    text: str
    name: str
    statistic: str | None


class Bins(NamedTuple):
    """How x is divided: into bins of a width, or into a number of equal ones, or not at all."""

    width: float | None = None
    number: int | None = None

    @classmethod
    def checked(cls, size: Any, count: Any) -> Bins:
        """Return the bins that a call asks for.

        Raises:
            InvalidSetting: both, or a width or a number that makes no sense.
        """
        if size is not None and count is not None:
            raise InvalidSetting(
                f"bin_size={size!r} and num_bins={count!r} are two ways of one thing: pass one of them"
            )
        if size is not None and not (_is_number(size) and 0 < size < float("inf")):
            raise InvalidSetting(f"bin_size={size!r} is no width of a bin: pass a number above 0, in units of x_key")
        if count is not None and not (_is_number(count) and count >= 1 and count == int(count)):
            raise InvalidSetting(f"num_bins={count!r} is no number of bins: pass a whole number above 0")
        return cls(size, count)

    def __bool__(self) -> bool:
        return self.width is not None or self.number is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def parse(text: Any) -> Asked:
    """Tell a metric and a statistic apart: `"loss@mean"`, `"loss@16%"`; another name with an `@` is that of a metric.

    >>> parse("loss@16%"), parse("recall@10").name, parse("recall@10@max").name
    (Asked(text='loss@16%', name='loss', statistic='16%'), 'recall@10', 'recall@10')

    Raises:
        InvalidSetting: a percentage above 100.
    """
    if not isinstance(text, str):
        raise UnsupportedValue(f"a metric is asked for by its name, not by {text!r:.60}")
    name, at, statistic = text.rpartition("@")
    percent = _PERCENT.fullmatch(statistic)
    if percent and float(percent[1]) > 100:
        raise InvalidSetting(f"{text!r} asks for a percentile above 100: pass one from 0% to 100%")
    return Asked(text, name, statistic) if at and (percent or statistic in STATISTICS) else Asked(text, text, None)


def curves(
    tables: Sequence[Columns], asked: Sequence[Asked], x: Asked | None, bins: Bins, dropna: bool, where: str
) -> list[Any]:
    """Return a pandas Series for each column that is asked for, and then one for x; `where` tells the files.

    Rows of all tables are taken together. Where a statistic or bins are asked for, it tells of all rows with the same
    x, with x in the same bin, or, without an x, with the same number in their tables.

    Raises:
        KeyNotFound: no row has such a metric.
        UnsupportedValue: a statistic of numbers is asked of what holds none.
    """
    import pandas

    together = concat(tables)
    all_asked = [*asked, *([] if x is None else [x])]
    for each in all_asked:
        if each.name not in together or not together[each.name].count:
            raise KeyNotFound(
                f"no row of {where} has a metric {each.name!r}: what may follow its name is @ with "
                f"{', '.join(STATISTICS)}, or a percentile such as 16%"
            )
    numbers = np.concatenate([np.arange(table.rows) for table in tables]) if tables else np.empty(0, np.int64)
    if x is not None:
        order = _placed(together[x.name])
        together, numbers = dataframes.take(together, order), numbers[order]
    bins = bins if x is not None else Bins()
    if bins or any(each.statistic for each in all_asked):
        groups = numbers if x is None else _grouped(_numbers(together[x.name]), bins)
        columns = [_told(pandas, together[each.name], each, groups, x is each and not bins) for each in all_asked]
    else:
        frame = dataframes.make(together.select(dict.fromkeys(each.name for each in all_asked)))
        columns = [frame[each.name] for each in all_asked]
    frame = pandas.concat(columns, axis=1, keys=range(len(columns)), ignore_index=False)
    if dropna:
        frame = frame.dropna()
    frame = frame.reset_index(drop=True)
    return [frame[number].rename(each.text) for number, each in enumerate(all_asked)]


def _placed(x: Column) -> Array:
    """Return the numbers of the rows that have a number for x, in its order; equal ones stay in theirs."""
    floats = x.to_floats()
    order = np.argsort(_numbers(x), kind="stable")
    return order[~np.isnan(floats[order])]


def _numbers(column: Column) -> Array:
    """Return the values of a column to compute with: integers where they are that, without gaps, else floats."""
    settled = dataframes.settle(column)
    return settled.values if settled.kind == "int" and settled.missing is None else column.to_floats()


def _grouped(x: Array, bins: Bins) -> Array:
    """Return for each row a number that is the same for all rows that belong together."""
    if bins.width is not None:
        return x // bins.width if x.dtype == np.int64 else np.floor(x / bins.width)
    if bins.number is not None:
        finite = x[np.isfinite(x)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0, 0)
        inside = (np.clip(x, low, high) - low) / ((high - low) or 1) * bins.number
        return np.minimum(inside.astype(np.int64), bins.number - 1)
    return x


def _told(pandas: Any, column: Column, asked: Asked, groups: Array, is_group: bool) -> Any:
    """Return a statistic of each group, in the order of the groups; the mean by default, or x that the group is of."""
    statistic = asked.statistic or ("first" if is_group else "mean")
    percent = _PERCENT.fullmatch(statistic)
    if statistic in _OF_ANYTHING:
        values = dataframes.make(Columns(column.rows, {asked.name: column}))[asked.name]
    else:
        values = pandas.Series(_values(pandas, column, asked.text))
        if statistic == "sum" and not _fits(column):
            values = pandas.Series(column.to_floats())
    group = values.groupby(groups, sort=True)
    with np.errstate(all="ignore"):  # infinities, between which there is no mean
        made = group.quantile(float(percent[1]) / 100) if percent else STATISTICS[statistic](group)
    if pandas.api.types.is_numeric_dtype(made.dtype) and isinstance(made.dtype, pandas.api.extensions.ExtensionDtype):
        kept = made.dtype.kind in "iub" and made.isna().any()  # integers with gaps, which numpy has no type for
        made = made if kept else made.astype(made.dtype.numpy_dtype if not made.isna().any() else np.float64)
    return made


def _fits(column: Column) -> bool:
    """Tell whether the sum of all integers of a column is one of 64 bits, too: else it would wrap around."""
    largest = [
        float(np.abs(part.values.astype(np.float64)).max(initial=0))
        for part in column.parts
        if part.values.dtype == np.int64
    ]
    return max(largest, default=0.0) * column.rows < 2.0**63


def _values(pandas: Any, column: Column, text: str) -> Any:
    settled = dataframes.settle(column)
    if settled.kind == "int":
        missing = np.zeros(column.rows, np.bool_) if settled.missing is None else settled.missing
        return pandas.arrays.IntegerArray(settled.values.copy(), missing)
    if not any(part.values.dtype != object or any(type(v) is int for v in part.values) for part in column.parts):
        raise UnsupportedValue(f"{text!r} is asked of a metric without numbers: ask for @first, @last or @count of it")
    return column.to_floats()
