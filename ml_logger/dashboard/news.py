"""New rows of series, and their bytes: those of an answer of `POST /v1/series`, with where each line begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ml_logger.dashboard import series_wire
from ml_logger.dashboard.curves import RELATIVE, ROW, columns_of, first_of, ordered
from ml_logger.dashboard.growing import Array
from ml_logger.dashboard.rows import Rows
from ml_logger.dashboard.series import Series


class Line(NamedTuple):
    """The points of a series in the rows from one on."""

    head: dict[str, Any]
    xs: Array
    ys: Array


def line_of(rows: Rows, run: str, key: str, x: str, start: int) -> Line | None:
    """Return the points of a series in the rows from `start` on; None where there are none."""
    series = rows.series(key)
    if series is None:
        return None
    if x == ROW:
        at = series.place_of(start)
        xs, ys = series.row_at(np.arange(at, series.count)).astype(np.float64), series.values[at:]
    else:
        other = rows.series(columns_of(key, x)[1])
        if other is None:
            return None
        xs, ys = _over(series, other, start)
        xs, ys = ordered(xs - first_of(other) if x == RELATIVE else xs, ys)
    if not len(ys):
        return None
    return Line({"run": run, "key": key, "x": x, "n": len(ys), "rows": rows.rows, "start": start}, xs, ys)


def _over(series: Series, other: Series, start: int) -> tuple[Array, Array]:
    """Return the values of two series in the rows from `start` on that have both, those of the other one first."""
    if series.is_dense and other.is_dense:
        end = min(series.count, other.count)
        return other.values[start:end], series.values[start:end]
    at, begin = series.place_of(start), other.place_of(start)
    where, rows = series.row_at(np.arange(at, series.count)), other.row_at(np.arange(begin, other.count))
    places = np.searchsorted(rows, where)
    inside = places < len(rows)
    inside[inside] = rows[places[inside]] == where[inside]
    return other.values[begin:][places[inside]], series.values[at:][inside]


def encoded(lines: Sequence[Line]) -> bytes:
    """Return lines as bytes, see `series_wire`."""
    pieces = series_wire.opening([line.head for line in lines], [], 64)
    for line in lines:
        pieces += [series_wire.float64(line.xs), series_wire.float64(line.ys)]
    return b"".join(pieces)
