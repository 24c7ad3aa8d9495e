"""New rows of series, and their bytes: those of an answer of `POST /v1/series`, with where each line begins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

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
    at = series.place_of(start)
    ys, where = series.values[at:], series.row_at(np.arange(at, series.count))
    xs = where.astype(np.float64)
    if x != ROW:
        other = rows.series(columns_of(key, x)[1])
        if other is None:
            return None
        inside, xs = _at(other, start, where)
        xs, ys = ordered(xs - (first_of(other) if x == RELATIVE else 0.0), ys[inside])
    if not len(ys):
        return None
    return Line({"run": run, "key": key, "x": x, "n": len(ys), "rows": rows.rows, "start": start}, xs, ys)


def _at(series: Series, start: int, where: Array) -> tuple[Array, Array]:
    """Return which of some rows a series has a value in, and those values."""
    at = series.place_of(start)
    rows = series.row_at(np.arange(at, series.count))
    places = np.searchsorted(rows, where)
    inside = places < len(rows)
    inside[inside] = rows[places[inside]] == where[inside]
    return inside, series.values[at:][places[inside]]


def encoded(lines: Sequence[Line]) -> bytes:
    """Return lines as bytes: a length and a head in JSON up to a multiple of eight, then the arrays of each."""
    told = {"precision": 64, "lines": [line.head for line in lines], "bands": []}
    head = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    pieces = [len(head).to_bytes(4, "little"), head, bytes(-(4 + len(head)) % 8)]
    for line in lines:
        pieces += [line.xs.astype("<f8").tobytes(), line.ys.astype("<f8").tobytes()]
    return b"".join(pieces)
